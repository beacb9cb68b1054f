/*
 * document_find.h
 *		Which documents a recorder stands for.
 */
#ifndef ACCUM_DOCUMENT_FIND_H
#define ACCUM_DOCUMENT_FIND_H

#include "document.h"

extern List *accum_documents_find(AccumRegister *reg, ArrayType *recorders, Snapshot snapshot);
extern List *accum_documents_to_replace(AccumRegister *reg, Datum recorder, AccumBatch *batch,
										AccumDocumentKey *claim);
extern void accum_documents_check_found(AccumRegister *reg, const List *groups,
										Snapshot snapshot);
extern void accum_document_visit(AccumRegister *reg, Datum recorder, Snapshot snapshot,
								 AccumRowVisit visit, void *arg);
extern List *accum_batch_groups(AccumRegister *reg, AccumBatch *batch);
extern void accum_groups_check_scopes(AccumRegister *reg, const List *groups);
extern void accum_batch_check_scopes(AccumRegister *reg, AccumBatch *batch);

#endif							/* ACCUM_DOCUMENT_FIND_H */
