/**
 * A session that was begun in a browser: KFK_COOKIE or the file that KFK_COOKIE_FILE names (read before every request),
 * as the browser shows it: `name=value; name=value`.
 */
import type { AuthProvider } from "../contract.ts";
import { badFile } from "./failure.ts";
import { readSecret } from "./secret-file.ts";
import { filled } from "./token.ts";

export const cookie: AuthProvider = {
  name: "cookie",
  title: "session cookie of a browser",
  settings: [],
  applies: (_server, context) => {
    const name = ["KFK_COOKIE_FILE", "KFK_COOKIE"].find((each) => filled(context.env(each)));
    return name === undefined ? undefined : { how: "given", because: `${name} is set` };
  },
  login: (_server, context) => {
    const text =
      readSecret(context, "KFK_COOKIE")
        ?.trim()
        .replace(/^cookie:\s*/i, "") ?? "";
    if (!/^[\x21-\x7e]+=[\x20-\x7e]*$/.test(text)) {
      throw badFile(
        "the cookie is not of the form name=value",
        "copy name and value from the browser's developer tools",
      );
    }
    return { headers: { Cookie: text }, keep: false };
  },
};
