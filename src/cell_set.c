/*
 * cell_set.c
 *		Cells of a calculation, found by their dimensions.
 *
 * Cells keep their place in memory, and the order in which they came.  All lives in
 * the context that was current when the set was made.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "cell.h"
#include "cell_set.h"

typedef struct Slot
{
	int64		dim_hash;
	char		status;
	AccumSetCell *cell;
} Slot;

#define SH_PREFIX slots
#define SH_ELEMENT_TYPE Slot
#define SH_KEY_TYPE int64
#define SH_KEY dim_hash
#define SH_HASH_KEY(tb, key) murmurhash32((uint32) (key))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct AccumCellSet
{
	AccumRegister *reg;
	MemoryContext context;
	Size		entry_size;
	slots_hash *slots;
	List	   *cells;
};

/* An empty set; what its user keeps of a cell has this size and begins with the cell. */
AccumCellSet *
accum_cell_set_create(AccumRegister *reg, Size entry_size)
{
	AccumCellSet *set = palloc0(sizeof(AccumCellSet));

	Assert(entry_size >= sizeof(AccumSetCell));
	set->reg = reg;
	set->context = CurrentMemoryContext;
	set->entry_size = entry_size;
	set->slots = slots_create(CurrentMemoryContext, 16, NULL);
	return set;
}

/* The cell with these dimensions, NULL when there is none. */
void *
accum_cell_set_find(AccumCellSet *set, const Datum *dims, const bool *nulls)
{
	Slot	   *slot = slots_lookup(set->slots, accum_cell_hash(set->reg, dims, nulls));

	if (slot == NULL)
		return NULL;
	if (!accum_cell_equal(set->reg, slot->cell->dims, slot->cell->nulls, dims, nulls))
		accum_cell_collision(set->reg, dims, nulls);
	return slot->cell;
}

/* The same; a new one, all zero but for its dimensions, when there is none. */
void *
accum_cell_set_add(AccumCellSet *set, const Datum *dims, const bool *nulls)
{
	AccumRegister *reg = set->reg;
	AccumSetCell *cell = accum_cell_set_find(set, dims, nulls);
	MemoryContext old;
	bool		found;

	if (cell != NULL)
		return cell;
	old = MemoryContextSwitchTo(set->context);
	cell = palloc0(set->entry_size);
	cell->dims = palloc0(sizeof(Datum) * (reg->ndims + 1));
	cell->nulls = palloc0(sizeof(bool) * (reg->ndims + 1));
	cell->sums = palloc0(sizeof(AccumSum) * reg->nresources);
	for (int i = 0; i < reg->ndims; i++)
	{
		cell->nulls[i] = nulls[i];
		if (!nulls[i])
			cell->dims[i] = datumCopy(dims[i], reg->dims[i].typbyval, reg->dims[i].typlen);
	}
	slots_insert(set->slots, accum_cell_hash(reg, dims, nulls), &found)->cell = cell;
	set->cells = lappend(set->cells, cell);
	MemoryContextSwitchTo(old);
	return cell;
}

/* The cells in the order in which they were added. */
List *
accum_cell_set_cells(AccumCellSet *set)
{
	return set->cells;
}
