/*
 * maintain.c
 *		register_create_partitions, register_partitions.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "partition.h"
#include "partition_keep.h"
#include "query.h"
#include "registry.h"
#include "table_rows.h"

PG_FUNCTION_INFO_V1(accum_register_create_partitions);
PG_FUNCTION_INFO_V1(accum_register_partitions);

/* Columns of register_partitions. */
#define COLUMN_NAME 0
#define COLUMN_FROM 1
#define COLUMN_TO 2
#define COLUMN_ROWS 3
#define COLUMN_SIZE 4
#define COLUMN_DEFAULT 5
#define COLUMNS 6

/*
 * accum.register_create_partitions(p_name text, p_ahead interval) returns int
 *
 * Make the partitions that are missing from now to p_ahead from now, and those that
 * the default partition has rows of; returns how many.
 */
Datum
accum_register_create_partitions(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.admin = true};
	Interval   *ahead = accum_interval_argument(fcinfo, 1, "p_ahead");
	AccumRegister *reg;
	AccumQueryState state;
	TimestampTz until;
	bool		more;
	int			n;

	until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(GetCurrentTimestamp()),
													IntervalPGetDatum(ahead)));
	PreventCommandIfReadOnly("register_create_partitions()");
	reg = accum_register_named(fcinfo, ShareUpdateExclusiveLock, &access);
	if (!accum_period_valid(&reg->zone, until))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("p_ahead is out of range"),
				 errdetail("A period lies in the years 0001 to 9999.")));

	accum_query_begin(&state, accum_register_owner(reg));
	n = accum_partitions_keep(reg, accum_unit_start(accum_zone_day(&reg->zone, until),
													reg->partition_by, 1),
							  ACCUM_MAX_PARTITIONS_AT_ONCE, &more);
	accum_query_end(&state);
	if (more)
		ereport(NOTICE,
				(errmsg("register \"%s\" lacks further partitions", reg->name),
				 errdetail("One call makes at most %d.", ACCUM_MAX_PARTITIONS_AT_ONCE),
				 errhint("Call register_create_partitions() again, in another transaction.")));
	PG_RETURN_INT32(n);
}

/* Put out a partition; NULL bounds are those of the default one. */
static void
put_partition(AccumRegister *reg, ReturnSetInfo *result, Oid oid, const AccumPartition *bounds)
{
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {false};
	Datum		size = DirectFunctionCall1(pg_total_relation_size, ObjectIdGetDatum(oid));
	int64		rows = 0;

	values[COLUMN_NAME] = CStringGetTextDatum(get_rel_name(oid));
	nulls[COLUMN_FROM] = nulls[COLUMN_TO] = bounds == NULL;
	if (bounds != NULL)
	{
		values[COLUMN_FROM] = TimestampTzGetDatum(bounds->from);
		values[COLUMN_TO] = TimestampTzGetDatum(bounds->to);
	}
	nulls[COLUMN_ROWS] = !accum_may_count(reg->movements) || !accum_count_rows(oid, &rows);
	values[COLUMN_ROWS] = Int64GetDatum(rows);
	values[COLUMN_SIZE] = DirectFunctionCall1(pg_size_pretty, size);
	values[COLUMN_DEFAULT] = BoolGetDatum(bounds == NULL);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * accum.register_partitions(p_name text) returns table
 *
 * The partitions of a register, by time; the default one comes last.
 */
Datum
accum_register_partitions(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_named(fcinfo, AccessShareLock, NULL);
	Oid			default_partition = accum_partition_default(reg);
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, accum_partitions_list(reg))
	{
		AccumPartition *partition = lfirst(lc);

		put_partition(reg, (ReturnSetInfo *) fcinfo->resultinfo, partition->oid, partition);
	}
	if (OidIsValid(default_partition))
		put_partition(reg, (ReturnSetInfo *) fcinfo->resultinfo, default_partition, NULL);
	return (Datum) 0;
}
