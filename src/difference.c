/*
 * difference.c
 *		The difference between a document as it is stored and as it should be.
 *
 * Both are multisets of rows; two rows are the same when recorder, period,
 * dimensions, resources and, if they are asked for, attributes are equal as values,
 * and movement_type too where the wanted row states one.  Wanted rows are found by
 * a hash over what has a hash function, so that a document of many thousand lines,
 * or many documents at once, are compared in one pass.
 *
 * Everything lives in the memory context current at accum_difference_create.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "difference.h"

/* A wanted row; rows with the same hash are chained. */
typedef struct WantedRow
{
	Datum	   *values;
	bool	   *nulls;
	bool		stored;
	struct WantedRow *next;
} WantedRow;

typedef struct Chain
{
	uint64		hash;
	char		status;
	WantedRow  *first;
} Chain;

#define SH_PREFIX chains
#define SH_ELEMENT_TYPE Chain
#define SH_KEY_TYPE uint64
#define SH_KEY hash
#define SH_HASH_KEY(tb, key) ((uint32) (key))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct AccumDifference
{
	AccumRegister *reg;
	AccumBatch *wanted;
	int			nvalues;		/* that are compared, from ACCUM_BATCH_DIMS on */
	WantedRow  *rows;
	chains_hash *chains;
};

/* The columns that decide whether rows are the same, from ACCUM_BATCH_DIMS on. */
static AccumColumn *
value_column(AccumRegister *reg, int i)
{
	if (i < reg->nrow_dims)
		return &reg->row_dims[i];
	i -= reg->nrow_dims;
	return i < reg->nrow_resources ? &reg->row_resources[i]
		: &reg->attributes[i - reg->nrow_resources];
}

static uint64
add_hash(uint64 hash, AccumColumn *column, Datum value)
{
	return hash_combine64(hash, DatumGetUInt64(FunctionCall2Coll(&column->hash, column->collation,
																 value, UInt64GetDatum(0))));
}

static uint64
row_hash(AccumDifference *difference, const Datum *values, const bool *nulls)
{
	AccumRegister *reg = difference->reg;
	uint64		hash = hash_bytes_extended((const unsigned char *) &values[ACCUM_BATCH_PERIOD],
										   sizeof(Datum), 0);

	hash = add_hash(hash, &reg->recorder, values[ACCUM_BATCH_RECORDER]);
	for (int i = 0; i < difference->nvalues; i++)
	{
		AccumColumn *column = value_column(reg, i);

		if (!nulls[ACCUM_BATCH_DIMS + i] && OidIsValid(column->hash.fn_oid))
			hash = add_hash(hash, column, values[ACCUM_BATCH_DIMS + i]);
	}
	return hash;
}

static bool
values_equal(AccumColumn *column, Datum a, bool a_null, Datum b, bool b_null)
{
	/* json, say, has no equality: the same text is the same value. */
	if (!a_null && !b_null && !OidIsValid(column->equal.fn_oid))
		return strcmp(OutputFunctionCall(&column->output, a),
					  OutputFunctionCall(&column->output, b)) == 0;
	return accum_column_equal(column, a, a_null, b, b_null);
}

static bool
rows_equal(AccumDifference *difference, const WantedRow *wanted, const Datum *values,
		   const bool *nulls)
{
	AccumRegister *reg = difference->reg;

	if (!accum_column_equal(&reg->recorder, wanted->values[ACCUM_BATCH_RECORDER], false,
							values[ACCUM_BATCH_RECORDER], false))
		return false;
	if (DatumGetTimestampTz(wanted->values[ACCUM_BATCH_PERIOD]) !=
		DatumGetTimestampTz(values[ACCUM_BATCH_PERIOD]))
		return false;
	if (!wanted->nulls[ACCUM_BATCH_TYPE] &&
		strcmp(TextDatumGetCString(wanted->values[ACCUM_BATCH_TYPE]),
			   TextDatumGetCString(values[ACCUM_BATCH_TYPE])) != 0)
		return false;
	for (int i = 0; i < difference->nvalues; i++)
	{
		int			n = ACCUM_BATCH_DIMS + i;

		if (!values_equal(value_column(reg, i), wanted->values[n], wanted->nulls[n],
						  values[n], nulls[n]))
			return false;
	}
	return true;
}

/* Make ready to compare: read the wanted rows. */
AccumDifference *
accum_difference_create(AccumRegister *reg, AccumBatch *wanted, bool with_attributes)
{
	AccumDifference *difference = palloc0(sizeof(AccumDifference));
	TupleTableSlot *slot = MakeSingleTupleTableSlot(wanted->desc, &TTSOpsMinimalTuple);
	int			natts = wanted->desc->natts;

	difference->reg = reg;
	difference->wanted = wanted;
	difference->nvalues = reg->nrow_dims + reg->nrow_resources + (with_attributes ? reg->nattributes : 0);
	difference->rows = palloc_extended(sizeof(WantedRow) * Max(wanted->nrows, 1),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	difference->chains = chains_create(CurrentMemoryContext, wanted->nrows, NULL);
	tuplestore_rescan(wanted->rows);
	for (int i = 0; i < wanted->nrows; i++)
	{
		WantedRow  *row = &difference->rows[i];
		HeapTuple	tuple;
		Chain	   *chain;
		bool		found;

		if (!tuplestore_gettupleslot(wanted->rows, true, false, slot))
			elog(ERROR, "batch has fewer rows than it counted");
		tuple = ExecCopySlotHeapTuple(slot);
		row->values = palloc(sizeof(Datum) * natts);
		row->nulls = palloc(sizeof(bool) * natts);
		heap_deform_tuple(tuple, wanted->desc, row->values, row->nulls);
		chain = chains_insert(difference->chains, row_hash(difference, row->values, row->nulls), &found);
		row->next = found ? chain->first : NULL;
		chain->first = row;
	}
	ExecDropSingleTupleTableSlot(slot);
	return difference;
}

/*
 * Is this stored row wanted?  Each wanted row answers for one stored row only.
 * The row begins with the columns of a batch, in its order.
 */
bool
accum_difference_match(AccumDifference *difference, HeapTuple stored, TupleDesc desc)
{
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	Chain	   *chain;
	WantedRow  *row = NULL;

	heap_deform_tuple(stored, desc, values, nulls);
	chain = chains_lookup(difference->chains, row_hash(difference, values, nulls));
	if (chain != NULL)
	{
		for (row = chain->first; row != NULL; row = row->next)
		{
			if (!row->stored && rows_equal(difference, row, values, nulls))
				break;
		}
	}
	if (row != NULL)
		row->stored = true;
	pfree(values);
	pfree(nulls);
	return row != NULL;
}

/*
 * Put the wanted rows that are not stored into rows, as adjustments where they
 * do not say otherwise; returns their number.
 */
int
accum_difference_missing(AccumDifference *difference, Tuplestorestate *rows)
{
	TupleDesc	desc = difference->wanted->desc;
	Datum		adjustment = CStringGetTextDatum("adjustment");
	int			n = 0;

	for (int i = 0; i < difference->wanted->nrows; i++)
	{
		WantedRow  *row = &difference->rows[i];

		if (row->stored)
			continue;
		if (row->nulls[ACCUM_BATCH_TYPE])
		{
			row->values[ACCUM_BATCH_TYPE] = adjustment;
			row->nulls[ACCUM_BATCH_TYPE] = false;
		}
		tuplestore_putvalues(rows, desc, row->values, row->nulls);
		n++;
	}
	return n;
}

/*
 * The next wanted row, from this position on, that is not stored; returns its
 * position, from 0, or -1 when there is no other.
 */
int
accum_difference_next(AccumDifference *difference, int position, Datum **values, bool **nulls)
{
	for (; position < difference->wanted->nrows; position++)
	{
		WantedRow  *row = &difference->rows[position];

		if (row->stored)
			continue;
		*values = row->values;
		*nulls = row->nulls;
		return position;
	}
	return -1;
}
