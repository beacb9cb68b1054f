/*
 * recorders.h
 *		The map from documents to the partitions that hold their movements.
 */
#ifndef ACCUM_RECORDERS_H
#define ACCUM_RECORDERS_H

#include "registry.h"
#include "utils/array.h"
#include "utils/tuplestore.h"

typedef struct AccumDocuments AccumDocuments;

extern AccumDocuments *accum_documents_create(AccumRegister *reg);
extern void accum_documents_add(AccumDocuments *documents, Datum recorder, AccumDay day);
extern void accum_documents_store(AccumDocuments *documents);
extern void accum_documents_free(AccumDocuments *documents);

extern void accum_recorder_claim(AccumRegister *reg, Datum recorder);
extern List *accum_recorders_lock(AccumRegister *reg, ArrayType *recorders,
								  MemoryContext result_context, Snapshot *snapshot);

#endif							/* ACCUM_RECORDERS_H */
