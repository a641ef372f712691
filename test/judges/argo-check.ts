/**
 * A second judge of Argo Workflow documents: the semantic rules of Argo's own validator (4.0.5), written again from
 * their description, and stricter wishes of kfk's own.
 *
 * Comes in: a document as plain JSON. Goes out: problems, each with the number of its rule. W, N, T, O, D, V are Argo's
 * (reference/validators.md section 5); K are kfk's: what Argo lets pass and what then fails or does nothing on a
 * cluster. S1 (unknown keys) is the schemas' work (`argo-schema.ts`). `argo-check.test.ts` proves the rules on verdicts
 * of the real validator. Templates of the type `steps` are not looked into: kfk writes none.
 * Longer than other files: one rule is one or two lines here, and they share their scope.
 */
import { parseDocument } from "yaml";

/** `lint`: as the KFP server looks at an upload; `submit`: as it and the controller look at a run. */
export type ArgoMode = "lint" | "submit";

export interface Problem {
  /** Number of the rule; K…: kfk's own. */
  readonly rule: string;
  /** `spec.templates.train.container`, with names where things have names. */
  readonly at: string;
  readonly message: string;
}

/** Everything wrong with the document, in document order. Argo accepts it when no problem but K… is left. */
export function checkArgo(document: unknown, mode: ArgoMode): readonly Problem[] {
  const workflow = document as Workflow;
  const found: Problem[] = [];
  const ctx: Context = {
    workflow,
    mode,
    templates: new Map((workflow.spec.templates ?? []).map((template) => [template.name ?? "", template])),
    report: (rule, at, message) => found.push({ rule, at, message }),
  };
  checkWorkflow(ctx);
  for (const template of workflow.spec.templates ?? []) checkTemplate(ctx, template);
  return found;
}

/** True for Argo's own rules: such a document would be refused. */
export function isRefused(problems: readonly Problem[]): boolean {
  return problems.some((problem) => !problem.rule.startsWith("K"));
}

// --- internal ---

interface Parameter {
  readonly name: string;
  readonly value?: unknown;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly globalName?: string;
  readonly valueFrom?: Readonly<Record<string, unknown>>;
}

interface Artifact {
  readonly name: string;
  readonly path?: string;
  readonly from?: string;
  readonly optional?: boolean;
  readonly globalName?: string;
}

interface Values {
  readonly parameters?: readonly Parameter[];
  readonly artifacts?: readonly Artifact[];
}

interface Task {
  readonly name?: string;
  readonly template?: string;
  readonly templateRef?: unknown;
  readonly inline?: unknown;
  readonly dependencies?: readonly string[];
  readonly depends?: string;
  readonly arguments?: Values;
  readonly continueOn?: unknown;
  readonly withItems?: unknown;
  readonly withParam?: unknown;
  readonly withSequence?: unknown;
  readonly hooks?: Readonly<Record<string, { readonly template?: string }>>;
}

interface Container {
  readonly name?: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly resources?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

interface Template {
  readonly name?: string;
  readonly inputs?: Values;
  readonly outputs?: Values;
  readonly container?: Container;
  readonly script?: Container;
  readonly containerSet?: {
    readonly containers?: readonly Container[];
    readonly volumeMounts?: Container["volumeMounts"];
  };
  readonly resource?: { readonly action?: string; readonly manifest?: string; readonly manifestFrom?: unknown };
  readonly dag?: { readonly tasks?: readonly Task[]; readonly target?: string };
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string }[];
  readonly timeout?: string;
  readonly activeDeadlineSeconds?: unknown;
  readonly parallelism?: unknown;
  readonly retryStrategy?: {
    readonly limit?: unknown;
    readonly retryPolicy?: string;
    readonly backoff?: Readonly<Record<string, unknown>>;
  };
}

interface Workflow {
  readonly metadata: {
    readonly name?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly entrypoint?: string;
    readonly onExit?: string;
    readonly arguments?: Values;
    readonly templates?: readonly Template[];
    readonly templateDefaults?: Template;
    readonly hooks?: Readonly<Record<string, { readonly template?: string; readonly expression?: string }>>;
    readonly podGC?: { readonly strategy?: string };
    readonly priority?: number;
    readonly volumes?: readonly { readonly name: string }[];
    readonly volumeClaimTemplates?: readonly { readonly metadata?: { readonly name?: string } }[];
  };
}

interface Context {
  readonly workflow: Workflow;
  readonly mode: ArgoMode;
  readonly templates: ReadonlyMap<string, Template>;
  readonly report: (rule: string, at: string, message: string) => void;
}

/** Says whether a tag without its braces is known where it stands. */
type Scope = (tag: string) => boolean;

const TYPES = [
  "container",
  "script",
  "containerSet",
  "resource",
  "suspend",
  "data",
  "http",
  "plugin",
  "dag",
  "steps",
] as const;
const LOCATIONS = ["s3", "gcs", "raw", "http", "git", "oss", "azure", "hdfs", "artifactory", "plugin"];
const NAME = /^[a-zA-Z0-9][-a-zA-Z0-9]*$/;
const VALUE_NAME = /^[-a-zA-Z0-9_]+$/;
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const GO_DURATION = /^(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/;
const QUANTITY = /^[+-]?(\d+|\d+\.\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;

// the whole workflow

function checkWorkflow(ctx: Context): void {
  const { metadata, spec } = ctx.workflow;
  const { report } = ctx;
  if ((metadata.name?.length ?? 0) > 63) report("W1", "metadata.name", "more than 63 characters");
  checkNames(ctx, "spec.arguments", spec.arguments);
  for (const parameter of spec.arguments?.parameters ?? []) {
    const at = `spec.arguments.${parameter.name}`;
    const isEmpty = isAbsent(parameter.value) && isAbsent(parameter.valueFrom);
    if (isEmpty) report(ctx.mode === "submit" ? "W3" : "K11", at, "no value");
    if (parameter.enum?.length === 0) report("W3", at, "enum is empty");
    if (parameter.enum && !isAbsent(parameter.value) && !parameter.enum.includes(parameter.value)) {
      report("W3", at, "value is not in enum");
    }
    if (!isAbsent(parameter.value) && typeof parameter.value !== "string") report("K12", at, "value is not text");
  }
  const names = new Set<string>();
  for (const [index, { name = "" }] of (spec.templates ?? []).entries()) {
    const at = `spec.templates[${index}]`;
    if (name === "") report("W2", at, "no name");
    else if (!isName(name)) report("N1", at, `the name "${name}" is not valid`);
    if (names.has(name)) report("W2", at, `the name "${name}" occurs twice`);
    names.add(name);
    if (!DNS_LABEL.test(name) || name.length > 63) report("K4", at, `"${name}" is no name for a pod`);
  }
  if ((spec.templates?.length ?? 0) > 200) report("K7", "spec.templates", "more than 200");
  if (spec.entrypoint === undefined || !ctx.templates.has(spec.entrypoint)) {
    report(ctx.mode === "submit" ? "W4" : "K10", "spec.entrypoint", `"${spec.entrypoint}" is not defined`);
  } else if (ctx.mode === "submit") {
    checkSupplied(ctx, "spec.entrypoint", ctx.templates.get(spec.entrypoint), spec.arguments);
  }
  const exits = [spec.onExit, spec.hooks?.["exit"]?.template].filter((name) => name !== undefined);
  for (const name of exits) {
    const template = ctx.templates.get(name);
    if (template === undefined) report("W5", "spec.onExit", `the template "${name}" is not defined`);
    checkSupplied(ctx, "spec.onExit", template, spec.arguments);
  }
  for (const [name, hook] of Object.entries(spec.hooks ?? {})) {
    if (name !== "exit" && !hook.expression) report("W7", `spec.hooks.${name}`, "no expression");
    if (!ctx.templates.has(hook.template ?? "")) report("W7", `spec.hooks.${name}`, "the template is not defined");
  }
  const strategies = ["", "OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess"];
  if (!strategies.includes(spec.podGC?.strategy ?? "")) report("W6", "spec.podGC", "unknown strategy");
  checkReachable(ctx);
}

/** K9: a template nothing leads to is dead weight; K8: one that leads to itself never ends. */
function checkReachable(ctx: Context): void {
  const { spec } = ctx.workflow;
  const state = new Map<string, "open" | "done">();
  const visit = (name: string): void => {
    if (state.get(name) === "open") ctx.report("K8", `spec.templates.${name}`, "reaches itself");
    if (state.has(name)) return;
    state.set(name, "open");
    for (const task of ctx.templates.get(name)?.dag?.tasks ?? []) {
      for (const next of [task.template, ...Object.values(task.hooks ?? {}).map((hook) => hook.template)]) {
        if (next !== undefined && ctx.templates.has(next)) visit(next);
      }
    }
    state.set(name, "done");
  };
  for (const name of [spec.entrypoint, spec.onExit, ...Object.values(spec.hooks ?? {}).map((hook) => hook.template)]) {
    if (name !== undefined && ctx.templates.has(name)) visit(name);
  }
  for (const name of ctx.templates.keys()) {
    if (!state.has(name)) ctx.report("K9", `spec.templates.${name}`, "nothing leads to it");
  }
}

/** N2: names of parameters and artifacts are valid and unique. */
function checkNames(ctx: Context, at: string, values: Values | undefined, rule = "N2"): void {
  for (const kind of ["parameters", "artifacts"] as const) {
    const seen = new Set<string>();
    for (const { name } of values?.[kind] ?? []) {
      if (!VALUE_NAME.test(name)) ctx.report(rule, `${at}.${kind}`, `the name "${name}" is not valid`);
      if (seen.has(name)) ctx.report(rule, `${at}.${kind}`, `the name "${name}" occurs twice`);
      seen.add(name);
    }
  }
}

/** T3, T4: every input without a default is supplied. K6: nothing else is. */
function checkSupplied(ctx: Context, at: string, template: Template | undefined, given: Values | undefined): void {
  if (template === undefined) return;
  const parameters = new Set((given?.parameters ?? []).map(({ name }) => name));
  const artifacts = new Set((given?.artifacts ?? []).map(({ name }) => name));
  for (const input of template.inputs?.parameters ?? []) {
    const isGiven = parameters.has(input.name) || !isAbsent(input.value) || !isAbsent(input.default);
    if (!isGiven && isAbsent(input.valueFrom)) ctx.report("T3", at, `inputs.parameters.${input.name} is not supplied`);
  }
  for (const input of template.inputs?.artifacts ?? []) {
    if (artifacts.has(input.name) || input.optional || hasLocation(input)) continue;
    ctx.report("T4", at, `inputs.artifacts.${input.name} is not supplied`);
  }
}

// one template

function checkTemplate(ctx: Context, template: Template): void {
  const at = `spec.templates.${template.name}`;
  const { report } = ctx;
  const types = TYPES.filter((type) => type in template);
  if (types.length !== 1) report("T1", at, `${types.length} types`);
  const isLeaf = template.dag === undefined && !("steps" in template);
  if ("steps" in template) report("K5", at, "steps are not looked into");
  checkNames(ctx, `${at}.inputs`, template.inputs);
  if ((template.inputs?.parameters?.length ?? 0) > 500) report("K7", `${at}.inputs`, "more than 500 parameters");
  for (const input of template.inputs?.artifacts ?? []) {
    checkArtifactPath(ctx, `${at}.inputs.artifacts.${input.name}`, input, isLeaf);
    if (input.from !== undefined) report("T4", `${at}.inputs.artifacts.${input.name}`, "from in inputs");
  }
  checkTimes(ctx, at, template, isLeaf);
  checkRetry(ctx, at, template);
  checkContainers(ctx, at, template);
  checkResource(ctx, at, template);
  const scope = templateScope(ctx, template);
  if (template.dag) checkDag(ctx, at, template, scope);
  else {
    checkOutputs(ctx, at, template, isLeaf, scope);
    checkTags(ctx, at, template, scope);
  }
}

function checkTimes(ctx: Context, at: string, template: Template, isLeaf: boolean): void {
  const { timeout, activeDeadlineSeconds: deadline, parallelism } = template;
  if (timeout !== undefined && timeout !== "") {
    if (!isLeaf) ctx.report("T5", at, "timeout is for leaves");
    else if (!GO_DURATION.test(timeout) && !timeout.includes("{{")) ctx.report("T5", at, `timeout "${timeout}"`);
  }
  if (!isAbsent(deadline)) {
    if (!isLeaf) ctx.report("T6", at, "activeDeadlineSeconds is for leaves");
    else if (!/^\d+$|\{\{/.test(String(deadline))) ctx.report("T6", at, `activeDeadlineSeconds ${String(deadline)}`);
  }
  if (!isAbsent(parallelism) && isLeaf) ctx.report("T7", at, "parallelism is for DAGs");
  if (!isAbsent(parallelism) && Number(parallelism) < 1) ctx.report("K7", at, "parallelism below 1");
}

function checkRetry(ctx: Context, at: string, { retryStrategy: retry }: Template): void {
  if (!retry) return;
  const policies = ["", "Always", "OnFailure", "OnError", "OnTransientError"];
  if (!policies.includes(retry.retryPolicy ?? "")) ctx.report("T8", at, `retryPolicy "${retry.retryPolicy}"`);
  if (!isAbsent(retry.limit) && !/^\d+$/.test(String(retry.limit))) ctx.report("K3", at, "retry limit is no number");
  const { backoff } = retry;
  for (const key of ["duration", "maxDuration", "cap"]) {
    const value = backoff?.[key];
    // a bare number is seconds
    if (isAbsent(value) || /^\d+$/.test(String(value)) || GO_DURATION.test(String(value))) continue;
    ctx.report("K3", at, `backoff ${key} "${String(value)}" is no duration`);
  }
  if (!isAbsent(backoff?.["factor"]) && !/^\d+$/.test(String(backoff["factor"]))) {
    ctx.report("K3", at, "backoff factor is no number");
  }
}

function checkContainers(ctx: Context, at: string, template: Template): void {
  const { report, workflow } = ctx;
  const set = template.containerSet;
  const main = template.container ?? template.script;
  const volumes = new Set<string>();
  for (const { name } of [...(workflow.spec.volumes ?? []), ...(template.volumes ?? [])]) {
    volumes.add(name);
    if (!DNS_LABEL.test(name) || name.length > 63) report("K4", at, `"${name}" is no name for a volume`);
  }
  for (const claim of workflow.spec.volumeClaimTemplates ?? []) volumes.add(claim.metadata?.name ?? "");
  for (const { name = "" } of template.initContainers ?? []) {
    if (name === "") report("T12", `${at}.initContainers`, "no name");
  }
  const hasValues = template.inputs !== undefined || template.outputs !== undefined;
  if (set && hasValues && !set.containers?.some(({ name }) => name === "main")) {
    report("T12", `${at}.containerSet`, "no container main");
  }
  if (main) {
    const fallback = workflow.spec.templateDefaults?.container?.image ?? workflow.spec.templateDefaults?.script?.image;
    if (!main.image && !fallback) report("T9", at, "no image");
    const command = main.command ?? workflow.spec.templateDefaults?.container?.command;
    if (!command?.length && template.container) report("K13", at, "no command");
  }
  for (const container of [main, ...(set?.containers ?? []), ...(template.initContainers ?? [])]) {
    if (!container) continue;
    const paths = new Map<string, string>();
    for (const { name, mountPath } of container.volumeMounts ?? []) {
      if (paths.has(mountPath)) report("T10", at, `${mountPath} is mounted twice`);
      if (!volumes.has(name)) report("K1", at, `the mounted volume "${name}" is not defined`);
      paths.set(mountPath, name);
    }
    if (container === main) {
      for (const { name, path = "" } of template.inputs?.artifacts ?? []) {
        if (paths.has(path)) report("T10", at, `the artifact "${name}" is at a mount`);
      }
    }
    checkPodText(ctx, at, container);
  }
}

/** K14: quantities, variable names and argument sizes that Kubernetes or Linux would refuse. */
function checkPodText(ctx: Context, at: string, container: Container): void {
  for (const [kind, quantities] of Object.entries(container.resources ?? {})) {
    for (const [name, quantity] of Object.entries(quantities)) {
      if (!QUANTITY.test(String(quantity))) ctx.report("K14", at, `${kind}.${name} "${String(quantity)}"`);
    }
  }
  const names = new Set<string>();
  for (const { name } of container.env ?? []) {
    if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name) || names.has(name)) ctx.report("K14", at, `env "${name}"`);
    names.add(name);
  }
  for (const text of [...(container.args ?? []), ...(container.command ?? [])]) {
    if (Buffer.byteLength(text) > 100_000) ctx.report("K14", at, "an argument over 100,000 bytes");
  }
}

function checkResource(ctx: Context, at: string, { resource }: Template): void {
  if (!resource) return;
  const { action = "", manifest, manifestFrom } = resource;
  if (!["get", "create", "apply", "delete", "replace", "patch"].includes(action)) {
    ctx.report("T11", at, `action "${action}"`);
  }
  const needed = action !== "get" && action !== "delete";
  if (needed && !manifest && !manifestFrom) ctx.report("T11", at, "no manifest");
  if (manifest && manifestFrom) ctx.report("T11", at, "manifest and manifestFrom");
  if (!manifest) return;
  const yaml = parseDocument(manifest.replaceAll(/\{\{=[^]*?\}\}/g, "x"));
  if (yaml.errors.length > 0) {
    ctx.report("T11", at, "the manifest is no YAML");
    return;
  }
  const object = yaml.toJS() as { apiVersion?: unknown; kind?: unknown; metadata?: unknown } | null;
  const isObject = typeof object === "object" && object?.apiVersion && object.kind && object.metadata;
  if (!isObject) ctx.report("K15", at, "the manifest is no Kubernetes object");
}

// outputs

function checkOutputs(ctx: Context, at: string, template: Template, isLeaf: boolean, scope: Scope): void {
  const { outputs } = template;
  checkNames(ctx, `${at}.outputs`, outputs, "O2");
  for (const output of [...(outputs?.parameters ?? []), ...(outputs?.artifacts ?? [])]) {
    if (output.globalName !== undefined && !output.globalName.includes("{{") && !VALUE_NAME.test(output.globalName)) {
      ctx.report("O2", `${at}.outputs.${output.name}`, `globalName "${output.globalName}"`);
    }
  }
  for (const output of outputs?.artifacts ?? []) {
    checkArtifactPath(ctx, `${at}.outputs.artifacts.${output.name}`, output, isLeaf);
  }
  for (const { name, value, valueFrom } of outputs?.parameters ?? []) {
    const here = `${at}.outputs.parameters.${name}`;
    if (!isAbsent(value) && !isAbsent(valueFrom)) ctx.report("O1", here, "value and valueFrom");
    if (!isAbsent(value)) continue;
    if (isAbsent(valueFrom)) {
      ctx.report("O1", here, "neither value nor valueFrom");
      continue;
    }
    const from = ["path", "jqFilter", "jsonPath", "parameter", "expression", "supplied"].filter(
      (key) => valueFrom[key],
    );
    if (from.length !== 1) ctx.report("O1", here, `${from.length} kinds in valueFrom`);
    const wanted = wantedSource(template);
    if (wanted && !from.some((key) => wanted.includes(key))) ctx.report("O1", here, `needs ${wanted.join(" or ")}`);
  }
  if (outputs) checkTags(ctx, `${at}.outputs`, outputs, scope, "O3");
}

function wantedSource(template: Template): readonly string[] | undefined {
  if (template.container || template.script) return ["path", "supplied"];
  if (template.resource) return ["jqFilter", "jsonPath", "supplied"];
  return template.dag ? ["parameter", "expression", "supplied"] : undefined;
}

function checkArtifactPath(ctx: Context, at: string, { path = "" }: Artifact, isLeaf: boolean): void {
  if (!isLeaf) {
    if (path !== "") ctx.report("T4", at, "a path in a DAG");
    return;
  }
  if (path === "") ctx.report("T4", at, "no path");
  const parts = path.split("/");
  const up = parts.indexOf("..");
  if (up < 0) return;
  const clean: string[] = [];
  for (const part of parts) {
    if (part === "..") clean.pop();
    else if (part !== "." && part !== "") clean.push(part);
  }
  const safe = parts.slice(0, up).filter((part) => part !== "" && part !== ".");
  const stays = clean.length > safe.length && safe.every((part, index) => clean[index] === part);
  if (!stays) ctx.report("T4", at, `the path "${path}" goes up`);
}

// DAGs

function checkDag(ctx: Context, at: string, template: Template, scope: Scope): void {
  const { report } = ctx;
  const tasks = template.dag?.tasks ?? [];
  if (tasks.length === 0) report("D1", at, "no tasks");
  if (tasks.length > 200) report("K7", at, "more than 200 tasks");
  const byName = new Map<string, Task>();
  for (const task of tasks) {
    const name = task.name ?? "";
    if (!isName(name)) report("D2", at, `the task name "${name}" is not valid`);
    if (byName.has(name)) report("D2", at, `the task name "${name}" occurs twice`);
    byName.set(name, task);
  }
  const usesDepends = tasks.some((task) => task.depends);
  if (usesDepends && tasks.some((task) => task.dependencies?.length)) report("D4", at, "depends and dependencies");
  const needs = new Map<string, readonly string[]>();
  for (const task of tasks) needs.set(task.name ?? "", checkNeeds(ctx, `${at}.${task.name}`, task, byName));
  const ancestors = findAncestors(ctx, at, needs);
  for (const target of template.dag?.target?.split(/\s+/).filter(Boolean) ?? []) {
    if (!byName.has(target)) report("D10", at, `the target "${target}" is not defined`);
  }
  for (const task of tasks) {
    const here = `${at}.tasks.${task.name}`;
    if (/^\d/.test(task.name ?? "")) {
      if (usesDepends || task.dependencies?.length) report("D3", here, "starts with a digit");
      else report("K4", here, "starts with a digit");
    }
    if (usesDepends && task.continueOn) report("D12", here, "continueOn with depends");
    checkTask(
      ctx,
      here,
      task,
      ancestors.get(task.name ?? "") ?? new Set(),
      dagScope(ctx, byName, scope, task, ancestors),
    );
  }
  checkOutputs(ctx, at, template, false, dagScope(ctx, byName, scope, undefined, ancestors));
}

/** Names of the tasks that a task waits for. */
function checkNeeds(ctx: Context, at: string, task: Task, tasks: ReadonlyMap<string, Task>): readonly string[] {
  const needs = [...(task.dependencies ?? [])];
  for (const [, name = "", result] of (task.depends ?? "").matchAll(/([-\w]+)(?:\.(\w+))?/g)) {
    needs.push(name);
    if (result === undefined) continue;
    const loops = isLoop(tasks.get(name));
    const known = ["Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned"];
    if (loops) known.push("AnySucceeded", "AllFailed");
    if (!known.includes(result)) ctx.report("D4", at, `the result "${result}" of "${name}" is not valid`);
  }
  for (const name of needs) if (!tasks.has(name)) ctx.report("D5", at, `depends on "${name}", which is not defined`);
  if (new Set(needs).size < (task.dependencies?.length ?? 0)) ctx.report("K6", at, "names a dependency twice");
  return needs;
}

function findAncestors(
  ctx: Context,
  at: string,
  needs: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, ReadonlySet<string>> {
  const ancestors = new Map<string, Set<string>>();
  const open = new Set<string>();
  const visit = (name: string): Set<string> => {
    const known = ancestors.get(name);
    if (known) return known;
    const mine = new Set<string>();
    if (open.has(name)) {
      ctx.report("D5", at, `a cycle through "${name}"`);
      return mine;
    }
    open.add(name);
    for (const need of needs.get(name) ?? []) {
      mine.add(need);
      for (const further of visit(need)) mine.add(further);
    }
    open.delete(name);
    ancestors.set(name, mine);
    return mine;
  };
  for (const name of needs.keys()) visit(name);
  return ancestors;
}

function checkTask(ctx: Context, at: string, task: Task, ancestors: ReadonlySet<string>, scope: Scope): void {
  const { report } = ctx;
  const ways = [task.template, task.templateRef, task.inline].filter((way) => way !== undefined && way !== "");
  if (ways.length !== 1) report("D6", at, `${ways.length} of template, templateRef, inline`);
  const template = task.template === undefined ? undefined : ctx.templates.get(task.template);
  if (task.template && !template) report("D6", at, `the template "${task.template}" is not defined`);
  checkSupplied(ctx, at, template, task.arguments);
  checkNames(ctx, `${at}.arguments`, task.arguments);
  for (const { name } of task.arguments?.parameters ?? []) {
    const inputs = template?.inputs?.parameters ?? [];
    if (template && !inputs.some((input) => input.name === name)) report("K6", at, `no input is called "${name}"`);
  }
  for (const { name, value, valueFrom } of task.arguments?.parameters ?? []) {
    if (isAbsent(value) && isAbsent(valueFrom)) report("D9", `${at}.arguments.${name}`, "no value");
    checkAncestor(ctx, `${at}.arguments.${name}`, String(value), ancestors);
  }
  for (const artifact of task.arguments?.artifacts ?? []) {
    const here = `${at}.arguments.${artifact.name}`;
    if (!artifact.from && !hasLocation(artifact) && !("fromExpression" in artifact)) report("D9", here, "no from");
    checkAncestor(ctx, here, artifact.from ?? "", ancestors);
  }
  const loops = [task.withItems, task.withParam, task.withSequence].filter((loop) => !isAbsent(loop));
  if (loops.length > 1) report("D11", at, "more than one loop");
  for (const hook of Object.values(task.hooks ?? {})) {
    if (!ctx.templates.has(hook.template ?? ""))
      report("D6", at, `the hook's template "${hook.template}" is not defined`);
  }
  checkTags(ctx, at, task, scope);
}

/** D7 at the start of a text, as Argo looks; K2 anywhere else in it. */
function checkAncestor(ctx: Context, at: string, text: string, ancestors: ReadonlySet<string>): void {
  for (const match of text.matchAll(/\{\{=?[^}]*?\btasks\.([-\w]+)\./g)) {
    if (ancestors.has(match[1] ?? "")) continue;
    const isArgos = match.index === 0 && text.startsWith("{{tasks.");
    ctx.report(isArgos ? "D7" : "K2", at, `uses "${match[1]}" without waiting for it`);
  }
}

// variables

/** V1, V4, V6: `{{tag}}` of a known root that is not in scope. K16: what would stay text, or swallow text. */
function checkTags(ctx: Context, at: string, value: object, scope: Scope, rule = "V1"): void {
  const text = JSON.stringify(value);
  for (let start = text.indexOf("{{"); start >= 0;) {
    const end = text.indexOf("}}", start);
    if (end < 0) {
      ctx.report("V4", at, "{{ without }}");
      return;
    }
    const tag = text.slice(start + 2, end);
    start = text.indexOf("{{", end + 2);
    if (tag.startsWith("=")) checkExpression(ctx, at, tag.slice(1));
    else if (/^(item|steps|inputs|outputs|pod|workflow|tasks)\./.test(tag.trim())) {
      if (!scope(tag.trim())) ctx.report(rule, at, `cannot resolve {{${tag}}}`);
    } else if (tag.trim() !== "item") ctx.report("K16", at, `{{${tag}}} is no variable of Argo's`);
  }
}

/** K17: an expression may only use workflow parameters that are there. */
function checkExpression(ctx: Context, at: string, expression: string): void {
  const known = new Set((ctx.workflow.spec.arguments?.parameters ?? []).map(({ name }) => name));
  for (const [whole, name = ""] of expression.matchAll(/workflow\.parameters\.([A-Za-z_]\w*)/g)) {
    if (!known.has(name)) ctx.report("K17", at, `cannot resolve ${whole}`);
  }
}

/** A template and all that it starts, by name. */
function startsFrom(ctx: Context, name: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(name)) return found;
  found.add(name);
  for (const { template } of ctx.templates.get(name)?.dag?.tasks ?? []) if (template) startsFrom(ctx, template, found);
  return found;
}

function templateScope(ctx: Context, template: Template): Scope {
  const { metadata, spec } = ctx.workflow;
  const known = new Set([
    "name",
    "namespace",
    "mainEntrypoint",
    "serviceAccountName",
    "uid",
    "status",
    "scheduledTime",
    "annotations",
    "annotations.json",
    "labels",
    "labels.json",
    "duration",
    "creationTimestamp",
    ...Object.keys(metadata.annotations ?? {}).map((key) => `annotations.${key}`),
    ...Object.keys(metadata.labels ?? {}).map((key) => `labels.${key}`),
  ]);
  const parameters = spec.arguments?.parameters ?? [];
  if (parameters.length > 0) known.add("parameters").add("parameters.json");
  for (const { name } of parameters) known.add(`parameters.${name}`);
  if (!isAbsent(spec.priority)) known.add("priority");
  // lint knows the failures everywhere once there is an exit template; submit only in that template and what it starts
  if (spec.onExit && (ctx.mode === "lint" || startsFrom(ctx, spec.onExit).has(template.name ?? ""))) {
    known.add("failures");
  }
  for (const { outputs } of ctx.templates.values()) {
    for (const kind of ["parameters", "artifacts"] as const) {
      for (const { globalName } of outputs?.[kind] ?? []) if (globalName) known.add(`outputs.${kind}.${globalName}`);
    }
  }
  const inputs = new Set(["inputs.parameters"]);
  for (const { name } of template.inputs?.parameters ?? []) inputs.add(`inputs.parameters.${name}`);
  for (const { name } of template.inputs?.artifacts ?? []) {
    inputs.add(`inputs.artifacts.${name}`).add(`inputs.artifacts.${name}.path`);
  }
  return (tag) => {
    if (tag.startsWith("workflow.")) {
      return known.has(tag.slice("workflow.".length)) || tag.startsWith("workflow.creationTimestamp.");
    }
    if (tag.startsWith("outputs.")) return true;
    if (tag.startsWith("pod.")) return tag === "pod.name" && template.dag === undefined;
    return inputs.has(tag);
  };
}

/** What a task, or (without one) the outputs of the DAG may use on top of the template's own scope. */
function dagScope(
  ctx: Context,
  tasks: ReadonlyMap<string, Task>,
  outer: Scope,
  task: Task | undefined,
  ancestors: ReadonlyMap<string, ReadonlySet<string>>,
): Scope {
  return (tag) => {
    if (tag.startsWith("item.")) return isLoop(task);
    const match = /^tasks\.([-\w]+)\.(.+)$/.exec(tag);
    if (!match) return outer(tag);
    const [, name = "", rest = ""] = match;
    const other = tasks.get(name);
    if (other === undefined) return false;
    if (["id", "startedAt", "finishedAt", "hostNodeName"].includes(rest)) return true;
    if (rest === "status") return task === undefined || (ancestors.get(task.name ?? "")?.has(name) ?? false);
    const template = ctx.templates.get(other.template ?? "");
    if (rest === "outputs.result" || rest === "exitCode") {
      return ["container", "script", "containerSet", "data", "http", "plugin"].some((type) => type in (template ?? {}));
    }
    if (rest === "outputs.parameters") return isLoop(other);
    const outputs = template?.outputs;
    return (
      (outputs?.parameters ?? []).some((output) => rest === `outputs.parameters.${output.name}`) ||
      (outputs?.artifacts ?? []).some((output) => rest === `outputs.artifacts.${output.name}`)
    );
  };
}

function isLoop(task: Task | undefined): boolean {
  return [task?.withItems, task?.withParam, task?.withSequence].some((loop) => !isAbsent(loop));
}

function hasLocation(artifact: Artifact): boolean {
  return LOCATIONS.some((location) => location in artifact);
}

function isName(name: string): boolean {
  return NAME.test(name) && name.length <= 128;
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}
