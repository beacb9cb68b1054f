// What a register is, and the types of TypeScript that follow from it.
//
// A definition is kept with its literal types, so that the names of dimensions
// and resources and what they hold are known to the compiler.

/** Amounts are sent as numbers or, to be exact, as text or bigint; they come back as text. */
export type Amount = number | bigint | string;

/** A Date is an instant. Text without an offset is local time of the register. */
export type Moment = Date | string;

type SmallNumber =
  | "smallint" | "int2" | "integer" | "int" | "int4"
  | "real" | "float4" | "double precision" | "float8" | "float";
type BigNumber = "bigint" | "int8" | `numeric${string}` | `decimal${string}`;
type Instant = "timestamptz" | "timestamp with time zone";

/** What a value of an SQL type may be when it is sent. */
export type Input<T extends string> =
  T extends SmallNumber ? number
  : T extends BigNumber ? Amount
  : T extends "boolean" | "bool" ? boolean
  : T extends Instant ? Moment
  : string;

/** What it is when it comes back. */
export type Output<T extends string> =
  T extends SmallNumber ? number
  : T extends "boolean" | "bool" ? boolean
  : T extends Instant ? Date
  : string;

/** The name of an SQL type, with "required" where NULL is refused. */
export type ColumnType = string | { readonly type: string; readonly required?: boolean };
export type Columns = Readonly<Record<string, ColumnType>>;
export type Resources = Readonly<Record<string, string>>;

type NameOf<C extends ColumnType> =
  C extends string ? C : C extends { readonly type: infer T extends string } ? T : never;
type OrNull<C extends ColumnType> = C extends { readonly required: true } ? never : null;

/** An SQL expression that no balance may break; with everyDate on no day of the past either. */
export interface Limit {
  readonly name: string;
  readonly check: string;
  readonly everyDate?: boolean;
}

export interface Register<
  D extends Columns = Columns,
  R extends Resources = Resources,
  A extends Columns = Columns,
> {
  readonly name: string;
  readonly dimensions: D;
  readonly resources: R;
  readonly attributes?: A;
  readonly kind?: "balance" | "turnover";
  readonly totalsPeriod?: "day" | "month" | "year";
  readonly partitionBy?: "day" | "month" | "quarter" | "year";
  readonly highWrite?: boolean;
  readonly recorderType?: string;
  readonly timeZone?: string;
  readonly yearStart?: number;
  readonly limits?: readonly Limit[];
  /** Movements are reversed and never removed. */
  readonly history?: boolean;
}

/** A resource that is not balanced has a value for each side. */
export type LedgerResource = string | { readonly type: string; readonly balanced?: boolean };
export type LedgerResources = Readonly<Record<string, LedgerResource>>;

/** A register whose movements have two sides. */
export interface Ledger<
  D extends Columns = Columns,
  R extends LedgerResources = LedgerResources,
  A extends Columns = Columns,
> extends Omit<Register<D, Resources, A>, "kind" | "resources" | "history"> {
  readonly kind: "ledger";
  readonly resources: R;
  readonly chart?: "open" | "strict";
}

export type Flat<T> = { [K in keyof T]: T[K] };
export type Names<T> = Extract<keyof T, string>;

export type Dimensions<D extends Columns> = {
  [K in keyof D]: Output<NameOf<D[K]>> | OrNull<D[K]>;
};
export type Attributes<A extends Columns> = { [K in keyof A]: Output<NameOf<A[K]>> | null };
export type Amounts<R extends Resources> = { [K in keyof R]: string };

/** Values of some dimensions, to select cells by; null selects NULL. */
export type Filter<D extends Columns> = { [K in keyof D]?: Input<NameOf<D[K]>> | null };

/** A value for each dimension. */
export type GivenDimensions<D extends Columns> = {
  [K in keyof D]: Input<NameOf<D[K]>> | OrNull<D[K]>;
};
export type GivenAttributes<A extends Columns> = {
  [K in keyof A]?: Input<NameOf<A[K]>> | null;
};

type Cell<D extends Columns, R extends Resources, A extends Columns> =
  & GivenDimensions<D>
  & { [K in keyof R]?: Amount }
  & GivenAttributes<A>;

export type MovementType = "regular" | "adjustment";

/** A movement to post. */
export type Movement<D extends Columns, R extends Resources, A extends Columns> = Flat<
  & { recorder: Amount; period: Moment; movement_type?: MovementType }
  & Cell<D, R, A>
>;

/** A movement of a document that is named elsewhere. */
export type MovementOfDocument<D extends Columns, R extends Resources, A extends Columns> = Flat<
  & { recorder?: Amount; period: Moment; movement_type?: MovementType }
  & Cell<D, R, A>
>;

/** What was counted in a cell; a resource that is absent was not counted. */
export type Counted<D extends Columns, R extends Resources, A extends Columns> = Flat<
  & { recorder?: Amount; movement_type?: MovementType }
  & Cell<D, R, A>
>;

export type StoredMovement<D extends Columns, R extends Resources, A extends Columns> = Flat<
  & {
    id: string;
    recorded_at: Date;
    recorder: string;
    period: Date;
    movement_type: string;
    dim_hash: string;
    /** With history, in reversals: the movement that is taken back. */
    reverses?: string | null;
    reverses_period?: Date | null;
  }
  & Dimensions<D>
  & Amounts<R>
  & Attributes<A>
>;

export type Balance<D extends Columns, R extends Resources> = Flat<Dimensions<D> & Amounts<R>>;

export type Turnover<D extends Columns, R extends Resources, G extends string> = Flat<
  & Pick<Dimensions<D>, Extract<G, keyof D>>
  & Amounts<R>
>;

type Sum = "opening" | "receipt" | "expense" | "turnover" | "closing";

/** A row of a statement; dimensions that are not grouped by are null. */
export type StatementRow<D extends Columns, R extends Resources> = Flat<
  & { unit_start: string | null; grouping: number | null }
  & { [K in keyof D]: Output<NameOf<D[K]>> | null }
  & { [K in `${Names<R>}_${Sum}`]: string }
>;

// Names become parts of identifiers in SQL, so they must need no quotes.
const NAME = /^[a-z][a-z0-9_]*$/;

/** Define a register. Nothing is done in any database. */
export function defineRegister<
  const D extends Columns,
  const R extends LedgerResources,
  const A extends Columns = {},
>(ledger: Ledger<D, R, A>): Ledger<D, R, A>;
export function defineRegister<
  const D extends Columns,
  const R extends Resources,
  const A extends Columns = {},
>(register: Register<D, R, A>): Register<D, R, A>;
export function defineRegister(register: Register | Ledger): Register | Ledger {
  const { name, dimensions, resources, attributes = {} } = register;
  for (const key of [name, ...[dimensions, resources, attributes].flatMap(Object.keys)]) {
    if (!NAME.test(key)) {
      throw new TypeError(
        `${JSON.stringify(key)} is no name for a register or a column: they are made of ` +
          "lower-case letters, digits and underscores, and begin with a letter",
      );
    }
  }
  return register;
}

/** The columns as register_create() takes them, in their order. */
export function columnList(columns: Columns | LedgerResources): object[] {
  return Object.entries<ColumnType | LedgerResource>(columns).map(([name, column]) =>
    typeof column === "string" ? { name, type: column } : { name, ...column },
  );
}

export function typeName(column: ColumnType): string {
  return typeof column === "string" ? column : column.type;
}
