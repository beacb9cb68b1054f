// The client: registers of one database, and a handle for each.

import { translateError } from "./errors.js";
import {
  type Amount,
  type Amounts,
  type Balance,
  type Columns,
  type Counted,
  type Dimensions,
  type Filter,
  type Limit,
  type Moment,
  type Movement,
  type MovementOfDocument,
  type Register,
  type Resources,
  type StatementRow,
  type StoredMovement,
  type Turnover,
  columnList,
} from "./register.js";
import {
  MOVEMENT_COLUMNS,
  Parameters,
  REVERSAL_COLUMNS,
  type TextRow,
  amountColumns,
  decode,
  fields,
  statementColumns,
} from "./sql.js";

/** A Pool, a Client or a PoolClient of node-postgres. */
export interface Queryable {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>;
}

export interface RegisterSummary {
  readonly name: string;
  readonly kind: string;
  readonly dimensions: number;
  readonly resources: number;
  readonly movements_count: string | null;
  readonly created_at: Date;
}

export interface Alterations {
  readonly addDimensions?: Columns;
  readonly addResources?: Resources;
  readonly highWrite?: boolean;
  readonly addAttributes?: Columns;
  readonly limits?: readonly Limit[];
}

export interface Preview<D extends Columns, R extends Resources> {
  readonly dimensions: Dimensions<D>;
  readonly before: Amounts<R>;
  readonly after: Amounts<R>;
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

interface Range {
  readonly from?: Moment;
  readonly to?: Moment;
}

export type Right = "read" | "post" | "admin";

type Name<T> = Extract<keyof T, string>;
type OneOrMany<T> = T | readonly T[];

function limitList(limits: readonly Limit[]): object[] {
  return limits.map(({ name, check, everyDate = false }) => ({
    name, check, every_date: everyDate,
  }));
}

/**
 * Registers of one database. With a pool each call is a transaction of its own; with a client it
 * joins the transaction that was begun there.
 */
export class AccumulatorClient {
  constructor(private readonly queryable: Queryable) {}

  /** Run a statement of one's own, with errors as this package has them. */
  async query<Row>(text: string, parameters: Parameters = new Parameters()): Promise<Row[]> {
    try {
      return (await this.queryable.query(text, parameters.values)).rows as Row[];
    } catch (error) {
      throw translateError(error);
    }
  }

  async createRegister(register: Register<Columns, Resources, Columns>): Promise<void> {
    const p = new Parameters();
    await this.query(
      `SELECT accum.register_create(${p.add(register.name, "text")},
         ${p.json(columnList(register.dimensions))}, ${p.json(columnList(register.resources))},
         kind => ${p.add(register.kind ?? "balance", "text")},
         totals_period => ${p.add(register.totalsPeriod ?? "day", "text")},
         partition_by => ${p.add(register.partitionBy ?? "month", "text")},
         high_write => ${p.add(register.highWrite ?? false, "boolean")},
         recorder_type => ${p.add(register.recorderType ?? "text", "text")},
         time_zone => ${p.add(register.timeZone ?? "UTC", "text")},
         attributes => ${p.json(columnList(register.attributes ?? {}))},
         year_start => ${p.add(register.yearStart ?? 1, "integer")},
         limits => ${p.json(limitList(register.limits ?? []))},
         history => ${p.add(register.history ?? false, "boolean")})`,
      p,
    );
  }

  async alterRegister(name: string, alterations: Alterations): Promise<void> {
    const { addDimensions, addResources, highWrite, addAttributes, limits } = alterations;
    const p = new Parameters();
    await this.query(
      `SELECT accum.register_alter(${p.add(name, "text")},
         ${p.json(addDimensions && columnList(addDimensions))},
         ${p.json(addResources && columnList(addResources))},
         ${p.add(highWrite ?? null, "boolean")},
         ${p.json(addAttributes && columnList(addAttributes))},
         ${p.json(limits && limitList(limits))})`,
      p,
    );
  }

  /** Drop a register; one that holds movements only with force. */
  async dropRegister(name: string, options: { force?: boolean } = {}): Promise<void> {
    const p = new Parameters();
    const force = p.add(options.force ?? false, "boolean");
    await this.query(`SELECT accum.register_drop(${p.add(name, "text")}, ${force})`, p);
  }

  async listRegisters(): Promise<RegisterSummary[]> {
    return this.query(
      `SELECT name, kind, dimensions, resources, CAST(movements_count AS text), created_at
       FROM accum.register_list()`,
    );
  }

  async registerInfo(name: string): Promise<Record<string, unknown>> {
    const p = new Parameters();
    const sql = `SELECT accum.register_info(${p.add(name, "text")}) AS info`;
    const [row] = await this.query<{ info: Record<string, unknown> }>(sql, p);
    return row!.info;
  }

  use<D extends Columns, R extends Resources, A extends Columns>(
    register: Register<D, R, A>,
  ): RegisterHandle<D, R, A> {
    return new RegisterHandle(this, register);
  }
}

/** One register: its documents, balances and turnovers. */
export class RegisterHandle<D extends Columns, R extends Resources, A extends Columns> {
  private readonly zone: string;
  private readonly amounts: Columns;
  private readonly balanceColumns: Columns;
  private readonly movementColumns: Columns;

  constructor(
    private readonly client: AccumulatorClient,
    readonly register: Register<D, R, A>,
  ) {
    this.zone = register.timeZone ?? "UTC";
    this.amounts = amountColumns(register.resources);
    this.balanceColumns = { ...register.dimensions, ...this.amounts };
    this.movementColumns = {
      ...MOVEMENT_COLUMNS,
      ...this.balanceColumns,
      ...register.attributes,
      ...(register.history ? REVERSAL_COLUMNS : {}),
    };
  }

  // Writing

  /**
   * Store movements, all or none; resolves to how many. With once, a document that is there
   * already is not stored again, and one that is there with other movements is a ConflictError.
   */
  async post(
    data: OneOrMany<Movement<D, R, A>>,
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
      p.instant(options.at, this.zone),
    ]);
  }

  /** Make a document consist of these movements. */
  async repost(recorder: Amount, data: OneOrMany<MovementOfDocument<D, R, A>>): Promise<number> {
    return this.count("register_repost", (p) => [p.add(String(recorder), "text"), p.json(data)]);
  }

  /**
   * Make balances what was counted; resolves to the movements that do so. With within, cells of
   * these dimensions that were not counted become zero.
   */
  async reconcile(
    recorder: Amount,
    period: Moment,
    counted: OneOrMany<Counted<D, R, A>>,
    options: { within?: Filter<D> } = {},
  ): Promise<StoredMovement<D, R, A>[]> {
    return this.rows(this.movementColumns, (p) =>
      `accum.register_reconcile(${p.add(this.register.name, "text")},
         ${p.add(String(recorder), "text")}, ${p.instant(period, this.zone)},
         ${p.json(counted)}, ${p.json(options.within)})`,
    );
  }

  /** What a repost would do; without a document a post, without data an unpost. */
  async preview(
    recorder: Amount | null,
    data?: OneOrMany<MovementOfDocument<D, R, A>>,
  ): Promise<Preview<D, R>[]> {
    const p = new Parameters();
    const resources = Object.keys(this.amounts);
    const columns = [
      fields("dimensions", Object.keys(this.register.dimensions)),
      fields("before", resources, "before "),
      fields("after", resources, "after "),
      'to_jsonb(broken_limits) AS "broken limits"',
      'to_jsonb(closed) AS "is closed"',
    ];
    const rows = await this.client.query<TextRow>(
      `SELECT ${columns.filter(Boolean).join(", ")}
       FROM accum.register_preview(${p.add(this.register.name, "text")},
         ${p.add(recorder === null ? null : String(recorder), "text")}, ${p.json(data)})`,
      p,
    );
    return rows.map((row) => ({
      dimensions: decode(this.register.dimensions, row) as Dimensions<D>,
      before: decode(this.amounts, row, "before ") as Amounts<R>,
      after: decode(this.amounts, row, "after ") as Amounts<R>,
      brokenLimits: row["broken limits"] as unknown as string[] | null,
      closed: row["is closed"] as unknown as boolean,
    }));
  }

  // Reading

  /**
   * All resources, of all movements or of those until the end of a day or to an instant. With
   * history, knownAt asks for what was known then.
   */
  async balance(
    where: Filter<D> = {},
    options: { at?: Moment; knownAt?: Moment } = {},
  ): Promise<Amounts<R>> {
    const [row] = await this.rows<Amounts<R>>(this.amounts, (p) => {
      const [at] = p.bounds([options.at], this.zone);
      return `accum.${this.register.name}_balance(${p.json(where)},
         ${at}${this.known(p, options.knownAt)})`;
    });
    return row!;
  }

  /** The balance of each cell. */
  async balances(options: { at?: Moment } = {}): Promise<Balance<D, R>[]> {
    return this.rows(this.balanceColumns, (p) => {
      const [at] = p.bounds([options.at], this.zone);
      return `(SELECT to_jsonb(b) AS r FROM accum.${this.register.name}_balances_at(${at}) AS b)`;
    });
  }

  /** Sums of a range of time: a row for each group, or one in all. */
  async turnover<const G extends readonly Name<D>[] = []>(
    options: Range & {
      readonly groupBy?: G;
      readonly where?: Filter<D>;
      readonly knownAt?: Moment;
    } = {},
  ): Promise<Turnover<D, R, G[number]>[]> {
    const grouped = Object.fromEntries(
      (options.groupBy ?? []).map((name) => [name, this.register.dimensions[name]!]),
    );
    return this.rows({ ...grouped, ...this.amounts }, (p) => {
      const bounds = p.bounds([options.from, options.to], this.zone);
      return `accum.${this.register.name}_turnover(${bounds.join(", ")},
         ${p.json(options.where)}, ${p.json(options.groupBy)}${this.known(p, options.knownAt)})`;
    });
  }

  /** A statement of account: opening, receipt, expense, turnover and closing. */
  async statement(
    options: Range & {
      readonly groupBy?: readonly Name<D>[];
      readonly where?: Filter<D>;
      readonly unit?: "day" | "week" | "month" | "quarter" | "year";
      readonly fill?: boolean;
    } = {},
  ): Promise<StatementRow<D, R>[]> {
    const columns = statementColumns(this.register.dimensions, this.register.resources);
    return this.rows(columns, (p) => {
      const bounds = p.bounds([options.from, options.to], this.zone);
      return `(SELECT to_jsonb(s) AS r
         FROM accum.${this.register.name}_statement(${bounds.join(", ")},
           ${p.json(options.where)}, ${p.json(options.groupBy)},
           ${p.add(options.unit ?? null, "text")}, ${p.add(options.fill ?? false, "boolean")}) AS s)`;
    });
  }

  /** Movements, ordered by period; with onlyActive none that were reversed. */
  async movements(
    options: Range & {
      readonly recorder?: Amount;
      readonly where?: Filter<D>;
      readonly limit?: number;
      readonly offset?: number;
      readonly onlyActive?: boolean;
    } = {},
  ): Promise<StoredMovement<D, R, A>[]> {
    const { recorder, from, to, where, limit, offset } = options;
    return this.rows(this.movementColumns, (p) =>
      `(SELECT accum.${this.register.name}_movements(
          ${p.add(recorder === undefined ? null : String(recorder), "text")},
          ${p.instant(from, this.zone)}, ${p.instant(to, this.zone)}, ${p.json(where)}
          ${options.onlyActive ? ", only_active => true" : ""}) AS r
        LIMIT ${p.add(limit ?? null, "bigint")} OFFSET ${p.add(offset ?? null, "bigint")})`,
    );
  }

  // Care

  /** Give a role a right on the register. */
  async grant(role: string, right: Right): Promise<void> {
    await this.count("register_grant", (p) => [p.add(role, "text"), p.add(right, "text")]);
  }

  async revoke(role: string, right: Right): Promise<void> {
    await this.count("register_revoke", (p) => [p.add(role, "text"), p.add(right, "text")]);
  }

  /**
   * Up to when answers with knownAt never change, as text with its microseconds; waits for those
   * who are writing.
   */
  async knownUntil(): Promise<string> {
    const p = new Parameters();
    const sql = `SELECT to_jsonb(accum.register_known_until(${p.add(this.register.name, "text")}))
      #>> '{}' AS until`;
    const [row] = await this.client.query<{ until: string }>(sql, p);
    return row!.until;
  }

  /** Close the register through a day: nothing of that time changes any more. */
  async closeThrough(day: string, where?: Filter<D>): Promise<void> {
    await this.count("register_close", (p) => [p.add(day, "date"), p.json(where)]);
  }

  /** Open the register from a day on; null opens all of it. */
  async reopenFrom(day: string | null, where?: Filter<D>): Promise<void> {
    await this.count("register_reopen", (p) => [p.add(day ?? "-infinity", "date"), p.json(where)]);
  }

  /** Empty the register; one that holds movements only with force. */
  async clear(options: { force?: boolean } = {}): Promise<void> {
    await this.count("register_clear", (p) => [p.add(options.force ?? false, "boolean")]);
  }

  async stats(): Promise<Record<string, unknown>> {
    const p = new Parameters();
    const sql = `SELECT accum.register_stats(${p.add(this.register.name, "text")}) AS stats`;
    const [row] = await this.client.query<{ stats: Record<string, unknown> }>(sql, p);
    return row!.stats;
  }

  /** Compare each derived table with the movements. */
  async verify(): Promise<Finding[]> {
    const p = new Parameters();
    return this.client.query(
      `SELECT check_type, CAST(dim_hash AS text), CAST(period AS text),
         CAST(expected AS text), CAST(actual AS text), status
       FROM accum.register_verify(${p.add(this.register.name, "text")})`,
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

  /** One more argument, which only registers with history have. */
  private known(p: Parameters, moment: Moment | undefined): string {
    return moment === undefined ? "" : `, known_at => ${p.instant(moment, this.zone)}`;
  }

  /** Call a function of the register that returns a number or nothing. */
  private async count(
    name: string,
    rest: (parameters: Parameters) => string[] = () => [],
  ): Promise<number> {
    const p = new Parameters();
    const list = [p.add(this.register.name, "text"), ...rest(p)].join(", ");
    const [row] = await this.client.query<{ count: number }>(
      `SELECT accum.${name}(${list}) AS count`,
      p,
    );
    return row!.count;
  }

  /** Columns of the jsonb values that a source yields. */
  private async rows<Row>(
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
