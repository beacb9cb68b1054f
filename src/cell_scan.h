/*
 * cell_scan.h
 *		The rows of one cell in a relation, found by index.
 */
#ifndef ACCUM_CELL_SCAN_H
#define ACCUM_CELL_SCAN_H

#include "access/genam.h"
#include "access/relscan.h"
#include "executor/tuptable.h"
#include "registry.h"
#include "utils/snapshot.h"

/* A range of period: [from, to), as values of its type. */
typedef struct AccumPeriodRange
{
	bool		has_from;
	bool		has_to;
	Datum		from;
	Datum		to;
	RegProcedure ge;
	RegProcedure lt;
} AccumPeriodRange;

/* A scan over the rows of one cell after another. */
typedef struct AccumCellScan
{
	Relation	rel;
	Relation	index;
	MemoryContext context;		/* of what the scan allocates, now or later */
	Snapshot	snapshot;
	IndexScanDesc scan;			/* NULL until something is looked for */
	TupleTableSlot *slot;
	AccumCellColumns *columns;
	const AccumPeriodRange *filter; /* a range that the index cannot tell */
} AccumCellScan;

extern bool accum_column_is(TupleDesc desc, AttrNumber attnum, Oid type, Oid collation);
extern bool accum_cell_columns_are_declared(const AccumRegister *reg, TupleDesc desc,
											const AccumCellColumns *columns);
extern bool accum_index_leads_with(Relation index, AttrNumber attnum);
extern Relation accum_cell_index_open(Relation rel, AccumCellColumns *columns);
extern bool accum_cell_scan_open(AccumCellScan *scan, const AccumRegister *reg, Oid relation,
								 AccumCellColumns *columns, Snapshot snapshot);
extern void accum_cell_scan_find(AccumCellScan *scan, int64 hash,
								 const AccumPeriodRange *period);
extern bool accum_cell_scan_by_key(const AccumCellScan *scan, bool by_unit);
extern void accum_cell_scan_find_key(AccumCellScan *scan, int64 hash, AccumDay unit);
extern TupleTableSlot *accum_cell_scan_next(AccumCellScan *scan);
extern TupleTableSlot *accum_cell_scan_previous(AccumCellScan *scan);
extern bool accum_cell_columns_are(const AccumRegister *reg, const AccumCellColumns *columns,
								   TupleTableSlot *row, const Datum *dims,
								   const bool *nulls);
extern bool accum_cell_scan_is_cell(AccumCellScan *scan, AccumRegister *reg,
									const Datum *dims, const bool *nulls);
extern void accum_cell_scan_close(AccumCellScan *scan);

#endif							/* ACCUM_CELL_SCAN_H */
