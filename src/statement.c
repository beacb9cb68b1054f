/*
 * statement.c
 *		<register>_statement: opening, receipt, expense, turnover and closing of
 *		groups of cells, per calendar unit.
 *
 * One query yields, group by group, what was before the range (a row without
 * unit) and then a row for each unit with movements, with running sums.  Units
 * without movements are filled in here, from the closing before them, so that
 * the closing of one unit is the opening of the next.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "read.h"
#include "resource.h"
#include "side_values.h"
#include "sources.h"

PG_FUNCTION_INFO_V1(accum_statement);

/* For each resource, in the query and in the result. */
typedef enum Measure
{
	OPENING,
	RECEIPT,
	EXPENSE,
	TURNOVER,
	CLOSING
} Measure;

#define MEASURES (CLOSING + 1)

/* SQL's GROUPING() has at most so many arguments. */
#define MAX_GROUPING_DIMS 31

typedef struct Statement
{
	AccumRegister *reg;
	AccumFilter filter;
	AccumGrouping grouping;
	TimestampTz from;			/* inclusive, or DT_NOBEGIN */
	TimestampTz before;			/* exclusive, or DT_NOEND */
	const char *unit_name;		/* NULL: the range as a whole */
	AccumUnit	unit;
	bool		fill;
	ReturnSetInfo *result;

	/* The group being read. */
	bool		in_group;
	bool		had_movements;
	Datum	   *group_values;
	bool	   *group_nulls;
	MemoryContext group_context;
	Datum	   *closing;		/* per resource */
	MemoryContext closing_context;
	AccumDay	next_unit;		/* the first one not put out yet */
	AccumDay	last_unit;

	/* A result row in the making. */
	Datum	   *values;
	bool	   *nulls;
} Statement;

/* Positions in the query's rows: unit, last unit, dimensions, measures. */
#define ROW_UNIT 1
#define ROW_LAST_UNIT 2
#define ROW_DIMS 3

static Oid
measure_type(Statement *st, int resource)
{
	return accum_sum_result_type(st->reg->resources[resource].type);
}

/* Nothing, in the resource's scale. */
static Datum
measure_zero(Statement *st, int resource)
{
	switch (measure_type(st, resource))
	{
		case INT8OID:
			return Int64GetDatum(0);
		case FLOAT8OID:
			return Float8GetDatum(0);
		default:
			{
				AccumColumn *column = &st->reg->resources[resource];

				return DirectFunctionCall2(numeric, NumericGetDatum(int64_to_numeric(0)),
										   Int32GetDatum(column->type == NUMERICOID ? column->typmod : -1));
			}
	}
}

/* The grouped dimensions, each with a prefix. */
static void
append_group(AccumQuery *query, Statement *st, const char *prefix)
{
	for (int i = 0; i < st->grouping.n; i++)
		appendStringInfo(&query->sql, "%s%s", prefix,
						 accum_ident(st->reg->dims[st->grouping.dims[i]].name, ""));
}

/* The sums of what a cut covers, by unit and group. */
static void
append_part(AccumQuery *query, Statement *st, TimestampTz from, TimestampTz before,
			bool opening)
{
	AccumRegister *reg = st->reg;
	const char *unit = opening ? NULL : st->unit_name;
	AccumCut	cut;

	accum_zone_cut(&reg->zone, from, before, reg->totals_period,
				   unit == NULL ? ACCUM_UNIT_YEAR : accum_unit_totals_level(st->unit), &cut);
	appendStringInfo(&query->sql, "SELECT %s AS unit_start",
					 opening ? "NULL::date" : unit == NULL ? "'-infinity'::date" : "t.unit_start");
	append_group(query, st, ", t.");
	for (int i = 0; i < reg->nresources; i++)
	{
		const char *name = accum_ident(reg->resources[i].name, "");
		const char *receipt = accum_ident(reg->resources[i].name, "_receipt");
		const char *type = format_type_be(measure_type(st, i));

		appendStringInfo(&query->sql, ", COALESCE(pg_catalog.sum(t.%s), 0::%s)::%s AS %s",
						 name, format_type_with_typemod(reg->resources[i].type,
														reg->resources[i].typmod), type, name);
		appendStringInfo(&query->sql, ", COALESCE(pg_catalog.sum(t.%s), 0)::%s AS %s",
						 receipt, type, receipt);
	}
	appendStringInfoString(&query->sql, " FROM ");
	accum_sources_append(query, reg, &st->filter, &st->grouping, &cut, unit);
	appendStringInfo(&query->sql, " t GROUP BY %s", unit != NULL ? "t.unit_start" : "()");
	append_group(query, st, ", t.");
	appendStringInfoString(&query->sql,
						   " HAVING pg_catalog.sum(t.movements_count) OPERATOR(pg_catalog.>) 0");
}

static void
statement_query(AccumQuery *query, Statement *st)
{
	AccumRegister *reg = st->reg;
	StringInfo	sql = &query->sql;

	appendStringInfo(sql, "SELECT u.unit_start, %s",
					 st->fill && st->before == DT_NOEND
					 ? "pg_catalog.max(u.unit_start) OVER ()" : "NULL::date");
	append_group(query, st, ", u.");
	for (int i = 0; i < reg->nresources; i++)
	{
		const char *name = accum_ident(reg->resources[i].name, "");
		const char *receipt = accum_ident(reg->resources[i].name, "_receipt");
		const char *closing = psprintf("(pg_catalog.sum(u.%s) OVER w)::%s", name,
									   format_type_be(measure_type(st, i)));

		appendStringInfo(sql, ", %s OPERATOR(pg_catalog.-) u.%s, u.%s, "
						 "u.%s OPERATOR(pg_catalog.-) u.%s, u.%s, %s",
						 closing, name, receipt, receipt, name, name, closing);
	}
	appendStringInfoString(sql, " FROM (");
	if (st->from != DT_NOBEGIN)
	{
		append_part(query, st, DT_NOBEGIN, st->from, true);
		appendStringInfoString(sql, " UNION ALL ");
	}
	append_part(query, st, st->from, st->before, false);
	appendStringInfoString(sql, ") u WINDOW w AS (");
	if (st->grouping.n > 0)
	{
		appendStringInfoString(sql, "PARTITION BY ");
		accum_grouping_append(sql, reg, &st->grouping, "u.");
	}
	appendStringInfoString(sql, " ORDER BY u.unit_start NULLS FIRST) ORDER BY ");
	accum_grouping_append(sql, reg, &st->grouping, "u.");
	appendStringInfo(sql, "%su.unit_start NULLS FIRST", st->grouping.n > 0 ? ", " : "");
}

static Datum
row_value(HeapTuple row, int column, bool *isnull)
{
	return SPI_getbinval(row, SPI_tuptable->tupdesc, column, isnull);
}

/* Put out a row whose measures are in st->values already. */
static void
put_row(Statement *st, AccumDay unit)
{
	AccumRegister *reg = st->reg;
	int			column = 0;
	int32		grouping = 0;

	st->nulls[column] = st->unit_name == NULL;
	st->values[column++] = DateADTGetDatum(unit);
	for (int i = 0; i < reg->ndims; i++)
		st->nulls[column + i] = true;
	for (int g = 0; g < st->grouping.n; g++)
	{
		st->values[column + st->grouping.dims[g]] = st->group_values[g];
		st->nulls[column + st->grouping.dims[g]] = st->group_nulls[g];
		if (reg->ndims <= MAX_GROUPING_DIMS)
			grouping |= 1 << (reg->ndims - 1 - st->grouping.dims[g]);
	}
	column += reg->ndims;

	/* As SQL's GROUPING: a bit is set for what is not grouped. */
	st->nulls[column] = reg->ndims > MAX_GROUPING_DIMS;
	st->values[column] = Int32GetDatum(st->nulls[column] ? 0
									   : ~grouping & (int32) ((UINT64CONST(1) << reg->ndims) - 1));
	tuplestore_putvalues(st->result->setResult, st->result->setDesc, st->values, st->nulls);
}

static Datum *
measure_slot(Statement *st, int resource, Measure measure)
{
	return &st->values[2 + st->reg->ndims + resource * MEASURES + measure];
}

/* Put out a unit without movements, if there is a balance. */
static void
put_gap(Statement *st, AccumDay unit)
{
	bool		zero = true;

	for (int i = 0; i < st->reg->nresources; i++)
	{
		if (accum_value_sign(measure_type(st, i), st->closing[i]) != 0)
			zero = false;
	}
	if (zero)
		return;
	for (int i = 0; i < st->reg->nresources; i++)
	{
		*measure_slot(st, i, OPENING) = *measure_slot(st, i, CLOSING) = st->closing[i];
		*measure_slot(st, i, RECEIPT) = *measure_slot(st, i, EXPENSE) =
			*measure_slot(st, i, TURNOVER) = measure_zero(st, i);
	}
	put_row(st, unit);
}

/* Put out the units from the next one up to, and without, this one. */
static void
put_gaps(Statement *st, AccumDay unit)
{
	while (st->next_unit < unit)
	{
		CHECK_FOR_INTERRUPTS();
		put_gap(st, st->next_unit);
		st->next_unit = accum_unit_next(st->next_unit, st->unit);
	}
}

static void
end_group(Statement *st)
{
	if (!st->in_group || !st->fill)
		return;
	if (st->unit_name == NULL)
	{
		if (!st->had_movements)
			put_gap(st, 0);
	}
	else if (st->last_unit != ACCUM_DAY_MAX)
		put_gaps(st, accum_unit_next(st->last_unit, st->unit));
}

static bool
same_group(Statement *st, HeapTuple row)
{
	if (!st->in_group)
		return false;
	for (int g = 0; g < st->grouping.n; g++)
	{
		bool		isnull;
		Datum		value = row_value(row, ROW_DIMS + g, &isnull);

		if (!accum_column_equal(&st->reg->dims[st->grouping.dims[g]], value, isnull,
								st->group_values[g], st->group_nulls[g]))
			return false;
	}
	return true;
}

static void
begin_group(Statement *st, HeapTuple row)
{
	MemoryContext old;
	bool		isnull;
	Datum		last = row_value(row, ROW_LAST_UNIT, &isnull);

	MemoryContextReset(st->group_context);
	old = MemoryContextSwitchTo(st->group_context);
	for (int g = 0; g < st->grouping.n; g++)
	{
		AccumColumn *column = &st->reg->dims[st->grouping.dims[g]];
		Datum		value = row_value(row, ROW_DIMS + g, &st->group_nulls[g]);

		if (!st->group_nulls[g])
			st->group_values[g] = datumCopy(value, column->typbyval, column->typlen);
	}
	MemoryContextSwitchTo(old);
	st->in_group = true;
	st->had_movements = false;

	/* A group without movements before the range opens with nothing. */
	MemoryContextReset(st->closing_context);
	old = MemoryContextSwitchTo(st->closing_context);
	for (int i = 0; i < st->reg->nresources; i++)
		st->closing[i] = measure_zero(st, i);
	MemoryContextSwitchTo(old);

	/* Without a first unit of the range a group begins with its own first. */
	st->next_unit = st->from == DT_NOBEGIN || st->unit_name == NULL ? ACCUM_DAY_MAX
		: accum_unit_start(accum_zone_day(&st->reg->zone, st->from), st->unit,
						   st->reg->zone.year_start);
	if (st->before == DT_NOEND)
		st->last_unit = isnull ? ACCUM_DAY_MAX : DatumGetDateADT(last);
}

static void
keep_closing(Statement *st, HeapTuple row)
{
	MemoryContext old;

	MemoryContextReset(st->closing_context);
	old = MemoryContextSwitchTo(st->closing_context);
	for (int i = 0; i < st->reg->nresources; i++)
	{
		bool		isnull;
		Datum		value = row_value(row, ROW_DIMS + st->grouping.n + i * MEASURES + CLOSING,
									  &isnull);
		Oid			type = measure_type(st, i);

		st->closing[i] = datumCopy(value, type != NUMERICOID, type == NUMERICOID ? -1 : 8);
	}
	MemoryContextSwitchTo(old);
}

static void
take_row(Statement *st, HeapTuple row)
{
	bool		isnull;
	Datum		unit = row_value(row, ROW_UNIT, &isnull);

	if (!same_group(st, row))
	{
		end_group(st);
		begin_group(st, row);
	}
	if (!isnull)
	{
		AccumDay	day = DatumGetDateADT(unit);

		if (st->fill && st->unit_name != NULL)
			put_gaps(st, day);
		for (int i = 0; i < st->reg->nresources; i++)
		{
			for (Measure m = OPENING; m <= CLOSING; m++)
				*measure_slot(st, i, m) =
					row_value(row, ROW_DIMS + st->grouping.n + i * MEASURES + m, &isnull);
		}
		put_row(st, day);
		st->had_movements = true;
		if (st->unit_name != NULL)
			st->next_unit = accum_unit_next(day, st->unit);
	}
	keep_closing(st, row);
}

static void
statement_init(Statement *st, FunctionCallInfo fcinfo)
{
	AccumRegister *reg = accum_register_argument(fcinfo);

	st->reg = reg;
	st->from = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1);
	st->before = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);
	st->filter = accum_filter_parse(reg, PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3));
	st->grouping = accum_grouping_parse(reg, PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4));
	st->fill = !PG_ARGISNULL(6) && PG_GETARG_BOOL(6);
	if (!PG_ARGISNULL(5))
	{
		st->unit = accum_unit_argument(text_to_cstring(PG_GETARG_TEXT_PP(5)));
		st->unit_name = accum_unit_name(st->unit);
	}
	st->group_values = palloc(sizeof(Datum) * (reg->ndims + 1));
	st->group_nulls = palloc(sizeof(bool) * (reg->ndims + 1));
	st->closing = palloc(sizeof(Datum) * reg->nresources);
	st->values = palloc0(sizeof(Datum) * (2 + reg->ndims + reg->nresources * MEASURES));
	st->nulls = palloc0(sizeof(bool) * (2 + reg->ndims + reg->nresources * MEASURES));
	st->group_context = AllocSetContextCreate(CurrentMemoryContext, "accum statement group",
											  ALLOCSET_SMALL_SIZES);
	st->closing_context = AllocSetContextCreate(CurrentMemoryContext, "accum statement closing",
												ALLOCSET_SMALL_SIZES);
}

/* Does column i of the result, from 0, have this type? */
static bool
has_type(TupleDesc desc, int i, Oid type)
{
	return i < desc->natts && TupleDescAttr(desc, i)->atttypid == type;
}

/*
 * The caller says what columns it expects; reading values as anything but what
 * they are would read memory that is not theirs.
 */
static void
check_result_type(Statement *st, TupleDesc desc)
{
	AccumRegister *reg = st->reg;
	bool		same = desc->natts == 2 + reg->ndims + reg->nresources * MEASURES &&
		has_type(desc, 0, DATEOID) && has_type(desc, 1 + reg->ndims, INT4OID);

	for (int i = 0; i < reg->ndims; i++)
		same = same && has_type(desc, 1 + i, reg->dims[i].type);
	for (int i = 0; i < reg->nresources * MEASURES; i++)
		same = same && has_type(desc, 2 + reg->ndims + i, measure_type(st, i / MEASURES));
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the columns asked for are not those of a statement of register \"%s\"",
						reg->name),
				 errhint("Use %s.%s_statement().", ACCUM_SCHEMA, reg->name)));
}

/*
 * accum._statement(regclass, from timestamptz, before timestamptz,
 *					dimensions jsonb, group_by jsonb, unit text, fill boolean)
 * returns setof record
 *
 * The body of <register>_statement, over [from, before); NULL is open.
 */
Datum
accum_statement(PG_FUNCTION_ARGS)
{
	Statement	st = {0};
	AccumQuery	query;
	AccumRows	rows;
	HeapTuple	row;

	statement_init(&st, fcinfo);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	st.result = (ReturnSetInfo *) fcinfo->resultinfo;
	accum_refuse_ledger(st.reg, "_statement()", "It tells receipts from expenses, which a ledger does not have.");
	check_result_type(&st, st.result->setDesc);
	accum_zone_clamp(&st.from, &st.before);
	if (st.from >= st.before)
		return (Datum) 0;
	if (st.before != DT_NOEND && st.unit_name != NULL)
		st.last_unit = accum_unit_start(accum_zone_day(&st.reg->zone, st.before - 1), st.unit,
										st.reg->zone.year_start);

	accum_query_init(&query);
	statement_query(&query, &st);
	accum_rows_open(&rows, &query);
	while ((row = accum_rows_next(&rows)) != NULL)
		take_row(&st, row);
	end_group(&st);
	accum_rows_close(&rows);
	return (Datum) 0;
}
