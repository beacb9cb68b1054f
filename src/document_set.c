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
#include "operator.h"
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
	MemoryContext last_context; /* of the last key added */
	bool		has_last;
	AccumDocumentKey last;
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
describe_column(TupleDesc desc, AttrNumber attnum, const char *name, const AccumColumn *column)
{
	TupleDescInitEntry(desc, attnum, name, column->type, column->typmod, 0);
	TupleDescInitEntryCollation(desc, attnum, column->collation);
}

static void
rows_begin(AccumDocuments *documents)
{
	AccumRegister *reg = documents->reg;
	MemoryContext old = MemoryContextSwitchTo(documents->context);
	TupleDesc	desc = CreateTemplateTupleDesc(accum_register_secured(reg) ? 3 : 2);

	describe_column(desc, 1, "recorder", &reg->recorder);
	TupleDescInitEntry(desc, 2, "unit_start", DATEOID, -1, 0);
	if (accum_register_secured(reg))
		describe_column(desc, 3, "scope", &reg->row_dims[reg->secured]);
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
	slot->tts_values[0] = documents->last.recorder;
	slot->tts_values[1] = DateADTGetDatum(documents->last_unit);
	if (accum_register_secured(documents->reg))
		slot->tts_values[2] = documents->last.scope;
	memset(slot->tts_isnull, false, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	ExecStoreVirtualTuple(slot);
	tuplestore_puttupleslot(documents->rows, slot);
}

/* The key of a row. */
static AccumDocumentKey
row_key(const AccumDocuments *documents, const TupleTableSlot *slot)
{
	return (AccumDocumentKey) {slot->tts_values[0],
							   accum_register_secured(documents->reg) ? slot->tts_values[2] : (Datum) 0};
}

/* Make a document the last one added. */
static void
set_last(AccumDocuments *documents, const AccumDocumentKey *key, AccumDay unit)
{
	AccumRegister *reg = documents->reg;
	MemoryContext old;

	if (documents->last_context == NULL)
		documents->last_context = AllocSetContextCreate(documents->context, "accum last document",
														ALLOCSET_SMALL_SIZES);
	MemoryContextReset(documents->last_context);
	old = MemoryContextSwitchTo(documents->last_context);
	documents->last.recorder = datumCopy(key->recorder, reg->recorder.typbyval, reg->recorder.typlen);
	if (accum_register_secured(reg))
		documents->last.scope = datumCopy(key->scope, reg->row_dims[reg->secured].typbyval,
										  reg->row_dims[reg->secured].typlen);
	documents->last_unit = unit;
	documents->has_last = true;
	MemoryContextSwitchTo(old);
}

/* Is this the document added last? */
static bool
is_last(const AccumDocuments *documents, const AccumDocumentKey *key)
{
	const AccumRegister *reg = documents->reg;

	return datumIsEqual(documents->last.recorder, key->recorder, reg->recorder.typbyval,
						reg->recorder.typlen) &&
		(!accum_register_secured(reg) ||
		 datumIsEqual(documents->last.scope, key->scope, reg->row_dims[reg->secured].typbyval,
					  reg->row_dims[reg->secured].typlen));
}

/* Note that a movement of this document was written on this day. */
void
accum_documents_add(AccumDocuments *documents, const AccumDocumentKey *key, AccumDay day)
{
	AccumRegister *reg = documents->reg;
	AccumDay	unit = documents->has_last && day == documents->last_day ? documents->last_unit
		: accum_unit_start(day, reg->partition_by, 1);

	/* The lines of a document follow one another. */
	if (documents->has_last && documents->last_unit == unit && is_last(documents, key))
		return;
	if (documents->has_last)
	{
		if (documents->rows == NULL)
			rows_begin(documents);
		rows_put(documents);
	}
	set_last(documents, key, unit);
	documents->last_day = day;
}

/* Write a set's rows without statements, in key order. */
static void
store_sorted(AccumMap *map, AccumDocuments *documents)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(documents->slot->tts_tupleDescriptor,
													&TTSOpsMinimalTuple);
	AttrNumber	columns[3];
	Oid			operators[3];
	Oid			collations[3] = {InvalidOid, InvalidOid, InvalidOid};
	bool		nulls_first[3] = {false, false, false};
	Tuplesortstate *sort;
	int			n = 0;

	if (accum_register_secured(documents->reg))
	{
		columns[n] = 3;
		operators[n] = accum_map_order(map, 2, &collations[n]);
		n++;
	}
	columns[n] = 1;
	operators[n] = accum_map_order(map, 1, &collations[n]);
	n++;
	columns[n] = 2;
	operators[n++] = lookup_type_cache(DATEOID, TYPECACHE_LT_OPR)->lt_opr;
	sort = tuplesort_begin_heap(slot->tts_tupleDescriptor, n, columns, operators,
								collations, nulls_first, work_mem, NULL, TUPLESORT_NONE);
	tuplestore_rescan(documents->rows);
	while (tuplestore_gettupleslot(documents->rows, true, false, slot))
		tuplesort_puttupleslot(sort, slot);
	tuplesort_performsort(sort);
	documents->has_last = false;
	while (tuplesort_gettupleslot(sort, true, false, slot, NULL))
	{
		AccumDocumentKey key;
		AccumDay	unit;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		key = row_key(documents, slot);
		unit = DatumGetDateADT(slot->tts_values[1]);
		if (documents->has_last && documents->last_unit == unit &&
			accum_map_compare(map, &documents->last, &key) == 0)
			continue;
		set_last(documents, &key, unit);
		accum_map_store(map, &documents->last, unit);
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
		accum_map_store(&map, &documents->last, documents->last_unit);
	else
		store_sorted(&map, documents);
	accum_map_close(&map);
	return true;
}

static char *
store_sql(AccumRegister *reg)
{
	bool		secured = accum_register_secured(reg);
	const char *map = reg->relation_names[ACCUM_RECORDERS];
	StringInfoData same_scope;

	initStringInfo(&same_scope);
	if (secured)
	{
		appendStringInfoString(&same_scope, "AND r.scope ");
		accum_append_operator(&same_scope, reg->row_dims[reg->secured].equal_operator);
		appendStringInfoString(&same_scope, " d.scope");
	}
	return psprintf("INSERT INTO %s (recorder, unit_start%s) "
					"SELECT DISTINCT d.recorder, d.unit_start%s FROM " ROWS_NAME " d "
					"WHERE NOT EXISTS (SELECT FROM %s r WHERE r.recorder = d.recorder "
					"AND r.unit_start = d.unit_start %s) "
					"ORDER BY %sd.recorder, d.unit_start ON CONFLICT (recorder, unit_start%s) DO NOTHING",
					map, secured ? ", scope" : "", secured ? ", d.scope" : "", map, same_scope.data,
					secured ? "d.scope, " : "", secured ? ", scope" : "");
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
		*plan = accum_query_prepare(store_sql(reg), 0, NULL, false);
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
