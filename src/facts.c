/*
 * facts.c
 *		What is true of a register: the sums that its derived tables have to agree with.
 *
 * Movements are read once and summed up by cell and unit of the finest totals, into
 * rows that are kept on disk when they exceed work_mem.  These are the facts; what each
 * derived table should hold is a sum of them.
 *
 * Of archived time no movements are left.  There the finest totals themselves are the
 * facts, deltas that they do not have yet included, and whatever is coarser has to agree
 * with them.
 *
 * Cells are told apart by the dim_hash that stands in the rows.  Each fact also has the
 * hash that its dimensions really have, _cell_hash: another one where rows were written
 * under another seed, or got their dim_hash from elsewhere.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "cell.h"
#include "contribution.h"
#include "facts.h"
#include "horizon.h"
#include "partition.h"
#include "progress.h"
#include "query.h"
#include "resource.h"
#include "side_values.h"
#include "table_rows.h"

/* How many facts are fetched at once. */
#define FETCH_ROWS 1000

/* Columns of facts: dim_hash, period, the dimensions, and others. */
#define FACT_DIM_HASH 0
#define FACT_DIMS 2

/* Does a table keep sums of calendar units? */
bool
accum_is_totals(AccumRole role)
{
	return role >= ACCUM_TOTALS_YEAR;
}

/* The unit of a table of totals, as _unit_start() takes it. */
const char *
accum_totals_unit(AccumRole role)
{
	return role == ACCUM_TOTALS_DAY ? "day" : role == ACCUM_TOTALS_MONTH ? "month" : "year";
}

/* What a derived table keeps of each resource: the net sum, the receipts. */
int
accum_sums_kept(const AccumRegister *reg, AccumRole role)
{
	return accum_is_totals(role) && accum_register_keeps_receipts(reg) ? 2 : 1;
}

/* The column of the net sum (0) or the receipts (1) of a resource. */
const char *
accum_sum_name(AccumRegister *reg, int resource, int sum)
{
	return accum_ident(reg->resources[resource].name, sum == 0 ? "" : "_receipt");
}

/* Append ", <prefix><dimension>" for each. */
void
accum_append_dims(StringInfo sql, AccumRegister *reg, const char *prefix)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		appendStringInfo(sql, ", %s", prefix);
		accum_append_ident(sql, reg->dims[i].name);
	}
}

/* Append the columns that a derived table shares with the truth. */
void
accum_append_compared(StringInfo sql, AccumRegister *reg, AccumRole role, const char *prefix)
{
	appendStringInfo(sql, "%smovements_count", prefix);
	accum_append_dims(sql, reg, prefix);
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < accum_sums_kept(reg, role); s++)
			appendStringInfo(sql, ", %s%s", prefix, accum_sum_name(reg, i, s));
	}
}

/*
 * Append what a derived table says: its rows, and with them the deltas that it
 * does not have yet.
 */
void
accum_append_stored(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	const char *period = accum_is_totals(role) ? "t.period" : "NULL::date AS period";

	if (!accum_register_has(reg, ACCUM_DELTA))
	{
		appendStringInfo(sql, "SELECT t.dim_hash, %s, ", period);
		accum_append_compared(sql, reg, role, "t.");
		appendStringInfo(sql, " FROM %s t", reg->relation_names[role]);
		return;
	}
	appendStringInfoString(sql, "SELECT s.dim_hash, s.period, pg_catalog.sum(s.movements_count) AS movements_count");
	accum_append_dims(sql, reg, "s.");
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int n = 0; n < accum_sums_kept(reg, role); n++)
			appendStringInfo(sql, ", pg_catalog.sum(s.%s) AS %s", accum_sum_name(reg, i, n),
							 accum_sum_name(reg, i, n));
	}
	appendStringInfo(sql, " FROM (SELECT t.dim_hash, %s, ", period);
	accum_append_compared(sql, reg, role, "t.");
	appendStringInfo(sql, " FROM %s t UNION ALL SELECT t.dim_hash, ", reg->relation_names[role]);
	if (accum_is_totals(role))
		appendStringInfo(sql, ACCUM_SCHEMA "._unit_start(%u::pg_catalog.regclass, t.period, '%s'), ",
						 reg->movements, accum_totals_unit(role));
	else
		appendStringInfoString(sql, "NULL, ");
	accum_append_compared(sql, reg, role, "t.");
	appendStringInfo(sql, " FROM %s t) s GROUP BY 1, 2", reg->relation_names[ACCUM_DELTA]);
	accum_append_dims(sql, reg, "s.");
}

/* Append a literal of a date. */
void
accum_append_date(StringInfo sql, AccumDay day)
{
	int			year;
	int			month;
	int			mday;

	accum_day_to_civil(day, &year, &month, &mday);
	appendStringInfo(sql, "'%04d-%02d-%02d'::pg_catalog.date", year, month, mday);
}

/* Append a day's first instant, as something that chooses partitions. */
static void
append_day_start(StringInfo sql, AccumRegister *reg, AccumDay day)
{
	appendStringInfo(sql, ACCUM_SCHEMA "._day_start(%u::pg_catalog.regclass, ", reg->movements);
	accum_append_date(sql, day);
	appendStringInfoChar(sql, ')');
}

static void
append_condition(StringInfo sql, const AccumFactsScope *scope)
{
	if (scope->condition != NULL)
		appendStringInfo(sql, " AND %s", scope->condition);
}

/* Append the number of movements in a group of them, called m. */
static void
append_count(StringInfo sql, AccumRegister *reg)
{
	if (!reg->history)
	{
		appendStringInfoString(sql, "pg_catalog.count(*)");
		return;
	}
	appendStringInfoString(sql, "pg_catalog.sum(");
	accum_append_counted(sql, "m", true);
	appendStringInfoString(sql, ")::pg_catalog.int8");
}

/*
 * Append the condition that a row of the facts, called m, says something.
 *
 * With history movements that are all reversed are no fact, any more than those that
 * were removed.  Where their sums are not zero, however that came, they are one: sums are
 * what movements add up to.  Those of floating point may leave a rest and do not tell.
 */
static void
append_is_fact(StringInfo sql, AccumRegister *reg)
{
	int			nsums = accum_sums_kept(reg, accum_totals_role(reg->totals_period));

	appendStringInfoString(sql, "(m.movements_count OPERATOR(pg_catalog.<>) 0");
	for (int i = 0; reg->history && i < reg->nresources; i++)
	{
		if (accum_sum_kind(reg->resources[i].type) == ACCUM_SUM_FLOAT)
			continue;
		for (int s = 0; s < nsums; s++)
			appendStringInfo(sql, " OR m.%s OPERATOR(pg_catalog.<>) 0", accum_sum_name(reg, i, s));
	}
	appendStringInfoChar(sql, ')');
}

/* Append the facts of what is not archived; the last column tells whether it is one. */
static void
append_live(StringInfo sql, AccumRegister *reg, const AccumFactsScope *scope)
{
	if (reg->history)
	{
		appendStringInfoString(sql, "SELECT m.*, ");
		append_is_fact(sql, reg);
		appendStringInfoString(sql, " FROM (");
	}
	appendStringInfo(sql, "SELECT m.dim_hash, " ACCUM_SCHEMA "._unit_start(%u::pg_catalog.regclass, m.period, '%s') AS period",
					 reg->movements, accum_unit_name(reg->totals_period));
	accum_append_dims(sql, reg, "m.");
	for (int i = 0; i < reg->nresources; i++)
	{
		const char *name = accum_sum_name(reg, i, 0);

		appendStringInfo(sql, ", pg_catalog.sum(m.%s) AS %s", name, name);
		if (accum_register_keeps_receipts(reg))
		{
			appendStringInfo(sql, ", COALESCE(pg_catalog.sum(m.%s) FILTER (WHERE ", name);
			accum_append_is_receipt(sql, "m", name, reg->history);
			appendStringInfo(sql, "), 0) AS %s", accum_sum_name(reg, i, 1));
		}
	}

	/* Identifiers are ordered by time. */
	appendStringInfoString(sql, ", ");
	append_count(sql, reg);
	appendStringInfoString(sql, " AS movements_count, "
					 "pg_catalog.max(m.recorded_at) AS last_movement_at, "
					 "pg_catalog.max(m.id::pg_catalog.text COLLATE \"C\")::pg_catalog.uuid AS last_movement_id");
	appendStringInfo(sql, "%s FROM ", reg->history ? "" : ", true");
	accum_sides_append_rows(sql, reg, "m");
	appendStringInfoString(sql, " WHERE " ACCUM_SCHEMA "._progress_row()");
	append_condition(sql, scope);
	if (accum_horizon_set(reg))
	{
		appendStringInfoString(sql, " AND m.period OPERATOR(pg_catalog.>=) ");
		append_day_start(sql, reg, reg->archived_before);
	}
	if (scope->before != ACCUM_DAY_MAX)
	{
		appendStringInfoString(sql, " AND m.period OPERATOR(pg_catalog.<) ");
		append_day_start(sql, reg, scope->before);
	}
	appendStringInfoString(sql, " GROUP BY 1, 2");
	accum_append_dims(sql, reg, "m.");
	if (reg->history)
		appendStringInfoString(sql, ") m");
}

/* Append the facts of archived time: the finest totals. */
static void
append_archived(StringInfo sql, AccumRegister *reg, const AccumFactsScope *scope)
{
	AccumRole	role = accum_totals_role(reg->totals_period);

	appendStringInfoString(sql, "SELECT m.dim_hash, m.period");
	accum_append_dims(sql, reg, "m.");
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < accum_sums_kept(reg, role); s++)
			appendStringInfo(sql, ", m.%s", accum_sum_name(reg, i, s));
	}
	appendStringInfoString(sql, ", m.movements_count, NULL, NULL, true FROM (");
	accum_append_stored(sql, reg, role);
	appendStringInfo(sql, ") m WHERE m.period OPERATOR(pg_catalog.<) '%s'::pg_catalog.date AND ",
					 accum_horizon_text(reg));
	append_is_fact(sql, reg);
	append_condition(sql, scope);
}

/* About how many rows will be read?  Movements, once for each of their sides. */
static int64
estimate_rows(AccumRegister *reg)
{
	Oid			default_partition = accum_partition_default(reg);
	int64		n = 0;
	ListCell   *lc;

	foreach(lc, accum_partitions_list(reg))
		n += accum_estimate_rows(((AccumPartition *) lfirst(lc))->oid);
	n += OidIsValid(default_partition) ? accum_estimate_rows(default_partition) : 0;
	return n * reg->nsides;
}

/* Append the columns of groups of facts, called f, behind dim_hash and period. */
static void
append_sums(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	accum_append_dims(sql, reg, "f.");
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < accum_sums_kept(reg, role); s++)
			appendStringInfo(sql, ", pg_catalog.sum(f.%s) AS %s", accum_sum_name(reg, i, s),
							 accum_sum_name(reg, i, s));
	}
	appendStringInfoString(sql, ", pg_catalog.sum(f.movements_count) AS movements_count, "
						   "pg_catalog.max(f.last_movement_at) AS last_movement_at, "
						   "pg_catalog.max(f.last_movement_id::pg_catalog.text COLLATE \"C\")::pg_catalog.uuid AS last_movement_id");
}

/* The columns of facts: those of the query, with _cell_hash in the place of the last one. */
static void
facts_init(AccumFacts *facts, TupleDesc desc)
{
	facts->desc = CreateTupleDescCopy(desc);
	TupleDescInitEntry(facts->desc, desc->natts, "_cell_hash", INT8OID, -1, 0);
	facts->rows = tuplestore_begin_heap(false, false, work_mem);
	facts->misplaced = tuplestore_begin_heap(false, false, work_mem);
	facts->has_misplaced = false;
}

/* Take a row of the query. */
static void
fact_take(AccumFacts *facts, AccumRegister *reg, HeapTuple row, TupleDesc desc, Datum *values,
		  bool *nulls)
{
	int			last = desc->natts - 1;
	bool		is_fact;
	int64		cell_hash;

	heap_deform_tuple(row, desc, values, nulls);
	is_fact = DatumGetBool(values[last]);
	cell_hash = accum_cell_hash(reg, values + FACT_DIMS, nulls + FACT_DIMS);
	values[last] = Int64GetDatum(cell_hash);
	if (is_fact)
		tuplestore_putvalues(facts->rows, facts->desc, values, nulls);
	if (cell_hash == DatumGetInt64(values[FACT_DIM_HASH]))
		return;
	tuplestore_putvalues(facts->misplaced, facts->desc, values, nulls);
	facts->has_misplaced = true;
}

/* Run the query and take its rows; the facts are allocated in context. */
static void
facts_read(AccumFacts *facts, AccumRegister *reg, const char *sql, MemoryContext context)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "accum facts",
												  ALLOCSET_DEFAULT_SIZES);
	SPIPlanPtr	plan = accum_query_prepare(sql, 0, NULL, false);
	Portal		portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	TupleDesc	desc = portal->tupDesc;
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	MemoryContext old = MemoryContextSwitchTo(context);

	facts_init(facts, desc);
	do
	{
		MemoryContextSwitchTo(old);
		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(scratch);
		for (uint64 i = 0; i < SPI_processed; i++)
			fact_take(facts, reg, SPI_tuptable->vals[i], desc, values, nulls);
		MemoryContextReset(scratch);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	MemoryContextSwitchTo(old);
	SPI_cursor_close(portal);
	SPI_freeplan(plan);
	MemoryContextDelete(scratch);
}

/*
 * Collect the facts that the active snapshot shows; the result is allocated in the
 * current context.
 */
void
accum_facts_collect(AccumFacts *facts, AccumRegister *reg, const AccumFactsScope *scope)
{
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	StringInfoData sql;

	initStringInfo(&sql);
	append_live(&sql, reg, scope);
	if (accum_horizon_set(reg))
	{
		appendStringInfoString(&sql, " UNION ALL ");
		append_archived(&sql, reg, scope);
	}
	accum_progress_reading(estimate_rows(reg));
	accum_query_begin(&state, scope->role);
	facts_read(facts, reg, sql.data, context);
	accum_query_end(&state);
}

/*
 * Put the facts under the hashes that their cells really have, where those of one cell
 * come together.
 */
void
accum_facts_replace(AccumFacts *facts, AccumRegister *reg)
{
	MemoryContext context = CurrentMemoryContext;
	AccumFacts	old = *facts;
	AccumQueryState state;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT f._cell_hash AS dim_hash, f.period");
	append_sums(&sql, reg, accum_totals_role(reg->totals_period));
	appendStringInfoString(&sql, ", true FROM " ACCUM_FACTS " f GROUP BY 1, 2");
	accum_append_dims(&sql, reg, "f.");
	accum_query_begin(&state, InvalidOid);
	accum_facts_show(&old);
	facts_read(facts, reg, sql.data, context);
	accum_query_end(&state);
	accum_facts_free(&old);
}

/* Let queries of this SPI connection read the facts by their name. */
void
accum_facts_show(const AccumFacts *facts)
{
	accum_query_rows(ACCUM_FACTS, facts->desc, facts->rows);
	accum_query_rows(ACCUM_MISPLACED, facts->desc, facts->misplaced);
}

void
accum_facts_free(AccumFacts *facts)
{
	tuplestore_end(facts->rows);
	tuplestore_end(facts->misplaced);
	FreeTupleDesc(facts->desc);
}

/*
 * Append what a derived table should hold: dim_hash, period (NULL for the cache),
 * dimensions, sums, movements_count, and for the cache the last movement.
 */
void
accum_append_truth(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	if (role == accum_totals_role(reg->totals_period))
	{
		appendStringInfoString(sql, "SELECT * FROM " ACCUM_FACTS);
		return;
	}
	appendStringInfoString(sql, "SELECT f.dim_hash, ");
	if (accum_is_totals(role))
		appendStringInfo(sql, ACCUM_SCHEMA "._unit_start(%u::pg_catalog.regclass, f.period, '%s') AS period",
						 reg->movements, accum_totals_unit(role));
	else
		appendStringInfoString(sql, "NULL::date AS period");
	append_sums(sql, reg, role);
	appendStringInfoString(sql, " FROM " ACCUM_FACTS " f GROUP BY 1, 2");
	accum_append_dims(sql, reg, "f.");
}
