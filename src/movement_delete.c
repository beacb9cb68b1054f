/*
 * movement_delete.c
 *		Movements of documents removed straight from their partitions.
 *
 * What DELETE FROM movements WHERE recorder = ... does for documents whose partition
 * units are known: find their rows by the partition's index on recorder, delete them,
 * and tell the engine.  No plan that depends on statistics, no transition table.
 *
 * Where that is not possible (route.c) nothing is done here, and rows are removed
 * with SQL (post.c).
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "cell_scan.h"
#include "direct.h"
#include "leaf.h"
#include "map.h"
#include "movement_delete.h"
#include "route.h"

/* A partition that rows are removed from. */
typedef struct Source
{
	AccumDay	unit;
	Relation	rel;
	Relation	index;			/* on recorder */
	RegProcedure equal;			/* of recorders */
	const AccumLeaf *leaf;
	TupleTableSlot *row;
	TimestampTz from;			/* periods of the unit; the partition may have others, too */
	TimestampTz to;
} Source;

typedef struct Remover
{
	AccumRegister *reg;
	AccumChange *change;
	Snapshot	snapshot;
	Relation	movements;
	List	   *sources;
	MemoryContext row_context;
	Datum	   *dims;
	Datum	   *resources;
	bool	   *nulls;
	int			n;				/* rows removed */
} Remover;

/* Open the partition's index on recorder; false when there is none. */
static bool
open_index(Source *source, const AccumColumn *recorder)
{
	List	   *indexes = RelationGetIndexList(source->rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (accum_index_leads_with(index, source->leaf->recorder) &&
			index->rd_indcollation[0] == recorder->collation)
		{
			Oid			type = index->rd_opcintype[0];

			source->index = index;
			source->equal = get_opcode(get_opfamily_member(index->rd_opfamily[0], type, type,
														   BTEqualStrategyNumber));
			break;
		}
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return source->index != NULL;
}

/* Are the columns that are read here what the register declared? */
static bool
columns_are_declared(const AccumRegister *reg, const Source *source)
{
	TupleDesc	desc = RelationGetDescr(source->rel);
	bool		same = accum_column_is(desc, source->leaf->recorder, reg->recorder.type,
									   reg->recorder.collation);

	for (int side = 0; side < reg->nsides; side++)
	{
		AccumCellColumns columns = accum_leaf_cell_columns(source->leaf, side);

		same = same && accum_cell_columns_are_declared(reg, desc, &columns);
	}
	return same;
}

/*
 * Open the partition that holds a unit; false when rows cannot be removed straight.
 * Partitions made by hand may hold parts of a unit.
 */
static bool
open_source(Remover *remover, AccumDay unit)
{
	AccumRegister *reg = remover->reg;
	Source	   *source = palloc0(sizeof(Source));
	AccumBound	bound;
	AccumLeaf  *leaf;

	source->unit = unit;
	source->from = accum_zone_day_start(&reg->zone, unit);
	source->to = accum_zone_day_start(&reg->zone, accum_unit_next(unit, reg->partition_by));
	source->rel = accum_route_open(reg, remover->movements, source->from, &bound);
	if (source->rel == NULL)
		return false;
	(void) accum_leaf_register(source->rel, &leaf);
	source->leaf = leaf;
	source->row = table_slot_create(source->rel, NULL);
	remover->sources = lappend(remover->sources, source);
	if (bound.from > source->from || bound.to < source->to || !columns_are_declared(reg, source) ||
		!open_index(source, &reg->recorder))
		return false;
	CheckCmdReplicaIdentity(source->rel, CMD_DELETE);
	return true;
}

static void
close_sources(Remover *remover)
{
	ListCell   *lc;

	foreach(lc, remover->sources)
	{
		Source	   *source = lfirst(lc);

		ExecDropSingleTupleTableSlot(source->row);
		if (source->index != NULL)
			index_close(source->index, NoLock);
		table_close(source->rel, NoLock);
	}
}

/* Open the partitions of all units; false when one has to be left to SQL. */
static bool
open_sources(Remover *remover, const List *units)
{
	ListCell   *lc;

	foreach(lc, units)
	{
		if (!open_source(remover, lfirst_int(lc)))
			return false;
	}
	return true;
}

static Source *
source_of(const Remover *remover, AccumDay unit)
{
	ListCell   *lc;

	foreach(lc, remover->sources)
	{
		Source	   *source = lfirst(lc);

		if (source->unit == unit)
			return source;
	}
	elog(ERROR, "no partition was opened for a unit");
}

/* Tell the engine that the row has gone. */
static void
subtract_row(Remover *remover, const Source *source, TimestampTz period)
{
	AccumRegister *reg = remover->reg;
	MemoryContext old = MemoryContextSwitchTo(remover->row_context);
	bool		isnull;
	AccumMovementRow stored = {
		.day = accum_zone_day(&reg->zone, period),
		.sign = -1,
		.dims = remover->dims,
		.nulls = remover->nulls,
		.resources = remover->resources,
	};

	for (int s = 0; s < reg->nsides; s++)
		stored.hashes[s] = DatumGetInt64(slot_getattr(source->row, source->leaf->hashes[s], &isnull));
	accum_columns_fetch(source->row, reg->row_dims, source->leaf->dims, reg->nrow_dims, remover->dims,
						remover->nulls);
	accum_columns_fetch(source->row, reg->row_resources, source->leaf->resources,
						reg->nrow_resources, remover->resources, remover->nulls + reg->nrow_dims);
	accum_change_add(remover->change, &stored, (Datum) 0);
	MemoryContextSwitchTo(old);
	MemoryContextReset(remover->row_context);
}

/* Delete the row in the source's slot; false when somebody else has. */
static bool
delete_row(Remover *remover, Source *source)
{
	TM_FailureData failure;
	TM_Result	result = table_tuple_delete(source->rel, &source->row->tts_tid,
											GetCurrentCommandId(true), remover->snapshot,
											InvalidSnapshot, true, &failure, false);

	if (result == TM_Ok)
		return true;

	/* Nobody updates movements, but for who has switched triggers off. */
	if (result != TM_Deleted || IsolationUsesXactSnapshot())
		accum_direct_serialization_failure(result);
	return false;
}

/* Is the row, which is of this recorder, of the document? */
static bool
in_scope(AccumRegister *reg, const Source *source, const AccumDocumentKey *document)
{
	bool		isnull;
	Datum		scope;

	if (!accum_register_secured(reg))
		return true;
	scope = slot_getattr(source->row, source->leaf->dims[reg->secured], &isnull);
	return accum_column_equal(&reg->row_dims[reg->secured], scope, isnull, document->scope, false);
}

/* Remove a document's rows from one partition. */
static void
remove_rows(Remover *remover, Source *source, const AccumDocumentKey *document)
{
	IndexScanDesc scan = accum_index_beginscan(source->rel, source->index, remover->snapshot, 1);
	ScanKeyData key;

	ScanKeyEntryInitialize(&key, 0, 1, BTEqualStrategyNumber, source->index->rd_opcintype[0],
						   source->index->rd_indcollation[0], source->equal, document->recorder);
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, source->row))
	{
		bool		isnull;
		TimestampTz period = DatumGetTimestampTz(slot_getattr(source->row, source->leaf->period,
															  &isnull));

		CHECK_FOR_INTERRUPTS();
		if (period < source->from || period >= source->to || !in_scope(remover->reg, source, document))
			continue;
		if (delete_row(remover, source))
		{
			subtract_row(remover, source, period);
			remover->n++;
		}
	}
	index_endscan(scan);
	ExecClearTuple(source->row);
}

static void
remove_documents(Remover *remover, const List *documents)
{
	ListCell   *lc;
	ListCell   *lu;

	foreach(lc, documents)
	{
		AccumLockedDocument *document = lfirst(lc);

		foreach(lu, document->units)
			remove_rows(remover, source_of(remover, lfirst_int(lu)), &document->key);
	}
	CommandCounterIncrement();
}

/*
 * Remove, as the caller, all rows of locked documents that lock->seen shows, and add
 * them to an open change; the number is returned in *n.  Returns false, with nothing
 * done, when that has to be done with SQL.
 */
bool
accum_movements_delete(AccumRegister *reg, AccumChange *change, const AccumDocumentLock *lock,
					   int *n)
{
	Remover		remover = {.reg = reg,.change = change,.snapshot = lock->seen};
	bool		possible;

	if (lock->documents == NIL)
		return false;
	remover.movements = table_open(reg->movements, NoLock);
	possible = accum_route_possible(reg, remover.movements, ACL_SELECT | ACL_DELETE) &&
		open_sources(&remover, lock->units);
	if (possible)
	{
		remover.row_context = AllocSetContextCreate(CurrentMemoryContext, "accum movement",
													ALLOCSET_SMALL_SIZES);
		remover.dims = palloc(sizeof(Datum) * (reg->nrow_dims + 1));
		remover.resources = palloc(sizeof(Datum) * reg->nrow_resources);
		remover.nulls = palloc(sizeof(bool) * (reg->nrow_dims + reg->nrow_resources));
		remove_documents(&remover, lock->documents);
		MemoryContextDelete(remover.row_context);
	}
	close_sources(&remover);
	table_close(remover.movements, NoLock);
	*n = remover.n;
	return possible;
}
