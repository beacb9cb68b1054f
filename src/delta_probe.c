/*
 * delta_probe.c
 *		Which of some cells have deltas that are not folded?
 *
 * Reads of a register with high_write add the deltas of their cells, and most cells have
 * none.  To learn that from an index scan for each of them costs more than to read the
 * cells.  Here cells are asked for in ascending order, and the page of the index that
 * led to the last one's leaf is kept pinned: the next one's most likely hangs on it, too.
 *
 * The answer errs on the safe side.  A cell without entries in the index has no delta
 * that a snapshot of this backend could show, since an entry is made before its row can
 * be seen and goes when nobody can see it any more.  A cell with entries may have deltas,
 * or not: whoever asks looks for them as if this file did not exist.
 *
 * Pages are walked as _bt_search walks them (nbtsearch.c, after Lehman and Yao): one
 * page is locked at a time, and what a split has moved meanwhile is found to the right.
 * What is looked for is always the first entry that is not less than a hash.  This relies
 * on what holds from PostgreSQL 15 to 18: the first column of an entry is stored as in any
 * index tuple and never truncated but in the first downlink of an inner page, a deleted
 * page still leads to the right, and no page is used for something else while a snapshot
 * is held that could lead there.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/rel.h"

#include "cell_scan.h"
#include "compat.h"
#include "delta_probe.h"

#define ST_SORT sort_hashes
#define ST_ELEMENT_TYPE int64
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

typedef struct Walk
{
	Relation	index;
	Snapshot	snapshot;
	bool		skip_dead;		/* entries that are known to be dead to everybody */
	Buffer		parent;			/* pinned, one level above the leaves, or invalid */
} Walk;

typedef enum Answer
{
	THERE,
	NOT_THERE,
	TO_THE_RIGHT				/* if it is there */
} Answer;

/*
 * Is a table, with an index that leads with dim_hash, as far as that goes the register's
 * own, so that entries of all rows are there in ascending order of numbers?
 */
static bool
is_as_made(Relation deltas, Relation index, AttrNumber dim_hash)
{
	TupleDesc	desc = RelationGetDescr(deltas);

	return deltas->rd_rel->relkind == RELKIND_RELATION && !deltas->rd_rel->relhassubclass &&
		accum_column_is(desc, dim_hash, INT8OID, InvalidOid) &&
		TupleDescAttr(desc, dim_hash - 1)->attnotnull &&
		index->rd_opfamily[0] == INTEGER_BTREE_FAM_OID && index->rd_opcintype[0] == INT8OID &&
		index->rd_indoption[0] == 0;
}

static int64
entry_hash(const Walk *walk, Page page, OffsetNumber offset)
{
	IndexTuple	entry = (IndexTuple) PageGetItem(page, PageGetItemId(page, offset));
	bool		isnull;

	return DatumGetInt64(index_getattr(entry, 1, RelationGetDescr(walk->index), &isnull));
}

static Page
visit(const Walk *walk, Buffer buffer)
{
	Page		page = BufferGetPage(buffer);

	accum_test_for_old_snapshot(walk->snapshot, walk->index, page);
	return page;
}

/* Go from a page, which is locked, to the one right of it. */
static Buffer
step_right(const Walk *walk, Buffer buffer)
{
	BTPageOpaque opaque = BTPageGetOpaque(BufferGetPage(buffer));
	BlockNumber next = opaque->btpo_next;

	if (P_RIGHTMOST(opaque))
		elog(ERROR, "fell off the end of index \"%s\"", RelationGetRelationName(walk->index));
	_bt_relbuf(walk->index, buffer);
	CHECK_FOR_INTERRUPTS();
	return _bt_getbuf(walk->index, next, BT_READ);
}

/* Is all that is not less than a hash to the right of a page? */
static bool
is_left_of(const Walk *walk, Page page, int64 hash)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);

	return P_IGNORE(opaque) || (!P_RIGHTMOST(opaque) && entry_hash(walk, page, P_HIKEY) < hash);
}

/* The first entry of a page, from offset on, that is not less than a hash. */
static OffsetNumber
first_entry(const Walk *walk, Page page, OffsetNumber offset, int64 hash)
{
	OffsetNumber end = OffsetNumberNext(PageGetMaxOffsetNumber(page));

	while (offset < end)
	{
		OffsetNumber middle = offset + (end - offset) / 2;

		if (entry_hash(walk, page, middle) < hash)
			offset = OffsetNumberNext(middle);
		else
			end = middle;
	}
	return offset;
}

/* The page that led to the last leaf, if it leads to this hash, too; else the root. */
static Buffer
lock_start(Walk *walk, int64 hash)
{
	Buffer		parent = walk->parent;

	if (BufferIsValid(parent))
	{
		_bt_lockbuf(walk->index, parent, BT_READ);
		if (!is_left_of(walk, BufferGetPage(parent), hash))
			return parent;
		_bt_relbuf(walk->index, parent);
		walk->parent = InvalidBuffer;
	}
	return accum_bt_getroot(walk->index);
}

/* Go from an inner page, which is locked, down to the one below for a hash. */
static Buffer
step_down(Walk *walk, Buffer buffer, int64 hash)
{
	Page		page = BufferGetPage(buffer);
	BTPageOpaque opaque = BTPageGetOpaque(page);

	/* The first downlink has no key: it is less than everything. */
	OffsetNumber after = first_entry(walk, page, OffsetNumberNext(P_FIRSTDATAKEY(opaque)), hash);
	ItemId		item = PageGetItemId(page, OffsetNumberPrev(after));
	BlockNumber child = BTreeTupleGetDownLink((IndexTuple) PageGetItem(page, item));

	if (opaque->btpo_level > 1)
		return _bt_relandgetbuf(walk->index, buffer, child, BT_READ);
	_bt_unlockbuf(walk->index, buffer);
	walk->parent = buffer;
	return _bt_getbuf(walk->index, child, BT_READ);
}

/* Lock the leaf where entries of a hash would begin; InvalidBuffer in an empty index. */
static Buffer
lock_leaf(Walk *walk, int64 hash)
{
	Buffer		buffer = lock_start(walk, hash);

	while (BufferIsValid(buffer))
	{
		Page		page = visit(walk, buffer);

		if (is_left_of(walk, page, hash))
			buffer = step_right(walk, buffer);
		else if (P_ISLEAF(BTPageGetOpaque(page)))
			break;
		else
			buffer = step_down(walk, buffer, hash);
	}
	return buffer;
}

/*
 * Look for entries of a hash on a leaf, which is locked.  *beyond is set unless one has to
 * look further right: there are no entries between the hash and that.
 */
static Answer
look_on_leaf(const Walk *walk, Page page, int64 hash, int64 *beyond)
{
	BTPageOpaque opaque = BTPageGetOpaque(page);
	OffsetNumber last = PageGetMaxOffsetNumber(page);

	if (P_IGNORE(opaque))
		return TO_THE_RIGHT;
	for (OffsetNumber offset = first_entry(walk, page, P_FIRSTDATAKEY(opaque), hash);
		 offset <= last; offset++)
	{
		*beyond = entry_hash(walk, page, offset);
		if (*beyond != hash)
			return NOT_THERE;
		if (!walk->skip_dead || !ItemIdIsDead(PageGetItemId(page, offset)))
			return THERE;
	}
	*beyond = PG_INT64_MAX;
	return P_RIGHTMOST(opaque) ? NOT_THERE : TO_THE_RIGHT;
}

/* Has the index entries of a hash?  Hashes are asked for in ascending order. */
static bool
index_has(Walk *walk, int64 hash, int64 *beyond)
{
	Buffer		buffer = lock_leaf(walk, hash);
	Answer		answer;

	*beyond = PG_INT64_MAX;
	if (!BufferIsValid(buffer))
		return false;
	while ((answer = look_on_leaf(walk, visit(walk, buffer), hash, beyond)) == TO_THE_RIGHT)
		buffer = step_right(walk, buffer);
	_bt_relbuf(walk->index, buffer);
	return answer == THERE;
}

/* Leave of hashes, in ascending order, those that the index has entries of. */
static int
intersect(Walk *walk, int64 *hashes, int n)
{
	int64		beyond = PG_INT64_MIN;
	int			left = 0;

	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (hashes[i] >= beyond && index_has(walk, hashes[i], &beyond))
			hashes[left++] = hashes[i];
	}
	return left;
}

/*
 * Sort n hashes and leave those whose cells may have deltas that the snapshot shows;
 * returns how many.
 *
 * All are left, as they are, where table or index are not as the register made them, and
 * at SERIALIZABLE, which has to be told what was looked for.  The snapshot is one that is
 * registered or active.
 */
int
accum_delta_probe(AccumRegister *reg, Snapshot snapshot, int64 *hashes, int n)
{
	Relation	deltas = table_open(reg->relations[ACCUM_DELTA], AccessShareLock);
	AccumCellColumns *columns = &reg->columns[ACCUM_DELTA];
	Walk		walk = {
		.index = accum_cell_index_open(deltas, columns),
		.snapshot = snapshot,
		.skip_dead = !TransactionStartedDuringRecovery(),
		.parent = InvalidBuffer,
	};

	if (walk.index != NULL && is_as_made(deltas, walk.index, columns->dim_hash) &&
		!IsolationIsSerializable())
	{
		pgstat_count_index_scan(walk.index);
		sort_hashes(hashes, n);
		n = intersect(&walk, hashes, n);
		if (BufferIsValid(walk.parent))
			ReleaseBuffer(walk.parent);
	}
	if (walk.index != NULL)
		index_close(walk.index, NoLock);
	table_close(deltas, NoLock);
	return n;
}
