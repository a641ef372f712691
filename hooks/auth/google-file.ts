/**
 * Google's application default credentials: where they are, and what they are.
 *
 * GOOGLE_APPLICATION_CREDENTIALS, else the file of `gcloud auth application-default login`, else the metadata server.
 * A file that is named and wrong is an error: nothing else is tried in its place, as that would be another identity.
 * Its URLs may only lead to googleapis.com: a credential file with another address would hand the credential over.
 */
import * as v from "valibot";
import { adcSchema } from "../../schemas/google.ts";
import type { AuthContext } from "../contract.ts";
import { badFile, refused } from "./failure.ts";
import { filled } from "./token.ts";

export type Adc = v.InferOutput<typeof adcSchema>;

/** The file's content and its path; undefined when there is none. */
export function findAdc(context: AuthContext): { readonly adc: Adc; readonly file: string } | undefined {
  const named = filled(context.env("GOOGLE_APPLICATION_CREDENTIALS"));
  const file = named ?? gcloudFile(context);
  const text = context.readText(file);
  if (text === undefined) {
    if (named === undefined) return undefined;
    throw badFile(`GOOGLE_APPLICATION_CREDENTIALS names ${file}, which is not there`, "correct it, or unset it");
  }
  const adc = parseAdc(text, file);
  hideKeys(context, adc);
  return { adc, file };
}

/** A URL of such a file, checked. */
export function googleUrl(context: AuthContext, address: string, what: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const own = filled(context.env("KFK_GOOGLE_ENDPOINT"));
  const isOwn = own !== undefined && url !== undefined && isLoopback(url) && url.origin === new URL(own).origin;
  const isGoogle = url?.protocol === "https:" && /(^|\.)googleapis\.com$/.test(url.hostname) && url.username === "";
  if (url === undefined || !(isGoogle || isOwn)) {
    throw refused(
      `${what} of the credential file leads to ${url === undefined ? "no address" : url.origin}, which is not Google's`,
      "take a credential file that Google made",
    );
  }
  return url.href;
}

/** Google's own API host, or what a test puts in its place on loopback. */
export function googleApi(context: AuthContext, service: string): string {
  const own = filled(context.env("KFK_GOOGLE_ENDPOINT"));
  return own !== undefined && URL.canParse(own) && isLoopback(new URL(own)) ? own : `https://${service}.googleapis.com`;
}

// --- internal ---

function hideKeys(context: AuthContext, adc: Adc): void {
  switch (adc.type) {
    case "service_account":
      return context.hide(adc.private_key);
    case "authorized_user":
      context.hide(adc.client_secret);
      return context.hide(adc.refresh_token);
    case "impersonated_service_account":
      return hideKeys(context, adc.source_credentials);
    case "external_account":
      for (const text of Object.values(adc.credential_source.headers ?? {})) {
        context.hide(text);
        context.hide(text.replace(/^bearer /i, ""));
      }
  }
}

function isLoopback(url: URL): boolean {
  return /^(127(\.\d+){3}|localhost|\[::1\])$/.test(url.hostname);
}

function gcloudFile(context: AuthContext): string {
  const home = context.env("HOME") ?? context.env("USERPROFILE") ?? "";
  const windows = filled(context.env("APPDATA"));
  const folder =
    filled(context.env("CLOUDSDK_CONFIG")) ?? (windows === undefined ? `${home}/.config/gcloud` : `${windows}/gcloud`);
  return `${folder}/application_default_credentials.json`;
}

function parseAdc(text: string, file: string): Adc {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw badFile(`${file} is not JSON`, "download it again, or run gcloud auth application-default login");
  }
  const parsed = v.safeParse(adcSchema, json);
  if (parsed.success) return parsed.output;
  const type = String((json as { type?: unknown } | null)?.type);
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  throw badFile(
    path === "type" || path === null
      ? `${file} is of the type "${type}", which is not known here`
      : `${file} is not whole: ${path} must be ${issue.message}`,
    "use a service account, gcloud auth application-default login, or workload identity federation",
  );
}
