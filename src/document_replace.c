/*
 * document_replace.c
 *		Documents that are replaced, or reversed.
 *
 * A repost compares a document as it is stored with what it should be (difference.c)
 * and writes what differs; with history what goes gets a reversal.  All is done as the
 * caller, in the open change of the operation.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "difference.h"
#include "document_find.h"
#include "document_replace.h"
#include "movement_write.h"
#include "partition.h"
#include "query.h"
#include "reversal.h"

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
replace_rows(AccumRegister *reg, const AccumDocumentLock *lock, AccumBatch *batch,
			 AccumChange *change)
{
	AccumStored stored = {
		.groups = lock->groups,
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
	ListCell   *lg;
	ListCell   *lu;

	accum_documents_visit(reg, &stored, visit_stored, &replacement);
	accum_query_begin(&state, InvalidOid);
	foreach(lg, lock->groups)
	{
		foreach(lu, replacement.to_clean)
			accum_documents_delete_others(reg, lfirst(lg), lfirst_int(lu), lock->seen,
										  replacement.kept, replacement.nkept);
	}
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
	AccumDocumentKey claim;
	List	   *groups = accum_documents_to_replace(reg, recorder, batch, &claim);
	AccumDocumentLock lock;
	AccumChange *change;

	if (groups == NIL)
		return;
	if (!accum_documents_lock(reg, groups, &claim, &lock))
		elog(ERROR, "document has no row in the map after it was claimed");
	accum_documents_check_found(reg, groups, lock.seen);
	if (accum_partitions_missing(reg, batch->units, batch->nunits))
		accum_partitions_create_missing(reg, batch->units, batch->nunits);

	change = accum_change_begin(reg);
	PG_TRY();
	{
		replace_rows(reg, &lock, batch, change);
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
		.groups = lock->groups,
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
