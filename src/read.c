/*
 * read.c
 *		What the read functions of a register are made of.
 *
 * Each register has SQL functions of its own (ddl.c) that call these with its
 * movements table.  Queries run as the caller: they need SELECT on the tables
 * they read, and row security applies.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "json_value.h"
#include "query.h"
#include "registry.h"
#include "resource.h"

#define PLAN_BALANCE_CELL 10
#define PLAN_BALANCE_FILTER 11

PG_FUNCTION_INFO_V1(accum_balance);
PG_FUNCTION_INFO_V1(accum_filter_valid);
PG_FUNCTION_INFO_V1(accum_filter_value);
PG_FUNCTION_INFO_V1(accum_bound_after);

/* Which dimensions a filter names, and with which values. */
typedef struct Filter
{
	bool	   *given;
	Datum	   *values;
	bool	   *nulls;
	int			ngiven;
} Filter;

/* The register whose functions call us; its movements table was named in them. */
static AccumRegister *
register_argument(Oid movements)
{
	AccumRegister *reg;

	LockRelationOid(movements, AccessShareLock);
	reg = accum_register_of_movements(movements);
	if (reg == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u is not the movements table of a register",
						movements)));
	return reg;
}

static int
dimension_find(AccumRegister *reg, const char *name, size_t length)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		if (strlen(reg->dims[i].name) == length && strncmp(reg->dims[i].name, name, length) == 0)
			return i;
	}
	return -1;
}

static void
unknown_dimension(AccumRegister *reg, const char *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < reg->ndims; i++)
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", reg->dims[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("register \"%s\" has no dimension \"%s\"", reg->name, name),
			 errhint("Dimensions are %s.", reg->ndims > 0 ? known.data : "none")));
}

/* Read {dimension: value, …}; NULL stands for {}. */
static Filter
filter_parse(AccumRegister *reg, Jsonb *json)
{
	Filter		filter = {
		.given = palloc0(sizeof(bool) * (reg->ndims + 1)),
		.values = palloc0(sizeof(Datum) * (reg->ndims + 1)),
		.nulls = palloc0(sizeof(bool) * (reg->ndims + 1)),
	};
	JsonbIterator *it;
	JsonbValue	v;

	if (json == NULL)
		return filter;
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions must be an object")));
	it = JsonbIteratorInit(&json->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &v, true) == WJB_KEY)
	{
		int			i = dimension_find(reg, v.val.string.val, v.val.string.len);

		if (i < 0)
			unknown_dimension(reg, pnstrdup(v.val.string.val, v.val.string.len));
		(void) JsonbIteratorNext(&it, &v, true);
		if (v.type == jbvBinary)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("value of dimension \"%s\" must not be an array or an object",
							reg->dims[i].name)));
		filter.given[i] = true;
		filter.values[i] = accum_column_from_json(reg, &reg->dims[i], &v, &filter.nulls[i]);
		filter.ngiven++;
	}
	return filter;
}

/* The shape of a question: two bits for each dimension. */
static void
filter_shape(AccumRegister *reg, const Filter *filter, AccumPlanKey *key)
{
	StaticAssertStmt(ACCUM_MAX_COLUMNS * 2 <= sizeof(key->shape) * 8,
					 "two bits for each dimension");
	for (int i = 0; i < reg->ndims; i++)
	{
		uint64		bits = !filter->given[i] ? 0 : filter->nulls[i] ? 1 : 2;

		key->shape[i / 32] |= bits << (2 * (i % 32));
	}
}

/* Append a condition for each dimension in the filter; parameters from $first. */
static void
append_filter(StringInfo sql, AccumRegister *reg, const Filter *filter, int first)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		if (!filter->given[i])
			continue;
		appendStringInfoString(sql, " AND ");
		accum_append_ident(sql, reg->dims[i].name);
		if (filter->nulls[i])
			appendStringInfoString(sql, " IS NULL");
		else
		{
			appendStringInfoChar(sql, ' ');
			accum_append_operator(sql, reg->dims[i].equal_operator);
			appendStringInfo(sql, " $%d", first++);
		}
	}
}

/* Collect parameters for append_filter; returns how many. */
static int
filter_parameters(AccumRegister *reg, const Filter *filter, Oid *types, Datum *values)
{
	int			n = 0;

	for (int i = 0; i < reg->ndims; i++)
	{
		if (filter->given[i] && !filter->nulls[i])
		{
			types[n] = reg->dims[i].type;
			values[n++] = filter->values[i];
		}
	}
	return n;
}

/*
 * Append an object of all resources, summed.  A sum of nothing is 0 in the
 * resource's own scale.
 */
static void
append_sums(StringInfo sql, AccumRegister *reg)
{
	appendStringInfoString(sql, "pg_catalog.jsonb_build_object(");
	for (int i = 0; i < reg->nresources; i++)
	{
		AccumColumn *resource = &reg->resources[i];

		appendStringInfoString(sql, i > 0 ? ", " : "");
		accum_append_literal(sql, resource->name);
		appendStringInfoString(sql, ", COALESCE(pg_catalog.sum(");
		accum_append_ident(sql, resource->name);
		appendStringInfo(sql, "), 0::%s)",
						 format_type_with_typemod(resource->type, resource->typmod));
	}
	appendStringInfoChar(sql, ')');
}

/* The current balance of one cell or of all cells that a filter selects. */
static Datum
current_balance(AccumRegister *reg, const Filter *filter)
{
	bool		whole_cell = filter->ngiven == reg->ndims;
	AccumPlanKey key = {.purpose = whole_cell ? PLAN_BALANCE_CELL : PLAN_BALANCE_FILTER};
	AccumQueryState state;
	SPIPlanPtr *plan;
	Oid			types[ACCUM_MAX_COLUMNS + 1];
	Datum		values[ACCUM_MAX_COLUMNS + 1];
	int			n = 0;
	bool		isnull;
	Datum		result;

	if (whole_cell)
	{
		types[n] = INT8OID;
		values[n++] = Int64GetDatum(accum_cell_hash(reg, filter->values, filter->nulls));
	}
	n += filter_parameters(reg, filter, types + n, values + n);

	filter_shape(reg, filter, &key);
	plan = accum_register_plan(reg, &key);
	accum_query_begin(&state, InvalidOid);
	if (*plan == NULL)
	{
		StringInfoData sql;

		initStringInfo(&sql);
		appendStringInfoString(&sql, "SELECT ");
		append_sums(&sql, reg);
		appendStringInfo(&sql, " FROM %s WHERE %s", reg->relation_names[ACCUM_BALANCE_CACHE],
						 whole_cell ? "dim_hash OPERATOR(pg_catalog.=) $1" : "true");
		append_filter(&sql, reg, filter, whole_cell ? 2 : 1);
		*plan = accum_query_prepare(sql.data, n, types, false);
	}
	result = accum_query_value(*plan, values, &isnull);
	accum_query_end(&state);
	return result;
}

/*
 * accum._balance(regclass, dimensions jsonb, at_date timestamptz) returns jsonb
 *
 * The body of <register>_balance.
 */
Datum
accum_balance(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = register_argument(PG_GETARG_OID(0));
	Filter		filter = filter_parse(reg, PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1));

	if (!PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("balances at a date are not supported by this version")));
	PG_RETURN_DATUM(current_balance(reg, &filter));
}

/*
 * accum._filter_valid(regclass, dimensions jsonb) returns boolean
 *
 * True, or an error for what is no filter of the register.  NULL is one.
 */
Datum
accum_filter_valid(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = register_argument(PG_GETARG_OID(0));

	if (!PG_ARGISNULL(1))
		(void) filter_parse(reg, PG_GETARG_JSONB_P(1));
	PG_RETURN_BOOL(true);
}

/*
 * accum._filter_value(regclass, dimensions jsonb, dimension text, anyelement)
 * returns anyelement
 *
 * The value that a filter has for a dimension, as the dimension's type; NULL
 * when it has none.
 */
Datum
accum_filter_value(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = register_argument(PG_GETARG_OID(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	int			i = dimension_find(reg, name, strlen(name));
	Filter		filter;

	if (i < 0)
		unknown_dimension(reg, name);
	if (PG_ARGISNULL(1) ||
		getBaseType(get_fn_expr_rettype(fcinfo->flinfo)) != getBaseType(reg->dims[i].type))
		PG_RETURN_NULL();
	filter = filter_parse(reg, PG_GETARG_JSONB_P(1));
	if (!filter.given[i] || filter.nulls[i])
		PG_RETURN_NULL();
	PG_RETURN_DATUM(filter.values[i]);
}

/*
 * accum._bound_after(regclass, bound timestamptz) returns timestamptz
 *
 * The first instant after an inclusive upper bound: the end of the day when the
 * bound is exactly a midnight in the register's time zone, else the next instant.
 */
Datum
accum_bound_after(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = register_argument(PG_GETARG_OID(0));
	TimestampTz bound = PG_GETARG_TIMESTAMPTZ(1);

	if (TIMESTAMP_NOT_FINITE(bound))
		PG_RETURN_TIMESTAMPTZ(bound);
	if (accum_zone_day_start(&reg->zone, accum_zone_day(&reg->zone, bound)) == bound)
		PG_RETURN_TIMESTAMPTZ(accum_zone_day_start(&reg->zone,
												   accum_zone_day(&reg->zone, bound) + 1));
	PG_RETURN_TIMESTAMPTZ(bound + 1);
}
