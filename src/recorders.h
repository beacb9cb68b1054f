/*
 * recorders.h
 *		The map from documents to the partitions that hold their movements.
 */
#ifndef ACCUM_RECORDERS_H
#define ACCUM_RECORDERS_H

#include "registry.h"
#include "utils/array.h"
#include "utils/snapshot.h"

/* Documents of one scope; without scopes there is one such group. */
typedef struct AccumDocumentGroup
{
	Datum		scope;
	ArrayType  *recorders;
} AccumDocumentGroup;

/* Documents locked by an unpost or repost; see accum_recorders_lock. */
typedef struct AccumDocumentLock
{
	List	   *groups;			/* those locked, of those asked for */
	List	   *units;
	Snapshot	locked;			/* shows the rows that are locked */
	Snapshot	seen;			/* shows the documents as they are */
	List	   *documents;		/* each of those locked, or NIL: too many */
	int64		revisions;		/* of all rows locked, together */
} AccumDocumentLock;

extern ArrayType *accum_recorder_array(const AccumRegister *reg, Datum *recorders, int n);
extern void accum_recorders_unit_bounds(AccumRegister *reg, AccumDay unit, Datum *from,
										Datum *to);
extern AccumDocumentGroup *accum_document_group(Datum scope, ArrayType *recorders);
extern List *accum_document_groups(AccumRegister *reg, AccumDocumentKey *keys, int n);
extern AccumDocumentKey *accum_groups_keys(const AccumRegister *reg, const List *groups,
										   int *nkeys);
extern char *accum_scope_condition(AccumRegister *reg, const char *column, const char *value);
extern int	accum_document_key_compare(const void *a, const void *b, void *reg);
extern AccumDocumentKey *accum_recorders_keys(AccumRegister *reg, ArrayType *recorders,
											  Snapshot snapshot, int *nkeys);
extern void accum_recorder_claim(AccumRegister *reg, const AccumDocumentKey *key);
extern ArrayType *accum_recorders_claim_all(AccumRegister *reg, const AccumDocumentGroup *group);
extern List *accum_recorders_units(AccumRegister *reg, const List *groups, Snapshot snapshot,
								   MemoryContext result_context);
extern bool accum_recorders_lock(AccumRegister *reg, const List *groups,
								 AccumDocumentLock *lock);
extern void accum_recorders_bump(AccumRegister *reg, AccumDocumentLock *lock);
extern void accum_recorders_leave(AccumDocumentLock *lock);

#endif							/* ACCUM_RECORDERS_H */
