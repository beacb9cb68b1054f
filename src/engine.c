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
 * Order of locks: recorders, in key order; movements; derived rows, table by
 * table in key order.  Everything here runs as the owner of the movements table.
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/tuptable.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "delta_set.h"
#include "derived.h"
#include "engine.h"
#include "query.h"
#include "recorders.h"

struct AccumChange
{
	AccumRegister *reg;
	AccumDeltaSet *set;
	AccumDocuments *documents;
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

static Oid
register_owner(AccumRegister *reg)
{
	Relation	rel = table_open(reg->movements, NoLock);
	Oid			owner = rel->rd_rel->relowner;

	table_close(rel, NoLock);
	return owner;
}

/* Bring map and derived tables up to date, and free the change. */
static void
change_apply(AccumChange *change)
{
	AccumQueryState state;

	accum_query_begin(&state, register_owner(change->reg));
	accum_documents_store(change->documents);
	accum_derived_apply(change->reg, change->set);
	accum_query_end(&state);
	accum_documents_free(change->documents);
	accum_delta_set_free(change->set);
	pfree(change);
}

/*
 * Open a change: until it ends, statements on the register's movements add to
 * it instead of being applied one by one.
 *
 * The caller ends it, or abandons it when an error passes through.
 */
AccumChange *
accum_change_begin(AccumRegister *reg)
{
	AccumChange *change = change_create(reg);

	change->outer = open_change;
	open_change = change;
	return change;
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

/* Column values of one movement, detoasted in the current context. */
static void
columns_fetch(TupleTableSlot *slot, AccumColumn *columns, int n, Datum *values, bool *nulls)
{
	for (int i = 0; i < n; i++)
	{
		values[i] = slot_getattr(slot, columns[i].attnum, &nulls[i]);
		if (!nulls[i] && columns[i].typlen == -1)
			values[i] = PointerGetDatum(PG_DETOAST_DATUM(values[i]));
	}
}

static void
change_add_rows(AccumChange *change, TupleDesc desc, Tuplestorestate *rows, int sign)
{
	AccumRegister *reg = change->reg;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "accum movement",
													  ALLOCSET_SMALL_SIZES);
	Datum	   *dims = palloc(sizeof(Datum) * (reg->ndims + 1));
	Datum	   *resources = palloc(sizeof(Datum) * reg->nresources);
	bool	   *nulls = palloc(sizeof(bool) * (reg->ndims + reg->nresources));

	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		AccumMovement movement = {.sign = sign,.dims = dims,.nulls = nulls,.resources = resources};
		MemoryContext old = MemoryContextSwitchTo(row_context);
		bool		isnull;

		columns_fetch(slot, reg->dims, reg->ndims, dims, nulls);
		columns_fetch(slot, reg->resources, reg->nresources, resources, nulls + reg->ndims);
		movement.day = accum_zone_day(&reg->zone,
									  DatumGetTimestampTz(slot_getattr(slot, reg->period_attnum, &isnull)));
		movement.dim_hash = DatumGetInt64(slot_getattr(slot, reg->hash_attnum, &isnull));
		movement.recorded_at = DatumGetTimestampTz(slot_getattr(slot, reg->recorded_at_attnum, &isnull));
		movement.id = *DatumGetUUIDP(slot_getattr(slot, reg->id_attnum, &isnull));
		MemoryContextSwitchTo(old);

		accum_delta_set_add(change->set, &movement);
		if (sign > 0)
			accum_documents_add(change->documents,
								slot_getattr(slot, reg->recorder.attnum, &isnull),
								movement.day);
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
	AccumChange *change = open_change;

	while (change != NULL && change->reg->movements != reg->movements)
		change = change->outer;
	if (change != NULL)
		change_add_rows(change, desc, rows, sign);
	else
	{
		change = change_create(reg);
		change_add_rows(change, desc, rows, sign);
		change_apply(change);
	}
}
