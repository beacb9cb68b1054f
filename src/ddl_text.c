/*
 * ddl_text.c
 *		Pieces that the SQL of a register's relations and functions is put together from.
 *
 * Pure: compiles into the unit tests as well.
 */
#include "pure.h"

#include "ddl_text.h"
#include "sides.h"

/* The qualified name of the register's object with a suffix, palloc'd. */
char *
accum_object_text(const char *reg, const char *suffix)
{
	char	   *name = psprintf("%s_%s", reg, suffix);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, ACCUM_SCHEMA ".");
	accum_append_ident(&text, name);
	pfree(name);
	return text.data;
}

char *
accum_relation_text(const char *reg, AccumRole role)
{
	return accum_object_text(reg, accum_role_name(role));
}

void
accum_append_function_comment(StringInfo sql, const AccumRegisterDef *def, const char *suffix,
							  const char *arguments, const char *comment)
{
	char	   *function = accum_object_text(def->name, suffix);

	appendStringInfo(sql, "COMMENT ON FUNCTION %s(%s) IS ", function, arguments);
	accum_append_literal(sql, comment);
	appendStringInfoString(sql, ";\n");
	pfree(function);
}

/* 'accum."inventory_movements"'::regclass, the first argument of every body. */
void
accum_append_register_argument(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *table = accum_relation_text(def->name, ACCUM_MOVEMENTS);

	accum_append_literal(sql, table);
	appendStringInfoString(sql, "::regclass");
	pfree(table);
}

const AccumBoundType accum_bound_types[ACCUM_BOUND_TYPES] = {
	{"timestamptz", false, " DEFAULT NULL"},
	{"date", true, ""},
};

void
accum_append_from_bound(StringInfo sql, const AccumRegisterDef *def, const AccumBoundType *type,
						int parameter)
{
	if (!type->is_date)
	{
		appendStringInfo(sql, "$%d", parameter);
		return;
	}
	appendStringInfoString(sql, ACCUM_SCHEMA "._day_start(");
	accum_append_register_argument(sql, def);
	appendStringInfo(sql, ", $%d)", parameter);
}

void
accum_append_before_bound(StringInfo sql, const AccumRegisterDef *def, int parameter)
{
	appendStringInfoString(sql, ACCUM_SCHEMA "._bound_after(");
	accum_append_register_argument(sql, def);
	appendStringInfo(sql, ", $%d)", parameter);
}

/* "warehouse" = $4 ->> 'warehouse', typed, where $4 names it: a condition on a column. */
void
accum_append_dimension_filter(StringInfo sql, const AccumRegisterDef *def, const AccumColumnDef *dim,
							  const char *prefix, const char *suffix, const char *parameter)
{
	StringInfoData key;
	char	   *column = accum_ident(dim->name, suffix);

	initStringInfo(&key);
	accum_append_literal(&key, dim->name);
	appendStringInfo(sql, "(%s IS NULL OR NOT %s ? %s"
					 " OR (%s -> %s = 'null' AND %s%s IS NULL)"
					 " OR %s%s %s CAST(" ACCUM_SCHEMA "._filter_text(",
					 parameter, parameter, key.data,
					 parameter, key.data, prefix, column, prefix, column, dim->equal_operator);
	accum_append_register_argument(sql, def);
	appendStringInfo(sql, ", %s, %s) AS %s))", parameter, key.data, dim->cast_type);
	pfree(column);
	pfree(key.data);
}

/* A ledger's movement is of the cells of both its sides: one of them has to be asked for. */
static void
append_side_filter(StringInfo sql, const AccumRegisterDef *def, const char *prefix,
				   const char *parameter)
{
	const AccumRegisterDef *cells = accum_def_cells(def);

	for (int side = 0; side < ACCUM_MAX_SIDES; side++)
	{
		appendStringInfoString(sql, side == 0 ? "\n\t\tAND (" : "\n\t\t\tOR ");
		for (int i = 0; i < ACCUM_SIDE_COLUMNS; i++)
		{
			appendStringInfoString(sql, i > 0 ? " AND " : "");
			accum_append_dimension_filter(sql, def, &cells->dims[i], prefix, accum_side_suffixes[side],
										  parameter);
		}
	}
	appendStringInfoChar(sql, ')');
}

/* The condition that a movement, prefix and all, is of the cells that a parameter asks for. */
void
accum_append_movement_filter(StringInfo sql, const AccumRegisterDef *def, const char *prefix,
							 const char *parameter)
{
	appendStringInfoString(sql, ACCUM_SCHEMA "._filter_valid(");
	accum_append_register_argument(sql, def);
	appendStringInfo(sql, ", %s)", parameter);
	if (def->kind == ACCUM_KIND_LEDGER)
		append_side_filter(sql, def, prefix, parameter);
	for (int i = 0; i < def->ndims; i++)
	{
		appendStringInfoString(sql, "\n\t\tAND ");
		accum_append_dimension_filter(sql, def, &def->dims[i], prefix, "", parameter);
	}
}
