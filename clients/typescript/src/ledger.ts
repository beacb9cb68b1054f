// The types of TypeScript that follow from the definition of a ledger.

import type {
  Amount,
  Attributes,
  Columns,
  Dimensions,
  Filter,
  Flat,
  GivenAttributes,
  GivenDimensions,
  LedgerResources,
  Moment,
  MovementType,
  Names,
} from "./register.js";

/** What an account is kept by. Its numbers are JavaScript's. */
export type Subconto = Readonly<Record<string, string | number | boolean | null>>;

type Side = "dr" | "cr";
type TwoValued<R extends LedgerResources> = {
  [K in Names<R>]: R[K] extends { readonly balanced: false } ? K : never;
}[Names<R>];
type OfMovements<R extends LedgerResources> =
  | Exclude<Names<R>, TwoValued<R>>
  | `${TwoValued<R>}_${Side}`;
type Sums<R extends LedgerResources, Sum extends string> = {
  [K in `${Names<R>}_${Sum}`]: string;
};

interface OneSide<R extends LedgerResources> {
  readonly account: string;
  readonly subconto?: Subconto;
  readonly debit?: { readonly [K in Names<R>]?: Amount };
  readonly credit?: { readonly [K in Names<R>]?: Amount };
}

/** A line of a posting: a debit or a credit of an account. */
export type Entry<D extends Columns, R extends LedgerResources> =
  & (
    | (OneSide<R> & { readonly credit?: never; readonly debit: object })
    | (OneSide<R> & { readonly debit?: never; readonly credit: object })
  )
  & Partial<GivenDimensions<D>>;

type Document<Recorder> = Recorder & { period: Moment; movement_type?: MovementType };

type Pair<D extends Columns, R extends LedgerResources> =
  & {
    account_dr: string;
    subconto_dr?: Subconto;
    account_cr: string;
    subconto_cr?: Subconto;
    entries?: never;
  }
  & GivenDimensions<D>
  & { [K in OfMovements<R>]?: Amount };

type Lines<D extends Columns, R extends LedgerResources> =
  & { entries: readonly Entry<D, R>[]; account_dr?: never; account_cr?: never }
  & Partial<GivenDimensions<D>>;

/** What is posted: a pair of accounts, or entries whose debits equal their credits. */
export type Posting<D extends Columns, R extends LedgerResources, A extends Columns> =
  | Flat<Document<{ recorder: Amount }> & Pair<D, R> & GivenAttributes<A>>
  | Flat<Document<{ recorder: Amount }> & Lines<D, R> & GivenAttributes<A>>;

/** A posting of a document that is named elsewhere. */
export type PostingOfDocument<D extends Columns, R extends LedgerResources, A extends Columns> =
  | Flat<Document<{ recorder?: Amount }> & Pair<D, R> & GivenAttributes<A>>
  | Flat<Document<{ recorder?: Amount }> & Lines<D, R> & GivenAttributes<A>>;

export type StoredPosting<D extends Columns, R extends LedgerResources, A extends Columns> = Flat<
  & {
    id: string;
    recorded_at: Date;
    recorder: string;
    period: Date;
    movement_type: string;
    dim_hash_dr: string;
    dim_hash_cr: string;
    account_dr: string;
    subconto_dr: Subconto;
    account_cr: string;
    subconto_cr: Subconto;
  }
  & Dimensions<D>
  & { [K in OfMovements<R>]: string }
  & Attributes<A>
>;

/** Account and subconto as they are, besides dimensions. */
export type LedgerFilter<D extends Columns> = Flat<
  Filter<D> & { account?: string; subconto?: Subconto }
>;

export type LedgerCell<D extends Columns> = Flat<
  { account: string; subconto: Subconto } & Dimensions<D>
>;
export type SideAmounts<R extends LedgerResources> = Flat<Sums<R, Side>>;
export type CellBalance<D extends Columns, R extends LedgerResources> = Flat<
  LedgerCell<D> & Sums<R, Side>
>;

export type LedgerTurnover<D extends Columns, R extends LedgerResources, G extends string> = Flat<
  & Pick<LedgerCell<D>, Extract<G, keyof LedgerCell<D>>>
  & Sums<R, Side>
>;

/** What is debited, what is credited, and debit less credit. */
export type AccountBalance<R extends LedgerResources> = Flat<Sums<R, Side | "balance">>;

/** account_name is null without a chart of accounts. */
export type TrialBalanceRow<D extends Columns, R extends LedgerResources> = Flat<
  & { account: string; account_name: string | null }
  & Dimensions<D>
  & Sums<R, `${"opening" | "turnover" | "closing"}_${Side}`>
>;

/** A posting as one of its sides sees it; balances are those after it. */
export type StatementLine<D extends Columns, R extends LedgerResources> = Flat<
  & {
    period: Date;
    recorder: string;
    id: string;
    account: string;
    subconto: Subconto;
    corr_account: string;
    corr_subconto: Subconto;
  }
  & Dimensions<D>
  & Sums<R, Side | "balance">
>;

/** How much one account was debited against another one. */
export type Correspondence<D extends Columns, R extends LedgerResources> = Flat<
  & { account_dr: string; account_cr: string }
  & Dimensions<D>
  & { [K in OfMovements<R>]: string }
>;
