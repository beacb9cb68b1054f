/*
 * pending.h
 *		Deltas that a transaction keeps to itself for a while: pg_accumulator.coalesce.
 */
#ifndef ACCUM_PENDING_H
#define ACCUM_PENDING_H

#include "delta_set.h"

extern bool accum_coalesce;

extern void accum_pending_init(void);
extern bool accum_pending_add(AccumRegister *reg, const AccumDeltaSet *set);
extern void accum_pending_flush(void);
extern void accum_pending_push_snapshot(void);

#endif							/* ACCUM_PENDING_H */
