/*
 * moved.c
 *		Movements that have moved to a partition since a snapshot was taken.
 *
 * Rows that were moved out of the default partition (partition_keep.c) are, for an
 * older snapshot, still there and not yet in their partition.  But PostgreSQL, which
 * chooses partitions by what they are for now, does not look for them there.  At the
 * stricter isolation levels, whose snapshot is as old as the transaction, that would
 * be as if they were not there at all: who asks gets a serialization failure.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "moved.h"
#include "partition.h"
#include "query.h"

/* Does the snapshot show, in the default partition, a row that a partition is there for? */
static bool
any_moved(AccumRegister *reg, Relation movements, Oid default_partition, TimestampTz from,
		  TimestampTz to)
{
	char	   *sql = psprintf("SELECT period FROM %s WHERE period OPERATOR(pg_catalog.>=) $1 "
							   "AND period OPERATOR(pg_catalog.<) $2 ORDER BY period LIMIT 1",
							   quote_qualified_identifier(get_namespace_name(get_rel_namespace(default_partition)),
														  get_rel_name(default_partition)));
	Oid			types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[] = {TimestampTzGetDatum(from), TimestampTzGetDatum(to)};
	SPIPlanPtr	plan = accum_query_prepare(sql, lengthof(types), types, false);
	bool		found = false;

	while (!found && SPI_execute_plan(plan, values, NULL, true, 1) == SPI_OK_SELECT &&
		   SPI_processed > 0)
	{
		bool		isnull;
		TimestampTz period = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0],
															   SPI_tuptable->tupdesc, 1, &isnull));
		AccumDay	unit = accum_unit_start(accum_zone_day(&reg->zone, period), reg->partition_by, 1);

		found = accum_partition_exists(movements, period);
		values[0] = TimestampTzGetDatum(accum_zone_day_start(&reg->zone,
															 accum_unit_next(unit, reg->partition_by)));
	}
	SPI_freeplan(plan);
	return found;
}

/*
 * Raise serialization_failure where movements of [from, to) have moved since the
 * transaction's snapshot was taken.  movements is locked; the snapshot is active.
 */
void
accum_moved_check(AccumRegister *reg, TimestampTz from, TimestampTz to)
{
	Relation	movements;
	Oid			default_partition;
	AccumQueryState state;
	bool		moved;

	if (!IsolationUsesXactSnapshot())
		return;
	default_partition = accum_partition_default(reg);
	if (!OidIsValid(default_partition))
		return;
	movements = table_open(reg->movements, NoLock);
	accum_query_begin(&state, accum_register_owner(reg));
	LockRelationOid(default_partition, AccessShareLock);
	moved = any_moved(reg, movements, default_partition, from, to);
	accum_query_end(&state);
	table_close(movements, NoLock);
	if (moved)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent partitioning"),
				 errdetail("Movements of register \"%s\" were moved to a new partition.", reg->name),
				 errhint("The transaction might succeed if retried.")));
}
