/*
 * guarded.h
 *		Writing tables that refuse everybody else's DML.
 */
#ifndef ACCUM_GUARDED_H
#define ACCUM_GUARDED_H

#include "registry.h"
#include "utils/snapshot.h"

extern bool accum_guarded_writes(Oid relation);
extern uint64 accum_guarded_run(AccumRegister *reg, SPIPlanPtr plan, Oid relation,
								Datum *values, Snapshot snapshot, int expected);
extern uint64 accum_guarded_run_newest(AccumRegister *reg, Oid relation, const char *sql,
									   int nargs, Oid *types, Datum *values, int expected);

#endif							/* ACCUM_GUARDED_H */
