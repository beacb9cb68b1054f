/*
 * cell_read.c
 *		The sums of one cell, read straight from its rows.
 *
 * One cell's balance is a handful of rows found by index (cell_scan.c): the cache
 * row, or rows of totals and movements of part of a day, and deltas that are not
 * folded yet.  All are read under the active snapshot.
 *
 * What a query would check is checked first: the caller's SELECT privilege on
 * every relation to be read, and that no row security applies.  Where anything
 * is out of the ordinary the functions return false, and the caller asks with a
 * query instead, which then reports what is wrong.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/partition.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/acl.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "cell_read.h"
#include "cell_scan.h"
#include "delta_probe.h"
#include "horizon.h"
#include "leaf.h"
#include "moved.h"

static bool
may_read(Oid relation)
{
	return pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(relation, InvalidOid, true) == RLS_NONE;
}

/* Add up a cell's rows in one relation; false when it cannot be read so. */
static bool
read_relation(AccumRegister *reg, const AccumFilter *cell, int64 hash, Oid relation,
			  AccumCellColumns *columns, const AccumPeriodRange *period, AccumSum *sums)
{
	AccumCellScan scan;
	TupleTableSlot *slot;

	if (!accum_cell_scan_open(&scan, reg, relation, columns, GetActiveSnapshot()))
		return false;
	accum_cell_scan_find(&scan, hash, period);
	while ((slot = accum_cell_scan_next(&scan)) != NULL)
	{
		if (!accum_cell_scan_is_cell(&scan, reg, cell->values, cell->nulls))
			continue;
		for (int i = 0; i < reg->nresources; i++)
		{
			bool		isnull = true;
			Datum		value = (Datum) 0;

			if (columns->resources[i] != InvalidAttrNumber)
				value = slot_getattr(slot, columns->resources[i], &isnull);
			if (!isnull)
				accum_sum_add_value(&sums[i], reg->resources[i].type, value, 1);
		}
	}
	accum_cell_scan_close(&scan);
	return true;
}

/* Is a cell worth looking for?  Most have no deltas. */
static bool
may_have_rows(AccumRegister *reg, AccumRole role, int64 hash)
{
	return role != ACCUM_DELTA || accum_delta_probe(reg, GetActiveSnapshot(), &hash, 1) > 0;
}

static bool
read_role(AccumRegister *reg, const AccumFilter *cell, int64 hash, AccumRole role,
		  const AccumPeriodRange *period, AccumSum *sums)
{
	if (!may_read(reg->relations[role]))
		return false;
	return !may_have_rows(reg, role, hash) ||
		read_relation(reg, cell, hash, reg->relations[role], &reg->columns[role], period, sums);
}

/* Sums of floating point depend on the order of addition: leave them to SQL. */
static bool
sums_are_exact(AccumRegister *reg)
{
	for (int i = 0; i < reg->nresources; i++)
	{
		if (accum_sum_kind(reg->resources[i].type) == ACCUM_SUM_FLOAT)
			return false;
	}
	return true;
}

/*
 * The current balance of a cell, from the cache.  False, with nothing to be said
 * of sums, when it has to be asked for with a query.
 */
bool
accum_cell_read_current(AccumRegister *reg, const AccumFilter *cell, AccumSum *sums)
{
	int64		hash = accum_cell_hash(reg, cell->values, cell->nulls);

	return sums_are_exact(reg) &&
		read_role(reg, cell, hash, ACCUM_BALANCE_CACHE, NULL, sums) &&
		(!accum_register_has(reg, ACCUM_DELTA) ||
		 read_role(reg, cell, hash, ACCUM_DELTA, NULL, sums));
}

/* The rows of one cell for units from a first day up to, and without, another. */
static bool
read_units(AccumRegister *reg, const AccumFilter *cell, int64 hash, AccumRole role,
		   AccumDay from, AccumDay to, AccumSum *sums)
{
	AccumPeriodRange period = {
		.has_from = from != ACCUM_DAY_MIN,
		.has_to = to != ACCUM_DAY_MAX,
		.from = DateADTGetDatum(from),
		.to = DateADTGetDatum(to),
		.ge = F_DATE_GE,
		.lt = F_DATE_LT,
	};

	return read_role(reg, cell, hash, role, &period, sums);
}

static bool
read_partition(AccumRegister *reg, const AccumFilter *cell, int64 hash, Oid partition,
			   const AccumPeriodRange *period, AccumSum *sums)
{
	Relation	rel = table_open(partition, AccessShareLock);
	AccumLeaf  *leaf;
	bool		done = true;

	(void) accum_leaf_register(rel, &leaf);
	for (int side = 0; done && side < reg->nsides; side++)
	{
		AccumCellColumns columns = accum_leaf_cell_columns(leaf, side);

		done = read_relation(reg, cell, hash, partition, &columns, period, sums);
	}
	table_close(rel, AccessShareLock);
	return done;
}

/* Read the movements of a fragment from the partitions that hold its periods. */
static bool
read_fragment(AccumRegister *reg, const AccumFilter *cell, int64 hash, Relation movements,
			  const AccumFragment *fragment, AccumSum *sums)
{
	PartitionKey key = RelationGetPartitionKey(movements);
	PartitionDesc desc = RelationGetPartitionDesc(movements, true);
	AccumPeriodRange period = {
		.has_from = true,
		.has_to = true,
		.from = TimestampTzGetDatum(fragment->from),
		.to = TimestampTzGetDatum(fragment->to),
		.ge = F_TIMESTAMPTZ_GE,
		.lt = F_TIMESTAMPTZ_LT,
	};
	Datum		last = TimestampTzGetDatum(fragment->to - 1);
	bool		in_default = false;
	bool		equal;
	int			first_bound;
	int			last_bound;

	if (fragment->from == DT_NOBEGIN || fragment->to == DT_NOEND || desc->boundinfo == NULL)
		return false;
	first_bound = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
												desc->boundinfo, 1, &period.from, &equal);
	last_bound = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
											   desc->boundinfo, 1, &last, &equal);
	for (int bound = first_bound; bound <= last_bound; bound++)
	{
		int			partition = desc->boundinfo->indexes[bound + 1];

		if (partition < 0)
			in_default = true;
		else if (!read_partition(reg, cell, hash, desc->oids[partition], &period, sums))
			return false;
	}
	if (in_default && desc->boundinfo->default_index >= 0)
		return read_partition(reg, cell, hash, desc->oids[desc->boundinfo->default_index],
							  &period, sums);
	return true;
}

/*
 * The turnover of a cell in a cut range.  False, with nothing to be said of sums,
 * when it has to be asked for with a query.
 */
bool
accum_cell_read_cut(AccumRegister *reg, const AccumFilter *cell, const AccumCut *cut,
					AccumSum *sums)
{
	int64		hash = accum_cell_hash(reg, cell->values, cell->nulls);
	const AccumRange *range = &cut->range;
	Relation	movements;
	bool		done = true;

	if (!sums_are_exact(reg))
		return false;
	for (int i = 0; i < range->nspans; i++)
	{
		const AccumSpan *span = &range->spans[i];

		if (!read_units(reg, cell, hash, accum_totals_role(span->unit), span->from, span->to, sums))
			return false;
	}
	if (range->nspans > 0 && accum_register_has(reg, ACCUM_DELTA) &&
		!read_units(reg, cell, hash, ACCUM_DELTA, range->totals_from, range->totals_to, sums))
		return false;
	if (cut->nfragments == 0)
		return true;
	if (!may_read(reg->movements))
		return false;
	movements = table_open(reg->movements, AccessShareLock);
	for (int i = 0; done && i < cut->nfragments; i++)
	{
		accum_horizon_check_detail(reg, cut->fragments[i].from, cut->fragments[i].to);
		accum_moved_check(reg, cut->fragments[i].from, cut->fragments[i].to);
		done = read_fragment(reg, cell, hash, movements, &cut->fragments[i], sums);
	}
	table_close(movements, AccessShareLock);
	return done;
}
