/*
 * balances.c
 *		Balances of cells, for those who go on calculating with them.
 *
 * What the read functions answer as JSON is given here as sums: the balance before
 * an instant, or with DT_NOEND the current one.  All is read under the active
 * snapshot, as the caller.  Registers without a cache have turnovers; theirs up to
 * an instant are meant.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "balances.h"
#include "cell_read.h"
#include "sources.h"

/* A grouping by all dimensions. */
static AccumGrouping
by_cell(AccumRegister *reg)
{
	AccumGrouping grouping = {.n = reg->ndims,.dims = palloc(sizeof(int) * (reg->ndims + 1))};

	for (int i = 0; i < reg->ndims; i++)
		grouping.dims[i] = i;
	return grouping;
}

/*
 * Open the balances of the cells that a filter selects, in the order of their
 * dimensions; cells without movements are left out.
 */
void
accum_balances_open(AccumBalances *balances, AccumRegister *reg, const AccumFilter *filter,
					TimestampTz before)
{
	AccumGrouping grouping = by_cell(reg);
	AccumQuery	query;
	AccumCut	cut;

	balances->reg = reg;
	accum_query_init(&query);
	accum_zone_cut(&reg->zone, DT_NOBEGIN, before, reg->totals_period, ACCUM_UNIT_YEAR, &cut);
	appendStringInfoString(&query.sql, "SELECT ");
	accum_grouping_append(&query.sql, reg, &grouping, "t.");
	for (int i = 0; i < reg->nresources; i++)
		appendStringInfo(&query.sql, "%spg_catalog.sum(t.%s)::%s", i + reg->ndims > 0 ? ", " : "",
						 accum_ident(reg->resources[i].name, ""),
						 format_type_be(accum_sum_wide_type(reg->resources[i].type)));
	appendStringInfoString(&query.sql, " FROM ");
	accum_sources_append(&query, reg, filter, &grouping, &cut, NULL);
	appendStringInfoString(&query.sql, " t GROUP BY ");
	accum_grouping_append(&query.sql, reg, &grouping, "t.");
	appendStringInfo(&query.sql, "%s HAVING pg_catalog.sum(t.movements_count) OPERATOR(pg_catalog.>) 0",
					 reg->ndims > 0 ? "" : "()");
	if (reg->ndims > 0)
	{
		appendStringInfoString(&query.sql, " ORDER BY ");
		accum_grouping_append(&query.sql, reg, &grouping, "t.");
	}
	accum_rows_open(&balances->rows, &query);
}

/*
 * The next cell and its balance; false when there is none.  Sums are set in the
 * current context; dims live until the next call.
 */
bool
accum_balances_next(AccumBalances *balances, Datum *dims, bool *nulls, AccumSum *sums)
{
	AccumRegister *reg = balances->reg;
	MemoryContext context = CurrentMemoryContext;
	HeapTuple	row = accum_rows_next(&balances->rows);

	/* SPI leaves us in a context that goes with its connection. */
	MemoryContextSwitchTo(context);
	if (row == NULL)
		return false;
	for (int i = 0; i < reg->ndims; i++)
		dims[i] = SPI_getbinval(row, SPI_tuptable->tupdesc, i + 1, &nulls[i]);
	for (int i = 0; i < reg->nresources; i++)
	{
		bool		isnull;
		Datum		wide = SPI_getbinval(row, SPI_tuptable->tupdesc, reg->ndims + i + 1, &isnull);

		memset(&sums[i], 0, sizeof(AccumSum));
		accum_sum_add_wide(&sums[i], reg->resources[i].type, wide);
	}
	return true;
}

void
accum_balances_close(AccumBalances *balances)
{
	accum_rows_close(&balances->rows);
}

/*
 * The balance of one cell, straight from its rows if that can be; zero when it has
 * none.
 */
void
accum_balance_of_cell(AccumRegister *reg, Datum *dims, bool *nulls, TimestampTz before,
					  AccumSum *sums)
{
	Size		size = sizeof(AccumSum) * reg->nresources;
	AccumFilter cell = {.values = dims,.nulls = nulls,.ngiven = reg->ndims};
	MemoryContext context = CurrentMemoryContext;
	AccumBalances balances;
	AccumCut	cut;

	cell.given = palloc(sizeof(bool) * (reg->ndims + 1));
	memset(cell.given, true, sizeof(bool) * reg->ndims);
	memset(sums, 0, size);
	if (before == DT_NOEND && accum_register_has(reg, ACCUM_BALANCE_CACHE) &&
		accum_cell_read_current(reg, &cell, sums))
		return;
	memset(sums, 0, size);
	accum_zone_cut(&reg->zone, DT_NOBEGIN, before, reg->totals_period, ACCUM_UNIT_YEAR, &cut);
	if (accum_cell_read_cut(reg, &cell, &cut, sums))
		return;

	memset(sums, 0, size);
	accum_balances_open(&balances, reg, &cell, before);
	MemoryContextSwitchTo(context);
	(void) accum_balances_next(&balances, palloc(sizeof(Datum) * (reg->ndims + 1)),
							   palloc(sizeof(bool) * (reg->ndims + 1)), sums);
	accum_balances_close(&balances);
}

/* A sum as JSON has it; a sum of nothing is 0 in the resource's scale. */
static Numeric
sum_to_numeric(const AccumColumn *resource, const AccumSum *sum)
{
	Datum		value;

	if (accum_sum_kind(resource->type) == ACCUM_SUM_FLOAT)
	{
		char	   *text;

		if (!accum_sum_to_value(sum, resource->type, -1, &value))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("sum of resource \"%s\" is out of range", resource->name)));
		text = OutputFunctionCall(unconstify(FmgrInfo *, &resource->output), value);
		return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
												   ObjectIdGetDatum(InvalidOid),
												   Int32GetDatum(-1)));
	}
	value = accum_sum_wide(sum, resource->type);
	if (resource->type == NUMERICOID && sum->numeric == NULL)
		value = DirectFunctionCall2(numeric, value, Int32GetDatum(resource->typmod));
	return DatumGetNumeric(value);
}

/* All resources of a cell as a JSON object. */
Jsonb *
accum_sums_to_jsonb(AccumRegister *reg, const AccumSum *sums)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < reg->nresources; i++)
	{
		JsonbValue	v;

		v.type = jbvString;
		v.val.string.val = reg->resources[i].name;
		v.val.string.len = strlen(reg->resources[i].name);
		(void) pushJsonbValue(&state, WJB_KEY, &v);
		v.type = jbvNumeric;
		v.val.numeric = sum_to_numeric(&reg->resources[i], &sums[i]);
		(void) pushJsonbValue(&state, WJB_VALUE, &v);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
