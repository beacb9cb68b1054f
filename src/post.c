/*
 * post.c
 *		register_post, register_unpost, register_repost.
 *
 * Documents come in as JSON and leave as ordinary INSERTs and DELETEs on the
 * movements table, run as the caller: privileges, row security and users' own
 * triggers are those of any other statement.  The triggers on movements do the
 * rest (engine.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "document_find.h"
#include "document_replace.h"
#include "document_set.h"
#include "engine.h"
#include "horizon.h"
#include "json_value.h"
#include "moved.h"
#include "movement_delete.h"
#include "movement_json.h"
#include "movement_write.h"
#include "once.h"
#include "partition.h"
#include "query.h"
#include "recorders.h"
#include "stats.h"

PG_FUNCTION_INFO_V1(accum_register_post);
PG_FUNCTION_INFO_V1(accum_register_unpost);
PG_FUNCTION_INFO_V1(accum_register_unpost_many);
PG_FUNCTION_INFO_V1(accum_register_repost);

static AccumRegister *
open_argument(FunctionCallInfo fcinfo, AclMode privileges, bool removes)
{
	AccumAccess access = {.privileges = privileges,.removes = removes};

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_register must not be null")));
	return accum_register_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), RowExclusiveLock, &access);
}

/* Store a batch's rows as the caller, straight if that can be; returns how many. */
static int
store_rows(AccumRegister *reg, AccumBatch *batch)
{
	AccumChange *change = accum_change_begin(reg);
	volatile bool written = false;

	PG_TRY();
	{
		written = accum_movements_write(reg, change, batch->desc, batch->rows);
	}
	PG_CATCH();
	{
		accum_change_abandon(change);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (written)
	{
		accum_change_end(change);
		return batch->nrows;
	}
	accum_change_abandon(change);
	return accum_document_insert(reg, batch->desc, batch->rows);
}

/*
 * Enter a batch's documents in the map now.
 *
 * Others wait for a transaction that makes partitions as soon as they come to
 * the default one, some with documents locked; it must not then wait for them.
 * Waiting for derived rows is harmless: their holders are about to commit.
 */
static void
store_documents_ahead(AccumRegister *reg, AccumBatch *batch)
{
	AccumDocuments *documents = accum_documents_create(reg);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(batch->desc, &TTSOpsMinimalTuple);
	AccumQueryState state;

	accum_batch_check_scopes(reg, batch);
	tuplestore_rescan(batch->rows);
	while (tuplestore_gettupleslot(batch->rows, true, false, slot))
	{
		AccumDocumentKey key;

		slot_getallattrs(slot);
		key = accum_document_key(reg, slot->tts_values[ACCUM_BATCH_RECORDER],
								 slot->tts_values + ACCUM_BATCH_DIMS);
		accum_documents_add(documents, &key,
							accum_zone_day(&reg->zone, DatumGetTimestampTz(slot->tts_values[ACCUM_BATCH_PERIOD])));
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_rescan(batch->rows);

	accum_identity_begin(&state, accum_register_owner(reg));
	accum_documents_store(documents);
	accum_identity_end(&state);
	accum_documents_free(documents);
}

/*
 * accum.register_post(p_register text, p_data jsonb, p_once boolean) returns int
 *
 * Store the movements in p_data, one object or an array; returns their number.
 * All or nothing.  With p_once documents that are there already, with the same
 * movements, count as stored.
 */
Datum
accum_register_post(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = open_argument(fcinfo, ACL_INSERT, false);
	AccumBatch *batch = accum_batch_decode(reg, PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1), NULL);
	int			n = batch->nrows;

	if (n > 0 && !PG_ARGISNULL(2) && PG_GETARG_BOOL(2))
		accum_once_filter(reg, batch);
	if (batch->nrows > 0)
	{
		if (accum_partitions_missing(reg, batch->units, batch->nunits))
		{
			store_documents_ahead(reg, batch);
			accum_partitions_create_missing(reg, batch->units, batch->nunits);
		}
		n += store_rows(reg, batch) - batch->nrows;
	}
	tuplestore_end(batch->rows);
	accum_stats_add(reg, ACCUM_STAT_POSTS, 1);
	PG_RETURN_INT32(n);
}

/* Remove all movements of locked documents, straight if that can be; returns how many. */
static int
delete_documents(AccumRegister *reg, AccumChange *change, const AccumDocumentLock *lock)
{
	int			n;

	return accum_movements_delete(reg, change, lock, &n) ? n : accum_documents_delete(reg, lock);
}

/* Argument p_at, set in *at: when reversals are dated.  NULL: as what they reverse. */
static const TimestampTz *
at_argument(FunctionCallInfo fcinfo, AccumRegister *reg, TimestampTz *at)
{
	if (PG_ARGISNULL(2))
		return NULL;
	*at = PG_GETARG_TIMESTAMPTZ(2);
	if (!reg->history)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("register \"%s\" was created without history", reg->name),
				 errdetail("There an unpost removes movements, and nothing is left that p_at could date.")));
	if (!accum_period_valid(&reg->zone, *at))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("p_at is out of range"),
				 errdetail("A period lies in the years 0001 to 9999.")));
	accum_horizon_check_period(reg, *at);
	return at;
}

static int
unpost_documents(AccumRegister *reg, ArrayType *recorders, const TimestampTz *at)
{
	List	   *groups = accum_documents_find(reg, recorders, InvalidSnapshot);
	AccumDocumentLock lock;
	AccumChange *change;
	bool		known;
	volatile int n = 0;

	accum_stats_add(reg, ACCUM_STAT_UNPOSTS, 1);
	if (groups == NIL)
		return 0;
	known = accum_documents_lock(reg, groups, NULL, &lock);
	accum_documents_check_found(reg, groups, known ? lock.seen : InvalidSnapshot);
	if (!known)
		return 0;
	if (at != NULL)
	{
		AccumDay	unit = accum_unit_start(accum_zone_day(&reg->zone, *at), reg->partition_by, 1);

		if (accum_partitions_missing(reg, &unit, 1))
			accum_partitions_create_missing(reg, &unit, 1);
	}
	change = accum_change_begin(reg);
	PG_TRY();
	{
		n = reg->history ? accum_documents_reverse(reg, change, &lock, at)
			: delete_documents(reg, change, &lock);
	}
	PG_CATCH();
	{
		accum_change_abandon(change);
		PG_RE_THROW();
	}
	PG_END_TRY();
	accum_change_end(change);
	accum_documents_bump(reg, &lock);
	return n;
}

static Datum
recorder_from_text(AccumRegister *reg, char *text)
{
	Datum		recorder = accum_column_from_text(reg, &reg->recorder, text);

	accum_column_check_size(&reg->recorder, "key", recorder);
	return recorder;
}

static void
recorder_is_null(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("recorder must not be null")));
}

/*
 * accum.register_unpost(p_register text, p_recorder text, p_at timestamptz) returns int
 *
 * Remove all movements of a document, or with history reverse them, at p_at if that is
 * not NULL; returns their number, 0 for an unknown document.
 */
Datum
accum_register_unpost(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = open_argument(fcinfo, ACL_SELECT, true);
	TimestampTz at;
	Datum		recorder;

	if (PG_ARGISNULL(1))
		recorder_is_null();
	recorder = recorder_from_text(reg, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_INT32(unpost_documents(reg, accum_recorder_array(reg, &recorder, 1),
									 at_argument(fcinfo, reg, &at)));
}

/*
 * accum.register_unpost(p_register text, p_recorders text[], p_at timestamptz) returns int
 *
 * The same for many documents at once.
 */
Datum
accum_register_unpost_many(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = open_argument(fcinfo, ACL_SELECT, true);
	TimestampTz at;
	const TimestampTz *dated;
	Datum	   *recorders;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(1))
		recorder_is_null();
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT,
					  &recorders, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			recorder_is_null();
		recorders[i] = recorder_from_text(reg, TextDatumGetCString(recorders[i]));
	}
	dated = at_argument(fcinfo, reg, &at);
	PG_RETURN_INT32(n == 0 ? 0 : unpost_documents(reg, accum_recorder_array(reg, recorders, n), dated));
}

/*
 * accum.register_repost(p_register text, p_recorder text, p_data jsonb) returns int
 *
 * Replace a document's movements by those in p_data; returns their number.
 * Rows that stay the same stay; an empty array removes the document.
 */
Datum
accum_register_repost(PG_FUNCTION_ARGS)
{
	AccumRegister *reg = open_argument(fcinfo, ACL_INSERT | ACL_SELECT, true);
	char	   *name;
	Datum		recorder;
	AccumBatch *batch;

	if (PG_ARGISNULL(1))
		recorder_is_null();
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	recorder = recorder_from_text(reg, name);
	batch = accum_batch_decode(reg, PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2), name);
	accum_document_replace(reg, recorder, batch);
	tuplestore_end(batch->rows);
	accum_stats_add(reg, ACCUM_STAT_REPOSTS, 1);
	PG_RETURN_INT32(batch->nrows);
}
