/*
 * reconcile.c
 *		register_reconcile: balances that were counted.
 *
 * A count says what the balances of some cells are at a moment; what it takes to make
 * them so becomes the document of the count, in the place of what this document was
 * before.  So counting again corrects the count.
 *
 * Between reading balances and posting the differences nothing may come in unnoticed,
 * whatever the register's mode, the cells counted, and cells that nobody knows yet:
 * the register is locked against writers, as it is for a rebuild.  Balances are read
 * with a snapshot that is younger than the lock.  Where the transaction's own is
 * older and shows other balances, it fails with serialization_failure.
 *
 * Everything lives in the memory context of the call.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "balances.h"
#include "cell.h"
#include "cell_set.h"
#include "direct.h"
#include "document_find.h"
#include "document_replace.h"
#include "horizon.h"
#include "json_value.h"
#include "pending.h"
#include "recorded.h"
#include "side_values.h"
#include "stats.h"

#define ROWS_NAME "accum_differences"

PG_FUNCTION_INFO_V1(accum_register_reconcile);

/*
 * A cell that was counted, or that is zero because it was not.  Its sums are the
 * balance, in the end without what the document itself adds.
 */
typedef struct Cell
{
	AccumSetCell cell;
	HeapTuple	counted;		/* its row of the batch; NULL: it was not counted */
	const bool *given;			/* which of its resources were counted */
} Cell;

typedef struct Count
{
	AccumRegister *reg;
	Datum		recorder;
	TimestampTz moment;			/* of the balances, and of the differences */
	const AccumFilter *scope;	/* whose cells are zero if not counted; or NULL */
	AccumBatch *batch;			/* what was counted */
	bool	   *given;			/* by row and resource */
	AccumCellSet *cells;		/* of Cell */
} Count;

/* Append an object of p_desired with the moment as its period. */
static void
append_dated(Count *count, JsonbParseState **state, JsonbContainer *object, int position)
{
	char	   *period = pstrdup(timestamptz_to_str(count->moment));
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	v;
	JsonbIteratorToken token;

	for (int i = 0; i < count->reg->nresources; i++)
	{
		const char *name = count->reg->resources[i].name;

		count->given[(position - 1) * count->reg->nresources + i] =
			getKeyJsonValueFromContainer(object, name, strlen(name), &v) != NULL;
	}
	if (getKeyJsonValueFromContainer(object, "period", strlen("period"), &v) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown key \"period\" in movement %d", position),
				 errhint("All balances of a count are those at p_period.")));
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_END_OBJECT)
		(void) pushJsonbValue(state, token, token == WJB_BEGIN_OBJECT ? NULL : &v);
	v.type = jbvString;
	v.val.string.val = "period";
	v.val.string.len = strlen("period");
	(void) pushJsonbValue(state, WJB_KEY, &v);
	v.val.string.val = period;
	v.val.string.len = strlen(period);
	(void) pushJsonbValue(state, WJB_VALUE, &v);
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* p_desired, one object or an array of them, as the movements of a document. */
static Jsonb *
dated_movements(Count *count, Jsonb *desired)
{
	JsonbParseState *state = NULL;
	int			n = JB_ROOT_IS_ARRAY(desired) ? JB_ROOT_COUNT(desired) : 1;

	if (JB_ROOT_IS_SCALAR(desired))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_desired must be an object or an array of objects")));
	count->given = palloc0(sizeof(bool) * count->reg->nresources * Max(n, 1));
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	if (JB_ROOT_IS_OBJECT(desired))
		append_dated(count, &state, &desired->root, 1);
	for (int i = 0; JB_ROOT_IS_ARRAY(desired) && i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&desired->root, i);

		if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("movement %d is not an object", i + 1)));
		append_dated(count, &state, element->val.binary.data, i + 1);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* Does a cell lie in the scope of the count? */
static bool
in_scope(const Count *count, const AccumSetCell *cell)
{
	const AccumFilter *scope = count->scope;

	for (int i = 0; scope != NULL && i < count->reg->ndims; i++)
	{
		if (scope->given[i] &&
			!accum_column_equal(&count->reg->dims[i], scope->values[i], scope->nulls[i],
								cell->dims[i], cell->nulls[i]))
			return false;
	}
	return true;
}

/* Read what was counted, each cell once. */
static void
count_read(Count *count, Jsonb *desired, const char *recorder)
{
	AccumRegister *reg = count->reg;
	TupleTableSlot *slot;

	count->batch = accum_batch_decode(reg, dated_movements(count, desired), recorder);
	accum_batch_check_scopes(reg, count->batch);
	count->cells = accum_cell_set_create(reg, sizeof(Cell));
	slot = MakeSingleTupleTableSlot(count->batch->desc, &TTSOpsMinimalTuple);
	tuplestore_rescan(count->batch->rows);
	for (int i = 0; tuplestore_gettupleslot(count->batch->rows, true, false, slot); i++)
	{
		Cell	   *cell;
		const Datum *dims;
		const bool *nulls;

		slot_getallattrs(slot);
		dims = slot->tts_values + ACCUM_BATCH_DIMS;
		nulls = slot->tts_isnull + ACCUM_BATCH_DIMS;
		if (accum_cell_set_find(count->cells, dims, nulls) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("movement %d counts a cell that was counted before", i + 1),
					 errdetail("Cell %s is there twice.", accum_cell_text(reg, dims, nulls))));
		cell = accum_cell_set_add(count->cells, dims, nulls);
		if (!in_scope(count, &cell->cell))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("movement %d counts a cell that is not in p_dimensions", i + 1),
					 errdetail("It is cell %s.", accum_cell_text(reg, dims, nulls))));
		cell->counted = ExecCopySlotHeapTuple(slot);
		cell->given = &count->given[i * reg->nresources];
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* The balances of all cells that matter, under the active snapshot. */
static void
read_balances(Count *count)
{
	AccumRegister *reg = count->reg;
	TimestampTz before = count->moment + 1;
	Datum	   *dims = palloc(sizeof(Datum) * (reg->ndims + 1));
	bool	   *nulls = palloc(sizeof(bool) * (reg->ndims + 1));
	AccumSum   *sums = palloc(sizeof(AccumSum) * reg->nresources);
	MemoryContext context = CurrentMemoryContext;
	AccumBalances balances;
	ListCell   *lc;

	if (count->scope == NULL)
	{
		foreach(lc, accum_cell_set_cells(count->cells))
		{
			AccumSetCell *cell = lfirst(lc);

			accum_balance_of_cell(reg, cell->dims, cell->nulls, before, cell->sums);
		}
		return;
	}
	accum_balances_open(&balances, reg, count->scope, before);
	MemoryContextSwitchTo(context);
	while (accum_balances_next(&balances, dims, nulls, sums))
	{
		AccumSetCell *cell = accum_cell_set_add(count->cells, dims, nulls);

		memcpy(cell->sums, sums, sizeof(AccumSum) * reg->nresources);
	}
	accum_balances_close(&balances);
}

static void
sum_subtract(AccumSum *sum, const AccumSum *other, Oid type)
{
	Datum		wide = accum_sum_wide(other, type);

	if (accum_sum_kind(type) == ACCUM_SUM_FLOAT)
		accum_sum_add_wide(sum, type, Float8GetDatum(-DatumGetFloat8(wide)));
	else
		accum_sum_add_wide(sum, type, DirectFunctionCall1(numeric_uminus, wide));
}

/*
 * A transaction whose snapshot is older than the lock must not count what others
 * have changed since: read once more what is there now, and compare.
 */
static void
check_snapshot(Count *count)
{
	AccumRegister *reg = count->reg;
	List	   *before = NIL;
	ListCell   *lc;
	ListCell   *old;

	foreach(lc, accum_cell_set_cells(count->cells))
	{
		AccumSetCell *cell = lfirst(lc);

		before = lappend(before, cell->sums);
		cell->sums = palloc0(sizeof(AccumSum) * reg->nresources);
	}
	PushActiveSnapshot(GetLatestSnapshot());
	read_balances(count);
	PopActiveSnapshot();
	if (list_length(accum_cell_set_cells(count->cells)) != list_length(before))
		accum_direct_serialization_failure(TM_Updated);
	forboth(lc, accum_cell_set_cells(count->cells), old, before)
	{
		for (int i = 0; i < reg->nresources; i++)
		{
			AccumSum   *sum = &((AccumSum *) lfirst(old))[i];

			sum_subtract(sum, &((AccumSetCell *) lfirst(lc))->sums[i], reg->resources[i].type);
			if (!accum_sum_is_zero(sum, reg->resources[i].type))
				accum_direct_serialization_failure(TM_Updated);
		}
	}
}

/* Leave a movement of the document itself, as it is stored, out of the balances. */
static void
leave_out(void *arg, HeapTuple row, TupleDesc desc)
{
	Count	   *count = arg;
	AccumRegister *reg = count->reg;
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	AccumSetCell *cell;

	heap_deform_tuple(row, desc, values, nulls);
	if (DatumGetTimestampTz(values[ACCUM_BATCH_PERIOD]) > count->moment)
		return;
	cell = accum_cell_set_find(count->cells, values + ACCUM_BATCH_DIMS, nulls + ACCUM_BATCH_DIMS);
	for (int i = 0; cell != NULL && i < reg->nresources; i++)
		accum_sum_add_value(&cell->sums[i], reg->resources[i].type,
							values[ACCUM_BATCH_DIMS + reg->ndims + i], -1);
}

/* Fill the row of a cell's differences; false when there is none. */
static bool
make_difference(const Count *count, const Cell *cell, Datum *values, bool *nulls)
{
	AccumRegister *reg = count->reg;
	TupleDesc	desc = count->batch->desc;
	bool		differs = false;

	memset(nulls, true, sizeof(bool) * desc->natts);
	if (cell->counted != NULL)
		heap_deform_tuple(cell->counted, desc, values, nulls);
	values[ACCUM_BATCH_RECORDER] = count->recorder;
	values[ACCUM_BATCH_PERIOD] = TimestampTzGetDatum(count->moment);
	if (nulls[ACCUM_BATCH_TYPE])
		values[ACCUM_BATCH_TYPE] = CStringGetTextDatum("adjustment");
	memset(nulls, false, sizeof(bool) * ACCUM_BATCH_DIMS);
	for (int i = 0; i < reg->ndims; i++)
	{
		values[ACCUM_BATCH_DIMS + i] = cell->cell.dims[i];
		nulls[ACCUM_BATCH_DIMS + i] = cell->cell.nulls[i];
	}
	for (int i = 0; i < reg->nresources; i++)
	{
		const AccumColumn *resource = &reg->resources[i];
		int			column = ACCUM_BATCH_DIMS + reg->ndims + i;
		AccumSum	sum = {0};

		if (cell->counted != NULL && cell->given[i])
			accum_sum_add_value(&sum, resource->type, values[column], 1);
		if (cell->counted == NULL || cell->given[i])
			sum_subtract(&sum, &cell->cell.sums[i], resource->type);
		differs = differs || !accum_sum_is_zero(&sum, resource->type);
		if (!accum_sum_to_value(&sum, resource->type, resource->typmod, &values[column]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("difference of resource \"%s\" is out of range", resource->name),
					 errdetail("It is that of cell %s.",
							   accum_cell_text(reg, cell->cell.dims, cell->cell.nulls))));
		nulls[column] = false;
	}
	return differs;
}

/* The differences as the movements of a document. */
static AccumBatch *
make_document(const Count *count)
{
	AccumBatch *document = palloc0(sizeof(AccumBatch));
	TupleDesc	desc = count->batch->desc;
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	AccumDay	day = accum_zone_day(&count->reg->zone, count->moment);
	ListCell   *lc;

	document->desc = desc;
	document->rows = tuplestore_begin_heap(false, false, work_mem);
	document->units = palloc(sizeof(AccumDay));
	foreach(lc, accum_cell_set_cells(count->cells))
	{
		CHECK_FOR_INTERRUPTS();
		if (!make_difference(count, lfirst(lc), values, nulls))
			continue;
		tuplestore_putvalues(document->rows, desc, values, nulls);
		document->nrows++;
	}
	if (document->nrows > 0)
		document->units[document->nunits++] = accum_unit_start(day, count->reg->partition_by, 1);
	return document;
}

/* Give the document back as JSON. */
static void
put_document(AccumRegister *reg, ReturnSetInfo *result, AccumBatch *document)
{
	AccumQueryState state;
	uint64		n;

	accum_query_begin(&state, InvalidOid);
	accum_query_rows(ROWS_NAME, document->desc, document->rows);
	n = accum_query_command(psprintf("SELECT pg_catalog.to_jsonb(_d)%s FROM " ROWS_NAME " _d",
									 reg->history ? " OPERATOR(pg_catalog.-) 'reverses'::pg_catalog.text "
									 "OPERATOR(pg_catalog.-) 'reverses_period'::pg_catalog.text" : ""),
							SPI_OK_SELECT);
	for (uint64 i = 0; i < n; i++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
	accum_query_forget_rows(ROWS_NAME);
	accum_query_end(&state);
}

/* The arguments, and the register, locked against writers. */
static void
count_init(Count *count, FunctionCallInfo fcinfo, const char *recorder)
{
	AccumAccess access = {.privileges = ACL_INSERT | ACL_SELECT,.removes = true};
	TimestampTz after;

	PreventCommandIfReadOnly("register_reconcile()");
	count->reg = accum_register_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), ShareRowExclusiveLock,
									 &access);
	accum_refuse_ledger(count->reg, "register_reconcile()",
						"A balance that was counted does not say which account the difference is posted against.");
	if (!accum_register_has(count->reg, ACCUM_BALANCE_CACHE))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("register \"%s\" is of kind turnover and has no balances",
						count->reg->name)));
	count->recorder = accum_column_from_text(count->reg, &count->reg->recorder, pstrdup(recorder));
	accum_column_check_size(&count->reg->recorder, "key", count->recorder);
	after = accum_zone_bound_after(&count->reg->zone, PG_GETARG_TIMESTAMPTZ(2));
	if (!accum_period_valid(&count->reg->zone, PG_GETARG_TIMESTAMPTZ(2)) ||
		!accum_period_valid(&count->reg->zone, after - 1))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("p_period is out of range"),
				 errdetail("A period lies in the years 0001 to 9999.")));
	count->moment = after - 1;
	accum_horizon_check_period(count->reg, count->moment);
}

/*
 * accum.register_reconcile(p_register text, p_recorder text, p_period timestamptz,
 *							p_desired jsonb, p_dimensions jsonb) returns setof jsonb
 *
 * Make the balances at a moment what was counted; returns the movements that this
 * takes, which the document then consists of.
 */
Datum
accum_register_reconcile(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"p_register", "p_recorder", "p_period", "p_desired"};
	Count		count = {0};
	AccumFilter scope;
	AccumBatch *document;
	char	   *recorder;

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not be null", names[i])));
	}
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	recorder = text_to_cstring(PG_GETARG_TEXT_PP(1));
	count_init(&count, fcinfo, recorder);
	if (!PG_ARGISNULL(4))
	{
		scope = accum_filter_parse(count.reg, PG_GETARG_JSONB_P(4));
		count.scope = &scope;
	}
	count_read(&count, PG_GETARG_JSONB_P(3), recorder);

	/* What is counted, others may have written since this transaction first wrote. */
	if (count.reg->history)
		accum_recorded_after(count.reg, GetCurrentTimestamp());
	accum_pending_flush();
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	read_balances(&count);
	if (IsolationUsesXactSnapshot())
		check_snapshot(&count);
	accum_document_visit(count.reg, count.recorder, GetActiveSnapshot(), leave_out, &count);
	PopActiveSnapshot();

	document = make_document(&count);
	accum_document_replace(count.reg, count.recorder, document);
	put_document(count.reg, (ReturnSetInfo *) fcinfo->resultinfo, document);
	tuplestore_end(document->rows);
	tuplestore_end(count.batch->rows);
	accum_stats_add(count.reg, ACCUM_STAT_REPOSTS, 1);
	return (Datum) 0;
}
