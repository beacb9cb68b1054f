/*
 * document_replace.h
 *		Documents that are replaced, or reversed.
 */
#ifndef ACCUM_DOCUMENT_REPLACE_H
#define ACCUM_DOCUMENT_REPLACE_H

#include "document.h"

extern void accum_document_replace(AccumRegister *reg, Datum recorder, AccumBatch *batch);
extern int	accum_documents_reverse(AccumRegister *reg, AccumChange *change,
									const AccumDocumentLock *lock, const TimestampTz *at);

#endif							/* ACCUM_DOCUMENT_REPLACE_H */
