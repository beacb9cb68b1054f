/*
 * document.c
 *		Documents as they are stored: read, locked, replaced.
 *
 * A document's movements are found by the recorders map, which names the partitions
 * that hold them; each is visited with a statement planned for that range of periods,
 * so the cost does not grow with the number of partitions.  What is read or changed
 * here is read or changed as the caller, under the snapshot that the caller names.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
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

#define ROWS_NAME "accum_batch"

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
 * Select the document's rows in one unit: the columns of a batch, then id.  Returns
 * how many there are in SPI_tuptable.
 */
static uint64
select_unit(AccumRegister *reg, Datum recorder, AccumDay unit, Snapshot snapshot)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_SELECT};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	Oid			types[] = {reg->recorder.type, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[3];

	if (*plan == NULL)
	{
		StringInfoData columns;

		initStringInfo(&columns);
		accum_batch_append_columns(&columns, reg);
		*plan = accum_query_prepare(psprintf("SELECT %s, id FROM %s "
											 "WHERE recorder OPERATOR(pg_catalog.=) $1 "
											 "AND period OPERATOR(pg_catalog.>=) $2 "
											 "AND period OPERATOR(pg_catalog.<) $3",
											 columns.data, reg->relation_names[ACCUM_MOVEMENTS]),
									lengthof(types), types, true);
	}
	unit_values(reg, recorder, unit, values);
	return accum_query_run_at(*plan, values, snapshot, SPI_OK_SELECT);
}

/*
 * Show a document's rows, as select_unit has them, to a function, in the current
 * context.  Nothing is locked.
 */
void
accum_document_visit(AccumRegister *reg, Datum recorder, Snapshot snapshot,
					 AccumRowVisit visit, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	List	   *units;
	ListCell   *lc;

	accum_query_begin(&state, accum_register_owner(reg));
	units = accum_recorders_units(reg, accum_recorder_array(reg, &recorder, 1), snapshot, context);
	accum_query_end(&state);
	accum_documents_check(reg, units);

	accum_query_begin(&state, InvalidOid);
	foreach(lc, units)
	{
		uint64		n = select_unit(reg, recorder, lfirst_int(lc), snapshot);
		SPITupleTable *rows = SPI_tuptable;

		MemoryContextSwitchTo(context);
		for (uint64 i = 0; i < n; i++)
			visit(arg, rows->vals[i], rows->tupdesc);
		SPI_freetuptable(rows);
	}
	accum_query_end(&state);
}

/*
 * Compare the document's stored rows in one unit with what it should be.
 * Appends the ids of rows to keep; returns whether others are there.
 */
static bool
compare_unit(AccumRegister *reg, AccumDifference *difference, Datum recorder,
			 AccumDay unit, Snapshot snapshot, Datum *kept, int *nkept)
{
	uint64		n = select_unit(reg, recorder, unit, snapshot);
	bool		others = false;

	for (uint64 i = 0; i < n; i++)
	{
		TupleDesc	desc = SPI_tuptable->tupdesc;
		HeapTuple	row = SPI_tuptable->vals[i];
		bool		isnull;

		if (accum_difference_match(difference, row, desc))
			kept[(*nkept)++] = SPI_getbinval(row, desc, desc->natts, &isnull);
		else
			others = true;
	}
	return others;
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

/* Make the stored document what the batch says; the change is open. */
static void
replace_rows(AccumRegister *reg, Datum recorder, const AccumDocumentLock *lock,
				AccumBatch *batch, AccumChange *change)
{
	AccumDifference *difference = accum_difference_create(reg, batch, true);
	Datum	   *kept = palloc_extended(sizeof(Datum) * Max(batch->nrows, 1), MCXT_ALLOC_HUGE);
	Tuplestorestate *missing = tuplestore_begin_heap(false, false, work_mem);
	List	   *to_clean = NIL;
	AccumQueryState state;
	ListCell   *lc;
	int			nkept = 0;

	accum_query_begin(&state, InvalidOid);
	foreach(lc, lock->units)
	{
		if (compare_unit(reg, difference, recorder, lfirst_int(lc), lock->seen, kept, &nkept))
			to_clean = lappend_int(to_clean, lfirst_int(lc));
	}
	foreach(lc, to_clean)
		delete_others(reg, recorder, lfirst_int(lc), lock->seen, kept, nkept);
	accum_query_end(&state);

	if (accum_difference_missing(difference, missing) > 0 &&
		!accum_movements_write(reg, change, batch->desc, missing))
		(void) accum_document_insert(reg, batch->desc, missing);
	tuplestore_end(missing);
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
