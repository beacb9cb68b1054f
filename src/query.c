/*
 * query.c
 *		SQL run by the extension: identity, search_path, named row sets.
 *
 * The one place that talks to SPI.  Queries run either as the caller, under the
 * caller's own search_path, or as another role: then nothing of the caller's
 * may choose what code that role runs, so search_path is pinned and the role is
 * held as for a security-definer function, as foreign-key triggers do
 * (ri_triggers.c).
 *
 * Rows reach a query as an ephemeral named relation, the way transition tables
 * reach triggers: any type, any number, in memory bounded by work_mem.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "query.h"

/* How many rows of a cursor are fetched at once. */
#define FETCH_ROWS 1000

/* An empty query, in the current memory context. */
void
accum_query_init(AccumQuery *query)
{
	initStringInfo(&query->sql);
	query->nparams = 0;
	query->max_params = 16;
	query->types = palloc(sizeof(Oid) * query->max_params);
	query->values = palloc(sizeof(Datum) * query->max_params);
}

/* Add a parameter, which is never null; returns its number for "$n". */
int
accum_query_param(AccumQuery *query, Oid type, Datum value)
{
	if (query->nparams == query->max_params)
	{
		query->max_params *= 2;
		query->types = repalloc(query->types, sizeof(Oid) * query->max_params);
		query->values = repalloc(query->values, sizeof(Datum) * query->max_params);
	}
	query->types[query->nparams] = type;
	query->values[query->nparams] = value;
	return ++query->nparams;
}

/*
 * Act as role, for work that runs no code of anybody's: search_path stays the
 * caller's.  On error the transaction's clean-up puts everything back.
 */
void
accum_identity_begin(AccumQueryState *state, Oid role)
{
	state->guc_level = 0;
	GetUserIdAndSecContext(&state->user, &state->security_context);
	SetUserIdAndSecContext(role, state->security_context |
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
}

/* Take the caller's identity again. */
void
accum_identity_end(const AccumQueryState *state)
{
	SetUserIdAndSecContext(state->user, state->security_context);
}

/*
 * Connect to SPI, as role when it is a valid role, else as the caller.
 *
 * On error the transaction's clean-up puts everything back.
 */
void
accum_query_begin(AccumQueryState *state, Oid role)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");

	state->guc_level = 0;
	if (!OidIsValid(role))
		return;
	accum_identity_begin(state, role);
	state->guc_level = NewGUCNestLevel();
	accum_query_set("search_path", "pg_catalog, pg_temp");
}

/*
 * Until accum_query_end, refuse what would make somebody else than the role that
 * is acting run code: a deferred trigger would be run at commit by whoever began the
 * transaction.  For work that is done for others than the caller.
 */
void
accum_query_restrict(void)
{
	Oid			user;
	int			security_context;

	GetUserIdAndSecContext(&user, &security_context);
	SetUserIdAndSecContext(user, security_context | SECURITY_RESTRICTED_OPERATION);
}

/* Change a setting until accum_query_end; only for queries run as a role. */
void
accum_query_set(const char *setting, const char *value)
{
	(void) set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Leave SPI and take the caller's identity and search_path again. */
void
accum_query_end(const AccumQueryState *state)
{
	if (state->guc_level != 0)
	{
		AtEOXact_GUC(true, state->guc_level);
		accum_identity_end(state);
	}
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
}

/* Let queries of this connection read rows under an unqualified name. */
void
accum_query_rows(const char *name, TupleDesc desc, Tuplestorestate *rows)
{
	EphemeralNamedRelation enr = palloc0(sizeof(EphemeralNamedRelationData));
	int			result;

	enr->md.name = pstrdup(name);
	enr->md.reliddesc = InvalidOid;
	enr->md.tupdesc = desc;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = tuplestore_tuple_count(rows);
	enr->reldata = rows;
	result = SPI_register_relation(enr);
	if (result != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed: %s", SPI_result_code_string(result));
}

/* The rows are about to go. */
void
accum_query_forget_rows(const char *name)
{
	if (SPI_unregister_relation(name) != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "SPI_unregister_relation failed");
}

/*
 * Prepare a statement and keep it beyond this connection.
 *
 * With custom set it is planned anew for each set of values, for statements
 * whose values choose partitions.
 */
SPIPlanPtr
accum_query_prepare(const char *sql, int nargs, Oid *types, bool custom)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, nargs, types,
										  custom ? CURSOR_OPT_CUSTOM_PLAN : 0);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed for \"%s\": %s", sql,
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	return plan;
}

/* Run a prepared statement; returns the number of rows it handled. */
uint64
accum_query_run(SPIPlanPtr plan, Datum *values, int expected)
{
	return accum_query_run_at(plan, values, InvalidSnapshot, expected);
}

/*
 * The same with a snapshot of the caller's, so that several statements see the
 * same state of others' work.  InvalidSnapshot takes a new one.
 */
uint64
accum_query_run_at(SPIPlanPtr plan, Datum *values, Snapshot snapshot, int expected)
{
	int			result = SPI_execute_snapshot(plan, values, NULL, snapshot, InvalidSnapshot,
											  false, true, 0);

	if (result != expected)
		elog(ERROR, "SPI_execute_snapshot returned %s", SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * Run a statement that is not worth keeping on the newest state, whatever the
 * transaction's own snapshot shows: what a lock protects is what counts under it.
 */
uint64
accum_query_run_newest(const char *sql, int nargs, Oid *types, Datum *values, int expected)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SPIPlanPtr	plan = accum_query_prepare(sql, nargs, types, false);
	uint64		n = accum_query_run_at(plan, values, snapshot, expected);

	SPI_freeplan(plan);
	UnregisterSnapshot(snapshot);
	return n;
}

/*
 * Run a prepared read-only query for the one value of its one row, which is
 * copied into the context that was current at accum_query_begin.
 */
Datum
accum_query_value(SPIPlanPtr plan, Datum *values, bool *isnull)
{
	Form_pg_attribute attribute;
	Datum		value;
	int			result = SPI_execute_plan(plan, values, NULL, true, 0);

	if (result != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "SPI_execute_plan returned %s", SPI_result_code_string(result));
	attribute = TupleDescAttr(SPI_tuptable->tupdesc, 0);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull);
	return *isnull ? value : SPI_datumTransfer(value, attribute->attbyval, attribute->attlen);
}

/* Run a statement that is not worth keeping. */
uint64
accum_query_command(const char *sql, int expected)
{
	int			result = SPI_execute(sql, false, 0);

	if (result != expected)
		elog(ERROR, "SPI_execute returned %s for \"%s\"",
			 SPI_result_code_string(result), sql);
	return SPI_processed;
}

/*
 * Open a query as the caller and read its rows one by one.
 *
 * It is planned for the very values it has, so these choose partitions and
 * indexes.  Rows live until the next call; SPI_tuptable describes them.
 */
void
accum_rows_open(AccumRows *rows, AccumQuery *query)
{
	accum_rows_begin(rows);
	rows->portal = SPI_cursor_open_with_args(NULL, query->sql.data, query->nparams,
											 query->types, query->values, NULL, true, 0);
}

/* In two steps, for a plan that is made when the connection is open. */
void
accum_rows_begin(AccumRows *rows)
{
	accum_query_begin(&rows->state, InvalidOid);
	rows->position = 0;
	SPI_tuptable = NULL;
}

void
accum_rows_open_plan(AccumRows *rows, SPIPlanPtr plan, Datum *values)
{
	rows->portal = SPI_cursor_open(NULL, plan, values, NULL, true);
	SPI_tuptable = NULL;
}

/* The next row, NULL after the last one. */
HeapTuple
accum_rows_next(AccumRows *rows)
{
	if (SPI_tuptable == NULL || rows->position == SPI_tuptable->numvals)
	{
		if (SPI_tuptable != NULL)
			SPI_freetuptable(SPI_tuptable);
		SPI_cursor_fetch(rows->portal, true, FETCH_ROWS);
		rows->position = 0;
		if (SPI_processed == 0)
			return NULL;
	}
	return SPI_tuptable->vals[rows->position++];
}

void
accum_rows_close(AccumRows *rows)
{
	SPI_cursor_close(rows->portal);
	accum_query_end(&rows->state);
}
