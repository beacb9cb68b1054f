/*
 * route.h
 *		Which partition a movement goes to, or lies in.
 */
#ifndef ACCUM_ROUTE_H
#define ACCUM_ROUTE_H

#include "nodes/parsenodes.h"
#include "partitioning/partdefs.h"
#include "registry.h"

/* Which partition movements of a range of periods, [from, to), go to. */
typedef struct AccumBound
{
	Oid			partition;		/* InvalidOid where there is not even a default one */
	TimestampTz from;
	TimestampTz to;
} AccumBound;

extern TimestampTz accum_route_bound(PartitionBoundInfo bounds, int n);
extern AccumBound accum_route_find(Relation movements, TimestampTz period);
extern bool accum_route_possible(const AccumRegister *reg, Relation movements,
								 AclMode privileges);
extern Relation accum_route_open(const AccumRegister *reg, Relation movements,
								 TimestampTz period, AccumBound *bound);

#endif							/* ACCUM_ROUTE_H */
