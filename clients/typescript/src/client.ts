// The client: registers of one database.

import { translateError } from "./errors.js";
import { type Client } from "./handle.js";
import { LedgerHandle } from "./ledger_handle.js";
import {
  type Columns,
  type Ledger,
  type LedgerResources,
  type Limit,
  type Register,
  type Resources,
  columnList,
} from "./register.js";
import { RegisterHandle } from "./register_handle.js";
import { Parameters } from "./sql.js";

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
  readonly addResources?: LedgerResources;
  readonly highWrite?: boolean;
  readonly addAttributes?: Columns;
  readonly limits?: readonly Limit[];
}

function limitList(limits: readonly Limit[]): object[] {
  return limits.map(({ name, check, everyDate = false }) => ({
    name, check, every_date: everyDate,
  }));
}

/**
 * Registers of one database. With a pool each call is a transaction of its own; with a client it
 * joins the transaction that was begun there.
 */
export class AccumulatorClient implements Client {
  constructor(private readonly queryable: Queryable) {}

  /** Run a statement of one's own, with errors as this package has them. */
  async query<Row>(text: string, parameters: Parameters = new Parameters()): Promise<Row[]> {
    try {
      return (await this.queryable.query(text, parameters.values)).rows as Row[];
    } catch (error) {
      throw translateError(error);
    }
  }

  async createRegister(register: Register | Ledger): Promise<void> {
    const { history = false, chart = null } = { ...register } as Partial<Register & Ledger>;
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
         history => ${p.add(history, "boolean")}, chart => ${p.add(chart, "text")})`,
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

  use<D extends Columns, R extends LedgerResources, A extends Columns>(
    ledger: Ledger<D, R, A>,
  ): LedgerHandle<D, R, A>;
  use<D extends Columns, R extends Resources, A extends Columns>(
    register: Register<D, R, A>,
  ): RegisterHandle<D, R, A>;
  use(register: Register | Ledger): unknown {
    return register.kind === "ledger"
      ? new LedgerHandle(this, register)
      : new RegisterHandle(this, register);
  }
}
