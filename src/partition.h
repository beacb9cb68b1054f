/*
 * partition.h
 *		Partitions of movements.
 */
#ifndef ACCUM_PARTITION_H
#define ACCUM_PARTITION_H

#include "nodes/pg_list.h"

#include "registry.h"

/* A partition, and the instants from and up to which it has movements. */
typedef struct AccumPartition
{
	Oid			oid;
	TimestampTz from;
	TimestampTz to;				/* exclusive */
} AccumPartition;

extern List *accum_partitions_list(AccumRegister *reg);
extern bool accum_partition_exists(Relation movements, TimestampTz period);
extern bool accum_partition_exists_in(AccumRegister *reg, Relation movements, AccumDay unit);
extern char *accum_partition_text(Oid partition);
extern Oid	accum_partition_default(AccumRegister *reg);
extern bool accum_default_is_large(Oid default_partition);
extern bool accum_used_by_this_session(Oid relation);
extern void accum_partition_create(AccumRegister *reg, AccumDay unit_start);
extern bool accum_partitions_missing(AccumRegister *reg, const AccumDay *units, int nunits);
extern void accum_partitions_create_missing(AccumRegister *reg, const AccumDay *units, int nunits);

#endif							/* ACCUM_PARTITION_H */
