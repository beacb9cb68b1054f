/*
 * partition.h
 *		Partitions of movements.
 */
#ifndef ACCUM_PARTITION_H
#define ACCUM_PARTITION_H

#include "registry.h"

extern int	accum_partitions_ahead;

extern bool accum_partition_exists(Relation movements, TimestampTz period);
extern void accum_partition_create(AccumRegister *reg, AccumDay unit_start);
extern void accum_partitions_create_ahead(AccumRegister *reg);
extern bool accum_partitions_missing(AccumRegister *reg, const AccumDay *units, int nunits);
extern void accum_partitions_create_missing(AccumRegister *reg, const AccumDay *units, int nunits);

#endif							/* ACCUM_PARTITION_H */
