/*
 * row_hint.h
 *		Where rows of derived tables were found, to find them there again.
 */
#ifndef ACCUM_ROW_HINT_H
#define ACCUM_ROW_HINT_H

#include "access/relscan.h"
#include "executor/tuptable.h"
#include "registry.h"
#include "utils/snapshot.h"

extern bool accum_row_hint_follow(const AccumCellColumns *columns, Relation rel,
								  Snapshot snapshot, int64 hash, AccumDay unit,
								  TupleTableSlot *slot);
extern bool accum_row_hint_scan(IndexScanDesc scan, int64 hash, AccumDay unit,
								TupleTableSlot *slot);

#endif							/* ACCUM_ROW_HINT_H */
