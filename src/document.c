/*
 * document.c
 *		Documents as they are stored: read, locked, replaced.
 *
 * A document's movements are found by the recorders map, which names the partitions
 * that hold them; each is visited with a statement planned for that range of periods,
 * so the cost does not grow with the number of partitions.  What is read or changed
 * here is read or changed as the caller, under the snapshot that the caller names; only
 * what has been reversed is looked up as the register's owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "difference.h"
#include "document.h"
#include "horizon.h"
#include "moved.h"
#include "movement_write.h"
#include "partition.h"
#include "query.h"
#include "recorded.h"
#include "reversal.h"

#define ROWS_NAME "accum_batch"

/* Run the statement that inserts a batch, and let the reversals in it pass. */
static uint64
insert_expected(AccumRegister *reg, SPIPlanPtr plan, TupleDesc desc, Tuplestorestate *rows)
{
	AccumExpected *expected = accum_reversals_expect(reg, desc, rows);
	volatile uint64 n = 0;

	PG_TRY();
	{
		n = accum_query_run(plan, NULL, SPI_OK_INSERT);
	}
	PG_FINALLY();
	{
		accum_reversals_forget(expected);
	}
	PG_END_TRY();
	return n;
}

/* Insert a batch's rows as the caller, with a statement; returns how many it stored. */
int
accum_document_insert(AccumRegister *reg, TupleDesc desc, Tuplestorestate *rows)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_INSERT};
	AccumQueryState state;
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	uint64		n;

	accum_query_begin(&state, InvalidOid);
	accum_query_rows(ROWS_NAME, desc, rows);
	if (*plan == NULL)
	{
		StringInfoData columns;

		initStringInfo(&columns);
		accum_batch_append_columns(&columns, reg);
		*plan = accum_query_prepare(psprintf("INSERT INTO %s (%s) SELECT %s FROM " ROWS_NAME,
											 reg->relation_names[ACCUM_MOVEMENTS],
											 columns.data, columns.data),
									0, NULL, false);
	}
	if (reg->history)
		n = insert_expected(reg, *plan, desc, rows);
	else
		n = accum_query_run(*plan, NULL, SPI_OK_INSERT);
	accum_query_forget_rows(ROWS_NAME);
	accum_query_end(&state);
	return (int) n;
}

/* May the movements of documents in these units be looked for, and changed? */
void
accum_documents_check(AccumRegister *reg, const List *units)
{
	ListCell   *lc;

	foreach(lc, units)
	{
		Datum		from;
		Datum		to;

		accum_horizon_check_document(reg, lfirst_int(lc));
		accum_recorders_unit_bounds(reg, lfirst_int(lc), &from, &to);
		accum_moved_check(reg, DatumGetTimestampTz(from), DatumGetTimestampTz(to));
	}
}

/* accum_recorders_lock as the register's owner, who first claims a document. */
bool
accum_documents_lock(AccumRegister *reg, ArrayType *recorders, const Datum *claim,
					 AccumDocumentLock *lock)
{
	AccumQueryState state;
	bool		known;

	accum_identity_begin(&state, accum_register_owner(reg));
	if (claim != NULL)
		accum_recorder_claim(reg, *claim);
	known = accum_recorders_lock(reg, recorders, lock);
	accum_identity_end(&state);
	if (known)
		accum_documents_check(reg, lock->units);
	return known;
}

/* accum_recorders_bump as the register's owner. */
void
accum_documents_bump(AccumRegister *reg, AccumDocumentLock *lock)
{
	AccumQueryState state;

	accum_identity_begin(&state, accum_register_owner(reg));
	accum_recorders_bump(reg, lock);
	accum_identity_end(&state);
}

/* Bounds of a unit and the document, parameters that statements share. */
static void
unit_values(AccumRegister *reg, Datum recorder, AccumDay unit, Datum *values)
{
	values[0] = recorder;
	accum_recorders_unit_bounds(reg, unit, &values[1], &values[2]);
}

/*
 * Run a statement on the rows of documents in one unit, whose plan it is given; returns
 * how many there are in SPI_tuptable.
 */
static uint64
select_unit(AccumRegister *reg, SPIPlanPtr *plan, const char *columns, const char *condition,
			const AccumStored *stored, AccumDay unit)
{
	Oid			types[] = {get_array_type(reg->recorder.type), TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[3];

	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT %s, id FROM %s "
											 "WHERE recorder OPERATOR(pg_catalog.=) ANY ($1) "
											 "AND period OPERATOR(pg_catalog.>=) $2 "
											 "AND period OPERATOR(pg_catalog.<) $3%s",
											 columns, reg->relation_names[ACCUM_MOVEMENTS], condition),
									lengthof(types), types, true);
	unit_values(reg, PointerGetDatum(stored->recorders), unit, values);
	return accum_query_run_at(*plan, values, stored->snapshot, SPI_OK_SELECT);
}

/* What is written to a document is not recorded before what it has. */
static void
note_recorded(AccumRegister *reg, HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		recorded_at = SPI_getbinval(row, desc, column, &isnull);

	accum_recorded_after(reg, DatumGetTimestampTz(recorded_at));
}

/*
 * The ids of the documents' movements that have been reversed, in a register with
 * history.
 *
 * That is so whatever the caller may see: they are read as the register's owner.
 */
static HTAB *
reversed_movements(AccumRegister *reg, const AccumStored *stored)
{
	HASHCTL		info = {.keysize = UUID_LEN,.entrysize = UUID_LEN,.hcxt = CurrentMemoryContext};
	HTAB	   *reversed = hash_create("accum reversed movements", 64, &info,
									   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	AccumPlanKey key = {.purpose = ACCUM_PLAN_REVERSED};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	AccumQueryState state;
	const ListCell *lc;

	accum_query_begin(&state, accum_register_owner(reg));
	foreach(lc, stored->units)
	{
		uint64		n = select_unit(reg, plan, "reverses, recorded_at", " AND reverses IS NOT NULL",
									stored, lfirst_int(lc));

		for (uint64 r = 0; r < n; r++)
		{
			HeapTuple	row = SPI_tuptable->vals[r];
			bool		isnull;
			Datum		reverses = SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull);

			CHECK_FOR_INTERRUPTS();
			if (stored->to_change)
				note_recorded(reg, row, SPI_tuptable->tupdesc, 2);
			(void) hash_search(reversed, DatumGetUUIDP(reverses), HASH_ENTER, NULL);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	accum_query_end(&state);
	return reversed;
}

/* Is a movement, whose id comes last, among those that have been reversed? */
static bool
row_reversed(HTAB *reversed, HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	Datum		id = SPI_getbinval(row, desc, desc->natts, &isnull);

	return hash_search(reversed, DatumGetUUIDP(id), HASH_FIND, NULL) != NULL;
}

/* The columns of a stored row that is shown, but for id. */
static const char *
shown_columns(AccumRegister *reg)
{
	StringInfoData columns;

	initStringInfo(&columns);
	accum_batch_append_columns(&columns, reg);
	if (reg->history)
		appendStringInfoString(&columns, ", recorded_at");
	return columns.data;
}

/*
 * Show the rows of documents that are in force to a function, in the current context:
 * the columns of a batch, with history recorded_at, and id.  Nothing is locked.
 */
void
accum_documents_visit(AccumRegister *reg, const AccumStored *stored, AccumRowVisit visit,
					  void *arg)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_SELECT,.variant = OidIsValid(stored->role)};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	HTAB	   *reversed = reg->history ? reversed_movements(reg, stored) : NULL;
	const char *columns = *plan == NULL ? shown_columns(reg) : NULL;
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	const ListCell *lc;

	accum_query_begin(&state, stored->role);
	foreach(lc, stored->units)
	{
		uint64		n = select_unit(reg, plan, columns, reg->history ? " AND reverses IS NULL" : "",
									stored, lfirst_int(lc));
		SPITupleTable *rows = SPI_tuptable;
		MemoryContext old = MemoryContextSwitchTo(context);

		for (uint64 r = 0; r < n; r++)
		{
			HeapTuple	row = rows->vals[r];

			CHECK_FOR_INTERRUPTS();
			if (reg->history && stored->to_change)
				note_recorded(reg, row, rows->tupdesc, rows->tupdesc->natts - 1);
			if (reversed == NULL || !row_reversed(reversed, row, rows->tupdesc))
				visit(arg, row, rows->tupdesc);
		}
		MemoryContextSwitchTo(old);
		SPI_freetuptable(rows);
	}
	accum_query_end(&state);
	if (reversed != NULL)
		hash_destroy(reversed);
}

/* Show the rows of one document that are in force, as the caller. */
void
accum_document_visit(AccumRegister *reg, Datum recorder, Snapshot snapshot,
					 AccumRowVisit visit, void *arg)
{
	AccumStored stored = {.recorders = accum_recorder_array(reg, &recorder, 1),.snapshot = snapshot};
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;

	accum_query_begin(&state, accum_register_owner(reg));
	stored.units = accum_recorders_units(reg, stored.recorders, snapshot, context);
	accum_query_end(&state);
	accum_documents_check(reg, stored.units);
	accum_documents_visit(reg, &stored, visit, arg);
}

/* Remove the document's rows in one unit but for those to keep. */
static void
delete_others(AccumRegister *reg, Datum recorder, AccumDay unit, Snapshot snapshot,
			  Datum *kept, int nkept)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_DELETE_OTHERS};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	Oid			types[] = {reg->recorder.type, TIMESTAMPTZOID, TIMESTAMPTZOID, UUIDARRAYOID};
	Datum		values[4];

	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("DELETE FROM %s "
											 "WHERE recorder OPERATOR(pg_catalog.=) $1 "
											 "AND period OPERATOR(pg_catalog.>=) $2 "
											 "AND period OPERATOR(pg_catalog.<) $3 "
											 "AND id OPERATOR(pg_catalog.<>) ALL ($4)",
											 reg->relation_names[ACCUM_MOVEMENTS]),
									lengthof(types), types, true);
	unit_values(reg, recorder, unit, values);
	values[3] = PointerGetDatum(construct_array(kept, nkept, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	(void) accum_query_run_at(*plan, values, snapshot, SPI_OK_DELETE);
}

/* A document that is being replaced. */
typedef struct Replacement
{
	AccumRegister *reg;
	AccumDifference *difference;
	Datum	   *kept;			/* ids of rows that stay */
	int			nkept;
	List	   *to_clean;		/* units that have others */
	Tuplestorestate *rows;		/* to be written */
	int			nrows;
} Replacement;

/* A stored row of the document: it stays, or is to go. */
static void
visit_stored(void *arg, HeapTuple row, TupleDesc desc)
{
	Replacement *replacement = arg;
	AccumRegister *reg = replacement->reg;
	bool		isnull;
	Datum		value;

	if (accum_difference_match(replacement->difference, row, desc))
	{
		value = SPI_getbinval(row, desc, desc->natts, &isnull);
		replacement->kept[replacement->nkept++] = datumCopy(value, false, UUID_LEN);
	}
	else if (reg->history)
	{
		accum_reversal_put(reg, replacement->rows, row, desc, NULL);
		replacement->nrows++;
	}
	else
	{
		value = SPI_getbinval(row, desc, ACCUM_BATCH_PERIOD + 1, &isnull);
		replacement->to_clean =
			list_append_unique_int(replacement->to_clean,
								   accum_unit_start(accum_zone_day(&reg->zone, DatumGetTimestampTz(value)),
													reg->partition_by, 1));
	}
}

/* Make the stored document what the batch says; the change is open. */
static void
replace_rows(AccumRegister *reg, Datum recorder, const AccumDocumentLock *lock,
			 AccumBatch *batch, AccumChange *change)
{
	AccumStored stored = {
		.recorders = lock->recorders,
		.units = lock->units,
		.snapshot = lock->seen,
		.to_change = true,
	};
	Replacement replacement = {
		.reg = reg,
		.difference = accum_difference_create(reg, batch, true),
		.kept = palloc_extended(sizeof(Datum) * Max(batch->nrows, 1), MCXT_ALLOC_HUGE),
		.rows = tuplestore_begin_heap(false, false, work_mem),
	};
	AccumQueryState state;
	ListCell   *lc;

	accum_documents_visit(reg, &stored, visit_stored, &replacement);
	accum_query_begin(&state, InvalidOid);
	foreach(lc, replacement.to_clean)
		delete_others(reg, recorder, lfirst_int(lc), lock->seen, replacement.kept, replacement.nkept);
	accum_query_end(&state);

	replacement.nrows += accum_difference_missing(replacement.difference, replacement.rows);
	if (replacement.nrows > 0 &&
		!accum_movements_write(reg, change, batch->desc, replacement.rows))
		(void) accum_document_insert(reg, batch->desc, replacement.rows);
	tuplestore_end(replacement.rows);
}

/*
 * Make a document consist of the movements in a batch, which says nothing of others.
 * Rows that stay the same stay.
 */
void
accum_document_replace(AccumRegister *reg, Datum recorder, AccumBatch *batch)
{
	AccumDocumentLock lock;
	AccumChange *change;

	if (!accum_documents_lock(reg, accum_recorder_array(reg, &recorder, 1), &recorder, &lock))
		elog(ERROR, "document has no row in the map after it was claimed");
	if (accum_partitions_missing(reg, batch->units, batch->nunits))
		accum_partitions_create_missing(reg, batch->units, batch->nunits);

	change = accum_change_begin(reg);
	PG_TRY();
	{
		replace_rows(reg, recorder, &lock, batch, change);
	}
	PG_CATCH();
	{
		accum_change_abandon(change);
		PG_RE_THROW();
	}
	PG_END_TRY();
	accum_change_end(change);
	accum_documents_bump(reg, &lock);
}

/* Documents that are being reversed. */
typedef struct Reverser
{
	AccumRegister *reg;
	const TimestampTz *at;
	Tuplestorestate *rows;
	int			nrows;
} Reverser;

static void
visit_reversed(void *arg, HeapTuple row, TupleDesc desc)
{
	Reverser   *reverser = arg;

	accum_reversal_put(reverser->reg, reverser->rows, row, desc, reverser->at);
	reverser->nrows++;
}

/*
 * Reverse all movements of locked documents that are in force, in a register with
 * history; the change is open.  The reversals are dated as what they reverse, or at
 * another moment.  Returns how many there are.
 */
int
accum_documents_reverse(AccumRegister *reg, AccumChange *change, const AccumDocumentLock *lock,
						const TimestampTz *at)
{
	AccumStored stored = {
		.recorders = lock->recorders,
		.units = lock->units,
		.snapshot = lock->seen,
		.to_change = true,
	};
	Reverser	reverser = {.reg = reg,.at = at,.rows = tuplestore_begin_heap(false, false, work_mem)};
	TupleDesc	desc = accum_batch_desc(reg);

	accum_documents_visit(reg, &stored, visit_reversed, &reverser);
	if (reverser.nrows > 0 && !accum_movements_write(reg, change, desc, reverser.rows))
		reverser.nrows = accum_document_insert(reg, desc, reverser.rows);
	tuplestore_end(reverser.rows);
	return reverser.nrows;
}
