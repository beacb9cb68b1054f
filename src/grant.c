/*
 * grant.c
 *		register_grant, register_revoke.
 *
 * Rights on a register are privileges on its tables, which GRANT and REVOKE give and
 * take, \dp shows and dumps carry along; nothing else is kept of them.  A right is
 * one or more of these lines:
 *
 *		read	SELECT on movements, deltas, derived tables, chart of accounts and the view
 *				of balances
 *		post	SELECT, INSERT and DELETE on movements
 *		admin	TRUNCATE on movements, which by itself is refused to everybody:
 *				there it says who may keep the register (AccumAccess)
 *
 * Each right is given and taken by itself.  What two of them share, SELECT on
 * movements, stays as long as a role has one of the two.
 *
 * Partitions get no privileges, whoever has some on movements: everything goes
 * through movements, where its row security applies as well.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "query.h"
#include "registry.h"
#include "rights.h"

PG_FUNCTION_INFO_V1(accum_register_grant);
PG_FUNCTION_INFO_V1(accum_register_revoke);

typedef enum Right
{
	RIGHT_READ,
	RIGHT_POST,
	RIGHT_ADMIN
} Right;

static const char *const right_names[] = {"read", "post", "admin"};

/* The privileges on movements that each right consists of. */
static const AclMode movement_privileges[] = {
	ACL_SELECT,
	ACL_SELECT | ACL_INSERT | ACL_DELETE,
	ACL_TRUNCATE,
};

/* What a call is about. */
typedef struct Grant
{
	AccumRegister *reg;
	Oid			role;			/* ACL_ID_PUBLIC: everybody */
	const char *role_text;		/* in SQL */
	Right		right;
} Grant;

static char *
required_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be null", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static Right
right_from_name(const char *name)
{
	for (size_t i = 0; i < lengthof(right_names); i++)
	{
		if (strcmp(name, right_names[i]) == 0)
			return (Right) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("right \"%s\" is not known", name),
			 errhint("Rights are read, post and admin.")));
}

/* The arguments of both functions; the caller has to own the register. */
static Grant
grant_arguments(FunctionCallInfo fcinfo, const char *function)
{
	AccumAccess access = {.owner = true};
	char	   *role = required_argument(fcinfo, 1, "p_role");
	Grant		grant = {.right = right_from_name(required_argument(fcinfo, 2, "p_right"))};

	PreventCommandIfReadOnly(function);
	grant.reg = accum_register_named(fcinfo, AccessShareLock, &access);
	if (strcmp(role, "public") == 0)
	{
		grant.role = ACL_ID_PUBLIC;
		grant.role_text = "PUBLIC";
	}
	else
	{
		grant.role = get_role_oid(role, false);
		grant.role_text = quote_identifier(role);
	}
	return grant;
}

/* The privileges on a relation that were granted to just this role, by whomever. */
static AclMode
privileges_of(Oid relation, Oid role)
{
	Acl		   *acl = accum_rights_of(RelationRelationId, relation)->acl;
	AclMode		privileges = ACL_NO_RIGHTS;

	for (int i = 0; acl != NULL && i < ACL_NUM(acl); i++)
	{
		if (ACL_DAT(acl)[i].ai_grantee == role)
			privileges |= ACLITEM_GET_PRIVS(ACL_DAT(acl)[i]);
	}
	return privileges;
}

/*
 * Which privileges on movements does a right leave behind?  Year totals tell who may
 * read, since every register has them; INSERT on movements, who may post.
 */
static AclMode
privileges_shared(const Grant *grant)
{
	Oid			relation = grant->reg->relations[grant->right == RIGHT_POST
												 ? ACCUM_TOTALS_YEAR : ACCUM_MOVEMENTS];
	AclMode		other = grant->right == RIGHT_POST ? ACL_SELECT : ACL_INSERT;

	return (privileges_of(relation, grant->role) & other) != 0 ? ACL_SELECT : ACL_NO_RIGHTS;
}

/* Run a command with privileges on a relation, both in SQL; as the owner. */
static void
run_command(const Grant *grant, bool give, const char *privileges, const char *relation)
{
	(void) accum_query_command(psprintf("%s %s ON %s %s %s", give ? "GRANT" : "REVOKE",
										privileges, relation, give ? "TO" : "FROM",
										grant->role_text), SPI_OK_UTILITY);
}

static void
change_movements(const Grant *grant, bool give)
{
	static const struct
	{
		AclMode		privilege;
		const char *name;
	}			privileges[] = {
		{ACL_SELECT, "SELECT"}, {ACL_INSERT, "INSERT"}, {ACL_DELETE, "DELETE"},
		{ACL_TRUNCATE, "TRUNCATE"},
	};
	AclMode		changed = movement_privileges[grant->right];

	if (!give)
		changed &= ~privileges_shared(grant);
	for (size_t i = 0; i < lengthof(privileges); i++)
	{
		if ((changed & privileges[i].privilege) != 0)
			run_command(grant, give, privileges[i].name,
						grant->reg->relation_names[ACCUM_MOVEMENTS]);
	}
}

/* The same for what only readers look at. */
static void
change_derived(const Grant *grant, bool give)
{
	char	   *view = psprintf("%s_balances", grant->reg->name);

	for (AccumRole role = ACCUM_ACCOUNTS; role < ACCUM_ROLES; role++)
	{
		if (accum_register_has(grant->reg, role))
			run_command(grant, give, "SELECT", grant->reg->relation_names[role]);
	}
	/* Registers without balances have none, and an owner may have dropped it. */
	if (get_rel_relkind(get_relname_relid(view, accum_schema_oid())) == RELKIND_VIEW)
		run_command(grant, give, "SELECT", quote_qualified_identifier(ACCUM_SCHEMA, view));
}

/* Give a right or take it away. */
static void
change_right(const Grant *grant, bool give)
{
	AccumQueryState state;

	accum_query_begin(&state, accum_register_owner(grant->reg));
	change_movements(grant, give);
	if (grant->right == RIGHT_READ)
		change_derived(grant, give);
	accum_query_end(&state);
}

/*
 * accum.register_grant(p_name text, p_role text, p_right text) returns void
 *
 * Give a role the privileges on a register's tables that a right consists of.
 */
Datum
accum_register_grant(PG_FUNCTION_ARGS)
{
	Grant		grant = grant_arguments(fcinfo, "register_grant()");

	change_right(&grant, true);
	PG_RETURN_VOID();
}

/*
 * accum.register_revoke(p_name text, p_role text, p_right text) returns void
 *
 * Take them away again, but for what another right of the role needs.
 */
Datum
accum_register_revoke(PG_FUNCTION_ARGS)
{
	Grant		grant = grant_arguments(fcinfo, "register_revoke()");

	change_right(&grant, false);
	PG_RETURN_VOID();
}
