/*
 * inspect.c
 *		What register_list and register_info are made of.
 *
 * Counts of movements come from the coarsest totals, which count what they sum:
 * exact, and never a scan over movements.  They are NULL for a caller who may
 * not read these totals.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "query.h"
#include "registry.h"
#include "table_rows.h"

PG_FUNCTION_INFO_V1(accum_movements_count);
PG_FUNCTION_INFO_V1(accum_register_movements);
PG_FUNCTION_INFO_V1(accum_row_count);
PG_FUNCTION_INFO_V1(accum_register_pending);

/*
 * accum._movements_count(p_name text) returns bigint
 *
 * How many movements a register has; NULL when the caller may not know.
 */
Datum
accum_movements_count(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_open(text_to_cstring(PG_GETARG_TEXT_PP(0)),
											 AccessShareLock, NULL);
	Oid			totals = reg->relations[ACCUM_TOTALS_YEAR];
	bool		has_deltas = accum_register_has(reg, ACCUM_DELTA);
	char	   *deltas = "";
	AccumPlanKey key = {.purpose = ACCUM_PLAN_COUNT};
	AccumQueryState state;
	SPIPlanPtr *plan;
	Datum		count;
	bool		isnull;

	if (!accum_may_count(totals) || (has_deltas && !accum_may_count(reg->relations[ACCUM_DELTA])))
		PG_RETURN_NULL();
	if (has_deltas)
		deltas = psprintf(" UNION ALL SELECT movements_count FROM %s", reg->relation_names[ACCUM_DELTA]);
	plan = accum_register_plan(reg, &key);
	accum_query_begin(&state, InvalidOid);
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT COALESCE(pg_catalog.sum(t.movements_count), 0)::bigint "
											 "FROM (SELECT movements_count FROM %s%s) t",
											 reg->relation_names[ACCUM_TOTALS_YEAR], deltas),
									0, NULL, false);
	count = accum_query_value(*plan, NULL, &isnull);
	accum_query_end(&state);

	/* Totals count each of its sides, and have the archived ones, too. */
	PG_RETURN_INT64(DatumGetInt64(count) / reg->nsides - reg->archived_movements);
}

/*
 * accum._register_movements(p_name text) returns regclass
 *
 * A register's movements table; undefined_object when there is no register.
 */
Datum
accum_register_movements(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(accum_register_named(fcinfo, AccessShareLock, NULL)->movements);
}

/*
 * accum._row_count(relation regclass) returns bigint
 *
 * How many rows a table has: exact for a small one, estimated for a large one,
 * NULL when the caller may not read it.
 */
Datum
accum_row_count(PG_FUNCTION_ARGS)
{
	Oid			relation = PG_GETARG_OID(0);
	int64		rows;

	if (!accum_may_count(relation) || !accum_count_rows(relation, &rows))
		PG_RETURN_NULL();
	PG_RETURN_INT64(rows);
}

/* Count a register's deltas and find the age of the oldest, as the caller. */
static void
read_pending(AccumRegister *reg, Datum *values, bool *nulls)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_OLDEST};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	AccumQueryState state;
	HeapTuple	row;

	accum_query_begin(&state, InvalidOid);
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT pg_catalog.count(*), pg_catalog.clock_timestamp() "
											 "OPERATOR(pg_catalog.-) pg_catalog.min(created_at) FROM %s",
											 reg->relation_names[ACCUM_DELTA]), 0, NULL, false);
	if (accum_query_run(*plan, NULL, SPI_OK_SELECT) != 1)
		elog(ERROR, "no count of deltas");
	row = SPI_tuptable->vals[0];
	values[0] = SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &nulls[0]);
	values[1] = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &nulls[1]);
	if (!nulls[1])
		values[1] = SPI_datumTransfer(values[1], false, sizeof(Interval));
	accum_query_end(&state);
}

/*
 * accum._register_pending(movements regclass) returns record
 *
 * How many deltas are pending and the age of the oldest; NULL when the caller
 * may not read them.
 */
Datum
accum_register_pending(PG_FUNCTION_ARGS)
{
	Oid			movements = PG_GETARG_OID(0);
	TupleDesc	desc;
	AccumRegister *reg;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	reg = accum_register_of_movements(movements);
	if (reg != NULL)
		reg = accum_register_hold(movements, AccessShareLock);
	if (reg != NULL && !accum_register_has(reg, ACCUM_DELTA))
		nulls[0] = false;
	else if (reg != NULL && accum_may_count(reg->relations[ACCUM_DELTA]))
		read_pending(reg, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
