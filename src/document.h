/*
 * document.h
 *		Documents as they are stored: read, locked, replaced.
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
	ArrayType  *recorders;
	const List *units;			/* that they are in, in ascending order */
	Snapshot	snapshot;
	bool		to_change;		/* the documents are locked, and about to be changed */
} AccumStored;

/* Is shown a stored row: the columns of a batch, others, and id. */
typedef void (*AccumRowVisit) (void *arg, HeapTuple row, TupleDesc desc);

extern int	accum_document_insert(AccumRegister *reg, TupleDesc desc, Tuplestorestate *rows);
extern void accum_documents_check(AccumRegister *reg, const List *units);
extern bool accum_documents_lock(AccumRegister *reg, ArrayType *recorders, const Datum *claim,
								 AccumDocumentLock *lock);
extern void accum_documents_bump(AccumRegister *reg, AccumDocumentLock *lock);
extern void accum_documents_visit(AccumRegister *reg, const AccumStored *stored,
								  AccumRowVisit visit, void *arg);
extern void accum_document_visit(AccumRegister *reg, Datum recorder, Snapshot snapshot,
								 AccumRowVisit visit, void *arg);
extern void accum_document_replace(AccumRegister *reg, Datum recorder, AccumBatch *batch);
extern int	accum_documents_reverse(AccumRegister *reg, AccumChange *change,
									const AccumDocumentLock *lock, const TimestampTz *at);

#endif							/* ACCUM_DOCUMENT_H */
