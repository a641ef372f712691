import { expect, test } from "bun:test";
import { findKedroVersion } from "../../src/project/version.ts";
import { fakeWorld } from "../fake-world.ts";

const LOCK = 'name = "kedro"\nversion = "1.0.0"\n';

test.each([
  ["a pin", { "requirements.txt": "pandas\nkedro[jupyter]==0.19.9  # ours\n" }, "0.19.8", "0.19.9"],
  ["a name in capitals", { "requirements.txt": "Kedro==0.19.9\n" }, "0.19.8", "0.19.9"],
  ["a compatible release of three parts", { "requirements.txt": "kedro ~= 0.19.9\n" }, "0.19.1", "0.19.9"],
  ["of two parts, which says too little", { "requirements.txt": "kedro~=0.19\n" }, "0.19.15", "0.19.15"],
  ["a range, which says too little", { "requirements.txt": "kedro>=0.19,<2\n" }, "1.2.0", "1.2.0"],
  [
    "a line for some interpreters only",
    { "requirements.txt": "kedro==0.18.1; python_version<'3.9'\n" },
    "1.2.0",
    "1.2.0",
  ],
  ["the lock file first", { "uv.lock": LOCK, "requirements.txt": "kedro==1.0.1\n" }, "1.0.2", "1.0.0"],
] as const)("%s", (_, files, init, want) => {
  expect(find(files, init)).toMatchObject({ version: want });
  expect(find(files, init).warning).toBeUndefined();
});

test.each([
  ["1.0.0", "0.19.15", true],
  ["1.1.0", "1.0.0", true],
  ["1.1.1", "1.0.0", false],
  ["1.7.0", "1.0.0", false],
  ["2.0.0", "1.0.0", true],
] as const)("Kedro %s opens a project of %s, or it is said that it does not", (own, init, isWarned) => {
  const { warning } = find({ "requirements.txt": `kedro==${own}\n` }, init);
  const says = `requirements.txt says Kedro ${own} and pyproject.toml [tool.kedro] says ${init}: Kedro refuses to open such a project`;
  expect(warning).toBe(isWarned ? says : undefined);
});

function find(files: Readonly<Record<string, string>>, init: string): ReturnType<typeof findKedroVersion> {
  const all = Object.fromEntries(Object.entries(files).map(([name, text]) => [`/p/${name}`, text]));
  return findKedroVersion(fakeWorld({ cwd: "/p", files: all }), "/p", {}, init);
}
