// Errors of the server, told apart by SQLSTATE only.

/** What node-postgres knows about an error of the server. */
interface Report {
  readonly message: string;
  readonly code: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly where?: string;
  readonly constraint?: string;
}

/** An error that the server reported; node-postgres' own error is the cause. */
export class AccumulatorError extends Error {
  readonly sqlstate: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly context: string | undefined;
  readonly constraint: string | undefined;

  constructor(report: Report) {
    super(report.message, { cause: report });
    this.name = new.target.name;
    this.sqlstate = report.code;
    this.detail = report.detail;
    this.hint = report.hint;
    this.context = report.where;
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
/** A document is known with other movements, or two cells have one hash. */
export class ConflictError extends AccumulatorError {}
/** The state of the register forbids it: a closed period, archived movements. */
export class NotAllowedError extends AccumulatorError {}
/** The session itself is using what is to be changed. */
export class InUseError extends AccumulatorError {}
/** Other objects of the database depend on what is to be dropped or made anew. */
export class DependentObjectsError extends AccumulatorError {}
/** Registers of this kind cannot do that. */
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
  "22003": OutOfRangeError,
  "22007": InvalidValueError,
  "22008": InvalidValueError,
  "22023": InvalidArgumentError,
  "22P02": InvalidValueError,
  "23502": InvalidValueError,
  "23505": ConflictError,
  "23514": LimitError,
  "25006": ReadOnlyError,
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

/** The typed error for what was thrown; what has nothing to do with registers stays as it is. */
export function translateError(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") {
    return error;
  }
  const Typed = BY_SQLSTATE[error.code];
  return Typed === undefined ? error : new Typed(error as Error & Report);
}
