/*
 * limit.c
 *		Limits of balances: what a user declares, as a checked expression.
 *
 * A limit has a name and a check, an SQL expression over the dimensions and
 * resources of a cell, which no new balance may make false.  The registry keeps the
 * text as it was written; each session parses it when it loads the register.  So it
 * has to mean the same everywhere: to sessions with other settings, in a restored
 * database, after somebody has renamed a type.  And it is worked out whenever
 * somebody posts, so it must not be a way to make others run code.
 *
 * Both follow from one rule: a check names nothing but columns of the register and
 * what is in pg_catalog, and it is immutable.  search_path and whatever else
 * changes how literals are read are pinned, the time zone to the register's own.
 *
 * PostgreSQL's parser does the rest, as for a CHECK constraint: no subqueries, no
 * aggregates, no window functions, no sets, no parameters.
 */
#include "postgres.h"

#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_type.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "limit.h"
#include "names.h"
#include "sides.h"

/* A register may have so many limits. */
#define MAX_LIMITS 100

/* What the parser is told, and what has been found out about a check. */
typedef struct CheckContext
{
	const AccumLimitColumn *columns;
	int			ncolumns;
	List	   *relative;		/* where literals like 'today' stand */
} CheckContext;

/* Settings that change what an expression means, and what they are pinned to. */
static const char *const pinned_settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"lc_monetary", "C"},
	{"standard_conforming_strings", "on"},
	{"transform_null_equals", "off"},
	{"array_nulls", "on"},
};

static const char *const not_built_in =
"It uses what is not in schema pg_catalog: a function, an operator, a type, a collation or a cast.";

/* Is a name, as a list of its parts, one of pg_catalog or without a schema? */
static bool
name_is_built_in(List *name)
{
	return list_length(name) <= 1 || strcmp(strVal(linitial(name)), "pg_catalog") == 0;
}

static bool
type_is_built_in(Oid type)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	bool		result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	result = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace == PG_CATALOG_NAMESPACE;
	ReleaseSysCache(tuple);
	return result;
}

/* Does a literal stand for a moment that depends on when it is read? */
static bool
is_relative(const char *literal)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
	char	   *lower = asc_tolower(literal, strlen(literal));

	for (size_t i = 0; i < lengthof(words); i++)
	{
		if (strstr(lower, words[i]) != NULL)
			return true;
	}
	return false;
}

/*
 * Does a check, as it was written, name something outside pg_catalog?  On the way
 * it notes where relative literals stand; whether they are moments, their types
 * tell later.
 */
static bool
names_foreign(Node *node, CheckContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, TypeName) && !type_is_built_in(typenameTypeId(NULL, (TypeName *) node)))
		return true;
	if (IsA(node, FuncCall) && !name_is_built_in(((FuncCall *) node)->funcname))
		return true;
	if (IsA(node, CollateClause) && !name_is_built_in(((CollateClause *) node)->collname))
		return true;
	if (IsA(node, A_Const) && !((A_Const *) node)->isnull &&
		IsA(&((A_Const *) node)->val, String) &&
		is_relative(strVal(&((A_Const *) node)->val)))
		context->relative = lappend_int(context->relative, ((A_Const *) node)->location);
	return raw_expression_tree_walker(node, ACCUM_WALKER(names_foreign), context);
}

static bool
function_is_foreign(Oid function, void *context)
{
	return get_func_namespace(function) != PG_CATALOG_NAMESPACE;
}

/*
 * Would a parsed check run a function outside pg_catalog?  A cast may bring one in
 * that is not named.  Values of enums are built in as far as operators go; of what
 * else has been added to PostgreSQL nobody knows what comparing it runs.
 */
static bool
runs_foreign(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, function_is_foreign, context) || IsA(node, CoerceToDomain))
		return true;
	if (IsA(node, Var))
	{
		Oid			type = getBaseType(exprType(node));

		return get_typtype(type) != TYPTYPE_ENUM && !type_is_built_in(type);
	}
	return expression_tree_walker(node, ACCUM_WALKER(runs_foreign), context);
}

/* Has it a constant made of a literal that means another moment on another day? */
static bool
has_relative_constant(Node *node, CheckContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Const) && list_member_int(context->relative, ((Const *) node)->location))
	{
		Oid			type = ((Const *) node)->consttype;
		Oid			function;
		Oid			param;

		getTypeInputInfo(type, &function, &param);
		return get_typtype(type) != TYPTYPE_ENUM &&
			func_volatile(function) != PROVOLATILE_IMMUTABLE;
	}
	return expression_tree_walker(node, ACCUM_WALKER(has_relative_constant), context);
}

/* Parser hook: a column of the cell, as the variable of that number; else NULL. */
static Node *
resolve_column(ParseState *pstate, ColumnRef *ref)
{
	const CheckContext *context = pstate->p_ref_hook_state;

	if (list_length(ref->fields) != 1 || !IsA(linitial(ref->fields), String))
		return NULL;
	for (int i = 0; i < context->ncolumns; i++)
	{
		const AccumLimitColumn *column = &context->columns[i];

		if (strcmp(column->name, strVal(linitial(ref->fields))) == 0)
		{
			Var		   *var = makeVar(1, i + 1, column->type, column->typmod, column->collation, 0);

			var->location = ref->location;
			return (Node *) var;
		}
	}
	return NULL;
}

/* The one expression that a text consists of, as the grammar sees it; else NULL. */
Node *
accum_expression_parse(const char *text)
{
	List	   *statements = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select = (SelectStmt *) linitial_node(RawStmt, statements)->stmt;
	SelectStmt *bare = makeNode(SelectStmt);
	ResTarget  *target;

	bare->targetList = select->targetList;
	if (list_length(select->targetList) != 1 || !equal(select, bare))
		return NULL;
	target = linitial_node(ResTarget, select->targetList);
	if (target->name != NULL ||
		(IsA(target->val, ColumnRef) && IsA(linitial(((ColumnRef *) target->val)->fields), A_Star)))
		return NULL;
	return target->val;
}

/*
 * Make an expression of a check.  Returns NULL, with a sentence that says why in
 * *problem, when it may not be one; what the parser itself refuses is an error.
 */
static Expr *
parse_check(const char *text, CheckContext *context, const char **problem)
{
	ParseState *pstate;
	Node	   *node = accum_expression_parse(text);

	*problem = NULL;
	if (node == NULL)
		*problem = "It is not one expression.";
	else if (names_foreign(node, context))
		*problem = not_built_in;
	if (*problem != NULL)
		return NULL;

	pstate = make_parsestate(NULL);
	pstate->p_sourcetext = text;
	pstate->p_pre_columnref_hook = resolve_column;
	pstate->p_ref_hook_state = context;
	node = transformExpr(pstate, node, EXPR_KIND_CHECK_CONSTRAINT);
	node = coerce_to_boolean(pstate, node, "check");
	assign_expr_collations(pstate, node);
	free_parsestate(pstate);

	/* Only then may the planner work out what is constant. */
	if (runs_foreign(node, NULL))
		*problem = not_built_in;
	else if (has_relative_constant(node, context))
		*problem = "It has a literal that depends on when it is read.";
	else
	{
		node = (Node *) expression_planner((Expr *) node);
		if (contain_mutable_functions(node))
			*problem = "It is not immutable: its result could depend on settings, on the time or on other data.";
	}
	return *problem == NULL ? (Expr *) node : NULL;
}

/*
 * The expression of a limit's check, over variables numbered as the columns are, in
 * the current memory context.  Raises invalid_parameter_value with what is wrong.
 */
Expr *
accum_limit_expression(const AccumLimitDef *limit, const AccumLimitColumn *columns, int ncolumns,
					   const char *time_zone)
{
	CheckContext context = {.columns = columns,.ncolumns = ncolumns};
	MemoryContext memory = CurrentMemoryContext;
	int			guc_level = NewGUCNestLevel();
	const char *volatile problem = NULL;
	Expr	   *volatile expression = NULL;

	for (size_t i = 0; i < lengthof(pinned_settings); i++)
		(void) set_config_option(pinned_settings[i][0], pinned_settings[i][1], PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("TimeZone", time_zone, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	PG_TRY();
	{
		const char *found;

		expression = parse_check(limit->check, &context, &found);
		problem = found;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		/* Nothing has been written, and the error is raised again at once. */
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		FlushErrorState();
		problem = error->message;
	}
	PG_END_TRY();
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid check of limit \"%s\"", limit->name),
				 errdetail_internal("%s", problem)));
	AtEOXact_GUC(true, guc_level);
	return expression;
}

static char *
jsonb_string(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static void
check_name(const AccumLimitDef *limits, int position)
{
	const char *name = limits[position].name;

	if (!accum_name_valid(name, ACCUM_MAX_COLUMN_NAME))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid limit name: \"%s\"", name),
				 errhint("A name begins with a lower-case letter, goes on with lower-case letters, digits and underscores, and has at most %d bytes.",
						 ACCUM_MAX_COLUMN_NAME)));
	for (int i = 0; i < position; i++)
	{
		if (strcmp(limits[i].name, name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("limit name \"%s\" is used twice", name)));
	}
}

/* One {"name": …, "check": …, "every_date": …}. */
static AccumLimitDef
limit_from_object(JsonbContainer *object, int position)
{
	AccumLimitDef limit = {0};
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	v;

	if (JsonbIteratorNext(&it, &v, true) != WJB_BEGIN_OBJECT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limit %d is not an object", position)));
	while (JsonbIteratorNext(&it, &v, true) == WJB_KEY)
	{
		char	   *key = jsonb_string(&v);

		(void) JsonbIteratorNext(&it, &v, true);
		if (strcmp(key, "name") == 0 && v.type == jbvString)
			limit.name = jsonb_string(&v);
		else if (strcmp(key, "check") == 0 && v.type == jbvString)
			limit.check = jsonb_string(&v);
		else if (strcmp(key, "every_date") == 0 && v.type == jbvBool)
			limit.every_date = v.val.boolean;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown key or invalid value in limit %d: \"%s\"", position, key),
					 errhint("Keys are \"name\" and \"check\" (strings) and \"every_date\" (true or false).")));
	}
	if (limit.name == NULL || limit.check == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limit %d lacks \"%s\"", position, limit.name == NULL ? "name" : "check")));
	return limit;
}

/* Read [{"name": …, "check": …, "every_date": …}, …]; checks are not looked into. */
AccumLimitDef *
accum_limits_from_jsonb(Jsonb *json, int *nlimits)
{
	AccumLimitDef *limits;

	if (JB_ROOT_IS_SCALAR(json) || !JB_ROOT_IS_ARRAY(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limits must be an array of objects")));
	*nlimits = JB_ROOT_COUNT(json);
	if (*nlimits > MAX_LIMITS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limits has more than %d elements", MAX_LIMITS)));
	limits = palloc0(sizeof(AccumLimitDef) * (*nlimits + 1));
	for (int i = 0; i < *nlimits; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&json->root, i);

		if (element->type != jbvBinary)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("limit %d is not an object", i + 1)));
		limits[i] = limit_from_object(element->val.binary.data, i + 1);
		check_name(limits, i);
	}
	return limits;
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *string)
{
	JsonbValue	v = {.type = jbvString};

	v.val.string.val = unconstify(char *, string);
	v.val.string.len = strlen(string);
	(void) pushJsonbValue(state, token, &v);
}

/* Limits in the form that the registry stores. */
Jsonb *
accum_limits_to_jsonb(const AccumLimitDef *limits, int nlimits)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < nlimits; i++)
	{
		JsonbValue	every_date = {.type = jbvBool,.val.boolean = limits[i].every_date};

		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_string(&state, WJB_KEY, "name");
		push_string(&state, WJB_VALUE, limits[i].name);
		push_string(&state, WJB_KEY, "check");
		push_string(&state, WJB_VALUE, limits[i].check);
		push_string(&state, WJB_KEY, "every_date");
		(void) pushJsonbValue(&state, WJB_VALUE, &every_date);
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

void
accum_limits_refuse_high_write(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a register cannot have both limits and high_write"),
			 errdetail("With high_write a post does not know the balance: others add to it at the same time, and nobody waits for them.")));
}

/* Can a register of this definition keep to its limits? */
static void
check_register(const AccumRegisterDef *def)
{
	if (def->nlimits > 0 && def->kind == ACCUM_KIND_TURNOVER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a register of kind %s cannot have limits", accum_kind_name(def->kind)),
				 errdetail("It has no balances.")));
	if (def->nlimits > 0 && def->high_write)
		accum_limits_refuse_high_write();
	for (int i = 0; i < def->nlimits; i++)
	{
		if (def->limits[i].every_date && def->totals_period != ACCUM_UNIT_DAY)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("limit \"%s\" cannot have every_date", def->limits[i].name),
					 errdetail("The register has no totals of days, from which balances at the end of each day are known.")));
	}
}

static void
add_columns(AccumLimitColumn *columns, const AccumColumnDef *defs, int n)
{
	for (int i = 0; i < n; i++)
	{
		columns[i].name = defs[i].name;
		accum_parse_type(defs[i].type, &columns[i].type, &columns[i].typmod);
		columns[i].collation = get_typcollation(columns[i].type);
	}
}

/*
 * Give a definition the limits of an argument, NULL for none; raises
 * invalid_parameter_value when there is anything wrong with them.
 */
void
accum_limits_define(AccumRegisterDef *def, Jsonb *json)
{
	const AccumRegisterDef *cells = accum_def_cells(def);
	int			ncolumns = cells->ndims + cells->nresources;
	AccumLimitColumn *columns = palloc(sizeof(AccumLimitColumn) * ncolumns);

	def->nlimits = 0;
	if (json == NULL)
		return;
	def->limits = accum_limits_from_jsonb(json, &def->nlimits);
	check_register(def);
	add_columns(columns, cells->dims, cells->ndims);
	add_columns(columns + cells->ndims, cells->resources, cells->nresources);
	for (int i = 0; i < def->nlimits; i++)
		(void) accum_limit_expression(&def->limits[i], columns, ncolumns, def->time_zone);
}
