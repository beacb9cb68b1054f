/*
 * close.c
 *		register_close, register_reopen.
 *
 * Each closing is a row of accum._register_closings, and stays there: reopening
 * marks it, and what remains closed of it gets a row of its own.  So the table tells
 * for every moment what was closed then, by whom and since when.
 *
 * Both functions lock movements in a mode that excludes writers and lets readers be,
 * so that they wait for transactions that have written to the register; closing.c
 * tells how everybody else gets to know.  Rows are written as the registry's owner,
 * once the caller has proved to be an admin of the register.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"

#include "closing.h"
#include "query.h"

PG_FUNCTION_INFO_V1(accum_register_close);
PG_FUNCTION_INFO_V1(accum_register_reopen);

/* Open the register that argument 0 names, without writers until the transaction ends. */
static AccumRegister *
open_argument(FunctionCallInfo fcinfo, const char *function)
{
	AccumAccess access = {.admin = true};

	PreventCommandIfReadOnly(function);
	return accum_register_named(fcinfo, ShareRowExclusiveLock, &access);
}

/* The day in argument 1, which must not be the infinite one that makes no sense. */
static AccumDay
day_argument(FunctionCallInfo fcinfo, const char *name, AccumDay senseless)
{
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be null", name)));
	if (PG_GETARG_DATEADT(1) == senseless)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be \"%s\"", name,
						senseless == DATEVAL_NOEND ? "infinity" : "-infinity")));
	return PG_GETARG_DATEADT(1);
}

/* Cells in argument 2; NULL there is {}, all of them. */
static Jsonb *
dimensions_argument(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(2)
		? DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")))
		: PG_GETARG_JSONB_P(2);
}

/* Write the registry with a statement, on its newest rows; returns how many it handled. */
static uint64
registry_write(const char *sql, int nargs, Oid *types, Datum *values, int expected)
{
	AccumQueryState state;
	uint64		n;

	accum_query_begin(&state, accum_registry_owner());
	n = accum_query_run_newest(sql, nargs, types, values, expected);
	accum_query_end(&state);
	return n;
}

/* Let everybody, this session included, read the register's closings anew. */
static void
forget_closings(AccumRegister *reg)
{
	CacheInvalidateRelcacheByRelid(reg->movements);
	CommandCounterIncrement();
}

/*
 * accum.register_close(p_name text, p_through date, p_dimensions jsonb) returns void
 *
 * Let no movement dated on or before a day be written or removed any more, in the
 * whole register or in some cells of it.
 */
Datum
accum_register_close(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = open_argument(fcinfo, "register_close()");
	AccumDay	through = day_argument(fcinfo, "p_through", DATEVAL_NOBEGIN);
	Jsonb	   *dimensions = dimensions_argument(fcinfo);
	AccumFilter cells = accum_filter_parse(reg, dimensions);
	const AccumClosing *same = accum_closing_same(reg, &cells);
	Oid			types[] = {TEXTOID, DATEOID, JSONBOID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(reg->name),
		DateADTGetDatum(through),
		JsonbPGetDatum(same != NULL ? same->dimensions : dimensions),
		CStringGetTextDatum(GetUserNameFromId(GetUserId(), false)),
	};

	if (same != NULL && same->through >= through)
	{
		ereport(NOTICE,
				(errmsg("register \"%s\" is already closed through %s, skipping", reg->name,
						accum_day_text(same->through))));
		PG_RETURN_VOID();
	}
	(void) registry_write("INSERT INTO " ACCUM_SCHEMA "._register_closings "
						  "(register, through, dimensions, closed_at, closed_by) "
						  "VALUES ($1, $2, $3, pg_catalog.clock_timestamp(), $4)",
						  lengthof(types), types, values, SPI_OK_INSERT);
	forget_closings(reg);
	PG_RETURN_VOID();
}

/*
 * accum.register_reopen(p_name text, p_from date, p_dimensions jsonb) returns void
 *
 * Open a register from a day on: all that is closed there, or with dimensions the
 * closings of exactly these.
 */
Datum
accum_register_reopen(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = open_argument(fcinfo, "register_reopen()");
	AccumDay	from = day_argument(fcinfo, "p_from", DATEVAL_NOEND);
	Jsonb	   *dimensions = dimensions_argument(fcinfo);
	AccumFilter cells = accum_filter_parse(reg, dimensions);
	const AccumClosing *same = accum_closing_same(reg, &cells);
	Oid			types[] = {TEXTOID, DATEOID, BOOLOID, JSONBOID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(reg->name),
		DateADTGetDatum(from),
		BoolGetDatum(PG_ARGISNULL(2)),
		JsonbPGetDatum(same != NULL ? same->dimensions : dimensions),
		CStringGetTextDatum(GetUserNameFromId(GetUserId(), false)),
	};

	/* What is closed before that day stays so, since when and by whom it was. */
	if (from != DATEVAL_NOBEGIN)
		(void) registry_write("INSERT INTO " ACCUM_SCHEMA "._register_closings "
							  "(register, through, dimensions, closed_at, closed_by) "
							  "SELECT DISTINCT ON (c.dimensions) c.register, $2 - 1, c.dimensions, "
							  "c.closed_at, c.closed_by "
							  "FROM " ACCUM_SCHEMA "._register_closings c "
							  "WHERE c.register = $1 AND c.reopened_at IS NULL AND c.through >= $2 "
							  "AND ($3 OR c.dimensions = $4) AND NOT EXISTS "
							  "(SELECT FROM " ACCUM_SCHEMA "._register_closings o "
							  "WHERE o.register = $1 AND o.reopened_at IS NULL "
							  "AND o.dimensions = c.dimensions AND o.through = $2 - 1) "
							  "ORDER BY c.dimensions, c.closed_at",
							  lengthof(types) - 1, types, values, SPI_OK_INSERT);
	if (registry_write("UPDATE " ACCUM_SCHEMA "._register_closings c "
					   "SET reopened_at = pg_catalog.clock_timestamp(), reopened_by = $5 "
					   "WHERE c.register = $1 AND c.reopened_at IS NULL AND c.through >= $2 "
					   "AND ($3 OR c.dimensions = $4)",
					   lengthof(types), types, values, SPI_OK_UPDATE) == 0)
		ereport(NOTICE,
				(errmsg("register \"%s\" is open from %s on, skipping", reg->name,
						accum_day_text(from))));
	forget_closings(reg);
	PG_RETURN_VOID();
}
