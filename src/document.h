/*
 * document.h
 *		Documents as they are stored: read, locked, removed.
 */
#ifndef ACCUM_DOCUMENT_H
#define ACCUM_DOCUMENT_H

#include "access/htup.h"
#include "engine.h"
#include "movement_json.h"
#include "recorders.h"

/* Which rows to show. */
typedef struct AccumStored
{
	Oid			role;			/* to read as; InvalidOid for the caller */
	const List *groups;			/* of the documents, by scope */
	const List *units;			/* that they are in, in ascending order */
	Snapshot	snapshot;
	bool		to_change;		/* the documents are locked, and about to be changed */
} AccumStored;

/* Is shown a stored row: the columns of a batch, others, and id. */
typedef void (*AccumRowVisit) (void *arg, HeapTuple row, TupleDesc desc);

extern int	accum_document_insert(AccumRegister *reg, TupleDesc desc, Tuplestorestate *rows);
extern void accum_documents_check(AccumRegister *reg, const List *units);
extern bool accum_documents_lock(AccumRegister *reg, const List *groups,
								 const AccumDocumentKey *claim, AccumDocumentLock *lock);
extern void accum_documents_bump(AccumRegister *reg, AccumDocumentLock *lock);
extern int	accum_documents_delete(AccumRegister *reg, const AccumDocumentLock *lock);
extern void accum_documents_delete_others(AccumRegister *reg, const AccumDocumentGroup *group,
										  AccumDay unit, Snapshot snapshot, Datum *kept,
										  int nkept);
extern List *accum_documents_units(AccumRegister *reg, const List *groups, Snapshot snapshot);
extern void accum_documents_visit(AccumRegister *reg, const AccumStored *stored,
								  AccumRowVisit function, void *arg);

#endif							/* ACCUM_DOCUMENT_H */
