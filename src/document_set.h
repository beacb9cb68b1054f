/*
 * document_set.h
 *		The documents that a change writes movements of, to be entered in the map.
 */
#ifndef ACCUM_DOCUMENT_SET_H
#define ACCUM_DOCUMENT_SET_H

#include "registry.h"

typedef struct AccumDocuments AccumDocuments;

extern AccumDocuments *accum_documents_create(AccumRegister *reg);
extern void accum_documents_add(AccumDocuments *documents, const AccumDocumentKey *key,
								AccumDay day);
extern void accum_documents_store(AccumDocuments *documents);
extern void accum_documents_free(AccumDocuments *documents);

#endif							/* ACCUM_DOCUMENT_SET_H */
