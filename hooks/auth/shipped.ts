/**
 * The ways to log in that ship with kfk, in the order in which they are asked: what was given for this command goes
 * before what lies around on the machine, whatever its place here. Some are asked for by name only.
 */
import type { AuthProvider } from "../contract.ts";
import { basic } from "./basic.ts";
import { cookie } from "./cookie.ts";
import { dex } from "./dex.ts";
import { exec } from "./exec.ts";
import { iapJwt } from "./iap-jwt.ts";
import { iap } from "./iap.ts";
import { invertingProxy } from "./inverting-proxy.ts";
import { kfpContext } from "./kfp-context.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { mtls } from "./mtls.ts";
import { oidc } from "./oidc.ts";
import { serviceAccount } from "./service-account.ts";
import { token } from "./token.ts";

export const SHIPPED: readonly AuthProvider[] = [
  token,
  cookie,
  exec,
  iap,
  dex,
  oidc,
  basic,
  invertingProxy,
  serviceAccount,
  kfpContext,
  kubeconfig,
  iapJwt,
];

/** Joins whichever of them is chosen. */
export const BESIDE: readonly AuthProvider[] = [mtls];
