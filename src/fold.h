/*
 * fold.h
 *		Deltas of high_write, folded into balance cache and totals.
 */
#ifndef ACCUM_FOLD_H
#define ACCUM_FOLD_H

#include "registry.h"

/* What was folded. */
typedef struct AccumFolded
{
	int64		deltas;
	int64		cells;
	int			left_out;		/* cells whose sums do not fit */
} AccumFolded;

extern AccumFolded accum_fold(AccumRegister *reg, TimestampTz older_than, int64 limit);
extern AccumFolded accum_fold_all(AccumRegister *reg);
extern void accum_fold_completely(AccumRegister *reg);

#endif							/* ACCUM_FOLD_H */
