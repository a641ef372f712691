/** User name and password for a proxy that asks for them: KFK_BASIC_USER with KFK_BASIC_PASSWORD or its _FILE. */
import type { AuthProvider } from "../contract.ts";
import { refused } from "./failure.ts";
import { readSecret } from "./secret-file.ts";
import { anySet, filled } from "./token.ts";

export const basic: AuthProvider = {
  name: "basic",
  title: "user name and password (HTTP basic)",
  settings: [],
  applies: (_server, context) => anySet(context, ["KFK_BASIC_USER", "KFK_BASIC_PASSWORD", "KFK_BASIC_PASSWORD_FILE"]),
  login: (_server, context) => {
    const user = filled(context.env("KFK_BASIC_USER"));
    const password = readSecret(context, "KFK_BASIC_PASSWORD");
    if (user === undefined || password === undefined) {
      throw refused(
        `${user === undefined ? "KFK_BASIC_USER" : "KFK_BASIC_PASSWORD"} is missing, and the other half is set`,
        "set both KFK_BASIC_USER and KFK_BASIC_PASSWORD, or neither",
      );
    }
    if (user.includes(":")) throw refused("KFK_BASIC_USER holds a colon", "a user name of HTTP basic has none");
    const pair = new TextEncoder().encode(`${user}:${password}`).toBase64();
    return { headers: { Authorization: `Basic ${pair}` }, principal: user };
  },
};
