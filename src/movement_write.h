/*
 * movement_write.h
 *		Movements written straight into their partitions.
 */
#ifndef ACCUM_MOVEMENT_WRITE_H
#define ACCUM_MOVEMENT_WRITE_H

#include "engine.h"
#include "movement_json.h"

extern bool accum_movements_write(AccumRegister *reg, AccumChange *change, TupleDesc desc,
								  Tuplestorestate *rows);

#endif							/* ACCUM_MOVEMENT_WRITE_H */
