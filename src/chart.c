/*
 * chart.c
 *		The chart of accounts of a ledger.
 *
 * <register>_accounts is a table for users to fill.  Where it is strict, a posting may
 * only be made to accounts that are in it, are not closed, have no accounts below them,
 * and take its dimensions.
 *
 * The chart is read as the register's owner, in its newest state, and kept with the
 * register's entry.  Whoever changes it first locks movements against writers
 * (_chart_changes), so postings that have been checked are done, and afterwards has every
 * session forget what it knew.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "cell.h"
#include "chart.h"
#include "filter.h"
#include "query.h"

PG_FUNCTION_INFO_V1(accum_chart_changes);

typedef struct Account
{
	char	   *code;
	bool		closed;
	bool		is_group;
	AccumFilter cells;			/* whose postings it takes, */
	char	   *cells_text;		/* for people */
} Account;

/* All accounts, by code. */
typedef struct AccumChartAccounts
{
	Account    *accounts;
	int			n;
	MemoryContext context;		/* owns all of it */
} AccumChartAccounts;

static void
account_read(AccumRegister *reg, HeapTuple row, TupleDesc desc, Account *account)
{
	bool		isnull;
	Jsonb	   *dimensions = DatumGetJsonbPCopy(SPI_getbinval(row, desc, 4, &isnull));

	account->code = SPI_getvalue(row, desc, 1);
	account->closed = DatumGetBool(SPI_getbinval(row, desc, 2, &isnull));
	account->is_group = DatumGetBool(SPI_getbinval(row, desc, 3, &isnull));
	account->cells = accum_filter_parse(reg, dimensions);
	account->cells_text = JsonbToCString(NULL, &dimensions->root, VARSIZE(dimensions));
}

/* Read the chart into a context of its own below the current one. */
static AccumChartAccounts *
chart_load(AccumRegister *reg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "accum chart",
												  ALLOCSET_SMALL_SIZES);
	AccumChartAccounts *chart = MemoryContextAllocZero(context, sizeof(AccumChartAccounts));
	const char *table = reg->relation_names[ACCUM_ACCOUNTS];
	AccumQueryState state;
	MemoryContext old;

	chart->context = context;
	accum_query_begin(&state, accum_register_owner(reg));
	chart->n = (int) accum_query_run_newest(psprintf("SELECT a.account, a.closed, EXISTS (SELECT FROM %s b "
													 "WHERE b.parent OPERATOR(pg_catalog.=) a.account), a.dimensions "
													 "FROM %s a ORDER BY a.account COLLATE \"C\"", table, table),
											0, NULL, NULL, SPI_OK_SELECT);
	old = MemoryContextSwitchTo(context);
	chart->accounts = palloc(sizeof(Account) * (chart->n + 1));
	for (int i = 0; i < chart->n; i++)
		account_read(reg, SPI_tuptable->vals[i], SPI_tuptable->tupdesc, &chart->accounts[i]);
	MemoryContextSwitchTo(old);
	accum_query_end(&state);
	return chart;
}

static int
account_compare(const void *a, const void *b)
{
	return strcmp(((const Account *) a)->code, ((const Account *) b)->code);
}

/* May the current role see what the chart says? */
static bool
may_read(const AccumRegister *reg)
{
	return pg_class_aclcheck(reg->relations[ACCUM_ACCOUNTS], GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

static void
refuse(const AccumRegister *reg, const char *rule, const char *code, const char *why,
	   const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("account \"%s\" of ledger \"%s\" %s", code, reg->name, why),
			 errdetail("%s", detail),
			 accum_register_refuses(reg, ACCUM_ACCOUNTS, rule)));
}

/*
 * Refuse a posting to a cell whose account does not take it, as far as the ledger's
 * chart is strict.
 */
void
accum_chart_check(AccumRegister *reg, const Datum *dims, const bool *nulls)
{
	Account		key;
	Account    *account;

	if (reg->chart != ACCUM_CHART_STRICT)
		return;
	reg = accum_register_newest(reg);
	if (reg->chart_accounts == NULL)
	{
		AccumChartAccounts *chart = chart_load(reg);

		/* Only what is complete outlives an error. */
		MemoryContextSetParent(chart->context, reg->context);
		reg->chart_accounts = chart;
	}
	key.code = TextDatumGetCString(dims[ACCUM_ACCOUNT]);
	account = bsearch(&key, reg->chart_accounts->accounts, reg->chart_accounts->n,
					  sizeof(Account), account_compare);
	if (account == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("ledger \"%s\" has no account \"%s\"", reg->name, key.code),
				 errhint("Insert it into %s.", reg->relation_names[ACCUM_ACCOUNTS]),
				 accum_register_refuses(reg, ACCUM_ACCOUNTS, "account")));
	if (account->is_group)
		refuse(reg, "account_group", key.code, "is a group",
			   "Only accounts without others below them take postings.");
	if (account->closed)
		refuse(reg, "account_closed", key.code, "is closed", "It takes no postings any more.");
	for (int i = 0; i < reg->ndims; i++)
	{
		if (account->cells.given[i] &&
			!accum_column_equal(&reg->dims[i], account->cells.values[i], account->cells.nulls[i],
								dims[i], nulls[i]))
			refuse(reg, "account_dimensions", key.code, "does not take the posting",
				   may_read(reg) ? psprintf("It takes postings with %s only.", account->cells_text)
				   : "The chart of accounts restricts its dimensions.");
	}
	pfree(key.code);
}

/* Refuse rows with what are no dimensions of the ledger, or no values of them. */
static void
check_rows(AccumRegister *reg, TupleDesc desc, Tuplestorestate *rows)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "accum chart row",
												  ALLOCSET_SMALL_SIZES);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	AttrNumber	dimensions = SPI_fnumber(desc, "dimensions");

	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		(void) accum_filter_parse(reg, DatumGetJsonbP(slot_getattr(slot, dimensions, &isnull)));
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(context);
}

static void
called_wrongly(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function \"%s\" was not called as a trigger of a chart of accounts",
					"_chart_changes")));
}

/*
 * accum._chart_changes(), BEFORE INSERT, UPDATE, DELETE or TRUNCATE and AFTER INSERT,
 * UPDATE or DELETE with a transition table, FOR EACH STATEMENT on a chart of accounts
 *
 * Before: wait for those who have posted by the old chart.  TRUNCATE is refused: it has
 * locked the chart, which those may be about to read, before anything can be done here.
 * After: check what is new, and where a row has changed, have every session read the
 * chart anew.
 */
Datum
accum_chart_changes(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Tuplestorestate *rows;
	AccumRegister *reg;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		called_wrongly();
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("chart of accounts \"%s\" cannot be truncated",
						RelationGetRelationName(trigger->tg_relation)),
				 errhint("Use DELETE.")));
	reg = accum_register_of_chart(RelationGetRelid(trigger->tg_relation), ShareRowExclusiveLock);
	if (TRIGGER_FIRED_BEFORE(trigger->tg_event))
		return PointerGetDatum(NULL);

	rows = TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? trigger->tg_oldtable : trigger->tg_newtable;
	if (rows == NULL)
		called_wrongly();
	if (tuplestore_tuple_count(rows) == 0)
		return PointerGetDatum(NULL);
	if (!TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		check_rows(reg, RelationGetDescr(trigger->tg_relation), rows);
	CacheInvalidateRelcacheByRelid(reg->movements);
	return PointerGetDatum(NULL);
}
