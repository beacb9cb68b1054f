/*
 * cell_scan.h
 *		The rows of one cell in a relation, found by index.
 */
#ifndef ACCUM_CELL_SCAN_H
#define ACCUM_CELL_SCAN_H

#include "access/relscan.h"
#include "executor/tuptable.h"
#include "registry.h"
#include "utils/snapshot.h"

/* Where a relation keeps what is looked for and what is summed. */
typedef struct AccumCellColumns
{
	AttrNumber	dim_hash;
	AttrNumber	period;			/* none in the cache */
	const AttrNumber *dims;
	const AttrNumber *resources;
} AccumCellColumns;

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
	Snapshot	snapshot;
	IndexScanDesc scan;			/* NULL until something is looked for */
	TupleTableSlot *slot;
	AccumCellColumns columns;
	const AccumPeriodRange *filter; /* a range that the index cannot tell */
} AccumCellScan;

extern AccumCellColumns accum_cell_columns(const AccumRegister *reg, AccumRole role);
extern bool accum_cell_scan_open(AccumCellScan *scan, Oid relation,
								 const AccumCellColumns *columns, Snapshot snapshot);
extern void accum_cell_scan_find(AccumCellScan *scan, int64 hash,
								 const AccumPeriodRange *period);
extern TupleTableSlot *accum_cell_scan_next(AccumCellScan *scan);
extern bool accum_cell_scan_is_cell(AccumCellScan *scan, AccumRegister *reg,
									const Datum *dims, const bool *nulls);
extern void accum_cell_scan_close(AccumCellScan *scan);

#endif							/* ACCUM_CELL_SCAN_H */
