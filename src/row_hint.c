/*
 * row_hint.c
 *		Where rows of derived tables were found, to find them there again.
 *
 * Who posts to a cell has often posted to it before: the rows of its cache, year,
 * month and day are where they were, or close by.  A register's entry remembers, for
 * each derived table, the index entry's tid and the buffer of some rows.  Following
 * such a hint costs a fraction of descending the index.
 *
 * A hint may be wrong in any way and is then as good as none.  The buffer is taken
 * only if it still holds the block (ReadRecentBuffer), so a block that a VACUUM has
 * cut off is never asked for.  The row is taken only if the snapshot shows it and it
 * has the key that is looked for; since the key is unique, it then is the row that
 * the index would have led to.  Visibility, and what SERIALIZABLE has to note, are
 * seen to by heap_hot_search_buffer, as in an index scan.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "storage/bufmgr.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "row_hint.h"

/* So many hints for one table; a power of 2. */
#define HINTS 512

typedef struct AccumRowHint
{
	int64		hash;
	AccumDay	unit;			/* ACCUM_DAY_MIN in the cache */
	Buffer		buffer;			/* InvalidBuffer where there is no hint */
	ItemPointerData tid;
} AccumRowHint;

static AccumRowHint *
hint_of(AccumRegister *reg, AccumRole role, int64 hash, AccumDay unit)
{
	if (reg->row_hints[role] == NULL)
		reg->row_hints[role] = MemoryContextAllocZero(reg->context,
													  sizeof(AccumRowHint) * HINTS);
	return &reg->row_hints[role][((uint32) hash + (uint32) unit) & (HINTS - 1)];
}

static bool
row_has_key(const AccumCellColumns *columns, TupleTableSlot *slot, int64 hash, AccumDay unit)
{
	bool		isnull;

	if (DatumGetInt64(slot_getattr(slot, columns->dim_hash, &isnull)) != hash)
		return false;
	return columns->period == InvalidAttrNumber ||
		DatumGetDateADT(slot_getattr(slot, columns->period, &isnull)) == unit;
}

/*
 * Look where the row of a key was found before: (dim_hash), or (dim_hash, period)
 * of a table kept by unit.  True when it is there, in a slot of the table.
 */
bool
accum_row_hint_follow(AccumRegister *reg, AccumRole role, Relation rel, Snapshot snapshot,
					  int64 hash, AccumDay unit, TupleTableSlot *slot)
{
	AccumRowHint *hint = hint_of(reg, role, hash, unit);
	BufferHeapTupleTableSlot *heap_slot = (BufferHeapTupleTableSlot *) slot;
	HeapTuple	tuple = &heap_slot->base.tupdata;
	ItemPointerData tid = hint->tid;
	bool		found;

	Assert(TTS_IS_BUFFERTUPLE(slot));
	if (!BufferIsValid(hint->buffer) || hint->hash != hash || hint->unit != unit ||
		!accum_read_recent_buffer(rel, ItemPointerGetBlockNumber(&tid), hint->buffer))
		return false;
	ExecClearTuple(slot);

	/* An index scan prunes the pages that it comes to; updates rely on it. */
	heap_page_prune_opt(rel, hint->buffer);
	LockBuffer(hint->buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&tid, rel, hint->buffer, snapshot, tuple, NULL, true);
	LockBuffer(hint->buffer, BUFFER_LOCK_UNLOCK);
	if (found)
	{
		ExecStorePinnedBufferHeapTuple(tuple, slot, hint->buffer);
		if (row_has_key(&reg->columns[role], slot, hash, unit))
			return true;
		ExecClearTuple(slot);
	}
	else
		ReleaseBuffer(hint->buffer);
	hint->buffer = InvalidBuffer;
	return false;
}

/*
 * Fetch the only row of an index scan for a key, and remember where it was.  True
 * when there is one, in a slot of the table.  The current memory context is one that
 * lives as long as the scan.
 */
bool
accum_row_hint_scan(AccumRegister *reg, AccumRole role, IndexScanDesc scan, int64 hash,
					AccumDay unit, TupleTableSlot *slot)
{
	ItemPointer tid;

	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		/* Fetching the row makes of it that of the version found. */
		ItemPointerData root = *tid;

		if (index_fetch_heap(scan, slot))
		{
			AccumRowHint *hint = hint_of(reg, role, hash, unit);

			*hint = (AccumRowHint) {
				hash, unit, ((BufferHeapTupleTableSlot *) slot)->buffer, root
			};
			return true;
		}
	}
	return false;
}
