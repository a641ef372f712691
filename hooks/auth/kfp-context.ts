/**
 * What `kfp.Client().set_user_namespace()` and its neighbours wrote for the kfp SDK: `~/.config/kfp/context.json` with
 * `client_authentication_cookie`, or `client_authentication_header_name` and `…_value`. Read only. The file does not
 * say for which server it is. Source: kfp SDK 2.17 `client/client.py`.
 */
import type { AuthContext, AuthProvider } from "../contract.ts";
import { badFile } from "./failure.ts";
import { filled } from "./token.ts";

export const kfpContext: AuthProvider = {
  name: "kfp-context",
  title: "what the kfp SDK has kept",
  settings: [],
  applies: (_server, context) =>
    Object.keys(headersOf(context)).length > 0
      ? { how: "ambient", because: `the login in ${place(context)}` }
      : undefined,
  login: (_server, context) => {
    const headers = headersOf(context);
    if (Object.keys(headers).length === 0) {
      throw badFile(`${place(context)} holds no login`, "log in with the kfp SDK, or use another way");
    }
    return { headers, keep: false };
  },
};

// --- internal ---

function place(context: AuthContext): string {
  return `${context.env("HOME") ?? context.env("USERPROFILE") ?? ""}/.config/kfp/context.json`;
}

function headersOf(context: AuthContext): Record<string, string> {
  const text = context.readText(place(context));
  if (text === undefined) return {};
  let json: Record<string, unknown>;
  try {
    json = (JSON.parse(text) ?? {}) as Record<string, unknown>;
  } catch {
    return {}; // a broken file of another program is no login
  }
  const cookie = filled(json["client_authentication_cookie"]);
  const name = filled(json["client_authentication_header_name"]);
  const value = filled(json["client_authentication_header_value"]);
  return {
    ...(cookie === undefined ? {} : { Cookie: cookie }),
    ...(name === undefined || value === undefined || !/^[\w-]+$/.test(name) ? {} : { [name]: value }),
  };
}
