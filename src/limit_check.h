/*
 * limit_check.h
 *		Do balances keep to the limits of their register?
 */
#ifndef ACCUM_LIMIT_CHECK_H
#define ACCUM_LIMIT_CHECK_H

#include "delta_set.h"
#include "utils/snapshot.h"

extern void accum_limits_check(AccumRegister *reg, AccumDeltaSet *set);
extern void accum_limits_check_cells(AccumRegister *reg, const AccumLimitDef *limits,
									 int nlimits);
extern List *accum_limits_broken_by(AccumRegister *reg, const Datum *dims, const bool *nulls,
									const AccumSum *net, int64 movements, Snapshot snapshot);

#endif							/* ACCUM_LIMIT_CHECK_H */
