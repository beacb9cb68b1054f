/*
 * derived.h
 *		The one writer of derived tables.
 */
#ifndef ACCUM_DERIVED_H
#define ACCUM_DERIVED_H

#include "delta_set.h"

extern void accum_derived_apply(AccumRegister *reg, AccumDeltaSet *set);
extern void accum_derived_append(AccumRegister *reg, AccumDeltaSet *set);
extern AccumRole accum_derived_home(const AccumRegister *reg);
extern int64 accum_derived_failed_cell(void);
extern bool accum_derived_writes(Oid relation);
extern void accum_derived_note_row(int64 dim_hash);

/* For the modules of the engine that write other guarded tables. */
extern uint64 accum_derived_run(AccumRegister *reg, SPIPlanPtr plan, Oid relation,
								Datum *values, Snapshot snapshot, int expected);

#endif							/* ACCUM_DERIVED_H */
