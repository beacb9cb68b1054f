/*
 * define.c
 *		register_create, register_create_sql, register_clear, register_drop.
 *
 * A register's relations and functions are made by the caller, who owns them.
 * Its rows in the registry are written as the registry's owner, once the caller
 * has proved the right to create objects in schema accum: nobody else can write
 * there.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "closing.h"
#include "compat.h"
#include "ddl.h"
#include "define.h"
#include "definition.h"
#include "guarded.h"
#include "horizon.h"
#include "limit.h"
#include "partition_keep.h"
#include "pending.h"
#include "query.h"
#include "register_def.h"
#include "registry.h"
#include "stats.h"

PG_FUNCTION_INFO_V1(accum_register_create);
PG_FUNCTION_INFO_V1(accum_register_create_sql);
PG_FUNCTION_INFO_V1(accum_register_clear);
PG_FUNCTION_INFO_V1(accum_register_drop);

PG_FUNCTION_INFO_V1(accum_guard_drop);

/* register_drop is at work: its relations may go. */
static bool dropping = false;

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* The arguments of register_create and register_create_sql. */
static AccumRegisterDef *
definition_arguments(FunctionCallInfo fcinfo)
{
	AccumDefinitionArgs args = {
		.name = text_argument(fcinfo, 0),
		.dimensions = PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1),
		.resources = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2),
		.kind = text_argument(fcinfo, 3),
		.totals_period = text_argument(fcinfo, 4),
		.partition_by = text_argument(fcinfo, 5),
		.high_write = PG_ARGISNULL(6) ? false : PG_GETARG_BOOL(6),
		.recorder_type = text_argument(fcinfo, 7),
		.time_zone = text_argument(fcinfo, 8),
		.attributes = PG_ARGISNULL(9) ? NULL : PG_GETARG_JSONB_P(9),
		.year_start = PG_ARGISNULL(10) ? 0 : PG_GETARG_INT32(10),
		.history = PG_ARGISNULL(12) ? false : PG_GETARG_BOOL(12),
		.chart = text_argument(fcinfo, 13),
	};
	AccumRegisterDef *def = accum_definition_parse(&args);

	accum_limits_define(def, PG_ARGISNULL(11) ? NULL : PG_GETARG_JSONB_P(11));
	return def;
}

/* Insert a row into a registry table, as its owner; nulls are as SPI takes them. */
static void
registry_insert(const char *sql, int n, Oid *types, Datum *values, const char *nulls)
{
	int			result = SPI_execute_with_args(sql, n, types, values, nulls, false, 0);

	if (result != SPI_OK_INSERT || SPI_processed != 1)
		elog(ERROR, "SPI_execute_with_args returned %s", SPI_result_code_string(result));
}

static void
registry_store(const AccumRegisterDef *def)
{
	Oid			types[] = {TEXTOID, TEXTOID, JSONBOID, JSONBOID, JSONBOID, TEXTOID,
	TEXTOID, BOOLOID, TEXTOID, TEXTOID, INT4OID, JSONBOID, BOOLOID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(def->name),
		CStringGetTextDatum(accum_kind_name(def->kind)),
		JsonbPGetDatum(accum_columns_to_jsonb(def->dims, def->ndims)),
		JsonbPGetDatum(accum_columns_to_jsonb(def->resources, def->nresources)),
		JsonbPGetDatum(accum_columns_to_jsonb(def->attributes, def->nattributes)),
		CStringGetTextDatum(accum_unit_name(def->totals_period)),
		CStringGetTextDatum(accum_unit_name(def->partition_by)),
		BoolGetDatum(def->high_write),
		CStringGetTextDatum(def->recorder_type),
		CStringGetTextDatum(def->time_zone),
		Int32GetDatum(def->year_start),
		JsonbPGetDatum(accum_limits_to_jsonb(def->limits, def->nlimits)),
		BoolGetDatum(def->history),
		def->chart == ACCUM_CHART_NONE ? (Datum) 0 : CStringGetTextDatum(accum_chart_name(def->chart)),
	};
	char		nulls[lengthof(types) + 1];

	StaticAssertStmt(lengthof(types) == lengthof(values), "one type for each value");
	memset(nulls, ' ', lengthof(types));
	nulls[lengthof(types) - 1] = def->chart == ACCUM_CHART_NONE ? 'n' : ' ';
	registry_insert("INSERT INTO " ACCUM_SCHEMA "._registers (name, kind, dimensions, resources, "
					"attributes, totals_period, partition_by, high_write, recorder_type, "
					"time_zone, year_start, limits, history, chart) "
					"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
					lengthof(types), types, values, nulls);
}

/*
 * The secret that cells' hashes are made with: whoever does not know it cannot
 * choose dimension values that collide.
 */
static void
registry_store_seed(const char *name)
{
	Oid			types[] = {TEXTOID, INT8OID};
	Datum		values[2] = {CStringGetTextDatum(name)};
	int64		seed;

	if (!pg_strong_random(&seed, sizeof(seed)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	values[1] = Int64GetDatum(seed);
	registry_insert("INSERT INTO " ACCUM_SCHEMA "._register_seeds (name, seed) VALUES ($1, $2)",
					lengthof(types), types, values, NULL);
}

/* Enter a relation in the registry, inside an accum_query_begin() as its owner. */
void
accum_registry_add_relation(const char *reg, AccumRole role)
{
	Oid			types[] = {REGCLASSOID, TEXTOID, TEXTOID};
	Datum		values[] = {
		ObjectIdGetDatum(get_relname_relid(accum_relation_name(reg, role), accum_schema_oid())),
		CStringGetTextDatum(reg),
		CStringGetTextDatum(accum_role_name(role)),
	};

	registry_insert("INSERT INTO " ACCUM_SCHEMA "._register_relations (relation, register, role) "
					"VALUES ($1, $2, $3)", lengthof(types), types, values, NULL);
	if (role == ACCUM_DELTA)
		registry_insert("INSERT INTO " ACCUM_SCHEMA "._delta_merges (register) VALUES ($1)",
						1, &types[1], &values[1], NULL);
}

static void
registry_store_relations(const AccumRegisterDef *def)
{
	for (AccumRole role = 0; role < ACCUM_ROLES; role++)
	{
		if (accum_ddl_has_relation(def, role))
			accum_registry_add_relation(def->name, role);
	}
}

static void
check_create_privilege(void)
{
	AclResult	result = accum_namespace_aclcheck(accum_schema_oid(), GetUserId(), ACL_CREATE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_SCHEMA, ACCUM_SCHEMA);
}

static void
register_exists(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("register \"%s\" already exists", name)));
}

/* The current partition and the next ones, of a register that nobody else can see. */
static void
create_first_partitions(const char *name)
{
	AccumRegister *reg = accum_register_open(name, AccessExclusiveLock, NULL);
	bool		more;

	(void) accum_partitions_keep(reg, accum_partitions_last_ahead(reg),
								 ACCUM_MAX_PARTITIONS_AT_ONCE, &more);
}

/*
 * accum.register_create(name, dimensions, resources, …) returns void
 *
 * Make a register; the caller owns its relations.  Arguments: contract in
 * docs/reference.md.
 */
Datum
accum_register_create(PG_FUNCTION_ARGS)
{
	AccumRegisterDef *def = definition_arguments(fcinfo);
	AccumQueryState state;
	StringInfoData sql;

	check_create_privilege();

	/*
	 * The registry row comes first: its primary key makes a second register of
	 * this name wait for us, and then fail with the right message.
	 */
	if (accum_register_exists(def->name))
		register_exists(def->name);
	accum_query_begin(&state, accum_registry_owner());
	PG_TRY();
	{
		registry_store(def);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_UNIQUE_VIOLATION)
			PG_RE_THROW();
		FlushErrorState();
		register_exists(def->name);
	}
	PG_END_TRY();
	registry_store_seed(def->name);
	accum_query_end(&state);

	accum_query_begin(&state, GetUserId());
	initStringInfo(&sql);
	accum_ddl_register(&sql, def);
	(void) accum_query_command(sql.data, SPI_OK_UTILITY);
	accum_query_end(&state);

	accum_query_begin(&state, accum_registry_owner());
	registry_store_relations(def);
	accum_query_end(&state);
	CommandCounterIncrement();

	accum_query_begin(&state, GetUserId());
	create_first_partitions(def->name);
	accum_query_end(&state);
	PG_RETURN_VOID();
}

/*
 * accum.register_create_sql(name, dimensions, resources, …) returns text
 *
 * The SQL that register_create with these arguments would run.
 */
Datum
accum_register_create_sql(PG_FUNCTION_ARGS)
{
	AccumRegisterDef *def = definition_arguments(fcinfo);
	StringInfoData sql;

	initStringInfo(&sql);
	accum_ddl_register(&sql, def);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(sql.data, sql.len));
}

/*
 * Are there movements, or sums of archived ones?  The caller owns them and holds ACCESS
 * EXCLUSIVE on them.
 */
bool
accum_register_has_movements(AccumRegister *reg)
{
	Snapshot	snapshot;
	AccumQueryState state;
	SPIPlanPtr	plan;
	bool		found;

	if (accum_horizon_set(reg))
		return true;

	/* Also those that an older snapshot of the transaction does not show. */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	accum_query_begin(&state, GetUserId());
	plan = accum_query_prepare(psprintf("SELECT FROM %s LIMIT 1",
										reg->relation_names[ACCUM_MOVEMENTS]), 0, NULL, false);
	found = accum_query_run_at(plan, NULL, snapshot, SPI_OK_SELECT) > 0;
	SPI_freeplan(plan);
	accum_query_end(&state);
	UnregisterSnapshot(snapshot);
	return found;
}

static void
check_open(AccumRegister *reg)
{
	AccumDay	latest = accum_closing_latest(reg);

	if (latest != ACCUM_DAY_MIN)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("register \"%s\" has a closed period", reg->name),
				 errdetail("The register, or a part of it, is closed through %s.",
						   accum_day_text(latest)),
				 errhint("Open it with accum.register_reopen().")));
}

/*
 * accum.register_clear(p_name text, force boolean DEFAULT false) returns void
 *
 * Empty a register, which stays as it is otherwise; one that holds movements only
 * with force, one with a closed period not at all.
 */
Datum
accum_register_clear(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.owner = true};
	AccumRegister *reg;
	AccumQueryState state;

	PreventCommandIfReadOnly("register_clear()");
	reg = accum_register_named(fcinfo, AccessExclusiveLock, &access);
	if (reg->history)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("movements of register \"%s\" cannot be removed", reg->name),
				 errdetail("It was created with history."),
				 errhint("Use accum.register_unpost() to cancel documents.")));
	accum_pending_flush();
	check_open(reg);
	if (accum_horizon_set(reg))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("register \"%s\" has archived movements", reg->name),
				 errhint("Only register_drop() removes what is left of them.")));
	if ((PG_ARGISNULL(1) || !PG_GETARG_BOOL(1)) && accum_register_has_movements(reg))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("register \"%s\" holds movements", reg->name),
				 errhint("Use register_clear(p_name, force => true) to remove them.")));

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_restrict();
	for (AccumRole role = 0; role < ACCUM_ROLES; role++)
	{
		if (role != ACCUM_ACCOUNTS && accum_register_has(reg, role))
			(void) accum_guarded_run_newest(reg, reg->relations[role],
											psprintf("TRUNCATE %s", reg->relation_names[role]),
											0, NULL, NULL, SPI_OK_UTILITY);
	}
	accum_query_end(&state);
	PG_RETURN_VOID();
}

/*
 * Drop the register's functions, then its tables.  Objects that users have built
 * on them make the drop fail, as with any table.
 */
static void
drop_relations(AccumRegister *reg)
{
	StringInfoData sql;

	initStringInfo(&sql);
	accum_ddl_drop_functions(&sql, accum_register_def(reg));
	appendStringInfoString(&sql, "DROP TABLE ");
	for (AccumRole role = 0; role < ACCUM_ROLES; role++)
	{
		if (OidIsValid(reg->relations[role]))
			appendStringInfo(&sql, "%s%s", role == 0 ? "" : ", ", reg->relation_names[role]);
	}
	(void) accum_query_command(sql.data, SPI_OK_UTILITY);
}

static void
registry_remove(const char *name)
{
	static const char *const statements[] = {
		"DELETE FROM " ACCUM_SCHEMA "._register_relations WHERE register = $1",
		"DELETE FROM " ACCUM_SCHEMA "._register_seeds WHERE name = $1",
		"DELETE FROM " ACCUM_SCHEMA "._delta_merges WHERE register = $1",
		"DELETE FROM " ACCUM_SCHEMA "._register_closings WHERE register = $1",
		"DELETE FROM " ACCUM_SCHEMA "._registers WHERE name = $1",
	};
	Oid			type = TEXTOID;
	Datum		value = CStringGetTextDatum(name);

	for (size_t i = 0; i < lengthof(statements); i++)
	{
		if (SPI_execute_with_args(statements[i], 1, &type, &value, NULL, false, 0) != SPI_OK_DELETE)
			elog(ERROR, "could not remove register \"%s\" from the registry", name);
	}
}

/*
 * accum.register_drop(name text, force boolean DEFAULT false) returns void
 *
 * Remove a register; one that holds movements only with force.
 */
Datum
accum_register_drop(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.owner = true};
	AccumRegister *reg;
	AccumQueryState state;
	bool		force = PG_ARGISNULL(1) ? false : PG_GETARG_BOOL(1);
	char	   *name = text_argument(fcinfo, 0);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("register name must not be null")));
	PreventCommandIfReadOnly("register_drop()");
	accum_pending_flush();
	reg = accum_register_open(name, AccessExclusiveLock, &access);
	if (!force && accum_register_has_movements(reg))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("register \"%s\" holds movements", name),
				 accum_horizon_set(reg) ? errdetail("It has the sums of %lld archived movements.",
													(long long) reg->archived_movements) : 0,
				 errhint("Use register_drop(name, force => true) to drop it with its movements.")));

	accum_query_begin(&state, GetUserId());
	PG_TRY();
	{
		dropping = true;
		drop_relations(reg);
	}
	PG_FINALLY();
	{
		dropping = false;
	}
	PG_END_TRY();
	accum_query_end(&state);
	accum_query_begin(&state, accum_registry_owner());
	registry_remove(name);
	accum_query_end(&state);
	accum_stats_forget(reg->movements);
	PG_RETURN_VOID();
}

/*
 * accum._guard_drop(), event trigger on sql_drop
 *
 * Refuses to let a relation of a register go by itself: the register would be
 * left broken.
 */
Datum
accum_guard_drop(PG_FUNCTION_ARGS)
{
	AccumQueryState state;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by event trigger manager", "_guard_drop")));
	if (dropping || !OidIsValid(get_namespace_oid(ACCUM_SCHEMA, true)))
		PG_RETURN_NULL();

	accum_query_begin(&state, accum_registry_owner());
	if (accum_query_command("SELECT r.register, d.object_identity "
							"FROM pg_catalog.pg_event_trigger_dropped_objects() AS d "
							"JOIN " ACCUM_SCHEMA "._register_relations AS r ON r.relation = d.objid "
							"WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0 "
							"ORDER BY 2 LIMIT 1", SPI_OK_SELECT) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s belongs to register \"%s\"",
						SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2),
						SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)),
				 errhint("Use accum.register_drop() to drop a register.")));
	accum_query_end(&state);
	PG_RETURN_NULL();
}
