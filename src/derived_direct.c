/*
 * derived_direct.c
 *		Derived rows written straight into their tables.
 *
 * An upsert with SQL costs several times what it does: find a row by its primary
 * key, put a new version beside it.  Here that is all that is done.  It is the
 * protocol of INSERT ... ON CONFLICT DO UPDATE (nodeModifyTable.c) with an index
 * scan in place of the check for a conflict:
 *
 *	- a row found is updated without being locked first; if somebody else has
 *	  updated it since, its latest version is locked and updated;
 *	- a row not found is inserted speculatively, so that of two sessions that
 *	  insert it one waits for the other and then finds its row.
 *
 * At REPEATABLE READ and above a row changed by others since the transaction's
 * snapshot is an error, as for every UPDATE.
 *
 * It is done as the register's owner.  Rows are taken in the table's one order,
 * see derived.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "cell.h"
#include "cell_scan.h"
#include "derived_direct.h"
#include "derived_row.h"
#include "direct.h"
#include "row_hint.h"
#include "stats.h"

/* What the tables written one after the other have in common. */
struct AccumDerivedWriter
{
	AccumRegister *reg;
	Snapshot	snapshot;		/* NULL when a new one has to be taken */
	MemoryContext context;		/* of what a table needs while it is written */
	MemoryContext add_context;	/* of one row to add */
	MemoryContext row_context;	/* of writing it */
};

/* One table being written. */
typedef struct Writer
{
	AccumDerivedWriter *all;
	AccumRegister *reg;
	AccumRole	role;
	const AccumRowShape *shape;
	AccumDirect direct;
	bool		scanning;
	AccumCellScan scan;			/* while scanning */
	TupleTableSlot *stored;		/* NULL for deltas, which are only appended */
	TupleTableSlot *new_row;
	int64		nrows;			/* written */
} Writer;

/* Begin to write derived tables of a register, in the current memory context. */
AccumDerivedWriter *
accum_derived_direct_begin(AccumRegister *reg)
{
	AccumDerivedWriter *all = palloc0(sizeof(AccumDerivedWriter));

	all->reg = reg;
	all->context = AllocSetContextCreate(CurrentMemoryContext, "accum derived tables",
										 ALLOCSET_SMALL_SIZES);
	all->add_context = AllocSetContextCreate(all->context, "accum derived row to add",
											 ALLOCSET_SMALL_SIZES);
	all->row_context = AllocSetContextCreate(all->context, "accum derived row",
											 ALLOCSET_SMALL_SIZES);
	return all;
}

/* The next table, or the next look at this one, has to show what is there by then. */
void
accum_derived_direct_look_again(AccumDerivedWriter *all)
{
	if (all->snapshot != NULL)
		UnregisterSnapshot(all->snapshot);
	all->snapshot = NULL;
}

static Snapshot
snapshot(Writer *writer)
{
	if (writer->all->snapshot == NULL)
		writer->all->snapshot = accum_direct_snapshot();
	return writer->all->snapshot;
}

void
accum_derived_direct_end(AccumDerivedWriter *all)
{
	accum_derived_direct_look_again(all);
	MemoryContextDelete(all->context);
	pfree(all);
}

/* Is a column, by number, of the type that a row's column has, and not NULL? */
static bool
column_is(TupleDesc desc, AttrNumber attnum, Form_pg_attribute expected, bool nullable)
{
	return accum_column_is(desc, attnum, expected->atttypid, expected->attcollation) &&
		TupleDescAttr(desc, attnum - 1)->atttypmod == expected->atttypmod &&
		(nullable || TupleDescAttr(desc, attnum - 1)->attnotnull);
}

/*
 * Are the columns of a table, which is locked, what the register declared?  Its
 * owner may have altered it, and values are written as they are.
 */
static bool
columns_are_declared(const Writer *writer, Relation rel)
{
	const AccumRowShape *shape = writer->shape;
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < shape->desc->natts; i++)
	{
		bool		nullable = (i >= shape->first_dim && i < shape->first_sum) ||
			(shape->last_at >= 0 && (i == shape->last_at || i == shape->last_at + 1));

		if (!column_is(desc, shape->attnums[i], TupleDescAttr(shape->desc, i), nullable))
			return false;
	}
	return writer->role != ACCUM_DELTA ||
		accum_column_is(desc, writer->reg->delta_created_at, TIMESTAMPTZOID, InvalidOid);
}

/* Begin to look for rows by the table's key; false when it is not the one declared. */
static bool
open_scan(Writer *writer)
{
	AccumRegister *reg = writer->reg;
	AccumRole	role = writer->role;

	if (!accum_cell_scan_open(&writer->scan, reg, reg->relations[role], &reg->columns[role],
							  snapshot(writer)))
		return false;
	writer->scanning = accum_cell_scan_by_key(&writer->scan, accum_row_by_unit(role));
	if (!writer->scanning)
		accum_cell_scan_close(&writer->scan);
	return writer->scanning;
}

static void
close_scan(Writer *writer)
{
	if (writer->scanning)
		accum_cell_scan_close(&writer->scan);
	writer->scanning = false;
}

/* Is a table, which is locked, as the register made it? */
static bool
table_is_as_made(Writer *writer, Relation rel)
{
	bool		same;

	/* created_at is a delta's own. */
	if (!accum_direct_plain(rel, writer->shape->desc->natts + (writer->role == ACCUM_DELTA ? 1 : 0)) ||
		!columns_are_declared(writer, rel))
		return false;
	if (writer->role == ACCUM_DELTA)
		return true;
	same = open_scan(writer);
	close_scan(writer);
	return same;
}

/* Can the table be written straight?  What was found is kept with the register. */
static bool
table_is_writable(Writer *writer, Relation rel)
{
	AccumVerdict *verdict = &writer->reg->direct[writer->role];

	if (!accum_direct_enabled() || !accum_register_runs_nothing(writer->reg, writer->role))
		return false;
	if (*verdict == ACCUM_UNKNOWN)
		*verdict = table_is_as_made(writer, rel) ? ACCUM_YES : ACCUM_NO;
	return *verdict == ACCUM_YES;
}

/* Open a table to write it; false when that has to be done with SQL. */
static bool
writer_open(Writer *writer, AccumDerivedWriter *all, AccumRole role)
{
	Relation	rel = table_open(all->reg->relations[role], RowExclusiveLock);

	memset(writer, 0, sizeof(*writer));
	writer->all = all;
	writer->reg = all->reg;
	writer->role = role;
	writer->shape = accum_row_shape(writer->reg, role);
	if (!table_is_writable(writer, rel))
	{
		table_close(rel, NoLock);
		return false;
	}
	accum_direct_open(&writer->direct, rel);
	if (role != ACCUM_DELTA)
		writer->stored = table_slot_create(rel, NULL);
	writer->new_row = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsHeapTuple);
	return true;
}

/* What is written counts for the commands that follow. */
static void
writer_close(Writer *writer)
{
	close_scan(writer);
	if (writer->stored != NULL)
		ExecDropSingleTupleTableSlot(writer->stored);
	ExecDropSingleTupleTableSlot(writer->new_row);
	accum_stats_add(writer->reg, ACCUM_STAT_DERIVED_ROWS, writer->nrows);
	accum_direct_close(&writer->direct);
	table_close(writer->direct.rel, NoLock);
}

/* Look again, at what others have committed meanwhile. */
static void
writer_refresh(Writer *writer)
{
	close_scan(writer);
	accum_derived_direct_look_again(writer->all);
}

/* Bring the stored row of a key into the writer's slot; false when there is none. */
static bool
find_row(Writer *writer, int64 dim_hash, AccumDay unit)
{
	MemoryContext old;
	bool		found;

	if (accum_row_hint_follow(&writer->reg->columns[writer->role], writer->direct.rel,
							  snapshot(writer), dim_hash, unit, writer->stored))
		return true;

	/* What a scan allocates while it goes on lives as long as it does. */
	old = MemoryContextSwitchTo(writer->all->context);
	if (!writer->scanning && !open_scan(writer))
		elog(ERROR, "relation \"%s\" has lost its primary key",
			 RelationGetRelationName(writer->direct.rel));
	accum_cell_scan_find_key(&writer->scan, dim_hash, unit);
	found = accum_row_hint_scan(writer->scan.scan, dim_hash, unit, writer->stored);
	MemoryContextSwitchTo(old);
	return found;
}

static int
sums_each(const Writer *writer)
{
	return accum_row_has_receipts(writer->reg, writer->role) ? 2 : 1;
}

/* The resource whose sum, at position i of the sums, does not fit its column. */
static void
out_of_range(Writer *writer, const TupleTableSlot *row, int i)
{
	const AccumRowShape *shape = writer->shape;

	accum_row_out_of_range(writer->reg, writer->role, DatumGetInt64(row->tts_values[0]),
						   row->tts_values + shape->first_dim,
						   row->tts_isnull + shape->first_dim,
						   writer->reg->resources[i / sums_each(writer)].name);
}

/* Add a row's sums to those in new_row; false when one does not fit. */
static bool
add_sums(Writer *writer, const TupleTableSlot *row)
{
	const AccumRowShape *shape = writer->shape;

	for (int i = 0; i < writer->reg->nresources * sums_each(writer); i++)
	{
		int			position = shape->first_sum + i;
		Datum	   *value = &writer->new_row->tts_values[shape->attnums[position] - 1];

		if (!row->tts_isnull[position] &&
			!accum_row_add_fits(*value, row->tts_values[position],
								&writer->reg->resources[i / sums_each(writer)], value))
		{
			out_of_range(writer, row, i);
			return false;
		}
	}
	return true;
}

/* Give the wide sums that have been put into new_row their columns' form; false as above. */
static bool
narrow_sums(Writer *writer, const TupleTableSlot *row)
{
	const AccumRowShape *shape = writer->shape;

	for (int i = 0; i < writer->reg->nresources * sums_each(writer); i++)
	{
		const AccumColumn *resource = &writer->reg->resources[i / sums_each(writer)];
		int			column = shape->attnums[shape->first_sum + i] - 1;
		AccumSum	sum = {0};

		if (accum_sum_kind(resource->type) != ACCUM_SUM_NUMERIC)
			continue;
		if (!writer->new_row->tts_isnull[column])
			sum.numeric = DatumGetNumeric(writer->new_row->tts_values[column]);
		writer->new_row->tts_isnull[column] = false;
		if (!accum_row_sum_fits(&sum, resource, &writer->new_row->tts_values[column]))
		{
			out_of_range(writer, row, i);
			return false;
		}
	}
	return true;
}

static void
add_count(Writer *writer, const TupleTableSlot *row, int i)
{
	Datum	   *value = &writer->new_row->tts_values[writer->shape->attnums[i] - 1];

	*value = Int64GetDatum(DatumGetInt64(*value) + DatumGetInt64(row->tts_values[i]));
}

/* Make of the values in new_row the row that they are of. */
static void
form_row(Writer *writer)
{
	TupleTableSlot *row = writer->new_row;

	ExecStoreHeapTuple(heap_form_tuple(row->tts_tupleDescriptor, row->tts_values, row->tts_isnull),
					   row, true);
}

/* Make new_row the version of the stored row that a row leads to; false when it cannot be. */
static bool
make_version(Writer *writer, const TupleTableSlot *row)
{
	TupleTableSlot *stored = writer->stored;
	const AccumRowShape *shape = writer->shape;
	int			natts = RelationGetNumberOfAttributes(writer->direct.rel);

	slot_getallattrs(stored);
	memcpy(writer->new_row->tts_values, stored->tts_values, sizeof(Datum) * natts);
	memcpy(writer->new_row->tts_isnull, stored->tts_isnull, sizeof(bool) * natts);
	if (!add_sums(writer, row))
		return false;
	for (int i = shape->last_at; i >= 0 && i <= shape->last_at + 1 && !row->tts_isnull[i]; i++)
	{
		writer->new_row->tts_values[shape->attnums[i] - 1] = row->tts_values[i];
		writer->new_row->tts_isnull[shape->attnums[i] - 1] = false;
	}
	if (shape->version >= 0)
		add_count(writer, row, shape->version);
	add_count(writer, row, shape->movements_count);
	form_row(writer);
	return true;
}

/*
 * Update the stored row, unless that is in vain; false when it has gone.
 *
 * Who has changed this row has most likely changed others of the cell.
 */
static bool
update_row(Writer *writer, const TupleTableSlot *row)
{
	bool		changed = false;

	while (make_version(writer, row) &&
		   !accum_direct_update(&writer->direct, writer->stored, writer->new_row, snapshot(writer)))
	{
		if (TTS_EMPTY(writer->stored))
			return false;
		changed = true;
	}
	if (changed)
		writer_refresh(writer);
	return true;
}

/* Put a row's values where the table has them. */
static void
set_values(Writer *writer, const TupleTableSlot *row)
{
	for (int i = 0; i < writer->shape->desc->natts; i++)
	{
		int			column = writer->shape->attnums[i] - 1;

		writer->new_row->tts_values[column] = row->tts_values[i];
		writer->new_row->tts_isnull[column] = row->tts_isnull[i];
	}
}

/* Append a delta. */
static void
append_row(Writer *writer, const TupleTableSlot *row)
{
	int			created_at = writer->reg->delta_created_at - 1;

	set_values(writer, row);
	writer->new_row->tts_values[created_at] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	writer->new_row->tts_isnull[created_at] = false;
	form_row(writer);
	accum_direct_insert(&writer->direct, writer->new_row);
}

/* Add a row to the stored one of its key, or make it the stored one. */
static void
upsert_row(Writer *writer, const TupleTableSlot *row)
{
	int64		dim_hash = DatumGetInt64(row->tts_values[0]);
	AccumDay	unit = accum_row_by_unit(writer->role) ? DatumGetDateADT(row->tts_values[1])
		: ACCUM_DAY_MIN;
	const Datum *dims = row->tts_values + writer->shape->first_dim;
	const bool *nulls = row->tts_isnull + writer->shape->first_dim;

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (find_row(writer, dim_hash, unit))
		{
			if (!accum_cell_columns_are(writer->reg, &writer->reg->columns[writer->role],
										writer->stored, dims, nulls))
				accum_cell_collision(writer->reg, dims, nulls);
			if (update_row(writer, row))
				return;
		}
		else
		{
			set_values(writer, row);
			if (!narrow_sums(writer, row))
				return;
			form_row(writer);
			if (accum_direct_insert_new(&writer->direct, writer->new_row))
				return;
			if (IsolationUsesXactSnapshot())
				accum_direct_serialization_failure(TM_Updated);
		}
		writer_refresh(writer);
	}
}

static void
write_row(Writer *writer, const TupleTableSlot *row)
{
	MemoryContext old = MemoryContextSwitchTo(writer->all->row_context);

	if (writer->role == ACCUM_DELTA)
		append_row(writer, row);
	else
		upsert_row(writer, row);
	writer->nrows++;
	ExecClearTuple(writer->new_row);
	MemoryContextSwitchTo(old);
	MemoryContextReset(writer->all->row_context);
}

/* Write rows of several units in the order of (period, dim_hash). */
static void
write_sorted(Writer *writer, Tuplesortstate *sort)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(writer->shape->desc, &TTSOpsMinimalTuple);

	tuplesort_performsort(sort);
	while (tuplesort_gettupleslot(sort, true, false, row, NULL))
	{
		slot_getallattrs(row);
		write_row(writer, row);
	}
	ExecDropSingleTupleTableSlot(row);
	tuplesort_end(sort);
}

static Tuplesortstate *
begin_sort(Writer *writer)
{
	AttrNumber	columns[] = {2, 1};
	Oid			operators[] = {lookup_type_cache(DATEOID, TYPECACHE_LT_OPR)->lt_opr, Int8LessOperator};
	Oid			collations[] = {InvalidOid, InvalidOid};
	bool		nulls_first[] = {false, false};

	return tuplesort_begin_heap(writer->shape->desc, lengthof(columns), columns, operators,
								collations, nulls_first, work_mem, NULL, TUPLESORT_NONE);
}

/* Write one part of a delta set; true when another has to follow. */
static bool
write_part(Writer *writer, AccumDeltaSet *set, AccumRowKind kind)
{
	TupleTableSlot *row = MakeSingleTupleTableSlot(writer->shape->desc, &TTSOpsVirtual);
	Tuplesortstate *sort = NULL;
	bool		wide = writer->role != ACCUM_DELTA;
	const AccumDeltaEntry *entry;
	bool		more = false;

	accum_delta_set_rewind(set, writer->role);
	if (writer->role >= ACCUM_TOTALS_YEAR && !accum_delta_set_in_one_unit(set))
		sort = begin_sort(writer);
	while ((entry = accum_delta_set_next(set)) != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->all->add_context);

		if (accum_row_fill(writer->reg, writer->role, kind, wide, entry, row))
			more = true;
		if (sort != NULL)
			tuplesort_puttupleslot(sort, row);
		else
			write_row(writer, row);
		MemoryContextSwitchTo(old);
		MemoryContextReset(writer->all->add_context);
	}
	if (sort != NULL)
		write_sorted(writer, sort);
	ExecDropSingleTupleTableSlot(row);
	return more;
}

/*
 * Add a delta set to one table, deltas too large for it in two parts.  Returns
 * false, with nothing done, when that has to be done with SQL.
 *
 * Runs as the owner of the register.  A second part needs a snapshot of its own: a
 * row's second change is a later command's, and has to see the first.
 */
bool
accum_derived_direct_add(AccumDerivedWriter *all, AccumRole role, AccumDeltaSet *set)
{
	Writer		writer;
	bool		more;

	if (!writer_open(&writer, all, role))
		return false;
	more = write_part(&writer, set, ACCUM_ROW_FIRST);
	writer_close(&writer);
	if (!more)
		return true;
	accum_derived_direct_look_again(all);
	if (!writer_open(&writer, all, role))
		elog(ERROR, "relation %s changed while it was written", all->reg->relation_names[role]);
	(void) write_part(&writer, set, ACCUM_ROW_REST);
	writer_close(&writer);
	return true;
}
