/*
 * read.c
 *		What the read functions of a register are made of.
 *
 * Each register has SQL functions of its own (ddl.c) that call these with its
 * movements table.  Queries run as the caller: they need SELECT on the tables
 * they read, and row security applies.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "balances.h"
#include "cell_read.h"
#include "delta_probe.h"
#include "horizon.h"
#include "json_value.h"
#include "moved.h"
#include "pending.h"
#include "query.h"
#include "read.h"
#include "sources.h"
#include "table_rows.h"

PG_FUNCTION_INFO_V1(accum_balance);
PG_FUNCTION_INFO_V1(accum_turnover);
PG_FUNCTION_INFO_V1(accum_filter_valid);
PG_FUNCTION_INFO_V1(accum_filter_text);
PG_FUNCTION_INFO_V1(accum_bound_after);
PG_FUNCTION_INFO_V1(accum_bound_after_date);
PG_FUNCTION_INFO_V1(accum_day_start);
PG_FUNCTION_INFO_V1(accum_history_day);
PG_FUNCTION_INFO_V1(accum_detail_from);
PG_FUNCTION_INFO_V1(accum_unit_start_date);
PG_FUNCTION_INFO_V1(accum_unit_start_instant);
PG_FUNCTION_INFO_V1(accum_cells_with_deltas);

/*
 * The register that argument 0, a movements table, belongs to; its functions
 * name it there.  The table is locked once it is known to be one.
 */
AccumRegister *
accum_register_argument(FunctionCallInfo fcinfo)
{
	Oid			movements = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	AccumRegister *reg = accum_register_of_movements(movements);

	if (reg != NULL)
	{
		LockRelationOid(movements, AccessShareLock);
		reg = accum_register_of_movements(movements);
	}
	if (reg == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u is not the movements table of a register",
						movements)));
	return reg;
}

/* A text argument that must be there. */
static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument %d must not be null", n + 1)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/*
 * Append an expression for a JSON object of values by name.  Several objects
 * are joined, since a function takes at most 100 arguments.
 */
static void
append_object_item(StringInfo sql, int position, const char *name, const char *value)
{
	appendStringInfoString(sql, position == 0 ? "pg_catalog.jsonb_build_object("
						   : position % 40 == 0
						   ? ") OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object("
						   : ", ");
	accum_append_literal(sql, name);
	appendStringInfo(sql, ", %s", value);
}

/*
 * Append an object of group dimensions and all resources, summed.  A sum of
 * nothing is 0 in the resource's own scale.
 */
static void
append_result(StringInfo sql, AccumRegister *reg, const AccumGrouping *grouping)
{
	int			position = 0;

	for (int i = 0; i < grouping->n; i++)
	{
		const char *name = reg->dims[grouping->dims[i]].name;

		append_object_item(sql, position++, name, psprintf("t.%s", accum_ident(name, "")));
	}
	for (int i = 0; i < reg->nresources; i++)
	{
		AccumColumn *resource = &reg->resources[i];

		append_object_item(sql, position++, resource->name,
						   psprintf("COALESCE(pg_catalog.sum(t.%s), 0::%s)",
									accum_ident(resource->name, ""),
									format_type_with_typemod(resource->type, resource->typmod)));
	}
	appendStringInfoString(sql, ") AS result");
}

/* SELECT the resources, as t.name or between before and after that. */
static void
append_resources(AccumQuery *query, AccumRegister *reg, const char *before, const char *after)
{
	for (int i = 0; i < reg->nresources; i++)
	{
		const char *name = accum_ident(reg->resources[i].name, "");

		appendStringInfo(&query->sql, "%s%st.%s%s", i == 0 ? "SELECT " : ", ", before, name, after);
		if (*after != '\0')
			appendStringInfo(&query->sql, " AS %s", name);
	}
}

static void
append_table(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter, AccumRole role)
{
	appendStringInfo(&query->sql, " FROM %s t WHERE true", reg->relation_names[role]);
	accum_filter_append(query, reg, filter);
}

/*
 * Begin a query on the cells, which are in a cache with deltas beside it: what the cache
 * has of those that a filter selects, in one row, and their hashes.
 */
static void
append_cached_cells(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter)
{
	appendStringInfoString(&query->sql, "WITH cells AS (");
	append_resources(query, reg, "pg_catalog.sum(", ")");
	appendStringInfoString(&query->sql, ", pg_catalog.array_agg(t.dim_hash) AS dim_hash");
	append_table(query, reg, filter, ACCUM_BALANCE_CACHE);
	appendStringInfoString(&query->sql, ") ");
}

/* The current balance of all cells that a filter selects. */
static void
current_balance_query(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter)
{
	AccumGrouping no_groups = {0};
	StringInfo	sql = &query->sql;
	bool		has_deltas = accum_register_has(reg, ACCUM_DELTA);
	bool		of_cells = has_deltas && filter->ngiven > 0 && !accum_filter_is_cell(reg, filter);

	if (of_cells)
		append_cached_cells(query, reg, filter);
	appendStringInfoString(sql, "SELECT ");
	append_result(sql, reg, &no_groups);
	appendStringInfoString(sql, " FROM (");
	append_resources(query, reg, "", "");
	if (of_cells)
		appendStringInfoString(sql, " FROM cells t");
	else
		append_table(query, reg, filter, ACCUM_BALANCE_CACHE);
	if (has_deltas)
	{
		appendStringInfoString(sql, " UNION ALL ");
		append_resources(query, reg, "", "");
		append_table(query, reg, filter, ACCUM_DELTA);
	}
	if (of_cells)
	{
		accum_sources_begin_deltas_of(sql, reg);
		appendStringInfoString(sql, "(SELECT t.dim_hash FROM cells t)");
		accum_sources_end_deltas_of(sql);
	}
	appendStringInfoString(sql, ") t");
}

/*
 * The turnover of a range, in groups that have movements in it; with known_at not NULL
 * what was known of it at a moment.  Returns whether movements are read, so that the
 * values choose partitions.
 */
static bool
turnover_query(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter,
			   const AccumGrouping *grouping, const AccumFragment *range,
			   const TimestampTz *known_at)
{
	AccumCut	cut;
	bool		reads_movements = true;

	appendStringInfoString(&query->sql, "SELECT ");
	append_result(&query->sql, reg, grouping);
	appendStringInfoString(&query->sql, " FROM ");
	if (known_at != NULL)
		accum_sources_append_known(query, reg, filter, grouping, range, *known_at);
	else
	{
		accum_zone_cut(&reg->zone, range->from, range->to, reg->totals_period, ACCUM_UNIT_YEAR, &cut);
		accum_sources_append(query, reg, filter, grouping, &cut, NULL);
		reads_movements = cut.nfragments > 0;
	}
	appendStringInfoString(&query->sql, " t");
	if (grouping->n > 0)
	{
		appendStringInfoString(&query->sql, " GROUP BY ");
		accum_grouping_append(&query->sql, reg, grouping, "t.");
		appendStringInfoString(&query->sql,
							   " HAVING pg_catalog.sum(t.movements_count) OPERATOR(pg_catalog.>) 0"
							   " ORDER BY ");
		accum_grouping_append(&query->sql, reg, grouping, "t.");
	}
	return reads_movements;
}

/* The plan kept for a query's text, prepared now if there is none yet. */
static SPIPlanPtr
query_plan(AccumQuery *query, AccumRegister *reg, bool custom)
{
	SPIPlanPtr *kept = accum_register_text_plan(reg, query->sql.data);

	if (kept == NULL)
		return accum_query_prepare(query->sql.data, query->nparams, query->types, custom);
	if (*kept == NULL)
		*kept = accum_query_prepare(query->sql.data, query->nparams, query->types, custom);
	return *kept;
}

/*
 * Run a query for its one value as the caller.  With custom set it is planned
 * for its values each time, because they choose partitions.
 */
static Datum
query_result(AccumQuery *query, AccumRegister *reg, bool custom)
{
	AccumQueryState state;
	Datum		result;
	bool		isnull;

	accum_query_begin(&state, InvalidOid);
	result = accum_query_value(query_plan(query, reg, custom), query->values, &isnull);
	accum_query_end(&state);
	return result;
}

/*
 * One cell's balance, read straight from its rows: current, or with before that
 * before an instant.  NULL when it has to be asked for with a query.
 */
static Jsonb *
cell_balance(AccumRegister *reg, const AccumFilter *cell, const TimestampTz *before)
{
	AccumSum   *sums = palloc0(sizeof(AccumSum) * reg->nresources);
	AccumCut	cut;

	if (before == NULL)
		return accum_cell_read_current(reg, cell, sums) ? accum_sums_to_jsonb(reg, sums) : NULL;
	accum_zone_cut(&reg->zone, DT_NOBEGIN, *before, reg->totals_period, ACCUM_UNIT_YEAR, &cut);
	return accum_cell_read_cut(reg, cell, &cut, sums) ? accum_sums_to_jsonb(reg, sums) : NULL;
}

static Jsonb *
jsonb_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n);
}

/* Argument n, set in *known_at: when an answer was known; NULL for one of today. */
static const TimestampTz *
known_argument(FunctionCallInfo fcinfo, int n, TimestampTz *known_at)
{
	if (PG_ARGISNULL(n))
		return NULL;
	*known_at = PG_GETARG_TIMESTAMPTZ(n);
	return known_at;
}

/*
 * accum._balance(regclass, dimensions jsonb, before timestamptz, known_at timestamptz)
 * returns jsonb
 *
 * The body of <register>_balance: the balance before an instant, or with NULL
 * the current one, as it is or was known.
 */
Datum
accum_balance(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);
	AccumFilter filter = accum_filter_parse(reg, jsonb_argument(fcinfo, 1));
	AccumFragment range = {DT_NOBEGIN, PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2)};
	TimestampTz at;
	const TimestampTz *known_at = known_argument(fcinfo, 3, &at);
	AccumGrouping no_groups = {0};
	AccumQuery	query;
	bool		custom = false;

	if (known_at == NULL && accum_filter_is_cell(reg, &filter))
	{
		Jsonb	   *balance;

		accum_pending_push_snapshot();
		balance = cell_balance(reg, &filter, PG_ARGISNULL(2) ? NULL : &range.to);
		PopActiveSnapshot();
		if (balance != NULL)
			PG_RETURN_JSONB_P(balance);
	}
	accum_query_init(&query);
	if (PG_ARGISNULL(2) && known_at == NULL)
		current_balance_query(&query, reg, &filter);
	else
		custom = turnover_query(&query, reg, &filter, &no_groups, &range, known_at);
	PG_RETURN_DATUM(query_result(&query, reg, custom));
}

/*
 * accum._turnover(regclass, from timestamptz, before timestamptz,
 *				   dimensions jsonb, group_by jsonb, known_at timestamptz)
 * returns setof jsonb
 *
 * The body of <register>_turnover: sums over [from, before), as they are or were known;
 * NULL is open.
 */
Datum
accum_turnover(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);
	AccumFragment range = {
		PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1),
		PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2)
	};
	TimestampTz at;
	const TimestampTz *known_at = known_argument(fcinfo, 5, &at);
	AccumFilter filter = accum_filter_parse(reg, jsonb_argument(fcinfo, 3));
	AccumGrouping grouping = accum_grouping_parse(reg, jsonb_argument(fcinfo, 4));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	AccumQuery	query;
	bool		custom;
	AccumRows	rows;
	HeapTuple	row;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	accum_query_init(&query);
	custom = turnover_query(&query, reg, &filter, &grouping, &range, known_at);
	accum_rows_begin(&rows);
	accum_rows_open_plan(&rows, query_plan(&query, reg, custom), query.values);
	while ((row = accum_rows_next(&rows)) != NULL)
		tuplestore_puttuple(result->setResult, row);
	accum_rows_close(&rows);
	return (Datum) 0;
}

/*
 * accum._filter_valid(regclass, dimensions jsonb) returns boolean
 *
 * True, or an error for what is no filter of the register.  NULL is one.
 */
Datum
accum_filter_valid(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);

	if (!PG_ARGISNULL(1))
		(void) accum_filter_parse(reg, PG_GETARG_JSONB_P(1));
	PG_RETURN_BOOL(true);
}

/*
 * accum._filter_text(regclass, dimensions jsonb, dimension text) returns text
 *
 * The value that a filter has for a dimension, as text of the dimension's type
 * that means the same under any setting; NULL when it has none.
 */
Datum
accum_filter_text(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);
	char	   *name = text_argument(fcinfo, 2);
	int			i = accum_dimension_find(reg, name, strlen(name));
	AccumFilter filter;

	if (i < 0)
		accum_unknown_dimension(reg, name);
	filter = accum_filter_parse(reg, jsonb_argument(fcinfo, 1));
	if (!filter.given[i] || filter.nulls[i])
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(accum_column_to_text(&reg->dims[i], filter.values[i])));
}

/*
 * accum._bound_after(regclass, bound timestamptz) returns timestamptz
 *
 * The first instant after an inclusive upper bound; see accum_zone_bound_after.
 */
Datum
accum_bound_after(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);

	PG_RETURN_TIMESTAMPTZ(accum_zone_bound_after(&reg->zone, PG_GETARG_TIMESTAMPTZ(1)));
}

/* The first instant of a day, infinite for days beyond all movements. */
static TimestampTz
day_start(AccumRegister *reg, int64 day)
{
	if (day < accum_day_from_civil(0, 1, 1))
		return DT_NOBEGIN;
	if (day > accum_day_from_civil(10001, 1, 1))
		return DT_NOEND;
	return accum_zone_day_start(&reg->zone, (AccumDay) day);
}

/*
 * accum._bound_after(regclass, bound date) returns timestamptz
 *
 * The first instant after a day of the register's calendar.
 */
Datum
accum_bound_after_date(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);

	PG_RETURN_TIMESTAMPTZ(day_start(reg, (int64) PG_GETARG_DATEADT(1) + 1));
}

/*
 * accum._day_start(regclass, day date) returns timestamptz
 *
 * The first instant of a day of the register's calendar.
 */
Datum
accum_day_start(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);

	PG_RETURN_TIMESTAMPTZ(day_start(reg, PG_GETARG_DATEADT(1)));
}

/* A calendar unit by name; an error for any other. */
AccumUnit
accum_unit_argument(const char *name)
{
	AccumUnit	unit;

	if (!accum_unit_from_name(name, &unit))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid unit: \"%s\"", name),
				 errhint("Valid values are day, week, month, quarter and year.")));
	return unit;
}

/*
 * accum._history_day(regclass, before timestamptz, unit text) returns date
 *
 * The first day of the unit that an instant lies in: what is before it is
 * answered by totals of that unit.  Where totals of the finest unit do not suffice the
 * rest must not be archived.  NULL, and instants beyond all movements,
 * give an infinite date.
 */
Datum
accum_history_day(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);
	AccumUnit	unit = accum_unit_argument(text_argument(fcinfo, 2));
	TimestampTz before = PG_ARGISNULL(1) ? DT_NOEND
		: accum_zone_bound_after(&reg->zone, PG_GETARG_TIMESTAMPTZ(1));
	AccumDay	day;

	if (before == DT_NOEND)
		PG_RETURN_DATEADT(DATEVAL_NOEND);
	if (before == DT_NOBEGIN)
		PG_RETURN_DATEADT(DATEVAL_NOBEGIN);
	day = accum_unit_start(accum_zone_day(&reg->zone, PG_GETARG_TIMESTAMPTZ(1)), unit,
						   reg->zone.year_start);

	/* What is left of the unit is for movements to answer. */
	if (unit == reg->totals_period)
		accum_horizon_check_detail(reg, accum_zone_day_start(&reg->zone, day), PG_GETARG_TIMESTAMPTZ(1));
	PG_RETURN_DATEADT(day);
}

/*
 * accum._detail_from(regclass, from timestamptz, before timestamptz) returns timestamptz
 *
 * The first instant, -infinity where it is NULL, of a range whose movements are to be
 * read: they must not be archived.
 */
Datum
accum_detail_from(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);
	TimestampTz from = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz before = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);

	accum_horizon_check_movements(reg, from, before);
	accum_moved_check(reg, from, before);
	PG_RETURN_TIMESTAMPTZ(from);
}

/*
 * accum._unit_start(regclass, day date, unit text) returns date
 *
 * The first day of the unit that holds a day.
 */
Datum
accum_unit_start_date(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);
	AccumUnit	unit = accum_unit_argument(text_argument(fcinfo, 2));

	PG_RETURN_DATEADT(accum_unit_start(PG_GETARG_DATEADT(1), unit, reg->zone.year_start));
}

/*
 * accum._unit_start(regclass, period timestamptz, unit text) returns date
 *
 * The first day of the unit that holds a period.
 */
Datum
accum_unit_start_instant(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);
	AccumUnit	unit = accum_unit_argument(text_argument(fcinfo, 2));

	PG_RETURN_DATEADT(accum_unit_start(accum_zone_day(&reg->zone, PG_GETARG_TIMESTAMPTZ(1)),
									   unit, reg->zone.year_start));
}

/*
 * accum._cells_with_deltas(movements regclass, cells bigint[]) returns bigint[]
 *
 * Of cells, known by their hashes, those that may have deltas which are not folded; all
 * of them for who may not see all deltas.  Errors: null_value_not_allowed.
 */
Datum
accum_cells_with_deltas(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_argument(fcinfo);
	ArrayType  *cells = PG_GETARG_ARRAYTYPE_P_COPY(1);
	int64	   *hashes = (int64 *) ARR_DATA_PTR(cells);
	int			n = ArrayGetNItems(ARR_NDIM(cells), ARR_DIMS(cells));
	Datum	   *left;

	if (array_contains_nulls(cells))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("cells must not contain nulls")));
	if (!accum_register_has(reg, ACCUM_DELTA))
		n = 0;
	else if (n > 0 && accum_may_count(reg->relations[ACCUM_DELTA]))
		n = accum_delta_probe(reg, GetActiveSnapshot(), hashes, n);
	left = palloc(sizeof(Datum) * Max(n, 1));
	for (int i = 0; i < n; i++)
		left[i] = Int64GetDatum(hashes[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(left, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
										  TYPALIGN_DOUBLE));
}
