/*
 * direct.h
 *		Rows written into a table without a statement.
 */
#ifndef ACCUM_DIRECT_H
#define ACCUM_DIRECT_H

#include "compat.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

/* A table that rows are written into; its indexes are opened when needed. */
typedef struct AccumDirect
{
	Relation	rel;
	MemoryContext context;
	EState	   *estate;			/* NULL until then */
	ResultRelInfo *result;
	List	   *primary_key;	/* the index's OID */
} AccumDirect;

extern bool accum_debug_sql_writes;

extern bool accum_direct_enabled(void);
extern bool accum_direct_plain(Relation rel, int ncolumns);
extern Snapshot accum_direct_snapshot(void);
extern void accum_direct_open(AccumDirect *direct, Relation rel);
extern void accum_direct_insert(AccumDirect *direct, TupleTableSlot *slot);
extern bool accum_direct_insert_hopefully(AccumDirect *direct, TupleTableSlot *slot);
extern bool accum_direct_insert_new(AccumDirect *direct, TupleTableSlot *slot);
extern bool accum_direct_update(AccumDirect *direct, TupleTableSlot *stored,
								TupleTableSlot *slot, Snapshot snapshot);
extern void accum_direct_close(AccumDirect *direct);
extern void accum_direct_serialization_failure(TM_Result result);

#endif							/* ACCUM_DIRECT_H */
