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

/* Columns of movements beside dimensions, resources, attributes and hashes. */
#define FIXED_COLUMNS 5
#define HISTORY_COLUMNS 2

static int
movements_ncolumns(const AccumRegister *reg)
{
	return FIXED_COLUMNS + (reg->history ? HISTORY_COLUMNS : 0) + reg->nsides + reg->nrow_dims +
		reg->nrow_resources + reg->nattributes;
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

/* The n-th bound between partitions; infinite where that is open, or there is none. */
TimestampTz
accum_route_bound(PartitionBoundInfo bounds, int n)
{
	if (n < 0 || (n < bounds->ndatums && bounds->kind[n][0] == PARTITION_RANGE_DATUM_MINVALUE))
		return DT_NOBEGIN;
	if (n >= bounds->ndatums || bounds->kind[n][0] == PARTITION_RANGE_DATUM_MAXVALUE)
		return DT_NOEND;
	return DatumGetTimestampTz(bounds->datums[n][0]);
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
	bound.from = accum_route_bound(info, i);
	bound.to = accum_route_bound(info, i + 1);
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
