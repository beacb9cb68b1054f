/*
 * table_rows.c
 *		How many rows a table has.
 *
 * The rows of a small table are counted; the number of those of a large one is what
 * the planner would estimate, so that asking costs nothing to speak of.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "table_rows.h"

/* A table of so many pages at most is counted. */
#define MAX_COUNTED_PAGES 1000

/*
 * May the caller read the whole table?  Not where row security shows a part of
 * it: that would also run, for whoever lists registers, what another role put
 * into a policy.  The same goes for a view in place of a table.
 */
bool
accum_may_count(Oid relation)
{
	char		kind = get_rel_relkind(relation);

	return (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) &&
		pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED;
}

static int64
count_visible(Relation rel)
{
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	int64		n = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		n++;
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	return n;
}

static int64
estimate(Relation rel)
{
	BlockNumber pages;
	double		tuples;
	double		all_visible;

	estimate_rel_size(rel, NULL, &pages, &tuples, &all_visible);
	return (int64) tuples;
}

/* About how many rows has a table?  0 for what is no table. */
int64
accum_estimate_rows(Oid relation)
{
	Relation	rel = table_open(relation, AccessShareLock);
	int64		rows = rel->rd_rel->relkind == RELKIND_RELATION ? estimate(rel) : 0;

	table_close(rel, AccessShareLock);
	return rows;
}

/*
 * The number of a table's rows; false for what is no table.  Nobody's rights are
 * looked at.
 */
bool
accum_count_rows(Oid relation, int64 *rows)
{
	Relation	rel = table_open(relation, AccessShareLock);
	bool		is_table = rel->rd_rel->relkind == RELKIND_RELATION;

	if (is_table && RelationGetNumberOfBlocks(rel) <= MAX_COUNTED_PAGES)
		*rows = count_visible(rel);
	else if (is_table)
		*rows = estimate(rel);
	table_close(rel, AccessShareLock);
	return is_table;
}
