// Pieces of SQL, values on their way to the server, and rows on their way back.
//
// Rows come as text, column by column, because JSON's numbers would lose digits.

import { type Columns, type Moment, type Resources, typeName } from "./register.js";

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const OFFSET = /(?:[zZ]|[+-]\d{2}(?::?\d{2})?)$/;

/** Parameters of a statement, as they are put into its text. */
export class Parameters {
  readonly values: unknown[] = [];

  add(value: unknown, type: string): string {
    this.values.push(value);
    return `CAST($${this.values.length} AS ${type})`;
  }

  json(value: unknown): string {
    return this.add(value === undefined ? null : encode(value), "jsonb");
  }

  /** An instant; a day is its midnight, and text without an offset local time of a zone. */
  instant(moment: Moment | undefined, zone: string): string {
    if (moment === undefined) return this.add(null, "timestamptz");
    if (moment instanceof Date) return this.add(moment.toISOString(), "timestamptz");
    if (!DAY.test(moment) && OFFSET.test(moment)) return this.add(moment, "timestamptz");
    return `timezone(${this.add(zone, "text")}, ${this.add(moment, "timestamp")})`;
  }

  /** Bounds in time: all of them as days of the register if they are, otherwise as instants. */
  bounds(moments: readonly (Moment | undefined)[], zone: string): string[] {
    const days = moments.every(
      (moment) => moment === undefined || (typeof moment === "string" && DAY.test(moment)),
    );
    return moments.map((moment) =>
      days ? this.add(moment ?? null, "date") : this.instant(moment, zone),
    );
  }
}

/** JSON that loses nothing: what it would silently make null is an error. */
export function encode(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, plain: unknown) {
    const raw = this[key];
    if (typeof plain === "bigint") return plain.toString();
    if (typeof plain === "number" && !Number.isFinite(plain)) {
      throw new RangeError(`${key}: ${plain} cannot be sent to a register`);
    }
    if (raw instanceof Date && Number.isNaN(raw.getTime())) {
      throw new RangeError(`${key}: an invalid date cannot be sent to a register`);
    }
    return plain;
  });
}

/** Columns of a jsonb value as text, named with a prefix. */
export function fields(source: string, names: readonly string[], prefix = ""): string {
  return names.map((name) => `${source} ->> '${name}' AS "${prefix}${name}"`).join(", ");
}

export type TextRow = Record<string, string | null>;
type Decode = (text: string) => unknown;

const DECODERS: Readonly<Record<string, Decode>> = {
  ...Object.fromEntries(
    ["smallint", "int2", "integer", "int", "int4", "real", "float4", "double precision",
      "float8", "float"].map((type) => [type, Number]),
  ),
  ...Object.fromEntries(["boolean", "bool"].map((type) => [type, (text: string) => text === "true"])),
  ...Object.fromEntries(
    ["timestamptz", "timestamp with time zone"].map((type) => [type, (text: string) => new Date(text)]),
  ),
  // No type of SQL: what a column of jsonb is in a ledger.
  subconto: (text: string) => JSON.parse(text) as unknown,
};

/** The values of columns in a row of text. */
export function decode(columns: Columns, row: TextRow, prefix = ""): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(columns).map(([name, column]) => {
      const text = row[prefix + name] ?? null;
      const decoder = DECODERS[typeName(column)];
      return [name, text === null || decoder === undefined ? text : decoder(text)];
    }),
  );
}

export const MOVEMENT_COLUMNS: Columns = {
  id: "uuid",
  recorded_at: "timestamptz",
  recorder: "text",
  period: "timestamptz",
  movement_type: "text",
};

export const REVERSAL_COLUMNS: Columns = { reverses: "uuid", reverses_period: "timestamptz" };

/** The columns of a statement: sums are text, whatever the resource's type. */
export function statementColumns(dimensions: Columns, resources: Resources): Columns {
  const sums = Object.keys(resources).flatMap((resource) =>
    ["opening", "receipt", "expense", "turnover", "closing"].map((sum) => `${resource}_${sum}`),
  );
  return {
    unit_start: "date",
    ...dimensions,
    grouping: "integer",
    ...Object.fromEntries(sums.map((sum) => [sum, "text"])),
  };
}

/** Amounts as columns of text. */
export function amountColumns(names: readonly string[]): Columns {
  return Object.fromEntries(names.map((name) => [name, "text"]));
}
