/*
 * movement_write.c
 *		Movements written straight into their partitions.
 *
 * What INSERT INTO movements does for a batch that has been decoded, and so
 * checked, already: find each row's partition, compute the hash of its cell, write
 * it, and tell the engine.  No statement, no triggers, no transition table.
 *
 * That is right only where nobody could tell the difference: the caller may
 * INSERT into the whole table, no row security applies, and the table and its
 * partitions have no triggers, columns or generated values but the register's
 * own.  Otherwise nothing is done here, and the batch is inserted with SQL (document.c).
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "direct.h"
#include "leaf.h"
#include "movement_id.h"
#include "movement_write.h"
#include "recorded.h"
#include "route.h"
#include "side_values.h"

/* A partition being written. */
typedef struct Target
{
	Oid			relation;
	const AccumLeaf *leaf;
	AccumDirect direct;
	TupleTableSlot *row;
} Target;

typedef struct Writer
{
	AccumRegister *reg;
	AccumChange *change;
	TupleDesc	desc;			/* of the batch */
	Relation	movements;
	List	   *targets;
	Target	   *last;			/* the one found last, by */
	AccumBound	last_bound;
} Writer;

static Target *
open_target(Writer *writer, TimestampTz period, AccumBound *bound)
{
	Relation	rel = accum_route_open(writer->reg, writer->movements, period, bound);
	Target	   *target;
	AccumLeaf  *leaf;

	if (rel == NULL)
		return NULL;
	target = palloc0(sizeof(Target));
	target->relation = RelationGetRelid(rel);
	(void) accum_leaf_register(rel, &leaf);
	target->leaf = leaf;
	accum_direct_open(&target->direct, rel);
	target->row = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	writer->targets = lappend(writer->targets, target);
	return target;
}

/* The target for a period, opened if need be; NULL as for accum_route_open. */
static Target *
find_target(Writer *writer, TimestampTz period)
{
	AccumBound	bound;
	ListCell   *lc;

	if (writer->last != NULL && period >= writer->last_bound.from && period < writer->last_bound.to)
		return writer->last;
	writer->last = NULL;
	bound = accum_route_find(writer->movements, period);
	foreach(lc, writer->targets)
	{
		Target	   *target = lfirst(lc);

		if (target->relation == bound.partition)
			writer->last = target;
	}
	if (writer->last == NULL)
		writer->last = open_target(writer, period, &bound);
	writer->last_bound = bound;
	return writer->last;
}

static void
close_targets(Writer *writer)
{
	ListCell   *lc;

	foreach(lc, writer->targets)
	{
		Target	   *target = lfirst(lc);

		ExecDropSingleTupleTableSlot(target->row);
		accum_direct_close(&target->direct);
		table_close(target->direct.rel, NoLock);
	}
	list_free_deep(writer->targets);
}

/* Open the partitions that a batch needs; false when one cannot be written straight. */
static bool
open_targets(Writer *writer, Tuplestorestate *rows, TupleTableSlot *slot)
{
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		bool		isnull;
		Datum		period = slot_getattr(slot, ACCUM_BATCH_PERIOD + 1, &isnull);

		if (find_target(writer, DatumGetTimestampTz(period)) == NULL)
			return false;
	}
	return true;
}

static void
row_set(TupleTableSlot *row, AttrNumber attnum, Datum value, bool isnull)
{
	row->tts_values[attnum - 1] = value;
	row->tts_isnull[attnum - 1] = isnull;
}

/* Copy n columns of the batch, from position first, to where the partition has them. */
static void
row_copy(TupleTableSlot *row, const TupleTableSlot *slot, int first, const AttrNumber *attnums,
		 int n)
{
	for (int i = 0; i < n; i++)
		row_set(row, attnums[i], slot->tts_values[first + i], slot->tts_isnull[first + i]);
}

/* Fill the partition's row from a row of the batch and what the server adds to it. */
static void
make_row(Writer *writer, Target *target, const TupleTableSlot *slot, const AccumMovementRow *stored)
{
	AccumRegister *reg = writer->reg;
	const AccumLeaf *leaf = target->leaf;
	TupleTableSlot *row = target->row;
	int			first = ACCUM_BATCH_DIMS;

	ExecClearTuple(row);
	row_copy(row, slot, ACCUM_BATCH_RECORDER, &leaf->recorder, 1);
	row_copy(row, slot, ACCUM_BATCH_PERIOD, &leaf->period, 1);
	row_copy(row, slot, ACCUM_BATCH_TYPE, &leaf->movement_type, 1);
	row_copy(row, slot, first, leaf->dims, reg->nrow_dims);
	row_copy(row, slot, first += reg->nrow_dims, leaf->resources, reg->nrow_resources);
	row_copy(row, slot, first += reg->nrow_resources, leaf->attributes, reg->nattributes);
	if (reg->history)
		row_copy(row, slot, accum_batch_reverses(reg), leaf->reverses, lengthof(leaf->reverses));
	row_set(row, leaf->id, UUIDPGetDatum(&stored->id), false);
	row_set(row, leaf->recorded_at, TimestampTzGetDatum(stored->recorded_at), false);
	for (int s = 0; s < reg->nsides; s++)
		row_set(row, leaf->hashes[s], Int64GetDatum(stored->hashes[s]), false);
	ExecStoreVirtualTuple(row);
}

static void
write_row(Writer *writer, TupleTableSlot *slot)
{
	AccumRegister *reg = writer->reg;
	TimestampTz period = DatumGetTimestampTz(slot->tts_values[ACCUM_BATCH_PERIOD]);
	Target	   *target = find_target(writer, period);
	AccumMovementRow stored = {
		.day = accum_zone_day(&reg->zone, period),
		.sign = 1,
		.recorded_at = reg->history ? accum_recorded_at(reg) : GetCurrentTransactionStartTimestamp(),
		.dims = slot->tts_values + ACCUM_BATCH_DIMS,
		.nulls = slot->tts_isnull + ACCUM_BATCH_DIMS,
		.resources = slot->tts_values + ACCUM_BATCH_DIMS + reg->nrow_dims,
	};

	if (reg->history)
	{
		int			column = accum_batch_reverses(reg) + 1;

		stored.reversal = accum_reversal_of(period, DatumGetTimestampTz(slot->tts_values[column]),
											  slot->tts_isnull[column]);
	}
	for (int side = 0; side < reg->nsides; side++)
	{
		AccumSideValues cell = accum_side_values(reg, side, stored.dims, stored.nulls,
												 stored.resources);

		stored.hashes[side] = accum_cell_hash(reg, cell.dims, cell.nulls);
	}
	accum_movement_id_next(&stored.id);
	make_row(writer, target, slot, &stored);
	accum_direct_insert(&target->direct, target->row);
	accum_change_add(writer->change, &stored, slot->tts_values[ACCUM_BATCH_RECORDER]);
}

/*
 * Write the rows of a batch, of row type desc, as the caller, and add them to an
 * open change.  Returns false, with nothing done, when that has to be done with
 * SQL.
 */
bool
accum_movements_write(AccumRegister *reg, AccumChange *change, TupleDesc desc,
					  Tuplestorestate *rows)
{
	Writer		writer = {.reg = reg,.change = change};
	TupleTableSlot *slot;
	MemoryContext row_context;
	bool		possible;

	writer.movements = table_open(reg->movements, NoLock);
	slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	possible = accum_route_possible(reg, writer.movements, ACL_INSERT) && open_targets(&writer, rows, slot);
	row_context = AllocSetContextCreate(CurrentMemoryContext, "accum movement", ALLOCSET_SMALL_SIZES);
	tuplestore_rescan(rows);
	while (possible && tuplestore_gettupleslot(rows, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		write_row(&writer, slot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	ExecDropSingleTupleTableSlot(slot);
	close_targets(&writer);
	table_close(writer.movements, NoLock);
	tuplestore_rescan(rows);
	return possible;
}
