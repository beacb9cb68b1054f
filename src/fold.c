/*
 * fold.c
 *		Deltas of high_write, folded into balance cache and totals.
 *
 * A fold takes deltas out of their table and adds them to the derived tables, in
 * one transaction: whoever reads sees a delta in one place or the other, and a
 * crash undoes both.
 *
 * Several folds of one register may run at once: each takes deltas that no other
 * has locked, and they write derived rows in the one order that all writers use.
 * Posts neither wait for a fold nor make it wait.  The register's movements are
 * locked as a post locks them, so that who keeps posts out (a rebuild, a change of
 * mode) keeps folds out, too.
 *
 * Whether a sum still fits its column is known only here.  Deltas of a cell whose
 * sum does not fit stay where they are, with a warning; they count in every
 * answer, and other cells are folded.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

#include "delta_set.h"
#include "derived.h"
#include "derived_row.h"
#include "fold.h"
#include "guarded.h"
#include "query.h"
#include "resource.h"
#include "stats.h"

/* So many deltas are held in memory as rows at a time. */
#define TAKE_AT_ONCE 10000

PG_FUNCTION_INFO_V1(accum_delta_merge);
PG_FUNCTION_INFO_V1(accum_delta_merge_register);
PG_FUNCTION_INFO_V1(accum_delta_flush_register);
PG_FUNCTION_INFO_V1(accum_delta_count);

/* Columns of a delta as take_sql returns it; dimensions and sums follow. */
#define TAKE_DIM_HASH 1
#define TAKE_PERIOD 2
#define TAKE_MOVEMENTS 3
#define TAKE_LAST_AT 4
#define TAKE_LAST_ID 5
#define TAKE_FIXED 5

/*
 * The statement that removes and returns deltas: at most $2 of those that were
 * made up to $1, but for the cells in $3.
 */
static char *
take_sql(AccumRegister *reg)
{
	const char *table = reg->relation_names[ACCUM_DELTA];
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s t WHERE t.ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
					 "SELECT d.ctid FROM %s d WHERE d.created_at OPERATOR(pg_catalog.<=) $1 "
					 "AND d.dim_hash OPERATOR(pg_catalog.<>) ALL ($3) LIMIT $2 "
					 "FOR UPDATE SKIP LOCKED)) RETURNING t.dim_hash, t.period, t.movements_count, "
					 "t.last_movement_at, t.last_movement_id", table, table);
	for (int i = 0; i < reg->ndims; i++)
		appendStringInfo(&sql, ", t.%s", accum_ident(reg->dims[i].name, ""));
	for (int i = 0; i < reg->nresources; i++)
	{
		appendStringInfo(&sql, ", t.%s", accum_ident(reg->resources[i].name, ""));
		if (accum_register_keeps_receipts(reg))
			appendStringInfo(&sql, ", t.%s", accum_ident(reg->resources[i].name, "_receipt"));
	}
	return sql.data;
}

static Datum
take_value(HeapTuple row, int column, bool *isnull)
{
	return SPI_getbinval(row, SPI_tuptable->tupdesc, column, isnull);
}

/* Are deltas what the register declared?  Their owner may have altered the table. */
static void
check_taken(AccumRegister *reg)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;
	static const Oid fixed[] = {INT8OID, DATEOID, INT8OID, TIMESTAMPTZOID, UUIDOID};
	int			sums_each = accum_register_keeps_receipts(reg) ? 2 : 1;
	bool		same = true;

	for (int i = 0; i < TAKE_FIXED; i++)
		same = same && TupleDescAttr(desc, i)->atttypid == fixed[i];
	for (int i = 0; i < reg->ndims; i++)
		same = same && TupleDescAttr(desc, TAKE_FIXED + i)->atttypid == reg->dims[i].type;
	for (int i = 0; i < sums_each * reg->nresources; i++)
		same = same && TupleDescAttr(desc, TAKE_FIXED + reg->ndims + i)->atttypid == reg->resources[i / sums_each].type;
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation %s is not as register \"%s\" made it",
						reg->relation_names[ACCUM_DELTA], reg->name),
				 errhint("Its columns must not be changed with ALTER TABLE.")));
}

/* Add a delta, as it was stored, to a delta set; entry is room for it. */
static void
add_delta(AccumRegister *reg, AccumDeltaSet *set, HeapTuple row, AccumDeltaEntry *entry)
{
	int			column = TAKE_FIXED;
	bool		isnull;
	Datum		value;

	entry->dim_hash = DatumGetInt64(take_value(row, TAKE_DIM_HASH, &isnull));
	entry->unit_start = DatumGetDateADT(take_value(row, TAKE_PERIOD, &isnull));
	entry->movements = DatumGetInt64(take_value(row, TAKE_MOVEMENTS, &isnull));
	value = take_value(row, TAKE_LAST_AT, &isnull);
	entry->has_last = !isnull;
	if (entry->has_last)
	{
		entry->last_at = DatumGetTimestampTz(value);
		entry->last_id = *DatumGetUUIDP(take_value(row, TAKE_LAST_ID, &isnull));
	}
	for (int i = 0; i < reg->ndims; i++)
		entry->dims[i] = take_value(row, ++column, &entry->nulls[i]);
	for (int i = 0; i < reg->nresources; i++)
	{
		Oid			type = reg->resources[i].type;

		memset(&entry->deltas[i], 0, sizeof(AccumDelta));
		value = take_value(row, ++column, &isnull);
		if (!isnull)
			accum_sum_add_value(&entry->deltas[i].net, type, value, 1);
		if (!accum_register_keeps_receipts(reg))
			continue;
		value = take_value(row, ++column, &isnull);
		if (!isnull)
			accum_sum_add_value(&entry->deltas[i].receipt, type, value, 1);
	}
	accum_delta_set_add_entry(set, entry);
}

/* Take some deltas out of their table into a delta set; returns how many. */
static int64
take_some(AccumRegister *reg, AccumDeltaSet *set, Datum *values)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_TAKE};
	Oid			types[] = {TIMESTAMPTZOID, INT8OID, INT8ARRAYOID};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	AccumDeltaEntry *entry = accum_delta_entry_create(reg);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "accum delta",
												  ALLOCSET_SMALL_SIZES);
	uint64		n;

	if (*plan == NULL)
		*plan = accum_query_prepare(take_sql(reg), lengthof(types), types, false);
	n = accum_guarded_run(reg, *plan, reg->relations[ACCUM_DELTA], values, InvalidSnapshot,
						  SPI_OK_DELETE_RETURNING);
	check_taken(reg);
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);

		add_delta(reg, set, SPI_tuptable->vals[i], entry);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	SPI_freetuptable(SPI_tuptable);
	MemoryContextDelete(scratch);
	return (int64) n;
}

static int64
count_cells(AccumRegister *reg, AccumDeltaSet *set)
{
	int64		n = 0;

	accum_delta_set_rewind(set, ACCUM_BALANCE_CACHE);
	while (accum_delta_set_next(set) != NULL)
		n++;
	return n;
}

/*
 * Remember when a register was folded last, unless another fold is doing so: they
 * are not to wait for each other.
 */
static void
note_fold(AccumRegister *reg)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_NOTE};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	Datum		values[] = {CStringGetTextDatum(reg->name)};
	Oid			types[] = {TEXTOID};
	AccumQueryState state;

	accum_query_begin(&state, accum_registry_owner());
	if (*plan == NULL)
		*plan = accum_query_prepare("UPDATE " ACCUM_SCHEMA "._delta_merges SET merged_at = pg_catalog.clock_timestamp() "
									"WHERE ctid = ANY (ARRAY(SELECT ctid FROM " ACCUM_SCHEMA "._delta_merges "
									"WHERE register = $1 FOR NO KEY UPDATE SKIP LOCKED))",
									lengthof(types), types, false);
	(void) accum_query_run(*plan, values, SPI_OK_UPDATE);
	accum_query_end(&state);
}

/* Fold at most limit deltas, but for those of the cells left out. */
static AccumFolded
fold_but(AccumRegister *reg, TimestampTz older_than, int64 limit, ArrayType *left_out)
{
	AccumFolded folded = {0};
	AccumQueryState state;
	AccumDeltaSet *set;
	int64		taken;
	int64		asked;

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_restrict();
	set = accum_delta_set_create(reg);
	do
	{
		Datum		values[3] = {TimestampTzGetDatum(older_than)};

		CHECK_FOR_INTERRUPTS();
		asked = Min(limit - folded.deltas, TAKE_AT_ONCE);
		values[1] = Int64GetDatum(asked);
		values[2] = PointerGetDatum(left_out);
		taken = take_some(reg, set, values);
		folded.deltas += taken;
	} while (taken == asked && folded.deltas < limit);
	if (folded.deltas > 0)
	{
		folded.cells = count_cells(reg, set);
		accum_derived_apply(reg, set);
	}
	accum_delta_set_free(set);
	accum_query_end(&state);
	return folded;
}

/*
 * Undo a subtransaction in which an error was caught, and take up again what was
 * current before it; returns the error.
 */
static ErrorData *
undo_subtransaction(MemoryContext context, ResourceOwner owner)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/* May the caller, who may have no more than INSERT, be shown dimension values? */
static bool
may_see_cells(AccumRegister *reg)
{
	return pg_class_aclcheck(reg->movements, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(reg->movements, InvalidOid, true) != RLS_ENABLED;
}

/* Cells that are left out of a fold. */
typedef struct LeftOut
{
	Datum	   *cells;
	int			n;
} LeftOut;

/* Leave out the cells that failed, each with a warning. */
static void
leave_out(AccumRegister *reg, LeftOut *left_out, List *failures)
{
	ListCell   *lc;

	left_out->cells = repalloc(left_out->cells,
							   sizeof(Datum) * (left_out->n + list_length(failures) + 1));
	foreach(lc, failures)
	{
		AccumRowFailure *failure = lfirst(lc);

		/* What was left out fails all the same: somebody's trigger posts to it. */
		for (int i = 0; i < left_out->n; i++)
		{
			if (DatumGetInt64(left_out->cells[i]) == failure->dim_hash)
				ereport(ERROR,
						(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						 errmsg("sum in register \"%s\" is out of range", reg->name)));
		}
		ereport(WARNING,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("deltas of a cell of register \"%s\" stay pending: sum in register \"%s\" is out of range",
						reg->name, reg->name),
				 may_see_cells(reg) ? errdetail_internal("%s", failure->detail)
				 : errdetail("The cell's dim_hash is " INT64_FORMAT ".", failure->dim_hash)));
		left_out->cells[left_out->n++] = Int64GetDatum(failure->dim_hash);
	}
}

/*
 * The same as a subtransaction of its own.  Returns false, with everything as it
 * was, when sums of some cells do not fit; they are then left out.
 *
 * All such cells are found in one go where tables are written straight; with SQL one
 * at a time.
 */
static bool
try_fold(AccumRegister *reg, TimestampTz older_than, int64 limit, LeftOut *left_out,
		 AccumFolded *folded)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ArrayType  *array = construct_array(left_out->cells, left_out->n, INT8OID, sizeof(int64),
										FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	AccumRowFailures noted;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	accum_row_note_failures(&noted, reg);
	PG_TRY();
	{
		*folded = fold_but(reg, older_than, limit, array);
		if (noted.failures == NIL)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error = undo_subtransaction(context, owner);

		accum_row_raise_failures(&noted);
		if (noted.failures == NIL || error->sqlerrcode != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			ReThrowError(error);
	}
	PG_END_TRY();
	accum_row_raise_failures(&noted);
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	leave_out(reg, left_out, noted.failures);
	return noted.failures == NIL;
}

/*
 * Fold at most limit deltas of a register that were made up to an instant;
 * DT_NOEND is all.  The caller has opened the register with a ROW EXCLUSIVE lock.
 *
 * Works as the register's owner.  Deltas that another fold has locked are left to
 * it.  Errors: 40001 where the transaction's snapshot is too old.
 */
AccumFolded
accum_fold(AccumRegister *reg, TimestampTz older_than, int64 limit)
{
	AccumFolded folded = {0};
	LeftOut		left_out = {palloc(sizeof(Datum)), 0};

	if (!accum_register_has(reg, ACCUM_DELTA))
		return folded;
	while (!try_fold(reg, older_than, limit, &left_out, &folded))
		CHECK_FOR_INTERRUPTS();
	folded.left_out = left_out.n;
	if (folded.deltas > 0)
		note_fold(reg);
	accum_stats_add(reg, ACCUM_STAT_DELTAS_FOLDED, folded.deltas);
	return folded;
}

/* Fold all deltas of a register that nobody else is folding. */
AccumFolded
accum_fold_all(AccumRegister *reg)
{
	return accum_fold(reg, DT_NOEND, PG_INT64_MAX);
}

/* Is any delta left?  For who keeps posts and folds out, and has folded all. */
static bool
fold_pending(AccumRegister *reg)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_LEFT};
	AccumQueryState state;
	SPIPlanPtr *plan;
	bool		pending;

	if (!accum_register_has(reg, ACCUM_DELTA))
		return false;
	plan = accum_register_plan(reg, &key);
	accum_query_begin(&state, accum_register_owner(reg));
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT FROM %s LIMIT 1",
											 reg->relation_names[ACCUM_DELTA]), 0, NULL, false);
	pending = accum_query_run(*plan, NULL, SPI_OK_SELECT) > 0;
	accum_query_end(&state);
	return pending;
}

/*
 * Fold all deltas of a register whose posts and folds are kept out, for work on derived
 * tables that needs them to be all there is.
 */
void
accum_fold_completely(AccumRegister *reg)
{
	(void) accum_fold_all(reg);
	if (fold_pending(reg))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("register \"%s\" has deltas that do not fit its derived tables", reg->name),
				 errhint("Correct the documents with movements of that size.")));
}

/* Who may post may fold: in a register without deltas every post does. */
static const AccumAccess fold_access = {.privileges = ACL_INSERT};

/* The arguments p_max_age and p_batch_size. */
static void
batch_arguments(FunctionCallInfo fcinfo, int first, TimestampTz *older_than, int64 *limit)
{
	Interval   *age;
	Interval	zero = {0};

	if (PG_ARGISNULL(first + 1) || PG_GETARG_INT32(first + 1) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_batch_size must be greater than 0")));
	*limit = PG_GETARG_INT32(first + 1);
	age = accum_interval_argument(fcinfo, first, "p_max_age");
	if (DatumGetInt32(DirectFunctionCall2(interval_cmp, IntervalPGetDatum(age),
										  IntervalPGetDatum(&zero))) == 0)
		*older_than = DT_NOEND;
	else
		*older_than = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
															  TimestampTzGetDatum(GetCurrentTimestamp()),
															  IntervalPGetDatum(age)));
}

/*
 * accum._delta_merge_register(p_name text, p_max_age interval, p_batch_size int)
 * returns int
 *
 * Fold at most p_batch_size deltas of a register that are at least p_max_age
 * old; returns how many.
 */
Datum
accum_delta_merge_register(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_named(fcinfo, RowExclusiveLock, &fold_access);
	TimestampTz older_than;
	int64		limit;

	batch_arguments(fcinfo, 1, &older_than, &limit);
	PG_RETURN_INT32((int32) accum_fold(reg, older_than, limit).deltas);
}

/* Movements tables of the registers with deltas that the caller may fold, by name. */
static List *
registers_to_fold(void)
{
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	List	   *registers = NIL;
	uint64		n;

	accum_query_begin(&state, accum_registry_owner());
	n = accum_query_command("SELECT m.relation "
							"FROM " ACCUM_SCHEMA "._register_relations AS d "
							"JOIN " ACCUM_SCHEMA "._register_relations AS m "
							"ON m.register = d.register AND m.role = 'movements' "
							"WHERE d.role = 'balance_cache_delta' ORDER BY d.register", SPI_OK_SELECT);
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		movements = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContext old = MemoryContextSwitchTo(context);

		registers = lappend_oid(registers, DatumGetObjectId(movements));
		MemoryContextSwitchTo(old);
	}
	accum_query_end(&state);
	return registers;
}

/*
 * Fold one register of many.  What is wrong with it is told with a warning, and
 * does not keep the others from being folded.
 */
static int64
fold_one_of_many(AccumRegister *reg, TimestampTz older_than, int64 limit)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile int64 n = 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		n = accum_fold(reg, older_than, limit).deltas;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error = undo_subtransaction(context, owner);

		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
			ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK)
			ReThrowError(error);
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("deltas of register \"%s\" were not folded: %s", reg->name, error->message)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return n;
}

/*
 * accum._delta_merge(p_max_age interval, p_batch_size int) returns int
 * accum._force_delta_merge(p_max_age interval, p_batch_size int) returns int
 *
 * The same for every register that the caller may post to, one after the other.
 */
Datum
accum_delta_merge(PG_FUNCTION_ARGS)
{
	TimestampTz older_than;
	int64		limit;
	int64		n = 0;
	ListCell   *lc;

	PreventCommandIfReadOnly("a fold of deltas");
	batch_arguments(fcinfo, 0, &older_than, &limit);
	foreach(lc, registers_to_fold())
	{
		AccumRegister *reg;
		bool		gone = false;

		/* One that has been dropped meanwhile has nothing to fold. */
		if (pg_class_aclcheck_ext(lfirst_oid(lc), GetUserId(), ACL_INSERT, &gone) != ACLCHECK_OK ||
			gone ||
			(reg = accum_register_hold(lfirst_oid(lc), RowExclusiveLock)) == NULL)
			continue;
		n += fold_one_of_many(reg, older_than, limit);
	}
	PG_RETURN_INT32((int32) Min(n, PG_INT32_MAX));
}

/*
 * accum._delta_flush_register(p_name text) returns int
 *
 * Fold all deltas of a register; returns the number of cells that changed.
 */
Datum
accum_delta_flush_register(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_named(fcinfo, RowExclusiveLock, &fold_access);
	AccumFolded folded = accum_fold_all(reg);

	PG_RETURN_INT32((int32) Min(folded.cells, PG_INT32_MAX));
}

/*
 * accum._delta_count(p_name text) returns bigint
 *
 * How many deltas of a register are pending.
 */
Datum
accum_delta_count(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_named(fcinfo, AccessShareLock, NULL);
	AccumPlanKey key = {.purpose = ACCUM_PLAN_PENDING};
	AccumQueryState state;
	SPIPlanPtr *plan;
	Datum		count;
	bool		isnull;

	if (!accum_register_has(reg, ACCUM_DELTA))
		PG_RETURN_INT64(0);
	plan = accum_register_plan(reg, &key);
	accum_query_begin(&state, InvalidOid);
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT pg_catalog.count(*) FROM %s",
											 reg->relation_names[ACCUM_DELTA]), 0, NULL, false);
	count = accum_query_value(*plan, NULL, &isnull);
	accum_query_end(&state);
	PG_RETURN_DATUM(count);
}
