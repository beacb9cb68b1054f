/*
 * map.h
 *		The documents map, read and written straight.
 */
#ifndef ACCUM_MAP_H
#define ACCUM_MAP_H

#include "access/relscan.h"
#include "direct.h"
#include "executor/tuptable.h"
#include "registry.h"
#include "utils/snapshot.h"

/* The map of a register, open. */
typedef struct AccumMap
{
	AccumRegister *reg;
	Relation	rel;
	AttrNumber	scope;			/* its column, InvalidAttrNumber where there is none */
	Relation	index;			/* NULL until needed */
	RegProcedure equal[2];		/* of recorders and scopes, InvalidOid until needed */
	TupleTableSlot *slot;
	AccumDirect direct;			/* for rows to be inserted, which */
	TupleTableSlot *new_row;	/* are put here; NULL while there has been none */
} AccumMap;

/* A document that is locked. */
typedef struct AccumLockedDocument
{
	AccumDocumentKey key;
	List	   *rows;			/* HeapTuples, as they were when they were locked */
	List	   *units;			/* first days of the units in which it has, or had, movements */
	int64		revisions;		/* of its rows, together */
} AccumLockedDocument;

extern bool accum_map_open(AccumMap *map, AccumRegister *reg);
extern void accum_map_store(AccumMap *map, const AccumDocumentKey *key, AccumDay unit);
extern bool accum_map_lock(AccumMap *map, AccumLockedDocument *document, Snapshot snapshot);
extern void accum_map_find_units(AccumMap *map, AccumLockedDocument *document,
								 Snapshot snapshot);
extern bool accum_map_bump(AccumMap *map, const AccumLockedDocument *document,
						   Snapshot snapshot);
extern Oid	accum_map_order(AccumMap *map, int column, Oid *collation);
extern int	accum_map_compare(AccumMap *map, const AccumDocumentKey *a,
							  const AccumDocumentKey *b);
extern void accum_map_close(AccumMap *map);

#endif							/* ACCUM_MAP_H */
