/*
 * archive.c
 *		register_detach_partitions: partitions of old movements become tables of their own.
 *
 * What the register knows of that time is left as it is: the totals, down to the finest,
 * and the balance cache, which go on counting what was detached.  From then on the totals
 * before the horizon are not derived from anything any more, and nobody may change them
 * (horizon.c, facts.c).
 *
 * So the horizon lies where both a partition and a unit of the finest totals begin, what
 * the default partition has of the time before it is archived with the rest, and the
 * totals of that time are compared with the movements before these go.
 *
 * The map of documents keeps, of archived time, those units in which a document has
 * movements; what it merely had there once would keep it from being corrected.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "fold.h"
#include "guarded.h"
#include "horizon.h"
#include "partition.h"
#include "partition_keep.h"
#include "pending.h"
#include "query.h"
#include "recorders.h"
#include "verify.h"

PG_FUNCTION_INFO_V1(accum_register_detach_partitions);

/* What is to be archived. */
typedef struct Archive
{
	AccumDay	before;			/* the new horizon */
	List	   *partitions;		/* OIDs, by time */
	List	   *units;			/* that get a partition first: the default one has rows of them */
	bool		held_back;		/* there are old partitions, but no horizon for them */
} Archive;

/* The first day of the unit that a partition begins in, or the first day there can be. */
static AccumDay
first_unit(AccumRegister *reg, const AccumPartition *partition)
{
	AccumDay	earliest = accum_day_from_civil(1, 1, 1);

	if (partition->from < accum_zone_day_start(&reg->zone, earliest))
		return earliest;
	return accum_unit_start(accum_zone_day(&reg->zone, partition->from), reg->partition_by, 1);
}

/* May the horizon be on this day, the first of a partition unit? */
static bool
horizon_possible(AccumRegister *reg, const List *partitions, AccumDay day)
{
	TimestampTz instant = accum_zone_day_start(&reg->zone, day);
	ListCell   *lc;

	if (accum_unit_start(day, reg->totals_period, reg->zone.year_start) != day)
		return false;
	foreach(lc, partitions)
	{
		AccumPartition *partition = lfirst(lc);

		if (partition->from < instant && instant < partition->to)
			return false;
	}
	return true;
}

/*
 * What can be archived of the time before a day: the latest horizon that there can be,
 * and at most so many partitions as one call detaches.
 */
static Archive
archive_plan(AccumRegister *reg, AccumDay cutoff)
{
	Archive		archive = {0};
	List	   *partitions = accum_partitions_list(reg);
	List	   *units;
	List	   *starts;
	AccumDay	day = accum_unit_start(cutoff, reg->partition_by, 1);
	ListCell   *lc;

	units = accum_partitions_in_default(reg, day, ACCUM_MAX_PARTITIONS_AT_ONCE + 1, false);
	starts = list_copy(units);
	foreach(lc, partitions)
	{
		AccumPartition *partition = lfirst(lc);

		if (partition->to <= accum_zone_day_start(&reg->zone, day))
			starts = lappend_int(starts, first_unit(reg, partition));
	}
	if (starts == NIL)
		return archive;
	list_sort(starts, list_int_cmp);
	if (list_length(starts) > ACCUM_MAX_PARTITIONS_AT_ONCE)
		day = list_nth_int(starts, ACCUM_MAX_PARTITIONS_AT_ONCE);

	while (day > linitial_int(starts) && !horizon_possible(reg, partitions, day))
		day = accum_unit_start(day - 1, reg->partition_by, 1);
	archive.held_back = day <= linitial_int(starts);
	if (archive.held_back)
		return archive;
	archive.before = Max(day, reg->archived_before);
	foreach(lc, units)
	{
		if (lfirst_int(lc) < day)
			archive.units = lappend_int(archive.units, lfirst_int(lc));
	}
	foreach(lc, partitions)
	{
		AccumPartition *partition = lfirst(lc);

		if (partition->to <= accum_zone_day_start(&reg->zone, day))
			archive.partitions = lappend_oid(archive.partitions, partition->oid);
	}
	return archive;
}

static bool
archive_is_empty(const Archive *archive)
{
	return archive->partitions == NIL && archive->units == NIL;
}

/* Say why old partitions stay. */
static void
tell_held_back(AccumRegister *reg)
{
	ereport(NOTICE,
			(errmsg("old partitions of register \"%s\" cannot be detached yet", reg->name),
			 errdetail("That ends where a partition and a %s of totals begin.",
					   accum_unit_name(reg->totals_period))));
}

/* Let the map say, of time to be archived, in which units a document has movements. */
static void
clean_map(AccumRegister *reg, AccumDay before)
{
	static const char *const lengths[] = {
		[ACCUM_UNIT_DAY] = "1 day",
		[ACCUM_UNIT_MONTH] = "1 month",
		[ACCUM_UNIT_QUARTER] = "3 months",
		[ACCUM_UNIT_YEAR] = "1 year",
	};
	Oid			types[] = {DATEOID, DATEOID, TIMESTAMPTZOID};
	Datum		values[] = {
		DateADTGetDatum(Max(reg->archived_before, accum_day_from_civil(1, 1, 1))),
		DateADTGetDatum(before),
		TimestampTzGetDatum(accum_zone_day_start(&reg->zone, before)),
	};
	const char *scope = accum_register_secured(reg) ?
		psprintf("m.%s", accum_ident(reg->row_dims[reg->secured].name, "")) : NULL;
	char	   *day_start = psprintf(ACCUM_SCHEMA "._day_start(%u::pg_catalog.regclass", reg->movements);

	(void) accum_guarded_run_newest(reg, reg->relations[ACCUM_RECORDERS],
									psprintf("DELETE FROM %s r WHERE r.unit_start OPERATOR(pg_catalog.>=) $1 "
											 "AND r.unit_start OPERATOR(pg_catalog.<) $2 AND NOT EXISTS ("
											 "SELECT FROM %s m WHERE m.recorder OPERATOR(pg_catalog.=) r.recorder%s "
											 "AND m.period OPERATOR(pg_catalog.<) $3 "
											 "AND m.period OPERATOR(pg_catalog.>=) %s, r.unit_start) "
											 "AND m.period OPERATOR(pg_catalog.<) %s, (r.unit_start "
											 "OPERATOR(pg_catalog.+) '%s'::pg_catalog.interval)::pg_catalog.date))",
											 reg->relation_names[ACCUM_RECORDERS], reg->relation_names[ACCUM_MOVEMENTS],
											 accum_scope_condition(reg, scope, "r.scope"), day_start, day_start,
											 lengths[reg->partition_by]),
									lengthof(types), types, values, SPI_OK_DELETE);
}

/* How many movements are to be archived that were not before? */
static int64
count_archived(AccumRegister *reg, AccumDay before)
{
	AccumRole	role = accum_totals_role(reg->totals_period);
	Oid			types[] = {DATEOID, DATEOID};
	Datum		values[] = {
		DateADTGetDatum(Max(reg->archived_before, accum_day_from_civil(1, 1, 1) - 366)),
		DateADTGetDatum(before),
	};
	bool		isnull;

	(void) accum_query_run_newest(psprintf("SELECT COALESCE(pg_catalog.sum(movements_count), 0)::pg_catalog.int8 FROM %s "
										   "WHERE period OPERATOR(pg_catalog.>=) $1 AND period OPERATOR(pg_catalog.<) $2",
										   reg->relation_names[role]),
								  lengthof(types), types, values, SPI_OK_SELECT);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) /
		reg->nsides;
}

/* Move the horizon, as the registry's owner. */
static void
registry_set_horizon(AccumRegister *reg, AccumDay before, int64 movements)
{
	Oid			types[] = {TEXTOID, DATEOID, INT8OID};
	Datum		values[] = {CStringGetTextDatum(reg->name), DateADTGetDatum(before),
	Int64GetDatum(movements)};
	AccumQueryState state;

	accum_query_begin(&state, accum_registry_owner());
	if (accum_query_run_newest("UPDATE " ACCUM_SCHEMA "._registers SET archived_before = $2, "
							   "archived_movements = archived_movements OPERATOR(pg_catalog.+) $3, "
							   "archived_at = pg_catalog.clock_timestamp(), "
							   "updated_at = pg_catalog.now() WHERE name OPERATOR(pg_catalog.=) $1",
							   lengthof(types), types, values, SPI_OK_UPDATE) != 1)
		elog(ERROR, "registry has no row for register \"%s\"", reg->name);
	accum_query_end(&state);
}

/* Make a partition a table like any other. */
static void
detach(AccumRegister *reg, Oid partition)
{
	char	   *name = accum_partition_text(partition);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s DETACH PARTITION %s; "
					 "DROP TRIGGER IF EXISTS accum_guard ON %s; "
					 "ALTER TABLE %s ALTER COLUMN id DROP DEFAULT; COMMENT ON TABLE %s IS ",
					 reg->relation_names[ACCUM_MOVEMENTS], name, name, name, name);
	accum_append_literal(&sql, psprintf("Archived movements of register \"%s\".", reg->name));
	(void) accum_query_command(sql.data, SPI_OK_UTILITY);
}

/* What the default partition has of time to be archived must have gone with it. */
static void
check_default(AccumRegister *reg, AccumDay before)
{
	Oid			default_partition = accum_partition_default(reg);
	Oid			type = TIMESTAMPTZOID;
	Datum		instant = TimestampTzGetDatum(accum_zone_day_start(&reg->zone, before));

	if (OidIsValid(default_partition) &&
		accum_query_run_newest(psprintf("SELECT FROM %s WHERE period OPERATOR(pg_catalog.<) $1 LIMIT 1",
										accum_partition_text(default_partition)),
							   1, &type, &instant, SPI_OK_SELECT) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("movements of register \"%s\" cannot be moved out of its default partition", reg->name),
				 errdetail("Relations that are no partitions have the names of their partitions."),
				 errhint("See register_create_partitions(), which names them.")));
}

/*
 * Archive the time before a day at the most; the totals of it have been found right.
 * Runs inside an accum_query_begin() as the register's owner; returns the number of
 * partitions that were detached.
 */
static int
archive(AccumRegister *reg, AccumDay cutoff)
{
	Archive		archive;
	ListCell   *lc;

	accum_partitions_lock(reg);
	archive = archive_plan(reg, cutoff);
	if (archive_is_empty(&archive))
		return 0;
	accum_fold_completely(reg);
	if (archive.units != NIL)
	{
		accum_partitions_make(reg, archive.units);
		CommandCounterIncrement();
		archive = archive_plan(reg, archive.before);
	}
	check_default(reg, archive.before);
	clean_map(reg, archive.before);
	if (archive.before > reg->archived_before)
		registry_set_horizon(reg, archive.before, count_archived(reg, archive.before));
	foreach(lc, archive.partitions)
	{
		CHECK_FOR_INTERRUPTS();
		detach(reg, lfirst_oid(lc));
	}
	return list_length(archive.partitions);
}

/* The day that is so long ago. */
static AccumDay
cutoff_argument(FunctionCallInfo fcinfo, int n, AccumRegister *reg)
{
	TimestampTz instant =
		DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												TimestampTzGetDatum(GetCurrentTimestamp()),
												PG_GETARG_DATUM(n)));

	if (!accum_period_valid(&reg->zone, instant))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("p_older_than is out of range"),
				 errdetail("A period lies in the years 0001 to 9999.")));
	return accum_zone_day(&reg->zone, instant);
}

/*
 * accum.register_detach_partitions(p_name text, p_older_than interval) returns int
 *
 * Archive the movements that are older; returns the number of partitions that were
 * detached.
 */
Datum
accum_register_detach_partitions(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.admin = true,.archives = true};
	AccumRegister *reg;
	AccumQueryState state;
	AccumDay	cutoff;
	Archive		plan;
	int			n = 0;

	(void) accum_interval_argument(fcinfo, 1, "p_older_than");
	PreventCommandIfReadOnly("register_detach_partitions()");
	accum_pending_flush();
	reg = accum_register_named(fcinfo, ShareUpdateExclusiveLock, &access);
	cutoff = cutoff_argument(fcinfo, 1, reg);

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_set("client_min_messages", "warning");
	plan = archive_plan(reg, cutoff);
	accum_query_end(&state);
	if (plan.held_back)
		tell_held_back(reg);
	if (archive_is_empty(&plan))
		PG_RETURN_INT32(0);

	/* What takes time is done before anybody has to wait. */
	(void) accum_fold_all(reg);
	if (!accum_verify_before(reg, plan.before))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("totals of register \"%s\" are not what its movements add up to", reg->name),
				 errhint("See register_verify(), and correct them with register_rebuild_totals().")));

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_set("client_min_messages", "warning");
	n = archive(reg, plan.before);
	accum_query_end(&state);
	PG_RETURN_INT32(n);
}
