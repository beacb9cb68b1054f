/*
 * route.c
 *		Which partition a movement goes to, or lies in.
 *
 * For movements that are written and removed without a statement.  That is right
 * only where nobody could tell the difference: the caller has the privileges on the
 * whole table, no row security applies, and the table and its partitions have no
 * triggers, columns or generated values but the register's own.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/partition.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/acl.h"
#include "utils/partcache.h"
#include "utils/timestamp.h"

#include "direct.h"
#include "route.h"

/* Columns of movements beside dimensions, resources and attributes. */
#define FIXED_COLUMNS 6

static int
movements_ncolumns(const AccumRegister *reg)
{
	return FIXED_COLUMNS + reg->ndims + reg->nresources + reg->nattributes;
}

/* May the caller's movements be written or removed straight, as far as the whole table goes? */
bool
accum_route_possible(const AccumRegister *reg, Relation movements, AclMode privileges)
{
	/* Auditors want to see who writes what. */
	return ExecutorCheckPerms_hook == NULL && accum_direct_enabled() &&
		accum_direct_plain(movements, movements_ncolumns(reg)) &&
		pg_class_aclmask(RelationGetRelid(movements), GetUserId(), privileges,
						 ACLMASK_ALL) == privileges;
}

/* An instant that a partition begins with, or else what there is no bound beyond. */
static TimestampTz
bound_datum(const PartitionBoundInfo info, int i, TimestampTz otherwise)
{
	if (i < 0 || i >= info->ndatums || info->kind[i][0] != PARTITION_RANGE_DATUM_VALUE)
		return otherwise;
	return DatumGetTimestampTz(info->datums[i][0]);
}

/* The partition for a period. */
AccumBound
accum_route_find(Relation movements, TimestampTz period)
{
	PartitionKey key = RelationGetPartitionKey(movements);
	PartitionDesc desc = RelationGetPartitionDesc(movements, true);
	PartitionBoundInfo info = desc->boundinfo;
	AccumBound	bound = {.from = period,.to = period};
	Datum		value = TimestampTzGetDatum(period);
	bool		equal;
	int			i;
	int			index;

	if (info == NULL)
		return bound;
	i = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, info, 1, &value, &equal);
	bound.from = bound_datum(info, i, DT_NOBEGIN);
	bound.to = bound_datum(info, i + 1, DT_NOEND);
	index = info->indexes[i + 1];
	if (index < 0)
		index = info->default_index;
	if (index >= 0)
		bound.partition = desc->oids[index];
	return bound;
}

/*
 * Lock and open the partition for a period.  While we waited for the default one
 * it may have lost the period to a new partition.  Returns NULL when it cannot be
 * written straight.
 */
Relation
accum_route_open(const AccumRegister *reg, Relation movements, TimestampTz period,
				 AccumBound *bound)
{
	for (;;)
	{
		Oid			oid = accum_route_find(movements, period).partition;
		Relation	rel;

		if (!OidIsValid(oid))
			return NULL;
		rel = table_open(oid, RowExclusiveLock);
		*bound = accum_route_find(movements, period);
		if (bound->partition == oid)
		{
			if (rel->rd_rel->relkind == RELKIND_RELATION &&
				accum_direct_plain(rel, movements_ncolumns(reg)))
				return rel;
			table_close(rel, NoLock);
			return NULL;
		}
		table_close(rel, NoLock);
	}
}
