/** Canaries where secrets lie: none of them may come out in a document, a log, a message or a model. */
import { afterAll, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const KFK = join(ROOT, "dist/kfk");
const top = mkdtempSync(join(tmpdir(), "kfk-canary-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** Every canary holds this. */
const MARK = "CANARY";

const ENVIRONMENT = {
  AWS_SECRET_ACCESS_KEY: `${MARK}-env-aws`,
  KFK_TOKEN: `${MARK}-env-token`,
  IAP_CLIENT_SECRET: `${MARK}-env-iap`,
  KEDRO_CONFIG_DB_PASSWORD: `${MARK}-env-kedro`,
  DEX_PASSWORD: `${MARK}-env-dex`,
};

function project(name: string, more: Readonly<Record<string, string>> = {}): string {
  const folder = join(top, name);
  cpSync(join(ROOT, "examples/spaceflights"), folder, { recursive: true });
  const files: Record<string, string> = {
    ".git/config": `[remote "origin"]\n\turl = https://me:${MARK}-git-url@host/x.git\n[http]\n\textraheader = Authorization: ${MARK}-git-header\n`,
    ".git/HEAD": "ref: refs/heads/main\n",
    ".env": `TOKEN=${MARK}-dotenv\n`,
    "conf/local/credentials.yml": `db:\n  password: ${MARK}-credentials\n`,
    "conf/base/credentials.yml": `other: {token: ${MARK}-base-credentials}\n`,
    "conf/local/parameters.yml": `db: {user: me, password: ${MARK}-local-parameter}\napi_key: "${MARK}-api-key"\n`,
    "conf/local/catalog.yml": `warehouse:\n  type: pandas.SQLTableDataset\n  table_name: t\n  credentials: {con: "postgres://me:${MARK}-inline@db/x"}\nbucket:\n  type: pandas.CSVDataset\n  filepath: s3://me:${MARK}-path@bucket/x.csv\n`,
    ...more,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

const BROKEN: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ["nothing broken", {}],
  ["broken parameters", { "conf/local/parameters.yml": `db:\n  password: ${MARK}-frame\n  x: [\n` }],
  ["a broken catalog", { "conf/local/catalog.yml": `a:\n  password: ${MARK}-frame\n  type: 1\n` }],
  ["broken credentials", { "conf/local/credentials.yml": `db: [\n  ${MARK}-frame\n` }],
  ["a broken kubeflow.yaml", { "conf/local/kubeflow.yaml": `host: https://me:${MARK}-host@x\nrun_config: 3\n` }],
  [
    "a broken registry",
    {
      "src/spaceflights/pipeline_registry.py": `TOKEN = "${MARK}-source"\nimport os\nraise ValueError(os.environ["KFK_TOKEN"])\n`,
    },
  ],
];

test.skipIf(!existsSync(KFK)).each(BROKEN)("secrets stay where they are with %s", (name, more) => {
  const folder = project(name, more);
  for (const argv of [
    ["compile", "-o", "pipeline.yml"],
    ["model"],
    ["config", "view", "--show-origin"],
    ["hooks", "list"],
  ]) {
    const { stdout, stderr } = Bun.spawnSync([KFK, ...argv], {
      cwd: folder,
      env: { PATH: process.env["PATH"] ?? "", HOME: top, ...ENVIRONMENT },
    });
    const file = join(folder, "pipeline.yml");
    const said = `${stdout.toString()}\n${stderr.toString()}\n${existsSync(file) ? readFileSync(file, "utf8") : ""}`;
    const lines = said.split("\n").filter((line) => line.includes(MARK) && !line.includes(`TOKEN = "${MARK}-source"`));
    expect({ argv, lines }).toEqual({ argv, lines: [] });
  }
});
