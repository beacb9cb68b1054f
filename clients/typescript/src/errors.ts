// Errors of the server, told apart by SQLSTATE and fields, never by messages.

/** What node-postgres knows about an error of the server. */
interface Report {
  readonly message: string;
  readonly code: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly where?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly constraint?: string;
}

/** An error that the server reported; node-postgres' own error is the cause. */
export class AccumulatorError extends Error {
  readonly sqlstate: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly context: string | undefined;
  readonly table: string | undefined;
  readonly constraint: string | undefined;

  constructor(report: Report) {
    super(report.message, { cause: report });
    this.name = new.target.name;
    this.sqlstate = report.code;
    this.detail = report.detail;
    this.hint = report.hint;
    this.context = report.where;
    this.table = report.table;
    this.constraint = report.constraint;
  }
}

/** There is no such register, or its kind has no such function. */
export class UndefinedRegisterError extends AccumulatorError {}
/** A register of that name exists. */
export class DuplicateRegisterError extends AccumulatorError {}
/** A bad name, type or option, or a movement with wrong keys. */
export class InvalidArgumentError extends AccumulatorError {}
/** A value that is none of its type, or a NULL where there must be a value. */
export class InvalidValueError extends InvalidArgumentError {}
/** A value or a sum that does not fit its type. */
export class OutOfRangeError extends InvalidValueError {}
/** A balance would break a limit, whose name is `constraint`. */
export class LimitError extends AccumulatorError {}
/** A strict chart of accounts has no such account, or one that takes no such posting. */
export class AccountError extends AccumulatorError {}
/** A document is known with other movements, or two cells have one hash. */
export class ConflictError extends AccumulatorError {}
/** The state of the register, or of the transaction, forbids it. */
export class NotAllowedError extends AccumulatorError {}
/** A movement lies in a closed period. */
export class ClosedPeriodError extends NotAllowedError {}
/** The movements are archived. */
export class ArchivedError extends NotAllowedError {}
/** The session itself is using what is to be changed. */
export class InUseError extends AccumulatorError {}
/** Other objects of the database depend on what is to be dropped or made anew. */
export class DependentObjectsError extends AccumulatorError {}
/** Registers of this kind, or of none, cannot do that. */
export class WrongKindError extends AccumulatorError {}
/** A right is missing. */
export class PermissionDeniedError extends AccumulatorError {}
/** Writing in a read-only transaction, or on a standby. */
export class ReadOnlyError extends AccumulatorError {}
/** The same transaction may succeed when it is tried again. */
export class RetryError extends AccumulatorError {}
/** A concurrent change got in between. */
export class SerializationError extends RetryError {}
/** Two transactions waited for each other. */
export class DeadlockError extends RetryError {}
/** A lock was not to be had within lock_timeout. */
export class LockTimeoutError extends RetryError {}

const BY_SQLSTATE: Readonly<Record<string, typeof AccumulatorError>> = {
  "0A000": WrongKindError,
  "22003": OutOfRangeError,
  "22007": InvalidValueError,
  "22008": InvalidValueError,
  "22023": InvalidArgumentError,
  "22P02": InvalidValueError,
  "23502": InvalidValueError,
  "23505": ConflictError,
  "25001": NotAllowedError,
  "25006": ReadOnlyError,
  "27000": NotAllowedError,
  "2BP01": DependentObjectsError,
  "40001": SerializationError,
  "40P01": DeadlockError,
  "42501": PermissionDeniedError,
  "42704": UndefinedRegisterError,
  "42710": DuplicateRegisterError,
  "42809": WrongKindError,
  "42883": UndefinedRegisterError,
  "54000": InvalidValueError,
  "55000": NotAllowedError,
  "55006": InUseError,
  "55P03": LockTimeoutError,
};

/** What is told more exactly by the name of a constraint. */
const BY_CONSTRAINT: Readonly<Record<string, typeof AccumulatorError>> = {
  "55000 archived": ArchivedError,
  "55000 closed_period": ClosedPeriodError,
};

function classOf({ code, schema, table = "", constraint }: Report) {
  if (code === "23503" || code === "23514") {
    // Rules of an application's own tables are none of a register's.
    if (schema !== "accum") return undefined;
    if (table.endsWith("_accounts")) return AccountError;
    return table.endsWith("_balance_cache") ? LimitError : undefined;
  }
  return BY_CONSTRAINT[`${code} ${constraint}`] ?? BY_SQLSTATE[code];
}

/** The typed error for what was thrown; what has nothing to do with registers stays as it is. */
export function translateError(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") {
    return error;
  }
  const report = error as Error & Report;
  const Typed = classOf(report);
  return Typed === undefined ? error : new Typed(report);
}
