/*
 * derived.h
 *		The one writer of derived tables.
 */
#ifndef ACCUM_DERIVED_H
#define ACCUM_DERIVED_H

#include "delta_set.h"

extern void accum_derived_apply(AccumRegister *reg, AccumDeltaSet *set);
extern void accum_derived_append(AccumRegister *reg, AccumDeltaSet *set);

#endif							/* ACCUM_DERIVED_H */
