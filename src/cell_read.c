/*
 * cell_read.c
 *		The sums of one cell, read straight from its rows.
 *
 * One cell's balance is a handful of rows found by index: the cache row, or rows
 * of totals and movements of part of a day.  Running a query for them costs
 * several times as much as reading them, so they are read with index scans under
 * the active snapshot.
 *
 * What a query would check is checked first: the caller's SELECT privilege on
 * every relation to be read, and that no row security applies.  Where anything
 * is out of the ordinary the functions return false, and the caller asks with a
 * query instead, which then reports what is wrong.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
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
#include "compat.h"
#include "leaf.h"

/* Where a relation keeps what is looked for and what is summed. */
typedef struct CellColumns
{
	AttrNumber	dim_hash;
	AttrNumber	period;			/* none in the cache */
	const AttrNumber *dims;
	const AttrNumber *resources;
} CellColumns;

/* The range of period to read: [from, to), as values of its type. */
typedef struct PeriodRange
{
	bool		has_from;
	bool		has_to;
	Datum		from;
	Datum		to;
	RegProcedure ge;
	RegProcedure lt;
} PeriodRange;

static bool
may_read(Oid relation)
{
	return pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(relation, InvalidOid, true) == RLS_NONE;
}

/*
 * Open the btree index of a relation on dim_hash, or on (dim_hash, period);
 * NULL when there is none to rely on.
 */
static Relation
open_index(Relation rel, const CellColumns *columns, bool with_period)
{
	List	   *indexes = RelationGetIndexList(rel);
	Relation	result = NULL;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		Form_pg_index form = index->rd_index;

		if (form->indisvalid && index->rd_rel->relam == BTREE_AM_OID &&
			RelationGetIndexPredicate(index) == NIL &&
			form->indnkeyatts == (with_period ? 2 : 1) &&
			form->indkey.values[0] == columns->dim_hash &&
			(!with_period || form->indkey.values[1] == columns->period))
		{
			result = index;
			break;
		}
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return result;
}

static int
scan_keys(int64 hash, const PeriodRange *period, ScanKeyData *keys)
{
	int			n = 0;

	ScanKeyInit(&keys[n++], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(hash));
	if (period != NULL && period->has_from)
		ScanKeyInit(&keys[n++], 2, BTGreaterEqualStrategyNumber, period->ge, period->from);
	if (period != NULL && period->has_to)
		ScanKeyInit(&keys[n++], 2, BTLessStrategyNumber, period->lt, period->to);
	return n;
}

static bool
row_is_of_cell(AccumRegister *reg, const AccumFilter *cell, TupleTableSlot *slot,
			   const CellColumns *columns)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, columns->dims[i], &isnull);

		if (!accum_column_equal(&reg->dims[i], value, isnull, cell->values[i], cell->nulls[i]))
			return false;
	}
	return true;
}

/* Add up a cell's rows in one relation; false when it cannot be read so. */
static bool
read_relation(AccumRegister *reg, const AccumFilter *cell, int64 hash, Oid relation,
			  const CellColumns *columns, const PeriodRange *period, AccumSum *sums)
{
	Relation	rel = table_open(relation, AccessShareLock);
	Relation	index = rel->rd_rel->relkind == RELKIND_RELATION
		? open_index(rel, columns, period != NULL) : NULL;
	TupleTableSlot *slot;
	IndexScanDesc scan;
	ScanKeyData keys[3];
	int			nkeys = scan_keys(hash, period, keys);

	if (index == NULL)
	{
		table_close(rel, AccessShareLock);
		return false;
	}
	slot = table_slot_create(rel, NULL);
	scan = accum_index_beginscan(rel, index, GetActiveSnapshot(), nkeys);
	index_rescan(scan, keys, nkeys, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!row_is_of_cell(reg, cell, slot, columns))
			continue;
		for (int i = 0; i < reg->nresources; i++)
		{
			bool		isnull;
			Datum		value = slot_getattr(slot, columns->resources[i], &isnull);

			if (!isnull)
				accum_sum_add_value(&sums[i], reg->resources[i].type, value, 1);
		}
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return true;
}

static bool
read_role(AccumRegister *reg, const AccumFilter *cell, int64 hash, AccumRole role,
		  const PeriodRange *period, AccumSum *sums)
{
	CellColumns columns = {reg->hash_attnums[role], reg->period_attnums[role],
	reg->dim_attnums[role], reg->resource_attnums[role]};

	return may_read(reg->relations[role]) &&
		read_relation(reg, cell, hash, reg->relations[role], &columns, period, sums);
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
	if (!sums_are_exact(reg))
		return false;
	return read_role(reg, cell, accum_cell_hash(reg, cell->values, cell->nulls),
					 ACCUM_BALANCE_CACHE, NULL, sums);
}

static bool
read_span(AccumRegister *reg, const AccumFilter *cell, int64 hash, const AccumSpan *span,
		  AccumSum *sums)
{
	AccumRole	role = span->unit == ACCUM_UNIT_DAY ? ACCUM_TOTALS_DAY
		: span->unit == ACCUM_UNIT_MONTH ? ACCUM_TOTALS_MONTH : ACCUM_TOTALS_YEAR;
	PeriodRange period = {
		.has_from = span->from != ACCUM_DAY_MIN,
		.has_to = span->to != ACCUM_DAY_MAX,
		.from = DateADTGetDatum(span->from),
		.to = DateADTGetDatum(span->to),
		.ge = F_DATE_GE,
		.lt = F_DATE_LT,
	};

	return read_role(reg, cell, hash, role, &period, sums);
}

static bool
read_partition(AccumRegister *reg, const AccumFilter *cell, int64 hash, Oid partition,
			   const PeriodRange *period, AccumSum *sums)
{
	Relation	rel = table_open(partition, AccessShareLock);
	CellColumns columns;
	AccumLeaf  *leaf;
	bool		done;

	(void) accum_leaf_register(rel, &leaf);
	columns = (CellColumns) {leaf->dim_hash, leaf->period, leaf->dims, leaf->resources};
	done = read_relation(reg, cell, hash, partition, &columns, period, sums);
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
	PeriodRange period = {
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
	Relation	movements;
	bool		done = true;

	if (!sums_are_exact(reg))
		return false;
	for (int i = 0; i < cut->range.nspans; i++)
	{
		if (!read_span(reg, cell, hash, &cut->range.spans[i], sums))
			return false;
	}
	if (cut->nfragments == 0)
		return true;
	if (!may_read(reg->movements))
		return false;
	movements = table_open(reg->movements, AccessShareLock);
	for (int i = 0; done && i < cut->nfragments; i++)
		done = read_fragment(reg, cell, hash, movements, &cut->fragments[i], sums);
	table_close(movements, AccessShareLock);
	return done;
}
