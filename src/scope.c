/*
 * scope.c
 *		Which scopes of a secured register the caller may see.
 *
 * A secured register (secure.c) keeps the rows of tenants apart by a policy, which
 * names one dimension.  A document is known there by its recorder and its scope, the
 * value that its movements have in this dimension, so that two tenants may have a
 * document of the same name.  The map of documents is read as the register's owner;
 * what is found there counts for the caller only if the policy would show it: so it
 * is asked here, as the caller, of one value.
 *
 * The policy's expression is taken as PostgreSQL keeps it, parsed, and the value stands
 * in the place of the dimension.  No text is parsed again, which a search_path of the
 * caller's could give another meaning.
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "nodes/params.h"
#include "parser/parse_node.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "rewrite/rowsecurity.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "query.h"
#include "scope.h"

/* The expression of a table's policy, in memory of the relation; NULL when it has none. */
Node *
accum_scope_policy(Relation rel)
{
	ListCell   *lc;

	if (rel->rd_rsdesc == NULL)
		return NULL;
	foreach(lc, rel->rd_rsdesc->policies)
	{
		RowSecurityPolicy *policy = lfirst(lc);

		if (strcmp(policy->policy_name, ACCUM_POLICY) == 0)
			return (Node *) policy->qual;
	}
	return NULL;
}

/* For replace_rte_variables: the dimension is the one parameter. */
static Node *
dimension_as_parameter(Var *var, replace_rte_variables_context *context)
{
	const AccumColumn *dimension = context->callback_arg;
	Param	   *param = makeNode(Param);

	if (var->varattno != dimension->attnum)
		elog(ERROR, "policy \"%s\" names a column that it may not", ACCUM_POLICY);
	param->paramkind = PARAM_EXTERN;
	param->paramid = 1;
	param->paramtype = var->vartype;
	param->paramtypmod = var->vartypmod;
	param->paramcollid = var->varcollid;
	param->location = -1;
	return (Node *) param;
}

/* Lock what subqueries of an expression read, as the parser would have. */
static void
lock_subqueries(Node *expression)
{
	Query	   *query = makeNode(Query);

	query->commandType = CMD_SELECT;
	query->targetList = list_make1(makeTargetEntry((Expr *) expression, 1, NULL, false));
	query->jointree = makeFromExpr(NIL, NULL);
	query->hasSubLinks = true;
	AcquireRewriteLocks(query, true, false);
}

/* Parser hook: the one name in the statement stands for the policy's expression. */
static Node *
resolve_policy(ParseState *pstate, ColumnRef *ref, Node *var)
{
	AccumRegister *reg = pstate->p_ref_hook_state;
	Relation	rel = table_open(reg->movements, NoLock);
	Node	   *expression = accum_scope_policy(rel);
	bool		has_subqueries = false;

	/* Without its policy a table with row security shows nothing. */
	if (expression == NULL)
		expression = makeBoolConst(false, false);
	else
		expression = replace_rte_variables(copyObject(expression), 1, 0, dimension_as_parameter,
										   &reg->row_dims[reg->secured], &has_subqueries);
	table_close(rel, NoLock);
	if (checkExprHasSubLink(expression))
	{
		lock_subqueries(expression);
		pstate->p_hasSubLinks = true;
	}
	return expression;
}

static void
setup_parser(ParseState *pstate, void *reg)
{
	pstate->p_post_columnref_hook = resolve_policy;
	pstate->p_ref_hook_state = reg;
}

/*
 * May the caller see rows that have this value in the dimension that secures a register?
 * Asked as a statement that writes rows would: it sees what was done before it.
 */
bool
accum_scope_visible(AccumRegister *reg, Datum scope)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_VISIBLE};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	ParamListInfo params;
	AccumQueryState state;
	bool		isnull;
	bool		visible;

	if (check_enable_rls(reg->movements, InvalidOid, true) != RLS_ENABLED)
		return true;
	accum_query_begin(&state, InvalidOid);
	if (*plan == NULL)
	{
		SPIPlanPtr	made = SPI_prepare_params("SELECT accum_policy", setup_parser, reg, 0);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "could not prepare the policy of register \"%s\"", reg->name);
		*plan = made;
	}
	params = makeParamList(1);
	params->params[0].value = scope;
	params->params[0].isnull = false;
	params->params[0].ptype = reg->row_dims[reg->secured].type;
	params->params[0].pflags = PARAM_FLAG_CONST;
	if (SPI_execute_plan_with_paramlist(*plan, params, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "the policy of register \"%s\" gave no answer", reg->name);
	visible = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	visible = visible && !isnull;
	accum_query_end(&state);
	return visible;
}

/* Refuse, as PostgreSQL would refuse the row, a value that the caller may not write. */
void
accum_scope_check(AccumRegister *reg, Datum scope)
{
	if (!accum_scope_visible(reg, scope))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("new row violates row-level security policy for table \"%s\"",
						get_rel_name(reg->movements))));
}

/* A scope for people. */
char *
accum_scope_text(AccumRegister *reg, Datum scope)
{
	return OutputFunctionCall(&reg->row_dims[reg->secured].output, scope);
}
