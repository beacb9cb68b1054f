/*
 * sources.c
 *		Where the sums over a range of instants come from.
 *
 * A range is cut into whole years, months and days, answered by totals, and a
 * fragment at each end, answered by movements (zone.c).  What totals do not have
 * yet, the deltas of high_write have.  The sources of a range
 * are one subquery, the union of as many branches as the cut has parts: columns
 * unit_start (where a unit is asked for), the grouped dimensions, and for each
 * resource its turnover and, but in ledgers, receipt, then movements_count.  Of a single row that
 * can be negative, in a delta that takes movements back; a group has movements when
 * the sum is not 0.
 *
 * A filter on some dimensions finds its cells in the balance cache, by an index
 * of the dimension, and their totals by primary key; a register without cache
 * is filtered row by row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/date.h"
#include "utils/timestamp.h"

#include "contribution.h"
#include "horizon.h"
#include "moved.h"
#include "side_values.h"
#include "sources.h"

static void
append_select(AccumQuery *query, AccumRegister *reg, const AccumGrouping *grouping,
			  const char *unit, bool totals)
{
	StringInfo	sql = &query->sql;

	appendStringInfoString(sql, "SELECT ");
	if (unit != NULL)
	{
		appendStringInfo(sql, ACCUM_SCHEMA "._unit_start(%u::pg_catalog.regclass, t.period, ",
						 reg->movements);
		accum_append_literal(sql, unit);
		appendStringInfoString(sql, ") AS unit_start, ");
	}
	accum_grouping_append(sql, reg, grouping, "t.");
	appendStringInfoString(sql, grouping->n > 0 ? ", " : "");
	for (int i = 0; i < reg->nresources; i++)
	{
		const char *name = accum_ident(reg->resources[i].name, "");
		const char *receipt = accum_ident(reg->resources[i].name, "_receipt");

		if (!accum_register_keeps_receipts(reg))
			appendStringInfo(sql, "t.%s, ", name);
		else if (totals)
			appendStringInfo(sql, "t.%s, t.%s, ", name, receipt);
		else
		{
			appendStringInfo(sql, "t.%s, CASE WHEN ", name);
			accum_append_is_receipt(sql, "t", name, reg->history);
			appendStringInfo(sql, " THEN t.%s ELSE 0 END AS %s, ", name, receipt);
		}
	}
	if (totals)
		appendStringInfoString(sql, "t.movements_count");
	else
		accum_append_counted(sql, "t", reg->history);
	appendStringInfoString(sql, " AS movements_count");
}

/*
 * Begin a condition on a row of the deltas called t, that it is of one of some cells; what
 * follows is an array of their hashes, and the end.
 *
 * Those that have none are left out first (delta_probe.c), once, in a subquery.  What
 * remains is an array that the planner cannot turn into a join: however many deltas of
 * other cells there are, they are not read.
 */
void
accum_sources_begin_deltas_of(StringInfo sql, const AccumRegister *reg)
{
	appendStringInfo(sql, " AND t.dim_hash OPERATOR(pg_catalog.=) ANY ((SELECT " ACCUM_SCHEMA
					 "._cells_with_deltas(%u::pg_catalog.regclass, ", reg->movements);
}

void
accum_sources_end_deltas_of(StringInfo sql)
{
	appendStringInfoString(sql, "))::pg_catalog.int8[])");
}

/*
 * Let a filter on some of the dimensions go through the balance cache: append a
 * condition on the row called t.
 */
static void
append_cells(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter, AccumRole role)
{
	StringInfo	sql = &query->sql;
	bool		deltas = role == ACCUM_DELTA;

	if (filter->ngiven == 0 || accum_filter_is_cell(reg, filter) ||
		!OidIsValid(reg->relations[ACCUM_BALANCE_CACHE]))
		return;
	if (deltas)
		accum_sources_begin_deltas_of(sql, reg);
	else
		appendStringInfoString(sql, " AND t.dim_hash OPERATOR(pg_catalog.=) ANY ");
	appendStringInfo(sql, "%s(SELECT t.dim_hash FROM %s t WHERE true", deltas ? "ARRAY" : "",
					 reg->relation_names[ACCUM_BALANCE_CACHE]);
	accum_filter_append(query, reg, filter);
	appendStringInfoChar(sql, ')');
	if (deltas)
		accum_sources_end_deltas_of(sql);
}

/* The rows of one table of totals, or of the deltas, for a range of whole units. */
static void
append_units(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter,
			 const AccumGrouping *grouping, AccumRole role, AccumDay from, AccumDay to,
			 const char *unit)
{
	append_select(query, reg, grouping, unit, true);
	appendStringInfo(&query->sql, " FROM %s t WHERE true", reg->relation_names[role]);
	if (from != ACCUM_DAY_MIN)
		appendStringInfo(&query->sql, " AND t.period OPERATOR(pg_catalog.>=) $%d",
						 accum_query_param(query, DATEOID, DateADTGetDatum(from)));
	if (to != ACCUM_DAY_MAX)
		appendStringInfo(&query->sql, " AND t.period OPERATOR(pg_catalog.<) $%d",
						 accum_query_param(query, DATEOID, DateADTGetDatum(to)));
	accum_filter_append(query, reg, filter);
	append_cells(query, reg, filter, role);
}

/* The movements of a range of instants. */
static void
append_movements(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter,
				 const AccumGrouping *grouping, const AccumFragment *range, const char *unit)
{
	accum_moved_check(reg, range->from, range->to);
	append_select(query, reg, grouping, unit, false);
	appendStringInfoString(&query->sql, " FROM ");
	accum_sides_append_rows(&query->sql, reg, "t");
	appendStringInfoString(&query->sql, " WHERE true");
	if (range->from != DT_NOBEGIN)
		appendStringInfo(&query->sql, " AND t.period OPERATOR(pg_catalog.>=) $%d",
						 accum_query_param(query, TIMESTAMPTZOID, TimestampTzGetDatum(range->from)));
	if (range->to != DT_NOEND)
		appendStringInfo(&query->sql, " AND t.period OPERATOR(pg_catalog.<) $%d",
						 accum_query_param(query, TIMESTAMPTZOID, TimestampTzGetDatum(range->to)));
	accum_filter_append(query, reg, filter);
}

static void
append_fragment(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter,
				const AccumGrouping *grouping, const AccumFragment *fragment, const char *unit)
{
	accum_horizon_check_detail(reg, fragment->from, fragment->to);
	append_movements(query, reg, filter, grouping, fragment, unit);
}

/*
 * Append the sources of a cut range, in parentheses.
 *
 * unit is the name of the calendar unit to tell apart, NULL for none; then the
 * cut must not use totals coarser than accum_unit_totals_level(unit).
 */
void
accum_sources_append(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter,
					 const AccumGrouping *grouping, const AccumCut *cut, const char *unit)
{
	const AccumRange *range = &cut->range;
	const char *separator = "";

	appendStringInfoChar(&query->sql, '(');
	for (int i = 0; i < range->nspans; i++)
	{
		const AccumSpan *span = &range->spans[i];

		appendStringInfoString(&query->sql, separator);
		append_units(query, reg, filter, grouping, accum_totals_role(span->unit),
					 span->from, span->to, unit);
		separator = " UNION ALL ";
	}
	if (range->nspans > 0 && accum_register_has(reg, ACCUM_DELTA))
	{
		appendStringInfoString(&query->sql, separator);
		append_units(query, reg, filter, grouping, ACCUM_DELTA,
					 range->totals_from, range->totals_to, unit);
	}
	for (int i = 0; i < cut->nfragments; i++)
	{
		appendStringInfoString(&query->sql, separator);
		append_fragment(query, reg, filter, grouping, &cut->fragments[i], unit);
		separator = " UNION ALL ";
	}
	if (range->nspans == 0 && cut->nfragments == 0)
	{
		append_select(query, reg, grouping, unit, true);
		appendStringInfo(&query->sql, " FROM %s t WHERE false",
						 reg->relation_names[ACCUM_TOTALS_YEAR]);
	}
	appendStringInfoChar(&query->sql, ')');
}

/*
 * Append the sources of what was known at a moment of a range, in parentheses: the
 * movements that had been recorded, and of archived time the totals.
 */
void
accum_sources_append_known(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter,
						   const AccumGrouping *grouping, const AccumFragment *range,
						   TimestampTz known_at)
{
	AccumFragment live = *range;

	appendStringInfoChar(&query->sql, '(');
	if (accum_horizon_set(reg))
	{
		TimestampTz horizon = accum_zone_day_start(&reg->zone, reg->archived_before);
		AccumCut	cut;

		if (range->from < horizon && range->from < range->to)
		{
			accum_horizon_check_known(reg, known_at);
			accum_zone_cut(&reg->zone, range->from, Min(range->to, horizon), reg->totals_period,
						   ACCUM_UNIT_YEAR, &cut);
			appendStringInfoString(&query->sql, "SELECT * FROM ");
			accum_sources_append(query, reg, filter, grouping, &cut, NULL);
			appendStringInfoString(&query->sql, " t UNION ALL ");
		}
		live.from = Max(range->from, horizon);
	}
	append_movements(query, reg, filter, grouping, &live, NULL);
	appendStringInfo(&query->sql, " AND t.recorded_at OPERATOR(pg_catalog.<=) $%d)",
					 accum_query_param(query, TIMESTAMPTZOID, TimestampTzGetDatum(known_at)));
}
