/** An interpreter for one project: the host, the libraries, and the notes it takes while it reads. */
import { builtinsFor } from "../python/builtins.ts";
import { configurationCalls } from "../python/conf.ts";
import type { Host } from "../python/host.ts";
import type { Vm } from "../python/vm.ts";
import type { Era } from "./era.ts";
import { type FindPipelines, libraryFor } from "./library.ts";

/** A fresh interpreter. */
export function newVm(host: Host, era: Era, findPipelines: (vm: Vm) => FindPipelines): Vm {
  let vm: Vm | undefined;
  const self = (): Vm => vm as Vm;
  vm = {
    host,
    modules: new Map(),
    builtins: builtinsFor(self),
    library: libraryFor(self, era, (args, site) => findPipelines(self())(args, site)),
    calls: configurationCalls(self),
    dependsOn: new Set(),
    warnings: [],
    environment: undefined,
    steps: 0,
    depth: 0,
    unknownCalls: 0,
  };
  return vm;
}
