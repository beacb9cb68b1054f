// Registers of kind balance and turnover.

import { AnyHandle, type Client, type OneOrMany, type Range } from "./handle.js";
import type {
  Amount,
  Amounts,
  Balance,
  Columns,
  Counted,
  Dimensions,
  Filter,
  Moment,
  Movement,
  MovementOfDocument,
  Names,
  Register,
  Resources,
  StatementRow,
  StoredMovement,
  Turnover,
} from "./register.js";
import {
  MOVEMENT_COLUMNS,
  Parameters,
  REVERSAL_COLUMNS,
  amountColumns,
  statementColumns,
} from "./sql.js";

interface RegisterShape<D extends Columns, R extends Resources, A extends Columns> {
  readonly movement: Movement<D, R, A>;
  readonly documentMovement: MovementOfDocument<D, R, A>;
  readonly filter: Filter<D>;
  readonly cell: Dimensions<D>;
  readonly amounts: Amounts<R>;
  readonly balance: Balance<D, R>;
}

/** One register: its documents, balances and turnovers. */
export class RegisterHandle<
  D extends Columns,
  R extends Resources,
  A extends Columns,
> extends AnyHandle<RegisterShape<D, R, A>> {
  constructor(
    client: Client,
    readonly register: Register<D, R, A>,
  ) {
    const amounts = amountColumns(Object.keys(register.resources));
    super(client, {
      name: register.name,
      zone: register.timeZone ?? "UTC",
      cell: register.dimensions,
      amounts,
      movement: {
        ...MOVEMENT_COLUMNS,
        dim_hash: "bigint",
        ...register.dimensions,
        ...amounts,
        ...register.attributes,
        ...(register.history ? REVERSAL_COLUMNS : {}),
      },
    });
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
    return this.rows(this.layout.movement, (p) =>
      `accum.register_reconcile(${p.add(this.register.name, "text")},
         ${p.add(String(recorder), "text")}, ${p.instant(period, this.layout.zone)},
         ${p.json(counted)}, ${p.json(options.within)})`,
    );
  }

  /**
   * All resources, of all movements or of those until the end of a day or to an instant. With
   * history, knownAt asks for what was known then.
   */
  async balance(
    where: Filter<D> = {},
    options: { at?: Moment; knownAt?: Moment } = {},
  ): Promise<Amounts<R>> {
    const [row] = await this.rows<Amounts<R>>(this.layout.amounts, (p) => {
      const [at] = p.bounds([options.at], this.layout.zone);
      return `accum.${this.register.name}_balance(${p.json(where)},
         ${at}${this.known(p, options.knownAt)})`;
    });
    return row!;
  }

  /** Sums of a range of time: a row for each group, or one in all. */
  async turnover<const G extends readonly Names<D>[] = []>(
    options: Range & {
      readonly groupBy?: G;
      readonly where?: Filter<D>;
      readonly knownAt?: Moment;
    } = {},
  ): Promise<Turnover<D, R, G[number]>[]> {
    const grouped = Object.fromEntries(
      (options.groupBy ?? []).map((name) => [name, this.register.dimensions[name]!]),
    );
    return this.rows({ ...grouped, ...this.layout.amounts }, (p) => {
      const bounds = p.bounds([options.from, options.to], this.layout.zone);
      return `accum.${this.register.name}_turnover(${bounds.join(", ")},
         ${p.json(options.where)}, ${p.json(options.groupBy)}${this.known(p, options.knownAt)})`;
    });
  }

  /** A statement of account: opening, receipt, expense, turnover and closing. */
  async statement(
    options: Range & {
      readonly groupBy?: readonly Names<D>[];
      readonly where?: Filter<D>;
      readonly unit?: "day" | "week" | "month" | "quarter" | "year";
      readonly fill?: boolean;
    } = {},
  ): Promise<StatementRow<D, R>[]> {
    const columns = statementColumns(this.register.dimensions, this.register.resources);
    return this.rows(columns, (p) => {
      const bounds = p.bounds([options.from, options.to], this.layout.zone);
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
    return this.storedMovements(options, options.onlyActive ? ", only_active => true" : "");
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

  /** One more argument, which only registers with history have. */
  private known(p: Parameters, moment: Moment | undefined): string {
    return moment === undefined ? "" : `, known_at => ${p.instant(moment, this.layout.zone)}`;
  }
}
