/*
 * preview.c
 *		register_preview: what a post, repost or unpost would change.
 *
 * The document is compared with what is stored, as a repost does it (document.c),
 * but what it comes to is only added up: for each cell that would be touched the
 * balance before and after, and the limits that it would break.  Nothing is written
 * or locked, so it works in read-only transactions and on standbys; all is read under
 * one snapshot, as the caller.
 *
 * Everything lives in the memory context of the call.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "balances.h"
#include "cell.h"
#include "cell_set.h"
#include "chart.h"
#include "closing.h"
#include "difference.h"
#include "document_find.h"
#include "json_value.h"
#include "limit_check.h"
#include "pending.h"
#include "side_values.h"

PG_FUNCTION_INFO_V1(accum_register_preview);

/* A cell that would be touched; its sums are what would be added. */
typedef struct Cell
{
	AccumSetCell cell;
	bool		closed;			/* one of the movements lies in a closed period */
	List	   *broken;			/* limits that it would break, as text values */
} Cell;

typedef struct Preview
{
	AccumRegister *reg;
	AccumBatch *wanted;
	AccumDifference *difference;
	AccumCellSet *cells;		/* of Cell */
	AccumDeltaSet *set;			/* the same by day; NULL where there are no limits */
	bool		limits_known;
} Preview;

/* Take into account what a side of a movement does to its cell. */
static void
preview_add_side(Preview *preview, AccumDay day, const AccumSideValues *values, int sign)
{
	AccumRegister *reg = preview->reg;
	Cell	   *cell = accum_cell_set_add(preview->cells, values->dims, values->nulls);

	for (int i = 0; i < reg->nresources; i++)
		accum_sum_add_value(&cell->cell.sums[i], reg->resources[i].type, values->resources[i],
							sign);
	if (preview->set != NULL)
	{
		AccumMovement movement = {
			.dim_hash = accum_cell_hash(reg, values->dims, values->nulls),
			.day = day,.sign = sign,.dims = values->dims,.nulls = values->nulls,
			.resources = values->resources
		};

		accum_delta_set_add(preview->set, &movement);
	}
	if (accum_closing_find(reg, day, values->dims, values->nulls) != NULL)
		cell->closed = true;
	if (sign > 0)
		accum_chart_check(reg, values->dims, values->nulls);
}

/* Take a movement into account that would be written (sign 1) or removed (-1). */
static void
preview_add(Preview *preview, const Datum *values, const bool *nulls, int sign)
{
	AccumRegister *reg = preview->reg;
	const Datum *dims = values + ACCUM_BATCH_DIMS;
	AccumDay	day = accum_zone_day(&reg->zone, DatumGetTimestampTz(values[ACCUM_BATCH_PERIOD]));

	for (int side = 0; side < reg->nsides; side++)
	{
		AccumSideValues cell = accum_side_values(reg, side, dims, nulls + ACCUM_BATCH_DIMS,
												 dims + reg->nrow_dims);

		preview_add_side(preview, day, &cell, sign);
	}
}

/* A stored row of the document: it stays, or would be removed. */
static void
visit_stored(void *arg, HeapTuple row, TupleDesc desc)
{
	Preview    *preview = arg;
	Datum	   *values;
	bool	   *nulls;

	if (accum_difference_match(preview->difference, row, desc))
		return;
	values = palloc(sizeof(Datum) * desc->natts);
	nulls = palloc(sizeof(bool) * desc->natts);
	heap_deform_tuple(row, desc, values, nulls);
	preview_add(preview, values, nulls, -1);
}

/* The document that is asked about: p_data, or with NULL one without movements. */
static AccumBatch *
batch_argument(FunctionCallInfo fcinfo, AccumRegister *reg)
{
	char	   *recorder = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Jsonb	   *data = PG_ARGISNULL(2)
		? DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("[]")))
		: PG_GETARG_JSONB_P(2);

	if (PG_ARGISNULL(1) && PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_recorder and p_data must not both be null")));
	return accum_batch_decode(reg, data, recorder);
}

/* Find what would be written and removed. */
static void
preview_compare(Preview *preview, FunctionCallInfo fcinfo)
{
	AccumRegister *reg = preview->reg;
	int			position = -1;
	Datum	   *values;
	bool	   *nulls;

	preview->wanted = batch_argument(fcinfo, reg);
	accum_batch_check_scopes(reg, preview->wanted);
	preview->difference = accum_difference_create(reg, preview->wanted, true);
	preview->cells = accum_cell_set_create(reg, sizeof(Cell));
	if (!PG_ARGISNULL(1))
	{
		Datum		recorder = accum_column_from_text(reg, &reg->recorder,
													  text_to_cstring(PG_GETARG_TEXT_PP(1)));

		accum_document_visit(reg, recorder, GetActiveSnapshot(), visit_stored, preview);
	}
	while ((position = accum_difference_next(preview->difference, position + 1,
											 &values, &nulls)) >= 0)
		preview_add(preview, values, nulls, 1);
}

/* A cell would break a limit. */
static void
note_broken(void *arg, const Datum *dims, const bool *nulls, const char *limit)
{
	Preview    *preview = arg;
	Cell	   *cell = accum_cell_set_find(preview->cells, dims, nulls);

	cell->broken = lappend(cell->broken, cstring_to_text(limit));
}

/* Find the limits that would be broken, unless the caller may not know. */
static void
preview_limits(Preview *preview)
{
	preview->limits_known = preview->set == NULL ||
		accum_limits_foresee(preview->reg, preview->set, GetActiveSnapshot(), note_broken, preview);
}

/* The dimensions of a cell as a JSON object. */
static Jsonb *
cell_to_jsonb(AccumRegister *reg, const AccumSetCell *cell)
{
	JsonbParseState *state = NULL;
	JsonbValue	v;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < reg->ndims; i++)
	{
		v.type = jbvString;
		v.val.string.val = reg->dims[i].name;
		v.val.string.len = strlen(reg->dims[i].name);
		(void) pushJsonbValue(&state, WJB_KEY, &v);
		accum_column_to_json(&reg->dims[i], cell->dims[i], cell->nulls[i], &v);
		(void) pushJsonbValue(&state, WJB_VALUE, &v);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* A list of text values as an array. */
static Datum
text_array(List *texts)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(texts) + 1));

	for (int i = 0; i < list_length(texts); i++)
		values[i] = PointerGetDatum(list_nth(texts, i));
	return PointerGetDatum(construct_array(values, list_length(texts), TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static void
put_cell(const Preview *preview, Cell *cell, ReturnSetInfo *result)
{
	AccumRegister *reg = preview->reg;
	AccumSum   *sums = palloc0(sizeof(AccumSum) * reg->nresources);
	Datum		values[5];
	bool		nulls[5] = {false, false, false, !preview->limits_known, false};

	accum_balance_of_cell(reg, cell->cell.dims, cell->cell.nulls, DT_NOEND, sums);
	values[0] = JsonbPGetDatum(cell_to_jsonb(reg, &cell->cell));
	values[1] = JsonbPGetDatum(accum_sums_to_jsonb(reg, sums));
	for (int i = 0; i < reg->nresources; i++)
		accum_sum_add(&sums[i], &cell->cell.sums[i], reg->resources[i].type);
	values[2] = JsonbPGetDatum(accum_sums_to_jsonb(reg, sums));
	values[3] = text_array(cell->broken);
	values[4] = BoolGetDatum(cell->closed);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * accum.register_preview(p_register text, p_recorder text, p_data jsonb)
 * returns table (dimensions jsonb, before jsonb, after jsonb,
 *				  broken_limits text[], closed boolean)
 *
 * What a repost of p_recorder would change, cell by cell; a post when p_recorder is
 * NULL, an unpost when p_data is.
 */
Datum
accum_register_preview(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.privileges = ACL_SELECT};
	Preview		preview = {0};
	ListCell   *lc;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("p_register must not be null")));
	InitMaterializedSRF(fcinfo, 0);
	preview.reg = accum_register_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), AccessShareLock,
									  &access);
	accum_pending_flush();
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (preview.reg->nlimits > 0)
		preview.set = accum_delta_set_create(preview.reg);
	preview_compare(&preview, fcinfo);
	preview_limits(&preview);
	foreach(lc, accum_cell_set_cells(preview.cells))
	{
		CHECK_FOR_INTERRUPTS();
		put_cell(&preview, lfirst(lc), (ReturnSetInfo *) fcinfo->resultinfo);
	}
	PopActiveSnapshot();
	tuplestore_end(preview.wanted->rows);
	return (Datum) 0;
}
