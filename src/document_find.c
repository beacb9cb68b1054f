/*
 * document_find.c
 *		Which documents a recorder stands for.
 *
 * Where a register is not secured that is one document, and nothing has to be looked
 * for.  In a secured one a document is known by recorder and scope (scope.c).  A
 * recorder stands for the document of the one scope that the caller may see; documents
 * of other scopes are not there for the caller, who neither waits for them nor
 * fails because of them.
 *
 * Who sees several scopes may find a recorder in more than one.  Those of them count
 * that have movements in force; if there are still several, nobody can tell which was
 * meant, and it is an error.
 *
 * New movements say of which scope they are.  A repost of a document by movements of
 * another scope, to whoever may see both, moves it there.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "direct.h"
#include "document_find.h"
#include "scope.h"

/* A row is there. */
static void
note_row(void *arg, HeapTuple row, TupleDesc desc)
{
	*(bool *) arg = true;
}

/* Has a document movements in force that the caller may see? */
static bool
in_force(AccumRegister *reg, AccumDocumentKey *key, Snapshot snapshot)
{
	List	   *groups = accum_document_groups(reg, key, 1);
	AccumStored stored = {.groups = groups,.snapshot = snapshot};
	bool		found = false;

	stored.units = accum_documents_units(reg, groups, snapshot);
	accum_documents_visit(reg, &stored, note_row, &found);
	return found;
}

static void
several_scopes(AccumRegister *reg, const AccumDocumentKey *a, const AccumDocumentKey *b)
{
	const char *dimension = reg->row_dims[reg->secured].name;

	ereport(ERROR,
			(errcode(ERRCODE_CARDINALITY_VIOLATION),
			 errmsg("register \"%s\" has several documents \"%s\"", reg->name,
					OutputFunctionCall(&reg->recorder.output, a->recorder)),
			 errdetail("There is one with %s = %s, and one with %s = %s.",
					   dimension, accum_scope_text(reg, a->scope),
					   dimension, accum_scope_text(reg, b->scope)),
			 errhint("Call this as a role that sees one of them only, or remove movements with DELETE.")));
}

/* Leave of n documents with one recorder that in force; returns how many there are, 0 or 1. */
static int
choose_in_force(AccumRegister *reg, AccumDocumentKey *keys, int n, Snapshot snapshot)
{
	int			nchosen = 0;

	for (int i = 0; i < n; i++)
	{
		if (!in_force(reg, &keys[i], snapshot))
			continue;
		if (nchosen > 0)
			several_scopes(reg, &keys[0], &keys[i]);
		keys[nchosen++] = keys[i];
	}
	return nchosen;
}

/* Of sorted keys, those that the caller may see; each scope is asked about once. */
static int
keep_visible(AccumRegister *reg, AccumDocumentKey *keys, int n)
{
	AccumColumn *scope = &reg->row_dims[reg->secured];
	bool		visible = false;
	int			nkept = 0;

	for (int i = 0; i < n; i++)
	{
		if (i == 0 || !datumIsEqual(keys[i - 1].scope, keys[i].scope, scope->typbyval, scope->typlen))
			visible = accum_scope_visible(reg, keys[i].scope);
		if (visible)
			keys[nkept++] = keys[i];
	}
	return nkept;
}

/* For sorting by recorder. */
static int
compare_recorders(const void *a, const void *b, void *reg)
{
	AccumDocumentKey first = *(const AccumDocumentKey *) a;
	AccumDocumentKey second = *(const AccumDocumentKey *) b;

	first.scope = second.scope;
	return accum_document_key_compare(&first, &second, reg);
}

/* Choose one document for each recorder. */
static int
choose(AccumRegister *reg, AccumDocumentKey *keys, int n, Snapshot snapshot)
{
	int			nchosen = 0;

	qsort_arg(keys, n, sizeof(AccumDocumentKey), compare_recorders, reg);
	for (int i = 0, next; i < n; i = next)
	{
		int			nsame = 1;

		next = i + 1;
		while (next < n && compare_recorders(&keys[i], &keys[next], reg) == 0)
			next++;
		if (next > i + 1)
			nsame = choose_in_force(reg, &keys[i], next - i, snapshot);
		if (nsame > 0)
			keys[nchosen++] = keys[i];
	}
	return nchosen;
}

/*
 * The documents that recorders stand for, for the caller and as far as a snapshot shows;
 * InvalidSnapshot for what is there now.  Without scopes that is all of them, known or
 * not; in a secured register those that are known.
 */
List *
accum_documents_find(AccumRegister *reg, ArrayType *recorders, Snapshot snapshot)
{
	AccumDocumentKey *keys;
	int			n;

	if (!accum_register_secured(reg))
		return list_make1(accum_document_group((Datum) 0, recorders));
	keys = accum_recorders_keys(reg, recorders, snapshot, &n);
	qsort_arg(keys, n, sizeof(AccumDocumentKey), accum_document_key_compare, reg);
	n = keep_visible(reg, keys, n);
	n = choose(reg, keys, n, snapshot);
	return accum_document_groups(reg, keys, n);
}

/* Show the rows of one document that are in force, as the caller. */
void
accum_document_visit(AccumRegister *reg, Datum recorder, Snapshot snapshot,
					 AccumRowVisit visit, void *arg)
{
	List	   *groups = accum_documents_find(reg, accum_recorder_array(reg, &recorder, 1), snapshot);
	AccumStored stored = {.groups = groups,.snapshot = snapshot};

	stored.units = accum_documents_units(reg, groups, snapshot);
	accum_documents_check(reg, stored.units);
	accum_documents_visit(reg, &stored, visit, arg);
}

/* The keys of a batch's documents; those whose lines do not follow one another come twice. */
static AccumDocumentKey *
batch_keys(AccumRegister *reg, AccumBatch *batch, int *nkeys)
{
	AccumColumn *recorder = &reg->recorder;
	AccumColumn *scope = accum_register_secured(reg) ? &reg->row_dims[reg->secured] : NULL;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(batch->desc, &TTSOpsMinimalTuple);
	AccumDocumentKey *keys = palloc_extended(sizeof(AccumDocumentKey) * Max(batch->nrows, 1),
											 MCXT_ALLOC_HUGE);
	int			n = 0;

	tuplestore_rescan(batch->rows);
	while (tuplestore_gettupleslot(batch->rows, true, false, slot))
	{
		AccumDocumentKey key;

		slot_getsomeattrs(slot, scope == NULL ? ACCUM_BATCH_RECORDER + 1
						  : ACCUM_BATCH_DIMS + reg->secured + 1);
		key = accum_document_key(reg, slot->tts_values[ACCUM_BATCH_RECORDER],
								 slot->tts_values + ACCUM_BATCH_DIMS);
		if (n > 0 &&
			datumIsEqual(keys[n - 1].recorder, key.recorder, recorder->typbyval, recorder->typlen) &&
			(scope == NULL || datumIsEqual(keys[n - 1].scope, key.scope, scope->typbyval, scope->typlen)))
			continue;
		keys[n].recorder = datumCopy(key.recorder, recorder->typbyval, recorder->typlen);
		keys[n].scope = scope == NULL ? (Datum) 0
			: datumCopy(key.scope, scope->typbyval, scope->typlen);
		n++;
	}
	tuplestore_rescan(batch->rows);
	ExecDropSingleTupleTableSlot(slot);
	*nkeys = n;
	return keys;
}

/* The documents of a batch, by scope. */
List *
accum_batch_groups(AccumRegister *reg, AccumBatch *batch)
{
	int			n;
	AccumDocumentKey *keys = batch_keys(reg, batch, &n);

	return accum_document_groups(reg, keys, n);
}

/*
 * Refuse documents of scopes that the caller may not write, before anything is looked
 * for, or entered in the map, that belongs to them.
 */
void
accum_groups_check_scopes(AccumRegister *reg, const List *groups)
{
	const ListCell *lc;

	if (!accum_register_secured(reg))
		return;
	foreach(lc, groups)
		accum_scope_check(reg, ((AccumDocumentGroup *) lfirst(lc))->scope);
}

/* The same for those that a batch has movements of. */
void
accum_batch_check_scopes(AccumRegister *reg, AccumBatch *batch)
{
	if (accum_register_secured(reg))
		accum_groups_check_scopes(reg, accum_batch_groups(reg, batch));
}

/* In a secured register: the same for accum_documents_to_replace. */
static List *
scoped_to_replace(AccumRegister *reg, Datum recorder, AccumBatch *batch, AccumDocumentKey *claim)
{
	List	   *new = accum_batch_groups(reg, batch);
	List	   *known;
	AccumDocumentKey keys[2];
	int			n = 0;

	accum_groups_check_scopes(reg, new);
	if (list_length(new) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("movements of document \"%s\" have several values of dimension \"%s\"",
						OutputFunctionCall(&reg->recorder.output, recorder),
						reg->row_dims[reg->secured].name),
				 errdetail("Register \"%s\" keeps documents apart by this dimension.", reg->name)));
	known = accum_documents_find(reg, accum_recorder_array(reg, &recorder, 1), InvalidSnapshot);
	if (known != NIL)
		keys[n++] = (AccumDocumentKey) {recorder, ((AccumDocumentGroup *) linitial(known))->scope};
	if (new != NIL)
		keys[n++] = (AccumDocumentKey) {recorder, ((AccumDocumentGroup *) linitial(new))->scope};
	if (n > 0)
		*claim = keys[n - 1];
	return accum_document_groups(reg, keys, n);
}

/*
 * The documents to be locked for making one consist of a batch, and in *claim the one
 * that must have a row in the map by then.  NIL where there is nothing to do: neither is
 * the document known nor has the batch a movement that would say whose it is.
 */
List *
accum_documents_to_replace(AccumRegister *reg, Datum recorder, AccumBatch *batch,
						   AccumDocumentKey *claim)
{
	*claim = (AccumDocumentKey) {recorder, (Datum) 0};
	if (accum_register_secured(reg))
		return scoped_to_replace(reg, recorder, batch, claim);
	return list_make1(accum_document_group((Datum) 0, accum_recorder_array(reg, &recorder, 1)));
}

/*
 * Documents, by groups, have been waited for: are they still where they were found?
 * Somebody who sees several scopes may have moved one, to a scope that nobody has locked.
 * Who sees one scope only finds what was found before.
 */
void
accum_documents_check_found(AccumRegister *reg, const List *groups, Snapshot snapshot)
{
	AccumDocumentKey *asked;
	AccumDocumentKey *found;
	Datum	   *recorders;
	int			nasked;
	int			nfound;

	if (!accum_register_secured(reg))
		return;
	asked = accum_groups_keys(reg, groups, &nasked);
	if (nasked > 0)
		qsort_arg(asked, nasked, sizeof(AccumDocumentKey), accum_document_key_compare, reg);
	recorders = palloc_extended(sizeof(Datum) * Max(nasked, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < nasked; i++)
		recorders[i] = asked[i].recorder;
	found = accum_groups_keys(reg, accum_documents_find(reg, accum_recorder_array(reg, recorders, nasked), snapshot),
							  &nfound);
	for (int i = 0; i < nfound; i++)
	{
		if (bsearch_arg(&found[i], asked, nasked, sizeof(AccumDocumentKey),
						accum_document_key_compare, reg) == NULL)
			accum_direct_serialization_failure(TM_Updated);
	}
}
