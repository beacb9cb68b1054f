/*
 * stats.h
 *		Counters of registers in shared memory.
 */
#ifndef ACCUM_STATS_H
#define ACCUM_STATS_H

#include "registry.h"

/* What is counted; the order is that of the columns of _register_counters. */
typedef enum AccumStat
{
	ACCUM_STAT_POSTS,
	ACCUM_STAT_UNPOSTS,
	ACCUM_STAT_REPOSTS,
	ACCUM_STAT_MOVEMENTS_IN,
	ACCUM_STAT_MOVEMENTS_OUT,
	ACCUM_STAT_DERIVED_ROWS,
	ACCUM_STAT_DELTAS_FOLDED,
	ACCUM_STAT_WORKER_ERRORS
} AccumStat;

#define ACCUM_STATS (ACCUM_STAT_WORKER_ERRORS + 1)

extern void accum_stats_init(void);
extern void accum_stats_add(AccumRegister *reg, AccumStat stat, int64 n);
extern void accum_stats_forget(Oid movements);
extern void accum_stats_forget_others(Oid database, const List *movements);
extern void accum_stats_failed(Oid movements);
extern void accum_stats_succeeded(Oid movements);
extern bool accum_stats_may_try(Oid movements);

#endif							/* ACCUM_STATS_H */
