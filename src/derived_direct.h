/*
 * derived_direct.h
 *		Derived rows written straight into their tables.
 */
#ifndef ACCUM_DERIVED_DIRECT_H
#define ACCUM_DERIVED_DIRECT_H

#include "delta_set.h"

typedef struct AccumDerivedWriter AccumDerivedWriter;

extern AccumDerivedWriter *accum_derived_direct_begin(AccumRegister *reg);
extern bool accum_derived_direct_add(AccumDerivedWriter *all, AccumRole role,
									 AccumDeltaSet *set);
extern void accum_derived_direct_look_again(AccumDerivedWriter *all);
extern void accum_derived_direct_end(AccumDerivedWriter *all);

#endif							/* ACCUM_DERIVED_DIRECT_H */
