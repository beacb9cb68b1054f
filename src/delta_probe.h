/*
 * delta_probe.h
 *		Which of some cells have deltas that are not folded?
 */
#ifndef ACCUM_DELTA_PROBE_H
#define ACCUM_DELTA_PROBE_H

#include "registry.h"
#include "utils/snapshot.h"

extern int	accum_delta_probe(AccumRegister *reg, Snapshot snapshot, int64 *hashes, int n);

#endif							/* ACCUM_DELTA_PROBE_H */
