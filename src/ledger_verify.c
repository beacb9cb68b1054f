/*
 * ledger_verify.c
 *		register_ledger_verify: debits equal credits.
 *
 * A movement of a ledger debits and credits the same, so for each combination of
 * dimensions everything that is derived from movements must, too: the balance cache,
 * and each unit of each level of totals, deltas that are not folded yet included.  And
 * what the finest totals have debited must be what movements say, lest a posting be lost
 * on both sides.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/snapmgr.h"

#include "facts.h"
#include "horizon.h"
#include "pending.h"
#include "query.h"
#include "registry.h"

PG_FUNCTION_INFO_V1(accum_register_ledger_verify);

/* Append the dimensions that both sides of a movement share, each with a prefix. */
static void
append_shared_dims(StringInfo sql, AccumRegister *reg, const char *prefix, const char *separator)
{
	for (int i = ACCUM_SIDE_COLUMNS; i < reg->ndims; i++)
		appendStringInfo(sql, "%s%s%s", i > ACCUM_SIDE_COLUMNS ? ", " : separator, prefix,
						 accum_ident(reg->dims[i].name, ""));
}

/* Append a condition for each balanced resource; %1$s is what is debited, %2$s credited. */
static void
append_conditions(StringInfo sql, AccumRegister *reg, const char *condition)
{
	appendStringInfoString(sql, " HAVING false");
	for (int i = 0; i < reg->ndeclared; i++)
	{
		if (reg->declared[i].unbalanced)
			continue;
		appendStringInfoString(sql, " OR ");
		appendStringInfo(sql, condition,
						 accum_ident(reg->declared[i].name, accum_side_suffixes[0]),
						 accum_ident(reg->declared[i].name, accum_side_suffixes[1]));
	}
}

/* A query for what is wrong in a derived table. */
static void
append_unequal(StringInfo sql, AccumRegister *reg, AccumRole role)
{
	appendStringInfoString(sql, "SELECT FROM (");
	accum_append_stored(sql, reg, role);
	appendStringInfoString(sql, ") s GROUP BY s.period");
	append_shared_dims(sql, reg, "s.", ", ");
	append_conditions(sql, reg, "pg_catalog.sum(s.%1$s) OPERATOR(pg_catalog.<>) pg_catalog.sum(s.%2$s)");
}

/* A query for what movements debit and the finest totals do not, or the other way round. */
static void
append_missing(StringInfo sql, AccumRegister *reg)
{
	AccumRole	role = accum_totals_role(reg->totals_period);

	appendStringInfoString(sql, "SELECT FROM (SELECT true AS is_movement");
	append_shared_dims(sql, reg, "m.", ", ");
	for (int i = 0; i < reg->ndeclared; i++)
		appendStringInfo(sql, ", m.%s::pg_catalog.numeric AS %s",
						 accum_ident(reg->declared[i].name, reg->declared[i].unbalanced
									 ? accum_side_suffixes[0] : ""),
						 accum_ident(reg->declared[i].name, accum_side_suffixes[0]));
	appendStringInfo(sql, " FROM %s m", reg->relation_names[ACCUM_MOVEMENTS]);
	if (accum_horizon_set(reg))
	{
		appendStringInfo(sql, " WHERE m.period OPERATOR(pg_catalog.>=) " ACCUM_SCHEMA
						 "._day_start(%u::pg_catalog.regclass, ", reg->movements);
		accum_append_date(sql, reg->archived_before);
		appendStringInfoChar(sql, ')');
	}
	appendStringInfoString(sql, " UNION ALL SELECT false");
	append_shared_dims(sql, reg, "s.", ", ");
	for (int i = 0; i < reg->ndeclared; i++)
		appendStringInfo(sql, ", OPERATOR(pg_catalog.-) s.%s::pg_catalog.numeric",
						 accum_ident(reg->declared[i].name, accum_side_suffixes[0]));
	appendStringInfoString(sql, " FROM (");
	accum_append_stored(sql, reg, role);
	appendStringInfoString(sql, ") s");
	if (accum_horizon_set(reg))
	{
		appendStringInfoString(sql, " WHERE s.period OPERATOR(pg_catalog.>=) ");
		accum_append_date(sql, reg->archived_before);
	}
	appendStringInfoString(sql, ") u GROUP BY ");
	append_shared_dims(sql, reg, "u.", "");
	if (reg->ndims == ACCUM_SIDE_COLUMNS)
		appendStringInfoString(sql, "()");
	append_conditions(sql, reg, "pg_catalog.sum(u.%1$s) OPERATOR(pg_catalog.<>) 0");
}

/*
 * accum.register_ledger_verify(p_name text) returns boolean
 *
 * Do debits equal credits, everywhere?
 */
Datum
accum_register_ledger_verify(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = accum_register_named(fcinfo, AccessShareLock, NULL);
	AccumQueryState state;
	StringInfoData sql;
	SPIPlanPtr	plan;
	bool		right;
	bool		isnull;

	if (reg->kind != ACCUM_KIND_LEDGER)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("register \"%s\" is not a ledger", reg->name)));
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT NOT EXISTS (");
	for (AccumRole role = ACCUM_BALANCE_CACHE; role < ACCUM_ROLES; role++)
	{
		if (!accum_register_has(reg, role))
			continue;
		append_unequal(&sql, reg, role);
		appendStringInfoString(&sql, ") AND NOT EXISTS (");
	}
	append_missing(&sql, reg);
	appendStringInfoChar(&sql, ')');

	accum_pending_push_snapshot();
	accum_query_begin(&state, InvalidOid);
	plan = accum_query_prepare(sql.data, 0, NULL, false);
	right = DatumGetBool(accum_query_value(plan, NULL, &isnull));
	SPI_freeplan(plan);
	accum_query_end(&state);
	PopActiveSnapshot();
	PG_RETURN_BOOL(right);
}
