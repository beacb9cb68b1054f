/*
 * engine.c
 *		From changed movements to changed derived tables.
 *
 * Every statement that writes or removes movements, whoever issued it, comes
 * here with the rows it changed (its transition table).  They are folded into a
 * delta set and the derived tables are brought up to date before the statement
 * returns, in the same transaction.
 *
 * Where one operation needs several statements on movements (a repost deletes
 * and inserts; an unpost deletes partition by partition), it opens a change:
 * the statements then add to it, and it is applied once, with net differences
 * and in one pass over the derived tables.
 *
 * Order of locks: an unpost or repost first locks the map rows of its documents,
 * in key order; then come movements, the map rows of new documents in key order,
 * and derived rows, table by table in one order.  Everything here runs as the
 * owner of the movements table, but for the look at limits, which comes last: what
 * it says depends on what the caller may see.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "chart.h"
#include "closing.h"
#include "delta_set.h"
#include "derived.h"
#include "document_set.h"
#include "engine.h"
#include "horizon.h"
#include "limit_check.h"
#include "pending.h"
#include "query.h"
#include "resource.h"
#include "side_values.h"
#include "stats.h"

struct AccumChange
{
	AccumRegister *reg;
	AccumDeltaSet *set;
	AccumDocuments *documents;
	SubTransactionId subtransaction;
	int			trigger_depth;
	struct AccumChange *outer;
};

/* The innermost open change; see accum_change_begin. */
static AccumChange *open_change = NULL;

static AccumChange *
change_create(AccumRegister *reg)
{
	AccumChange *change = palloc0(sizeof(AccumChange));

	change->reg = reg;
	change->set = accum_delta_set_create(reg);
	change->documents = accum_documents_create(reg);
	return change;
}

/* Bring map and derived tables up to date, and free the change. */
static void
change_apply(AccumChange *change)
{
	AccumQueryState state;

	accum_identity_begin(&state, accum_register_owner(change->reg));
	accum_documents_store(change->documents);
	if (!accum_pending_add(change->reg, change->set))
	{
		if (change->reg->high_write)
			accum_derived_append(change->reg, change->set);
		else
			accum_derived_apply(change->reg, change->set);
	}
	accum_identity_end(&state);
	if (change->reg->nlimits > 0)
		accum_limits_check(change->reg, change->set);
	accum_documents_free(change->documents);
	accum_delta_set_free(change->set);
	pfree(change);
}

static int
trigger_depth(void)
{
	/* It looks at no argument. */
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/*
 * The open change that a statement on the register's movements is part of, seen
 * from the trigger that it fired; NULL when there is none.
 *
 * A statement of a user's own trigger is not part of it: it may be rolled back
 * by itself, and whoever issued it sees its effect when it returns.
 */
static AccumChange *
change_of_statement(AccumRegister *reg)
{
	if (open_change != NULL &&
		open_change->reg->movements == reg->movements &&
		open_change->subtransaction == GetCurrentSubTransactionId() &&
		open_change->trigger_depth + 1 == trigger_depth())
		return open_change;
	return NULL;
}

/*
 * Open a change: until it ends, the statements of this operation on the
 * register's movements add to it instead of being applied one by one.
 *
 * The caller ends it, or abandons it when an error passes through.
 */
AccumChange *
accum_change_begin(AccumRegister *reg)
{
	AccumChange *change = change_create(reg);

	change->subtransaction = GetCurrentSubTransactionId();
	change->trigger_depth = trigger_depth();
	change->outer = open_change;
	open_change = change;
	return change;
}

/*
 * Add a movement to a change: one that was written, and whose recorder is told, or
 * one that was removed.  Every movement that changes passes here, so here is where
 * closed periods are kept closed, and accounts are looked up.
 */
void
accum_change_add(AccumChange *change, const AccumMovementRow *stored, Datum recorder)
{
	AccumRegister *reg = change->reg;

	for (int side = 0; side < reg->nsides; side++)
	{
		AccumSideValues cell = accum_side_values(reg, side, stored->dims, stored->nulls,
												 stored->resources);
		AccumMovement movement = {
			.dim_hash = stored->hashes[side],
			.day = stored->day,
			.sign = stored->sign,
			.reversal = stored->reversal,
			.check_hash = stored->check_hash,
			.recorded_at = stored->recorded_at,
			.id = stored->id,
			.dims = cell.dims,
			.nulls = cell.nulls,
			.resources = cell.resources,
		};

		accum_closing_check(reg, movement.day, cell.dims, cell.nulls, movement.sign > 0);
		if (movement.sign > 0)
			accum_chart_check(reg, cell.dims, cell.nulls);
		accum_delta_set_add(change->set, &movement);
	}
	if (stored->sign > 0)
	{
		AccumDocumentKey key = accum_document_key(reg, recorder, stored->dims);

		/* It is required, unless somebody has altered the table. */
		if (accum_register_secured(reg) && stored->nulls[reg->secured])
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("column \"%s\" of a movement must not be null",
							reg->row_dims[reg->secured].name)));
		accum_documents_add(change->documents, &key, stored->day);
	}
	accum_stats_add(reg, stored->sign > 0 ? ACCUM_STAT_MOVEMENTS_IN : ACCUM_STAT_MOVEMENTS_OUT, 1);
}

/* Apply the change. */
void
accum_change_end(AccumChange *change)
{
	Assert(open_change == change);
	open_change = change->outer;
	change_apply(change);
}

/* Forget the change; the transaction, or its subtransaction, is being undone. */
void
accum_change_abandon(AccumChange *change)
{
	open_change = change->outer;
}

static void
check_not_null(const TupleTableSlot *slot, AttrNumber attnum)
{
	if (slot->tts_isnull[attnum - 1])
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("column \"%s\" of a movement must not be null",
						NameStr(TupleDescAttr(slot->tts_tupleDescriptor, attnum - 1)->attname))));
}

/* The value of a column that must have one, of a row that has been taken apart. */
static Datum
value_fetch(const TupleTableSlot *slot, AttrNumber attnum)
{
	check_not_null(slot, attnum);
	return slot->tts_values[attnum - 1];
}

/* Is the period, and is each number, of a written row still one that is allowed? */
static void
check_written(AccumRegister *reg, const AccumMovementRow *stored, TimestampTz period)
{
	bool		right = accum_period_valid(&reg->zone, period);

	for (int i = 0; i < reg->nrow_resources; i++)
		right = right && accum_value_finite(reg->row_resources[i].type, stored->resources[i]);
	if (!right)
		accum_cell_changed(reg);
}

/*
 * Add a row of a transition table to a change.  dims, resources and nulls are room for
 * values.
 *
 * A written row is as _movement_prepare left it, unless a trigger that fired later
 * changed it: so period and numbers are looked at again, and with check_hash the cell.
 */
static void
change_add_row(AccumChange *change, TupleTableSlot *slot, int sign, Datum *dims, Datum *resources,
			   bool *nulls)
{
	AccumRegister *reg = change->reg;
	AccumMovementRow stored = {
		.sign = sign,
		.check_hash = sign > 0,
		.dims = dims,
		.nulls = nulls,
		.resources = resources,
	};
	TimestampTz period;

	slot_getallattrs(slot);
	period = DatumGetTimestampTz(value_fetch(slot, reg->period_attnum));
	for (int i = 0; i < reg->nrow_resources; i++)
		check_not_null(slot, reg->row_resources[i].attnum);
	accum_columns_fetch(slot, reg->row_dims, NULL, reg->nrow_dims, dims, nulls);
	accum_columns_fetch(slot, reg->row_resources, NULL, reg->nrow_resources, resources,
						nulls + reg->nrow_dims);
	for (int s = 0; s < reg->nsides; s++)
		stored.hashes[s] = DatumGetInt64(value_fetch(slot, reg->sides[s].hash_attnum));
	stored.recorded_at = DatumGetTimestampTz(value_fetch(slot, reg->recorded_at_attnum));
	stored.id = *DatumGetUUIDP(value_fetch(slot, reg->id_attnum));
	if (reg->history)
	{
		int			column = reg->reverses_period_attnum - 1;

		stored.reversal = accum_reversal_of(period, DatumGetTimestampTz(slot->tts_values[column]),
											  slot->tts_isnull[column]);
	}
	if (sign > 0)
		check_written(reg, &stored, period);
	accum_horizon_check_period(reg, period);
	stored.day = accum_zone_day(&reg->zone, period);
	accum_change_add(change, &stored,
					 sign > 0 ? value_fetch(slot, reg->recorder.attnum) : (Datum) 0);
}

static void
change_add_rows(AccumChange *change, TupleDesc desc, Tuplestorestate *rows, int sign)
{
	AccumRegister *reg = change->reg;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "accum movement",
													  ALLOCSET_SMALL_SIZES);
	Datum	   *dims = palloc(sizeof(Datum) * (reg->nrow_dims + 1));
	Datum	   *resources = palloc(sizeof(Datum) * reg->nrow_resources);
	bool	   *nulls = palloc(sizeof(bool) * (reg->nrow_dims + reg->nrow_resources));

	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		CHECK_FOR_INTERRUPTS();
		change_add_row(change, slot, sign, dims, resources, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row_context);
}

/*
 * Movements were written (sign 1) or removed (sign -1): bring everything that
 * is derived from them up to date, or leave that to the change that is open.
 *
 * rows is a statement's transition table, desc its row type.
 */
void
accum_engine_apply(AccumRegister *reg, TupleDesc desc, Tuplestorestate *rows, int sign)
{
	AccumChange *change = change_of_statement(reg);

	if (change != NULL)
		change_add_rows(change, desc, rows, sign);
	else
	{
		change = change_create(reg);
		change_add_rows(change, desc, rows, sign);
		change_apply(change);
	}
}
