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
 *
 * A change that is only thought of (register_preview) is looked at in the same way:
 * what it adds to the cell and to its days is taken into account on the way.
 */
#include "postgres.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/date.h"
#include "utils/datum.h"
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

/* What a change adds to a cell on one day. */
typedef struct CellDay
{
	AccumDay	day;
	int64		movements;
	AccumSum   *net;
} CellDay;

/* A change of a cell, which has been made or would be. */
typedef struct CellChange
{
	int64		dim_hash;
	Datum	   *dims;			/* only of one that would be, as */
	bool	   *nulls;
	List	   *days;			/* CellDay by day: totals do not have them */
	AccumDay	first_day;		/* on which anything is changed */
	bool		written;		/* movements are written, not only removed */
	int64		movements;		/* how many more */
	AccumSum   *net;
} CellChange;

/* What a cell has at the end of some day. */
typedef struct CellBalance
{
	int64		movements;
	AccumSum   *sums;
} CellBalance;

/* A look at some cells. */
typedef struct LimitCheck
{
	AccumRegister *reg;
	const AccumLimits *limits;
	bool		every_date;		/* has one of them that? */
	ExprState **states;
	int			current;		/* the limit that is looked at */
	bool	   *broken;			/* to be set by limit; NULL: the first one is an error */
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

/* May the caller know every balance that the limits look at? */
static bool
may_read_balances(AccumRegister *reg, bool every_date)
{
	return may_read(reg, ACCUM_BALANCE_CACHE) && (!every_date || may_read(reg, ACCUM_TOTALS_DAY));
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

	if (!may_read_balances(reg, limit->every_date))
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

/*
 * The first of the limits, with every_date or without, that the balance in row
 * breaks; NULL when there is none.  Where they are only to be noted, all are, and
 * the result is NULL.
 */
static const AccumLimitDef *
find_broken(LimitCheck *check, bool every_date)
{
	ErrorContextCallback callback = {error_context_stack, name_limit, check};
	const AccumLimitDef *broken = NULL;

	error_context_stack = &callback;
	for (check->current = 0; broken == NULL && check->current < check->limits->n; check->current++)
	{
		const AccumLimitDef *limit = &check->limits->defs[check->current];
		Datum		holds;
		bool		isnull;

		if (limit->every_date != every_date)
			continue;
		holds = ExecEvalExprSwitchContext(check->states[check->current], check->econtext, &isnull);
		if (isnull || DatumGetBool(holds))
			continue;
		if (check->broken != NULL)
			check->broken[check->current] = true;
		else
			broken = limit;
	}
	error_context_stack = callback.previous;
	return broken;
}

/* Put the cell's values into row. */
static void
store_cell(LimitCheck *check, const Datum *dims, const bool *nulls)
{
	ExecClearTuple(check->row);
	memset(check->row->tts_isnull, false, sizeof(bool) * check->limits->desc->natts);
	memcpy(check->row->tts_values, dims, sizeof(Datum) * check->reg->ndims);
	memcpy(check->row->tts_isnull, nulls, sizeof(bool) * check->reg->ndims);
	ExecStoreVirtualTuple(check->row);
}

/*
 * Put a balance into row.  Every one that is stored fits its columns, but the end of a
 * day may not: false when limits are only noted, else an error.
 */
static bool
store_balance(LimitCheck *check, const CellBalance *balance)
{
	AccumRegister *reg = check->reg;
	Datum	   *values = check->row->tts_values;
	MemoryContext old = MemoryContextSwitchTo(check->econtext->ecxt_per_tuple_memory);
	bool		fits = true;

	for (int i = 0; fits && i < reg->nresources; i++)
	{
		fits = accum_row_sum_fits(&balance->sums[i], &reg->resources[i], &values[reg->ndims + i]);
		if (!fits && check->broken == NULL)
			accum_row_out_of_range(reg, ACCUM_TOTALS_DAY, 0, values, check->row->tts_isnull,
								   reg->resources[i].name);
	}
	MemoryContextSwitchTo(old);
	return fits;
}

/* Add what a derived row holds to a balance, or with sign -1 take it away. */
static void
add_row(LimitCheck *check, const AccumCellScan *scan, AttrNumber count, int sign,
		CellBalance *balance)
{
	AccumRegister *reg = check->reg;
	Datum		value;
	bool		isnull;

	for (int i = 0; i < reg->nresources; i++)
	{
		value = slot_getattr(scan->slot, scan->columns->resources[i], &isnull);
		if (!isnull)
			accum_sum_add_value(&balance->sums[i], reg->resources[i].type, value, sign);
	}
	value = slot_getattr(scan->slot, count, &isnull);
	if (!isnull)
		balance->movements += sign * DatumGetInt64(value);
}

/* Take a change from a balance. */
static void
subtract(AccumRegister *reg, CellBalance *balance, const AccumSum *net, int64 movements)
{
	for (int i = 0; i < reg->nresources; i++)
		accum_sum_subtract(&balance->sums[i], &net[i], reg->resources[i].type);
	balance->movements -= movements;
}

/* The day of totals that the walk has come to; ACCUM_DAY_MIN after the last ones. */
static AccumDay
next_totals(LimitCheck *check)
{
	TupleTableSlot *row = accum_cell_scan_previous(&check->days);
	bool		isnull;

	return row == NULL ? ACCUM_DAY_MIN
		: DatumGetDateADT(slot_getattr(row, check->days.columns->period, &isnull));
}

static char *
day_detail(const LimitCheck *check, AccumDay day, const char *has)
{
	int			year;
	int			month;
	int			month_day;

	accum_day_to_civil(day, &year, &month, &month_day);
	return psprintf("Cell %s %s %s at the end of %04d-%02d-%02d.", cell_text(check), has,
					balance_text(check), year, month, month_day);
}

/*
 * Walk the days of a cell backwards from its balance; see the banner.  On the way the
 * balance becomes that of the end of each day.
 */
static void
check_days(LimitCheck *check, const CellChange *change, int64 dim_hash, CellBalance *balance)
{
	AccumPeriodRange later = {.has_from = change != NULL,.ge = F_DATE_GE};
	const AccumLimitDef *broken = NULL;
	char	   *detail = NULL;
	int			ndays = change != NULL ? list_length(change->days) : 0;
	AccumDay	totals;

	if (change != NULL)
		later.from = DateADTGetDatum(change->first_day + 1);
	accum_cell_scan_find(&check->days, dim_hash, &later);
	totals = next_totals(check);
	for (;;)
	{
		/* The first day of a change is where the walk ends, none to be taken away. */
		const CellDay *added = ndays > 1 ? list_nth(change->days, ndays - 1) : NULL;
		AccumDay	day = Max(totals, added != NULL ? added->day : ACCUM_DAY_MIN);
		bool		more = day != ACCUM_DAY_MIN;
		const AccumLimitDef *limit = NULL;

		if (!more && change == NULL)
			break;				/* before all movements */
		if (!more)
			day = change->first_day;
		if (balance->movements > 0 && store_balance(check, balance))
			limit = find_broken(check, true);
		if (limit != NULL)
		{
			broken = limit;
			detail = day_detail(check, day, change != NULL ? "would have" : "has");
		}
		ResetExprContext(check->econtext);
		if (!more)
			break;
		if (totals == day)
		{
			add_row(check, &check->days, check->days_count, -1, balance);
			totals = next_totals(check);
		}
		if (added != NULL && added->day == day)
		{
			subtract(check->reg, balance, added->net, added->movements);
			ndays--;
		}
	}
	if (broken != NULL)
		limit_broken(check, broken, change, detail);
}

/* A balance breaks a limit: tell it, for a change with the balance before. */
static void
balance_broken(LimitCheck *check, const AccumLimitDef *limit, const CellChange *change,
			   CellBalance *balance)
{
	char	   *now = balance_text(check);

	if (change == NULL)
		limit_broken(check, limit, NULL, psprintf("Cell %s has %s.", cell_text(check), now));
	subtract(check->reg, balance, change->net, change->movements);
	(void) store_balance(check, balance);
	limit_broken(check, limit, change,
				 psprintf("Cell %s has %s and would have %s.", cell_text(check),
						  balance_text(check), now));
}

/* Look at the cell in row with a balance, which is used up. */
static void
check_balance(LimitCheck *check, const CellChange *change, int64 dim_hash, CellBalance *balance)
{
	const AccumLimitDef *broken;

	if (balance->movements == 0 || !store_balance(check, balance))
		return;
	broken = find_broken(check, false);
	if (broken != NULL)
		balance_broken(check, broken, change, balance);
	ResetExprContext(check->econtext);
	if (check->every_date)
		check_days(check, change, dim_hash, balance);
}

/* Look at the cell whose row in the cache the scan has come to. */
static void
check_stored(LimitCheck *check, const CellChange *change)
{
	AccumRegister *reg = check->reg;
	const AccumCellColumns *columns = check->cache.columns;
	CellBalance balance = {.sums = palloc0(sizeof(AccumSum) * reg->nresources)};
	Datum	   *dims = palloc(sizeof(Datum) * (reg->ndims + 1));
	bool	   *nulls = palloc(sizeof(bool) * (reg->ndims + 1));
	bool		isnull;

	for (int i = 0; i < reg->ndims; i++)
		dims[i] = slot_getattr(check->cache.slot, columns->dims[i], &nulls[i]);
	store_cell(check, dims, nulls);
	add_row(check, &check->cache, check->cache_count, 1, &balance);
	check_balance(check, change,
				  DatumGetInt64(slot_getattr(check->cache.slot, columns->dim_hash, &isnull)),
				  &balance);
}

/* The net sums of an entry, copied. */
static AccumSum *
entry_net(AccumRegister *reg, const AccumDeltaEntry *entry)
{
	AccumSum   *net = palloc0(sizeof(AccumSum) * reg->nresources);

	for (int i = 0; i < reg->nresources; i++)
		accum_sum_add(&net[i], &entry->deltas[i].net, reg->resources[i].type);
	return net;
}

/* What a change has to know of a cell and its days when they do not have it yet. */
static void
note_day(AccumRegister *reg, CellChange *change, const AccumDeltaEntry *entry)
{
	CellDay    *day = palloc(sizeof(CellDay));

	*day = (CellDay) {entry->unit_start, entry->movements, entry_net(reg, entry)};
	change->days = lappend(change->days, day);
	if (change->dims != NULL)
		return;
	change->dims = palloc(sizeof(Datum) * (reg->ndims + 1));
	change->nulls = palloc(sizeof(bool) * (reg->ndims + 1));
	for (int i = 0; i < reg->ndims; i++)
	{
		change->nulls[i] = entry->nulls[i];
		change->dims[i] = entry->nulls[i] ? (Datum) 0
			: datumCopy(entry->dims[i], reg->dims[i].typbyval, reg->dims[i].typlen);
	}
}

/*
 * Read what was done to the next cell of a set, whose entry is given, or what would
 * be; returns the first entry of the cell after it.
 */
static const AccumDeltaEntry *
read_change(AccumRegister *reg, AccumDeltaSet *set, const AccumDeltaEntry *entry, bool would_be,
			CellChange *change)
{
	*change = (CellChange) {.dim_hash = entry->dim_hash,.first_day = entry->unit_start};
	change->net = palloc0(sizeof(AccumSum) * reg->nresources);
	do
	{
		change->written = change->written || entry->has_last;
		change->movements += entry->movements;
		for (int i = 0; i < reg->nresources; i++)
			accum_sum_add(&change->net[i], &entry->deltas[i].net, reg->resources[i].type);
		if (would_be)
			note_day(reg, change, entry);
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
		entry = read_change(reg, set, entry, false, &change);
		accum_cell_scan_find_key(&check.cache, change.dim_hash, 0);
		if (accum_cell_scan_next(&check.cache) == NULL)
			elog(ERROR, "a cell of register \"%s\" has no row after it was written", reg->name);
		check_stored(&check, &change);
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
		check_stored(&check, NULL);
		MemoryContextSwitchTo(old);
		MemoryContextReset(check.cell_context);
	}
	table_endscan(scan);
	check_close(&check);
	UnregisterSnapshot(snapshot);
}

/* Look at a cell as it would be; marks the limits that it would break. */
static void
foresee_cell(LimitCheck *check, const CellChange *change)
{
	AccumRegister *reg = check->reg;
	CellBalance balance = {.sums = palloc0(sizeof(AccumSum) * reg->nresources)};

	memset(check->broken, false, sizeof(bool) * check->limits->n);
	store_cell(check, change->dims, change->nulls);
	accum_cell_scan_find_key(&check->cache, change->dim_hash, 0);
	if (accum_cell_scan_next(&check->cache) != NULL)
		add_row(check, &check->cache, check->cache_count, 1, &balance);
	for (int i = 0; i < reg->nresources; i++)
		accum_sum_add(&balance.sums[i], &change->net[i], reg->resources[i].type);
	balance.movements += change->movements;
	check_balance(check, change, change->dim_hash, &balance);
}

/*
 * Find the limits that the cells of a delta set would break if it were applied, and
 * hand each of them over.  Nothing is written or locked; what a snapshot shows is what
 * there is.  Returns false, with nothing looked at, when the caller may not read all
 * balances: to ask for what would be is not to be a way to find them out.
 */
bool
accum_limits_foresee(AccumRegister *reg, AccumDeltaSet *set, Snapshot snapshot,
					 AccumLimitVisitor visit, void *arg)
{
	const AccumLimits *limits = register_limits(reg);
	const AccumDeltaEntry *entry;
	LimitCheck	check;

	if (!may_read_balances(reg, reg->every_date))
		return false;
	check_open(&check, reg, limits, snapshot);
	check.broken = palloc(sizeof(bool) * limits->n);
	accum_delta_set_rewind(set, reg->every_date ? ACCUM_TOTALS_DAY : ACCUM_BALANCE_CACHE);
	entry = accum_delta_set_next(set);
	while (entry != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(check.cell_context);
		CellChange	change;

		CHECK_FOR_INTERRUPTS();
		entry = read_change(reg, set, entry, true, &change);
		foresee_cell(&check, &change);
		MemoryContextSwitchTo(old);
		for (int i = 0; i < limits->n; i++)
		{
			if (check.broken[i])
				visit(arg, change.dims, change.nulls, limits->defs[i].name);
		}
		MemoryContextReset(check.cell_context);
	}
	check_close(&check);
	return true;
}
