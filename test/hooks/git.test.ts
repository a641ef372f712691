import { describe, expect, test } from "bun:test";
import { readGit } from "../../src/hooks/git.ts";
import { memoryFiles } from "../fake-world.ts";

const A = "a".repeat(40);
const B = "b".repeat(40);

describe("readGit", () => {
  const rows: { name: string; files: Record<string, string>; want: ReturnType<typeof readGit> }[] = [
    { name: "no repository", files: { "/p/x": "" }, want: null },
    {
      name: "a branch",
      files: { "/p/.git/HEAD": "ref: refs/heads/feature/x\n", "/p/.git/refs/heads/feature/x": `${A}\n` },
      want: { commit: A, branch: "feature/x" },
    },
    {
      name: "a packed branch",
      files: {
        "/p/.git/HEAD": "ref: refs/heads/main\n",
        "/p/.git/packed-refs": `# pack-refs with: peeled fully-peeled sorted\n${B} refs/heads/main-2\n${A} refs/heads/main\n^${B}\n`,
      },
      want: { commit: A, branch: "main" },
    },
    { name: "a detached head", files: { "/p/.git/HEAD": `${A}\n` }, want: { commit: A, branch: null } },
    {
      name: "SHA-256",
      files: { "/p/.git/HEAD": `${"c".repeat(64)}\n` },
      want: { commit: "c".repeat(64), branch: null },
    },
    {
      name: "no commit yet",
      files: { "/p/.git/HEAD": "ref: refs/heads/main\n" },
      want: { commit: null, branch: "main" },
    },
    {
      name: "the project is a folder of the repository",
      files: { "/.git/HEAD": `${A}\n`, "/p/pyproject.toml": "" },
      want: { commit: A, branch: null },
    },
    {
      name: "a worktree",
      files: {
        "/p/.git": "gitdir: /repo/.git/worktrees/p\n",
        "/repo/.git/worktrees/p/HEAD": "ref: refs/heads/w\n",
        "/repo/.git/worktrees/p/commondir": "../..\n",
        "/repo/.git/refs/heads/w": `${A}\n`,
      },
      want: { commit: A, branch: "w" },
    },
    {
      name: "a submodule",
      files: { "/p/.git": "gitdir: ../.git/modules/p\n", "/.git/modules/p/HEAD": `${B}\n` },
      want: { commit: B, branch: null },
    },
    { name: "a broken head", files: { "/p/.git/HEAD": "what\n" }, want: null },
    { name: "a reference that leads away", files: { "/p/.git/HEAD": "ref: refs/../../x\n", "/p/x": A }, want: null },
    {
      name: "a reference that is no hash",
      files: { "/p/.git/HEAD": "ref: refs/heads/main\n", "/p/.git/refs/heads/main": "ref: refs/heads/other\n" },
      want: { commit: null, branch: "main" },
    },
  ];
  for (const { name, files, want } of rows) {
    test(name, () => expect(readGit(memoryFiles(files), "/p")).toEqual(want));
  }
});
