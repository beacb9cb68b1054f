// Registers of kind ledger.

import { AnyHandle, type Client, type Range } from "./handle.js";
import type {
  AccountBalance,
  CellBalance,
  Correspondence,
  LedgerCell,
  LedgerFilter,
  LedgerTurnover,
  Posting,
  PostingOfDocument,
  SideAmounts,
  StatementLine,
  StoredPosting,
  Subconto,
  TrialBalanceRow,
} from "./ledger.js";
import type { Amount, Columns, Filter, Ledger, LedgerResources, Moment, Names } from "./register.js";
import { MOVEMENT_COLUMNS, Parameters, amountColumns } from "./sql.js";

interface LedgerShape<D extends Columns, R extends LedgerResources, A extends Columns> {
  readonly movement: Posting<D, R, A>;
  readonly documentMovement: PostingOfDocument<D, R, A>;
  readonly filter: LedgerFilter<D>;
  readonly cell: LedgerCell<D>;
  readonly amounts: SideAmounts<R>;
  readonly balance: CellBalance<D, R>;
}

const CELL: Columns = { account: "text", subconto: "subconto" };
const SIDES = ["dr", "cr"];
const SIDES_AND_BALANCE = [...SIDES, "balance"];
const TRIAL_SUMS = ["opening", "turnover", "closing"].flatMap((sum) =>
  SIDES.map((side) => `${sum}_${side}`),
);

/**
 * One ledger: its postings, accounts and balances. An account of a question stands for itself and
 * for those below it, a subconto for all that contain it.
 */
export class LedgerHandle<
  D extends Columns,
  R extends LedgerResources,
  A extends Columns,
> extends AnyHandle<LedgerShape<D, R, A>> {
  /** The amounts of a movement: those with two values have one for each side. */
  private readonly movementAmounts: Columns;

  constructor(
    client: Client,
    readonly ledger: Ledger<D, R, A>,
  ) {
    const movementAmounts = amountColumns(
      Object.entries(ledger.resources).flatMap(([name, resource]) =>
        typeof resource === "string" || resource.balanced !== false
          ? [name]
          : SIDES.map((side) => `${name}_${side}`),
      ),
    );
    super(client, {
      name: ledger.name,
      zone: ledger.timeZone ?? "UTC",
      cell: { ...CELL, ...ledger.dimensions },
      amounts: sums(ledger, SIDES),
      movement: {
        ...MOVEMENT_COLUMNS,
        dim_hash_dr: "bigint",
        dim_hash_cr: "bigint",
        account_dr: "text",
        subconto_dr: "subconto",
        account_cr: "text",
        subconto_cr: "subconto",
        ...ledger.dimensions,
        ...movementAmounts,
        ...ledger.attributes,
      },
    });
    this.movementAmounts = movementAmounts;
  }

  /** Debit, credit and balance of each resource, now or at the end of a day or an instant. */
  async balance(
    account: string | null = null,
    options: {
      readonly subconto?: Subconto;
      readonly where?: Filter<D>;
      readonly at?: Moment;
    } = {},
  ): Promise<AccountBalance<R>> {
    const columns = sums(this.ledger, SIDES_AND_BALANCE);
    const [row] = await this.rows<AccountBalance<R>>(columns, (p) => {
      const [at] = p.bounds([options.at], this.layout.zone);
      return `accum.${this.layout.name}_balance(${p.add(account, "text")},
         ${p.json(options.subconto)}, ${p.json(options.where)}, ${at})`;
    });
    return row!;
  }

  /**
   * Opening balance, turnover and closing balance of each account; level rolls accounts up to so
   * many parts of their codes.
   */
  async trialBalance(
    options: Range & { readonly where?: LedgerFilter<D>; readonly level?: number } = {},
  ): Promise<TrialBalanceRow<D, R>[]> {
    const columns = {
      account: "text",
      account_name: "text",
      ...this.ledger.dimensions,
      ...sums(this.ledger, TRIAL_SUMS),
    };
    return this.table("trial_balance", columns, (p) => [
      ...p.bounds([options.from, options.to], this.layout.zone),
      p.json(options.where),
      p.add(options.level ?? null, "integer"),
    ]);
  }

  /** Every posting that debits or credits the account, with the balance after it. */
  async accountStatement(
    account: string,
    options: Range & { readonly subconto?: Subconto; readonly where?: Filter<D> } = {},
  ): Promise<StatementLine<D, R>[]> {
    const columns = {
      period: "timestamptz",
      recorder: "text",
      id: "uuid",
      ...CELL,
      corr_account: "text",
      corr_subconto: "subconto",
      ...this.ledger.dimensions,
      ...sums(this.ledger, SIDES_AND_BALANCE),
    };
    return this.table("account_statement", columns, (p) => [
      p.add(account, "text"),
      ...p.bounds([options.from, options.to], this.layout.zone),
      p.json(options.subconto),
      p.json(options.where),
    ]);
  }

  /** How much each account was debited against each other one. */
  async correspondence(
    options: Range & { readonly where?: LedgerFilter<D> } = {},
  ): Promise<Correspondence<D, R>[]> {
    const columns = {
      account_dr: "text",
      account_cr: "text",
      ...this.ledger.dimensions,
      ...this.movementAmounts,
    };
    return this.table("correspondence", columns, (p) => [
      ...p.bounds([options.from, options.to], this.layout.zone),
      p.json(options.where),
    ]);
  }

  /** Sums of both sides; account and subconto are dimensions here, taken as they are. */
  async turnover<const G extends readonly (Names<D> | "account" | "subconto")[] = []>(
    options: Range & { readonly groupBy?: G; readonly where?: LedgerFilter<D> } = {},
  ): Promise<LedgerTurnover<D, R, G[number]>[]> {
    const grouped = Object.fromEntries(
      (options.groupBy ?? []).map((name) => [name, this.layout.cell[name]!]),
    );
    return this.rows({ ...grouped, ...this.layout.amounts }, (p) => {
      const bounds = p.bounds([options.from, options.to], this.layout.zone);
      return `accum.${this.layout.name}_turnover(${bounds.join(", ")},
         ${p.json(options.where)}, ${p.json(options.groupBy)})`;
    });
  }

  /** Postings, ordered by period; those of which one side is asked for. */
  async movements(
    options: Range & {
      readonly recorder?: Amount;
      readonly where?: LedgerFilter<D>;
      readonly limit?: number;
      readonly offset?: number;
    } = {},
  ): Promise<StoredPosting<D, R, A>[]> {
    return this.storedMovements(options);
  }

  /** Whether they do, in balances and in all totals. */
  async debitsEqualCredits(): Promise<boolean> {
    const p = new Parameters();
    const sql = `SELECT accum.register_ledger_verify(${p.add(this.layout.name, "text")}) AS equal`;
    const [row] = await this.client.query<{ equal: boolean }>(sql, p);
    return row!.equal;
  }

  /** The rows of a function that returns a table. */
  private async table<Row>(
    name: string,
    columns: Columns,
    parameters: (parameters: Parameters) => string[],
  ): Promise<Row[]> {
    return this.rows(columns, (p) =>
      `(SELECT to_jsonb(t) AS r
        FROM accum.${this.layout.name}_${name}(${parameters(p).join(", ")}) AS t)`,
    );
  }
}

/** Columns of text for each resource and each of these sums. */
function sums(ledger: Ledger, names: readonly string[]): Columns {
  return amountColumns(
    Object.keys(ledger.resources).flatMap((resource) =>
      names.map((name) => `${resource}_${name}`),
    ),
  );
}
