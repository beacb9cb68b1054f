/*
 * derived_sql.c
 *		Derived rows written with SQL.
 *
 * One statement per table takes the rows that a delta set adds (derived_row.c) as
 * a row set and upserts them, in the table's order.  Its condition compares
 * dimension values; a row that fails it has the hash of another cell, is left
 * alone, and is missed in the count.
 *
 * This way works for any table: one with users' triggers or row security, one
 * with columns that the register knows nothing of.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "cell.h"
#include "derived_row.h"
#include "derived_sql.h"
#include "guarded.h"
#include "query.h"
#include "stats.h"

#define ROWS_NAME "accum_delta"

/* The cell that a statement has come to. */
static int64 current_dim_hash;

/* Called by the statements for each row, so that an error can name the cell. */
void
accum_derived_sql_note_row(int64 dim_hash)
{
	current_dim_hash = dim_hash;
}

static void
append_addition(StringInfo sql, const char *column)
{
	accum_append_ident(sql, column);
	appendStringInfoString(sql, " = t.");
	accum_append_ident(sql, column);
	appendStringInfoString(sql, " OPERATOR(pg_catalog.+) EXCLUDED.");
	accum_append_ident(sql, column);
	appendStringInfoString(sql, ", ");
}

/*
 * The statement that adds the row set to a table: upserts, or appends deltas.
 */
static char *
addition_sql(AccumRegister *reg, AccumRole role)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s AS t (", reg->relation_names[role]);
	accum_row_append_columns(&sql, reg, role, "", 0);
	appendStringInfoString(&sql, ") SELECT " ACCUM_SCHEMA "._note_row(d.dim_hash), ");
	accum_row_append_columns(&sql, reg, role, "d.", 1);
	appendStringInfoString(&sql, " FROM " ROWS_NAME " d");
	if (role == ACCUM_DELTA)
		return sql.data;
	if (role >= ACCUM_TOTALS_YEAR)
		appendStringInfoString(&sql, " ORDER BY d.period, d.dim_hash");
	appendStringInfo(&sql, " ON CONFLICT (dim_hash%s) DO UPDATE SET ",
					 accum_row_by_unit(role) ? ", period" : "");
	for (int i = 0; i < reg->nresources; i++)
	{
		append_addition(&sql, reg->resources[i].name);
		if (accum_row_has_receipts(reg, role))
			append_addition(&sql, psprintf("%s_receipt", reg->resources[i].name));
	}
	if (role == ACCUM_BALANCE_CACHE)
	{
		append_addition(&sql, "version");
		appendStringInfoString(&sql,
							   "last_movement_at = COALESCE(EXCLUDED.last_movement_at, t.last_movement_at), "
							   "last_movement_id = COALESCE(EXCLUDED.last_movement_id, t.last_movement_id), ");
	}
	appendStringInfoString(&sql, "movements_count = t.movements_count OPERATOR(pg_catalog.+) EXCLUDED.movements_count WHERE ");
	accum_cell_append_equal(&sql, reg, "t", "EXCLUDED");
	return sql.data;
}

/*
 * Find in the row set the row that the statement came to, for an error's detail, and
 * raise the error also while failures are only noted.
 */
static void
blame_row(AccumRegister *reg, AccumRole role, Tuplestorestate *rows, TupleDesc desc)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	int			first_dim = accum_row_shape(reg, role)->first_dim;

	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		slot_getallattrs(slot);
		if (DatumGetInt64(slot->tts_values[0]) == current_dim_hash)
			accum_row_out_of_range(reg, role, current_dim_hash, slot->tts_values + first_dim,
								   slot->tts_isnull + first_dim, NULL);
	}
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("sum in register \"%s\" is out of range", reg->name)));
}

/*
 * Some rows were not written: their hash belongs to another cell.  Say which.
 */
static void
blame_collision(AccumRegister *reg, AccumRole role)
{
	StringInfoData sql;
	int			first_dim = accum_row_shape(reg, role)->first_dim;
	Datum		values[3 * ACCUM_MAX_COLUMNS + 5];
	bool		nulls[3 * ACCUM_MAX_COLUMNS + 5];

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT d.* FROM " ROWS_NAME " d JOIN %s t ON "
					 "d.dim_hash OPERATOR(pg_catalog.=) t.dim_hash WHERE NOT (",
					 reg->relation_names[role]);
	accum_cell_append_equal(&sql, reg, "t", "d");
	appendStringInfoString(&sql, ") LIMIT 1");
	if (accum_query_command(sql.data, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("two cells of register \"%s\" have the same hash", reg->name)));
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	accum_cell_collision(reg, values + first_dim, nulls + first_dim);
}

/* Add a row set to one table. */
static void
add_rows(AccumRegister *reg, AccumRole role, Tuplestorestate *rows, TupleDesc desc)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_ADD,.variant = role};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	uint64		processed = 0;

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_rows(ROWS_NAME, desc, rows);
	if (*plan == NULL)
		*plan = accum_query_prepare(addition_sql(reg, role), 0, NULL, false);
	PG_TRY();
	{
		processed = accum_guarded_run(reg, *plan, reg->relations[role], NULL, InvalidSnapshot,
									  SPI_OK_INSERT);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		blame_row(reg, role, rows, desc);
	}
	PG_END_TRY();
	if (processed != (uint64) tuplestore_tuple_count(rows))
		blame_collision(reg, role);
	accum_stats_add(reg, ACCUM_STAT_DERIVED_ROWS, (int64) processed);
	accum_query_forget_rows(ROWS_NAME);
	accum_query_end(&state);
}

/* Add one part of a delta set to a table; true when another has to follow. */
static bool
add_part(AccumRegister *reg, AccumRole role, AccumDeltaSet *set, AccumRowKind kind)
{
	const AccumRowShape *shape = accum_row_shape(reg, role);
	TupleTableSlot *slot;
	Tuplestorestate *rows;
	MemoryContext scratch;
	const AccumDeltaEntry *entry;
	bool		more = false;

	accum_delta_set_rewind(set, role);
	if ((entry = accum_delta_set_next(set)) == NULL)
		return false;

	slot = MakeSingleTupleTableSlot(shape->desc, &TTSOpsVirtual);
	rows = tuplestore_begin_heap(false, false, work_mem);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "accum derived row",
									ALLOCSET_SMALL_SIZES);
	for (; entry != NULL; entry = accum_delta_set_next(set))
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);

		if (accum_row_fill(reg, role, kind, false, entry, slot))
			more = true;
		tuplestore_puttupleslot(rows, slot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	add_rows(reg, role, rows, shape->desc);
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(rows);
	MemoryContextDelete(scratch);
	return more;
}

/* Add a delta set to one table, deltas too large for it in two parts. */
void
accum_derived_sql_add(AccumRegister *reg, AccumRole role, AccumDeltaSet *set)
{
	if (add_part(reg, role, set, ACCUM_ROW_FIRST))
		(void) add_part(reg, role, set, ACCUM_ROW_REST);
}
