/*
 * closing.c
 *		Closed periods of a register.
 *
 * A closing says that no movement of some cells, dated on or before a day of the
 * register's calendar, may be written or removed.  The engine asks here for every
 * movement that changes (engine.c), so there is no way around it but those that go
 * around the engine itself.
 *
 * The closings in force are kept with the register's entry.  Who closes or reopens
 * (close.c) holds a lock on movements that excludes writers, and leaves an
 * invalidation of the entry: it reaches every session before the session's next
 * lock for writing, and then they are read anew, like the rest of the registry in
 * the newest state, whatever the transaction's own snapshot shows.  So a closing
 * waits for those who are writing, and everybody else obeys it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "cell.h"
#include "closing.h"
#include "table_rows.h"

/* Columns of accum._register_closings. */
#define CLOSINGS_REGISTER 1
#define CLOSINGS_THROUGH 2
#define CLOSINGS_DIMENSIONS 3
#define CLOSINGS_REOPENED_AT 6

/* The closings of a register that are in force. */
typedef struct AccumClosings
{
	AccumDay	latest;			/* no later day is closed for anybody */
	List	   *closings;		/* of AccumClosing */
} AccumClosings;

static AccumClosing *
closing_read(AccumRegister *reg, HeapTuple row, TupleDesc desc)
{
	AccumClosing *closing = palloc(sizeof(AccumClosing));
	bool		isnull;

	closing->through = DatumGetDateADT(heap_getattr(row, CLOSINGS_THROUGH, desc, &isnull));
	closing->dimensions = DatumGetJsonbPCopy(heap_getattr(row, CLOSINGS_DIMENSIONS, desc, &isnull));
	closing->cells = accum_filter_parse(reg, closing->dimensions);
	return closing;
}

static AccumClosings *
closings_load(AccumRegister *reg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "accum closings",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AccumClosings *closings = palloc0(sizeof(AccumClosings));
	Relation	rel = table_open(accum_registry_table("_register_closings"), AccessShareLock);
	SysScanDesc scan = accum_registry_scan(rel, CLOSINGS_REGISTER, F_TEXTEQ,
										   CStringGetTextDatum(reg->name));
	HeapTuple	row;

	closings->latest = ACCUM_DAY_MIN;
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		AccumClosing *closing;

		if (!heap_attisnull(row, CLOSINGS_REOPENED_AT, RelationGetDescr(rel)))
			continue;
		closing = closing_read(reg, row, RelationGetDescr(rel));
		closings->latest = Max(closings->latest, closing->through);
		closings->closings = lappend(closings->closings, closing);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	MemoryContextSwitchTo(old);

	/* Only what is complete outlives an error. */
	MemoryContextSetParent(context, reg->context);
	return closings;
}

static AccumClosings *
closings_of(AccumRegister *reg)
{
	if (reg->closings == NULL)
		reg->closings = closings_load(reg);
	return reg->closings;
}

/* Is a cell among those that a closing is about? */
static bool
closing_has(AccumRegister *reg, const AccumClosing *closing, const Datum *dims, const bool *nulls)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		if (closing->cells.given[i] &&
			!accum_column_equal(&reg->dims[i], closing->cells.values[i], closing->cells.nulls[i],
								dims[i], nulls[i]))
			return false;
	}
	return true;
}

/*
 * The closing that a movement of a cell on a day falls under, the latest of several;
 * NULL when there is none.  It lives as long as the register's newest entry.
 */
const AccumClosing *
accum_closing_find(AccumRegister *reg, AccumDay day, const Datum *dims, const bool *nulls)
{
	AccumClosings *closings = closings_of(accum_register_newest(reg));
	const AccumClosing *found = NULL;
	ListCell   *lc;

	if (day > closings->latest || closings->closings == NIL)
		return NULL;
	foreach(lc, closings->closings)
	{
		const AccumClosing *closing = lfirst(lc);

		if (day <= closing->through && (found == NULL || closing->through > found->through) &&
			closing_has(reg, closing, dims, nulls))
			found = closing;
	}
	return found;
}

/* The last day that is closed for any cell, ACCUM_DAY_MIN when none is. */
AccumDay
accum_closing_latest(AccumRegister *reg)
{
	return closings_of(reg)->latest;
}

static bool
same_cells(AccumRegister *reg, const AccumFilter *a, const AccumFilter *b)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		if (a->given[i] != b->given[i] ||
			(a->given[i] && !accum_column_equal(&reg->dims[i], a->values[i], a->nulls[i],
												b->values[i], b->nulls[i])))
			return false;
	}
	return true;
}

/* The latest closing of exactly these cells; NULL when there is none. */
const AccumClosing *
accum_closing_same(AccumRegister *reg, const AccumFilter *cells)
{
	const AccumClosing *found = NULL;
	ListCell   *lc;

	foreach(lc, closings_of(reg)->closings)
	{
		const AccumClosing *closing = lfirst(lc);

		if ((found == NULL || closing->through > found->through) &&
			same_cells(reg, &closing->cells, cells))
			found = closing;
	}
	return found;
}

/* A day for people, as the session writes dates. */
char *
accum_day_text(AccumDay day)
{
	return DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(day)));
}

/*
 * Refuse a change of a movement in a closed period.  Of one that is being written
 * the writer knows the cell; of one that is removed perhaps not.
 */
void
accum_closing_check(AccumRegister *reg, AccumDay day, const Datum *dims, const bool *nulls,
					bool written)
{
	const AccumClosing *closing = accum_closing_find(reg, day, dims, nulls);
	char	   *cells = "";

	if (closing == NULL)
		return;
	if (closing->cells.ngiven > 0 && (written || accum_may_count(reg->movements)))
		cells = psprintf(" for %s", JsonbToCString(NULL, &closing->dimensions->root,
												   VARSIZE(closing->dimensions)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a movement of %s lies in a closed period of register \"%s\"",
					accum_day_text(day), reg->name),
			 errdetail("The register is closed through %s%s.", accum_day_text(closing->through), cells),
			 reg->history
			 ? errhint("Date the movement, or with p_at the reversal, later, or have the register's owner "
					   "call accum.register_reopen().")
			 : errhint("Date the movement later, or have the register's owner call "
					   "accum.register_reopen()."),
			 accum_register_refuses(reg, ACCUM_MOVEMENTS, "closed_period")));
}
