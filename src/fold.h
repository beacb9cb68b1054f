/*
 * fold.h
 *		Folding the deltas of high_write registers.
 *
 * TEMPORARY: a stand-in for the module of that name.
 */
#ifndef ACCUM_FOLD_H
#define ACCUM_FOLD_H

#include "registry.h"

extern int64 accum_fold_register(AccumRegister *reg, TimestampTz older_than, int64 batch_size);

#endif							/* ACCUM_FOLD_H */
