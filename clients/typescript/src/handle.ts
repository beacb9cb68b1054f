// What registers of every kind can do.

import { type Amount, type Moment } from "./register.js";
import type { Columns } from "./register.js";
import { Parameters, type TextRow, decode, fields } from "./sql.js";

export interface Client {
  query<Row>(text: string, parameters?: Parameters): Promise<Row[]>;
}

/** What movements, cells and balances of a register are to the compiler. */
export interface Shape {
  readonly movement: unknown;
  readonly documentMovement: unknown;
  readonly filter: unknown;
  readonly cell: unknown;
  readonly amounts: unknown;
  readonly balance: unknown;
}

/** What they are when rows are read. */
export interface Layout {
  readonly name: string;
  readonly zone: string;
  readonly cell: Columns;
  readonly amounts: Columns;
  readonly movement: Columns;
}

export interface Preview<S extends Pick<Shape, "cell" | "amounts">> {
  readonly dimensions: S["cell"];
  readonly before: S["amounts"];
  readonly after: S["amounts"];
  /** null for whoever may not know them. */
  readonly brokenLimits: readonly string[] | null;
  readonly closed: boolean;
}

/** A derived table that is right, or a row of it that is not; sums are the text of JSON. */
export interface Finding {
  readonly check_type: string;
  readonly dim_hash: string | null;
  readonly period: string | null;
  readonly expected: string | null;
  readonly actual: string | null;
  readonly status: string;
}

export interface Range {
  readonly from?: Moment;
  readonly to?: Moment;
}

export type Right = "read" | "post" | "admin";

export type OneOrMany<T> = T | readonly T[];

export abstract class AnyHandle<S extends Shape> {
  constructor(
    protected readonly client: Client,
    protected readonly layout: Layout,
  ) {}

  // Writing

  /**
   * Store movements, all or none; resolves to how many. With once, a document that is there
   * already is not stored again, and one that is there with other movements is a ConflictError.
   */
  async post(
    data: OneOrMany<S["movement"]>,
    options: { once?: boolean } = {},
  ): Promise<number> {
    return this.count("register_post", (p) => [
      p.json(data),
      p.add(options.once ?? false, "boolean"),
    ]);
  }

  /**
   * Remove the movements of a document, or of many; resolves to how many there were. With history
   * they are reversed; `at` dates the reversals, otherwise as what they reverse.
   */
  async unpost(recorder: OneOrMany<Amount>, options: { at?: Moment } = {}): Promise<number> {
    return this.count("register_unpost", (p) => [
      Array.isArray(recorder)
        ? p.add(recorder.map(String), "text[]")
        : p.add(String(recorder), "text"),
      p.instant(options.at, this.layout.zone),
    ]);
  }

  /** Make a document consist of these movements. */
  async repost(recorder: Amount, data: OneOrMany<S["documentMovement"]>): Promise<number> {
    return this.count("register_repost", (p) => [p.add(String(recorder), "text"), p.json(data)]);
  }

  /** What a repost would do; without a document a post, without data an unpost. */
  async preview(
    recorder: Amount | null,
    data?: OneOrMany<S["documentMovement"]>,
  ): Promise<Preview<S>[]> {
    const p = new Parameters();
    const resources = Object.keys(this.layout.amounts);
    const columns = [
      fields("dimensions", Object.keys(this.layout.cell)),
      fields("before", resources, "before "),
      fields("after", resources, "after "),
      'to_jsonb(broken_limits) AS "broken limits"',
      'to_jsonb(closed) AS "is closed"',
    ];
    const rows = await this.client.query<TextRow>(
      `SELECT ${columns.filter(Boolean).join(", ")}
       FROM accum.register_preview(${p.add(this.layout.name, "text")},
         ${p.add(recorder === null ? null : String(recorder), "text")}, ${p.json(data)})`,
      p,
    );
    return rows.map((row) => ({
      dimensions: decode(this.layout.cell, row) as S["cell"],
      before: decode(this.layout.amounts, row, "before ") as S["amounts"],
      after: decode(this.layout.amounts, row, "after ") as S["amounts"],
      brokenLimits: row["broken limits"] as unknown as string[] | null,
      closed: row["is closed"] as unknown as boolean,
    }));
  }

  // Reading

  /** The balance of each cell. */
  async balances(options: { at?: Moment } = {}): Promise<S["balance"][]> {
    return this.rows({ ...this.layout.cell, ...this.layout.amounts }, (p) => {
      const [at] = p.bounds([options.at], this.layout.zone);
      return `(SELECT to_jsonb(b) AS r FROM accum.${this.layout.name}_balances_at(${at}) AS b)`;
    });
  }

  // Care

  /** Give a role a right on the register. */
  async grant(role: string, right: Right): Promise<void> {
    await this.count("register_grant", (p) => [p.add(role, "text"), p.add(right, "text")]);
  }

  async revoke(role: string, right: Right): Promise<void> {
    await this.count("register_revoke", (p) => [p.add(role, "text"), p.add(right, "text")]);
  }

  /** Close the register through a day: nothing of that time changes any more. */
  async closeThrough(day: string, where?: S["filter"]): Promise<void> {
    await this.count("register_close", (p) => [p.add(day, "date"), p.json(where)]);
  }

  /** Open the register from a day on; null opens all of it. */
  async reopenFrom(day: string | null, where?: S["filter"]): Promise<void> {
    await this.count("register_reopen", (p) => [p.add(day ?? "-infinity", "date"), p.json(where)]);
  }

  /** Empty the register; one that holds movements only with force. */
  async clear(options: { force?: boolean } = {}): Promise<void> {
    await this.count("register_clear", (p) => [p.add(options.force ?? false, "boolean")]);
  }

  async stats(): Promise<Record<string, unknown>> {
    const p = new Parameters();
    const sql = `SELECT accum.register_stats(${p.add(this.layout.name, "text")}) AS stats`;
    const [row] = await this.client.query<{ stats: Record<string, unknown> }>(sql, p);
    return row!.stats;
  }

  /** Compare each derived table with the movements. */
  async verify(): Promise<Finding[]> {
    const p = new Parameters();
    return this.client.query(
      `SELECT check_type, CAST(dim_hash AS text), CAST(period AS text),
         CAST(expected AS text), CAST(actual AS text), status
       FROM accum.register_verify(${p.add(this.layout.name, "text")})`,
      p,
    );
  }

  /** Mend what verify() finds; resolves to how many rows were changed. */
  async repair(): Promise<number> {
    return this.count("register_repair");
  }

  /** Fold the deltas of a register with highWrite; resolves to how many cells changed. */
  async fold(): Promise<number> {
    return this.count("_delta_flush_register");
  }

  /** Make the partitions that are missing. */
  async createPartitions(): Promise<number> {
    return this.count("register_create_partitions");
  }

  /** Movements, as a call with these parameters yields them. */
  protected async storedMovements<Row>(
    options: Range & {
      readonly recorder?: Amount;
      readonly where?: S["filter"];
      readonly limit?: number;
      readonly offset?: number;
    },
    rest = "",
  ): Promise<Row[]> {
    const { recorder, from, to, where, limit, offset } = options;
    return this.rows(this.layout.movement, (p) =>
      `(SELECT accum.${this.layout.name}_movements(
          ${p.add(recorder === undefined ? null : String(recorder), "text")},
          ${p.instant(from, this.layout.zone)}, ${p.instant(to, this.layout.zone)},
          ${p.json(where)}${rest}) AS r
        LIMIT ${p.add(limit ?? null, "bigint")} OFFSET ${p.add(offset ?? null, "bigint")})`,
    );
  }

  /** Call a function of the register that returns a number or nothing. */
  protected async count(
    name: string,
    rest: (parameters: Parameters) => string[] = () => [],
  ): Promise<number> {
    const p = new Parameters();
    const list = [p.add(this.layout.name, "text"), ...rest(p)].join(", ");
    const [row] = await this.client.query<{ count: number }>(
      `SELECT accum.${name}(${list}) AS count`,
      p,
    );
    return row!.count;
  }

  /** Columns of the jsonb values that a source yields. */
  protected async rows<Row>(
    columns: Columns,
    source: (parameters: Parameters) => string,
  ): Promise<Row[]> {
    const p = new Parameters();
    const from = source(p);
    const value = from.startsWith("(") ? "q.r" : "q";
    const rows = await this.client.query<TextRow>(
      `SELECT ${fields(value, Object.keys(columns))} FROM ${from} AS q`,
      p,
    );
    return rows.map((row) => decode(columns, row) as Row);
  }
}
