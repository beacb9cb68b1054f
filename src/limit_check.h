/*
 * limit_check.h
 *		Do balances keep to the limits of their register?
 */
#ifndef ACCUM_LIMIT_CHECK_H
#define ACCUM_LIMIT_CHECK_H

#include "delta_set.h"
#include "utils/snapshot.h"

/* Told of a limit that a cell would break; everything lives until it returns. */
typedef void (*AccumLimitVisitor) (void *arg, const Datum *dims, const bool *nulls,
								   const char *limit);

extern void accum_limits_check(AccumRegister *reg, AccumDeltaSet *set);
extern void accum_limits_check_cells(AccumRegister *reg, const AccumLimitDef *limits,
									 int nlimits);
extern bool accum_limits_foresee(AccumRegister *reg, AccumDeltaSet *set, Snapshot snapshot,
								 AccumLimitVisitor visit, void *arg);

#endif							/* ACCUM_LIMIT_CHECK_H */
