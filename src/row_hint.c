/*
 * row_hint.c
 *		Where rows of derived tables were found, to find them there again.
 *
 * Who posts to a cell has often posted to it before: the rows of its cache, year,
 * month and day are where they were, or close by.  The session remembers the index
 * entry's tid and the buffer of some rows.  Following such a hint costs a fraction of
 * descending the index.
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
#include "access/relscan.h"
#include "common/hashfn.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "row_hint.h"

/* So many hints, for all tables; then all are forgotten. */
#define MAX_HINTS 8192

typedef struct HintKey
{
	int64		hash;
	AccumDay	unit;			/* ACCUM_DAY_MIN in the cache */
	Oid			relation;
} HintKey;

typedef struct Hint
{
	HintKey		key;
	char		status;			/* simplehash's */
	ItemPointerData tid;
	Buffer		buffer;
} Hint;

#define SH_PREFIX hints
#define SH_ELEMENT_TYPE Hint
#define SH_KEY_TYPE HintKey
#define SH_KEY key
#define SH_HASH_KEY(tb, key) murmurhash32((uint32) (key).hash ^ (uint32) (key).unit ^ (key).relation)
#define SH_EQUAL(tb, a, b) \
	((a).hash == (b).hash && (a).unit == (b).unit && (a).relation == (b).relation)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Of this session, NULL until there is one. */
static hints_hash *hints = NULL;

/* Remember where a row was found. */
static void
note(HintKey key, Buffer buffer, ItemPointer tid)
{
	hints_hash *table = hints;
	Hint	   *hint;
	bool		found;

	/* A table that runs out of memory while it grows is of no use any more. */
	hints = NULL;
	if (table == NULL)
		table = hints_create(AllocSetContextCreate(TopMemoryContext, "accum row hints",
												   ALLOCSET_SMALL_SIZES), 16, NULL);
	if (table->members == MAX_HINTS)
		hints_reset(table);
	hint = hints_insert(table, key, &found);
	hint->tid = *tid;
	hint->buffer = buffer;
	hints = table;
}

static bool
row_has_key(const AccumCellColumns *columns, TupleTableSlot *slot, int64 hash, AccumDay unit)
{
	slot_getallattrs(slot);
	if (DatumGetInt64(slot->tts_values[columns->dim_hash - 1]) != hash)
		return false;
	return columns->period == InvalidAttrNumber ||
		DatumGetDateADT(slot->tts_values[columns->period - 1]) == unit;
}

/* Bring the version that a snapshot shows of a row on a page, which is pinned, into tuple. */
static bool
find_version(Relation rel, Buffer buffer, const ItemPointerData *root, Snapshot snapshot,
			 HeapTuple tuple, bool *all_dead)
{
	ItemPointerData tid = *root;
	bool		found;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&tid, rel, buffer, snapshot, tuple, all_dead, true);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	return found;
}

/*
 * Fetch a row, to be updated, from a page that is pinned, which the slot takes over.
 *
 * An index scan prunes a page as soon as less of it is free than fillfactor leaves, so
 * before nearly every update, and pruning costs more than the update.  Here a page is
 * pruned when it has no room for two more versions of the row.
 */
static bool
fetch(Relation rel, Buffer buffer, const ItemPointerData *root, Snapshot snapshot,
	  TupleTableSlot *slot, bool *all_dead)
{
	HeapTuple	tuple = &((BufferHeapTupleTableSlot *) slot)->base.tupdata;
	bool		found;

	Assert(TTS_IS_BUFFERTUPLE(slot));
	ExecClearTuple(slot);
	found = find_version(rel, buffer, root, snapshot, tuple, all_dead);
	if (found && PageGetHeapFreeSpace(BufferGetPage(buffer)) < 2 * MAXALIGN(tuple->t_len))
	{
		heap_page_prune_opt(rel, buffer);
		found = find_version(rel, buffer, root, snapshot, tuple, NULL);
	}
	if (found)
		ExecStorePinnedBufferHeapTuple(tuple, slot, buffer);
	else
		ReleaseBuffer(buffer);
	return found;
}

/*
 * Look where the row of a key was found before: (dim_hash), or (dim_hash, period)
 * of a table kept by unit.  True when it is there, in a slot of the table.
 */
bool
accum_row_hint_follow(const AccumCellColumns *columns, Relation rel, Snapshot snapshot,
					  int64 hash, AccumDay unit, TupleTableSlot *slot)
{
	HintKey		key = {hash, unit, RelationGetRelid(rel)};
	Hint	   *hint = hints != NULL ? hints_lookup(hints, key) : NULL;

	if (hint == NULL ||
		!accum_read_recent_buffer(rel, ItemPointerGetBlockNumber(&hint->tid), hint->buffer) ||
		!fetch(rel, hint->buffer, &hint->tid, snapshot, slot, NULL))
		return false;
	if (row_has_key(columns, slot, hash, unit))
		return true;
	ExecClearTuple(slot);
	return false;
}

/*
 * Fetch the only row of an index scan for a key, and remember where it was.  True
 * when there is one, in a slot of the table.  The current memory context is one that
 * lives as long as the scan.
 *
 * This is index_getnext_slot but for when pages are pruned.
 */
bool
accum_row_hint_scan(IndexScanDesc scan, int64 hash, AccumDay unit, TupleTableSlot *slot)
{
	Relation	rel = scan->heapRelation;
	HintKey		key = {hash, unit, RelationGetRelid(rel)};
	ItemPointer tid;

	while ((tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		Buffer		buffer = ReadBuffer(rel, ItemPointerGetBlockNumber(tid));
		bool		all_dead = false;

		pgstat_count_heap_fetch(scan->indexRelation);
		if (fetch(rel, buffer, tid, scan->xs_snapshot, slot, &all_dead))
		{
			note(key, buffer, tid);
			return true;
		}
		scan->kill_prior_tuple = all_dead && !scan->xactStartedInRecovery;
	}
	return false;
}
