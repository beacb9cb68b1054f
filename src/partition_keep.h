/*
 * partition_keep.h
 *		Partitions made ahead, and rows moved to them out of the default one.
 */
#ifndef ACCUM_PARTITION_KEEP_H
#define ACCUM_PARTITION_KEEP_H

#include "registry.h"

/* So many partitions at most are made or detached by one call: a leap year of days. */
#define ACCUM_MAX_PARTITIONS_AT_ONCE 366

extern int	accum_partitions_ahead;

extern AccumDay accum_partitions_last_ahead(AccumRegister *reg);
extern List *accum_partitions_in_default(AccumRegister *reg, AccumDay before, int limit,
										 bool warn);
extern void accum_partitions_lock(AccumRegister *reg);
extern void accum_partitions_make(AccumRegister *reg, const List *units);
extern int	accum_partitions_keep(AccumRegister *reg, AccumDay last, int limit, bool *more);

#endif							/* ACCUM_PARTITION_KEEP_H */
