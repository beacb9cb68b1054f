/*
 * movement_json.c
 *		Documents in JSON as rows of movements.
 *
 * One pass over the jsonb: each object becomes a row of typed values in a
 * tuplestore, whose memory is bounded by work_mem.  Nothing is written before
 * the whole input has been understood.  Whatever is wrong with a value, also
 * when its type's input function says so, the error tells the movement's
 * position, the key and the value.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "entries.h"
#include "horizon.h"
#include "json_value.h"
#include "key_set.h"
#include "movement_json.h"
#include "resource.h"
#include "side_values.h"

/* Units collected for making partitions; only the missing ones matter. */
#define MAX_UNITS 1000

/* Error context shows this much of an offending value. */
#define MAX_SHOWN_BYTES 100

/* The columns of a register's batches, and their keys in order. */
typedef struct AccumBatchShape
{
	TupleDesc	desc;
	AccumKey   *keys;
	AccumColumn period;			/* as far as needed to read one */
} AccumBatchShape;

typedef struct Decoder
{
	AccumRegister *reg;
	AccumBatch *batch;
	AccumBatchShape *shape;
	TupleTableSlot *slot;
	bool	   *seen;			/* per column: the key was there */
	MemoryContext row_context;
	bool		repost;
	Datum		recorder;		/* repost: the document */

	/* For error context. */
	int			position;
	const char *key;
	const JsonbValue *value;
} Decoder;

static void
decode_error_context(void *arg)
{
	Decoder    *decoder = arg;

	if (decoder->value != NULL)
	{
		char	   *text = accum_json_text(decoder->value);
		int			length = strlen(text);

		errcontext("movement %d, key \"%s\", value \"%s%s\"", decoder->position, decoder->key,
				   pnstrdup(text, pg_mbcliplen(text, length, MAX_SHOWN_BYTES)),
				   length > MAX_SHOWN_BYTES ? "..." : "");
	}
	else if (decoder->position > 0)
		errcontext("movement %d", decoder->position);
}

/* The column of movements behind a batch column; NULL for the fixed ones. */
static AccumColumn *
batch_column(AccumRegister *reg, int number)
{
	number -= ACCUM_BATCH_DIMS;
	if (number < 0)
		return NULL;
	if (number < reg->nrow_dims)
		return &reg->row_dims[number];
	number -= reg->nrow_dims;
	if (number < reg->nrow_resources)
		return &reg->row_resources[number];
	return &reg->attributes[number - reg->nrow_resources];
}

/* How many columns have keys. */
static int
batch_nkeys(AccumRegister *reg)
{
	return accum_batch_reverses(reg);
}

static void
append_keys(StringInfo sql, AccumRegister *reg)
{
	appendStringInfoString(sql, "recorder, period, movement_type");
	for (int i = ACCUM_BATCH_DIMS; i < batch_nkeys(reg); i++)
	{
		appendStringInfoString(sql, ", ");
		accum_append_ident(sql, batch_column(reg, i)->name);
	}
}

/* Append the columns of a batch as a list for INSERT. */
void
accum_batch_append_columns(StringInfo sql, AccumRegister *reg)
{
	append_keys(sql, reg);
	if (reg->history)
		appendStringInfoString(sql, ", reverses, reverses_period");
}

static TupleDesc
batch_desc(AccumRegister *reg)
{
	int			nkeys = batch_nkeys(reg);
	TupleDesc	desc = CreateTemplateTupleDesc(nkeys + (reg->history ? 2 : 0));

	TupleDescInitEntry(desc, ACCUM_BATCH_RECORDER + 1, "recorder",
					   reg->recorder.type, reg->recorder.typmod, 0);
	TupleDescInitEntryCollation(desc, ACCUM_BATCH_RECORDER + 1, reg->recorder.collation);
	TupleDescInitEntry(desc, ACCUM_BATCH_PERIOD + 1, "period", TIMESTAMPTZOID, -1, 0);
	TupleDescInitEntry(desc, ACCUM_BATCH_TYPE + 1, "movement_type", TEXTOID, -1, 0);
	for (int i = ACCUM_BATCH_DIMS; i < batch_nkeys(reg); i++)
	{
		AccumColumn *column = batch_column(reg, i);

		TupleDescInitEntry(desc, i + 1, column->name, column->type, column->typmod, 0);
		TupleDescInitEntryCollation(desc, i + 1, column->collation);
	}
	if (reg->history)
	{
		TupleDescInitEntry(desc, nkeys + 1, "reverses", UUIDOID, -1, 0);
		TupleDescInitEntry(desc, nkeys + 2, "reverses_period", TIMESTAMPTZOID, -1, 0);
	}
	return desc;
}

static AccumKey *
batch_keys(AccumRegister *reg)
{
	static const char *const fixed[] = {"recorder", "period", "movement_type"};
	AccumKey   *keys = palloc(sizeof(AccumKey) * batch_nkeys(reg));

	for (int i = 0; i < batch_nkeys(reg); i++)
	{
		const char *name = i < ACCUM_BATCH_DIMS ? fixed[i] : batch_column(reg, i)->name;

		keys[i] = (AccumKey) {name, strlen(name), i};
	}
	accum_keys_sort(keys, batch_nkeys(reg));
	return keys;
}

/* The shape of a register's batches; it lives as long as the entry does. */
static AccumBatchShape *
batch_shape(AccumRegister *reg)
{
	if (reg->batch_shape == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(reg->context);
		AccumBatchShape *shape = palloc0(sizeof(AccumBatchShape));

		shape->desc = batch_desc(reg);
		shape->keys = batch_keys(reg);
		shape->period = (AccumColumn) {.name = "period",.type = TIMESTAMPTZOID,.typmod = -1};
		fmgr_info_cxt(F_TIMESTAMPTZ_IN, &shape->period.input, reg->context);
		reg->batch_shape = shape;
		MemoryContextSwitchTo(old);
	}
	return reg->batch_shape;
}

/* The row type of a register's batches, which lives as long as the entry does. */
TupleDesc
accum_batch_desc(AccumRegister *reg)
{
	return batch_shape(reg)->desc;
}

static void
unknown_key(Decoder *decoder, const char *key)
{
	StringInfoData known;

	initStringInfo(&known);
	append_keys(&known, decoder->reg);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown key \"%s\" in movement %d", key, decoder->position),
			 errhint("Keys of register \"%s\" are %s.", decoder->reg->name, known.data)));
}

static void
missing_key(Decoder *decoder, const char *what, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("movement %d lacks %s \"%s\"", decoder->position, what, name),
			 strcmp(what, "dimension") == 0
			 ? errhint("To select the cell without a %s, give null.", name) : 0));
}

static Datum
decode_type(Decoder *decoder, const JsonbValue *json)
{
	char	   *text = accum_json_text(json);

	if (json->type != jbvString ||
		(strcmp(text, "regular") != 0 && strcmp(text, "adjustment") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid movement_type in movement %d: \"%s\"", decoder->position, text),
				 errhint("Valid values are \"regular\" and \"adjustment\".")));
	return CStringGetTextDatum(text);
}

static Datum
decode_period(Decoder *decoder, const JsonbValue *json)
{
	Datum		value;
	bool		isnull;

	if (json->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key \"period\" of movement %d must be a string", decoder->position)));
	value = accum_column_from_json(decoder->reg, &decoder->shape->period, json, &isnull);
	if (!accum_period_valid(&decoder->reg->zone, DatumGetTimestampTz(value)))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("period of movement %d is out of range: \"%s\"",
						decoder->position, accum_json_text(json)),
				 errdetail("A period lies in the years 0001 to 9999.")));
	accum_horizon_check_period(decoder->reg, DatumGetTimestampTz(value));
	return value;
}

static Datum
decode_recorder(Decoder *decoder, const JsonbValue *json)
{
	AccumColumn *column = &decoder->reg->recorder;
	bool		isnull;
	Datum		value = accum_column_from_json(decoder->reg, column, json, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("recorder of movement %d must not be null", decoder->position)));
	accum_column_check_size(column, "key", value);
	if (decoder->repost &&
		!accum_column_equal(column, value, false, decoder->recorder, false))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("recorder of movement %d is not the document to repost: \"%s\"",
						decoder->position, accum_json_text(json))));
	return value;
}

static Datum
decode_column(Decoder *decoder, int number, const JsonbValue *json, bool *isnull)
{
	AccumRegister *reg = decoder->reg;
	AccumColumn *column = batch_column(reg, number);
	Datum		value = accum_column_from_json(reg, column, json, isnull);
	Datum		negated;

	if (number < ACCUM_BATCH_DIMS + reg->nrow_dims)
	{
		bool		of_side = column->is_account || column->is_subconto;
		const char *expected;

		if (*isnull && column->required)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s \"%s\" of movement %d must not be null",
							of_side ? "key" : "dimension", column->name, decoder->position)));
		expected = of_side ? accum_side_value_expected(column, value) : NULL;
		if (expected != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("key \"%s\" of movement %d must be %s",
							column->name, decoder->position, expected)));
		if (!*isnull)
			accum_column_check_size(column, "dimension", value);
	}
	else if (number < ACCUM_BATCH_DIMS + reg->nrow_dims + reg->nrow_resources)
	{
		if (*isnull || json->type == jbvBool)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("resource \"%s\" of movement %d must be a number",
							column->name, decoder->position)));
		if (!accum_value_finite(column->type, value))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("resource \"%s\" of movement %d must be finite",
							column->name, decoder->position)));
		if (reg->history && !accum_value_negate(column->type, column->typmod, value, &negated))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("resource \"%s\" of movement %d is out of range",
							column->name, decoder->position),
					 errdetail("Its reversal would not fit the type.")));
	}
	return value;
}

/* Give the columns whose keys were absent their defaults, or complain. */
static void
fill_absent(Decoder *decoder)
{
	AccumRegister *reg = decoder->reg;
	TupleTableSlot *slot = decoder->slot;

	if (!decoder->seen[ACCUM_BATCH_RECORDER])
	{
		if (!decoder->repost)
			missing_key(decoder, "key", "recorder");
		slot->tts_values[ACCUM_BATCH_RECORDER] = decoder->recorder;
		slot->tts_isnull[ACCUM_BATCH_RECORDER] = false;
	}
	if (!decoder->seen[ACCUM_BATCH_PERIOD])
		missing_key(decoder, "key", "period");
	if (!decoder->seen[ACCUM_BATCH_TYPE])
	{
		/* NULL here means: not given, which a repost matches with any type. */
		slot->tts_isnull[ACCUM_BATCH_TYPE] = decoder->repost;
		slot->tts_values[ACCUM_BATCH_TYPE] = CStringGetTextDatum("regular");
	}
	for (int i = ACCUM_BATCH_DIMS; i < batch_nkeys(reg); i++)
	{
		AccumColumn *column = batch_column(reg, i);

		if (decoder->seen[i])
			continue;
		if (column->is_subconto)
			slot->tts_values[i] = accum_column_from_text(reg, column, "{}");
		else if (i < ACCUM_BATCH_DIMS + reg->nrow_dims)
			missing_key(decoder, column->is_account ? "key" : "dimension", column->name);
		slot->tts_isnull[i] = i >= ACCUM_BATCH_DIMS + reg->nrow_dims + reg->nrow_resources;
		if (!slot->tts_isnull[i] && !column->is_subconto)
			slot->tts_values[i] = accum_column_from_text(reg, column, "0");
	}
	for (int i = batch_nkeys(reg); i < slot->tts_tupleDescriptor->natts; i++)
		slot->tts_isnull[i] = true;
}

static void
note_unit(AccumBatch *batch, AccumDay unit)
{
	for (int i = batch->nunits - 1; i >= 0; i--)
	{
		if (batch->units[i] == unit)
			return;
	}
	if (batch->nunits < MAX_UNITS)
		batch->units[batch->nunits++] = unit;
}

static void
not_an_object(const Decoder *decoder)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("movement %d is not an object", decoder->position)));
}

/* Decode one object; the iterator has just entered it. */
static void
decode_object(Decoder *decoder, JsonbIterator **it)
{
	AccumBatch *batch = decoder->batch;
	TupleTableSlot *slot = decoder->slot;
	MemoryContext old = MemoryContextSwitchTo(decoder->row_context);
	JsonbValue	v;
	AccumDay	day;

	ExecClearTuple(slot);
	memset(decoder->seen, 0, sizeof(bool) * batch_nkeys(decoder->reg));
	while (JsonbIteratorNext(it, &v, true) == WJB_KEY)
	{
		const AccumKey *key = accum_keys_find(decoder->shape->keys,
											  batch_nkeys(decoder->reg),
											  v.val.string.val, v.val.string.len);
		bool		isnull = false;
		Datum		value;

		if (key == NULL)
			unknown_key(decoder, pnstrdup(v.val.string.val, v.val.string.len));
		(void) JsonbIteratorNext(it, &v, true);
		decoder->key = key->name;
		decoder->value = &v;
		switch (key->number)
		{
			case ACCUM_BATCH_RECORDER:
				value = decode_recorder(decoder, &v);
				break;
			case ACCUM_BATCH_PERIOD:
				value = decode_period(decoder, &v);
				break;
			case ACCUM_BATCH_TYPE:
				value = decode_type(decoder, &v);
				break;
			default:
				value = decode_column(decoder, key->number, &v, &isnull);
				break;
		}
		decoder->value = NULL;
		decoder->seen[key->number] = true;
		slot->tts_values[key->number] = value;
		slot->tts_isnull[key->number] = isnull;
	}
	fill_absent(decoder);
	ExecStoreVirtualTuple(slot);

	day = accum_zone_day(&decoder->reg->zone,
						 DatumGetTimestampTz(slot->tts_values[ACCUM_BATCH_PERIOD]));
	note_unit(batch, accum_unit_start(day, decoder->reg->partition_by, 1));
	MemoryContextSwitchTo(old);
	tuplestore_puttupleslot(batch->rows, slot);
	MemoryContextReset(decoder->row_context);
	batch->nrows++;
}

static void
decode_container(Decoder *decoder, JsonbContainer *object)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	v;

	(void) JsonbIteratorNext(&it, &v, false);
	decode_object(decoder, &it);
}

/* Decode one movement of a ledger, or the posting with lines that is in its place. */
static void
decode_posting(Decoder *decoder, JsonbContainer *object)
{
	MemoryContext context;
	MemoryContext old;
	Jsonb	   *movements;

	if (!accum_entries_given(object))
	{
		decode_container(decoder, object);
		return;
	}
	context = AllocSetContextCreate(CurrentMemoryContext, "accum entries", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	movements = accum_entries_expand(decoder->reg, object, decoder->position);
	for (uint32 i = 0; i < JB_ROOT_COUNT(movements); i++)
		decode_container(decoder, getIthJsonbValueFromContainer(&movements->root, i)->val.binary.data);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Decode an array of a ledger's movements and postings. */
static void
decode_postings(Decoder *decoder, Jsonb *data)
{
	JsonbIterator *it = JsonbIteratorInit(&data->root);
	JsonbValue	v;

	(void) JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &v, true) == WJB_ELEM)
	{
		CHECK_FOR_INTERRUPTS();
		decoder->position++;
		if (v.type != jbvBinary || !JsonContainerIsObject(v.val.binary.data))
			not_an_object(decoder);
		decode_posting(decoder, v.val.binary.data);
	}
	decoder->position = 0;
}

static void
decode_all(Decoder *decoder, Jsonb *data)
{
	JsonbIterator *it = JsonbIteratorInit(&data->root);
	JsonbValue	v;
	JsonbIteratorToken token = JsonbIteratorNext(&it, &v, false);

	if (token == WJB_BEGIN_OBJECT)
	{
		decoder->position = 1;
		if (decoder->reg->nsides > 1)
			decode_posting(decoder, &data->root);
		else
			decode_object(decoder, &it);
		return;
	}
	if (JB_ROOT_IS_SCALAR(data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_data must be an object or an array of objects")));
	if (decoder->reg->nsides > 1)
	{
		decode_postings(decoder, data);
		return;
	}

	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_END_ARRAY)
	{
		CHECK_FOR_INTERRUPTS();
		decoder->position++;
		if (token != WJB_BEGIN_OBJECT)
			not_an_object(decoder);
		decode_object(decoder, &it);
	}
	decoder->position = 0;
}

/*
 * Decode p_data: one movement or an array of them.
 *
 * recorder is NULL for a post; for a repost it is the document, which movements
 * need not repeat and must not contradict, and movements without movement_type
 * have NULL there.  The result lives in the current context.
 */
AccumBatch *
accum_batch_decode(AccumRegister *reg, Jsonb *data, const char *recorder)
{
	Decoder		decoder = {.reg = reg,.repost = recorder != NULL};
	ErrorContextCallback error_context = {.callback = decode_error_context,.arg = &decoder};
	AccumBatch *batch = palloc0(sizeof(AccumBatch));

	if (data == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_data must not be null")));
	if (recorder != NULL)
		decoder.recorder = accum_column_from_text(reg, &reg->recorder, pstrdup(recorder));

	batch->desc = batch_shape(reg)->desc;
	batch->rows = tuplestore_begin_heap(false, false, work_mem);
	batch->units = palloc(sizeof(AccumDay) * MAX_UNITS);
	decoder.batch = batch;
	decoder.slot = MakeSingleTupleTableSlot(batch->desc, &TTSOpsVirtual);
	decoder.seen = palloc(sizeof(bool) * batch_nkeys(reg));
	decoder.row_context = AllocSetContextCreate(CurrentMemoryContext, "accum JSON movement",
												ALLOCSET_SMALL_SIZES);
	decoder.shape = batch_shape(reg);

	error_context.previous = error_context_stack;
	error_context_stack = &error_context;
	decode_all(&decoder, data);
	error_context_stack = error_context.previous;

	ExecDropSingleTupleTableSlot(decoder.slot);
	MemoryContextDelete(decoder.row_context);
	return batch;
}
