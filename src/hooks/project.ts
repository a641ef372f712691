/**
 * The hooks of one project, as the verbs call them on the arrows: kubeflow.yaml → config, model → model, plan → steps,
 * text → documents. Each answer is checked before it goes on, so that an error names the file that gave it. A hook that
 * no file holds costs nothing.
 */
import * as v from "valibot";
import type {
  AuthTarget,
  ExtraStep,
  Finding,
  LintSubject,
  Login,
  Plan,
  Value,
  ValueMap,
  Variable,
} from "../../hooks/contract.ts";
import { extraStepsSchema, findingsSchema, headersSchema, loginSchema, valueMapSchema } from "../../schemas/hooks.ts";
import type { Plain } from "../config/plain.ts";
import { type MapNode, toPlain } from "../config/tree.ts";
import { KfkError } from "../error.ts";
import type { Model } from "../pipeline/model.ts";
import { findNewSecrets } from "../secrets.ts";
import type { StepPlan } from "../steps/step.ts";
import { withoutLikely } from "../told-secrets.ts";
import { applyDocuments, toDocumentsPayload } from "./documents.ts";
import { addExtraSteps, checkExtraStep } from "./extra.ts";
import { hookSpot, wrongResult } from "./failure.ts";
import { describeIssue } from "./issue.ts";
import type { ContextData } from "./message.ts";
import { applyModel, toModelPayload } from "./model.ts";
import { applyPlan, toPlanPayload } from "./plan.ts";
import type { HookName } from "./rules.ts";
import type { HookSession, LoadedFile } from "./session.ts";
import { changeTree, fromValue, toValue } from "./value.ts";

export interface ProjectHooks {
  /** Files in the order in which they are called. */
  readonly files: readonly LoadedFile[];
  /** Names of all resolvers that some file brings. */
  readonly resolvers: ReadonlySet<string>;
  readonly has: (hook: HookName) => boolean;
  readonly config: (tree: MapNode) => Promise<MapNode>;
  readonly variable: (variable: Variable) => Promise<string | undefined>;
  readonly resolve: (name: string, args: readonly Plain[]) => Promise<Plain>;
  readonly model: (model: Model) => Promise<Model>;
  readonly steps: (plan: StepPlan) => Promise<StepPlan>;
  /** Steps that start before and run after those of the plan, in order. */
  readonly extraSteps: (plan: StepPlan) => Promise<readonly ExtraStep[]>;
  /** Text of the documents of a plan as it was written → with extra steps and changes, as it goes to the server. */
  readonly documents: (plan: StepPlan, text: string) => Promise<string>;
  readonly lint: (subject: LintParts) => Promise<readonly Finding[]>;
  /** What logs in; its values must never be shown. */
  readonly auth: (target: AuthTarget) => Promise<Login | undefined>;
}

/** What the verb has made so far. */
export interface LintParts {
  readonly model: Model;
  readonly plan?: StepPlan;
  readonly documents?: string;
}

/** What is called when a project has no hooks, or they are off: every value goes through as it is. */
export const NO_HOOKS: ProjectHooks = projectHooks(
  { files: [], call: unreachable, settle: () => Promise.resolve(), close: unreachable },
  undefined,
  {},
);

/** The hooks of a session. `env`: its secrets must not reach a document. Errors of every call: HOOK_*, INTERRUPTED, TERMINATED. */
export function projectHooks(
  session: HookSession,
  context: ContextData | undefined,
  env: Readonly<Record<string, string | undefined>>,
): ProjectHooks {
  const having = (hook: HookName): LoadedFile[] => session.files.filter(({ hooks }) => hooks.has(hook));
  const ask = async (file: LoadedFile, hook: HookName, payload: Value, keep: boolean): Promise<Value | undefined> =>
    await session.call(file, { hook, args: [payload], keep, ...(context ? { context } : {}) });
  const series = async <T>(
    hook: HookName,
    first: T,
    payload: (value: T) => unknown,
    apply: (value: T, answer: Value | undefined, file: LoadedFile) => T,
  ): Promise<T> => {
    let value = first;
    for (const file of having(hook)) {
      const given = payload(value) as Value;
      const answer = await ask(file, hook, given, true);
      value = apply(value, answer, file);
      // what kubeflow.yaml says of a login stays there
      if (hook !== "config") checkSecrets(file, hook, given, answer);
    }
    return value;
  };
  let isFirstLogin = true;
  const failure =
    ({ file }: LoadedFile, hook: string) =>
    (why: string): Error =>
      wrongResult(file, hook, why);
  const checkSecrets = (file: LoadedFile, hook: HookName, given: Value, answer: Value | undefined): void => {
    const [secret] = findNewSecrets(env, textsOf(given).join("\n"), textsOf(answer ?? null).join("\n"));
    if (secret === undefined) return;
    throw failure(file, hook)(`it holds the value of ${secret}, which would be in the document for all to read`);
  };
  const extraSteps = async (plan: StepPlan, take: (file: LoadedFile, steps: ExtraStep[]) => void): Promise<void> => {
    for (const file of having("extraSteps")) {
      const answer = await ask(file, "extraSteps", toPlanPayload(plan) as unknown as Value, false);
      const parsed = v.safeParse(extraStepsSchema, answer ?? []);
      if (!parsed.success) throw failure(file, "extraSteps")(describeIssue(parsed.issues[0]));
      checkSecrets(file, "extraSteps", null, answer);
      take(file, parsed.output as ExtraStep[]);
    }
  };
  return {
    files: session.files,
    resolvers: new Set(having("resolvers").flatMap(({ hooks }) => hooks.get("resolvers") ?? [])),
    has: (hook) => having(hook).length > 0,
    config: async (tree) => {
      const plain = toPlain(tree);
      // a value that only Python knows: the check of the file names it
      if (plain === undefined) return tree;
      return await series(
        "config",
        tree,
        (value) => toValue(toPlain(value) ?? null),
        (value, answer, file) => {
          const parsed = v.safeParse(valueMapSchema, answer);
          if (!parsed.success) throw failure(file, "config")(describeIssue(parsed.issues[0]));
          return changeTree(value, parsed.output as ValueMap, hookSpot(file.file, "config"));
        },
      );
    },
    variable: async (variable) => {
      for (const file of having("variable")) {
        const answer = await ask(file, "variable", { ...variable }, false);
        if (answer === undefined) continue;
        if (typeof answer !== "string") throw failure(file, "variable")("it must be text or undefined");
        if (answer.includes("${"))
          throw failure(file, "variable")('the text holds "${", and it is not looked at again');
        return answer;
      }
      return undefined;
    },
    resolve: async (name, args) => {
      const file = having("resolvers").find(({ hooks }) => hooks.get("resolvers")?.includes(name));
      if (file === undefined) throw new Error(`no resolver ${name}`);
      const answer = await session.call(file, { hook: "resolvers", member: name, args: args.map(toValue) });
      if (answer === undefined) throw failure(file, `resolvers.${name}`)("it is undefined");
      return fromValue(answer, undefined);
    },
    model: async (model) => {
      const changed = await series("model", model, toModelPayload, (value, answer, file) =>
        applyModel(value, answer, failure(file, "model")),
      );
      await session.settle();
      return changed;
    },
    steps: async (plan) =>
      await series("steps", plan, toPlanPayload, (value, answer, file) =>
        applyPlan(value, answer, failure(file, "steps")),
      ),
    extraSteps: async (plan) => {
      const all: ExtraStep[] = [];
      await extraSteps(plan, (file, steps) => {
        for (const step of steps) checkExtraStep(step, failure(file, "extraSteps"));
        // of several files the later one's start steps come first, as in a document
        all.unshift(...steps);
      });
      await session.settle();
      return all;
    },
    documents: async (plan, text) => {
      let more = text;
      await extraSteps(plan, (file, steps) => {
        more = addExtraSteps(more, steps, plan.pods, failure(file, "extraSteps"));
      });
      more = await series("documents", more, toDocumentsPayload, (value, answer, file) =>
        applyDocuments(value, answer, failure(file, "documents")),
      );
      await session.settle();
      return more;
    },
    lint: async (parts) => {
      const findings: Finding[] = [];
      for (const file of having("lint")) {
        const answer = await ask(file, "lint", lintSubject(parts) as unknown as Value, false);
        const parsed = v.safeParse(findingsSchema, answer ?? []);
        if (!parsed.success) throw failure(file, "lint")(describeIssue(parsed.issues[0]));
        findings.push(...(parsed.output as Finding[]));
      }
      await session.settle();
      return findings;
    },
    auth: async (target) => {
      for (const file of having("auth")) {
        const answer = await ask(file, "auth", { ...target }, false);
        // in time only before anything is created
        if (isFirstLogin) await session.settle();
        isFirstLogin = false;
        if (answer === undefined) continue;
        const isLogin = typeof (answer as { headers?: unknown } | null)?.headers === "object";
        const parsed = v.safeParse<v.GenericSchema>(isLogin ? loginSchema : headersSchema, answer);
        // a name in it may be a token in the wrong place
        if (!parsed.success) throw failure(file, "auth")(withoutLikely(describeIssue(parsed.issues[0])));
        const login = (isLogin ? parsed.output : { headers: parsed.output }) as Login;
        const wrong = Object.keys(login.headers).find((name) => !/^[\w!#$%&'*+.^`|~-]+$/.test(name));
        if (wrong !== undefined) throw failure(file, "auth")("what it gives as the name of a header is none");
        return login;
      }
      return undefined;
    },
  };
}

/** The hooks with steps that ship with kfk: next to the plan's own, inside those of the project's files. */
export function withShippedSteps(hooks: ProjectHooks, shipped: (plan: Plan) => readonly ExtraStep[]): ProjectHooks {
  const fail = (why: string): Error =>
    new KfkError("CONFIG_KUBEFLOW", `the steps of MLflow have no place in this pipeline: ${why}`, {
      hint: "mlflow: {mode: off} in kubeflow.yaml leaves them out",
    });
  const stepsOf = (plan: StepPlan): readonly ExtraStep[] => shipped(toPlanPayload(plan));
  return {
    ...hooks,
    extraSteps: async (plan) => [...(await hooks.extraSteps(plan)), ...stepsOf(plan)],
    documents: async (plan, text) => await hooks.documents(plan, addExtraSteps(text, stepsOf(plan), plan.pods, fail)),
  };
}

// --- internal ---

function lintSubject({ model, plan, documents }: LintParts): LintSubject {
  return {
    model: toModelPayload(model),
    plan: plan === undefined ? null : toPlanPayload(plan),
    documents: documents === undefined ? null : toDocumentsPayload(documents),
  };
}

/** Every text in a value, keys left out. */
function textsOf(value: Value): readonly string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(textsOf);
}

function unreachable(): Promise<never> {
  return Promise.reject(new Error("there are no hooks to call"));
}
