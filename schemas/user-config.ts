/** `config.yaml` of a person: messages follow "must be". */
import * as v from "valibot";
import { strictObject } from "./mapping.ts";

export const userConfigSchema = strictObject(
  {
    trust_hosts: v.nullish(v.array(v.string("text"), "a list of hosts")),
    auth: v.nullish(v.unknown()),
  },
  "a mapping with trust_hosts and auth",
);
