/*
 * derived_direct.h
 *		Derived rows written straight into their tables.
 */
#ifndef ACCUM_DERIVED_DIRECT_H
#define ACCUM_DERIVED_DIRECT_H

#include "delta_set.h"
#include "utils/snapshot.h"

extern bool accum_derived_direct_add(AccumRegister *reg, AccumRole role,
									 AccumDeltaSet *set);

#endif							/* ACCUM_DERIVED_DIRECT_H */
