/*
 * verify.c
 *		register_verify, register_repair, register_rebuild_totals,
 *		register_rebuild_cache.
 *
 * The truth about a derived table is one query over movements, and all use it:
 * verify compares it with what is stored, repair stores it where that differs, rebuild
 * stores all of it.
 *
 * Verify reads everything under one snapshot, so it may run while others post, and
 * counts deltas that are not folded yet as if they were.
 * Rebuild and repair keep writers out and let readers in, who see the old rows until
 * they commit.  Repair leaves deltas alone: what it stores is the truth without what
 * they will add.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "cell.h"
#include "fold.h"
#include "guarded.h"
#include "pending.h"
#include "query.h"
#include "registry.h"
#include "resource.h"

PG_FUNCTION_INFO_V1(accum_register_verify);
PG_FUNCTION_INFO_V1(accum_register_repair);
PG_FUNCTION_INFO_V1(accum_register_rebuild_totals);
PG_FUNCTION_INFO_V1(accum_register_rebuild_cache);

/* Sums of floating point may differ by this part of their size. */
#define FLOAT_TOLERANCE "1e-9"

static bool
is_totals(AccumRole role)
{
	return role >= ACCUM_TOTALS_YEAR;
}

static const char *
role_unit(AccumRole role)
{
	return role == ACCUM_TOTALS_DAY ? "day" : role == ACCUM_TOTALS_MONTH ? "month" : "year";
}

/* What a derived table keeps of each resource: the net sum, the receipts. */
static int
sums_per_resource(AccumRole role)
{
	return is_totals(role) ? 2 : 1;
}

static const char *
sum_name(AccumRegister *reg, int resource, int sum)
{
	return accum_ident(reg->resources[resource].name, sum == 0 ? "" : "_receipt");
}

static void
append_dims(StringInfo sql, AccumRegister *reg, const char *prefix)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		appendStringInfo(sql, ", %s", prefix);
		accum_append_ident(sql, reg->dims[i].name);
	}
}

/*
 * Append the truth: dim_hash, period (NULL for the cache), dimensions, sums,
 * movements_count, and for the cache the last movement.  Identifiers are ordered
 * by time.
 */
static void
append_truth(StringInfo sql, AccumRegister *reg, AccumRole role, const char *condition)
{
	appendStringInfoString(sql, "SELECT m.dim_hash, ");
	if (is_totals(role))
		appendStringInfo(sql, ACCUM_SCHEMA "._unit_start(%u::pg_catalog.regclass, m.period, '%s') AS period",
						 reg->movements, role_unit(role));
	else
		appendStringInfoString(sql, "NULL::date AS period");
	append_dims(sql, reg, "m.");
	for (int i = 0; i < reg->nresources; i++)
	{
		const char *name = sum_name(reg, i, 0);

		appendStringInfo(sql, ", pg_catalog.sum(m.%s) AS %s", name, name);
		if (is_totals(role))
			appendStringInfo(sql, ", COALESCE(pg_catalog.sum(m.%s) FILTER (WHERE m.%s OPERATOR(pg_catalog.>) 0), 0) AS %s",
							 name, name, sum_name(reg, i, 1));
	}
	appendStringInfo(sql, ", pg_catalog.count(*) AS movements_count, "
					 "pg_catalog.max(m.recorded_at) AS last_movement_at, "
					 "pg_catalog.max(m.id::pg_catalog.text COLLATE \"C\")::pg_catalog.uuid AS last_movement_id "
					 "FROM %s m WHERE %s GROUP BY 1, 2", reg->relation_names[ACCUM_MOVEMENTS], condition);
	append_dims(sql, reg, "m.");
}

/* Append the columns that a derived table shares with the truth. */
static void
append_compared(StringInfo sql, AccumRegister *reg, AccumRole role, const char *prefix)
{
	appendStringInfo(sql, "%smovements_count", prefix);
	append_dims(sql, reg, prefix);
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < sums_per_resource(role); s++)
			appendStringInfo(sql, ", %s%s", prefix, sum_name(reg, i, s));
	}
}

/* Append a condition: a row, e of the truth and a as stored, is wrong. */
static void
append_wrong(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	StringInfoData differs;
	StringInfoData stored;

	initStringInfo(&differs);
	initStringInfo(&stored);
	appendStringInfoString(&differs, "a.movements_count OPERATOR(pg_catalog.<>) e.movements_count OR (");
	accum_cell_append_equal(&differs, reg, "a", "e");
	/* A NULL beside a value makes it NULL. */
	appendStringInfoString(&differs, ") IS NOT TRUE");
	appendStringInfoString(&stored, "a.movements_count OPERATOR(pg_catalog.<>) 0");
	for (int i = 0; i < reg->nresources; i++)
	{
		bool		exact = accum_sum_kind(reg->resources[i].type) != ACCUM_SUM_FLOAT;

		for (int s = 0; s < sums_per_resource(role); s++)
		{
			const char *name = sum_name(reg, i, s);

			if (exact)
				appendStringInfo(&differs, " OR a.%s IS NULL OR a.%s OPERATOR(pg_catalog.<>) e.%s",
								 name, name, name);
			else
				appendStringInfo(&differs, " OR pg_catalog.abs(a.%s OPERATOR(pg_catalog.-) e.%s) OPERATOR(pg_catalog.>) "
								 "(" FLOAT_TOLERANCE " OPERATOR(pg_catalog.*) GREATEST(pg_catalog.abs(e.%s), 1)) OR a.%s IS NULL",
								 name, name, name, name);
			if (exact)
				appendStringInfo(&stored, " OR a.%s OPERATOR(pg_catalog.<>) 0", name);
		}
	}

	/* A row without movements may stay, as long as it says so. */
	appendStringInfo(sql, "a.dim_hash IS NULL OR (e.dim_hash IS NULL AND (%s)) "
					 "OR (e.dim_hash IS NOT NULL AND (%s))", stored.data, differs.data);
}

/*
 * Append what a derived table says: its rows, and with them the deltas that it
 * does not have yet.
 */
static void
append_stored(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	const char *period = is_totals(role) ? "t.period" : "NULL::date AS period";

	if (!accum_register_has(reg, ACCUM_DELTA))
	{
		appendStringInfo(sql, "SELECT t.dim_hash, %s, ", period);
		append_compared(sql, reg, role, "t.");
		appendStringInfo(sql, " FROM %s t", reg->relation_names[role]);
		return;
	}
	appendStringInfoString(sql, "SELECT s.dim_hash, s.period, pg_catalog.sum(s.movements_count) AS movements_count");
	append_dims(sql, reg, "s.");
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int n = 0; n < sums_per_resource(role); n++)
			appendStringInfo(sql, ", pg_catalog.sum(s.%s) AS %s", sum_name(reg, i, n),
							 sum_name(reg, i, n));
	}
	appendStringInfo(sql, " FROM (SELECT t.dim_hash, %s, ", period);
	append_compared(sql, reg, role, "t.");
	appendStringInfo(sql, " FROM %s t UNION ALL SELECT t.dim_hash, ", reg->relation_names[role]);
	if (is_totals(role))
		appendStringInfo(sql, ACCUM_SCHEMA "._unit_start(%u::pg_catalog.regclass, t.period, '%s'), ",
						 reg->movements, role_unit(role));
	else
		appendStringInfoString(sql, "NULL, ");
	append_compared(sql, reg, role, "t.");
	appendStringInfo(sql, " FROM %s t) s GROUP BY 1, 2", reg->relation_names[ACCUM_DELTA]);
	append_dims(sql, reg, "s.");
}

/* Append the condition that two rows are of one cell, and in totals of one unit. */
static void
append_same_key(StringInfo sql, AccumRole role, const char *left, const char *right)
{
	appendStringInfo(sql, "%s.dim_hash OPERATOR(pg_catalog.=) %s.dim_hash", left, right);
	if (is_totals(role))
		appendStringInfo(sql, " AND %s.period OPERATOR(pg_catalog.=) %s.period", left, right);
}

/* Bad rows of a derived table: dim_hash, period, expected, actual, status. */
static void
verify_query(AccumQuery *query, AccumRegister *reg, AccumRole role)
{
	StringInfo	sql = &query->sql;
	const char *where = is_totals(role) ? "TOTALS" : "CACHE";

	appendStringInfoString(sql, "SELECT COALESCE(e.dim_hash, a.dim_hash), COALESCE(e.period, a.period), "
						   "CASE WHEN e.dim_hash IS NOT NULL THEN (SELECT pg_catalog.to_jsonb(x) FROM (SELECT ");
	append_compared(sql, reg, role, "e.");
	appendStringInfoString(sql, ") x) END, "
						   "CASE WHEN a.dim_hash IS NOT NULL THEN (SELECT pg_catalog.to_jsonb(x) FROM (SELECT ");
	append_compared(sql, reg, role, "a.");
	appendStringInfo(sql, ") x) END, CASE WHEN a.dim_hash IS NULL THEN 'MISSING_IN_%s' "
					 "WHEN e.dim_hash IS NULL THEN 'ORPHAN_IN_%s' ELSE 'MISMATCH' END FROM (",
					 where, where);
	append_truth(sql, reg, role, "true");
	appendStringInfoString(sql, ") e FULL JOIN (");
	append_stored(sql, reg, role);
	appendStringInfoString(sql, ") a ON ");
	append_same_key(sql, role, "e", "a");
	appendStringInfoString(sql, " WHERE ");
	append_wrong(sql, reg, role);
	appendStringInfoString(sql, " ORDER BY 2, 1");
}

static void
verify_role(AccumRegister *reg, AccumRole role, ReturnSetInfo *result)
{
	Datum		values[6] = {CStringGetTextDatum(accum_role_name(role))};
	bool		nulls[6] = {false};
	AccumQuery	query;
	AccumRows	rows;
	HeapTuple	row;
	bool		clean = true;

	accum_query_init(&query);
	verify_query(&query, reg, role);
	accum_rows_open(&rows, &query);
	while ((row = accum_rows_next(&rows)) != NULL)
	{
		clean = false;
		for (int i = 1; i <= 5; i++)
			values[i] = SPI_getbinval(row, SPI_tuptable->tupdesc, i, &nulls[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	accum_rows_close(&rows);
	if (!clean)
		return;
	memset(nulls + 1, true, 4);
	nulls[5] = false;
	values[5] = CStringGetTextDatum("OK");
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * accum.register_verify(p_name text) returns table
 *
 * Compare each derived table with movements: its bad rows, or one row OK.
 */
Datum
accum_register_verify(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_named(fcinfo, AccessShareLock, NULL);

	InitMaterializedSRF(fcinfo, 0);
	for (AccumRole role = ACCUM_BALANCE_CACHE; role < ACCUM_ROLES; role++)
	{
		if (OidIsValid(reg->relations[role]))
			verify_role(reg, role, (ReturnSetInfo *) fcinfo->resultinfo);
	}
	return (Datum) 0;
}

/*
 * Open a register to rebuild it: writers and folds wait, readers do not.  Deltas
 * are folded first, so that what is rebuilt is all there is.
 */
static AccumRegister *
open_to_rebuild(FunctionCallInfo fcinfo, const char *function)
{
	AccumAccess access = {.owner = true};
	AccumRegister *reg;

	PreventCommandIfReadOnly(function);
	reg = accum_register_named(fcinfo, ShareRowExclusiveLock, &access);
	(void) accum_fold_all(reg);
	if (accum_fold_pending(reg))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("register \"%s\" has deltas that do not fit its derived tables", reg->name),
				 errhint("Correct the documents with movements of that size.")));
	return reg;
}

/* Run a statement on a derived table that is not worth keeping. */
static uint64
run_once(AccumRegister *reg, AccumRole role, const char *sql, int expected)
{
	SPIPlanPtr	plan = accum_query_prepare(sql, 0, NULL, false);
	uint64		n = accum_guarded_run(reg, plan, reg->relations[role], NULL, InvalidSnapshot, expected);

	SPI_freeplan(plan);
	return n;
}

/* Append what ON CONFLICT does to the row of a derived table called t. */
static void
append_replacements(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	appendStringInfo(sql, " ON CONFLICT (dim_hash%s) DO UPDATE SET "
					 "movements_count = EXCLUDED.movements_count",
					 is_totals(role) ? ", period" : "");
	for (int i = 0; i < reg->ndims; i++)
		appendStringInfo(sql, ", %1$s = EXCLUDED.%1$s", accum_ident(reg->dims[i].name, ""));
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < sums_per_resource(role); s++)
			appendStringInfo(sql, ", %1$s = EXCLUDED.%1$s", sum_name(reg, i, s));
	}
	if (!is_totals(role))
		appendStringInfoString(sql, ", last_movement_at = COALESCE(t.last_movement_at, EXCLUDED.last_movement_at), "
							   "last_movement_id = COALESCE(t.last_movement_id, EXCLUDED.last_movement_id), "
							   "version = t.version OPERATOR(pg_catalog.+) 1");
}

/* Append the truth of a bad key without what deltas will add: a SELECT list's columns. */
static void
append_mended(StringInfo sql, AccumRegister *reg, AccumRole role, bool has_deltas)
{
	const char *sum = has_deltas
		? ", COALESCE(e.%1$s, 0) OPERATOR(pg_catalog.-) COALESCE(p.%1$s, 0)" : ", e.%1$s";

	appendStringInfo(sql, "b.dim_hash%s", is_totals(role) ? ", b.period" : "");
	appendStringInfo(sql, sum, "movements_count");
	for (int i = 0; i < reg->ndims; i++)
		appendStringInfo(sql, has_deltas ? ", CASE WHEN e.dim_hash IS NULL THEN c.%1$s ELSE e.%1$s END"
						 : ", e.%1$s", accum_ident(reg->dims[i].name, ""));
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < sums_per_resource(role); s++)
			appendStringInfo(sql, sum, sum_name(reg, i, s));
	}
	if (!is_totals(role))
		appendStringInfoString(sql, ", e.last_movement_at, e.last_movement_id, 1");
}

/*
 * Append the deltas that are pending, as a derived table would have them, and the
 * cells that have any: common table expressions.
 */
static void
append_pending(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	const char *deltas = reg->relation_names[ACCUM_DELTA];

	appendStringInfoString(sql, "), pending AS MATERIALIZED (SELECT d.dim_hash, ");
	if (is_totals(role))
		appendStringInfo(sql, ACCUM_SCHEMA "._unit_start(%u::pg_catalog.regclass, d.period, '%s') AS period",
						 reg->movements, role_unit(role));
	else
		appendStringInfoString(sql, "NULL::date AS period");
	appendStringInfoString(sql, ", pg_catalog.sum(d.movements_count) AS movements_count");
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < sums_per_resource(role); s++)
			appendStringInfo(sql, ", pg_catalog.sum(d.%1$s) AS %1$s", sum_name(reg, i, s));
	}
	appendStringInfo(sql, " FROM %s d GROUP BY 1, 2), waiting AS MATERIALIZED (SELECT DISTINCT ON (d.dim_hash) d.dim_hash",
					 deltas);
	append_dims(sql, reg, "d.");
	appendStringInfo(sql, " FROM %s d ORDER BY d.dim_hash", deltas);
}

/*
 * The statement that mends a derived table: rows that are wrong become right, those
 * of cells without movements and deltas go.  Its one value is how many there were.
 */
static void
repair_query(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	const char *table = reg->relation_names[role];
	bool		has_deltas = accum_register_has(reg, ACCUM_DELTA);

	appendStringInfoString(sql, "WITH truth AS MATERIALIZED (");
	append_truth(sql, reg, role, "true");
	if (has_deltas)
		append_pending(sql, reg, role);
	appendStringInfoString(sql, "), bad AS MATERIALIZED (SELECT DISTINCT COALESCE(e.dim_hash, a.dim_hash) AS dim_hash, "
						   "COALESCE(e.period, a.period) AS period FROM truth e FULL JOIN (");
	append_stored(sql, reg, role);
	appendStringInfoString(sql, ") a ON ");
	append_same_key(sql, role, "e", "a");
	appendStringInfoString(sql, " WHERE ");
	append_wrong(sql, reg, role);

	appendStringInfo(sql, "), gone AS (DELETE FROM %s t USING bad b WHERE ", table);
	append_same_key(sql, role, "t", "b");
	appendStringInfoString(sql, " AND NOT EXISTS (SELECT FROM truth e WHERE ");
	append_same_key(sql, role, "e", "b");
	appendStringInfo(sql, ")%s RETURNING 1), mended AS (INSERT INTO %s AS t (dim_hash, %s",
					 has_deltas ? " AND NOT EXISTS (SELECT FROM waiting c "
					 "WHERE c.dim_hash OPERATOR(pg_catalog.=) b.dim_hash)" : "",
					 table, is_totals(role) ? "period, " : "");
	append_compared(sql, reg, role, "");
	appendStringInfo(sql, "%s) SELECT ",
					 is_totals(role) ? "" : ", last_movement_at, last_movement_id, version");
	append_mended(sql, reg, role, has_deltas);
	appendStringInfo(sql, " FROM bad b %sJOIN truth e ON ", has_deltas ? "LEFT " : "");
	append_same_key(sql, role, "e", "b");
	if (has_deltas)
	{
		appendStringInfoString(sql, " LEFT JOIN pending p ON ");
		append_same_key(sql, role, "p", "b");
		appendStringInfoString(sql, " LEFT JOIN waiting c ON c.dim_hash OPERATOR(pg_catalog.=) b.dim_hash "
							   "WHERE e.dim_hash IS NOT NULL OR c.dim_hash IS NOT NULL");
	}
	appendStringInfoString(sql, " ORDER BY b.period, b.dim_hash");
	append_replacements(sql, reg, role);
	appendStringInfoString(sql, " RETURNING 1) SELECT (SELECT pg_catalog.count(*) FROM gone) "
						   "OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM mended)");
}

/*
 * accum.register_repair(p_name text) returns int
 *
 * Make those rows of derived tables right that register_verify finds wrong; returns
 * their number.
 */
Datum
accum_register_repair(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.owner = true};
	AccumRegister *reg;
	AccumQueryState state;
	int64		n = 0;

	PreventCommandIfReadOnly("register_repair()");
	reg = accum_register_named(fcinfo, ShareRowExclusiveLock, &access);
	accum_pending_flush();
	accum_query_begin(&state, GetUserId());
	for (AccumRole role = ACCUM_BALANCE_CACHE; role < ACCUM_ROLES; role++)
	{
		StringInfoData sql;
		bool		isnull;

		if (!accum_register_has(reg, role))
			continue;
		initStringInfo(&sql);
		repair_query(&sql, reg, role);
		(void) run_once(reg, role, sql.data, SPI_OK_SELECT);
		n += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	accum_query_end(&state);
	PG_RETURN_INT32((int32) Min(n, PG_INT32_MAX));
}

static uint64
rebuild_totals(AccumRegister *reg, AccumRole role)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s", reg->relation_names[role]);
	(void) run_once(reg, role, sql.data, SPI_OK_DELETE);

	resetStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (dim_hash, period, ", reg->relation_names[role]);
	append_compared(&sql, reg, role, "");
	appendStringInfoString(&sql, ") SELECT e.dim_hash, e.period, ");
	append_compared(&sql, reg, role, "e.");
	appendStringInfoString(&sql, " FROM (");
	append_truth(&sql, reg, role, "true");
	appendStringInfoString(&sql, ") e ORDER BY e.period, e.dim_hash");
	return run_once(reg, role, sql.data, SPI_OK_INSERT);
}

/*
 * accum.register_rebuild_totals(p_name text) returns int
 *
 * Make all totals anew from movements; returns the number of rows.
 */
Datum
accum_register_rebuild_totals(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = open_to_rebuild(fcinfo, "register_rebuild_totals()");
	AccumQueryState state;
	uint64		n = 0;

	accum_query_begin(&state, GetUserId());
	for (AccumRole role = ACCUM_TOTALS_YEAR; role < ACCUM_ROLES; role++)
	{
		if (OidIsValid(reg->relations[role]))
			n += rebuild_totals(reg, role);
	}
	accum_query_end(&state);
	PG_RETURN_INT32((int32) Min(n, PG_INT32_MAX));
}

static uint64
rebuild_cache(AccumRegister *reg, const char *condition)
{
	StringInfoData sql;
	const char *cache = reg->relation_names[ACCUM_BALANCE_CACHE];

	/* What the last write was is not to be seen in movements: it stays. */
	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s m WHERE %s AND NOT EXISTS (SELECT FROM %s x "
					 "WHERE x.dim_hash OPERATOR(pg_catalog.=) m.dim_hash)",
					 cache, condition, reg->relation_names[ACCUM_MOVEMENTS]);
	(void) run_once(reg, ACCUM_BALANCE_CACHE, sql.data, SPI_OK_DELETE);

	resetStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s AS t (dim_hash, ", cache);
	append_compared(&sql, reg, ACCUM_BALANCE_CACHE, "");
	appendStringInfoString(&sql, ", last_movement_at, last_movement_id, version) SELECT e.dim_hash, ");
	append_compared(&sql, reg, ACCUM_BALANCE_CACHE, "e.");
	appendStringInfoString(&sql, ", e.last_movement_at, e.last_movement_id, 1 FROM (");
	append_truth(&sql, reg, ACCUM_BALANCE_CACHE, condition);
	appendStringInfoString(&sql, ") e ORDER BY e.dim_hash");
	append_replacements(&sql, reg, ACCUM_BALANCE_CACHE);
	return run_once(reg, ACCUM_BALANCE_CACHE, sql.data, SPI_OK_INSERT);
}

/*
 * accum.register_rebuild_cache(p_name text, p_dim_hash bigint DEFAULT NULL)
 * returns int
 *
 * Make the balance cache, or one cell of it, anew from movements; returns the
 * number of cells, 0 for a register without cache.
 */
Datum
accum_register_rebuild_cache(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = open_to_rebuild(fcinfo, "register_rebuild_cache()");
	AccumQueryState state;
	uint64		n;

	if (!OidIsValid(reg->relations[ACCUM_BALANCE_CACHE]))
		PG_RETURN_INT32(0);
	accum_query_begin(&state, GetUserId());
	n = rebuild_cache(reg, PG_ARGISNULL(1) ? "true"
					  : psprintf("m.dim_hash OPERATOR(pg_catalog.=) (" INT64_FORMAT ")",
								 PG_GETARG_INT64(1)));
	accum_query_end(&state);
	PG_RETURN_INT32((int32) Min(n, PG_INT32_MAX));
}
