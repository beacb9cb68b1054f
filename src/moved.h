/*
 * moved.h
 *		Movements that have moved to a partition since a snapshot was taken.
 */
#ifndef ACCUM_MOVED_H
#define ACCUM_MOVED_H

#include "registry.h"

extern void accum_moved_check(AccumRegister *reg, TimestampTz from, TimestampTz to);

#endif							/* ACCUM_MOVED_H */
