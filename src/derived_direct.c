/*
 * derived_direct.c
 *		Derived rows written straight into their tables.
 *
 * An upsert with SQL costs several times what it does: find a row by its primary
 * key, put a new version beside it.  Here that is all that is done.  It is the
 * protocol of INSERT ... ON CONFLICT DO UPDATE (nodeModifyTable.c) with an index
 * scan in place of the check for a conflict:
 *
 *	- a row found is updated without being locked first; if somebody else has
 *	  updated it since, its latest version is locked and updated;
 *	- a row not found is inserted speculatively, so that of two sessions that
 *	  insert it one waits for the other and then finds its row.
 *
 * At REPEATABLE READ and above a row changed by others since the transaction's
 * snapshot is an error, as for every UPDATE.
 *
 * No privileges are checked, no triggers fire, no defaults are filled in: it is
 * done only as the register's owner, and only to tables that are as the register
 * made them.
 *
 * Rows are taken in the table's one order, see derived.c.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "cell.h"
#include "cell_scan.h"
#include "compat.h"
#include "derived_direct.h"
#include "derived_row.h"
#include "movement_id.h"
#include "stats.h"

/* Developer setting pg_accumulator.debug_sql_writes. */
bool		accum_debug_sql_writes = false;

/* One table being written. */
typedef struct Writer
{
	AccumRegister *reg;
	AccumRole	role;
	const AccumRowShape *shape;
	Relation	rel;
	Snapshot	snapshot;
	AccumCellScan scan;			/* not for deltas, which are only appended */
	TupleTableSlot *new_row;
	int64		nrows;			/* written */
	MemoryContext context;		/* of all but */
	MemoryContext row_context;	/* one row */
	EState	   *estate;			/* NULL until indexes have to be written */
	ResultRelInfo *result;
} Writer;

/*
 * Is the table as the register made it?  Its statement trigger guards it against
 * others and has nothing to say to us.
 */
static bool
table_is_ordinary(Relation rel, const AccumRowShape *shape, int own_columns)
{
	TriggerDesc *triggers = rel->trigdesc;
	TupleConstr *constraints = RelationGetDescr(rel)->constr;

	return rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rel->relam == HEAP_TABLE_AM_OID &&
		!rel->rd_rel->relrowsecurity &&
		RelationGetNumberOfAttributes(rel) == shape->desc->natts + own_columns &&
		(triggers == NULL ||
		 (triggers->numtriggers == 1 && strcmp(triggers->triggers[0].tgname, "accum_guard") == 0)) &&
		(constraints == NULL ||
		 (constraints->num_check == 0 && !constraints->has_generated_stored));
}

/* A snapshot that shows what is there now, or at the stricter levels ours. */
static Snapshot
writer_snapshot(void)
{
	return RegisterSnapshot(IsolationUsesXactSnapshot() ? GetTransactionSnapshot()
							: GetLatestSnapshot());
}

/* Open a table to write it; false when that has to be done with SQL. */
static bool
writer_open(Writer *writer, AccumRegister *reg, AccumRole role)
{
	Oid			relation = reg->relations[role];

	if (accum_debug_sql_writes)
		return false;
	memset(writer, 0, sizeof(*writer));
	writer->reg = reg;
	writer->role = role;
	writer->shape = accum_row_shape(reg, role);
	writer->rel = table_open(relation, RowExclusiveLock);
	writer->snapshot = writer_snapshot();

	/* id and created_at are a delta's own. */
	if (!table_is_ordinary(writer->rel, writer->shape, role == ACCUM_DELTA ? 2 : 0) ||
		(role != ACCUM_DELTA &&
		 !accum_cell_scan_open(&writer->scan, relation, &reg->columns[role], writer->snapshot)))
	{
		UnregisterSnapshot(writer->snapshot);
		table_close(writer->rel, NoLock);
		return false;
	}
	writer->new_row = MakeSingleTupleTableSlot(RelationGetDescr(writer->rel), &TTSOpsVirtual);
	writer->context = CurrentMemoryContext;
	writer->row_context = AllocSetContextCreate(CurrentMemoryContext, "accum derived row",
												ALLOCSET_SMALL_SIZES);
	return true;
}

/* What is written counts for the commands that follow. */
static void
writer_close(Writer *writer)
{
	if (writer->role != ACCUM_DELTA)
		accum_cell_scan_close(&writer->scan);
	if (writer->estate != NULL)
	{
		ExecCloseIndices(writer->result);
		FreeExecutorState(writer->estate);
	}
	ExecDropSingleTupleTableSlot(writer->new_row);
	MemoryContextDelete(writer->row_context);
	UnregisterSnapshot(writer->snapshot);
	table_close(writer->rel, NoLock);
	accum_stats_add(writer->reg, ACCUM_STAT_DERIVED_ROWS, writer->nrows);
	CommandCounterIncrement();
}

/* Look again, at what others have committed meanwhile. */
static void
writer_refresh(Writer *writer)
{
	MemoryContext old = MemoryContextSwitchTo(writer->context);

	accum_cell_scan_close(&writer->scan);
	UnregisterSnapshot(writer->snapshot);
	writer->snapshot = writer_snapshot();
	if (!accum_cell_scan_open(&writer->scan, RelationGetRelid(writer->rel),
							  &writer->reg->columns[writer->role], writer->snapshot))
		elog(ERROR, "relation \"%s\" has lost its primary key",
			 RelationGetRelationName(writer->rel));
	MemoryContextSwitchTo(old);
}

static void
writer_open_indices(Writer *writer)
{
	MemoryContext old;

	if (writer->estate != NULL)
		return;
	old = MemoryContextSwitchTo(writer->context);
	writer->estate = CreateExecutorState();
	MemoryContextSwitchTo(writer->estate->es_query_cxt);
	writer->result = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->result, writer->rel, 0, NULL, 0);
	ExecOpenIndices(writer->result, true);
	MemoryContextSwitchTo(old);
}

static void
serialization_failure(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}

/* Add the row's sum at position i to the one in new_row. */
static void
add_sum(Writer *writer, const TupleTableSlot *row, int i, const AccumColumn *resource)
{
	const AccumRowShape *shape = writer->shape;
	AttrNumber	attnum = shape->attnums[i];
	AccumSum	sum = {0};

	accum_sum_add_value(&sum, resource->type, writer->new_row->tts_values[attnum - 1], 1);
	accum_sum_add_value(&sum, resource->type, row->tts_values[i], 1);
	if (!accum_row_sum_fits(&sum, resource, &writer->new_row->tts_values[attnum - 1]))
		accum_row_out_of_range(writer->reg, writer->role, DatumGetInt64(row->tts_values[0]),
							   row->tts_values + shape->first_dim,
							   row->tts_isnull + shape->first_dim,
							   resource->name);
}

static void
add_count(Writer *writer, const TupleTableSlot *row, int i)
{
	Datum	   *value = &writer->new_row->tts_values[writer->shape->attnums[i] - 1];

	*value = Int64GetDatum(DatumGetInt64(*value) + DatumGetInt64(row->tts_values[i]));
}

/* Make new_row the version of a stored row that a row leads to. */
static void
make_version(Writer *writer, TupleTableSlot *stored, const TupleTableSlot *row)
{
	const AccumRowShape *shape = writer->shape;
	int			sums_each = accum_row_by_unit(writer->role) ? 2 : 1;
	int			natts = RelationGetNumberOfAttributes(writer->rel);

	slot_getallattrs(stored);
	ExecClearTuple(writer->new_row);
	memcpy(writer->new_row->tts_values, stored->tts_values, sizeof(Datum) * natts);
	memcpy(writer->new_row->tts_isnull, stored->tts_isnull, sizeof(bool) * natts);
	for (int i = 0; i < writer->reg->nresources * sums_each; i++)
		add_sum(writer, row, shape->first_sum + i, &writer->reg->resources[i / sums_each]);
	for (int i = shape->last_at; i >= 0 && i <= shape->last_at + 1 && !row->tts_isnull[i]; i++)
	{
		writer->new_row->tts_values[shape->attnums[i] - 1] = row->tts_values[i];
		writer->new_row->tts_isnull[shape->attnums[i] - 1] = false;
	}
	if (shape->version >= 0)
		add_count(writer, row, shape->version);
	add_count(writer, row, shape->movements_count);
	ExecStoreVirtualTuple(writer->new_row);
}

/* Update the stored row in a slot; false when it has gone. */
static bool
update_row(Writer *writer, TupleTableSlot *stored, const TupleTableSlot *row)
{
	for (;;)
	{
		ItemPointerData tid = stored->tts_tid;
		TM_FailureData failure;
		TM_Result	result;
		AccumUpdateIndexes indexes;

		make_version(writer, stored, row);
		result = accum_table_tuple_update(writer->rel, &tid, writer->new_row,
										  GetCurrentCommandId(true), writer->snapshot,
										  &failure, &indexes);
		if (result == TM_Ok)
		{
			if (indexes != ACCUM_UPDATE_NO_INDEXES)
			{
				writer_open_indices(writer);
				accum_insert_index_tuples(writer->result, writer->new_row, writer->estate,
										  &indexes, NULL);
			}
			return true;
		}
		if (result != TM_Updated && result != TM_Deleted)
			elog(ERROR, "unexpected result of updating a derived row: %d", result);
		if (IsolationUsesXactSnapshot())
			serialization_failure();
		if (result == TM_Deleted)
			return false;

		/* Its latest version, which nobody can change any more. */
		result = table_tuple_lock(writer->rel, &tid, writer->snapshot, stored,
								  GetCurrentCommandId(true), LockTupleNoKeyExclusive,
								  LockWaitBlock, TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
		if (result != TM_Ok)
			return false;
	}
}

/* Put a row's values where the table has them. */
static void
make_row(Writer *writer, const TupleTableSlot *row)
{
	ExecClearTuple(writer->new_row);
	for (int i = 0; i < writer->shape->desc->natts; i++)
	{
		int			column = writer->shape->attnums[i] - 1;

		writer->new_row->tts_values[column] = row->tts_values[i];
		writer->new_row->tts_isnull[column] = row->tts_isnull[i];
	}
	ExecStoreVirtualTuple(writer->new_row);
}

/*
 * Insert a row; false when somebody else has inserted one with its key.  Waits for
 * whoever is doing so.
 */
static bool
insert_row(Writer *writer, const TupleTableSlot *row)
{
	uint32		token;
	bool		conflict = false;

	make_row(writer, row);
	writer_open_indices(writer);
	if (!accum_check_index_constraints(writer->result, writer->new_row, writer->estate))
		return false;
	token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
	table_tuple_insert_speculative(writer->rel, writer->new_row, GetCurrentCommandId(true), 0,
								   NULL, token);
	accum_insert_index_tuples(writer->result, writer->new_row, writer->estate, NULL, &conflict);
	table_tuple_complete_speculative(writer->rel, writer->new_row, token, !conflict);
	SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	return !conflict;
}

/* Append a delta. */
static void
append_row(Writer *writer, const TupleTableSlot *row)
{
	const AccumDeltaColumns *columns = &writer->reg->delta_columns;
	pg_uuid_t	id;

	make_row(writer, row);
	accum_movement_id_next(&id);
	writer->new_row->tts_values[columns->id - 1] = UUIDPGetDatum(&id);
	writer->new_row->tts_isnull[columns->id - 1] = false;
	writer->new_row->tts_values[columns->created_at - 1] =
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	writer->new_row->tts_isnull[columns->created_at - 1] = false;
	writer_open_indices(writer);
	table_tuple_insert(writer->rel, writer->new_row, GetCurrentCommandId(true), 0, NULL);
	accum_insert_index_tuples(writer->result, writer->new_row, writer->estate, NULL, NULL);
}

/* Add a row to the stored one of its key, or make it the stored one. */
static void
upsert_row(Writer *writer, const TupleTableSlot *row)
{
	int64		dim_hash = DatumGetInt64(row->tts_values[0]);
	AccumDay	unit = accum_row_by_unit(writer->role) ? DatumGetDateADT(row->tts_values[1]) : 0;
	const Datum *dims = row->tts_values + writer->shape->first_dim;
	const bool *nulls = row->tts_isnull + writer->shape->first_dim;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (accum_cell_scan_find_key(&writer->scan, dim_hash, unit))
		{
			if (!accum_cell_scan_is_cell(&writer->scan, writer->reg, dims, nulls))
				accum_cell_collision(writer->reg, dims, nulls);
			if (update_row(writer, writer->scan.slot, row))
				return;
		}
		else if (insert_row(writer, row))
			return;
		else if (IsolationUsesXactSnapshot())
			serialization_failure();
		writer_refresh(writer);
	}
}

static void
write_row(Writer *writer, const TupleTableSlot *row)
{
	MemoryContext old = MemoryContextSwitchTo(writer->row_context);

	if (writer->role == ACCUM_DELTA)
		append_row(writer, row);
	else
		upsert_row(writer, row);
	writer->nrows++;
	MemoryContextSwitchTo(old);
	MemoryContextReset(writer->row_context);
	if (writer->estate != NULL)
		ResetPerTupleExprContext(writer->estate);
}

/* Write rows of several units in the order of (period, dim_hash). */
static void
write_sorted(Writer *writer, Tuplesortstate *sort)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(writer->shape->desc, &TTSOpsMinimalTuple);

	tuplesort_performsort(sort);
	while (tuplesort_gettupleslot(sort, true, false, row, NULL))
	{
		slot_getallattrs(row);
		write_row(writer, row);
	}
	ExecDropSingleTupleTableSlot(row);
	tuplesort_end(sort);
}

static Tuplesortstate *
begin_sort(Writer *writer)
{
	AttrNumber	columns[] = {2, 1};
	Oid			operators[] = {lookup_type_cache(DATEOID, TYPECACHE_LT_OPR)->lt_opr, Int8LessOperator};
	Oid			collations[] = {InvalidOid, InvalidOid};
	bool		nulls_first[] = {false, false};

	return tuplesort_begin_heap(writer->shape->desc, lengthof(columns), columns, operators,
								collations, nulls_first, work_mem, NULL, TUPLESORT_NONE);
}

/* Write one part of a delta set; true when another has to follow. */
static bool
write_part(Writer *writer, AccumDeltaSet *set, AccumRowKind kind)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(writer->shape->desc, &TTSOpsVirtual);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "accum derived row to add",
												  ALLOCSET_SMALL_SIZES);
	Tuplesortstate *sort = NULL;
	const AccumDeltaEntry *entry;
	bool		more = false;

	accum_delta_set_rewind(set, writer->role);
	if (writer->role >= ACCUM_TOTALS_YEAR && !accum_delta_set_in_one_unit(set))
		sort = begin_sort(writer);
	while ((entry = accum_delta_set_next(set)) != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);

		if (accum_row_fill(writer->reg, writer->role, kind, entry, row))
			more = true;
		if (sort != NULL)
			tuplesort_puttupleslot(sort, row);
		else
			write_row(writer, row);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	if (sort != NULL)
		write_sorted(writer, sort);
	ExecDropSingleTupleTableSlot(row);
	MemoryContextDelete(scratch);
	return more;
}

/*
 * Add a delta set to one table, deltas too large for it in two parts.  Returns
 * false, with nothing done, when that has to be done with SQL.
 *
 * Runs as the owner of the register.
 */
bool
accum_derived_direct_add(AccumRegister *reg, AccumRole role, AccumDeltaSet *set)
{
	Writer		writer;
	bool		more;

	if (!writer_open(&writer, reg, role))
		return false;
	more = write_part(&writer, set, ACCUM_ROW_FIRST);
	writer_close(&writer);
	if (!more)
		return true;

	/* A row's second change must be a later command's. */
	if (!writer_open(&writer, reg, role))
		elog(ERROR, "relation %s changed while it was written", reg->relation_names[role]);
	(void) write_part(&writer, set, ACCUM_ROW_REST);
	writer_close(&writer);
	return true;
}
