/*
 * derived_row.c
 *		What an entry of a delta set adds to a derived table, as a row.
 *
 * The two ways to write derived tables, with SQL (derived_sql.c) and straight
 * (derived_direct.c), take their rows from here: the same columns in the same
 * order, the same complaint about a sum that does not fit.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "derived_row.h"

/* Where failures are noted; see accum_row_note_failures. */
static AccumRowFailures *noting = NULL;

/* Is it kept by unit?  Totals and deltas are. */
bool
accum_row_by_unit(AccumRole role)
{
	return role != ACCUM_BALANCE_CACHE;
}

/* Has it beside each resource the sum of its receipts? */
bool
accum_row_has_receipts(const AccumRegister *reg, AccumRole role)
{
	return accum_row_by_unit(role) && accum_register_keeps_receipts(reg);
}

/* Does it say which movement was the last? */
static bool
has_last(AccumRole role)
{
	return role == ACCUM_BALANCE_CACHE || role == ACCUM_DELTA;
}

/* Describe column n, from 0; returns the position of the next one. */
static int
shape_add(AccumRegister *reg, AccumRole role, AccumRowShape *shape, int n, const char *name,
		  Oid type, int32 typmod, Oid collation)
{
	TupleDescInitEntry(shape->desc, n + 1, name, type, typmod, 0);
	TupleDescInitEntryCollation(shape->desc, n + 1, collation);
	shape->attnums[n] = get_attnum(reg->relations[role], name);
	if (shape->attnums[n] == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation %s does not exist",
						name, reg->relation_names[role])));
	return n + 1;
}

static AccumRowShape *
shape_create(AccumRegister *reg, AccumRole role)
{
	bool		by_unit = accum_row_by_unit(role);
	bool		has_version = role == ACCUM_BALANCE_CACHE;
	bool		has_receipts = accum_row_has_receipts(reg, role);
	int			natts = 2 + reg->ndims + (by_unit ? 1 : 0) + (has_receipts ? 2 : 1) * reg->nresources
		+ (has_last(role) ? 2 : 0) + (has_version ? 1 : 0);
	AccumRowShape *shape = palloc0(sizeof(AccumRowShape));
	int			n = 0;

	shape->desc = CreateTemplateTupleDesc(natts);
	shape->attnums = palloc(sizeof(AttrNumber) * natts);
	n = shape_add(reg, role, shape, n, "dim_hash", INT8OID, -1, InvalidOid);
	if (by_unit)
		n = shape_add(reg, role, shape, n, "period", DATEOID, -1, InvalidOid);
	shape->first_dim = n;
	for (int i = 0; i < reg->ndims; i++)
		n = shape_add(reg, role, shape, n, reg->dims[i].name, reg->dims[i].type,
					  reg->dims[i].typmod, reg->dims[i].collation);
	shape->first_sum = n;
	for (int i = 0; i < reg->nresources; i++)
	{
		AccumColumn *resource = &reg->resources[i];

		n = shape_add(reg, role, shape, n, resource->name, resource->type, resource->typmod,
					  InvalidOid);
		if (has_receipts)
			n = shape_add(reg, role, shape, n, psprintf("%s_receipt", resource->name),
						  resource->type, resource->typmod, InvalidOid);
	}
	shape->last_at = has_last(role) ? n : -1;
	if (has_last(role))
	{
		n = shape_add(reg, role, shape, n, "last_movement_at", TIMESTAMPTZOID, -1, InvalidOid);
		n = shape_add(reg, role, shape, n, "last_movement_id", UUIDOID, -1, InvalidOid);
	}
	shape->version = has_version ? n : -1;
	if (has_version)
		n = shape_add(reg, role, shape, n, "version", INT8OID, -1, InvalidOid);
	shape->movements_count = n;
	n = shape_add(reg, role, shape, n, "movements_count", INT8OID, -1, InvalidOid);
	Assert(n == natts);
	return shape;
}

/* The shape of a register's rows; it lives as long as the entry does. */
const AccumRowShape *
accum_row_shape(AccumRegister *reg, AccumRole role)
{
	if (reg->row_shapes[role] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(reg->context);

		reg->row_shapes[role] = shape_create(reg, role);
		MemoryContextSwitchTo(old);
	}
	return reg->row_shapes[role];
}

/* Append the columns' names from position first on, each with a prefix. */
void
accum_row_append_columns(StringInfo sql, AccumRegister *reg, AccumRole role, const char *prefix,
						 int first)
{
	const AccumRowShape *shape = accum_row_shape(reg, role);

	for (int i = first; i < shape->desc->natts; i++)
		appendStringInfo(sql, "%s%s%s", i > first ? ", " : "", prefix,
						 accum_ident(NameStr(TupleDescAttr(shape->desc, i)->attname), ""));
}

static void
note_failure(int64 dim_hash, const char *detail)
{
	MemoryContext old = MemoryContextSwitchTo(noting->context);
	AccumRowFailure *failure;
	ListCell   *lc;

	foreach(lc, noting->failures)
	{
		if (((AccumRowFailure *) lfirst(lc))->dim_hash == dim_hash)
			break;
	}
	if (lc == NULL)
	{
		failure = palloc(sizeof(AccumRowFailure));
		failure->dim_hash = dim_hash;
		failure->detail = pstrdup(detail);
		noting->failures = lappend(noting->failures, failure);
	}
	MemoryContextSwitchTo(old);
}

/*
 * A sum that no longer fits, told with the cell and, where it is known, the resource.
 * Returns only while failures are noted.
 */
void
accum_row_out_of_range(AccumRegister *reg, AccumRole role, int64 dim_hash,
					   const Datum *dims, const bool *nulls, const char *resource)
{
	char	   *detail = psprintf("Cell %s in %s.", accum_cell_text(reg, dims, nulls),
								  reg->relation_names[role]);

	if (noting != NULL && noting->movements == reg->movements)
		note_failure(dim_hash, detail);
	else
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum in register \"%s\" is out of range", reg->name),
				 errdetail_internal("%s", detail),
				 resource != NULL ? err_generic_string(PG_DIAG_COLUMN_NAME, resource) : 0));
}

/*
 * From now on note sums of a register that do not fit, in the current memory context,
 * and go on, although it is in vain; until accum_row_raise_failures, which has to be
 * called also when an error passes through.
 */
void
accum_row_note_failures(AccumRowFailures *failures, const AccumRegister *reg)
{
	failures->movements = reg->movements;
	failures->context = CurrentMemoryContext;
	failures->failures = NIL;
	failures->outer = noting;
	noting = failures;
}

/* Raise an error for them again, or do what was done before. */
void
accum_row_raise_failures(AccumRowFailures *failures)
{
	noting = failures->outer;
}

/* A sum, or without one the sum of two values, as accum_row_sum_fits and _add_fits have it. */
static bool
value_fits(const AccumSum *sum, Datum a, Datum b, const AccumColumn *resource, Datum *value)
{
	return sum != NULL ? accum_sum_to_value(sum, resource->type, resource->typmod, value)
		: accum_value_add(resource->type, resource->typmod, a, b, value);
}

/* The same where the type tells with an error that the value does not fit. */
static bool
value_fits_no_error(const AccumSum *sum, Datum a, Datum b, const AccumColumn *resource,
					Datum *value)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool fits = false;

	if (accum_sum_kind(resource->type) != ACCUM_SUM_NUMERIC)
		return value_fits(sum, a, b, resource, value);
	PG_TRY();
	{
		fits = value_fits(sum, a, b, resource, value);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return fits;
}

/* The sum as a value of the resource's type; false when it does not fit. */
bool
accum_row_sum_fits(const AccumSum *sum, const AccumColumn *resource, Datum *value)
{
	return value_fits_no_error(sum, (Datum) 0, (Datum) 0, resource, value);
}

/* The sum of two values of the resource's type; false when it does not fit. */
bool
accum_row_add_fits(Datum a, Datum b, const AccumColumn *resource, Datum *value)
{
	return value_fits_no_error(NULL, a, b, resource, value);
}

/*
 * The part of a sum that a row stands for; true in *split when that is not all.
 *
 * A delta may be too large for its column although the result is not: from
 * 30000 to -30000 in a smallint.  It is then added in two halves, in two rows;
 * halves of any delta that leads from one value of the type to another fit.
 */
static Datum
part_of_sum(AccumRegister *reg, AccumRole role, AccumRowKind kind, const AccumDeltaEntry *entry,
			const AccumSum *sum, const AccumColumn *resource, bool *split)
{
	static const AccumSum nothing = {0};
	AccumSum	half;
	AccumSum	rest;
	Datum		value = (Datum) 0;

	if (kind == ACCUM_ROW_CELL || accum_row_sum_fits(sum, resource, &value))
	{
		if (kind != ACCUM_ROW_FIRST)
			(void) accum_row_sum_fits(&nothing, resource, &value);
		return value;
	}
	accum_sum_halve(sum, resource->type, &half, &rest);
	if (!accum_row_sum_fits(kind == ACCUM_ROW_REST ? &rest : &half, resource, &value))
		accum_row_out_of_range(reg, role, entry->dim_hash, entry->dims, entry->nulls,
							   resource->name);
	*split = true;
	return value;
}

/* Put a sum, or the part of it that the row stands for, into a slot at position n, from 0. */
static void
fill_sum(AccumRegister *reg, AccumRole role, AccumRowKind kind, bool wide,
		 const AccumDeltaEntry *entry, const AccumSum *sum, const AccumColumn *resource,
		 TupleTableSlot *slot, int n, bool *split)
{
	if (!wide || accum_sum_kind(resource->type) != ACCUM_SUM_NUMERIC)
		slot->tts_values[n] = part_of_sum(reg, role, kind, entry, sum, resource, split);
	else
	{
		slot->tts_isnull[n] = kind != ACCUM_ROW_FIRST || sum->numeric == NULL;
		slot->tts_values[n] = NumericGetDatum(sum->numeric);
	}
}

/* The first whole year that movements can have: cells without a cache are entered there. */
static AccumDay
first_year(const AccumRegister *reg)
{
	AccumDay	day = accum_day_from_civil(1, 1, 1);
	AccumDay	start = accum_unit_start(day, ACCUM_UNIT_YEAR, reg->zone.year_start);

	return start == day ? day : accum_unit_next(start, ACCUM_UNIT_YEAR);
}

/*
 * Fill a virtual slot of the shape's row type.  Returns whether a second row has
 * to follow.  Values by reference are palloc'd, or the entry's.
 *
 * With wide numeric sums are left as they are, NULL for nothing, and never split: for
 * rows that are only added to others.
 */
bool
accum_row_fill(AccumRegister *reg, AccumRole role, AccumRowKind kind, bool wide,
			   const AccumDeltaEntry *entry, TupleTableSlot *slot)
{
	const AccumRowShape *shape = accum_row_shape(reg, role);
	Datum	   *values = slot->tts_values;
	bool		split = false;
	int			n = shape->first_sum;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, sizeof(bool) * shape->desc->natts);
	values[0] = Int64GetDatum(entry->dim_hash);
	if (accum_row_by_unit(role))
		values[1] = DateADTGetDatum(kind == ACCUM_ROW_CELL ? first_year(reg) : entry->unit_start);
	for (int i = 0; i < reg->ndims; i++)
	{
		slot->tts_isnull[shape->first_dim + i] = entry->nulls[i];
		values[shape->first_dim + i] = entry->dims[i];
	}
	for (int i = 0; i < reg->nresources; i++)
	{
		fill_sum(reg, role, kind, wide, entry, &entry->deltas[i].net, &reg->resources[i],
				 slot, n++, &split);
		if (accum_row_has_receipts(reg, role))
			fill_sum(reg, role, kind, wide, entry, &entry->deltas[i].receipt, &reg->resources[i],
					 slot, n++, &split);
	}
	if (shape->last_at >= 0)
	{
		slot->tts_isnull[shape->last_at] = slot->tts_isnull[shape->last_at + 1] =
			!entry->has_last || kind != ACCUM_ROW_FIRST;
		values[shape->last_at] = TimestampTzGetDatum(entry->last_at);
		values[shape->last_at + 1] = UUIDPGetDatum(&entry->last_id);
	}
	if (shape->version >= 0)
		values[shape->version] = Int64GetDatum(kind == ACCUM_ROW_FIRST ? 1 : 0);
	values[shape->movements_count] = Int64GetDatum(kind == ACCUM_ROW_FIRST ? entry->movements : 0);
	ExecStoreVirtualTuple(slot);
	return split && kind == ACCUM_ROW_FIRST;
}
