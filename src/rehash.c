/*
 * rehash.c
 *		Movements whose dim_hash is not the hash of their cell.
 *
 * The hash of a cell is made with the secret seed of its register.  A register that was
 * restored without its seed, or movements that were copied from another one past the
 * triggers, have hashes that nobody will ever look for.
 *
 * They are replaced below all triggers: no movement comes or goes, and nothing of a
 * movement changes that anybody has written.  So this is done with history, too.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "cell.h"
#include "direct.h"
#include "leaf.h"
#include "partition.h"
#include "rehash.h"
#include "side_values.h"

/* The values of a movement that its hashes are made of. */
typedef struct Room
{
	Datum		dims[ACCUM_MAX_COLUMNS];
	bool		nulls[ACCUM_MAX_COLUMNS];
	Datum		resources[ACCUM_MAX_COLUMNS];
	bool		no_nulls[ACCUM_MAX_COLUMNS];
} Room;

/* Fill a copy of a movement that has the right hashes; false if the movement has them. */
static bool
rehash(AccumRegister *reg, const AccumLeaf *leaf, Room *room, TupleTableSlot *stored,
	   TupleTableSlot *copy)
{
	int			natts = stored->tts_tupleDescriptor->natts;
	bool		differs = false;

	accum_columns_fetch(stored, reg->row_dims, leaf->dims, reg->nrow_dims, room->dims, room->nulls);
	accum_columns_fetch(stored, reg->row_resources, leaf->resources, reg->nrow_resources,
						room->resources, room->no_nulls);
	ExecClearTuple(copy);
	slot_getallattrs(stored);
	memcpy(copy->tts_values, stored->tts_values, sizeof(Datum) * natts);
	memcpy(copy->tts_isnull, stored->tts_isnull, sizeof(bool) * natts);
	for (int side = 0; side < reg->nsides; side++)
	{
		AccumSideValues cell = accum_side_values(reg, side, room->dims, room->nulls,
												 room->resources);
		Datum		hash = Int64GetDatum(accum_cell_hash(reg, cell.dims, cell.nulls));
		int			column = leaf->hashes[side] - 1;

		differs = differs || copy->tts_isnull[column] ||
			DatumGetInt64(copy->tts_values[column]) != DatumGetInt64(hash);
		copy->tts_values[column] = hash;
		copy->tts_isnull[column] = false;
	}
	ExecStoreVirtualTuple(copy);
	return differs;
}

static int64
rehash_partition(AccumRegister *reg, Oid partition)
{
	Relation	rel = table_open(partition, RowExclusiveLock);
	TupleTableSlot *stored = table_slot_create(rel, NULL);
	TupleTableSlot *copy = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "accum rehash",
												  ALLOCSET_DEFAULT_SIZES);
	Room	   *room = palloc(sizeof(Room));
	AccumLeaf  *leaf;
	AccumDirect direct;
	int64		n = 0;

	reg = accum_leaf_register(rel, &leaf);
	accum_direct_open(&direct, rel);
	while (table_scan_getnextslot(scan, ForwardScanDirection, stored))
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);
		bool		differs = rehash(reg, leaf, room, stored, copy);

		CHECK_FOR_INTERRUPTS();
		if (differs && !accum_direct_update(&direct, stored, copy, snapshot))
			elog(ERROR, "movement of register \"%s\" is not ours to change", reg->name);
		n += differs;
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	accum_direct_close(&direct);
	pfree(room);
	MemoryContextDelete(scratch);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(copy);
	ExecDropSingleTupleTableSlot(stored);
	table_close(rel, NoLock);
	return n;
}

/*
 * Give all movements the hashes of their cells; returns how many had others.  The caller
 * has locked the register against writers, and sees to what is derived from movements.
 */
int64
accum_rehash_movements(AccumRegister *reg)
{
	Oid			default_partition = accum_partition_default(reg);
	int64		n = 0;
	ListCell   *lc;

	foreach(lc, accum_partitions_list(reg))
		n += rehash_partition(reg, ((AccumPartition *) lfirst(lc))->oid);
	if (OidIsValid(default_partition))
		n += rehash_partition(reg, default_partition);
	return n;
}
