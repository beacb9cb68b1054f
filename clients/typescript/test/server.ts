// A private server for the tests: that of tools/check if there is one, otherwise
// one that tools/private-server builds and starts.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { type Interface, createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import pg from "pg";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

export class PrivateServer {
  private constructor(
    private readonly keeper: ChildProcess,
    private readonly answers: AsyncIterator<string>,
    private readonly lines: Interface,
    readonly host: string,
  ) {}

  static async start(): Promise<PrivateServer> {
    const inside = existsSync(`${process.env["PGHOST"] ?? ""}/settings.conf`);
    const keeper = inside
      ? spawn(`${ROOT}clients/testing/keeper`, { stdio: ["pipe", "pipe", "inherit"] })
      : spawn(`${ROOT}tools/private-server`, ["clients/testing/keeper"], {
          stdio: ["pipe", "pipe", "inherit"],
        });
    const lines = createInterface({ input: keeper.stdout });
    const answers = lines[Symbol.asyncIterator]();
    const { value: host } = await answers.next();
    if (!host) throw new Error("the private server failed");
    return new PrivateServer(keeper, answers, lines, host as string);
  }

  private async do(command: string): Promise<void> {
    this.keeper.stdin!.write(`${command}\n`);
    const { value } = await this.answers.next();
    if (value !== "done") throw new Error(`the private server failed to ${command}`);
  }

  /** Connections to a new database with the extension. */
  async pool(): Promise<pg.Pool> {
    const database = `node_${process.pid}`;
    await this.do(database);
    return new pg.Pool({
      host: this.host,
      user: "postgres",
      database,
      options: "-c timezone=Pacific/Auckland -c statement_timeout=60s",
    });
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.keeper.once("close", resolve));
    this.keeper.stdin!.end();
    await ended;
    this.lines.close();
  }
}
