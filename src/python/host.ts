/**
 * What evaluating a project's Python may ask of the world. The one who calls hands it in; nothing else is ever read.
 *
 * Every answer but project sources is recorded by the interpreter (`env:NAME`, `file:path`, `conf:key`), because the
 * graph then depends on it.
 */
import type { Plain } from "../config/plain.ts";

export interface Host {
  /**
   * The source of a project module (`space_flights.pipelines`), or undefined when the project has no such module.
   * A package answers with its `__init__.py`; a folder without one is no module here, but `folders` lists it.
   */
  readonly source: (module: string) => ModuleSource | undefined;
  /** Names of the folders directly under a package, sorted by code point; empty when there is no such package. */
  readonly folders: (packageName: string) => readonly string[];
  /** An environment variable of the process. */
  readonly env: (name: string) => string | undefined;
  /** Text of a file inside the project, by its path relative to the project; undefined when there is none. */
  readonly file: (path: string) => string | undefined;
  /** True when the project asks for a package, by the name under which it is installed. Absent: unknown. */
  readonly isDeclared?: (name: string) => boolean;
  /** True when a path inside the project is a folder. Absent: unknown. */
  readonly isFolder?: (path: string) => boolean;
  /**
   * Configuration as a loader that project code builds by hand would give it: `key` is `parameters`, `catalog`,
   * `globals` or another pattern; environments default to none, as Kedro's loaders do. Without a value: cannot be
   * known, and `reason` says why. Absent: no configuration here.
   */
  readonly conf?: (request: ConfRequest) => {
    readonly value: Plain | undefined;
    readonly reason: string;
    readonly dependsOn: readonly string[];
  };
}

export interface ModuleSource {
  /** Path as shown to people, relative to the project. */
  readonly file: string;
  readonly text: string;
  /** True for `__init__.py`. */
  readonly isPackage: boolean;
}

export interface ConfRequest {
  /** Path of the configuration folder, relative to the project. */
  readonly confSource: string;
  readonly key: string;
  readonly baseEnv: string;
  readonly runEnv: string;
  /** True when `env` was given: then the environment must exist. */
  readonly isRunEnvNamed: boolean;
  /** `config_patterns` given to the loader, by key. */
  readonly patterns: ReadonlyMap<string, readonly string[]>;
}
