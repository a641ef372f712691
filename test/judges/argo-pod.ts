/**
 * What the container of a step is really started with: the way of a compiled document through KFP, Argo and
 * Kubernetes, each of which expands its own notation.
 *
 * Comes in: the document as plain JSON, the name of a task, the parameters that a person typed. Goes out: the
 * container's argv. Rules as measured on real pods: KFP replaces `[[…]]` and `{{$.…}}` in values of parameters; Argo
 * replaces the tags that it knows in the text of a template and of a task's arguments, once, and refuses an expression
 * it cannot evaluate; Kubernetes replaces `$(NAME)` for the container's own variables and `$$` in command and args.
 */

export interface PodWorkflow {
  readonly spec: {
    readonly entrypoint: string;
    readonly arguments?: { readonly parameters?: readonly Parameter[] };
    readonly templates: readonly Template[];
  };
}

/** The argv of the container that a task starts, of the entrypoint or of a part in it. Errors: Error, for what this does not know. */
export function podArgv(
  workflow: PodWorkflow,
  taskName: string,
  typed: Readonly<Record<string, string>> = {},
): readonly string[] {
  const { spec } = workflow;
  const values = new Map((spec.arguments?.parameters ?? []).map(({ name, value }) => [name, value ?? ""]));
  for (const [name, value] of Object.entries(typed)) values.set(name, value);
  const known = new Map([
    ["workflow.name", "spaceflights-x7k2p"],
    ["workflow.uid", RUN],
    ...[...values].map(([name, value]) => [`workflow.parameters.${name}`, expandKfp(value)] as const),
  ]);
  const found = findTask(spec.templates, spec.entrypoint, taskName, known);
  if (found === undefined) throw new Error(`no task ${taskName}`);
  const { template, inputs } = found;
  const { container } = template;
  if (container === undefined) throw new Error(`${template.name} has no container`);
  const all = new Map([...known, ...inputs]);
  const environment = new Map((container.env ?? []).map(({ name, value }) => [name, expandArgo(value ?? "", all)]));
  return [...(container.command ?? []), ...(container.args ?? [])].map((text) =>
    expandKubernetes(expandArgo(text, all), environment),
  );
}

// --- internal ---

interface Parameter {
  readonly name: string;
  readonly value?: string;
}

interface Template {
  readonly name: string;
  readonly dag?: {
    readonly tasks: readonly {
      readonly name: string;
      readonly template: string;
      readonly arguments?: { readonly parameters?: readonly Parameter[] };
    }[];
  };
  readonly container?: {
    readonly command?: readonly string[];
    readonly args?: readonly string[];
    readonly env?: readonly Parameter[];
  };
}

const RUN = "5f0d3c1e-0000-4000-8000-000000000000";

/** The template that a task starts, with its inputs; those of a part are seen inside it only. */
function findTask(
  templates: readonly Template[],
  dag: string,
  taskName: string,
  known: ReadonlyMap<string, string>,
): { readonly template: Template; readonly inputs: readonly (readonly [string, string])[] } | undefined {
  for (const task of templateOf(templates, dag).dag?.tasks ?? []) {
    const template = templateOf(templates, task.template);
    if (task.name !== taskName && template.dag === undefined) continue;
    const inputs = (task.arguments?.parameters ?? []).map(
      ({ name, value }) => [`inputs.parameters.${name}`, expandArgo(value ?? "", known)] as const,
    );
    if (task.name === taskName) return { template, inputs };
    const global = [...known].filter(([name]) => !name.startsWith("inputs."));
    const found = findTask(templates, template.name, taskName, new Map([...global, ...inputs]));
    if (found) return found;
  }
  return undefined;
}

function templateOf(templates: readonly Template[], name: string): Template {
  const found = templates.find((template) => template.name === name);
  if (found === undefined) throw new Error(`no template ${name}`);
  return found;
}

function expandKfp(value: string): string {
  return value
    .replaceAll("[[RunUUID]]", RUN)
    .replaceAll(/\[\[CurrentTime[^\]]*\]\]|\{\{\$\.currentTime[^}]*\}\}/g, "20260102030405");
}

function expandArgo(text: string, known: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\{\{(.*?)\}\}/gs, (tag: string, inner: string) => {
    if (inner.startsWith("=")) return evaluate(inner.slice(1), known);
    return known.get(inner.trim()) ?? tag;
  });
}

/** The one form of expression that kfk writes: base64 of a JSON object of parameters. */
function evaluate(expression: string, known: ReadonlyMap<string, string>): string {
  const body = /^sprig\.b64enc\(toJson\(\{(.*)\}\)\)$/s.exec(expression)?.[1];
  if (body === undefined) throw new Error(`unknown expression ${expression}`);
  const picked: Record<string, string> = {};
  const rest = body.replaceAll(
    /("(?:[^"\\]|\\.)*"):(?:workflow\.parameters\.(\w+)|workflow\.parameters\[("(?:[^"\\]|\\.)*")\])(?:,|$)/g,
    (_, key: string, plain: string | undefined, quoted: string | undefined) => {
      const name = plain ?? (JSON.parse(quoted ?? '""') as string);
      const value = known.get(`workflow.parameters.${name}`);
      if (value === undefined) throw new Error(`no parameter ${name}`);
      picked[JSON.parse(key) as string] = value;
      return "";
    },
  );
  if (rest !== "") throw new Error(`unknown part of an expression: ${rest}`);
  // Go's JSON escapes these three.
  const json = JSON.stringify(picked).replaceAll(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
  return Buffer.from(json).toString("base64");
}

function expandKubernetes(text: string, environment: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (found, name: string | undefined) =>
    found === "$$" ? "$" : (environment.get(name ?? "") ?? found),
  );
}
