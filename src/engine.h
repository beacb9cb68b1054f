/*
 * engine.h
 *		From changed movements to changed derived tables.
 */
#ifndef ACCUM_ENGINE_H
#define ACCUM_ENGINE_H

#include "delta_set.h"
#include "utils/tuplestore.h"

typedef struct AccumChange AccumChange;

extern AccumChange *accum_change_begin(AccumRegister *reg);
extern void accum_change_add(AccumChange *change, const AccumMovement *movement,
							 Datum recorder);
extern void accum_change_end(AccumChange *change);
extern void accum_change_abandon(AccumChange *change);
extern void accum_engine_apply(AccumRegister *reg, TupleDesc desc,
							   Tuplestorestate *rows, int sign);

#endif							/* ACCUM_ENGINE_H */
