/*
 * derived.c
 *		The one writer of derived tables.
 *
 * Applies a delta set to balance cache and totals, one table after the other: the
 * cache in the order of dim_hash, totals in that of (period, dim_hash).  All
 * sessions write in this one order, so they cannot deadlock on derived rows.  Of
 * the tables the balance cache comes first: whoever holds a cell's row there is
 * alone with the cell.  Of totals the period comes first, so that the rows of a
 * unit lie together, which is how turnovers read them.
 *
 * A table is written straight where it is as the register made it, else with SQL.
 *
 * A register with high_write has the set's entries appended to its deltas instead,
 * which nobody waits for, and folded later (fold.c).  What must not wait until then
 * is that a cell's hash is its own: the first post to a cell enters it in its home
 * with nothing in it, and every post compares with the row it finds there.  Only
 * that row is ever waited for, by posts that are the first to a cell at the same
 * time.
 *
 * The home is the cache.  A register without one has it in the totals of years, in
 * a row of the first year there can be, in whichever mode: otherwise two cells with
 * one hash would never meet if their movements are of different years.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "cell.h"
#include "cell_scan.h"
#include "compat.h"
#include "derived.h"
#include "derived_direct.h"
#include "derived_row.h"
#include "derived_sql.h"
#include "guarded.h"
#include "query.h"
#include "row_hint.h"

#define ROWS_NAME "accum_cells"

/* SQL may run triggers of the owner's, which may post to the same cells. */
static void
add(AccumRegister *reg, AccumDerivedWriter *writer, AccumRole role, AccumDeltaSet *set)
{
	if (accum_derived_direct_add(writer, role, set))
		return;
	accum_derived_sql_add(reg, role, set);
	accum_derived_direct_look_again(writer);
}

/* The table whose rows tell what cells there are. */
static AccumRole
cell_home(const AccumRegister *reg)
{
	return accum_register_has(reg, ACCUM_BALANCE_CACHE) ? ACCUM_BALANCE_CACHE : ACCUM_TOTALS_YEAR;
}

/*
 * Has the session found all cells of a delta set in the balance cache before, and are
 * they still there?  Most posts are to such cells, and need no index then.
 */
static bool
cells_are_known(AccumRegister *reg, AccumDeltaSet *set)
{
	const AccumCellColumns *columns = &reg->columns[ACCUM_BALANCE_CACHE];
	Relation	rel = table_open(reg->relations[ACCUM_BALANCE_CACHE], AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		known = TTS_IS_BUFFERTUPLE(slot) && OidIsValid(accum_primary_key_index(rel)) &&
		accum_cell_columns_are_declared(reg, RelationGetDescr(rel), columns);
	const AccumDeltaEntry *entry;

	accum_delta_set_rewind(set, ACCUM_BALANCE_CACHE);
	while (known && (entry = accum_delta_set_next(set)) != NULL)
	{
		known = accum_row_hint_follow(columns, rel, snapshot, entry->dim_hash, ACCUM_DAY_MIN, slot);
		if (known && !accum_cell_columns_are(reg, columns, slot, entry->dims, entry->nulls))
			accum_cell_collision(reg, entry->dims, entry->nulls);
	}
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return known;
}

/* Find a cell's row in its home, and remember where in the cache it is. */
static bool
find_cell(AccumCellScan *scan, AccumRole home, int64 hash)
{
	accum_cell_scan_find(scan, hash, NULL);
	return home == ACCUM_BALANCE_CACHE
		? accum_row_hint_scan(scan->scan, hash, ACCUM_DAY_MIN, scan->slot)
		: accum_cell_scan_next(scan) != NULL;
}

/*
 * Put into rows the cells of a delta set that have no row in their home, whoever
 * may have committed it; returns how many.  Raises unique_violation for one whose
 * hash belongs to another cell.
 */
static uint64
find_new_cells(AccumRegister *reg, AccumRole home, AccumDeltaSet *set, Tuplestorestate *rows)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = MakeSingleTupleTableSlot(accum_row_shape(reg, home)->desc, &TTSOpsVirtual);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "accum new cell",
												  ALLOCSET_SMALL_SIZES);
	AccumCellScan scan;
	const AccumDeltaEntry *entry;
	uint64		n = 0;

	if (!accum_cell_scan_open(&scan, reg, reg->relations[home], &reg->columns[home], snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation %s is not as register \"%s\" made it", reg->relation_names[home],
						reg->name),
				 errhint("Its columns and primary key must not be changed with ALTER TABLE.")));
	accum_delta_set_rewind(set, ACCUM_BALANCE_CACHE);
	while ((entry = accum_delta_set_next(set)) != NULL)
	{
		if (!find_cell(&scan, home, entry->dim_hash))
		{
			MemoryContext old = MemoryContextSwitchTo(scratch);

			(void) accum_row_fill(reg, home, ACCUM_ROW_CELL, false, entry, slot);
			tuplestore_puttupleslot(rows, slot);
			MemoryContextSwitchTo(old);
			MemoryContextReset(scratch);
			n++;
		}
		else if (!accum_cell_scan_is_cell(&scan, reg, entry->dims, entry->nulls))
			accum_cell_collision(reg, entry->dims, entry->nulls);
	}
	accum_cell_scan_close(&scan);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(scratch);
	UnregisterSnapshot(snapshot);
	return n;
}

/*
 * Enter cells in their home, in the order in which a fold writes there; returns
 * how many, which may be fewer than there are: others may have entered them
 * meanwhile.
 */
static uint64
insert_new_cells(AccumRegister *reg, AccumRole home, Tuplestorestate *rows)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_NEW_CELLS};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	AccumQueryState state;
	uint64		n;

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_rows(ROWS_NAME, accum_row_shape(reg, home)->desc, rows);
	if (*plan == NULL)
	{
		StringInfoData sql;

		initStringInfo(&sql);
		appendStringInfo(&sql, "INSERT INTO %s (", reg->relation_names[home]);
		accum_row_append_columns(&sql, reg, home, "", 0);
		appendStringInfoString(&sql, ") SELECT ");
		accum_row_append_columns(&sql, reg, home, "d.", 0);
		appendStringInfo(&sql, " FROM " ROWS_NAME " d ORDER BY %sd.dim_hash ON CONFLICT (dim_hash%s) DO NOTHING",
						 accum_row_by_unit(home) ? "d.period, " : "",
						 accum_row_by_unit(home) ? ", period" : "");
		*plan = accum_query_prepare(sql.data, 0, NULL, false);
	}
	n = accum_guarded_run(reg, *plan, reg->relations[home], NULL, InvalidSnapshot, SPI_OK_INSERT);
	accum_query_forget_rows(ROWS_NAME);
	accum_query_end(&state);
	return n;
}

/* Give each cell of a delta set its row in its home; false when others did, too. */
static bool
enter_cells(AccumRegister *reg, AccumDeltaSet *set)
{
	AccumRole	home = cell_home(reg);
	Tuplestorestate *rows;
	uint64		found;
	bool		alone;

	if (home == ACCUM_BALANCE_CACHE && cells_are_known(reg, set))
		return true;
	rows = tuplestore_begin_heap(false, false, work_mem);
	found = find_new_cells(reg, home, set, rows);
	alone = found == 0 || insert_new_cells(reg, home, rows) == found;
	tuplestore_end(rows);
	return alone;
}

static void
enter_all_cells(AccumRegister *reg, AccumDeltaSet *set)
{
	/* A row that somebody else has entered is there now, but of which cell? */
	if (!enter_cells(reg, set) && !enter_cells(reg, set))
		elog(ERROR, "cells of register \"%s\" have no row after they were entered", reg->name);
}

/*
 * Apply a delta set to all derived tables of a register.
 *
 * Runs as the owner of the movements table.  Errors: unique_violation when two
 * cells share a hash, numeric_value_out_of_range when a sum does not fit.
 */
void
accum_derived_apply(AccumRegister *reg, AccumDeltaSet *set)
{
	AccumDerivedWriter *writer;

	if (cell_home(reg) != ACCUM_BALANCE_CACHE)
		enter_all_cells(reg, set);
	writer = accum_derived_direct_begin(reg);
	for (AccumRole role = ACCUM_BALANCE_CACHE; role < ACCUM_ROLES; role++)
	{
		if (accum_register_has(reg, role))
			add(reg, writer, role, set);
	}
	accum_derived_direct_end(writer);
}

/*
 * Append a delta set to the deltas of a register with high_write.
 *
 * Runs as the owner of the movements table.  Errors: unique_violation when two
 * cells share a hash, numeric_value_out_of_range when a delta does not fit.
 */
void
accum_derived_append(AccumRegister *reg, AccumDeltaSet *set)
{
	AccumDerivedWriter *writer;

	enter_all_cells(reg, set);
	writer = accum_derived_direct_begin(reg);
	add(reg, writer, ACCUM_DELTA, set);
	accum_derived_direct_end(writer);
}
