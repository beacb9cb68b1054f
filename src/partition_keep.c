/*
 * partition_keep.c
 *		Partitions made ahead, and rows moved to them out of the default one.
 *
 * Rows that came when their partition could not be made stand in the default
 * partition.  PostgreSQL attaches no partition that the default one has rows of, so
 * they are taken out, the partition is made, and they are put back.  That is done
 * below all triggers: no movement comes or goes, so whatever is derived from
 * movements, and the map of documents, stay as they are.  Rows go in after the
 * partition is attached, so that logical replication has them.
 *
 * Locks.  SHARE UPDATE EXCLUSIVE on movements comes first: it lets everybody work but
 * others who make partitions.  A partition that no rows are moved to needs ACCESS
 * EXCLUSIVE on the default one besides, as when a post makes it.  Where rows move,
 * movements is locked ACCESS EXCLUSIVE before the default partition: a session that
 * waits has not chosen partitions yet, and will find the rows where they are
 * then.  Nobody is waited for at the default partition while movements is locked so;
 * whoever holds the one might be about to ask for the other.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "direct.h"
#include "partition.h"
#include "partition_keep.h"
#include "query.h"

/* Setting pg_accumulator.partitions_ahead. */
int			accum_partitions_ahead = 3;

/* A partition that rows are put into. */
typedef struct Target
{
	AccumDay	unit;
	Relation	rel;			/* NULL until there is a row for it */
	AccumDirect direct;
	TupleConversionMap *map;	/* from rows of the default partition */
	TupleTableSlot *row;
} Target;

static AccumDay
current_unit(AccumRegister *reg)
{
	return accum_unit_start(accum_zone_day(&reg->zone, GetCurrentTimestamp()), reg->partition_by, 1);
}

/* The first day of the last partition that is made ahead, as the setting has it. */
AccumDay
accum_partitions_last_ahead(AccumRegister *reg)
{
	AccumDay	unit = current_unit(reg);

	for (int i = 0; i < accum_partitions_ahead; i++)
		unit = accum_unit_next(unit, reg->partition_by);
	return unit;
}

static bool
unit_has_partition(AccumRegister *reg, AccumDay unit)
{
	Relation	movements = table_open(reg->movements, NoLock);
	bool		result = accum_partition_exists_in(reg, movements, unit);

	table_close(movements, NoLock);
	return result;
}

/*
 * Could a partition be made?  Not if a part of its time has one, made by hand, or
 * something else, a detached one say, has its name.
 */
static bool
can_be_made(AccumRegister *reg, AccumDay unit, bool warn)
{
	char	   *name = accum_partition_name(reg->name, reg->partition_by, unit);
	bool		overlaps = unit_has_partition(reg, unit);

	if (!overlaps && !OidIsValid(get_relname_relid(name, accum_schema_oid())))
		return true;
	if (warn)
		ereport(WARNING,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("a partition of register \"%s\" cannot be made", reg->name),
				 overlaps ? errdetail("Another partition has a part of the time of \"%s\".", name)
				 : errdetail("Relation \"%s\" is there, and is not a partition of it for this time.", name)));
	return false;
}

/*
 * The partition units that the default partition has rows of and that partitions can
 * be made for: first days before a day, at most limit of them, in ascending order.
 *
 * What a transaction has not committed yet is not seen.  warn tells of units that no
 * partition can be made for.  Runs inside an accum_query_begin() as the register's owner.
 */
List *
accum_partitions_in_default(AccumRegister *reg, AccumDay before, int limit, bool warn)
{
	Oid			default_partition = accum_partition_default(reg);
	Oid			type = TIMESTAMPTZOID;
	Datum		from = TimestampTzGetDatum(DT_NOBEGIN);
	Snapshot	snapshot;
	SPIPlanPtr	plan;
	List	   *units = NIL;

	if (!OidIsValid(default_partition))
		return NIL;
	LockRelationOid(default_partition, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	plan = accum_query_prepare(psprintf("SELECT period FROM %s WHERE period OPERATOR(pg_catalog.>=) $1 "
										"ORDER BY period LIMIT 1",
										accum_partition_text(default_partition)),
							   1, &type, false);
	while (list_length(units) < limit &&
		   accum_query_run_at(plan, &from, snapshot, SPI_OK_SELECT) > 0)
	{
		bool		isnull;
		Datum		period = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		AccumDay	unit = accum_unit_start(accum_zone_day(&reg->zone, DatumGetTimestampTz(period)),
											reg->partition_by, 1);

		if (unit >= before)
			break;
		if (can_be_made(reg, unit, warn))
			units = lappend_int(units, unit);
		from = TimestampTzGetDatum(accum_zone_day_start(&reg->zone,
														accum_unit_next(unit, reg->partition_by)));
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_freeplan(plan);
	UnregisterSnapshot(snapshot);
	return units;
}

/* The units from the current one to the last that have no partition, at most limit. */
static List *
units_ahead(AccumRegister *reg, AccumDay last, int limit)
{
	List	   *units = NIL;

	for (AccumDay unit = current_unit(reg); unit <= last && list_length(units) < limit;
		 unit = accum_unit_next(unit, reg->partition_by))
	{
		if (!unit_has_partition(reg, unit) && can_be_made(reg, unit, true))
			units = lappend_int(units, unit);
	}
	return units;
}

/*
 * Lock movements and its default partition against everybody; SHARE UPDATE EXCLUSIVE
 * on movements is held.
 */
void
accum_partitions_lock(AccumRegister *reg)
{
	for (;;)
	{
		Oid			default_partition;

		LockRelationOid(reg->movements, AccessExclusiveLock);
		default_partition = accum_partition_default(reg);
		if (!OidIsValid(default_partition) ||
			ConditionalLockRelationOid(default_partition, AccessExclusiveLock))
			return;
		UnlockRelationOid(reg->movements, AccessExclusiveLock);

		/* Wait for whoever has it, holding nothing that they could ask for. */
		LockRelationOid(default_partition, AccessExclusiveLock);
		UnlockRelationOid(default_partition, AccessExclusiveLock);
	}
}

/*
 * Which of the targets, in ascending order of units, is a row for?  NULL: for none.
 */
static Target *
find_target(AccumRegister *reg, Target *targets, int ntargets, Datum period)
{
	AccumDay	unit = accum_unit_start(accum_zone_day(&reg->zone, DatumGetTimestampTz(period)),
										reg->partition_by, 1);
	int			low = 0;
	int			high = ntargets;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (targets[middle].unit == unit)
			return &targets[middle];
		if (targets[middle].unit < unit)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static Datum
row_period(TupleTableSlot *slot, AttrNumber attnum)
{
	bool		isnull;

	return slot_getattr(slot, attnum, &isnull);
}

/*
 * Take the rows that the targets are for out of the default partition.
 *
 * Whoever sees them deleted is told that they have moved, as by an UPDATE that
 * moves a row: a session whose snapshot is older gets an error rather than going on
 * without them.
 */
static void
take_out(AccumRegister *reg, Relation from, Target *targets, int ntargets, Tuplestorestate *rows)
{
	AttrNumber	period = get_attnum(RelationGetRelid(from), "period");
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(from, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(from, NULL);

	CheckCmdReplicaIdentity(from, CMD_DELETE);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		TM_FailureData failure;

		CHECK_FOR_INTERRUPTS();
		if (find_target(reg, targets, ntargets, row_period(slot, period)) == NULL)
			continue;
		tuplestore_puttupleslot(rows, slot);
		if (table_tuple_delete(from, &slot->tts_tid, GetCurrentCommandId(true), snapshot,
							   InvalidSnapshot, true, &failure, true) != TM_Ok)
			elog(ERROR, "row of the default partition is not ours to move");
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
}

static void
open_target(AccumRegister *reg, Target *target, TupleDesc desc)
{
	char	   *name = accum_partition_name(reg->name, reg->partition_by, target->unit);

	target->rel = table_open(get_relname_relid(name, accum_schema_oid()), RowExclusiveLock);
	target->map = convert_tuples_by_name(desc, RelationGetDescr(target->rel));
	target->row = MakeSingleTupleTableSlot(RelationGetDescr(target->rel), &TTSOpsVirtual);
	accum_direct_open(&target->direct, target->rel);
}

/* Put the rows into their partitions, which are there now. */
static void
put_back(AccumRegister *reg, Relation from, Target *targets, int ntargets, Tuplestorestate *rows)
{
	AttrNumber	period = get_attnum(RelationGetRelid(from), "period");
	TupleDesc	desc = RelationGetDescr(from);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		Target	   *target = find_target(reg, targets, ntargets, row_period(slot, period));

		CHECK_FOR_INTERRUPTS();
		if (target->rel == NULL)
			open_target(reg, target, desc);
		accum_direct_insert(&target->direct, target->map == NULL ? slot
							: execute_attr_map_slot(target->map->attrMap, slot, target->row));
	}
	ExecDropSingleTupleTableSlot(slot);
	for (int i = 0; i < ntargets; i++)
	{
		if (targets[i].rel == NULL)
			continue;
		ExecDropSingleTupleTableSlot(targets[i].row);
		accum_direct_close(&targets[i].direct);
		table_close(targets[i].rel, NoLock);
	}
}

/*
 * Make partitions for the units, first days in ascending order, and move there what
 * the default partition has of them.  All locks are held.
 *
 * Runs inside an accum_query_begin() as the register's owner.
 */
void
accum_partitions_make(AccumRegister *reg, const List *units)
{
	Oid			default_partition = accum_partition_default(reg);
	int			ntargets = list_length(units);
	Target	   *targets = palloc0(sizeof(Target) * Max(ntargets, 1));
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, maintenance_work_mem);
	Relation	from = NULL;

	if (OidIsValid(default_partition))
	{
		/* What is yet to be checked of a row at commit would be looked for in vain. */
		if (accum_used_by_this_session(default_partition))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("rows of register \"%s\" cannot be moved out of its default partition", reg->name),
					 errdetail("The partition is in use in this session, or has pending trigger events.")));
		from = table_open(default_partition, NoLock);
	}
	for (int i = 0; i < ntargets; i++)
		targets[i].unit = list_nth_int(units, i);
	if (from != NULL)
		take_out(reg, from, targets, ntargets, rows);
	for (int i = 0; i < ntargets; i++)
	{
		CHECK_FOR_INTERRUPTS();
		accum_partition_create(reg, targets[i].unit);
	}
	if (from != NULL)
	{
		put_back(reg, from, targets, ntargets, rows);
		table_close(from, NoLock);
	}
	tuplestore_end(rows);
}

/*
 * Make the partitions that are missing: from the current one to that whose first day
 * is last, and those that the default partition has rows of, which are moved there.
 * At most limit of them, the oldest first; *more tells whether others are left.
 * Returns how many.
 *
 * Runs inside an accum_query_begin() as the register's owner, with SHARE UPDATE
 * EXCLUSIVE on movements; waits for the locks that it needs beyond that.
 */
int
accum_partitions_keep(AccumRegister *reg, AccumDay last, int limit, bool *more)
{
	List	   *moved = accum_partitions_in_default(reg, ACCUM_DAY_MAX, limit + 1, true);
	List	   *units = units_ahead(reg, last, limit + 1);
	Oid			default_partition = accum_partition_default(reg);

	*more = false;
	if (moved == NIL && units != NIL && OidIsValid(default_partition))
	{
		/* Somebody may have had rows there that were not committed. */
		LockRelationOid(default_partition, AccessExclusiveLock);
		moved = accum_partitions_in_default(reg, ACCUM_DAY_MAX, 1, false);
		if (moved != NIL)
			UnlockRelationOid(default_partition, AccessExclusiveLock);
	}
	if (moved != NIL)
	{
		accum_partitions_lock(reg);
		moved = accum_partitions_in_default(reg, ACCUM_DAY_MAX, limit + 1, false);
	}
	units = list_concat_unique_int(units, moved);
	list_sort(units, list_int_cmp);
	*more = list_length(units) > limit;
	units = list_truncate(units, limit);
	if (units != NIL)
		accum_partitions_make(reg, units);
	return list_length(units);
}
