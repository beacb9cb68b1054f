/*
 * filter.c
 *		Which cells a question is about, and by what its answer is grouped.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "cell.h"
#include "filter.h"
#include "json_value.h"
#include "operator.h"

int
accum_dimension_find(AccumRegister *reg, const char *name, size_t length)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		if (strlen(reg->dims[i].name) == length && strncmp(reg->dims[i].name, name, length) == 0)
			return i;
	}
	return -1;
}

void
accum_unknown_dimension(AccumRegister *reg, const char *name)
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
AccumFilter
accum_filter_parse(AccumRegister *reg, Jsonb *json)
{
	AccumFilter filter = {
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
		int			i = accum_dimension_find(reg, v.val.string.val, v.val.string.len);

		if (i < 0)
			accum_unknown_dimension(reg, pnstrdup(v.val.string.val, v.val.string.len));
		(void) JsonbIteratorNext(&it, &v, true);
		if (v.type == jbvBinary && reg->dims[i].type != JSONBOID)
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

/*
 * Append " AND <condition>" for each dimension in the filter; a filter on all
 * dimensions is one on dim_hash, too.  Row by row of the table called t.
 */
void
accum_filter_append(AccumQuery *query, AccumRegister *reg, const AccumFilter *filter)
{
	StringInfo	sql = &query->sql;

	if (accum_filter_is_cell(reg, filter))
		appendStringInfo(sql, " AND t.dim_hash OPERATOR(pg_catalog.=) $%d",
						 accum_query_param(query, INT8OID,
										   Int64GetDatum(accum_cell_hash(reg, filter->values, filter->nulls))));
	for (int i = 0; i < reg->ndims; i++)
	{
		if (!filter->given[i])
			continue;
		appendStringInfoString(sql, " AND t.");
		accum_append_ident(sql, reg->dims[i].name);
		if (filter->nulls[i])
			appendStringInfoString(sql, " IS NULL");
		else
		{
			appendStringInfoChar(sql, ' ');
			accum_append_operator(sql, reg->dims[i].equal_operator);
			appendStringInfo(sql, " $%d", accum_query_param(query, reg->dims[i].type,
															filter->values[i]));
		}
	}
}

/* Does the filter name every dimension? */
bool
accum_filter_is_cell(const AccumRegister *reg, const AccumFilter *filter)
{
	return filter->ngiven == reg->ndims;
}

static void
grouping_add(AccumRegister *reg, AccumGrouping *grouping, const JsonbValue *v)
{
	int			i;

	if (v->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("group_by must be an array of dimension names")));
	i = accum_dimension_find(reg, v->val.string.val, v->val.string.len);
	if (i < 0)
		accum_unknown_dimension(reg, pnstrdup(v->val.string.val, v->val.string.len));
	for (int j = 0; j < grouping->n; j++)
	{
		if (grouping->dims[j] == i)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("dimension \"%s\" is named twice in group_by", reg->dims[i].name)));
	}
	grouping->dims[grouping->n++] = i;
}

/*
 * Read ["dimension", …] or "dimension"; NULL and [] group by nothing.
 */
AccumGrouping
accum_grouping_parse(AccumRegister *reg, Jsonb *json)
{
	AccumGrouping grouping = {.dims = palloc(sizeof(int) * (reg->ndims + 1))};
	JsonbIterator *it;
	JsonbValue	v;

	if (json == NULL)
		return grouping;
	if (JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("group_by must be an array of dimension names")));
	it = JsonbIteratorInit(&json->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &v, true) == WJB_ELEM)
		grouping_add(reg, &grouping, &v);
	return grouping;
}

/* Append the grouped dimensions, each with a prefix, separated by commas. */
void
accum_grouping_append(StringInfo sql, AccumRegister *reg, const AccumGrouping *grouping,
					  const char *prefix)
{
	for (int i = 0; i < grouping->n; i++)
	{
		appendStringInfo(sql, "%s%s", i > 0 ? ", " : "", prefix);
		accum_append_ident(sql, reg->dims[grouping->dims[i]].name);
	}
}
