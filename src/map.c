/*
 * map.c
 *		The documents map, read and written straight.
 *
 * What recorders.c does to the map with statements, done for one document without:
 * rows are found by the primary key, locked as FOR NO KEY UPDATE locks them,
 * inserted as ON CONFLICT DO NOTHING inserts them, and their revision raised.
 *
 * Possible where the map is as the register made it, which accum_map_open tells.
 * Runs as the register's owner.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "cell_scan.h"
#include "direct.h"
#include "map.h"

/* The map's columns, as numbers of attributes. */
#define MAP_RECORDER 1
#define MAP_UNIT_START 2
#define MAP_REVISION 3
#define MAP_COLUMNS 3

/* After so many new documents, one after the other, the next one is taken to be new. */
#define TAKEN_TO_BE_NEW 8

/* Is its primary key, which is open, (recorder, unit_start)? */
static bool
key_is_as_made(Relation index)
{
	Form_pg_index form = index->rd_index;

	return form->indnkeyatts == 2 && form->indimmediate && form->indisvalid &&
		form->indkey.values[0] == MAP_RECORDER && form->indkey.values[1] == MAP_UNIT_START;
}

/* Has the map the columns and the key it was made with?  Its owner may have altered it. */
static bool
map_is_as_made(AccumRegister *reg, Relation map)
{
	TupleDesc	desc = RelationGetDescr(map);
	Oid			key = accum_primary_key_index(map);
	Relation	index;
	bool		same;

	if (!OidIsValid(key) || !accum_direct_plain(map, MAP_COLUMNS) ||
		!accum_column_is(desc, MAP_RECORDER, reg->recorder.type, reg->recorder.collation) ||
		TupleDescAttr(desc, MAP_RECORDER - 1)->atttypmod != reg->recorder.typmod ||
		!accum_column_is(desc, MAP_UNIT_START, DATEOID, InvalidOid) ||
		!accum_column_is(desc, MAP_REVISION, INT8OID, InvalidOid))
		return false;
	index = index_open(key, AccessShareLock);
	same = key_is_as_made(index);
	index_close(index, NoLock);
	return same;
}

/* Open the map; false when it has to be written with SQL. */
bool
accum_map_open(AccumMap *map, AccumRegister *reg)
{
	AccumVerdict *verdict = &reg->direct[ACCUM_RECORDERS];
	Relation	rel;

	if (!accum_direct_enabled())
		return false;
	rel = table_open(reg->relations[ACCUM_RECORDERS], RowExclusiveLock);
	if (accum_register_runs_nothing(reg, ACCUM_RECORDERS) && *verdict == ACCUM_UNKNOWN)
		*verdict = map_is_as_made(reg, rel) ? ACCUM_YES : ACCUM_NO;
	if (!accum_register_runs_nothing(reg, ACCUM_RECORDERS) || *verdict == ACCUM_NO)
	{
		table_close(rel, NoLock);
		return false;
	}
	map->reg = reg;
	map->rel = rel;
	map->index = NULL;
	map->equal = InvalidOid;
	map->slot = table_slot_create(rel, NULL);
	map->new_row = NULL;
	return true;
}

/* Locks stay. */
void
accum_map_close(AccumMap *map)
{
	if (map->new_row != NULL)
	{
		accum_direct_close(&map->direct);
		ExecDropSingleTupleTableSlot(map->new_row);
	}
	ExecDropSingleTupleTableSlot(map->slot);
	if (map->index != NULL)
		index_close(map->index, NoLock);
	table_close(map->rel, NoLock);
}

/* The map's primary key, opened when it is first needed. */
static Relation
map_index(AccumMap *map)
{
	if (map->index == NULL)
		map->index = index_open(accum_primary_key_index(map->rel), AccessShareLock);
	return map->index;
}

/* The operator, and the collation, that sort recorders into the order of the key. */
Oid
accum_map_recorder_order(AccumMap *map, Oid *collation)
{
	Relation	index = map_index(map);
	Oid			type = index->rd_opcintype[0];

	*collation = index->rd_indcollation[0];
	return get_opfamily_member(index->rd_opfamily[0], type, type, BTLessStrategyNumber);
}

/* Which of two recorders comes first in the order in which documents are locked? */
int
accum_map_compare(AccumMap *map, Datum a, Datum b)
{
	Relation	index = map_index(map);

	return DatumGetInt32(FunctionCall2Coll(index_getprocinfo(index, 1, BTORDER_PROC),
										   index->rd_indcollation[0], a, b));
}

/* Begin to look for the rows of a document, or, unless unit is NULL, the one of a unit. */
static IndexScanDesc
scan_begin(AccumMap *map, Datum recorder, const AccumDay *unit, Snapshot snapshot)
{
	int			nkeys = unit != NULL ? 2 : 1;
	Relation	index = map_index(map);
	IndexScanDesc scan = accum_index_beginscan(map->rel, index, snapshot, nkeys);
	Oid			type = index->rd_opcintype[0];
	ScanKeyData keys[2];

	if (!OidIsValid(map->equal))
		map->equal = get_opcode(get_opfamily_member(index->rd_opfamily[0], type, type,
													BTEqualStrategyNumber));
	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, type,
						   index->rd_indcollation[0], map->equal, recorder);
	if (unit != NULL)
		ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_DATE_EQ, DateADTGetDatum(*unit));
	index_rescan(scan, keys, nkeys, NULL, 0);
	return scan;
}

/* Is a document in the map with a unit, as far as a snapshot shows? */
static bool
map_has(AccumMap *map, Datum recorder, AccumDay unit, Snapshot snapshot)
{
	IndexScanDesc scan = scan_begin(map, recorder, &unit, snapshot);
	bool		found = index_getnext_slot(scan, ForwardScanDirection, map->slot);

	index_endscan(scan);
	ExecClearTuple(map->slot);
	return found;
}

static void
fill_row(TupleTableSlot *row, Datum recorder, Datum unit, int64 revision)
{
	ExecClearTuple(row);
	memset(row->tts_isnull, false, sizeof(bool) * MAP_COLUMNS);
	row->tts_values[MAP_RECORDER - 1] = recorder;
	row->tts_values[MAP_UNIT_START - 1] = unit;
	row->tts_values[MAP_REVISION - 1] = Int64GetDatum(revision);
	ExecStoreHeapTuple(heap_form_tuple(row->tts_tupleDescriptor, row->tts_values, row->tts_isnull),
					   row, true);
}

/* The new row is not there as far as we could see: insert it unless somebody else does. */
static void
insert_missing(AccumMap *map)
{
	if (!accum_direct_insert_new(&map->direct, map->new_row) && IsolationUsesXactSnapshot())
		accum_direct_serialization_failure(TM_Updated);
}

static void
open_to_insert(AccumMap *map)
{
	if (map->new_row != NULL)
		return;
	accum_direct_open(&map->direct, map->rel);
	map->new_row = MakeSingleTupleTableSlot(RelationGetDescr(map->rel), &TTSOpsHeapTuple);
}

/*
 * Put a document with a unit into the map unless it is there.  In the same memory
 * context while the map is open, and each only once.
 *
 * A row that is there may be locked by an unpost or repost, which a post does not wait
 * for: it is looked for first.  Where the last documents all were new this one is
 * taken to be new, too, and looked for only when that turns out to be wrong.
 */
void
accum_map_store(AccumMap *map, Datum recorder, AccumDay unit)
{
	int		   *new_documents = &map->reg->new_documents;
	Snapshot	snapshot;
	bool		known;

	open_to_insert(map);
	fill_row(map->new_row, recorder, DateADTGetDatum(unit), 0);
	if (*new_documents >= TAKEN_TO_BE_NEW && !IsolationUsesXactSnapshot() &&
		accum_direct_insert_hopefully(&map->direct, map->new_row))
		return;
	snapshot = accum_direct_snapshot();
	known = map_has(map, recorder, unit, snapshot);
	UnregisterSnapshot(snapshot);
	*new_documents = known ? 0 : *new_documents + 1;
	if (!known)
		insert_missing(map);
}

/* Note the unit of a row of the map; the head row has none. */
static void
add_unit(AccumLockedDocument *document, Datum unit)
{
	if (!DATE_IS_NOBEGIN(DatumGetDateADT(unit)))
		document->units = lappend_int(document->units, DatumGetDateADT(unit));
}

/* Lock the row in the map's slot, which gets its latest version; true in *changed for another. */
static bool
lock_row(AccumMap *map, Snapshot snapshot, bool *changed)
{
	ItemPointerData tid = map->slot->tts_tid;
	uint8		flags = TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS;
	TM_FailureData failure;
	TM_Result	result;

	if (!IsolationUsesXactSnapshot())
		flags |= TUPLE_LOCK_FLAG_FIND_LAST_VERSION;
	result = table_tuple_lock(map->rel, &tid, snapshot, map->slot, GetCurrentCommandId(true),
							  LockTupleNoKeyExclusive, LockWaitBlock, flags, &failure);
	if ((result == TM_Updated || result == TM_Deleted) && IsolationUsesXactSnapshot())
		accum_direct_serialization_failure(result);
	if (result != TM_Ok && result != TM_Deleted)
		elog(ERROR, "unexpected result %d of locking a document", result);
	*changed |= result == TM_Deleted || failure.traversed;
	return result == TM_Ok;
}

/*
 * Lock all rows of a document that a snapshot shows, in the order of the key, and
 * note their units.  Returns whether somebody had changed them meanwhile: the
 * snapshot is then too old for the document.
 *
 * What is noted is allocated in the current memory context.
 */
bool
accum_map_lock(AccumMap *map, AccumLockedDocument *document, Snapshot snapshot)
{
	IndexScanDesc scan = scan_begin(map, document->recorder, NULL, snapshot);
	bool		changed = false;

	PreventCommandIfReadOnly("SELECT FOR NO KEY UPDATE");
	while (index_getnext_slot(scan, ForwardScanDirection, map->slot))
	{
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		if (!lock_row(map, snapshot, &changed))
			continue;
		document->rows = lappend(document->rows, ExecCopySlotHeapTuple(map->slot));
		add_unit(document, slot_getattr(map->slot, MAP_UNIT_START, &isnull));
		document->revisions += DatumGetInt64(slot_getattr(map->slot, MAP_REVISION, &isnull));
	}
	index_endscan(scan);
	ExecClearTuple(map->slot);
	return changed;
}

/* Find the units of a document, in ascending order, that a snapshot shows. */
void
accum_map_find_units(AccumMap *map, AccumLockedDocument *document, Snapshot snapshot)
{
	IndexScanDesc scan = scan_begin(map, document->recorder, NULL, snapshot);
	bool		isnull;

	document->units = NIL;
	while (index_getnext_slot(scan, ForwardScanDirection, map->slot))
		add_unit(document, slot_getattr(map->slot, MAP_UNIT_START, &isnull));
	index_endscan(scan);
	ExecClearTuple(map->slot);
}

/*
 * Raise the revision of the rows of a document that accum_map_lock has locked.  False when
 * one is not as it was locked: this transaction itself has raised it meanwhile.
 */
bool
accum_map_bump(AccumMap *map, const AccumLockedDocument *document, Snapshot snapshot)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(map->rel), &TTSOpsHeapTuple);
	AccumDirect direct;
	bool		unchanged = true;
	ListCell   *lc;

	accum_direct_open(&direct, map->rel);
	foreach(lc, document->rows)
	{
		HeapTuple	locked = lfirst(lc);
		Datum		values[MAP_COLUMNS];
		bool		nulls[MAP_COLUMNS];

		unchanged = table_tuple_fetch_row_version(map->rel, &locked->t_self, SnapshotSelf, map->slot);
		if (!unchanged)
			break;
		heap_deform_tuple(locked, RelationGetDescr(map->rel), values, nulls);
		fill_row(row, values[MAP_RECORDER - 1], values[MAP_UNIT_START - 1],
				 DatumGetInt64(values[MAP_REVISION - 1]) + 1);
		if (!accum_direct_update(&direct, map->slot, row, snapshot))
			elog(ERROR, "a document that was locked has been changed");
	}
	ExecClearTuple(map->slot);
	accum_direct_close(&direct);
	ExecDropSingleTupleTableSlot(row);
	return unchanged;
}
