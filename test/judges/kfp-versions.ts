/**
 * What differs from one KFP server to the next, as data for the fake (`kfp-fake.ts`). Every row was taken from
 * recordings of that server and is checked against them by `kfp-fake.test.ts`.
 */

export interface KfpVersion {
  readonly tag: string;
  readonly commit: string;
  /** Body of `GET /apis/v2beta1/healthz` has the pipeline store; null: the route is not there. */
  readonly v2Health: "plain" | "store" | null;
  /** Generation of the gateway: 2 refuses unknown fields and leaves `error` out of errors. */
  readonly gateway: 1 | 2;
  /** True: a client's run id is kept. */
  readonly keepsRunId: boolean;
  /** True: the upload handlers keep reasons to themselves. */
  readonly hidesReasons: boolean;
  /** Status of an upload whose name is taken. */
  readonly duplicateUpload: 409 | 500;
  /** Longest names at upload that are refused by length, null: only the column of 255 says no. */
  readonly nameLimits: { readonly pipeline: number; readonly version: number } | null;
  /** Status and reason for what is no template at all. */
  readonly unknownTemplate: 400 | 500;
}

const v250: KfpVersion = {
  tag: "2.5.0",
  commit: "d07cf1c7f9bd",
  v2Health: "plain",
  gateway: 1,
  keepsRunId: true,
  hidesReasons: false,
  duplicateUpload: 409,
  nameLimits: null,
  unknownTemplate: 500,
};

export const KFP_VERSIONS = {
  "2.5.0": v250,
  "2.17.0": {
    tag: "2.17.0",
    commit: "4a3592cb2dd0",
    v2Health: "store",
    gateway: 2,
    keepsRunId: true,
    hidesReasons: true,
    duplicateUpload: 409,
    nameLimits: { pipeline: 128, version: 127 },
    unknownTemplate: 400,
  },
  /** A stand-in for servers before 2.0, in the two points that a client must notice; its wording is that of 2.5.0. */
  "old-ids": { ...v250, tag: "1.8.22", commit: "local", v2Health: null, keepsRunId: false, duplicateUpload: 500 },
} as const satisfies Record<string, KfpVersion>;
