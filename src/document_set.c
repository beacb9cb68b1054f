/*
 * document_set.c
 *		The documents that a change writes movements of, to be entered in the map.
 *
 * The map (recorders.c) gets a row for each of them and each partition unit, in key
 * order, when the change is applied.  Sets are bounded by work_mem.
 *
 * accum_documents_store runs as the register's owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplesort.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "document_set.h"
#include "guarded.h"
#include "map.h"
#include "query.h"

#define ROWS_NAME "accum_documents"

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
	AccumDay	last_day;			/* one that is known to be of last_unit */
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
	AccumDay	unit = documents->has_last && day == documents->last_day ? documents->last_unit
		: accum_unit_start(day, reg->partition_by, 1);

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
	documents->last_day = day;
}

/* Write a set's rows without statements, in key order. */
static void
store_sorted(AccumMap *map, AccumDocuments *documents)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(documents->slot->tts_tupleDescriptor,
													&TTSOpsMinimalTuple);
	AttrNumber	columns[] = {1, 2};
	Oid			operators[] = {InvalidOid, lookup_type_cache(DATEOID, TYPECACHE_LT_OPR)->lt_opr};
	Oid			collations[] = {InvalidOid, InvalidOid};
	bool		nulls_first[] = {false, false};
	Tuplesortstate *sort;

	operators[0] = accum_map_recorder_order(map, &collations[0]);
	sort = tuplesort_begin_heap(slot->tts_tupleDescriptor, lengthof(columns), columns, operators,
								collations, nulls_first, work_mem, NULL, TUPLESORT_NONE);
	tuplestore_rescan(documents->rows);
	while (tuplestore_gettupleslot(documents->rows, true, false, slot))
		tuplesort_puttupleslot(sort, slot);
	tuplesort_performsort(sort);
	documents->has_last = false;
	while (tuplesort_gettupleslot(sort, true, false, slot, NULL))
	{
		AccumDay	unit;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		unit = DatumGetDateADT(slot->tts_values[1]);
		if (documents->has_last && documents->last_unit == unit &&
			accum_map_compare(map, documents->last_recorder, slot->tts_values[0]) == 0)
			continue;
		set_last(documents, slot->tts_values[0], unit);
		accum_map_store(map, documents->last_recorder, unit);
	}
	tuplesort_end(sort);
	ExecDropSingleTupleTableSlot(slot);
}

/* Write a set without statements; false when that cannot be. */
static bool
store_straight(AccumDocuments *documents)
{
	AccumMap	map;

	if (!accum_map_open(&map, documents->reg))
		return false;
	if (documents->rows == NULL)
		accum_map_store(&map, documents->last_recorder, documents->last_unit);
	else
		store_sorted(&map, documents);
	accum_map_close(&map);
	return true;
}

static void
store_with_sql(AccumDocuments *documents)
{
	AccumRegister *reg = documents->reg;
	AccumPlanKey key = {.purpose = ACCUM_PLAN_STORE};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	AccumQueryState state;

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

/*
 * Write the documents that the map does not have yet, in key order.
 *
 * Rows that are there are skipped by looking, not by running into them: ON
 * CONFLICT alone would wait for an unpost or repost that holds them.
 */
void
accum_documents_store(AccumDocuments *documents)
{
	if (!documents->has_last)
		return;
	if (documents->rows != NULL)
		rows_put(documents);
	if (store_straight(documents))
		return;
	if (documents->rows == NULL)
	{
		rows_begin(documents);
		rows_put(documents);
	}
	store_with_sql(documents);
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
