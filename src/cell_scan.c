/*
 * cell_scan.c
 *		The rows of one cell in a relation, found by index.
 *
 * A cell has few rows in a derived table or in a partition of movements.  They
 * are read straight from the index on dim_hash, since running a query for them
 * costs several times as much as reading them.
 *
 * Nothing is checked here: whoever reads for a user looks at privileges and row
 * security first (cell_read.c).
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/fmgroids.h"

#include "cell.h"
#include "cell_scan.h"
#include "compat.h"

/* Is a table's column, by number, of a type and collation? */
bool
accum_column_is(TupleDesc desc, AttrNumber attnum, Oid type, Oid collation)
{
	Form_pg_attribute attribute;

	if (attnum < 1 || attnum > desc->natts)
		return false;
	attribute = TupleDescAttr(desc, attnum - 1);
	return !attribute->attisdropped && attribute->atttypid == type &&
		attribute->attcollation == collation;
}

/* Are a table's columns what the register declared?  Its owner may have altered it. */
bool
accum_cell_columns_are_declared(const AccumRegister *reg, TupleDesc desc,
								const AccumCellColumns *columns)
{
	bool		same = accum_column_is(desc, columns->dim_hash, INT8OID, InvalidOid) &&
		(columns->period == InvalidAttrNumber ||
		 accum_column_is(desc, columns->period, columns->period_type, InvalidOid));

	for (int i = 0; same && i < reg->ndims; i++)
		same = accum_column_is(desc, columns->dims[i], reg->dims[i].type, reg->dims[i].collation);
	for (int i = 0; same && i < reg->nresources; i++)
		same = columns->resources[i] == InvalidAttrNumber ||
			accum_column_is(desc, columns->resources[i], reg->resources[i].type, InvalidOid);
	return same;
}

static bool
index_has_period(const AccumCellScan *scan)
{
	Form_pg_index form = scan->index->rd_index;

	return form->indnkeyatts > 1 && form->indkey.values[1] == scan->columns->period;
}

/* Does a btree index lead with a column, by number, and has it all rows of the table? */
bool
accum_index_leads_with(Relation index, AttrNumber attnum)
{
	Form_pg_index form = index->rd_index;

	return form->indisvalid && index->rd_rel->relam == BTREE_AM_OID &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
		form->indkey.values[0] == attnum;
}

/*
 * Open a btree index of a table, which is open, that leads with dim_hash, the primary
 * key if it does; NULL when there is none to rely on.  What was found the last time is
 * taken if it is still there.
 */
Relation
accum_cell_index_open(Relation rel, AccumCellColumns *columns)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			primary_key = accum_primary_key_index(rel);
	Relation	found = NULL;
	ListCell   *lc;

	if (OidIsValid(columns->index) && list_member_oid(indexes, columns->index))
	{
		list_free(indexes);
		return index_open(columns->index, AccessShareLock);
	}
	if (OidIsValid(primary_key))
		indexes = lcons_oid(primary_key, indexes);
	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (accum_index_leads_with(index, columns->dim_hash))
		{
			found = index;
			break;
		}
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	columns->index = found != NULL ? RelationGetRelid(found) : InvalidOid;
	return found;
}

/*
 * Open a table, which the caller has locked or may lock, to look for cells under
 * a snapshot.  Returns false, with nothing open, when it is no plain table, its
 * columns are not what the register declared, or it has no index for that.
 */
bool
accum_cell_scan_open(AccumCellScan *scan, const AccumRegister *reg, Oid relation,
					 AccumCellColumns *columns, Snapshot snapshot)
{
	scan->rel = table_open(relation, AccessShareLock);
	scan->columns = columns;
	scan->index = NULL;
	if (scan->rel->rd_rel->relkind == RELKIND_RELATION &&
		accum_cell_columns_are_declared(reg, RelationGetDescr(scan->rel), columns))
		scan->index = accum_cell_index_open(scan->rel, columns);
	if (scan->index == NULL)
	{
		table_close(scan->rel, AccessShareLock);
		return false;
	}
	scan->slot = table_slot_create(scan->rel, NULL);
	scan->context = CurrentMemoryContext;
	scan->snapshot = snapshot;
	scan->scan = NULL;
	return true;
}

static void
scan_start(AccumCellScan *scan, ScanKeyData *keys, int n)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	if (scan->scan != NULL && scan->scan->numberOfKeys != n)
	{
		index_endscan(scan->scan);
		scan->scan = NULL;
	}
	if (scan->scan == NULL)
		scan->scan = accum_index_beginscan(scan->rel, scan->index, scan->snapshot, n);
	index_rescan(scan->scan, keys, n, NULL, 0);
	MemoryContextSwitchTo(old);
}

/*
 * Look for rows with a hash, in a range of period; NULL is any.  They may be of
 * other cells: see accum_cell_scan_is_cell.
 */
void
accum_cell_scan_find(AccumCellScan *scan, int64 hash, const AccumPeriodRange *period)
{
	ScanKeyData keys[3];
	int			n = 0;

	ScanKeyInit(&keys[n++], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(hash));
	scan->filter = NULL;
	if (period != NULL && !index_has_period(scan))
		scan->filter = period;
	else if (period != NULL)
	{
		if (period->has_from)
			ScanKeyInit(&keys[n++], 2, BTGreaterEqualStrategyNumber, period->ge, period->from);
		if (period->has_to)
			ScanKeyInit(&keys[n++], 2, BTLessStrategyNumber, period->lt, period->to);
	}
	scan_start(scan, keys, n);
}

/*
 * Is the index that was found the primary key of a derived table, as the register
 * made it: (dim_hash), or by_unit (dim_hash, period)?
 */
bool
accum_cell_scan_by_key(const AccumCellScan *scan, bool by_unit)
{
	Form_pg_index form = scan->index->rd_index;

	return form->indisprimary && form->indimmediate &&
		form->indnkeyatts == (by_unit ? 2 : 1) && index_has_period(scan) == by_unit;
}

/* Look for the row of a table's primary key: (dim_hash), or (dim_hash, period). */
void
accum_cell_scan_find_key(AccumCellScan *scan, int64 hash, AccumDay unit)
{
	ScanKeyData keys[2];
	int			n = 0;

	ScanKeyInit(&keys[n++], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(hash));
	if (index_has_period(scan))
		ScanKeyInit(&keys[n++], 2, BTEqualStrategyNumber, F_DATE_EQ, DateADTGetDatum(unit));
	scan->filter = NULL;
	scan_start(scan, keys, n);
}

static bool
in_range(const AccumPeriodRange *range, Datum period)
{
	return (!range->has_from || DatumGetBool(OidFunctionCall2(range->ge, period, range->from))) &&
		(!range->has_to || DatumGetBool(OidFunctionCall2(range->lt, period, range->to)));
}

static TupleTableSlot *
scan_step(AccumCellScan *scan, ScanDirection direction)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	bool		found;
	bool		isnull;

	do
	{
		CHECK_FOR_INTERRUPTS();
		found = index_getnext_slot(scan->scan, direction, scan->slot);
	} while (found && scan->filter != NULL &&
			 !in_range(scan->filter, slot_getattr(scan->slot, scan->columns->period, &isnull)));
	MemoryContextSwitchTo(old);
	return found ? scan->slot : NULL;
}

/* The next row, NULL after the last one; valid until the next call. */
TupleTableSlot *
accum_cell_scan_next(AccumCellScan *scan)
{
	return scan_step(scan, ForwardScanDirection);
}

/* The same from the end of the index's order; not to be mixed with the above. */
TupleTableSlot *
accum_cell_scan_previous(AccumCellScan *scan)
{
	return scan_step(scan, BackwardScanDirection);
}

/* Is a row, in a slot of a table with these columns, one of this cell? */
bool
accum_cell_columns_are(const AccumRegister *reg, const AccumCellColumns *columns,
					   TupleTableSlot *row, const Datum *dims, const bool *nulls)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(row, columns->dims[i], &isnull);

		if (!accum_column_equal(&reg->dims[i], value, isnull, dims[i], nulls[i]))
			return false;
	}
	return true;
}

/* Is the row that the scan has come to one of this cell? */
bool
accum_cell_scan_is_cell(AccumCellScan *scan, AccumRegister *reg,
						const Datum *dims, const bool *nulls)
{
	return accum_cell_columns_are(reg, scan->columns, scan->slot, dims, nulls);
}

/* Close what accum_cell_scan_open opened; the locks stay. */
void
accum_cell_scan_close(AccumCellScan *scan)
{
	if (scan->scan != NULL)
		index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->rel, NoLock);
}
