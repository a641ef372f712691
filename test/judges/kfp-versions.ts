/**
 * What differs from one KFP server to the next, as data for the fake (`kfp-fake.ts`). Every row was taken from
 * recordings of that server and is checked against them by `kfp-fake.test.ts`; the words of refusals are in
 * `kfp-said.ts`.
 */
import type { Tag } from "./kfp-said.ts";

export interface KfpVersion {
  /** Whose recordings give the words. */
  readonly said: Tag;
  readonly tag: string;
  readonly commit: string;
  /** False: there is no v2beta1. */
  readonly hasV2: boolean;
  /** True: unknown JSON fields are refused, health tells the store, objects have `name` beside `display_name`. */
  readonly isStrict: boolean;
  /** True: a client's run id is kept. */
  readonly keepsRunId: boolean;
  /** True: the server speaks as 1.x did (Argo's phases, names in references, other objects of lists). */
  readonly isOld: boolean;
  /** True: a delete of a pipeline may take its versions with it (`cascade`). */
  readonly cascades: boolean;
  /** True: schedules of no version run the latest one and say so. */
  readonly followsLatest: boolean;
  /** Longest names at upload that are refused by length. */
  readonly nameLimits: { readonly pipeline: number; readonly version: number };
  /** Longest name of a version in its table; the first one has the pipeline's name. */
  readonly longestVersion: number;
  readonly longestExperiment: number;
}

const v205: KfpVersion = {
  said: "2.0.5",
  tag: "2.0.5",
  commit: "d3a6ad8d5a41",
  hasV2: true,
  isStrict: false,
  keepsRunId: true,
  isOld: false,
  cascades: false,
  followsLatest: false,
  nameLimits: { pipeline: Infinity, version: Infinity },
  longestVersion: 255,
  longestExperiment: 255,
};
const v250: KfpVersion = { ...v205, said: "2.5.0", tag: "2.5.0", commit: "d07cf1c7f9bd", followsLatest: true };

export const KFP_VERSIONS = {
  "1.8.22": {
    ...v205,
    said: "1.8.22",
    tag: "1.8.22",
    commit: "54dbd5c2d2ff",
    hasV2: false,
    keepsRunId: false,
    isOld: true,
    nameLimits: { pipeline: 100, version: 100 },
  },
  "2.0.5": v205,
  "2.5.0": v250,
  "2.17.0": {
    ...v250,
    said: "2.17.0",
    tag: "2.17.0",
    commit: "4a3592cb2dd0",
    isStrict: true,
    cascades: true,
    nameLimits: { pipeline: 128, version: 127 },
    longestVersion: 127,
    longestExperiment: 128,
  },
} as const satisfies Record<string, KfpVersion>;
