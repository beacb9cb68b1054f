/*
 * sides.c
 *		What the two sides of a ledger's postings make of a definition.
 *
 * A movement of a ledger is one balanced posting: it debits one account and credits
 * another.  Each side is a cell of its own, account, subconto and the dimensions, which
 * both sides share.  So a ledger has columns that its definition does not name:
 *
 *	- movements have account_dr, subconto_dr, account_cr and subconto_cr before the
 *	  dimensions, and an unbalanced resource twice, <resource>_dr and <resource>_cr;
 *	- cells have account and subconto before the dimensions, and each resource twice,
 *	  what was debited and what was credited.
 *
 * Both are definitions again, so whoever makes tables of dimensions and resources need
 * not know.  In the other kinds movements and cells have the same columns.
 *
 * Pure: compiles into the unit tests as well.
 */
#include "pure.h"

#include "sides.h"

static AccumColumnDef
account_def(const char *suffix)
{
	return (AccumColumnDef) {
		.name = psprintf("account%s", suffix),
		.type = "text",
		.cast_type = "text",
		.collation = "\"C\"",
		.equal_operator = "OPERATOR(pg_catalog.=)",
		.required = true,
	};
}

static AccumColumnDef
subconto_def(const char *suffix)
{
	return (AccumColumnDef) {
		.name = psprintf("subconto%s", suffix),
		.type = "jsonb",
		.cast_type = "jsonb",
		.equal_operator = "OPERATOR(pg_catalog.=)",
		.preset = "'{}'",
		.required = true,
	};
}

/* A resource as one side has it. */
static AccumColumnDef
side_def(const AccumColumnDef *resource, const char *suffix)
{
	AccumColumnDef column = *resource;

	column.name = psprintf("%s%s", resource->name, suffix);
	return column;
}

/* A copy of a definition whose dimensions begin with columns of one or both sides. */
static AccumRegisterDef *
def_copy(const AccumRegisterDef *def, const char *const *suffixes, int nsuffixes)
{
	AccumRegisterDef *copy = palloc(sizeof(AccumRegisterDef));
	int			n = 0;

	*copy = *def;
	copy->ndims = def->ndims + nsuffixes * ACCUM_SIDE_COLUMNS;
	copy->dims = palloc(sizeof(AccumColumnDef) * copy->ndims);
	for (int s = 0; s < nsuffixes; s++)
	{
		copy->dims[n++] = account_def(suffixes[s]);
		copy->dims[n++] = subconto_def(suffixes[s]);
	}
	for (int i = 0; i < def->ndims; i++)
		copy->dims[n++] = def->dims[i];
	copy->resources = palloc(sizeof(AccumColumnDef) * ACCUM_MAX_SIDES * def->nresources);
	copy->nresources = 0;
	return copy;
}

/* The dimensions and resources that cells have, and so derived tables. */
const AccumRegisterDef *
accum_def_cells(const AccumRegisterDef *def)
{
	static const char *const no_suffix[] = {""};
	AccumRegisterDef *cells;

	if (def->kind != ACCUM_KIND_LEDGER)
		return def;
	cells = def_copy(def, no_suffix, 1);
	for (int i = 0; i < def->nresources; i++)
	{
		for (int s = 0; s < ACCUM_MAX_SIDES; s++)
			cells->resources[cells->nresources++] = side_def(&def->resources[i],
															 accum_side_suffixes[s]);
	}
	return cells;
}

/* The dimensions and resources that movements have. */
const AccumRegisterDef *
accum_def_rows(const AccumRegisterDef *def)
{
	AccumRegisterDef *rows;

	if (def->kind != ACCUM_KIND_LEDGER)
		return def;
	rows = def_copy(def, accum_side_suffixes, ACCUM_MAX_SIDES);
	for (int i = 0; i < def->nresources; i++)
	{
		if (!def->resources[i].unbalanced)
			rows->resources[rows->nresources++] = def->resources[i];
		else
		{
			for (int s = 0; s < ACCUM_MAX_SIDES; s++)
				rows->resources[rows->nresources++] = side_def(&def->resources[i],
															   accum_side_suffixes[s]);
		}
	}
	return rows;
}
