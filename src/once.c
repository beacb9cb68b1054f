/*
 * once.c
 *		Documents that are posted once, however often that is tried.
 *
 * A client that has not heard how a post ended tries again.  The first try claims
 * the head row of each document in the recorders map; a second one that comes at the
 * same time waits for it there, in key order.  What is known already is compared with
 * what is to be posted: the same movements are there, and nothing is left to do;
 * others are an error.  A document that was unposted is known, and has none.
 *
 * Known documents are locked like those of an unpost, so that they are compared in
 * a state that nobody is changing, and stay so until the transaction ends.
 *
 * In a secured register a document is known by its scope as well, which its movements
 * say: those of another tenant are neither waited for nor compared.
 *
 * The comparison is the register's own affair and runs as its owner: a poster needs
 * no right to read.  What is stored is told only to those who may read it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "difference.h"
#include "document_find.h"
#include "once.h"
#include "query.h"
#include "recorders.h"
#include "table_rows.h"

/* The keys of documents that were known before, in order. */
typedef struct KnownSet
{
	AccumRegister *reg;
	AccumDocumentKey *keys;
	int			n;
} KnownSet;

static bool
is_known(KnownSet *known, const Datum *values)
{
	AccumDocumentKey key = accum_document_key(known->reg, values[ACCUM_BATCH_RECORDER],
											  values + ACCUM_BATCH_DIMS);

	return bsearch_arg(&key, known->keys, known->n, sizeof(AccumDocumentKey),
					   accum_document_key_compare, known->reg) != NULL;
}

/* A movement for people. */
static char *
row_text(AccumRegister *reg, const Datum *values, const bool *nulls)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "period %s, movement_type %s, %s, (",
					 timestamptz_to_str(DatumGetTimestampTz(values[ACCUM_BATCH_PERIOD])),
					 TextDatumGetCString(values[ACCUM_BATCH_TYPE]),
					 accum_columns_text(reg->row_dims, reg->nrow_dims, values + ACCUM_BATCH_DIMS, nulls + ACCUM_BATCH_DIMS));
	for (int i = 0; i < reg->nrow_resources; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", reg->row_resources[i].name);
	appendStringInfoString(&buf, ") = (");
	for (int i = 0; i < reg->nrow_resources; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "",
						 OutputFunctionCall(&reg->row_resources[i].output,
											values[ACCUM_BATCH_DIMS + reg->nrow_dims + i]));
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/*
 * A document has other movements than those to be posted: the one at this position
 * (from 0) is not stored, or with -1 one is stored that is not posted.
 */
static void
document_differs(AccumRegister *reg, int position, const Datum *values, const bool *nulls)
{
	char	   *recorder = OutputFunctionCall(&reg->recorder.output, values[ACCUM_BATCH_RECORDER]);
	char	   *row = accum_may_count(reg->movements) ? row_text(reg, values, nulls) : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("document \"%s\" of register \"%s\" is known, with other movements",
					recorder, reg->name),
			 row == NULL ? 0
			 : position < 0 ? errdetail("It has a movement that is not posted: %s.", row)
			 : errdetail("It does not have movement %d: %s.", position + 1, row),
			 errhint("Use accum.register_repost() to correct a document.")));
}

/* The stored rows of known documents, and what is to be posted. */
typedef struct Match
{
	AccumDifference *difference;
	HeapTuple	unwanted;		/* the earliest that is not wanted */
	TimestampTz unwanted_period;
	TupleDesc	desc;
} Match;

static void
match_stored(void *arg, HeapTuple row, TupleDesc desc)
{
	Match	   *match = arg;
	bool		isnull;
	TimestampTz period;

	if (accum_difference_match(match->difference, row, desc))
		return;
	period = DatumGetTimestampTz(heap_getattr(row, ACCUM_BATCH_PERIOD + 1, desc, &isnull));
	if (match->unwanted != NULL && period >= match->unwanted_period)
		return;
	match->unwanted = heap_copytuple(row);
	match->unwanted_period = period;
	match->desc = CreateTupleDescCopy(desc);
}

/*
 * Are the known documents what the batch says?  An error when one is not.  Rows of
 * the batch that are of documents not known before go to unknown; returns how many.
 */
static int
compare_known(AccumRegister *reg, AccumBatch *batch, const List *groups,
			  const AccumDocumentLock *lock, Tuplestorestate *unknown)
{
	AccumStored stored = {
		.role = accum_register_owner(reg),
		.groups = lock->groups,
		.units = lock->units,
		.snapshot = lock->seen,
	};
	Match		match = {.difference = accum_difference_create(reg, batch, false)};
	KnownSet	known = {.reg = reg};
	int			position = -1;
	int			n = 0;
	Datum	   *values;
	bool	   *nulls;

	known.keys = accum_groups_keys(reg, groups, &known.n);
	qsort_arg(known.keys, known.n, sizeof(AccumDocumentKey), accum_document_key_compare, reg);
	accum_documents_visit(reg, &stored, match_stored, &match);
	while ((position = accum_difference_next(match.difference, position + 1, &values, &nulls)) >= 0)
	{
		if (is_known(&known, values))
			document_differs(reg, position, values, nulls);
		tuplestore_putvalues(unknown, batch->desc, values, nulls);
		n++;
	}
	if (match.unwanted != NULL)
	{
		values = palloc(sizeof(Datum) * match.desc->natts);
		nulls = palloc(sizeof(bool) * match.desc->natts);
		heap_deform_tuple(match.unwanted, match.desc, values, nulls);
		document_differs(reg, -1, values, nulls);
	}
	return n;
}

/* Claim the documents of a batch, as the register's owner; returns those that were known. */
static List *
claim_documents(AccumRegister *reg, const List *groups)
{
	List	   *known = NIL;
	const ListCell *lc;

	foreach(lc, groups)
	{
		const AccumDocumentGroup *group = lfirst(lc);
		ArrayType  *recorders = accum_recorders_claim_all(reg, group);

		if (recorders != NULL)
			known = lappend(known, accum_document_group(group->scope, recorders));
	}
	return known;
}

/*
 * Leave in a batch what is still to be posted: movements of documents that were not
 * known before.  Raises unique_violation when a known document is another one.
 */
void
accum_once_filter(AccumRegister *reg, AccumBatch *batch)
{
	List	   *groups = accum_batch_groups(reg, batch);
	List	   *known;
	Tuplestorestate *unknown;
	AccumDocumentLock lock;
	AccumQueryState state;

	accum_groups_check_scopes(reg, groups);
	accum_identity_begin(&state, accum_register_owner(reg));
	known = claim_documents(reg, groups);
	if (known != NIL && !accum_recorders_lock(reg, known, &lock))
		elog(ERROR, "known documents have no rows in the map");
	accum_identity_end(&state);
	if (known == NIL)
		return;
	accum_documents_check(reg, lock.units);

	unknown = tuplestore_begin_heap(false, false, work_mem);
	batch->nrows = compare_known(reg, batch, known, &lock, unknown);
	accum_recorders_leave(&lock);
	tuplestore_end(batch->rows);
	batch->rows = unknown;
}
