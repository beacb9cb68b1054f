// The guide's examples compile, and run as they are written.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { PrivateServer } from "./server.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

test("the guide", async () => {
  const guide = readFileSync(`${PACKAGE}../../docs/guides/node-postgres.md`, "utf8");
  const blocks = [...guide.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]);
  assert.ok(blocks.length > 0);
  mkdirSync(`${PACKAGE}dist/guide`, { recursive: true });
  writeFileSync(`${PACKAGE}dist/guide/guide.ts`, blocks.join("\n"));

  const server = await PrivateServer.start();
  const pool = await server.pool();
  const { host, user, database } = pool.options;
  await pool.end();
  const run = (program: string, ...parameters: string[]): void => {
    const { status, stdout, stderr } = spawnSync(program, parameters, {
      cwd: PACKAGE,
      encoding: "utf8",
      env: { ...process.env, PGHOST: host, PGUSER: user, PGDATABASE: database },
    });
    assert.equal(status, 0, stdout + stderr);
  };
  try {
    run("node_modules/.bin/tsc", "--strict", "--module", "NodeNext", "--target", "ES2022",
      "--types", "node", "dist/guide/guide.ts");
    run(process.execPath, "dist/guide/guide.js");
  } finally {
    await server.stop();
  }
});
