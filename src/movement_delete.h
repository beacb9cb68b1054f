/*
 * movement_delete.h
 *		Movements of documents removed straight from their partitions.
 */
#ifndef ACCUM_MOVEMENT_DELETE_H
#define ACCUM_MOVEMENT_DELETE_H

#include "engine.h"
#include "recorders.h"

extern bool accum_movements_delete(AccumRegister *reg, AccumChange *change,
								   const AccumDocumentLock *lock, int *n);

#endif							/* ACCUM_MOVEMENT_DELETE_H */
