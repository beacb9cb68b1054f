/*
 * partition.c
 *		Partitions of movements, made when a post needs them.
 *
 * A missing partition is a matter of speed, not of truth: rows without one go
 * to the default partition and count in full.  Making one beside a default
 * partition takes ACCESS EXCLUSIVE on the default partition until the
 * transaction ends, so a post makes them only when that lock, and SHARE UPDATE
 * EXCLUSIVE on movements, can be had at once.  What is made ahead waits for them
 * (partition_keep.c).
 *
 * Whoever needs a partition waits first for sessions that are making some:
 * PostgreSQL would otherwise route rows by what it knew before, into a default
 * partition that no longer takes them.  And whoever makes partitions should not
 * wait for documents afterwards, since others with documents locked now wait at
 * the default one: a post enters its documents in between (post.c).  What remains
 * is what transactions of several statements can do to each other.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/partition.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "cell_scan.h"
#include "compat.h"
#include "ddl.h"
#include "partition.h"
#include "query.h"
#include "route.h"

/* So many partitions at most are made by one call. */
#define MAX_CREATED_AT_ONCE 36

/*
 * Attaching a partition scans the default one under an exclusive lock; that is
 * done in passing to a small one only.
 */
#define MAX_DEFAULT_PAGES 1000

/* Has movements a partition of its own for a period? */
bool
accum_partition_exists(Relation movements, TimestampTz period)
{
	PartitionKey key = RelationGetPartitionKey(movements);
	PartitionDesc desc = RelationGetPartitionDesc(movements, true);
	Datum		value = TimestampTzGetDatum(period);
	bool		equal;
	int			bound;

	if (desc->boundinfo == NULL)
		return false;
	bound = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
										  desc->boundinfo, 1, &value, &equal);
	return desc->boundinfo->indexes[bound + 1] >= 0;
}

/* Has movements partitions of its own for any of the periods [from, to)? */
static bool
exists_between(Relation movements, TimestampTz from, TimestampTz to)
{
	PartitionKey key = RelationGetPartitionKey(movements);
	PartitionBoundInfo bounds = RelationGetPartitionDesc(movements, true)->boundinfo;
	Datum		value = TimestampTzGetDatum(from);
	bool		equal;
	int			n;

	if (bounds == NULL)
		return false;
	n = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, 1, &value,
									  &equal);
	while (bounds->indexes[n + 1] < 0)
	{
		/* What begins with the next bound? */
		if (++n >= bounds->ndatums || accum_route_bound(bounds, n) >= to)
			return false;
	}
	return true;
}

/* Has movements a partition for any part of a partition unit? */
bool
accum_partition_exists_in(AccumRegister *reg, Relation movements, AccumDay unit)
{
	return exists_between(movements, accum_zone_day_start(&reg->zone, unit),
						  accum_zone_day_start(&reg->zone, accum_unit_next(unit, reg->partition_by)));
}

/*
 * The partitions of movements, which are locked: a list of AccumPartition, by time,
 * without the default one.
 */
List *
accum_partitions_list(AccumRegister *reg)
{
	Relation	movements = table_open(reg->movements, NoLock);
	PartitionDesc desc = RelationGetPartitionDesc(movements, true);
	PartitionBoundInfo bounds = desc->boundinfo;
	List	   *result = NIL;

	for (int i = 1; bounds != NULL && i < bounds->ndatums; i++)
	{
		AccumPartition *partition;

		if (bounds->indexes[i] < 0)
			continue;
		partition = palloc(sizeof(AccumPartition));
		partition->oid = desc->oids[bounds->indexes[i]];
		partition->from = accum_route_bound(bounds, i - 1);
		partition->to = accum_route_bound(bounds, i);
		result = lappend(result, partition);
	}
	table_close(movements, NoLock);
	return result;
}

/* The name of a partition in SQL, qualified and quoted. */
char *
accum_partition_text(Oid partition)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(partition)),
									  get_rel_name(partition));
}

/* A literal of timestamptz for the first instant of a day, in UTC. */
static char *
day_start_literal(AccumRegister *reg, AccumDay day)
{
	TimestampTz instant = accum_zone_day_start(&reg->zone, day);
	struct pg_tm tm;
	fsec_t		fsec;
	char		buffer[MAXDATELEN + 1];

	if (timestamp2tm(instant, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "timestamp out of range");
	/* Without this the literal would lack its offset, and mean local time. */
	tm.tm_isdst = 0;
	EncodeDateTime(&tm, fsec, true, 0, NULL, USE_ISO_DATES, buffer);
	return pstrdup(buffer);
}

/*
 * Make the partition whose first day is unit_start.
 *
 * Runs inside an accum_query_begin() as the register's owner, who holds the
 * locks or waits for them.
 */
void
accum_partition_create(AccumRegister *reg, AccumDay unit_start)
{
	StringInfoData sql;
	AccumDay	next = accum_unit_next(unit_start, reg->partition_by);

	/* The owner's partition is not for the caller's settings to shape. */
	accum_query_set("default_tablespace", "");
	accum_query_set("default_table_access_method", "heap");
	initStringInfo(&sql);
	accum_ddl_partition(&sql, reg->name,
						accum_partition_name(reg->name, reg->partition_by, unit_start),
						day_start_literal(reg, unit_start),
						day_start_literal(reg, next));
	(void) accum_query_command(sql.data, SPI_OK_UTILITY);
}

/* Does somebody in this session, a cursor say, have the relation open? */
bool
accum_used_by_this_session(Oid relation)
{
	Relation	rel = table_open(relation, NoLock);
	bool		used = rel->rd_refcnt > 1 || AfterTriggerPendingOnRel(relation);

	table_close(rel, NoLock);
	return used;
}

/*
 * Has the default partition, which is locked, rows of a partition unit already?  Then
 * the unit's partition cannot be attached; maintenance moves the rows.
 */
static bool
default_holds(AccumRegister *reg, Relation rel, AccumDay unit)
{
	AttrNumber	period = get_attnum(RelationGetRelid(rel), "period");
	AccumDay	next = accum_unit_next(unit, reg->partition_by);
	Oid			primary_key = accum_primary_key_index(rel);
	bool		by_period = false;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool		found;

	if (OidIsValid(primary_key))
	{
		Relation	index = index_open(primary_key, AccessShareLock);

		by_period = accum_index_leads_with(index, period);
		index_close(index, NoLock);
	}
	ScanKeyInit(&keys[0], period, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE,
				TimestampTzGetDatum(accum_zone_day_start(&reg->zone, unit)));
	ScanKeyInit(&keys[1], period, BTLessStrategyNumber, F_TIMESTAMPTZ_LT,
				TimestampTzGetDatum(accum_zone_day_start(&reg->zone, next)));
	/* The owner may have dropped the key: then all rows are looked at. */
	scan = systable_beginscan(rel, primary_key, by_period, snapshot, lengthof(keys), keys);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

/* Is the default partition, which is locked, too large to be scanned in passing? */
bool
accum_default_is_large(Oid default_partition)
{
	Relation	rel = table_open(default_partition, NoLock);
	BlockNumber pages = RelationGetNumberOfBlocks(rel);

	table_close(rel, NoLock);
	return pages > MAX_DEFAULT_PAGES;
}

/* Which of the units has the default partition no rows of?  Returns how many. */
static int
leave_default(AccumRegister *reg, Oid default_partition, AccumDay *units, int nunits)
{
	Relation	rel = table_open(default_partition, NoLock);
	int			left = 0;

	for (int i = 0; i < nunits; i++)
	{
		if (!default_holds(reg, rel, units[i]))
			units[left++] = units[i];
	}
	table_close(rel, NoLock);
	return left;
}

/* Make the missing partitions; both locks are held. */
static void
create_missing(AccumRegister *reg, Oid owner, Oid default_partition,
			   AccumDay *units, int nunits)
{
	AccumQueryState state;

	nunits = leave_default(reg, default_partition, units, nunits);
	accum_query_begin(&state, owner);
	for (int i = 0; i < Min(nunits, MAX_CREATED_AT_ONCE); i++)
	{
		char	   *name = accum_partition_name(reg->name, reg->partition_by, units[i]);

		/* A detached partition may still have the name. */
		if (!OidIsValid(get_relname_relid(name, accum_schema_oid())))
			accum_partition_create(reg, units[i]);
	}
	accum_query_end(&state);
}

/* Which of the units have no partition?  Returns how many; the rest is moved out. */
static int
keep_missing(AccumRegister *reg, AccumDay *units, int nunits)
{
	Relation	movements = table_open(reg->movements, NoLock);
	int			missing = 0;

	for (int i = 0; i < nunits; i++)
	{
		/* A partition that comes or goes marks the entry. */
		if (reg->valid && units[i] == reg->unit_with_partition)
			continue;
		if (accum_partition_exists_in(reg, movements, units[i]))
			reg->unit_with_partition = units[i];
		else
			units[missing++] = units[i];
	}
	table_close(movements, NoLock);
	return missing;
}

/*
 * The default partition of movements, which are locked; InvalidOid when there is none, or
 * the owner has put something else than a table in its place.
 */
Oid
accum_partition_default(AccumRegister *reg)
{
	Relation	movements = table_open(reg->movements, NoLock);
	Oid			result = get_default_oid_from_partdesc(RelationGetPartitionDesc(movements, true));

	table_close(movements, NoLock);
	return get_rel_relkind(result) == RELKIND_RELATION ? result : InvalidOid;
}

/*
 * Wait for whoever is making partitions, and keep others from it until the
 * transaction ends; then tell whether any of the units still has none and could have
 * one, since there is a default partition that is small and holds no rows of it.
 *
 * units are first days; movements is locked.
 */
bool
accum_partitions_missing(AccumRegister *reg, const AccumDay *units, int nunits)
{
	AccumDay   *copy = palloc(sizeof(AccumDay) * Max(nunits, 1));
	Oid			default_partition;

	memcpy(copy, units, sizeof(AccumDay) * nunits);
	nunits = keep_missing(reg, copy, nunits);
	if (nunits == 0)
		return false;
	default_partition = accum_partition_default(reg);
	if (!OidIsValid(default_partition))
		return false;
	LockRelationOid(default_partition, RowExclusiveLock);
	if (accum_default_is_large(default_partition))
		return false;
	nunits = keep_missing(reg, copy, nunits);
	return leave_default(reg, default_partition, copy, nunits) > 0;
}

/*
 * Make the partitions that the units lack, as accum_partitions_missing has told, if the
 * locks for it can be had at once; otherwise rows go to the default one.
 */
void
accum_partitions_create_missing(AccumRegister *reg, const AccumDay *units, int nunits)
{
	AccumDay   *missing = palloc(sizeof(AccumDay) * Max(nunits, 1));
	Oid			default_partition = accum_partition_default(reg);
	Oid			owner = accum_register_owner(reg);

	if (accum_namespace_aclcheck(accum_schema_oid(), owner, ACL_CREATE) != ACLCHECK_OK ||
		accum_used_by_this_session(reg->movements) || accum_used_by_this_session(default_partition))
		return;
	if (!ConditionalLockRelationOid(reg->movements, ShareUpdateExclusiveLock))
		return;
	if (!ConditionalLockRelationOid(default_partition, AccessExclusiveLock))
	{
		UnlockRelationOid(reg->movements, ShareUpdateExclusiveLock);
		return;
	}
	memcpy(missing, units, sizeof(AccumDay) * nunits);
	nunits = keep_missing(reg, missing, nunits);
	if (nunits > 0)
		create_missing(reg, owner, default_partition, missing, nunits);
}
