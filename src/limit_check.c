/*
 * limit_check.c
 *		Do balances keep to the limits of their register?
 *
 * A change is looked at when all derived tables have been written, whichever way:
 * the rows of its cells in the cache hold the new balances, and are locked until the
 * transaction ends.  So nobody else can change these cells before it is known
 * whether this change stands, and what is read here, with a snapshot taken after
 * the locks, is what there is.  At the stricter isolation levels the snapshot is the
 * transaction's; a row that others have changed since has been an error before.
 *
 * A check that is not false holds, as with CHECK constraints.  A cell without
 * movements has no balance, and cannot break a limit: whether its row is still
 * there says nothing.
 *
 * every_date.  The balance at the end of a day is that at the end of the next day
 * with totals, less this next day's turnover.  So the days are walked from the balance
 * backwards, down to the first one that was changed; there are none to walk where
 * the cell has no totals after that day.  What is walked are totals of days as they
 * have just been written.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "cell.h"
#include "cell_scan.h"
#include "derived_row.h"
#include "direct.h"
#include "limit.h"
#include "limit_check.h"

/* Limits in the form that they are looked at in. */
typedef struct AccumLimits
{
	int			n;
	const AccumLimitDef *defs;
	Expr	  **checks;
	TupleDesc	desc;			/* what checks are over: dimensions, then resources */
} AccumLimits;

/* What was done to a cell. */
typedef struct CellChange
{
	int64		dim_hash;
	AccumDay	first_day;		/* on which anything was changed */
	bool		written;		/* movements were written, not only removed */
	AccumSum   *net;
} CellChange;

/* A look at some cells. */
typedef struct LimitCheck
{
	AccumRegister *reg;
	const AccumLimits *limits;
	bool		every_date;		/* has one of them that? */
	ExprState **states;
	int			current;		/* the limit that is looked at */
	ExprContext *econtext;
	TupleTableSlot *row;		/* what the checks see: a cell and its balance */
	AccumCellScan cache;
	AttrNumber	cache_count;	/* movements_count */
	AccumCellScan days;			/* only with every_date */
	AttrNumber	days_count;
	MemoryContext cell_context; /* for one cell */
} LimitCheck;

static AccumLimits *
limits_parse(AccumRegister *reg, const AccumLimitDef *defs, int n)
{
	int			ncolumns = reg->ndims + reg->nresources;
	AccumLimitColumn *columns = palloc(sizeof(AccumLimitColumn) * ncolumns);
	AccumLimits *limits = palloc(sizeof(AccumLimits));

	limits->n = n;
	limits->defs = defs;
	limits->checks = palloc(sizeof(Expr *) * (n + 1));
	limits->desc = CreateTemplateTupleDesc(ncolumns);
	for (int i = 0; i < ncolumns; i++)
	{
		const AccumColumn *column = i < reg->ndims ? &reg->dims[i] : &reg->resources[i - reg->ndims];

		columns[i] = (AccumLimitColumn) {column->name, column->type, column->typmod, column->collation};
		TupleDescInitEntry(limits->desc, i + 1, column->name, column->type, column->typmod, 0);
		TupleDescInitEntryCollation(limits->desc, i + 1, column->collation);
	}
	for (int i = 0; i < n; i++)
		limits->checks[i] = accum_limit_expression(&defs[i], columns, ncolumns,
												   pg_get_timezone_name(reg->zone.tz));
	return limits;
}

/* A register's own limits, parsed once. */
static const AccumLimits *
register_limits(AccumRegister *reg)
{
	if (reg->parsed_limits == NULL)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "accum limits",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);
		AccumLimits *limits = limits_parse(reg, reg->limits, reg->nlimits);

		/* Only what is complete outlives an error. */
		MemoryContextSwitchTo(old);
		MemoryContextSetParent(context, reg->context);
		reg->parsed_limits = limits;
	}
	return reg->parsed_limits;
}

/* Open a derived table to read cells by its key; returns where it counts movements. */
static AttrNumber
open_scan(AccumCellScan *scan, AccumRegister *reg, AccumRole role, Snapshot snapshot)
{
	const AccumRowShape *shape = accum_row_shape(reg, role);
	AttrNumber	count = shape->attnums[shape->movements_count];

	if (!accum_cell_scan_open(scan, reg, reg->relations[role], &reg->columns[role], snapshot) ||
		!accum_cell_scan_by_key(scan, accum_row_by_unit(role)) ||
		!accum_column_is(RelationGetDescr(scan->rel), count, INT8OID, InvalidOid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation %s is not as register \"%s\" made it", reg->relation_names[role],
						reg->name),
				 errhint("Its columns and primary key must not be changed with ALTER TABLE.")));
	return count;
}

static void
check_open(LimitCheck *check, AccumRegister *reg, const AccumLimits *limits, Snapshot snapshot)
{
	memset(check, 0, sizeof(*check));
	check->reg = reg;
	check->limits = limits;
	check->states = palloc(sizeof(ExprState *) * limits->n);
	for (int i = 0; i < limits->n; i++)
	{
		check->states[i] = ExecInitExpr(limits->checks[i], NULL);
		check->every_date = check->every_date || limits->defs[i].every_date;
	}
	check->econtext = CreateStandaloneExprContext();
	check->row = MakeSingleTupleTableSlot(limits->desc, &TTSOpsVirtual);
	check->econtext->ecxt_scantuple = check->row;
	check->cell_context = AllocSetContextCreate(CurrentMemoryContext, "accum limits of a cell",
												ALLOCSET_SMALL_SIZES);
	check->cache_count = open_scan(&check->cache, reg, ACCUM_BALANCE_CACHE, snapshot);
	if (check->every_date)
		check->days_count = open_scan(&check->days, reg, ACCUM_TOTALS_DAY, snapshot);
}

static void
check_close(LimitCheck *check)
{
	accum_cell_scan_close(&check->cache);
	if (check->every_date)
		accum_cell_scan_close(&check->days);
	ExecDropSingleTupleTableSlot(check->row);
	FreeExprContext(check->econtext, true);
	MemoryContextDelete(check->cell_context);
}

/* The balance that the checks see, for people: (quantity, amount) = (5, 2.00). */
static char *
balance_text(const LimitCheck *check)
{
	AccumRegister *reg = check->reg;
	StringInfoData names;
	StringInfoData texts;

	initStringInfo(&names);
	initStringInfo(&texts);
	for (int i = 0; i < reg->nresources; i++)
	{
		const char *separator = i > 0 ? ", " : "";
		AccumColumn *resource = &reg->resources[i];
		Datum		value = check->row->tts_values[reg->ndims + i];

		appendStringInfo(&names, "%s%s", separator, resource->name);
		appendStringInfo(&texts, "%s%s", separator, check->row->tts_isnull[reg->ndims + i] ? "null"
						 : OutputFunctionCall(&resource->output, value));
	}
	return psprintf("(%s) = (%s)", names.data, texts.data);
}

static char *
cell_text(const LimitCheck *check)
{
	return accum_cell_text(check->reg, check->row->tts_values, check->row->tts_isnull);
}

static bool
may_read(AccumRegister *reg, AccumRole role)
{
	return pg_class_aclcheck(reg->relations[role], GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		check_enable_rls(reg->relations[role], InvalidOid, true) != RLS_ENABLED;
}

/*
 * A limit is broken, by a change or, where that is NULL, by what is there.  detail is
 * for who may read the balances that it tells; who may not and has written movements
 * of the cell is told which one, but no balance and no day of others' movements.
 */
static void
limit_broken(LimitCheck *check, const AccumLimitDef *limit, const CellChange *change, char *detail)
{
	AccumRegister *reg = check->reg;

	if (!may_read(reg, ACCUM_BALANCE_CACHE) ||
		(limit->every_date && !may_read(reg, ACCUM_TOTALS_DAY)))
		detail = change != NULL && change->written ? psprintf("Cell %s.", cell_text(check)) : NULL;
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 change != NULL
			 ? errmsg("new balance breaks limit \"%s\" of register \"%s\"", limit->name, reg->name)
			 : errmsg("limit \"%s\" of register \"%s\" is broken by some cell", limit->name, reg->name),
			 detail != NULL ? errdetail_internal("%s", detail) : 0,
			 errtableconstraint(check->cache.rel, limit->name)));
}

/* A check may fail by itself, dividing by zero for one. */
static void
name_limit(void *argument)
{
	const LimitCheck *check = argument;

	errcontext("limit \"%s\" of register \"%s\"", check->limits->defs[check->current].name,
			   check->reg->name);
}

/* Does the balance in row keep to the current limit? */
static bool
current_holds(LimitCheck *check)
{
	ErrorContextCallback callback = {error_context_stack, name_limit, check};
	Datum		holds;
	bool		isnull;

	error_context_stack = &callback;
	holds = ExecEvalExprSwitchContext(check->states[check->current], check->econtext, &isnull);
	error_context_stack = callback.previous;
	return isnull || DatumGetBool(holds);
}

/*
 * The first of the limits, with every_date or without, that the balance in row
 * breaks; NULL when there is none.
 */
static const AccumLimitDef *
find_broken(LimitCheck *check, bool every_date)
{
	for (check->current = 0; check->current < check->limits->n; check->current++)
	{
		const AccumLimitDef *limit = &check->limits->defs[check->current];

		if (limit->every_date == every_date && !current_holds(check))
			return limit;
	}
	return NULL;
}

/* Put sums into row as the balance; they have to fit their columns. */
static void
store_balance(LimitCheck *check, const AccumSum *sums)
{
	AccumRegister *reg = check->reg;
	Datum	   *values = check->row->tts_values;
	MemoryContext old = MemoryContextSwitchTo(check->econtext->ecxt_per_tuple_memory);

	for (int i = 0; i < reg->nresources; i++)
	{
		if (!accum_row_sum_fits(&sums[i], &reg->resources[i], &values[reg->ndims + i]))
			accum_row_out_of_range(reg, ACCUM_TOTALS_DAY, 0, values, check->row->tts_isnull,
								   reg->resources[i].name);
	}
	MemoryContextSwitchTo(old);
}

/* Take what a derived row holds from sums, or with sign 1 add it. */
static void
add_row(LimitCheck *check, const AccumCellScan *scan, int sign, AccumSum *sums)
{
	AccumRegister *reg = check->reg;

	for (int i = 0; i < reg->nresources; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(scan->slot, scan->columns->resources[i], &isnull);

		if (!isnull)
			accum_sum_add_value(&sums[i], reg->resources[i].type, value, sign);
	}
}

static int64
row_count(const AccumCellScan *scan, AttrNumber attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(scan->slot, attnum, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/* Walk the days of a cell backwards from its balance; see the banner. */
static void
check_days(LimitCheck *check, const CellChange *change, int64 dim_hash, int64 movements)
{
	AccumRegister *reg = check->reg;
	AccumSum   *sums = palloc0(sizeof(AccumSum) * reg->nresources);
	AccumPeriodRange later = {.has_from = change != NULL,.ge = F_DATE_GE};
	const AccumLimitDef *broken = NULL;
	char	   *detail = NULL;
	TupleTableSlot *row;

	if (change != NULL)
		later.from = DateADTGetDatum(change->first_day + 1);
	add_row(check, &check->cache, 1, sums);
	accum_cell_scan_find(&check->days, dim_hash, &later);
	do
	{
		AccumDay	day = change != NULL ? change->first_day : ACCUM_DAY_MIN;
		const AccumLimitDef *limit;
		bool		isnull;

		row = accum_cell_scan_previous(&check->days);
		if (row != NULL)
			day = DatumGetDateADT(slot_getattr(row, check->days.columns->period, &isnull));
		else if (change == NULL)
			break;				/* the day before all movements */

		store_balance(check, sums);
		limit = movements > 0 ? find_broken(check, true) : NULL;
		if (limit != NULL)
		{
			int			year;
			int			month;
			int			month_day;

			accum_day_to_civil(day, &year, &month, &month_day);
			detail = psprintf("Cell %s %s %s at the end of %04d-%02d-%02d.", cell_text(check),
							  change != NULL ? "would have" : "has", balance_text(check),
							  year, month, month_day);
			broken = limit;
		}
		ResetExprContext(check->econtext);
		if (row != NULL)
		{
			add_row(check, &check->days, -1, sums);
			movements -= row_count(&check->days, check->days_count);
		}
	} while (row != NULL);
	if (broken != NULL)
		limit_broken(check, broken, change, detail);
}

/* A new balance breaks a limit: tell it with the balance before the change. */
static void
balance_broken(LimitCheck *check, const AccumLimitDef *limit, const CellChange *change)
{
	AccumRegister *reg = check->reg;
	AccumSum   *before = palloc0(sizeof(AccumSum) * reg->nresources);
	char	   *now = balance_text(check);

	if (change == NULL)
		limit_broken(check, limit, NULL, psprintf("Cell %s has %s.", cell_text(check), now));
	add_row(check, &check->cache, 1, before);
	for (int i = 0; i < reg->nresources; i++)
		accum_sum_subtract(&before[i], &change->net[i], reg->resources[i].type);
	store_balance(check, before);
	limit_broken(check, limit, change,
				 psprintf("Cell %s has %s and would have %s.", cell_text(check),
						  balance_text(check), now));
}

/* Look at the cell whose row in the cache the scan has come to. */
static void
check_cell(LimitCheck *check, const CellChange *change)
{
	AccumRegister *reg = check->reg;
	const AccumCellColumns *columns = check->cache.columns;
	TupleTableSlot *stored = check->cache.slot;
	int64		movements = row_count(&check->cache, check->cache_count);
	const AccumLimitDef *broken;
	bool		isnull;

	if (movements == 0)
		return;
	ExecClearTuple(check->row);
	for (int i = 0; i < reg->ndims + reg->nresources; i++)
	{
		AttrNumber	attnum = i < reg->ndims ? columns->dims[i] : columns->resources[i - reg->ndims];

		check->row->tts_values[i] = slot_getattr(stored, attnum, &check->row->tts_isnull[i]);
	}
	ExecStoreVirtualTuple(check->row);
	broken = find_broken(check, false);
	if (broken != NULL)
		balance_broken(check, broken, change);
	if (check->every_date)
		check_days(check, change, DatumGetInt64(slot_getattr(stored, columns->dim_hash, &isnull)),
				   movements);
	ResetExprContext(check->econtext);
}

/*
 * Read what was done to the next cell of a set, whose entry is given; returns the
 * first entry of the cell after it.
 */
static const AccumDeltaEntry *
read_change(AccumRegister *reg, AccumDeltaSet *set, const AccumDeltaEntry *entry, CellChange *change)
{
	*change = (CellChange) {.dim_hash = entry->dim_hash,.first_day = entry->unit_start};
	change->net = palloc0(sizeof(AccumSum) * reg->nresources);
	do
	{
		change->written = change->written || entry->has_last;
		for (int i = 0; i < reg->nresources; i++)
			accum_sum_add(&change->net[i], &entry->deltas[i].net, reg->resources[i].type);
		entry = accum_delta_set_next(set);
	} while (entry != NULL && entry->dim_hash == change->dim_hash);
	return entry;
}

/*
 * Look at the new balances of the cells of a delta set, which has been applied.
 *
 * Runs as the caller, whose rights decide what an error tells.  Raises
 * check_violation.
 */
void
accum_limits_check(AccumRegister *reg, AccumDeltaSet *set)
{
	const AccumLimits *limits = register_limits(reg);
	const AccumDeltaEntry *entry;
	Snapshot	snapshot;
	LimitCheck	check;

	/* What has been written counts from now on. */
	CommandCounterIncrement();
	snapshot = accum_direct_snapshot();
	check_open(&check, reg, limits, snapshot);
	accum_delta_set_rewind(set, reg->every_date ? ACCUM_TOTALS_DAY : ACCUM_BALANCE_CACHE);
	entry = accum_delta_set_next(set);
	while (entry != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(check.cell_context);
		CellChange	change;

		CHECK_FOR_INTERRUPTS();
		entry = read_change(reg, set, entry, &change);
		accum_cell_scan_find_key(&check.cache, change.dim_hash, 0);
		if (accum_cell_scan_next(&check.cache) == NULL)
			elog(ERROR, "a cell of register \"%s\" has no row after it was written", reg->name);
		check_cell(&check, &change);
		MemoryContextSwitchTo(old);
		MemoryContextReset(check.cell_context);
	}
	check_close(&check);
	UnregisterSnapshot(snapshot);
}

/*
 * Do all cells of a register keep to limits that it is about to get?  The caller
 * holds a lock on movements that keeps writers out.  Raises check_violation.
 */
void
accum_limits_check_cells(AccumRegister *reg, const AccumLimitDef *limits, int nlimits)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan;
	TupleTableSlot *slot;
	LimitCheck	check;

	check_open(&check, reg, limits_parse(reg, limits, nlimits), snapshot);
	slot = check.cache.slot;
	scan = table_beginscan(check.cache.rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(check.cell_context);

		CHECK_FOR_INTERRUPTS();
		check_cell(&check, NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(check.cell_context);
	}
	table_endscan(scan);
	check_close(&check);
	UnregisterSnapshot(snapshot);
}

/* Do sums fit the columns of balances? */
static bool
sums_fit(AccumRegister *reg, const AccumSum *sums)
{
	Datum		value;

	for (int i = 0; i < reg->nresources; i++)
	{
		if (!accum_row_sum_fits(&sums[i], &reg->resources[i], &value))
			return false;
	}
	return true;
}

/*
 * The names of limits that the new balance of a cell would break, had it net and so
 * many movements more: a list of strings.  Nothing is written.  Of a limit with
 * every_date only the balance of all movements is looked at, and a balance that does
 * not fit its columns breaks none.
 */
List *
accum_limits_broken_by(AccumRegister *reg, const Datum *dims, const bool *nulls,
					   const AccumSum *net, int64 movements, Snapshot snapshot)
{
	AccumSum   *sums = palloc0(sizeof(AccumSum) * reg->nresources);
	List	   *names = NIL;
	LimitCheck	check;

	if (reg->nlimits == 0)
		return NIL;
	check_open(&check, reg, register_limits(reg), snapshot);
	accum_cell_scan_find_key(&check.cache, accum_cell_hash(reg, dims, nulls), 0);
	if (accum_cell_scan_next(&check.cache) != NULL)
	{
		add_row(&check, &check.cache, 1, sums);
		movements += row_count(&check.cache, check.cache_count);
	}
	for (int i = 0; i < reg->nresources; i++)
		accum_sum_add(&sums[i], &net[i], reg->resources[i].type);
	if (movements > 0 && sums_fit(reg, sums))
	{
		ExecClearTuple(check.row);
		memset(check.row->tts_isnull, false, sizeof(bool) * (reg->ndims + reg->nresources));
		memcpy(check.row->tts_values, dims, sizeof(Datum) * reg->ndims);
		memcpy(check.row->tts_isnull, nulls, sizeof(bool) * reg->ndims);
		store_balance(&check, sums);
		ExecStoreVirtualTuple(check.row);
		for (check.current = 0; check.current < check.limits->n; check.current++)
		{
			if (!current_holds(&check))
				names = lappend(names, pstrdup(check.limits->defs[check.current].name));
		}
	}
	check_close(&check);
	return names;
}
