/*
 * reversal.c
 *		Movements that take back others, in registers with history.
 *
 * There nothing is removed.  A movement that is to count no longer gets a reversal: a
 * movement of the same document and cell with its resources' signs turned round, which
 * points to it.  Sums over movements are right without knowing of this; what side a
 * reversal is on, and how it is counted, contribution.h says.
 *
 * Only the engine writes reversals.  Where it does so with a statement, the trigger
 * that prepares rows asks here whether a reversal is one of those, and as it should
 * be: what a user's trigger has changed would not take back what it points to.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "cell.h"
#include "resource.h"
#include "reversal.h"

typedef struct ExpectedRow
{
	pg_uuid_t	reverses;		/* key */
	bool		written;
	HeapTuple	row;			/* columns of a batch */
} ExpectedRow;

struct AccumExpected
{
	Oid			movements;
	TupleDesc	desc;
	HTAB	   *rows;
	struct AccumExpected *outer;
};

/* The innermost statement that is being run. */
static AccumExpected *expected_now = NULL;

/*
 * Put the reversal of a stored movement, which has the columns of a batch and id last,
 * into the rows of a batch: dated as the movement, or at another moment, which must not
 * be an earlier one.
 */
void
accum_reversal_put(AccumRegister *reg, Tuplestorestate *rows, HeapTuple row, TupleDesc desc,
				   const TimestampTz *at)
{
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);
	int			reverses = accum_batch_reverses(reg);
	TimestampTz period;

	heap_deform_tuple(row, desc, values, nulls);
	period = DatumGetTimestampTz(values[ACCUM_BATCH_PERIOD]);
	if (at != NULL && *at < period)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_at must not be earlier than what is reversed"),
				 errdetail("A movement is dated %s.", timestamptz_to_str(period))));
	values[ACCUM_BATCH_TYPE] = CStringGetTextDatum("reversal");
	for (int i = 0; i < reg->nrow_resources; i++)
	{
		AccumColumn *resource = &reg->row_resources[i];
		Datum	   *value = &values[ACCUM_BATCH_DIMS + reg->nrow_dims + i];

		/* That is refused when it comes in, but triggers may have been switched off. */
		if (!accum_value_negate(resource->type, resource->typmod, *value, value))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("resource \"%s\" of a movement cannot be reversed", resource->name),
					 errdetail("Its reversal would not fit the type.")));
	}
	values[reverses] = values[desc->natts - 1];
	values[reverses + 1] = TimestampTzGetDatum(period);
	nulls[reverses] = nulls[reverses + 1] = false;
	if (at != NULL)
		values[ACCUM_BATCH_PERIOD] = TimestampTzGetDatum(*at);
	tuplestore_putvalues(rows, accum_batch_desc(reg), values, nulls);
	pfree(values);
	pfree(nulls);
}

/*
 * A batch is about to be written with a statement: let the reversals in it pass.  They
 * are forgotten when the statement has run, or failed.
 */
AccumExpected *
accum_reversals_expect(AccumRegister *reg, TupleDesc desc, Tuplestorestate *rows)
{
	AccumExpected *expected = palloc0(sizeof(AccumExpected));
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	HASHCTL		info = {.keysize = UUID_LEN,.entrysize = sizeof(ExpectedRow),.hcxt = CurrentMemoryContext};

	expected->movements = reg->movements;
	expected->desc = desc;
	expected->rows = hash_create("accum reversals", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		bool		isnull;
		Datum		reverses = slot_getattr(slot, accum_batch_reverses(reg) + 1, &isnull);
		ExpectedRow *entry;

		if (isnull)
			continue;
		entry = hash_search(expected->rows, DatumGetUUIDP(reverses), HASH_ENTER, NULL);
		entry->written = false;
		entry->row = ExecCopySlotHeapTuple(slot);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_rescan(rows);
	expected->outer = expected_now;
	expected_now = expected;
	return expected;
}

void
accum_reversals_forget(AccumExpected *expected)
{
	expected_now = expected->outer;
}

static bool
values_are(AccumColumn *columns, const AttrNumber *attnums, int n, const Datum *values,
		   const bool *nulls, TupleTableSlot *row)
{
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(row, attnums[i], &isnull);

		if (!accum_column_equal(&columns[i], value, isnull, values[i], nulls[i]))
			return false;
	}
	return true;
}

static bool
instant_is(TupleTableSlot *row, AttrNumber attnum, Datum instant)
{
	bool		isnull;
	Datum		value = slot_getattr(row, attnum, &isnull);

	return !isnull && DatumGetTimestampTz(value) == DatumGetTimestampTz(instant);
}

/* Is a row of a partition the reversal that was to be written? */
static bool
row_is(AccumRegister *reg, const AccumLeaf *leaf, TupleTableSlot *row, const Datum *values,
	   const bool *nulls)
{
	int			dims = ACCUM_BATCH_DIMS;
	int			resources = dims + reg->nrow_dims;

	return values_are(&reg->recorder, &leaf->recorder, 1, values, nulls, row) &&
		instant_is(row, leaf->period, values[ACCUM_BATCH_PERIOD]) &&
		instant_is(row, leaf->reverses[1], values[accum_batch_reverses(reg) + 1]) &&
		values_are(reg->row_dims, leaf->dims, reg->nrow_dims, values + dims, nulls + dims, row) &&
		values_are(reg->row_resources, leaf->resources, reg->nrow_resources, values + resources,
				   nulls + resources, row);
}

/*
 * May this row of movement_type reversal be written to a partition?  False for one that
 * is not the engine's; an error for one of the engine's that was changed.
 */
bool
accum_reversal_check(AccumRegister *reg, const AccumLeaf *leaf, TupleTableSlot *row)
{
	AccumExpected *expected = expected_now;
	ExpectedRow *entry;
	Datum	   *values;
	bool	   *nulls;
	Datum		reverses;
	bool		isnull;

	if (expected == NULL || expected->movements != reg->movements)
		return false;
	reverses = slot_getattr(row, leaf->reverses[0], &isnull);
	if (isnull)
		return false;
	entry = hash_search(expected->rows, DatumGetUUIDP(reverses), HASH_FIND, NULL);
	if (entry == NULL || entry->written)
		return false;
	values = palloc(sizeof(Datum) * expected->desc->natts);
	nulls = palloc(sizeof(bool) * expected->desc->natts);
	heap_deform_tuple(entry->row, expected->desc, values, nulls);
	if (!row_is(reg, leaf, row, values, nulls))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a reversal in register \"%s\" was changed by a trigger", reg->name),
				 errhint("Let triggers leave movements of movement_type \"reversal\" as they are.")));
	entry->written = true;
	return true;
}
