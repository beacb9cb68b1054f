/*
 * map.c
 *		The documents map, read and written straight.
 *
 * What recorders.c does to the map with statements, done for one document without:
 * rows are found by the primary key, locked as FOR NO KEY UPDATE locks them,
 * inserted as ON CONFLICT DO NOTHING inserts them, and their revision raised.
 *
 * In a secured register a document is known by recorder and scope (scope.c), both of
 * them in the key.  Documents are locked, and entered, scope by scope.
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
#define MAP_COLUMNS 3			/* and scope, if there is one */

/* After so many new documents, one after the other, the next one is taken to be new. */
#define TAKEN_TO_BE_NEW 8

/* Where the register's map has the scope of a document. */
static AttrNumber
scope_attnum(const AccumRegister *reg)
{
	return accum_register_secured(reg) ? get_attnum(reg->relations[ACCUM_RECORDERS], "scope")
		: InvalidAttrNumber;
}

/* Is its primary key, which is open, (recorder, unit_start), or (recorder, scope, unit_start)? */
static bool
key_is_as_made(Relation index, AttrNumber scope)
{
	Form_pg_index form = index->rd_index;
	int			n = scope != InvalidAttrNumber ? 3 : 2;

	return form->indnkeyatts == n && form->indimmediate && form->indisvalid &&
		form->indkey.values[0] == MAP_RECORDER && form->indkey.values[n - 1] == MAP_UNIT_START &&
		(scope == InvalidAttrNumber || form->indkey.values[1] == scope);
}

/* How many columns has it that were not dropped? */
static int
count_columns(TupleDesc desc)
{
	int			n = 0;

	for (int i = 0; i < desc->natts; i++)
		n += TupleDescAttr(desc, i)->attisdropped ? 0 : 1;
	return n;
}

/* Is the column of scopes one of values of the secured dimension? */
static bool
scope_is_as_made(AccumRegister *reg, TupleDesc desc, AttrNumber scope)
{
	const AccumColumn *dimension;

	if (!accum_register_secured(reg))
		return true;
	dimension = &reg->row_dims[reg->secured];
	return scope != InvalidAttrNumber &&
		accum_column_is(desc, scope, dimension->type, dimension->collation);
}

/* Has the map the columns and the key it was made with?  Its owner may have altered it. */
static bool
map_is_as_made(AccumRegister *reg, Relation map)
{
	TupleDesc	desc = RelationGetDescr(map);
	Oid			key = accum_primary_key_index(map);
	AttrNumber	scope = scope_attnum(reg);
	Relation	index;
	bool		same;

	if (!OidIsValid(key) || !accum_direct_plain(map, desc->natts) ||
		count_columns(desc) != (accum_register_secured(reg) ? MAP_COLUMNS + 1 : MAP_COLUMNS) ||
		!scope_is_as_made(reg, desc, scope) ||
		!accum_column_is(desc, MAP_RECORDER, reg->recorder.type, reg->recorder.collation) ||
		TupleDescAttr(desc, MAP_RECORDER - 1)->atttypmod != reg->recorder.typmod ||
		!accum_column_is(desc, MAP_UNIT_START, DATEOID, InvalidOid) ||
		!accum_column_is(desc, MAP_REVISION, INT8OID, InvalidOid))
		return false;
	index = index_open(key, AccessShareLock);
	same = key_is_as_made(index, scope);
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
	map->scope = scope_attnum(reg);
	map->index = NULL;
	map->equal[0] = map->equal[1] = InvalidOid;
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

/*
 * The operator, and the collation, that sort a column of the key, recorders (1) or
 * scopes (2), into its order.
 */
Oid
accum_map_order(AccumMap *map, int column, Oid *collation)
{
	Relation	index = map_index(map);
	Oid			type = index->rd_opcintype[column - 1];

	*collation = index->rd_indcollation[column - 1];
	return get_opfamily_member(index->rd_opfamily[column - 1], type, type, BTLessStrategyNumber);
}

/* Compare two values of a column of the key. */
static int
compare_values(AccumMap *map, int column, Datum a, Datum b)
{
	Relation	index = map_index(map);

	return DatumGetInt32(FunctionCall2Coll(index_getprocinfo(index, column, BTORDER_PROC),
										   index->rd_indcollation[column - 1], a, b));
}

/* Which of two documents comes first in the order in which they are locked? */
int
accum_map_compare(AccumMap *map, const AccumDocumentKey *a, const AccumDocumentKey *b)
{
	int			result = 0;

	if (map->scope != InvalidAttrNumber)
		result = compare_values(map, 2, a->scope, b->scope);
	return result != 0 ? result : compare_values(map, 1, a->recorder, b->recorder);
}

/* Ask for one value of a column of the key, recorders (1) or scopes (2). */
static void
key_init(AccumMap *map, ScanKey key, int column, Datum value)
{
	Relation	index = map_index(map);
	Oid			type = index->rd_opcintype[column - 1];
	RegProcedure *equal = &map->equal[column - 1];

	if (!OidIsValid(*equal))
		*equal = get_opcode(get_opfamily_member(index->rd_opfamily[column - 1], type, type,
												BTEqualStrategyNumber));
	ScanKeyEntryInitialize(key, 0, column, BTEqualStrategyNumber, type,
						   index->rd_indcollation[column - 1], *equal, value);
}

/* Begin to look for the rows of a document, or, unless unit is NULL, the one of a unit. */
static IndexScanDesc
scan_begin(AccumMap *map, const AccumDocumentKey *key, const AccumDay *unit, Snapshot snapshot)
{
	ScanKeyData keys[3];
	IndexScanDesc scan;
	int			n = 0;

	key_init(map, &keys[n++], 1, key->recorder);
	if (map->scope != InvalidAttrNumber)
		key_init(map, &keys[n++], 2, key->scope);
	if (unit != NULL)
	{
		ScanKeyInit(&keys[n], n + 1, BTEqualStrategyNumber, F_DATE_EQ, DateADTGetDatum(*unit));
		n++;
	}
	scan = accum_index_beginscan(map->rel, map_index(map), snapshot, n);
	index_rescan(scan, keys, n, NULL, 0);
	return scan;
}

/* Is a document in the map with a unit, as far as a snapshot shows? */
static bool
map_has(AccumMap *map, const AccumDocumentKey *key, AccumDay unit, Snapshot snapshot)
{
	IndexScanDesc scan = scan_begin(map, key, &unit, snapshot);
	bool		found = index_getnext_slot(scan, ForwardScanDirection, map->slot);

	index_endscan(scan);
	ExecClearTuple(map->slot);
	return found;
}

static void
row_set(TupleTableSlot *row, AttrNumber attnum, Datum value)
{
	row->tts_values[attnum - 1] = value;
	row->tts_isnull[attnum - 1] = false;
}

/* Store the values that a slot was given as its row. */
static void
form_row(TupleTableSlot *row)
{
	ExecStoreHeapTuple(heap_form_tuple(row->tts_tupleDescriptor, row->tts_values, row->tts_isnull),
					   row, true);
}

/* A row that is new. */
static void
fill_row(const AccumMap *map, TupleTableSlot *row, const AccumDocumentKey *key, Datum unit)
{
	ExecClearTuple(row);
	memset(row->tts_isnull, true, sizeof(bool) * row->tts_tupleDescriptor->natts);
	row_set(row, MAP_RECORDER, key->recorder);
	row_set(row, MAP_UNIT_START, unit);
	row_set(row, MAP_REVISION, Int64GetDatum(0));
	if (map->scope != InvalidAttrNumber)
		row_set(row, map->scope, key->scope);
	form_row(row);
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
accum_map_store(AccumMap *map, const AccumDocumentKey *key, AccumDay unit)
{
	int		   *new_documents = &map->reg->new_documents;
	Snapshot	snapshot;
	bool		known;

	open_to_insert(map);
	fill_row(map, map->new_row, key, DateADTGetDatum(unit));
	if (*new_documents >= TAKEN_TO_BE_NEW && !IsolationUsesXactSnapshot() &&
		accum_direct_insert_hopefully(&map->direct, map->new_row))
		return;
	snapshot = accum_direct_snapshot();
	known = map_has(map, key, unit, snapshot);
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
	IndexScanDesc scan = scan_begin(map, &document->key, NULL, snapshot);
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
	IndexScanDesc scan = scan_begin(map, &document->key, NULL, snapshot);
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
		unchanged = table_tuple_fetch_row_version(map->rel, &locked->t_self, SnapshotSelf, map->slot);
		if (!unchanged)
			break;
		ExecClearTuple(row);
		heap_deform_tuple(locked, row->tts_tupleDescriptor, row->tts_values, row->tts_isnull);
		row_set(row, MAP_REVISION,
				Int64GetDatum(DatumGetInt64(row->tts_values[MAP_REVISION - 1]) + 1));
		form_row(row);
		if (!accum_direct_update(&direct, map->slot, row, snapshot))
			elog(ERROR, "a document that was locked has been changed");
	}
	ExecClearTuple(map->slot);
	accum_direct_close(&direct);
	ExecDropSingleTupleTableSlot(row);
	return unchanged;
}
