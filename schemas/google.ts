/**
 * Files of Google's application default credentials, as gcloud, the console and google-github-actions/auth write them.
 * Tolerant of more fields; messages follow "must be".
 * Source: google-auth-library-python 2.48 `_default.py`, `service_account.py`, `identity_pool.py`, `impersonated_credentials.py`.
 */
import * as v from "valibot";
import { looseObject, record } from "./mapping.ts";

const text = v.pipe(v.string("text"), v.minLength(1, "text"));

const serviceAccountSchema = looseObject({
  type: v.literal("service_account"),
  client_email: text,
  private_key: text,
  private_key_id: v.optional(text),
  token_uri: v.optional(text, "https://oauth2.googleapis.com/token"),
});

const authorizedUserSchema = looseObject({
  type: v.literal("authorized_user"),
  client_id: text,
  client_secret: text,
  refresh_token: text,
  token_uri: v.optional(text, "https://oauth2.googleapis.com/token"),
});

const externalAccountSchema = looseObject({
  type: v.literal("external_account"),
  audience: text,
  subject_token_type: text,
  token_url: text,
  service_account_impersonation_url: v.optional(text),
  credential_source: looseObject({
    file: v.optional(text),
    url: v.optional(text),
    headers: v.optional(record(v.string(), v.string())),
    executable: v.optional(looseObject({ command: text })),
    environment_id: v.optional(text),
    format: v.optional(looseObject({ type: v.optional(text), subject_token_field_name: v.optional(text) })),
  }),
});

const impersonatedSchema = looseObject({
  type: v.literal("impersonated_service_account"),
  service_account_impersonation_url: text,
  delegates: v.optional(v.array(text), []),
  source_credentials: v.variant("type", [serviceAccountSchema, authorizedUserSchema, externalAccountSchema]),
});

export const adcSchema = v.variant("type", [
  serviceAccountSchema,
  authorizedUserSchema,
  externalAccountSchema,
  impersonatedSchema,
]);

/** `~/.config/kfp/credentials.json` of the kfp SDK: what the browser login of a desktop client left, by IAP client id. */
export const kfpCredentialsSchema = record(
  v.string(),
  looseObject({ other_client_id: text, other_client_secret: text, refresh_token: text }),
);
