/*
 * document.c
 *		Documents as they are stored: read, locked, removed.
 *
 * A document's movements are found by the recorders map, which names the partitions
 * that hold them; each is visited with a statement planned for that range of periods,
 * so the cost does not grow with the number of partitions.  What is read or changed
 * here is read or changed as the caller, under the snapshot that the caller names; only
 * what has been reversed is looked up as the register's owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "document.h"
#include "horizon.h"
#include "moved.h"
#include "query.h"
#include "recorded.h"
#include "reversal.h"

#define ROWS_NAME "accum_batch"

/* Run the statement that inserts a batch, and let the reversals in it pass. */
static uint64
insert_expected(AccumRegister *reg, SPIPlanPtr plan, TupleDesc desc, Tuplestorestate *rows)
{
	AccumExpected *expected = accum_reversals_expect(reg, desc, rows);
	volatile uint64 n = 0;

	PG_TRY();
	{
		n = accum_query_run(plan, NULL, SPI_OK_INSERT);
	}
	PG_FINALLY();
	{
		accum_reversals_forget(expected);
	}
	PG_END_TRY();
	return n;
}

/* Insert a batch's rows as the caller, with a statement; returns how many it stored. */
int
accum_document_insert(AccumRegister *reg, TupleDesc desc, Tuplestorestate *rows)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_INSERT};
	AccumQueryState state;
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	uint64		n;

	accum_query_begin(&state, InvalidOid);
	accum_query_rows(ROWS_NAME, desc, rows);
	if (*plan == NULL)
	{
		StringInfoData columns;

		initStringInfo(&columns);
		accum_batch_append_columns(&columns, reg);
		*plan = accum_query_prepare(psprintf("INSERT INTO %s (%s) SELECT %s FROM " ROWS_NAME,
											 reg->relation_names[ACCUM_MOVEMENTS],
											 columns.data, columns.data),
									0, NULL, false);
	}
	if (reg->history)
		n = insert_expected(reg, *plan, desc, rows);
	else
		n = accum_query_run(*plan, NULL, SPI_OK_INSERT);
	accum_query_forget_rows(ROWS_NAME);
	accum_query_end(&state);
	return (int) n;
}

/* May the movements of documents in these units be looked for, and changed? */
void
accum_documents_check(AccumRegister *reg, const List *units)
{
	ListCell   *lc;

	foreach(lc, units)
	{
		Datum		from;
		Datum		to;

		accum_horizon_check_document(reg, lfirst_int(lc));
		accum_recorders_unit_bounds(reg, lfirst_int(lc), &from, &to);
		accum_moved_check(reg, DatumGetTimestampTz(from), DatumGetTimestampTz(to));
	}
}

/* accum_recorders_lock as the register's owner, who first claims a document. */
bool
accum_documents_lock(AccumRegister *reg, const List *groups, const AccumDocumentKey *claim,
					 AccumDocumentLock *lock)
{
	AccumQueryState state;
	bool		known;

	accum_identity_begin(&state, accum_register_owner(reg));
	if (claim != NULL)
		accum_recorder_claim(reg, claim);
	known = accum_recorders_lock(reg, groups, lock);
	accum_identity_end(&state);
	if (known)
		accum_documents_check(reg, lock->units);
	return known;
}

/* accum_recorders_bump as the register's owner. */
void
accum_documents_bump(AccumRegister *reg, AccumDocumentLock *lock)
{
	AccumQueryState state;

	accum_identity_begin(&state, accum_register_owner(reg));
	accum_recorders_bump(reg, lock);
	accum_identity_end(&state);
}

/*
 * Statements on the rows of documents in one unit have these parameters in common: $1
 * the recorders of a group, $2 and $3 the unit's bounds, $4 in a secured register the
 * group's scope.
 */
#define UNIT_PARAMETERS 4

/* Their types; returns how many there are. */
static int
unit_types(AccumRegister *reg, Oid *types)
{
	types[0] = get_array_type(reg->recorder.type);
	types[1] = types[2] = TIMESTAMPTZOID;
	if (!accum_register_secured(reg))
		return UNIT_PARAMETERS - 1;
	types[3] = reg->row_dims[reg->secured].type;
	return UNIT_PARAMETERS;
}

static void
unit_values(AccumRegister *reg, const AccumDocumentGroup *group, AccumDay unit, Datum *values)
{
	values[0] = PointerGetDatum(group->recorders);
	accum_recorders_unit_bounds(reg, unit, &values[1], &values[2]);
	values[3] = group->scope;
}

/* The condition that goes with them. */
static char *
unit_condition(AccumRegister *reg)
{
	const char *scope = accum_register_secured(reg) ?
		accum_ident(reg->row_dims[reg->secured].name, "") : NULL;

	return psprintf("recorder OPERATOR(pg_catalog.=) ANY ($1) AND period OPERATOR(pg_catalog.>=) $2 "
					"AND period OPERATOR(pg_catalog.<) $3%s",
					accum_scope_condition(reg, scope, psprintf("$%d", UNIT_PARAMETERS)));
}

/*
 * Run a statement on the rows of documents in one unit, whose plan it is given; returns
 * how many there are in SPI_tuptable.
 */
static uint64
select_unit(AccumRegister *reg, SPIPlanPtr *plan, const char *columns, const char *condition,
			const AccumDocumentGroup *group, AccumDay unit, Snapshot snapshot)
{
	Oid			types[UNIT_PARAMETERS];
	Datum		values[UNIT_PARAMETERS];
	int			n = unit_types(reg, types);

	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT %s, id FROM %s WHERE %s%s", columns,
											 reg->relation_names[ACCUM_MOVEMENTS],
											 unit_condition(reg), condition),
									n, types, true);
	unit_values(reg, group, unit, values);
	return accum_query_run_at(*plan, values, snapshot, SPI_OK_SELECT);
}

/* Remove, as the caller, the rows of locked documents with statements; returns how many. */
int
accum_documents_delete(AccumRegister *reg, const AccumDocumentLock *lock)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_DELETE};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	Oid			types[UNIT_PARAMETERS];
	int			ntypes = unit_types(reg, types);
	AccumQueryState state;
	ListCell   *lg;
	ListCell   *lu;
	int			n = 0;

	accum_query_begin(&state, InvalidOid);
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("DELETE FROM %s WHERE %s",
											 reg->relation_names[ACCUM_MOVEMENTS], unit_condition(reg)),
									ntypes, types, true);
	foreach(lg, lock->groups)
	{
		foreach(lu, lock->units)
		{
			Datum		values[UNIT_PARAMETERS];

			unit_values(reg, lfirst(lg), lfirst_int(lu), values);
			n += accum_query_run_at(*plan, values, lock->seen, SPI_OK_DELETE);
		}
	}
	accum_query_end(&state);
	return n;
}

/* The same for the rows of a group in one unit but for those to keep; SPI is connected. */
void
accum_documents_delete_others(AccumRegister *reg, const AccumDocumentGroup *group, AccumDay unit,
							  Snapshot snapshot, Datum *kept, int nkept)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_DELETE_OTHERS};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	Oid			types[UNIT_PARAMETERS + 1];
	Datum		values[UNIT_PARAMETERS + 1];
	int			n = unit_types(reg, types);

	types[n] = UUIDARRAYOID;
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("DELETE FROM %s WHERE %s AND id OPERATOR(pg_catalog.<>) ALL ($%d)",
											 reg->relation_names[ACCUM_MOVEMENTS], unit_condition(reg),
											 n + 1),
									n + 1, types, true);
	unit_values(reg, group, unit, values);
	values[n] = PointerGetDatum(construct_array(kept, nkept, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	(void) accum_query_run_at(*plan, values, snapshot, SPI_OK_DELETE);
}

/* What is written to a document is not recorded before what it has. */
static void
note_recorded(AccumRegister *reg, HeapTuple row, TupleDesc desc, int column)
{
	bool		isnull;
	Datum		recorded_at = SPI_getbinval(row, desc, column, &isnull);

	accum_recorded_after(reg, DatumGetTimestampTz(recorded_at));
}

/* Enter what the reversals of a group of documents in one unit point to. */
static void
note_reversed(AccumRegister *reg, const AccumStored *stored, const AccumDocumentGroup *group,
			  AccumDay unit, HTAB *reversed)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_REVERSED};
	uint64		n = select_unit(reg, accum_register_plan(reg, &key), "reverses, recorded_at",
								" AND reverses IS NOT NULL", group, unit, stored->snapshot);

	for (uint64 r = 0; r < n; r++)
	{
		HeapTuple	row = SPI_tuptable->vals[r];
		bool		isnull;
		Datum		reverses = SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull);

		CHECK_FOR_INTERRUPTS();
		if (stored->to_change)
			note_recorded(reg, row, SPI_tuptable->tupdesc, 2);
		(void) hash_search(reversed, DatumGetUUIDP(reverses), HASH_ENTER, NULL);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * The ids of the documents' movements that have been reversed, in a register with
 * history.
 *
 * That is so whatever the caller may see: they are read as the register's owner.
 */
static HTAB *
reversed_movements(AccumRegister *reg, const AccumStored *stored)
{
	HASHCTL		info = {.keysize = UUID_LEN,.entrysize = UUID_LEN,.hcxt = CurrentMemoryContext};
	HTAB	   *reversed = hash_create("accum reversed movements", 64, &info,
									   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	AccumQueryState state;
	const ListCell *lg;
	const ListCell *lu;

	accum_query_begin(&state, accum_register_owner(reg));
	foreach(lg, stored->groups)
	{
		foreach(lu, stored->units)
			note_reversed(reg, stored, lfirst(lg), lfirst_int(lu), reversed);
	}
	accum_query_end(&state);
	return reversed;
}

/* Is a movement, whose id comes last, among those that have been reversed? */
static bool
row_reversed(HTAB *reversed, HeapTuple row, TupleDesc desc)
{
	bool		isnull;
	Datum		id = SPI_getbinval(row, desc, desc->natts, &isnull);

	return hash_search(reversed, DatumGetUUIDP(id), HASH_FIND, NULL) != NULL;
}

/* The columns of a stored row that is shown, but for id. */
static const char *
shown_columns(AccumRegister *reg)
{
	StringInfoData columns;

	initStringInfo(&columns);
	accum_batch_append_columns(&columns, reg);
	if (reg->history)
		appendStringInfoString(&columns, ", recorded_at");
	return columns.data;
}

/* accum_recorders_units as the register's owner. */
List *
accum_documents_units(AccumRegister *reg, const List *groups, Snapshot snapshot)
{
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	List	   *units;

	accum_query_begin(&state, accum_register_owner(reg));
	units = accum_recorders_units(reg, groups, snapshot, context);
	accum_query_end(&state);
	return units;
}

/* Documents that are being visited. */
typedef struct Visit
{
	const AccumStored *stored;
	HTAB	   *reversed;		/* NULL without history */
	AccumRowVisit visit;
	void	   *arg;
	MemoryContext context;		/* to call visit in */
} Visit;

/* Show the rows of a group of documents in one unit. */
static void
visit_unit(AccumRegister *reg, const Visit *visit, const AccumDocumentGroup *group, AccumDay unit)
{
	const AccumStored *stored = visit->stored;
	AccumPlanKey key = {.purpose = ACCUM_PLAN_SELECT,.variant = OidIsValid(stored->role)};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	uint64		n = select_unit(reg, plan, *plan == NULL ? shown_columns(reg) : NULL,
								reg->history ? " AND reverses IS NULL" : "", group, unit,
								stored->snapshot);
	SPITupleTable *rows = SPI_tuptable;
	MemoryContext old = MemoryContextSwitchTo(visit->context);

	for (uint64 r = 0; r < n; r++)
	{
		HeapTuple	row = rows->vals[r];

		CHECK_FOR_INTERRUPTS();
		if (reg->history && stored->to_change)
			note_recorded(reg, row, rows->tupdesc, rows->tupdesc->natts - 1);
		if (visit->reversed == NULL || !row_reversed(visit->reversed, row, rows->tupdesc))
			visit->visit(visit->arg, row, rows->tupdesc);
	}
	MemoryContextSwitchTo(old);
	SPI_freetuptable(rows);
}

/*
 * Show the rows of documents that are in force to a function, in the current context:
 * the columns of a batch, with history recorded_at, and id.  Nothing is locked.
 */
void
accum_documents_visit(AccumRegister *reg, const AccumStored *stored, AccumRowVisit function,
					  void *arg)
{
	Visit		visit = {
		.stored = stored,
		.reversed = reg->history ? reversed_movements(reg, stored) : NULL,
		.visit = function,
		.arg = arg,
		.context = CurrentMemoryContext,
	};
	AccumQueryState state;
	const ListCell *lg;
	const ListCell *lu;

	accum_query_begin(&state, stored->role);
	foreach(lg, stored->groups)
	{
		foreach(lu, stored->units)
			visit_unit(reg, &visit, lfirst(lg), lfirst_int(lu));
	}
	accum_query_end(&state);
	if (visit.reversed != NULL)
		hash_destroy(visit.reversed);
}
