/*
 * delta_set.c
 *		What a statement changes, folded to one entry per cell and day.
 *
 * Movements go in one by one; a hash table keeps one entry per (dim_hash, day).
 * When it outgrows work_mem its entries go to a tuplesort and the table starts
 * anew, so a statement of any size works in bounded memory.  Then the entries
 * come out in the order of (dim_hash, day), once for each derived table: days
 * of one month, or one year, or all time are neighbours in that order and are
 * rolled up on the way.
 *
 * Entries that change nothing are left out: a repost that moves an amount from
 * one day to another within a month does not touch the month.  Where limits look
 * at the ends of days it touches the cache all the same: whoever holds a cell's row
 * there is alone with the cell, and that must hold for its days, too.
 *
 * Memory: everything lives in the set's context.  An entry returned by
 * accum_delta_set_next lives until the next call.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"

#include "cell.h"
#include "delta_set.h"

typedef struct SlotKey
{
	int64		dim_hash;
	AccumDay	day;
} SlotKey;

typedef struct Slot
{
	SlotKey		key;
	char		status;
	AccumDeltaEntry *entry;
} Slot;

static inline uint32
slot_hash(SlotKey key)
{
	return (uint32) key.dim_hash ^ murmurhash32((uint32) key.day);
}

#define SH_PREFIX slots
#define SH_ELEMENT_TYPE Slot
#define SH_KEY_TYPE SlotKey
#define SH_KEY key
#define SH_HASH_KEY(tb, key) slot_hash(key)
#define SH_EQUAL(tb, a, b) ((a).dim_hash == (b).dim_hash && (a).day == (b).day)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct AccumDeltaSet
{
	AccumRegister *reg;
	MemoryContext context;		/* the set itself, the sort, the sorted array */
	MemoryContext entries_context;	/* entries, reset when they are spilled */
	slots_hash *slots;
	AccumDeltaEntry *last_added;	/* movements come in runs of one entry */
	AccumDay	first_day;		/* of all that were added */
	AccumDay	last_day;

	Tuplesortstate *sort;		/* NULL while everything fits in memory */
	TupleDesc	sort_desc;
	TupleTableSlot *sort_slot;

	bool		has_deltas;		/* entries of earlier sets were added */
	bool		sorted;			/* no more movements can be added */
	AccumDeltaEntry **array;	/* the entries in order, when in memory */
	size_t		nentries;

	/* State of the pass begun by accum_delta_set_rewind. */
	AccumRole	level;
	size_t		position;
	const AccumDeltaEntry *pending; /* read, but not yet rolled up */
	MemoryContext read_context[2];	/* for entries read back from the sort */
	int			read_current;
	MemoryContext rolled_context;
	AccumDeltaEntry *rolled;
};

/* Columns of a spilled entry; dimensions and sums follow. */
#define SORT_DIM_HASH 0
#define SORT_DAY 1
#define SORT_MOVEMENTS 2
#define SORT_LAST_AT 3
#define SORT_LAST_ID 4
#define SORT_FIXED 5

AccumDeltaSet *
accum_delta_set_create(AccumRegister *reg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "accum delta set",
												  ALLOCSET_DEFAULT_SIZES);
	AccumDeltaSet *set = MemoryContextAllocZero(context, sizeof(AccumDeltaSet));

	set->reg = reg;
	set->context = context;
	set->first_day = ACCUM_DAY_MAX;
	set->last_day = ACCUM_DAY_MIN;
	set->entries_context = AllocSetContextCreate(context, "accum delta entries",
												 ALLOCSET_DEFAULT_SIZES);
	return set;
}

/* An empty entry in the current context; dims point to room for the values. */
AccumDeltaEntry *
accum_delta_entry_create(AccumRegister *reg)
{
	Size		size = MAXALIGN(sizeof(AccumDeltaEntry))
		+ MAXALIGN(sizeof(AccumDelta) * reg->nresources)
		+ MAXALIGN(sizeof(Datum) * reg->ndims) + sizeof(bool) * reg->ndims;
	char	   *memory = palloc0(size);
	AccumDeltaEntry *entry = (AccumDeltaEntry *) memory;

	memory += MAXALIGN(sizeof(AccumDeltaEntry));
	entry->deltas = (AccumDelta *) memory;
	memory += MAXALIGN(sizeof(AccumDelta) * reg->nresources);
	entry->dims = (Datum *) memory;
	memory += MAXALIGN(sizeof(Datum) * reg->ndims);
	entry->nulls = (bool *) memory;
	return entry;
}

static void
entry_set_dims(AccumRegister *reg, AccumDeltaEntry *entry,
			   const Datum *dims, const bool *nulls)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		entry->nulls[i] = nulls[i];
		if (!nulls[i])
			entry->dims[i] = datumCopy(dims[i], reg->dims[i].typbyval, reg->dims[i].typlen);
	}
}

static void
entry_note_last(AccumDeltaEntry *entry, TimestampTz at, const pg_uuid_t *id)
{
	if (!entry->has_last || at > entry->last_at ||
		(at == entry->last_at && memcmp(id->data, entry->last_id.data, UUID_LEN) > 0))
	{
		entry->has_last = true;
		entry->last_at = at;
		entry->last_id = *id;
	}
}

/* Add entry other of the same cell to entry. */
static void
entry_merge(AccumRegister *reg, AccumDeltaEntry *entry, const AccumDeltaEntry *other)
{
	if (!accum_cell_equal(reg, entry->dims, entry->nulls, other->dims, other->nulls))
		accum_cell_collision(reg, other->dims, other->nulls);
	entry->movements += other->movements;
	if (other->has_last)
		entry_note_last(entry, other->last_at, &other->last_id);
	for (int i = 0; i < reg->nresources; i++)
	{
		Oid			type = reg->resources[i].type;

		accum_sum_add(&entry->deltas[i].net, &other->deltas[i].net, type);
		accum_sum_add(&entry->deltas[i].receipt, &other->deltas[i].receipt, type);
	}
}

static bool
entry_changes_nothing(AccumRegister *reg, const AccumDeltaEntry *entry)
{
	if (entry->movements != 0)
		return false;
	for (int i = 0; i < reg->nresources; i++)
	{
		if (!accum_sum_is_zero(&entry->deltas[i].net, reg->resources[i].type) ||
			!accum_sum_is_zero(&entry->deltas[i].receipt, reg->resources[i].type))
			return false;
	}
	return true;
}

static TupleDesc
sort_desc_create(AccumRegister *reg)
{
	TupleDesc	desc = CreateTemplateTupleDesc(SORT_FIXED + reg->ndims + 2 * reg->nresources);
	int			attnum = SORT_FIXED;

	TupleDescInitEntry(desc, SORT_DIM_HASH + 1, "dim_hash", INT8OID, -1, 0);
	TupleDescInitEntry(desc, SORT_DAY + 1, "day", INT4OID, -1, 0);
	TupleDescInitEntry(desc, SORT_MOVEMENTS + 1, "movements", INT8OID, -1, 0);
	TupleDescInitEntry(desc, SORT_LAST_AT + 1, "last_at", TIMESTAMPTZOID, -1, 0);
	TupleDescInitEntry(desc, SORT_LAST_ID + 1, "last_id", UUIDOID, -1, 0);
	for (int i = 0; i < reg->ndims; i++)
		TupleDescInitEntry(desc, ++attnum, reg->dims[i].name, reg->dims[i].type, -1, 0);
	for (int i = 0; i < reg->nresources; i++)
	{
		Oid			wide = accum_sum_wide_type(reg->resources[i].type);

		TupleDescInitEntry(desc, ++attnum, "net", wide, -1, 0);
		TupleDescInitEntry(desc, ++attnum, "receipt", wide, -1, 0);
	}
	return desc;
}

static void
sort_begin(AccumDeltaSet *set)
{
	AttrNumber	columns[] = {SORT_DIM_HASH + 1, SORT_DAY + 1};
	Oid			operators[] = {Int8LessOperator, Int4LessOperator};
	Oid			collations[] = {InvalidOid, InvalidOid};
	bool		nulls_first[] = {false, false};
	MemoryContext old = MemoryContextSwitchTo(set->context);

	set->sort_desc = sort_desc_create(set->reg);
	set->sort_slot = MakeSingleTupleTableSlot(set->sort_desc, &TTSOpsMinimalTuple);
	set->sort = tuplesort_begin_heap(set->sort_desc, 2, columns, operators, collations,
									 nulls_first, work_mem, NULL,
									 TUPLESORT_RANDOMACCESS);
	MemoryContextSwitchTo(old);
}

static void
sort_put(AccumDeltaSet *set, TupleTableSlot *slot, const AccumDeltaEntry *entry)
{
	AccumRegister *reg = set->reg;
	int			column = SORT_FIXED;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, sizeof(bool) * set->sort_desc->natts);
	slot->tts_values[SORT_DIM_HASH] = Int64GetDatum(entry->dim_hash);
	slot->tts_values[SORT_DAY] = Int32GetDatum(entry->unit_start);
	slot->tts_values[SORT_MOVEMENTS] = Int64GetDatum(entry->movements);
	slot->tts_isnull[SORT_LAST_AT] = slot->tts_isnull[SORT_LAST_ID] = !entry->has_last;
	slot->tts_values[SORT_LAST_AT] = TimestampTzGetDatum(entry->last_at);
	slot->tts_values[SORT_LAST_ID] = UUIDPGetDatum(&entry->last_id);
	for (int i = 0; i < reg->ndims; i++, column++)
	{
		slot->tts_values[column] = entry->dims[i];
		slot->tts_isnull[column] = entry->nulls[i];
	}
	for (int i = 0; i < reg->nresources; i++)
	{
		Oid			type = reg->resources[i].type;

		slot->tts_values[column++] = accum_sum_wide(&entry->deltas[i].net, type);
		slot->tts_values[column++] = accum_sum_wide(&entry->deltas[i].receipt, type);
	}
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(set->sort, slot);
}

/* Move all entries from the hash table to the sort. */
static void
spill(AccumDeltaSet *set)
{
	MemoryContext old = MemoryContextSwitchTo(set->entries_context);
	TupleTableSlot *slot;
	slots_iterator it;
	Slot	   *element;

	if (set->sort == NULL)
		sort_begin(set);
	slot = MakeSingleTupleTableSlot(set->sort_desc, &TTSOpsVirtual);
	slots_start_iterate(set->slots, &it);
	while ((element = slots_iterate(set->slots, &it)) != NULL)
		sort_put(set, slot, element->entry);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextSwitchTo(old);

	set->slots = NULL;
	set->last_added = NULL;
	MemoryContextReset(set->entries_context);
}

/* Has a movement the hash of its cell?  Most were written with it. */
static void
check_hash(AccumDeltaSet *set, const AccumMovement *movement)
{
	if (movement->check_hash &&
		movement->dim_hash != accum_cell_hash(set->reg, movement->dims, movement->nulls))
		accum_cell_changed(set->reg);
}

/* The entry of a key, made if there is none yet: then it has no values of dimensions. */
static AccumDeltaEntry *
entry_find(AccumDeltaSet *set, SlotKey key, bool *found)
{
	AccumDeltaEntry *entry = set->last_added;
	Slot	   *slot;

	*found = true;
	if (entry != NULL && entry->dim_hash == key.dim_hash && entry->unit_start == key.day)
		return entry;
	if (set->slots == NULL)
		set->slots = slots_create(set->entries_context, 16, NULL);
	slot = slots_insert(set->slots, key, found);
	if (!*found)
	{
		slot->entry = accum_delta_entry_create(set->reg);
		slot->entry->dim_hash = key.dim_hash;
		slot->entry->unit_start = key.day;
	}
	set->last_added = slot->entry;
	return slot->entry;
}

/*
 * The entry of a movement's cell and day.
 *
 * What equals the values of an entry has their hash, so this is only looked at, where it
 * has to be, when an entry is made, and before two cells are said to share a hash.
 */
static AccumDeltaEntry *
entry_of_movement(AccumDeltaSet *set, const AccumMovement *movement)
{
	bool		found;
	AccumDeltaEntry *entry = entry_find(set, (SlotKey) {movement->dim_hash, movement->day}, &found);

	if (!found)
	{
		check_hash(set, movement);
		entry_set_dims(set->reg, entry, movement->dims, movement->nulls);
	}
	else if (!accum_cell_equal(set->reg, entry->dims, entry->nulls,
							   movement->dims, movement->nulls))
	{
		check_hash(set, movement);
		accum_cell_collision(set->reg, movement->dims, movement->nulls);
	}
	return entry;
}

/* Add an entry to the one of its cell and day. */
static void
add_entry(AccumDeltaSet *set, const AccumDeltaEntry *other)
{
	SlotKey		key = {other->dim_hash, other->unit_start};
	bool		found;
	AccumDeltaEntry *entry = entry_find(set, key, &found);

	if (!found)
		entry_set_dims(set->reg, entry, other->dims, other->nulls);
	entry_merge(set->reg, entry, other);
}

/* Get ready for something to be added, within the set's bounds of memory. */
static void
make_room(AccumDeltaSet *set, AccumDay day)
{
	Assert(!set->sorted);
	set->first_day = Min(set->first_day, day);
	set->last_day = Max(set->last_day, day);
	if (set->slots != NULL && set->slots->members % 64 == 63 &&
		MemoryContextMemAllocated(set->entries_context, true) > (Size) work_mem * 1024)
		spill(set);
}

/*
 * Add one movement.
 *
 * Raises unique_violation when another cell has the same hash.
 */
void
accum_delta_set_add(AccumDeltaSet *set, const AccumMovement *movement)
{
	MemoryContext old;
	AccumDeltaEntry *entry;

	make_room(set, movement->day);
	old = MemoryContextSwitchTo(set->entries_context);
	entry = entry_of_movement(set, movement);
	entry->movements += movement->sign * accum_movements_counted(movement->reversal);
	if (movement->sign > 0)
		entry_note_last(entry, movement->recorded_at, &movement->id);
	for (int i = 0; i < set->reg->nresources; i++)
	{
		Oid			type = set->reg->resources[i].type;
		Datum		value = movement->resources[i];

		accum_sum_add_value(&entry->deltas[i].net, type, value, movement->sign);
		if (accum_register_keeps_receipts(set->reg) &&
			accum_is_receipt(accum_value_sign(type, value), movement->reversal))
			accum_sum_add_value(&entry->deltas[i].receipt, type, value, movement->sign);
	}
	MemoryContextSwitchTo(old);
}

/*
 * Add what another set has written down before: an entry of a cell and the first
 * day of a unit of the finest totals.  Raises unique_violation like the above.
 */
void
accum_delta_set_add_entry(AccumDeltaSet *set, const AccumDeltaEntry *entry)
{
	MemoryContext old;

	make_room(set, entry->unit_start);
	set->has_deltas = true;
	old = MemoryContextSwitchTo(set->entries_context);
	add_entry(set, entry);
	MemoryContextSwitchTo(old);
}

/* The register that a set is of. */
AccumRegister *
accum_delta_set_register(const AccumDeltaSet *set)
{
	return set->reg;
}

/* Can more be added, and is all of it in memory? */
bool
accum_delta_set_is_open(const AccumDeltaSet *set)
{
	return !set->sorted && set->sort == NULL;
}

/* Let more be added to a set that has been read, if all of it is in memory. */
void
accum_delta_set_reopen(AccumDeltaSet *set)
{
	if (!set->sorted || set->sort != NULL)
		return;
	if (set->array != NULL)
		pfree(set->array);
	MemoryContextDelete(set->rolled_context);
	set->array = NULL;
	set->nentries = 0;
	set->sorted = false;
}

/*
 * Add all that another set of the register has; both are open.  The set may outgrow
 * its bounds of memory by as much as the other one has.
 *
 * Raises unique_violation when two cells share a hash.
 */
void
accum_delta_set_merge(AccumDeltaSet *set, const AccumDeltaSet *other)
{
	MemoryContext old = MemoryContextSwitchTo(set->entries_context);
	slots_iterator it;
	Slot	   *slot;

	Assert(accum_delta_set_is_open(set) && accum_delta_set_is_open(other));
	set->has_deltas |= other->has_deltas;
	set->first_day = Min(set->first_day, other->first_day);
	set->last_day = Max(set->last_day, other->last_day);
	if (other->slots != NULL)
	{
		slots_start_iterate(other->slots, &it);
		while ((slot = slots_iterate(other->slots, &it)) != NULL)
			add_entry(set, slot->entry);
	}
	MemoryContextSwitchTo(old);
}

static int
entry_compare(const void *a, const void *b)
{
	const AccumDeltaEntry *left = *(AccumDeltaEntry *const *) a;
	const AccumDeltaEntry *right = *(AccumDeltaEntry *const *) b;

	if (left->dim_hash != right->dim_hash)
		return left->dim_hash < right->dim_hash ? -1 : 1;
	return (left->unit_start > right->unit_start) - (left->unit_start < right->unit_start);
}

/* Put the entries in order; nothing can be added after that. */
static void
sort_entries(AccumDeltaSet *set)
{
	set->sorted = true;
	if (set->sort != NULL)
	{
		if (set->slots != NULL)
			spill(set);
		tuplesort_performsort(set->sort);
	}
	else if (set->slots != NULL)
	{
		slots_iterator it;
		Slot	   *slot;

		set->array = MemoryContextAllocHuge(set->context, sizeof(AccumDeltaEntry *) *
											set->slots->members);
		slots_start_iterate(set->slots, &it);
		while ((slot = slots_iterate(set->slots, &it)) != NULL)
			set->array[set->nentries++] = slot->entry;
		qsort(set->array, set->nentries, sizeof(AccumDeltaEntry *), entry_compare);
	}
	set->rolled_context = AllocSetContextCreate(set->context, "accum rolled-up delta",
												ALLOCSET_SMALL_SIZES);
}

/* Read an entry back from the sort, into one of two contexts taken in turn. */
static const AccumDeltaEntry *
sort_get(AccumDeltaSet *set)
{
	AccumRegister *reg = set->reg;
	TupleTableSlot *slot = set->sort_slot;
	MemoryContext old;
	AccumDeltaEntry *entry;
	int			column = SORT_FIXED;

	if (!tuplesort_gettupleslot(set->sort, true, false, slot, NULL))
		return NULL;
	slot_getallattrs(slot);

	set->read_current = 1 - set->read_current;
	if (set->read_context[set->read_current] == NULL)
		set->read_context[set->read_current] =
			AllocSetContextCreate(set->context, "accum spilled delta", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(set->read_context[set->read_current]);
	old = MemoryContextSwitchTo(set->read_context[set->read_current]);

	entry = accum_delta_entry_create(reg);
	entry->dim_hash = DatumGetInt64(slot->tts_values[SORT_DIM_HASH]);
	entry->unit_start = DatumGetInt32(slot->tts_values[SORT_DAY]);
	entry->movements = DatumGetInt64(slot->tts_values[SORT_MOVEMENTS]);
	entry->has_last = !slot->tts_isnull[SORT_LAST_AT];
	if (entry->has_last)
	{
		entry->last_at = DatumGetTimestampTz(slot->tts_values[SORT_LAST_AT]);
		entry->last_id = *DatumGetUUIDP(slot->tts_values[SORT_LAST_ID]);
	}
	entry_set_dims(reg, entry, slot->tts_values + column, slot->tts_isnull + column);
	column += reg->ndims;
	for (int i = 0; i < reg->nresources; i++)
	{
		Oid			type = reg->resources[i].type;

		accum_sum_add_wide(&entry->deltas[i].net, type, slot->tts_values[column++]);
		accum_sum_add_wide(&entry->deltas[i].receipt, type, slot->tts_values[column++]);
	}
	MemoryContextSwitchTo(old);
	return entry;
}

static const AccumDeltaEntry *
base_next(AccumDeltaSet *set)
{
	if (set->sort != NULL)
		return sort_get(set);
	return set->position < set->nentries ? set->array[set->position++] : NULL;
}

/*
 * Begin a pass over the entries, rolled up as the derived table wants them; deltas
 * are those of the finest totals.
 */
void
accum_delta_set_rewind(AccumDeltaSet *set, AccumRole level)
{
	if (!set->sorted)
		sort_entries(set);
	else if (set->sort != NULL)
		tuplesort_rescan(set->sort);
	set->level = level == ACCUM_DELTA ? accum_totals_role(set->reg->totals_period) : level;
	set->position = 0;
	set->pending = base_next(set);
}

/* The unit of the pass's level that a day belongs to. */
static AccumDay
level_unit(const AccumDeltaSet *set, AccumDay day)
{
	switch (set->level)
	{
		case ACCUM_TOTALS_DAY:
			return day;
		case ACCUM_TOTALS_MONTH:
			return accum_unit_start(day, ACCUM_UNIT_MONTH, 1);
		case ACCUM_TOTALS_YEAR:
			return accum_unit_start(day, ACCUM_UNIT_YEAR, set->reg->zone.year_start);
		default:
			return ACCUM_DAY_MIN;
	}
}

/* Are all entries of the pass of one unit? */
bool
accum_delta_set_in_one_unit(const AccumDeltaSet *set)
{
	return set->first_day == set->last_day ||
		level_unit(set, set->first_day) == level_unit(set, set->last_day);
}

/* Does an entry belong to the same cell, and the same unit of the pass, as another? */
static bool
rolls_into(const AccumDeltaSet *set, const AccumDeltaEntry *entry, const AccumDeltaEntry *other,
		   AccumDay unit)
{
	return entry != NULL && entry->dim_hash == other->dim_hash &&
		level_unit(set, entry->unit_start) == unit;
}

/*
 * Roll up the entries of one cell and unit, the pending one and those that follow.
 *
 * What stands alone is passed on as it is.  Else the result starts as a copy of the
 * first entry, whose sums it must not share, and takes in its neighbours.
 *
 * *changes_days is set where days have changed that have to be alone with the cell,
 * though the cell itself may not have.
 */
static AccumDeltaEntry *
roll_up(AccumDeltaSet *set, bool *changes_days)
{
	AccumRegister *reg = set->reg;
	const AccumDeltaEntry *first = set->pending;
	AccumDay	unit = level_unit(set, first->unit_start);
	bool		by_day = reg->every_date && set->level == ACCUM_BALANCE_CACHE;
	AccumDeltaEntry *rolled;

	set->pending = base_next(set);
	if (!rolls_into(set, set->pending, first, unit))
	{
		rolled = palloc(sizeof(AccumDeltaEntry));
		*rolled = *first;
		rolled->unit_start = unit;
		return rolled;
	}
	rolled = accum_delta_entry_create(reg);
	rolled->dim_hash = first->dim_hash;
	rolled->unit_start = unit;
	entry_set_dims(reg, rolled, first->dims, first->nulls);
	entry_merge(reg, rolled, first);
	*changes_days = by_day && !entry_changes_nothing(reg, first);
	do
	{
		entry_merge(reg, rolled, set->pending);
		*changes_days = *changes_days || (by_day && !entry_changes_nothing(reg, set->pending));
		set->pending = base_next(set);
	} while (rolls_into(set, set->pending, rolled, unit));
	return rolled;
}

/* The next entry of the pass, NULL at its end; valid until the next call. */
const AccumDeltaEntry *
accum_delta_set_next(AccumDeltaSet *set)
{
	while (set->pending != NULL)
	{
		bool		changes_days = false;
		MemoryContext old;
		AccumDeltaEntry *rolled;

		MemoryContextReset(set->rolled_context);
		old = MemoryContextSwitchTo(set->rolled_context);
		rolled = roll_up(set, &changes_days);
		MemoryContextSwitchTo(old);

		/* What deltas undid was still a cell's last movement. */
		if (!entry_changes_nothing(set->reg, rolled) || changes_days ||
			(set->has_deltas && set->level == ACCUM_BALANCE_CACHE && rolled->has_last))
			return rolled;
	}
	return NULL;
}

void
accum_delta_set_free(AccumDeltaSet *set)
{
	if (set->sort != NULL)
	{
		ExecDropSingleTupleTableSlot(set->sort_slot);
		tuplesort_end(set->sort);
	}
	MemoryContextDelete(set->context);
}
