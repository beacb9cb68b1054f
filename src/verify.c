/*
 * verify.c
 *		register_verify, register_repair, register_rebuild_totals,
 *		register_rebuild_cache.
 *
 * The truth about a derived table is one query over the facts (facts.c), and all use
 * it: verify compares it with what is stored, repair stores it where that differs,
 * rebuild stores all of it.
 *
 * Verify reads everything under one snapshot, so it may run while others post, and
 * counts deltas that are not folded yet as if they were.
 * Cells whose hash was made with another seed than the register's are told by verify, and
 * hashed anew by all others before they mend what is derived.
 *
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
#include "utils/inval.h"
#include "utils/snapmgr.h"

#include "cell.h"
#include "facts.h"
#include "fold.h"
#include "guarded.h"
#include "horizon.h"
#include "pending.h"
#include "progress.h"
#include "query.h"
#include "registry.h"
#include "rehash.h"
#include "resource.h"
#include "verify.h"

PG_FUNCTION_INFO_V1(accum_register_verify);
PG_FUNCTION_INFO_V1(accum_register_repair);
PG_FUNCTION_INFO_V1(accum_register_rebuild_totals);
PG_FUNCTION_INFO_V1(accum_register_rebuild_cache);

/* Columns of register_verify. */
#define VERIFY_COLUMNS 6

/* Sums of floating point may differ by this part of their size. */
#define FLOAT_TOLERANCE "1e-9"

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

		for (int s = 0; s < accum_sums_kept(reg, role); s++)
		{
			const char *name = accum_sum_name(reg, i, s);

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

/* Append the condition that two rows are of one cell, and in totals of one unit. */
static void
append_same_key(StringInfo sql, AccumRole role, const char *left, const char *right)
{
	appendStringInfo(sql, "%s.dim_hash OPERATOR(pg_catalog.=) %s.dim_hash", left, right);
	if (accum_is_totals(role))
		appendStringInfo(sql, " AND %s.period OPERATOR(pg_catalog.=) %s.period", left, right);
}

/*
 * Bad rows of a derived table, as register_verify returns them.  Of totals only those of
 * days before one, if that is not ACCUM_DAY_MAX.
 */
static void
append_verify(StringInfo sql, AccumRegister *reg, AccumRole role, AccumDay before)
{
	const char *where = accum_is_totals(role) ? "TOTALS" : "CACHE";

	appendStringInfo(sql, "SELECT '%s', COALESCE(e.dim_hash, a.dim_hash), COALESCE(e.period, a.period), "
					 "CASE WHEN e.dim_hash IS NOT NULL THEN (SELECT pg_catalog.to_jsonb(_x) FROM (SELECT ",
					 accum_role_name(role));
	accum_append_compared(sql, reg, role, "e.");
	appendStringInfoString(sql, ") _x) END, "
						   "CASE WHEN a.dim_hash IS NOT NULL THEN (SELECT pg_catalog.to_jsonb(_x) FROM (SELECT ");
	accum_append_compared(sql, reg, role, "a.");
	appendStringInfo(sql, ") _x) END, CASE WHEN a.dim_hash IS NULL THEN 'MISSING_IN_%s' "
					 "WHEN e.dim_hash IS NULL THEN 'ORPHAN_IN_%s' ELSE 'MISMATCH' END FROM (",
					 where, where);
	accum_append_truth(sql, reg, role);
	appendStringInfoString(sql, ") e FULL JOIN (SELECT * FROM (");
	accum_append_stored(sql, reg, role);
	appendStringInfoString(sql, ") t");
	if (before != ACCUM_DAY_MAX)
	{
		appendStringInfoString(sql, " WHERE t.period OPERATOR(pg_catalog.<) ");
		accum_append_date(sql, before);
	}
	appendStringInfoString(sql, ") a ON ");
	append_same_key(sql, role, "e", "a");
	appendStringInfoString(sql, " WHERE ");
	append_wrong(sql, reg, role);
	appendStringInfoString(sql, " ORDER BY 3, 2");
}

/*
 * Append a query for cells that stand under another hash than their own: in movements, or,
 * of archived time, in the finest totals.
 */
static void
append_misplaced(StringInfo sql, AccumRegister *reg)
{
	appendStringInfoString(sql, "SELECT _w._check_type, _w.dim_hash, NULL::date, "
						   "pg_catalog.to_jsonb(_w) OPERATOR(pg_catalog.-) ARRAY['_check_type', 'dim_hash', '_cell_hash'] "
						   "OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('dim_hash', _w._cell_hash), "
						   "pg_catalog.to_jsonb(_w) OPERATOR(pg_catalog.-) ARRAY['_check_type', '_cell_hash'], "
						   "'WRONG_HASH' FROM (SELECT ");
	if (accum_horizon_set(reg))
		appendStringInfo(sql, "CASE WHEN f.period OPERATOR(pg_catalog.<) '%s'::pg_catalog.date THEN '%s' ELSE 'movements' END",
						 accum_horizon_text(reg),
						 accum_role_name(accum_totals_role(reg->totals_period)));
	else
		appendStringInfoString(sql, "'movements'");
	appendStringInfoString(sql, " AS _check_type, f.dim_hash, f._cell_hash, "
						   "pg_catalog.sum(f.movements_count) AS movements_count");
	accum_append_dims(sql, reg, "f.");
	appendStringInfoString(sql, " FROM " ACCUM_MISPLACED " f GROUP BY 1, 2, 3");
	accum_append_dims(sql, reg, "f.");
	appendStringInfoString(sql, ") _w ORDER BY 1, 2");
}

/* Put the rows of a query into the result; false if there is none. */
static bool
put_rows(const AccumFacts *facts, const char *sql, ReturnSetInfo *result)
{
	Datum		values[VERIFY_COLUMNS];
	bool		nulls[VERIFY_COLUMNS];
	SPIPlanPtr	plan;
	AccumRows	rows;
	HeapTuple	row;
	bool		any = false;

	accum_rows_begin(&rows);
	accum_facts_show(facts);
	plan = accum_query_prepare(sql, 0, NULL, false);
	accum_rows_open_plan(&rows, plan, NULL);
	while ((row = accum_rows_next(&rows)) != NULL)
	{
		for (int i = 0; i < VERIFY_COLUMNS; i++)
			values[i] = SPI_getbinval(row, SPI_tuptable->tupdesc, i + 1, &nulls[i]);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		any = true;
	}
	SPI_freeplan(plan);
	accum_rows_close(&rows);
	return any;
}

static void
verify_hashes(AccumRegister *reg, const AccumFacts *facts, ReturnSetInfo *result)
{
	StringInfoData sql;

	if (!facts->has_misplaced)
		return;
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("register \"%s\" has cells that were hashed with another seed", reg->name),
			 errdetail("Their movements are those of another register, or accum._register_seeds was not restored with them; or labels of an enum were renamed."),
			 errhint("accum.register_rebuild_totals() hashes them anew, and makes anew what is derived from them.")));
	initStringInfo(&sql);
	append_misplaced(&sql, reg);
	(void) put_rows(facts, sql.data, result);
}

static void
verify_role(AccumRegister *reg, AccumRole role, const AccumFacts *facts, ReturnSetInfo *result)
{
	Datum		values[VERIFY_COLUMNS] = {0};
	bool		nulls[VERIFY_COLUMNS] = {false, true, true, true, true, false};
	StringInfoData sql;

	initStringInfo(&sql);
	append_verify(&sql, reg, role, ACCUM_DAY_MAX);
	if (put_rows(facts, sql.data, result))
		return;
	values[0] = CStringGetTextDatum(accum_role_name(role));
	values[VERIFY_COLUMNS - 1] = CStringGetTextDatum("OK");
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * accum.register_verify(p_name text) returns table
 *
 * Compare each derived table with movements: its bad rows, or one row OK; and before
 * them what stands under a wrong hash in movements themselves.
 */
Datum
accum_register_verify(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_reseeded(accum_register_named(fcinfo, AccessShareLock, NULL));
	AccumFactsScope scope = {.before = ACCUM_DAY_MAX};
	AccumFacts	facts;

	InitMaterializedSRF(fcinfo, 0);
	accum_pending_push_snapshot();
	accum_progress_begin(reg, "verify");
	accum_facts_collect(&facts, reg, &scope);
	verify_hashes(reg, &facts, (ReturnSetInfo *) fcinfo->resultinfo);
	for (AccumRole role = ACCUM_BALANCE_CACHE; role < ACCUM_ROLES; role++)
	{
		if (OidIsValid(reg->relations[role]))
		{
			accum_progress_phase(psprintf("comparing %s", accum_role_name(role)));
			verify_role(reg, role, &facts, (ReturnSetInfo *) fcinfo->resultinfo);
		}
	}
	accum_facts_free(&facts);
	accum_progress_end();
	PopActiveSnapshot();
	return (Datum) 0;
}

/*
 * Are the finest totals of the days before one what movements, and what is archived,
 * add up to?  As the register's owner, under a new snapshot.
 */
bool
accum_verify_before(AccumRegister *reg, AccumDay before)
{
	AccumFactsScope scope = {.before = before,.role = accum_register_owner(reg)};
	AccumQueryState state;
	AccumFacts	facts;
	StringInfoData sql;
	SPIPlanPtr	plan;
	uint64		n;

	initStringInfo(&sql);
	append_verify(&sql, reg, accum_totals_role(reg->totals_period), before);
	PushActiveSnapshot(GetLatestSnapshot());
	accum_progress_begin(reg, "archiving");
	accum_facts_collect(&facts, reg, &scope);
	accum_progress_phase("comparing totals");
	accum_query_begin(&state, scope.role);
	accum_facts_show(&facts);
	plan = accum_query_prepare(psprintf("SELECT FROM (%s) t LIMIT 1", sql.data), 0, NULL, false);
	n = accum_query_run_at(plan, NULL, GetActiveSnapshot(), SPI_OK_SELECT);
	SPI_freeplan(plan);
	accum_query_end(&state);
	PopActiveSnapshot();
	accum_facts_free(&facts);
	accum_progress_end();
	return n == 0;
}

/*
 * Open a register to rebuild it: writers and folds wait, readers do not.  Deltas
 * are folded first, so that what is rebuilt is all there is.
 */
static AccumRegister *
open_to_rebuild(FunctionCallInfo fcinfo, const char *function)
{
	AccumAccess access = {.admin = true};
	AccumRegister *reg;

	PreventCommandIfReadOnly(function);
	accum_pending_flush();
	reg = accum_register_reseeded(accum_register_named(fcinfo, ShareRowExclusiveLock, &access));
	accum_fold_completely(reg);
	return reg;
}

/* The facts as they are now, whatever the transaction's snapshot shows; writers wait. */
static void
collect_newest(AccumFacts *facts, AccumRegister *reg, const AccumFactsScope *scope)
{
	PushActiveSnapshot(GetLatestSnapshot());
	accum_facts_collect(facts, reg, scope);
	PopActiveSnapshot();
}

/*
 * Collect the facts that derived tables are mended with.  If cells stand under hashes that
 * are not theirs, that is mended first, in movements and in the facts; then true is
 * returned, nothing that is derived is right any more, and the facts are those of all
 * cells.
 */
static bool
collect_to_mend(AccumFacts *facts, AccumRegister *reg, AccumFactsScope *scope)
{
	int64		n;

	collect_newest(facts, reg, scope);
	if (!facts->has_misplaced)
		return false;
	accum_facts_free(facts);

	/* Deltas stand under the hashes that derived rows have still. */
	accum_fold_completely(reg);
	accum_progress_phase("writing movements");
	n = accum_rehash_movements(reg);

	/* Other sessions may know the seed that was in force when they began. */
	CacheInvalidateRelcacheByRelid(reg->movements);
	ereport(NOTICE,
			(errmsg("cells of register \"%s\" are hashed anew", reg->name),
			 errdetail("They had hashes of another seed in " INT64_FORMAT " movements.", n)));
	scope->condition = NULL;
	collect_newest(facts, reg, scope);
	accum_facts_replace(facts, reg);
	return true;
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
					 accum_is_totals(role) ? ", period" : "");
	for (int i = 0; i < reg->ndims; i++)
		appendStringInfo(sql, ", %1$s = EXCLUDED.%1$s", accum_ident(reg->dims[i].name, ""));
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < accum_sums_kept(reg, role); s++)
			appendStringInfo(sql, ", %1$s = EXCLUDED.%1$s", accum_sum_name(reg, i, s));
	}
	if (!accum_is_totals(role))
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

	appendStringInfo(sql, "b.dim_hash%s", accum_is_totals(role) ? ", b.period" : "");
	appendStringInfo(sql, sum, "movements_count");
	for (int i = 0; i < reg->ndims; i++)
		appendStringInfo(sql, has_deltas ? ", CASE WHEN e.dim_hash IS NULL THEN c.%1$s ELSE e.%1$s END"
						 : ", e.%1$s", accum_ident(reg->dims[i].name, ""));
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < accum_sums_kept(reg, role); s++)
			appendStringInfo(sql, sum, accum_sum_name(reg, i, s));
	}
	if (!accum_is_totals(role))
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
	if (accum_is_totals(role))
		appendStringInfo(sql, ACCUM_SCHEMA "._unit_start(%u::pg_catalog.regclass, d.period, '%s') AS period",
						 reg->movements, accum_totals_unit(role));
	else
		appendStringInfoString(sql, "NULL::date AS period");
	appendStringInfoString(sql, ", pg_catalog.sum(d.movements_count) AS movements_count");
	for (int i = 0; i < reg->nresources; i++)
	{
		for (int s = 0; s < accum_sums_kept(reg, role); s++)
			appendStringInfo(sql, ", pg_catalog.sum(d.%1$s) AS %1$s", accum_sum_name(reg, i, s));
	}
	appendStringInfo(sql, " FROM %s d GROUP BY 1, 2), waiting AS MATERIALIZED (SELECT DISTINCT ON (d.dim_hash) d.dim_hash",
					 deltas);
	accum_append_dims(sql, reg, "d.");
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
	accum_append_truth(sql, reg, role);
	if (has_deltas)
		append_pending(sql, reg, role);
	appendStringInfoString(sql, "), bad AS MATERIALIZED (SELECT DISTINCT COALESCE(e.dim_hash, a.dim_hash) AS dim_hash, "
						   "COALESCE(e.period, a.period) AS period FROM truth e FULL JOIN (");
	accum_append_stored(sql, reg, role);
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
					 table, accum_is_totals(role) ? "period, " : "");
	accum_append_compared(sql, reg, role, "");
	appendStringInfo(sql, "%s) SELECT ",
					 accum_is_totals(role) ? "" : ", last_movement_at, last_movement_id, version");
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
	AccumAccess access = {.admin = true};
	AccumFactsScope scope = {.before = ACCUM_DAY_MAX};
	AccumRegister *reg;
	AccumQueryState state;
	AccumFacts	facts;
	int64		n = 0;

	PreventCommandIfReadOnly("register_repair()");
	reg = accum_register_reseeded(accum_register_named(fcinfo, ShareRowExclusiveLock, &access));
	scope.role = accum_register_owner(reg);
	accum_pending_flush();
	accum_progress_begin(reg, "repair");
	(void) collect_to_mend(&facts, reg, &scope);
	accum_query_begin(&state, scope.role);
	accum_query_restrict();
	accum_facts_show(&facts);
	for (AccumRole role = ACCUM_BALANCE_CACHE; role < ACCUM_ROLES; role++)
	{
		StringInfoData sql;
		bool		isnull;

		if (!accum_register_has(reg, role))
			continue;
		accum_progress_phase(psprintf("comparing %s", accum_role_name(role)));
		initStringInfo(&sql);
		repair_query(&sql, reg, role);
		(void) accum_guarded_run_newest(reg, reg->relations[role], sql.data, 0, NULL, NULL,
										SPI_OK_SELECT);
		n += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	accum_query_end(&state);
	accum_facts_free(&facts);
	accum_progress_end();
	PG_RETURN_INT32((int32) Min(n, PG_INT32_MAX));
}

static uint64
rebuild_role(AccumRegister *reg, AccumRole role)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s", reg->relation_names[role]);
	(void) run_once(reg, role, sql.data, SPI_OK_DELETE);

	resetStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s (dim_hash, period, ", reg->relation_names[role]);
	accum_append_compared(&sql, reg, role, "");
	appendStringInfoString(&sql, ") SELECT e.dim_hash, e.period, ");
	accum_append_compared(&sql, reg, role, "e.");
	appendStringInfoString(&sql, " FROM (");
	accum_append_truth(&sql, reg, role);
	appendStringInfoString(&sql, ") e ORDER BY e.period, e.dim_hash");
	return run_once(reg, role, sql.data, SPI_OK_INSERT);
}

static uint64
rebuild_totals(AccumRegister *reg)
{
	uint64		n = 0;

	for (AccumRole role = ACCUM_TOTALS_YEAR; role < ACCUM_ROLES; role++)
	{
		if (!accum_register_has(reg, role))
			continue;
		accum_progress_phase(psprintf("writing %s", accum_role_name(role)));
		n += rebuild_role(reg, role);
	}
	return n;
}

static uint64
rebuild_cache(AccumRegister *reg, const char *condition)
{
	StringInfoData sql;
	const char *cache = reg->relation_names[ACCUM_BALANCE_CACHE];

	accum_progress_phase("writing balance_cache");

	/* What the last write was is not to be seen in movements: it stays. */
	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s m WHERE %s AND NOT EXISTS (SELECT FROM " ACCUM_FACTS " f "
					 "WHERE f.dim_hash OPERATOR(pg_catalog.=) m.dim_hash)", cache,
					 condition == NULL ? "true" : condition);
	(void) run_once(reg, ACCUM_BALANCE_CACHE, sql.data, SPI_OK_DELETE);

	resetStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s AS t (dim_hash, ", cache);
	accum_append_compared(&sql, reg, ACCUM_BALANCE_CACHE, "");
	appendStringInfoString(&sql, ", last_movement_at, last_movement_id, version) SELECT e.dim_hash, ");
	accum_append_compared(&sql, reg, ACCUM_BALANCE_CACHE, "e.");
	appendStringInfoString(&sql, ", e.last_movement_at, e.last_movement_id, 1 FROM (");
	accum_append_truth(&sql, reg, ACCUM_BALANCE_CACHE);
	appendStringInfoString(&sql, ") e ORDER BY e.dim_hash");
	append_replacements(&sql, reg, ACCUM_BALANCE_CACHE);
	return run_once(reg, ACCUM_BALANCE_CACHE, sql.data, SPI_OK_INSERT);
}

/*
 * Make totals or the cache anew, of the cells that the scope says; returns the number of
 * rows.  Where hashes have been made anew, none of both can be left as it was.
 */
static int32
rebuild(AccumRegister *reg, const char *command, bool totals, AccumFactsScope *scope)
{
	AccumQueryState state;
	AccumFacts	facts;
	uint64		n_totals = 0;
	uint64		n_cache = 0;
	bool		all;

	accum_progress_begin(reg, command);
	all = collect_to_mend(&facts, reg, scope);
	accum_query_begin(&state, scope->role);
	accum_query_restrict();
	accum_facts_show(&facts);
	if (totals || all)
		n_totals = rebuild_totals(reg);
	if (!totals || (all && accum_register_has(reg, ACCUM_BALANCE_CACHE)))
		n_cache = rebuild_cache(reg, scope->condition);
	accum_query_end(&state);
	accum_facts_free(&facts);
	accum_progress_end();
	return (int32) Min(totals ? n_totals : n_cache, PG_INT32_MAX);
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
	AccumFactsScope scope = {.before = ACCUM_DAY_MAX,.role = accum_register_owner(reg)};

	PG_RETURN_INT32(rebuild(reg, "rebuild of totals", true, &scope));
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
	AccumFactsScope scope = {.before = ACCUM_DAY_MAX,.role = accum_register_owner(reg)};

	if (!accum_register_has(reg, ACCUM_BALANCE_CACHE))
		PG_RETURN_INT32(0);
	if (!PG_ARGISNULL(1))
		scope.condition = psprintf("m.dim_hash OPERATOR(pg_catalog.=) (" INT64_FORMAT ")",
								   PG_GETARG_INT64(1));
	PG_RETURN_INT32(rebuild(reg, "rebuild of balance_cache", false, &scope));
}
