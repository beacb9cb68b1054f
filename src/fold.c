/*
 * fold.c
 *		Folding the deltas of high_write registers.
 *
 * TEMPORARY: a stand-in for the module of that name, so that workers compile.
 * There are no deltas yet, so there are none to fold and none pending.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"

#include "fold.h"

PG_FUNCTION_INFO_V1(accum_register_pending);

int64
accum_fold_register(AccumRegister *reg, TimestampTz older_than, int64 batch_size)
{
	return 0;
}

/*
 * accum._register_pending(movements regclass) returns record
 *
 * How many deltas are pending and the age of the oldest; NULL when the caller
 * may not read them.
 */
Datum
accum_register_pending(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
