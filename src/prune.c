/*
 * prune.c
 *		register_prune, register_drop_empty_partitions, and how much there is for them.
 *
 * Derived rows stay when the last of their movements goes, since the next one often
 * comes soon.  Those that nobody needs any more can be removed: rows that say that they
 * have no movements, and have no sums.  A row without movements that has sums is wrong,
 * and is left for verify to find.
 *
 * A register of kind turnover tells by a row of zeros which cell a hash belongs to;
 * that row stays as long as the cell has movements.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "facts.h"
#include "fold.h"
#include "guarded.h"
#include "partition.h"
#include "partition_keep.h"
#include "pending.h"
#include "query.h"
#include "resource.h"
#include "table_rows.h"

PG_FUNCTION_INFO_V1(accum_register_prune);
PG_FUNCTION_INFO_V1(accum_register_drop_empty_partitions);
PG_FUNCTION_INFO_V1(accum_unused_rows);

/* So many rows at least are looked at to tell how many are unused. */
#define SAMPLED_ROWS 100000

/* Append a condition on derived rows called t: nobody needs them. */
static void
append_unused(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	appendStringInfoString(sql, "t.movements_count OPERATOR(pg_catalog.=) 0");
	for (int i = 0; i < reg->nresources; i++)
	{
		if (accum_sum_kind(reg->resources[i].type) == ACCUM_SUM_FLOAT)
			continue;
		for (int s = 0; s < accum_sums_kept(reg, role); s++)
			appendStringInfo(sql, " AND t.%s OPERATOR(pg_catalog.=) 0", accum_sum_name(reg, i, s));
	}
	if (role == ACCUM_TOTALS_YEAR && reg->kind == ACCUM_KIND_TURNOVER)
		appendStringInfo(sql, " AND (t.period OPERATOR(pg_catalog.>) '0001-12-31'::pg_catalog.date OR NOT EXISTS ("
						 "SELECT FROM %s x WHERE x.dim_hash OPERATOR(pg_catalog.=) t.dim_hash "
						 "AND x.movements_count OPERATOR(pg_catalog.<>) 0))",
						 reg->relation_names[role]);
}

static uint64
prune_role(AccumRegister *reg, AccumRole role)
{
	StringInfoData sql;
	SPIPlanPtr	plan;
	uint64		n;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s t WHERE ", reg->relation_names[role]);
	append_unused(&sql, reg, role);
	plan = accum_query_prepare(sql.data, 0, NULL, false);
	n = accum_guarded_run(reg, plan, reg->relations[role], NULL, InvalidSnapshot, SPI_OK_DELETE);
	SPI_freeplan(plan);
	return n;
}

/*
 * accum.register_prune(p_name text) returns table
 *
 * Remove derived rows that have no movements; one row for each derived table says how
 * many.
 */
Datum
accum_register_prune(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.admin = true};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	AccumRegister *reg;
	AccumQueryState state;

	PreventCommandIfReadOnly("register_prune()");
	accum_pending_flush();
	reg = accum_register_named(fcinfo, ShareRowExclusiveLock, &access);
	InitMaterializedSRF(fcinfo, 0);
	accum_fold_completely(reg);

	/* Year totals come last: they tell which cells have movements. */
	accum_query_begin(&state, accum_register_owner(reg));
	for (AccumRole role = ACCUM_ROLES - 1; role >= ACCUM_BALANCE_CACHE; role--)
	{
		Datum		values[2];
		bool		nulls[2] = {false};

		if (!accum_register_has(reg, role))
			continue;
		values[0] = CStringGetTextDatum(get_rel_name(reg->relations[role]));
		values[1] = Int64GetDatum(prune_role(reg, role));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	accum_query_end(&state);
	return (Datum) 0;
}

/* Is there no row in a partition, committed or not, that could be seen by now? */
static bool
is_empty(Oid partition)
{
	return accum_query_run_newest(psprintf("SELECT FROM %s LIMIT 1", accum_partition_text(partition)),
								  0, NULL, NULL, SPI_OK_SELECT) == 0;
}

/* Partitions that are over and have no rows, at most limit. */
static List *
empty_partitions(AccumRegister *reg, int limit)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, accum_partitions_list(reg))
	{
		AccumPartition *partition = lfirst(lc);

		if (partition->to <= now && list_length(result) < limit && is_empty(partition->oid))
			result = lappend_oid(result, partition->oid);
	}
	return result;
}

/*
 * accum.register_drop_empty_partitions(p_name text) returns int
 *
 * Drop partitions of the past that have no movements; returns how many.
 */
Datum
accum_register_drop_empty_partitions(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.admin = true};
	AccumRegister *reg;
	AccumQueryState state;
	List	   *partitions;
	ListCell   *lc;
	int			n;

	PreventCommandIfReadOnly("register_drop_empty_partitions()");
	reg = accum_register_named(fcinfo, ShareUpdateExclusiveLock, &access);
	accum_query_begin(&state, accum_register_owner(reg));
	partitions = empty_partitions(reg, 1);
	if (partitions != NIL)
	{
		accum_partitions_lock(reg);
		partitions = empty_partitions(reg, ACCUM_MAX_PARTITIONS_AT_ONCE);
	}
	foreach(lc, partitions)
		(void) accum_query_command(psprintf("DROP TABLE %s",
											accum_partition_text(lfirst_oid(lc))),
								   SPI_OK_UTILITY);
	n = list_length(partitions);
	accum_query_end(&state);
	PG_RETURN_INT32(n);
}

/*
 * accum._unused_rows(movements regclass, role text) returns bigint
 *
 * How many rows of a derived table have no movements: counted in a small one, an
 * estimate from a sample of its pages in a large one.  NULL when there is no such table
 * or the caller may not read it.
 */
Datum
accum_unused_rows(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_of_movements(PG_GETARG_OID(0));
	AccumRole	role;
	AccumQueryState state;
	SPIPlanPtr	plan;
	int64		rows;
	double		part;
	int64		unused;
	bool		isnull;

	if (reg == NULL || !accum_role_from_name(text_to_cstring(PG_GETARG_TEXT_PP(1)), &role) ||
		role < ACCUM_BALANCE_CACHE || !accum_register_has(reg, role) ||
		!accum_may_count(reg->relations[role]))
		PG_RETURN_NULL();
	rows = accum_estimate_rows(reg->relations[role]);
	part = rows > SAMPLED_ROWS ? (double) SAMPLED_ROWS / rows : 1;

	accum_query_begin(&state, InvalidOid);
	plan = accum_query_prepare(psprintf("SELECT pg_catalog.count(*) FROM %s%s "
										"WHERE movements_count OPERATOR(pg_catalog.=) 0",
										reg->relation_names[role],
										part < 1 ? psprintf(" TABLESAMPLE SYSTEM (%f)", 100 * part) : ""),
							   0, NULL, false);
	unused = DatumGetInt64(accum_query_value(plan, NULL, &isnull));
	SPI_freeplan(plan);
	accum_query_end(&state);
	PG_RETURN_INT64((int64) rint(unused / part));
}
