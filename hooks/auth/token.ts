/**
 * A bearer token that somebody else got: KFK_TOKEN, or a file that is read again before every request, because
 * Kubernetes, Vault and others replace what is in it (`--token-file`, KFK_TOKEN_FILE).
 *
 * With or without `Bearer ` before it. A JWT that is over is not sent; with `audience` below `auth:` none for another.
 */
import type { AuthContext, AuthProvider, AuthReason, Login } from "../contract.ts";
import { badFile } from "./failure.ts";
import { bearerLogin, holdTo } from "./jwt.ts";

export const token: AuthProvider = {
  name: "token",
  title: "bearer token of KFK_TOKEN or a file",
  settings: ["file", "audience"],
  harmless: ["audience"],
  variables: { file: ["KFK_TOKEN_FILE"] },
  applies: (_server, context) => {
    const file = tokenFile(context);
    if (file !== undefined) {
      const because =
        given(context, "file") === undefined ? `the token file ${file}` : `the token file ${file} of auth:`;
      return { how: given(context, "file") === undefined ? "given" : "ambient", because };
    }
    return filled(context.env("KFK_TOKEN")) === undefined ? undefined : { how: "given", because: "KFK_TOKEN is set" };
  },
  login: (_server, context) => {
    const file = tokenFile(context);
    const login =
      file === undefined
        ? bearerLogin(bare(context.env("KFK_TOKEN") ?? ""), "the token in KFK_TOKEN", context)
        : readTokenFile(file, context);
    return holdTo(
      login,
      given(context, "audience"),
      file === undefined ? "the token in KFK_TOKEN" : `the token in ${file}`,
    );
  },
};

/** The token in a file as a login that is read again each time. */
export function readTokenFile(file: string, context: AuthContext): Login {
  const text = context.readText(file);
  const hint = "write one bearer token into it, or leave --token-file out";
  if (text === undefined) throw badFile(`the token file ${file} is not there`, hint);
  if (text.trim() === "") throw badFile(`the token file ${file} is empty`, hint);
  const value = bare(text);
  if (!/^[\x21-\x7e]+$/.test(value)) throw badFile(`the token file ${file} is not one token`, hint);
  // a pipe of the shell, as of <(…), is empty the second time
  const isPipe = /^\/(?:dev\/fd|proc\/(?:self|\d+)\/fd)\/\d+$/.test(file);
  return bearerLogin(value, `the token in ${file}`, context, isPipe ? {} : { keep: false });
}

/** A variable or setting that holds something; kfp and kedro-kubeflow take an empty one for none. */
export function filled(text: unknown): string | undefined {
  return typeof text === "string" && text.trim() !== "" ? text.trim() : undefined;
}

/** The first of some variables that says something; half a login counts, so that it fails instead of being left out. */
export function anySet(context: AuthContext, names: readonly string[]): AuthReason | undefined {
  const name = names.find((each) => filled(context.env(each)));
  return name === undefined ? undefined : { how: "given", because: `${name} is set` };
}

/** A setting of `auth:`. */
export function given(context: AuthContext, key: string): string | undefined {
  return filled(context.settings[key]);
}

// --- internal ---

function tokenFile(context: AuthContext): string | undefined {
  return filled(context.env("KFK_TOKEN_FILE")) ?? given(context, "file");
}

function bare(text: string): string {
  return text.trim().replace(/^bearer\s+/i, "");
}
