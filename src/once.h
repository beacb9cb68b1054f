/*
 * once.h
 *		Documents that are posted once, however often that is tried.
 */
#ifndef ACCUM_ONCE_H
#define ACCUM_ONCE_H

#include "movement_json.h"

extern void accum_once_filter(AccumRegister *reg, AccumBatch *batch);

#endif							/* ACCUM_ONCE_H */
