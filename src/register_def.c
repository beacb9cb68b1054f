/*
 * register_def.c
 *		The definition that a register has, made again from what is known of it.
 */
#include "postgres.h"

#include "pgtime.h"

#include "register_def.h"

/* The definition that a register has now, with types as its columns have them. */
static AccumColumnDef *
column_defs(AccumColumnRole role, const AccumColumn *columns, int n)
{
	AccumColumnDef *defs = palloc0(sizeof(AccumColumnDef) * (n + 1));

	for (int i = 0; i < n; i++)
		defs[i] = accum_column_def(role, columns[i].name, columns[i].type,
								   columns[i].typmod, columns[i].required);
	return defs;
}

/* The resources of a ledger as they were declared; cells have each twice. */
static void
declare_resources(const AccumRegister *reg, AccumRegisterDef *def)
{
	def->nresources = reg->ndeclared;
	for (int i = 0; i < reg->ndeclared; i++)
	{
		def->resources[i] = def->resources[i * ACCUM_MAX_SIDES];
		def->resources[i].name = reg->declared[i].name;
		def->resources[i].unbalanced = reg->declared[i].unbalanced;
	}
}

/*
 * The register's definition, as far as its functions and views are made of it and
 * limits depend on it: the first month of a year has no part in them.
 */
AccumRegisterDef *
accum_register_def(AccumRegister *reg)
{
	AccumRegisterDef *def = palloc0(sizeof(AccumRegisterDef));
	int			ndims = accum_register_declared_dims(reg);
	AccumColumnDef *recorder = column_defs(ACCUM_COLUMN_ATTRIBUTE, &reg->recorder, 1);

	def->name = reg->name;
	def->kind = reg->kind;
	def->history = reg->history;
	def->ndims = ndims;
	def->dims = column_defs(ACCUM_COLUMN_DIMENSION, reg->dims + reg->ndims - ndims, ndims);
	def->nresources = reg->nresources;
	def->resources = column_defs(ACCUM_COLUMN_RESOURCE, reg->resources, reg->nresources);
	if (reg->kind == ACCUM_KIND_LEDGER)
		declare_resources(reg, def);
	def->nattributes = reg->nattributes;
	def->attributes = column_defs(ACCUM_COLUMN_ATTRIBUTE, reg->attributes, reg->nattributes);
	def->chart = reg->chart;
	def->totals_period = reg->totals_period;
	def->partition_by = reg->partition_by;
	def->high_write = reg->high_write;
	def->has_deltas = accum_register_has(reg, ACCUM_DELTA);
	def->recorder_type = recorder->type;
	def->recorder_cast_type = recorder->cast_type;
	def->time_zone = unconstify(char *, pg_get_timezone_name(reg->zone.tz));
	return def;
}
