/*
 * leaf.h
 *		Partitions of movements as row triggers meet them.
 */
#ifndef ACCUM_LEAF_H
#define ACCUM_LEAF_H

#include "registry.h"

/* A partition and where it keeps the columns that matter. */
typedef struct AccumLeaf
{
	Oid			relation;		/* key of the cache */
	bool		valid;
	Oid			movements;
	MemoryContext context;
	AttrNumber	id;
	AttrNumber	recorded_at;
	AttrNumber	recorder;
	AttrNumber	period;
	AttrNumber	movement_type;
	AttrNumber	hashes[ACCUM_MAX_SIDES];
	AttrNumber	reverses[2];	/* and reverses_period, only with history */
	AttrNumber *dims;			/* of movements, as all these */
	AttrNumber *resources;
	AttrNumber *attributes;
	AccumCellColumns sides[ACCUM_MAX_SIDES];
} AccumLeaf;

extern void accum_leaf_init(void);
extern AccumCellColumns accum_leaf_cell_columns(const AccumLeaf *leaf, int side);
extern AccumRegister *accum_leaf_register(Relation relation, AccumLeaf **leaf);

#endif							/* ACCUM_LEAF_H */
