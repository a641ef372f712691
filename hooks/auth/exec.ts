/**
 * A program that gives the login: `auth: {exec: {command: [program, argument, …], output: token|json|cookie}}` in the
 * person's own configuration, or KFK_AUTH_EXEC (a JSON list, or one program). Never from a project's files. No shell.
 *
 * `json` is the ExecCredential of Kubernetes with token or client certificate and its end; `token` and `cookie` are the
 * text alone. The program must ask nothing and end within a minute.
 */
import * as v from "valibot";
import { execCredentialSchema } from "../../schemas/kubeconfig.ts";
import type { AuthContext, AuthProvider, Login } from "../contract.ts";
import { refused } from "./failure.ts";
import { bearerLogin, showTime } from "./jwt.ts";
import { filled, given } from "./token.ts";

export const exec: AuthProvider = {
  name: "exec",
  title: "a program that gives the login",
  settings: ["command", "output"],
  applies: (_server, context) => {
    if (filled(context.env("KFK_AUTH_EXEC"))) return { how: "given", because: "KFK_AUTH_EXEC is set" };
    const command = context.settings["command"];
    return command === undefined
      ? undefined
      : { how: "ambient", because: `the login that ${programOf(context)} gives` };
  },
  login: async (_server, context) => {
    const command = commandOf(context);
    const { code, out } = await context.run(command, { KUBERNETES_EXEC_INFO: execInfo(undefined) });
    if (code !== 0) throw failedProgram(command, code);
    const text = out.trim();
    if (text === "") throw printedNothing(command);
    const output = given(context, "output") ?? (text.startsWith("{") ? "json" : "token");
    switch (output) {
      case "token":
        return bearerLogin(text.replace(/^bearer\s+/i, ""), `what ${command[0]} printed`, context);
      case "cookie":
        context.hide(text);
        if (!/^[\x21-\x7e]+=[\x21-\x7e][\x20-\x7e]*$/.test(text)) throw noCookie(command);
        return { headers: { Cookie: text } };
      case "json":
        return readExecCredential(text, command[0] ?? "", context);
      default:
        throw refused(`output of auth: exec cannot be "${output}"`, "use token, json or cookie");
    }
  },
};

/** An ExecCredential as a login. `program` names it in messages; `apiVersion`: the one that was asked for. */
export function readExecCredential(text: string, program: string, context: AuthContext, apiVersion?: string): Login {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const parsed = v.safeParse(execCredentialSchema, json);
  if (!parsed.success)
    throw refused(`${program} printed no ExecCredential`, `run ${program} yourself and look at what it prints`);
  if (apiVersion !== undefined && parsed.output.apiVersion !== apiVersion) {
    const what = `${program} gave an ExecCredential of ${parsed.output.apiVersion}, and ${apiVersion} was asked for`;
    throw refused(what, "write the version that it gives into apiVersion of kubeconfig");
  }
  const { token, expirationTimestamp, clientCertificateData: cert, clientKeyData: key } = parsed.output.status;
  const atMs = Date.parse(expirationTimestamp ?? "");
  if (expirationTimestamp && Number.isNaN(atMs)) {
    throw refused(`${program} gave an end that is no time`, `run ${program} yourself: expirationTimestamp is RFC 3339`);
  }
  const end = Number.isNaN(atMs) ? {} : { expiresAtMs: atMs };
  if (atMs <= context.nowMs()) {
    throw refused(
      `what ${program} gave was valid until ${showTime(atMs)}, and it is ${showTime(context.nowMs())} by this machine's clock`,
      "log in again with it, or set the clock",
    );
  }
  if (key) context.hide(key);
  const tls = cert && key ? { tls: { cert, key } } : {};
  if (Boolean(cert) !== Boolean(key))
    throw refused(
      `${program} gave half of a certificate and its key`,
      `run ${program} yourself and look at what it prints`,
    );
  if (token) return bearerLogin(token, `the token of ${program}`, context, { ...end, ...tls });
  if (cert && key) return { headers: {}, ...tls, ...end };
  throw refused(`${program} gave neither token nor certificate`, `run ${program} yourself and look at what it prints`);
}

/** What a plugin is told of the call. `cluster`: where it asked to be told. */
export function execInfo(cluster: Readonly<Record<string, unknown>> | undefined, apiVersion?: string): string {
  return JSON.stringify({
    kind: "ExecCredential",
    apiVersion: apiVersion ?? "client.authentication.k8s.io/v1",
    spec: { interactive: false, ...(cluster === undefined ? {} : { cluster }) },
  });
}

// --- internal ---

function commandOf(context: AuthContext): readonly string[] {
  const variable = filled(context.env("KFK_AUTH_EXEC"));
  const command = variable === undefined ? context.settings["command"] : parseList(variable);
  const isList = Array.isArray(command) && command.length > 0 && command.every((each) => typeof each === "string");
  const program = isList ? String(command[0]) : "";
  if (program.trim() === "")
    throw refused("the command of auth: exec is not a list of texts", 'write command: ["program", "argument"]');
  // seen from the folder of whatever project is worked on, such a path would lead to a program of that project
  if (variable === undefined && /[/\\]/.test(program) && !/^(\/|[a-z]:)/i.test(program)) {
    throw refused(`${program} is another program in every folder`, "write its absolute path, or a name on the PATH");
  }
  return command as string[];
}

function parseList(text: string): unknown {
  if (!text.startsWith("[")) return [text];
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function programOf(context: AuthContext): string {
  const command = context.settings["command"];
  return Array.isArray(command) ? String(command[0]) : "a program";
}

function printedNothing(command: readonly string[]): Error {
  return refused(`${command[0]} printed nothing`, `run ${command[0]} yourself and look at what it prints`);
}

function noCookie(command: readonly string[]): Error {
  return refused(
    `what ${command[0]} printed is not of the form name=value`,
    "it must print the cookie alone, as the browser shows it",
  );
}

function failedProgram(command: readonly string[], code: number | null): Error {
  const how = code === null ? "was ended by a signal" : `ended with status ${code}`;
  return refused(`${command[0]} ${how}`, `run ${command[0]} yourself: it must work without asking`);
}
