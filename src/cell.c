/*
 * cell.c
 *		Cells: hashing, comparing and describing dimension values.
 *
 * A cell is one combination of dimension values, NULL being a value like any
 * other.  Its hash is made from typed values with each type's own extended hash
 * function, so values that are equal hash equal however they were written, and
 * from their positions; a NULL adds nothing to it (see cell_hash.c).  Enums are hashed by label, since their OIDs change with a restore.
 *
 * Two cells may share a hash.  Whoever finds a row by hash compares the values
 * too, with the same equality that the hash belongs to.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"

#include "cell.h"
#include "cell_hash.h"
#include "operator.h"

/* Developer setting pg_accumulator.debug_hash_bits. */
int			accum_debug_hash_bits = 64;

static uint64
value_hash(AccumColumn *column, Datum value, uint64 seed)
{
	if (column->is_enum)
	{
		char	   *label = OutputFunctionCall(&column->output, value);
		uint64		hash = hash_bytes_extended((unsigned char *) label, strlen(label), seed);

		pfree(label);
		return hash;
	}
	return DatumGetUInt64(FunctionCall2Coll(&column->hash, column->collation,
											value, UInt64GetDatum(seed)));
}

/*
 * The hash of a cell, given its dimension values in the register's order.
 */
int64
accum_cell_hash(AccumRegister *reg, const Datum *values, const bool *nulls)
{
	uint64		small[16] = {0};
	uint64	   *hashes = reg->ndims <= (int) lengthof(small) ? small
		: palloc(sizeof(uint64) * reg->ndims);
	int64		result;

	for (int i = 0; i < reg->ndims; i++)
		hashes[i] = nulls[i] ? 0 : value_hash(&reg->dims[i], values[i], reg->seed);
	result = accum_cell_hash_combine(hashes, nulls, reg->ndims, reg->seed);
	if (hashes != small)
		pfree(hashes);
	if (accum_debug_hash_bits < 64)
		result &= (INT64CONST(1) << accum_debug_hash_bits) - 1;
	return result;
}

/* Are two values of a column the same, NULL being the same as NULL? */
bool
accum_column_equal(AccumColumn *column, Datum a, bool a_null, Datum b, bool b_null)
{
	if (a_null || b_null)
		return a_null && b_null;
	return DatumGetBool(FunctionCall2Coll(&column->equal, column->collation, a, b));
}

/* Are two combinations of dimension values the same cell? */
bool
accum_cell_equal(AccumRegister *reg, const Datum *values_a, const bool *nulls_a,
				 const Datum *values_b, const bool *nulls_b)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		if (!accum_column_equal(&reg->dims[i], values_a[i], nulls_a[i],
								values_b[i], nulls_b[i]))
			return false;
	}
	return true;
}

/* Values of columns for people: (warehouse, product) = (1, A-7). */
char *
accum_columns_text(AccumColumn *columns, int n, const Datum *values, const bool *nulls)
{
	StringInfoData names;
	StringInfoData texts;

	initStringInfo(&names);
	initStringInfo(&texts);
	for (int i = 0; i < n; i++)
	{
		const char *separator = i > 0 ? ", " : "";
		char	   *text = nulls[i] ? "null" : OutputFunctionCall(&columns[i].output, values[i]);

		appendStringInfo(&names, "%s%s", separator, columns[i].name);
		appendStringInfo(&texts, "%s%s", separator, text);
	}
	return psprintf("(%s) = (%s)", names.data, texts.data);
}

/* The same of a cell. */
char *
accum_cell_text(AccumRegister *reg, const Datum *values, const bool *nulls)
{
	return accum_columns_text(reg->dims, reg->ndims, values, nulls);
}

/*
 * Refuse a value too long to be a key: dimension values and recorders stand in
 * btree indexes, where PostgreSQL would refuse them with less to say.
 */
void
accum_column_check_size(const AccumColumn *column, const char *what, Datum value)
{
	Size		size;

	if (column->typlen != -1)
		return;
	size = toast_raw_datum_size(value) - VARHDRSZ;
	if (size > ACCUM_MAX_KEY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value of %s \"%s\" is too long", what, column->name),
				 errdetail("It has %zu bytes; at most %d are allowed.",
						   size, ACCUM_MAX_KEY_BYTES)));
}

/*
 * A movement is not as _movement_prepare left it: a trigger that fired later has changed
 * it.  Its sums would go to another cell, or nowhere.
 */
void
accum_cell_changed(AccumRegister *reg)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a movement of register \"%s\" was changed after it was checked", reg->name),
			 errhint("Give triggers that change movements names that sort before \"zz_accum_prepare\".")));
}

/* Two different cells with one hash: refuse the write. */
void
accum_cell_collision(AccumRegister *reg, const Datum *values, const bool *nulls)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("two cells of register \"%s\" have the same hash", reg->name),
			 errdetail("Cell %s cannot be stored beside another cell.",
					   accum_cell_text(reg, values, nulls))));
}

/*
 * Append an SQL condition: the dimensions of the row called left equal those of
 * the row called right.  Each operator is named with its schema.
 */
void
accum_cell_append_equal(StringInfo sql, AccumRegister *reg,
						const char *left, const char *right)
{
	appendStringInfoString(sql, "true");
	for (int i = 0; i < reg->ndims; i++)
	{
		StringInfoData a;
		StringInfoData b;
		Oid			operator = reg->dims[i].equal_operator;

		initStringInfo(&a);
		initStringInfo(&b);
		appendStringInfo(&a, "%s.", left);
		accum_append_ident(&a, reg->dims[i].name);
		appendStringInfo(&b, "%s.", right);
		accum_append_ident(&b, reg->dims[i].name);
		appendStringInfo(sql, " AND (%s ", a.data);
		accum_append_operator(sql, operator);
		appendStringInfo(sql, " %s OR %s IS NULL AND %s IS NULL)", b.data, a.data, b.data);
	}
}

/*
 * Values of n columns of a row of movements, detoasted in the current memory context.
 * attnums are the columns' numbers where it is a partition's row, else NULL.
 */
void
accum_columns_fetch(TupleTableSlot *row, const AccumColumn *columns, const AttrNumber *attnums,
					int n, Datum *values, bool *nulls)
{
	for (int i = 0; i < n; i++)
	{
		values[i] = slot_getattr(row, attnums != NULL ? attnums[i] : columns[i].attnum, &nulls[i]);
		if (!nulls[i] && columns[i].typlen == -1)
			values[i] = PointerGetDatum(PG_DETOAST_DATUM(values[i]));
	}
}
