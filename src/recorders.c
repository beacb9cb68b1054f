/*
 * recorders.c
 *		The map from documents to the partitions that hold their movements.
 *
 * <register>_recorders has one row per document and partition unit that it has
 * ever had a movement in, and for a document that was reposted a head row with
 * unit_start = -infinity.  Rows are never removed.
 *
 * The map tells an unpost or repost which partitions to visit, and its rows are
 * what these lock: both lock every row of their documents in key order and, in the
 * end, raise revision, so two of them on one document run one after the other.
 * Raising revision, and not only locking, is what tells a REPEATABLE READ
 * transaction with an older snapshot that the document has changed.  The head row is there
 * for a repost of a document not known yet, which would have nothing to lock.
 *
 * A post to a known document takes no lock here.
 *
 * accum_documents_store runs as the register's owner; the functions that claim,
 * lock and bump run inside an accum_query_begin() as the owner.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "cell_scan.h"
#include "direct.h"
#include "guarded.h"
#include "query.h"
#include "recorders.h"

#define ROWS_NAME "accum_documents"

/* recorder, unit_start, revision */
#define MAP_COLUMNS 3

/*
 * The documents that a statement wrote movements of.  Most write one: it is the last
 * one added, and rows are begun when another follows.
 */
struct AccumDocuments
{
	AccumRegister *reg;
	MemoryContext context;		/* of everything here */
	TupleTableSlot *slot;		/* NULL while there is no second one */
	Tuplestorestate *rows;
	MemoryContext last_context; /* of the last recorder added */
	bool		has_last;
	Datum		last_recorder;
	AccumDay	last_unit;
};

AccumDocuments *
accum_documents_create(AccumRegister *reg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "accum documents",
												  ALLOCSET_SMALL_SIZES);
	AccumDocuments *documents = MemoryContextAllocZero(context, sizeof(AccumDocuments));

	documents->reg = reg;
	documents->context = context;
	return documents;
}

static void
rows_begin(AccumDocuments *documents)
{
	AccumColumn *recorder = &documents->reg->recorder;
	MemoryContext old = MemoryContextSwitchTo(documents->context);
	TupleDesc	desc = CreateTemplateTupleDesc(2);

	TupleDescInitEntry(desc, 1, "recorder", recorder->type, recorder->typmod, 0);
	TupleDescInitEntryCollation(desc, 1, recorder->collation);
	TupleDescInitEntry(desc, 2, "unit_start", DATEOID, -1, 0);
	documents->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	documents->rows = tuplestore_begin_heap(false, false, work_mem);
	MemoryContextSwitchTo(old);
}

/* Put the last document added into rows. */
static void
rows_put(AccumDocuments *documents)
{
	TupleTableSlot *slot = documents->slot;

	ExecClearTuple(slot);
	slot->tts_values[0] = documents->last_recorder;
	slot->tts_values[1] = DateADTGetDatum(documents->last_unit);
	slot->tts_isnull[0] = slot->tts_isnull[1] = false;
	ExecStoreVirtualTuple(slot);
	tuplestore_puttupleslot(documents->rows, slot);
}

/* Make a document the last one added. */
static void
set_last(AccumDocuments *documents, Datum recorder, AccumDay unit)
{
	MemoryContext old;

	if (documents->last_context == NULL)
		documents->last_context = AllocSetContextCreate(documents->context, "accum last document",
														ALLOCSET_SMALL_SIZES);
	MemoryContextReset(documents->last_context);
	old = MemoryContextSwitchTo(documents->last_context);
	documents->last_recorder = datumCopy(recorder, documents->reg->recorder.typbyval,
										 documents->reg->recorder.typlen);
	documents->last_unit = unit;
	documents->has_last = true;
	MemoryContextSwitchTo(old);
}

/* Note that a movement of this document was written on this day. */
void
accum_documents_add(AccumDocuments *documents, Datum recorder, AccumDay day)
{
	AccumRegister *reg = documents->reg;
	AccumDay	unit = accum_unit_start(day, reg->partition_by, 1);

	/* The lines of a document follow one another. */
	if (documents->has_last && documents->last_unit == unit &&
		datumIsEqual(documents->last_recorder, recorder,
					 reg->recorder.typbyval, reg->recorder.typlen))
		return;
	if (documents->has_last)
	{
		if (documents->rows == NULL)
			rows_begin(documents);
		rows_put(documents);
	}
	set_last(documents, recorder, unit);
}

/* Has the map the columns it was made with?  Its owner may have altered it. */
static bool
map_is_as_made(AccumRegister *reg, Relation map)
{
	TupleDesc	desc = RelationGetDescr(map);

	return accum_direct_enabled() && accum_direct_plain(map, MAP_COLUMNS) &&
		accum_register_runs_nothing(reg, ACCUM_RECORDERS) &&
		accum_column_is(desc, 1, reg->recorder.type, reg->recorder.collation) &&
		TupleDescAttr(desc, 0)->atttypmod == reg->recorder.typmod &&
		accum_column_is(desc, 2, DATEOID, InvalidOid) &&
		accum_column_is(desc, 3, INT8OID, InvalidOid);
}

/* Is the last document added in the map, as far as a snapshot shows? */
static bool
map_has(const AccumDocuments *documents, Relation map, Relation index, Snapshot snapshot)
{
	Oid			type = index->rd_opcintype[0];
	Oid			equal = get_opfamily_member(index->rd_opfamily[0], type, type, BTEqualStrategyNumber);
	TupleTableSlot *slot = table_slot_create(map, NULL);
	IndexScanDesc scan = accum_index_beginscan(map, index, snapshot, 2);
	ScanKeyData keys[2];
	bool		found;

	ScanKeyEntryInitialize(&keys[0], 0, 1, BTEqualStrategyNumber, type,
						   index->rd_indcollation[0], get_opcode(equal), documents->last_recorder);
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_DATE_EQ,
				DateADTGetDatum(documents->last_unit));
	index_rescan(scan, keys, 2, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

/* Put the last document added into the map unless somebody else does. */
static void
map_insert(const AccumDocuments *documents, Relation map)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(map), &TTSOpsVirtual);
	AccumDirect direct;

	accum_direct_open(&direct, map, true);
	ExecClearTuple(row);
	memset(row->tts_isnull, false, sizeof(bool) * MAP_COLUMNS);
	row->tts_values[0] = documents->last_recorder;
	row->tts_values[1] = DateADTGetDatum(documents->last_unit);
	row->tts_values[2] = Int64GetDatum(0);
	ExecStoreVirtualTuple(row);
	if (!accum_direct_insert_new(&direct, row) && IsolationUsesXactSnapshot())
		accum_direct_serialization_failure();
	accum_direct_close(&direct);
	ExecDropSingleTupleTableSlot(row);
}

/* The primary key of the map, opened; NULL when it is not (recorder, unit_start). */
static Relation
open_map_index(Relation map)
{
	Oid			oid = accum_primary_key_index(map);
	Relation	index;

	if (!OidIsValid(oid))
		return NULL;
	index = index_open(oid, AccessShareLock);
	if (index->rd_index->indnkeyatts == 2 && index->rd_index->indimmediate &&
		index->rd_index->indkey.values[0] == 1 && index->rd_index->indkey.values[1] == 2)
		return index;
	index_close(index, NoLock);
	return NULL;
}

/*
 * Write the only document of a set, as accum_documents_store does; false when that
 * has to be done with SQL.
 */
static bool
documents_store_one(AccumDocuments *documents)
{
	Relation	map = table_open(documents->reg->relations[ACCUM_RECORDERS], RowExclusiveLock);
	Relation	index = map_is_as_made(documents->reg, map) ? open_map_index(map) : NULL;
	Snapshot	snapshot;

	if (index == NULL)
	{
		table_close(map, NoLock);
		return false;
	}
	snapshot = accum_direct_snapshot();
	if (!map_has(documents, map, index, snapshot))
		map_insert(documents, map);
	UnregisterSnapshot(snapshot);
	index_close(index, NoLock);
	table_close(map, NoLock);
	return true;
}

/*
 * Write the documents that the map does not have yet, in key order.
 *
 * Rows that are there are skipped by looking, not by running into them: ON
 * CONFLICT alone would wait for an unpost or repost that holds them.
 */
void
accum_documents_store(AccumDocuments *documents)
{
	AccumRegister *reg = documents->reg;
	AccumPlanKey key = {.purpose = ACCUM_PLAN_STORE};
	AccumQueryState state;
	SPIPlanPtr *plan;

	if (!documents->has_last || (documents->rows == NULL && documents_store_one(documents)))
		return;
	if (documents->rows == NULL)
		rows_begin(documents);
	rows_put(documents);
	plan = accum_register_plan(reg, &key);
	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_rows(ROWS_NAME, documents->slot->tts_tupleDescriptor, documents->rows);
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("INSERT INTO %s (recorder, unit_start) "
											 "SELECT DISTINCT d.recorder, d.unit_start FROM " ROWS_NAME " d "
											 "WHERE NOT EXISTS (SELECT FROM %s r WHERE r.recorder = d.recorder "
											 "AND r.unit_start = d.unit_start) "
											 "ORDER BY d.recorder, d.unit_start ON CONFLICT (recorder, unit_start) DO NOTHING",
											 reg->relation_names[ACCUM_RECORDERS],
											 reg->relation_names[ACCUM_RECORDERS]),
									0, NULL, false);
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], NULL, InvalidSnapshot,
							 SPI_OK_INSERT);
	accum_query_forget_rows(ROWS_NAME);
	accum_query_end(&state);
}

void
accum_documents_free(AccumDocuments *documents)
{
	if (documents->rows != NULL)
	{
		ExecDropSingleTupleTableSlot(documents->slot);
		tuplestore_end(documents->rows);
	}
	MemoryContextDelete(documents->context);
}

/*
 * Give a document its head row, so that there is something to lock.
 *
 * Waits for another transaction that is doing the same.
 */
void
accum_recorder_claim(AccumRegister *reg, Datum recorder)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_CLAIM};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);

	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("INSERT INTO %s (recorder, unit_start) "
											 "VALUES ($1, '-infinity') ON CONFLICT (recorder, unit_start) DO NOTHING",
											 reg->relation_names[ACCUM_RECORDERS]),
									1, &reg->recorder.type, false);
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], &recorder, InvalidSnapshot,
							 SPI_OK_INSERT);
}

/*
 * Lock documents against other unposts and reposts until the transaction ends.
 * Returns false when the map knows none of them: then nothing is locked.
 *
 * lock->recorders gets the documents that were locked.  Others of the array may
 * become known while we wait; they are not ours to touch.
 *
 * lock->units gets the first days of the partition units in which they have, or
 * had, movements: a list of ints, allocated in result_context, in ascending order
 * without repetition.
 *
 * The first statement locks, in key order, the rows that it sees.  Further rows
 * of these documents that commit meanwhile need no lock: whoever comes later sees
 * and waits for the ones we have.  The second statement, whose snapshot is younger than the locks, sees
 * what the last holder of the locks left.  That snapshot is kept in lock->seen
 * for the statements that visit the units: all see the same state, and a post
 * that commits between two of them is seen by none.
 *
 * Unless it returns false, accum_recorders_bump has to follow when all else is
 * done.
 */
bool
accum_recorders_lock(AccumRegister *reg, ArrayType *recorders,
					 MemoryContext result_context, AccumDocumentLock *lock)
{
	AccumPlanKey lock_key = {.purpose = ACCUM_PLAN_LOCK};
	AccumPlanKey units_key = {.purpose = ACCUM_PLAN_UNITS};
	SPIPlanPtr *plan;
	Oid			array_type = get_array_type(reg->recorder.type);
	Datum		value = PointerGetDatum(recorders);
	const char *map = reg->relation_names[ACCUM_RECORDERS];
	MemoryContext old;
	bool		isnull;
	uint64		n;

	lock->units = NIL;
	lock->locked = RegisterSnapshot(GetTransactionSnapshot());
	plan = accum_register_plan(reg, &lock_key);
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("WITH locked AS (SELECT recorder FROM %s "
											 "WHERE recorder = ANY ($1) "
											 "ORDER BY recorder, unit_start FOR NO KEY UPDATE) "
											 "SELECT array_agg(DISTINCT recorder) FROM locked", map),
									1, &array_type, false);
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], &value, lock->locked,
							 SPI_OK_SELECT);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
	{
		UnregisterSnapshot(lock->locked);
		return false;
	}
	old = MemoryContextSwitchTo(result_context);
	lock->recorders = DatumGetArrayTypePCopy(value);
	value = PointerGetDatum(lock->recorders);
	MemoryContextSwitchTo(old);

	plan = accum_register_plan(reg, &units_key);
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT DISTINCT unit_start FROM %s "
											 "WHERE recorder = ANY ($1) AND unit_start > '-infinity' "
											 "ORDER BY unit_start", map),
									1, &array_type, false);
	lock->seen = RegisterSnapshot(GetTransactionSnapshot());
	n = accum_query_run_at(*plan, &value, lock->seen, SPI_OK_SELECT);
	old = MemoryContextSwitchTo(result_context);
	for (uint64 i = 0; i < n; i++)
	{
		Datum		unit = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		lock->units = lappend_int(lock->units, DatumGetDateADT(unit));
	}
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * Raise the revision of the rows that were locked, as the last thing done to the
 * documents.
 *
 * A post that meets a row locked goes on; one that meets it updated waits.  It
 * must not wait for somebody who has yet to wait for it.
 */
void
accum_recorders_bump(AccumRegister *reg, AccumDocumentLock *lock)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_BUMP};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	Oid			array_type = get_array_type(reg->recorder.type);
	Datum		value = PointerGetDatum(lock->recorders);

	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("UPDATE %s SET revision = revision + 1 "
											 "WHERE recorder = ANY ($1)",
											 reg->relation_names[ACCUM_RECORDERS]),
									1, &array_type, false);
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], &value, lock->locked,
							 SPI_OK_UPDATE);
	UnregisterSnapshot(lock->seen);
	UnregisterSnapshot(lock->locked);
}
