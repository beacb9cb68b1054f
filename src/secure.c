/*
 * secure.c
 *		register_secure: one dimension that keeps rows and documents apart.
 *
 * Tenants share a register, and none is to see, change or find out anything of another.
 * For rows PostgreSQL's row security does that: movements, deltas and derived tables
 * get one policy, the same expression over the dimension, which all of them have.
 *
 * Documents are the register's own affair.  Their names are chosen by tenants, who must
 * not meet in them, so the map of documents gets the dimension into its key (scope.c).
 * It is made anew from movements here, and its rows are merged when row security is
 * taken away.
 *
 * What the expression means is decided once, as PostgreSQL parses it for movements;
 * the other tables get what that was understood to be.
 *
 * Order, as in register_alter: the register is locked against everybody, then the
 * registry is changed, then tables, which makes all sessions load the register anew.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/policy.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "rewrite/rewriteManip.h"
#include "rewrite/rowsecurity.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"

#include "compat.h"
#include "filter.h"
#include "guarded.h"
#include "horizon.h"
#include "limit.h"
#include "pending.h"
#include "query.h"
#include "scope.h"
#include "secure.h"

PG_FUNCTION_INFO_V1(accum_register_secure);

/* Does a relation of this role have the dimension, and so a policy? */
static bool
has_policy(const AccumRegister *reg, AccumRole role)
{
	return accum_register_has(reg, role) && (role == ACCUM_MOVEMENTS || role >= ACCUM_DELTA);
}

/* Is there row security on a register's tables that is not that of register_secure? */
bool
accum_secure_has_other_policies(AccumRegister *reg)
{
	bool		found = false;

	for (AccumRole role = 0; role < ACCUM_ROLES && !found; role++)
	{
		Relation	rel;

		if (!accum_register_has(reg, role))
			continue;
		rel = table_open(reg->relations[role], AccessShareLock);
		if (rel->rd_rel->relrowsecurity)
			found = accum_scope_policy(rel) == NULL || list_length(rel->rd_rsdesc->policies) > 1;
		table_close(rel, NoLock);
	}
	return found;
}

static char *
qualified_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									  get_rel_name(relation));
}

static void
run_command(const char *sql)
{
	(void) accum_query_command(sql, SPI_OK_UTILITY);
}

/*
 * Give a table the policy that movements have, inside an accum_query_begin() as the
 * owner.  The expression is written as one over this table: within a subquery a column
 * is called by its table's name.
 */
static void
copy_policy(AccumRegister *reg, Oid relation)
{
	Relation	movements = table_open(reg->movements, NoLock);
	Node	   *policy = accum_scope_policy(movements);
	char	   *table = qualified_name(relation);
	char	   *expression;

	if (policy == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("policy \"%s\" for table \"%s\" does not exist", ACCUM_POLICY,
						RelationGetRelationName(movements)),
				 errhint("Use accum.register_secure() to make it again.")));
	expression = deparse_expression(copyObject(policy),
									deparse_context_for(get_rel_name(relation), reg->movements),
									false, false);
	table_close(movements, NoLock);
	run_command(psprintf("CREATE POLICY " ACCUM_POLICY " ON %s USING (%s) WITH CHECK (%s)",
						 table, expression, expression));
	run_command(psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", table));
}

/* The same for a table that a secured register gets later. */
void
accum_secure_table(AccumRegister *reg, Oid relation)
{
	AccumQueryState state;

	accum_query_begin(&state, GetUserId());
	copy_policy(reg, relation);
	accum_query_end(&state);
}

/* An error in p_using is to be shown there, not in the statement that has it as a value. */
static void
locate_error(void *text)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(text);
	}
}

/* What an expression should name, and whether it does. */
typedef struct Named
{
	const AccumColumn *dimension;
	bool		found;
} Named;

/* For replace_rte_variables, which is used to look: each variable must be the dimension. */
static Node *
check_variable(Var *var, replace_rte_variables_context *context)
{
	Named	   *named = context->callback_arg;

	if (var->varattno != named->dimension->attnum)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_using must not name another column than \"%s\"", named->dimension->name)));
	named->found = true;
	return (Node *) copyObject(var);
}

/*
 * Refuse an expression over movements that is not one over the dimension.  Its name
 * may have meant a column of a table in a subquery.
 */
static void
check_expression(Node *expression, const AccumColumn *dimension)
{
	Named		named = {.dimension = dimension};
	bool		has_subqueries = false;

	(void) replace_rte_variables(copyObject(expression), 1, 0, check_variable, &named,
								 &has_subqueries);
	if (!named.found && !IsA(expression, Const))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_using must name dimension \"%s\", or be a constant", dimension->name),
				 errhint("In a subquery, columns of its own tables go before those of movements.")));
}

/* Give movements their policy: parsed as the caller's CREATE POLICY would be. */
static void
create_policy(AccumRegister *reg, const AccumColumn *dimension, char *using)
{
	CreatePolicyStmt *statement = makeNode(CreatePolicyStmt);
	ErrorContextCallback callback = {error_context_stack, locate_error, using};
	RoleSpec   *public = makeNode(RoleSpec);
	Relation	movements;

	error_context_stack = &callback;
	statement->qual = accum_expression_parse(using);
	if (statement->qual == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_using must be one expression")));
	public->roletype = ROLESPEC_PUBLIC;
	public->location = -1;
	statement->policy_name = ACCUM_POLICY;
	statement->table = makeRangeVar(get_namespace_name(get_rel_namespace(reg->movements)),
									get_rel_name(reg->movements), -1);
	statement->cmd_name = "all";
	statement->permissive = true;
	statement->roles = list_make1(public);
	statement->with_check = copyObject(statement->qual);
	(void) CreatePolicy(statement);
	error_context_stack = callback.previous;

	CommandCounterIncrement();
	movements = table_open(reg->movements, NoLock);
	check_expression(accum_scope_policy(movements), dimension);
	table_close(movements, NoLock);
}

/* Take the policies away, and row security where no other policy needs it. */
static void
drop_policies(AccumRegister *reg)
{
	for (AccumRole role = 0; role < ACCUM_ROLES; role++)
	{
		Relation	rel;
		bool		has;
		int			npolicies;

		if (!has_policy(reg, role))
			continue;
		rel = table_open(reg->relations[role], AccessExclusiveLock);
		npolicies = rel->rd_rsdesc == NULL ? 0 : list_length(rel->rd_rsdesc->policies);
		has = accum_scope_policy(rel) != NULL;
		table_close(rel, NoLock);
		if (has)
			run_command(psprintf("DROP POLICY " ACCUM_POLICY " ON %s", reg->relation_names[role]));
		if (has && npolicies == 1)
			run_command(psprintf("ALTER TABLE %s DISABLE ROW LEVEL SECURITY", reg->relation_names[role]));
	}
}

/* Without row security there is no policy to be had. */
static void
enable(AccumRegister *reg)
{
	run_command(psprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", reg->relation_names[ACCUM_MOVEMENTS]));
	CommandCounterIncrement();
}

/* Write the map, or other tables that go with it, as ever: as the owner, for whoever calls. */
static void
write_as_owner(AccumRegister *reg, AccumRole role, const char *sql, int expected)
{
	AccumQueryState state;

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_restrict();
	(void) accum_guarded_run_newest(reg, reg->relations[role], sql, 0, NULL, NULL, expected);
	accum_query_end(&state);
}

/* Make a place for scopes in the map, or remove it, with a key to match. */
static void
change_map_columns(AccumRegister *reg, const char *column, const char *key)
{
	const char *map = reg->relation_names[ACCUM_RECORDERS];
	Relation	rel = table_open(reg->relations[ACCUM_RECORDERS], AccessExclusiveLock);
	Oid			index = accum_primary_key_index(rel);

	table_close(rel, NoLock);
	if (OidIsValid(index))
		run_command(psprintf("ALTER TABLE %s DROP CONSTRAINT %s", map,
							 quote_identifier(get_rel_name(index))));
	run_command(psprintf("ALTER TABLE %s %s", map, column));
	if (key != NULL)
		run_command(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", map, key));
}

/*
 * Make the map anew, with the scope of each document that has movements.  Of one that has
 * none nobody knows any more whose it was.
 */
static void
split_map(AccumRegister *reg, const AccumColumn *dimension)
{
	const char *map = reg->relation_names[ACCUM_RECORDERS];

	write_as_owner(reg, ACCUM_RECORDERS, psprintf("TRUNCATE %s", map), SPI_OK_UTILITY);
	change_map_columns(reg, psprintf("ADD COLUMN scope %s NOT NULL",
									 format_type_with_typemod(dimension->type, dimension->typmod)),
					   "recorder, scope, unit_start");
	write_as_owner(reg, ACCUM_RECORDERS,
				   psprintf("INSERT INTO %s (recorder, scope, unit_start) "
							"SELECT DISTINCT m.recorder, m.%s, date_trunc('%s', "
							ACCUM_SCHEMA "._unit_start(%u::regclass, m.period, 'day')::timestamp)::date "
							"FROM %s m",
							map, accum_ident(dimension->name, ""),
							accum_unit_name(reg->partition_by), reg->movements,
							reg->relation_names[ACCUM_MOVEMENTS]),
				   SPI_OK_INSERT);
}

/* Forget scopes: documents of one name are one again. */
static void
merge_map(AccumRegister *reg)
{
	const char *map = reg->relation_names[ACCUM_RECORDERS];

	change_map_columns(reg, "DROP COLUMN scope", NULL);
	write_as_owner(reg, ACCUM_RECORDERS,
				   psprintf("WITH gone AS (DELETE FROM %s RETURNING recorder, unit_start, revision) "
							"INSERT INTO %s (recorder, unit_start, revision) "
							"SELECT recorder, unit_start, max(revision) FROM gone GROUP BY recorder, unit_start",
							map, map),
				   SPI_OK_INSERT);
	run_command(psprintf("ALTER TABLE %s ADD PRIMARY KEY (recorder, unit_start)", map));
}

/* Note in the registry what a register is secured by; NULL: by nothing. */
static void
registry_set_secured(AccumRegister *reg, const char *dimension)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {
		CStringGetTextDatum(reg->name),
		CStringGetTextDatum(dimension == NULL ? "" : dimension),
	};
	AccumQueryState state;

	accum_query_begin(&state, accum_registry_owner());
	(void) accum_query_run_newest("UPDATE " ACCUM_SCHEMA "._registers SET secured = nullif($2, ''), "
								  "updated_at = now() WHERE name = $1",
								  lengthof(types), types, values, SPI_OK_UPDATE);
	accum_query_end(&state);
	CacheInvalidateRelcacheByRelid(reg->movements);
}

/*
 * Are equal values of a dimension the same in every respect, as B-tree deduplication asks?
 * Only then do cells and documents, which go by equality, and the expression, which need
 * not, agree about whose something is.
 */
static bool
equal_is_same(const AccumColumn *dimension)
{
	TypeCacheEntry *type = lookup_type_cache(dimension->type, TYPECACHE_BTREE_OPFAMILY);
	Oid			function = get_opfamily_proc(type->btree_opf, type->btree_opintype,
											 type->btree_opintype, BTEQUALIMAGE_PROC);

	return OidIsValid(function) &&
		DatumGetBool(OidFunctionCall1Coll(function, dimension->collation,
										  ObjectIdGetDatum(type->btree_opintype)));
}

/* Where movements have the dimension called name. */
static int
find_dimension(AccumRegister *reg, const char *name)
{
	int			place = reg->nrow_dims - accum_register_declared_dims(reg);

	while (place < reg->nrow_dims && strcmp(reg->row_dims[place].name, name) != 0)
		place++;
	if (place == reg->nrow_dims && accum_dimension_find(reg, name, strlen(name)) < 0)
		accum_unknown_dimension(reg, name);
	if (place == reg->nrow_dims)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("register \"%s\" cannot be secured by \"%s\"", reg->name, name),
				 errdetail("A movement of a ledger has two of them.")));
	if (!equal_is_same(&reg->row_dims[place]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("register \"%s\" cannot be secured by \"%s\"", reg->name, name),
				 errdetail("Values of type %s may be equal and yet differ.",
						   format_type_be(reg->row_dims[place].type))));
	return place;
}

/* Without movements that lack the dimension, rows that do have come to nothing. */
static void
remove_nobodys(AccumRegister *reg, const AccumColumn *dimension)
{
	const char *condition = psprintf("WHERE %s IS NULL", accum_ident(dimension->name, ""));
	AccumQueryState state;
	uint64		n;

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_restrict();
	n = accum_query_run_newest(psprintf("SELECT FROM %s %s LIMIT 1",
										reg->relation_names[ACCUM_MOVEMENTS], condition),
							   0, NULL, NULL, SPI_OK_SELECT);
	accum_query_end(&state);
	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("register \"%s\" cannot be secured by \"%s\"", reg->name, dimension->name),
				 errdetail("It holds movements in which that is NULL, and which would be nobody's.")));
	for (AccumRole role = ACCUM_DELTA; role < ACCUM_ROLES; role++)
	{
		if (accum_register_has(reg, role))
			write_as_owner(reg, role, psprintf("DELETE FROM %s %s", reg->relation_names[role], condition),
						   SPI_OK_DELETE);
	}
}

/* Make a dimension required, if it is not. */
static void
require(AccumRegister *reg, const AccumColumn *dimension)
{
	Oid			types[] = {TEXTOID, TEXTOID};
	Datum		values[] = {CStringGetTextDatum(reg->name), CStringGetTextDatum(dimension->name)};
	AccumQueryState state;

	if (dimension->required)
		return;
	accum_query_begin(&state, accum_registry_owner());
	(void) accum_query_run_newest("UPDATE " ACCUM_SCHEMA "._registers SET dimensions = (SELECT "
								  "jsonb_agg(CASE d ->> 'name' WHEN $2 THEN d || '{\"required\": true}' ELSE d END ORDER BY i) "
								  "FROM jsonb_array_elements(dimensions) WITH ORDINALITY AS a (d, i)) WHERE name = $1",
								  lengthof(types), types, values, SPI_OK_UPDATE);
	accum_query_end(&state);
	remove_nobodys(reg, dimension);
	accum_query_begin(&state, GetUserId());
	for (AccumRole role = 0; role < ACCUM_ROLES; role++)
	{
		if (has_policy(reg, role))
			run_command(psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL",
								 reg->relation_names[role], accum_ident(dimension->name, "")));
	}
	accum_query_end(&state);
}

/* What has been archived had documents, and nobody knows whose they were. */
static void
check_not_archived(AccumRegister *reg)
{
	if (accum_horizon_set(reg))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("register \"%s\" has archived movements", reg->name),
				 errdetail("Whose documents they were is not known any more."),
				 errhint("Secure a register before any of its movements are archived.")));
}

/* Secure a register, which is locked, by the dimension at a place of its movements. */
static void
secure(AccumRegister *reg, int place, char *using)
{
	const AccumColumn *dimension = &reg->row_dims[place];
	AccumQueryState state;

	if (reg->secured != place)
	{
		check_not_archived(reg);
		require(reg, dimension);
		registry_set_secured(reg, dimension->name);
	}
	accum_query_begin(&state, GetUserId());
	if (reg->secured != place)
	{
		if (accum_register_secured(reg))
			change_map_columns(reg, "DROP COLUMN scope", NULL);
		split_map(reg, dimension);
	}
	drop_policies(reg);
	enable(reg);
	accum_query_end(&state);

	create_policy(reg, dimension, using);
	for (AccumRole role = ACCUM_DELTA; role < ACCUM_ROLES; role++)
	{
		if (has_policy(reg, role))
			accum_secure_table(reg, reg->relations[role]);
	}
}

/* Take row security away from a register, which is locked. */
static void
unsecure(AccumRegister *reg)
{
	AccumQueryState state;

	registry_set_secured(reg, NULL);
	accum_query_begin(&state, GetUserId());
	drop_policies(reg);
	merge_map(reg);
	accum_query_end(&state);
}

/*
 * accum.register_secure(p_name text, p_dimension text, p_using text) returns void
 *
 * Keep rows and documents of a register, which the caller must own, apart by a dimension;
 * p_using says which of its values a role sees.  NULL there takes that back.
 */
Datum
accum_register_secure(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.owner = true};
	AccumRegister *reg;

	PreventCommandIfReadOnly("register_secure()");
	accum_pending_flush();
	reg = accum_register_named(fcinfo, AccessExclusiveLock, &access);
	accum_register_check_not_in_use(reg);
	if (!PG_ARGISNULL(2))
	{
		if (PG_ARGISNULL(1))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("p_dimension must not be null")));
		secure(reg, find_dimension(reg, text_to_cstring(PG_GETARG_TEXT_PP(1))),
			   text_to_cstring(PG_GETARG_TEXT_PP(2)));
	}
	else if (accum_register_secured(reg))
		unsecure(reg);
	PG_RETURN_VOID();
}
