/*
 * derived.c
 *		The one writer of derived tables.
 *
 * Applies a delta set to balance cache and totals, one table after the other: the
 * cache in the order of dim_hash, totals in that of (period, dim_hash).  All
 * sessions write in this one order, so they cannot deadlock on derived rows.  Of
 * the tables the balance cache comes first: whoever holds a cell's row there is
 * alone with the cell.  Of totals the period comes first, so that the rows of a
 * unit lie together, which is how turnovers read them.
 *
 * One statement per table takes the entries as a row set and upserts them.  Its
 * condition compares dimension values; a row that fails it has the hash of
 * another cell, is left alone, and is missed in the count.
 *
 * Derived tables refuse everybody's DML (see triggers.c) but that of this
 * module: while it runs a statement it says on which table.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "derived.h"
#include "query.h"
#include "stats.h"

#define PLAN_UPSERT 1
#define ROWS_NAME "accum_delta"

/* The guarded table that the engine is writing, and the cell it has come to. */
static Oid	target = InvalidOid;
static int64 target_dim_hash;

/* Is the engine itself, and nobody else, writing this table now? */
bool
accum_derived_writes(Oid relation)
{
	return target == relation;
}

/* Called by the upsert for each row, so that an error can name the cell. */
void
accum_derived_note_row(int64 dim_hash)
{
	target_dim_hash = dim_hash;
}

/* Have the register's tables still the names that statements call them by? */
static void
check_names(AccumRegister *reg)
{
	for (int role = 0; role < ACCUM_ROLES; role++)
	{
		char	   *name;

		if (!OidIsValid(reg->relations[role]))
			continue;
		name = get_rel_name(reg->relations[role]);
		if (name == NULL ||
			strcmp(reg->relation_names[role],
				   quote_qualified_identifier(get_namespace_name(get_rel_namespace(reg->relations[role])),
											  name)) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("relation %s of register \"%s\" was renamed meanwhile",
							reg->relation_names[role], reg->name)));
	}
}

/*
 * Run a statement that writes a guarded table; returns the rows it handled.
 * snapshot as for accum_query_run_at.
 */
uint64
accum_derived_run(AccumRegister *reg, SPIPlanPtr plan, Oid relation, Datum *values,
				  Snapshot snapshot, int expected)
{
	Oid			outer = target;
	uint64		processed;

	/*
	 * The statement names the table.  Under the lock its name is what it was when
	 * the register was loaded, or the entry has been marked.
	 */
	LockRelationOid(relation, RowExclusiveLock);
	if (!reg->valid)
		check_names(reg);
	target = relation;
	PG_TRY();
	{
		processed = accum_query_run_at(plan, values, snapshot, expected);
	}
	PG_FINALLY();
	{
		target = outer;
	}
	PG_END_TRY();
	return processed;
}

static bool
is_totals(AccumRole role)
{
	return role != ACCUM_BALANCE_CACHE;
}

static void
append_columns(StringInfo sql, AccumRegister *reg, AccumRole role, const char *prefix)
{
	appendStringInfo(sql, "%s", is_totals(role) ? psprintf("%speriod, ", prefix) : "");
	for (int i = 0; i < reg->ndims; i++)
	{
		appendStringInfoString(sql, prefix);
		accum_append_ident(sql, reg->dims[i].name);
		appendStringInfoString(sql, ", ");
	}
	for (int i = 0; i < reg->nresources; i++)
	{
		appendStringInfoString(sql, prefix);
		accum_append_ident(sql, reg->resources[i].name);
		appendStringInfoString(sql, ", ");
		if (is_totals(role))
		{
			appendStringInfoString(sql, prefix);
			accum_append_ident(sql, psprintf("%s_receipt", reg->resources[i].name));
			appendStringInfoString(sql, ", ");
		}
	}
	if (!is_totals(role))
		appendStringInfo(sql, "%slast_movement_at, %slast_movement_id, %sversion, ",
						 prefix, prefix, prefix);
	appendStringInfo(sql, "%smovements_count", prefix);
}

static void
append_addition(StringInfo sql, const char *column)
{
	accum_append_ident(sql, column);
	appendStringInfoString(sql, " = t.");
	accum_append_ident(sql, column);
	appendStringInfoString(sql, " OPERATOR(pg_catalog.+) EXCLUDED.");
	accum_append_ident(sql, column);
	appendStringInfoString(sql, ", ");
}

/* The statement that applies the row set to one derived table. */
static char *
upsert_sql(AccumRegister *reg, AccumRole role)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s AS t (dim_hash, ", reg->relation_names[role]);
	append_columns(&sql, reg, role, "");
	appendStringInfoString(&sql, ") SELECT " ACCUM_SCHEMA "._note_row(d.dim_hash), ");
	append_columns(&sql, reg, role, "d.");
	appendStringInfo(&sql, " FROM " ROWS_NAME " d%s ON CONFLICT (dim_hash%s) DO UPDATE SET ",
					 is_totals(role) ? " ORDER BY d.period, d.dim_hash" : "",
					 is_totals(role) ? ", period" : "");
	for (int i = 0; i < reg->nresources; i++)
	{
		append_addition(&sql, reg->resources[i].name);
		if (is_totals(role))
			append_addition(&sql, psprintf("%s_receipt", reg->resources[i].name));
	}
	if (!is_totals(role))
	{
		append_addition(&sql, "version");
		appendStringInfoString(&sql,
							   "last_movement_at = COALESCE(EXCLUDED.last_movement_at, t.last_movement_at), "
							   "last_movement_id = COALESCE(EXCLUDED.last_movement_id, t.last_movement_id), ");
	}
	appendStringInfoString(&sql, "movements_count = t.movements_count OPERATOR(pg_catalog.+) EXCLUDED.movements_count WHERE ");
	accum_cell_append_equal(&sql, reg, "t", "EXCLUDED");
	return sql.data;
}

/* The row type of the row set: the columns of upsert_sql, in its order. */
static TupleDesc
rows_desc(AccumRegister *reg, AccumRole role)
{
	int			natts = is_totals(role) ? reg->ndims + 2 * reg->nresources + 3
		: reg->ndims + reg->nresources + 5;
	TupleDesc	desc = CreateTemplateTupleDesc(natts);
	int			n = 0;

	TupleDescInitEntry(desc, ++n, "dim_hash", INT8OID, -1, 0);
	if (is_totals(role))
		TupleDescInitEntry(desc, ++n, "period", DATEOID, -1, 0);
	for (int i = 0; i < reg->ndims; i++)
	{
		TupleDescInitEntry(desc, ++n, reg->dims[i].name, reg->dims[i].type,
						   reg->dims[i].typmod, 0);
		TupleDescInitEntryCollation(desc, n, reg->dims[i].collation);
	}
	for (int i = 0; i < reg->nresources; i++)
	{
		AccumColumn *res = &reg->resources[i];

		TupleDescInitEntry(desc, ++n, res->name, res->type, res->typmod, 0);
		if (is_totals(role))
			TupleDescInitEntry(desc, ++n, psprintf("%s_receipt", res->name),
							   res->type, res->typmod, 0);
	}
	if (!is_totals(role))
	{
		TupleDescInitEntry(desc, ++n, "last_movement_at", TIMESTAMPTZOID, -1, 0);
		TupleDescInitEntry(desc, ++n, "last_movement_id", UUIDOID, -1, 0);
		TupleDescInitEntry(desc, ++n, "version", INT8OID, -1, 0);
	}
	TupleDescInitEntry(desc, ++n, "movements_count", INT8OID, -1, 0);
	Assert(n == natts);
	return desc;
}

/* A sum that no longer fits, told with the cell. */
static void
sum_out_of_range(AccumRegister *reg, AccumRole role, const Datum *dims,
				 const bool *nulls, const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("sum in register \"%s\" is out of range: %s", reg->name, reason),
			 errdetail("Cell %s in %s.", accum_cell_text(reg, dims, nulls),
					   reg->relation_names[role])));
}

/* The sum as a value of the resource's type; false when it does not fit. */
static bool
sum_fits(const AccumSum *sum, const AccumColumn *resource, Datum *value)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool fits = false;

	PG_TRY();
	{
		fits = accum_sum_to_value(sum, resource->type, resource->typmod, value);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return fits;
}

/* One application of a delta set to one derived table. */
typedef struct Pass
{
	AccumRegister *reg;
	AccumRole	role;
	bool		second;			/* of two */
	bool		split;			/* some delta was too large for one */
	Tuplestorestate *rows;
	TupleTableSlot *slot;
} Pass;

/*
 * What a pass adds for one sum.
 *
 * A delta may be too large for its column although the result is not: from
 * 30000 to -30000 in a smallint.  It is then added in two halves, in two passes;
 * halves of any delta that leads from one value of the type to another fit.
 */
static Datum
pass_value(Pass *pass, const AccumDeltaEntry *entry, const AccumSum *sum,
		   const AccumColumn *resource)
{
	static const AccumSum nothing = {0};
	AccumSum	half;
	AccumSum	rest;
	Datum		value = (Datum) 0;

	if (sum_fits(sum, resource, &value))
	{
		if (pass->second)
			(void) sum_fits(&nothing, resource, &value);
		return value;
	}
	accum_sum_halve(sum, resource->type, &half, &rest);
	if (!sum_fits(pass->second ? &rest : &half, resource, &value))
		sum_out_of_range(pass->reg, pass->role, entry->dims, entry->nulls,
						 psprintf("resource \"%s\" does not fit its type", resource->name));
	pass->split = true;
	return value;
}

static void
rows_put(Pass *pass, const AccumDeltaEntry *entry)
{
	AccumRegister *reg = pass->reg;
	TupleTableSlot *slot = pass->slot;
	int			n = 0;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, sizeof(bool) * slot->tts_tupleDescriptor->natts);
	slot->tts_values[n++] = Int64GetDatum(entry->dim_hash);
	if (is_totals(pass->role))
		slot->tts_values[n++] = DateADTGetDatum(entry->unit_start);
	for (int i = 0; i < reg->ndims; i++)
	{
		slot->tts_isnull[n] = entry->nulls[i];
		slot->tts_values[n++] = entry->dims[i];
	}
	for (int i = 0; i < reg->nresources; i++)
	{
		slot->tts_values[n++] = pass_value(pass, entry, &entry->deltas[i].net,
										   &reg->resources[i]);
		if (is_totals(pass->role))
			slot->tts_values[n++] = pass_value(pass, entry, &entry->deltas[i].receipt,
											   &reg->resources[i]);
	}
	if (!is_totals(pass->role))
	{
		slot->tts_isnull[n] = slot->tts_isnull[n + 1] = !entry->has_last;
		slot->tts_values[n++] = TimestampTzGetDatum(entry->last_at);
		slot->tts_values[n++] = UUIDPGetDatum(&entry->last_id);
		slot->tts_values[n++] = Int64GetDatum(pass->second ? 0 : 1);
	}
	slot->tts_values[n++] = Int64GetDatum(pass->second ? 0 : entry->movements);
	Assert(n == slot->tts_tupleDescriptor->natts);
	ExecStoreVirtualTuple(slot);
	tuplestore_puttupleslot(pass->rows, slot);
}

/* Find in the row set the row that the upsert came to, for an error's detail. */
static void
blame_row(AccumRegister *reg, AccumRole role, Tuplestorestate *rows,
		  TupleDesc desc, const char *reason)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	int			first_dim = is_totals(role) ? 2 : 1;

	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		slot_getallattrs(slot);
		if (DatumGetInt64(slot->tts_values[0]) == target_dim_hash)
			sum_out_of_range(reg, role, slot->tts_values + first_dim,
							 slot->tts_isnull + first_dim, reason);
	}
	elog(ERROR, "%s", reason);
}

/*
 * Some rows were not written: their hash belongs to another cell.  Say which.
 */
static void
blame_collision(AccumRegister *reg, AccumRole role)
{
	StringInfoData sql;
	Datum		values[3 * ACCUM_MAX_COLUMNS + 5];
	bool		nulls[3 * ACCUM_MAX_COLUMNS + 5];

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT d.* FROM " ROWS_NAME " d JOIN %s t ON "
					 "d.dim_hash OPERATOR(pg_catalog.=) t.dim_hash WHERE NOT (",
					 reg->relation_names[role]);
	accum_cell_append_equal(&sql, reg, "t", "d");
	appendStringInfoString(&sql, ") LIMIT 1");
	if (accum_query_command(sql.data, SPI_OK_SELECT) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("two cells of register \"%s\" have the same hash", reg->name)));
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	accum_cell_collision(reg, values + (is_totals(role) ? 2 : 1),
						 nulls + (is_totals(role) ? 2 : 1));
}

/* Run the upsert of one derived table over a row set. */
static void
upsert(AccumRegister *reg, AccumRole role, Tuplestorestate *rows, TupleDesc desc)
{
	AccumPlanKey key = {.purpose = PLAN_UPSERT,.variant = role};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	MemoryContext context = CurrentMemoryContext;
	uint64		processed = 0;

	accum_query_rows(ROWS_NAME, desc, rows);
	if (*plan == NULL)
		*plan = accum_query_prepare(upsert_sql(reg, role), 0, NULL, false);
	PG_TRY();
	{
		processed = accum_derived_run(reg, *plan, reg->relations[role], NULL, InvalidSnapshot,
									  SPI_OK_INSERT);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (geterrcode() != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		blame_row(reg, role, rows, desc, error->message);
	}
	PG_END_TRY();
	if (processed != (uint64) tuplestore_tuple_count(rows))
		blame_collision(reg, role);
	accum_stats_add(reg, ACCUM_STAT_DERIVED_ROWS, processed);
	accum_query_forget_rows(ROWS_NAME);
}

/* Apply a delta set to one derived table; true when a second pass has to follow. */
static bool
apply_pass(AccumRegister *reg, AccumRole role, AccumDeltaSet *set, bool second)
{
	Pass		pass = {.reg = reg,.role = role,.second = second};
	TupleDesc	desc;
	MemoryContext scratch;
	const AccumDeltaEntry *entry;

	accum_delta_set_rewind(set, role);
	if ((entry = accum_delta_set_next(set)) == NULL)
		return false;

	desc = rows_desc(reg, role);
	pass.slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	pass.rows = tuplestore_begin_heap(false, false, work_mem);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "accum derived row",
									ALLOCSET_SMALL_SIZES);
	for (; entry != NULL; entry = accum_delta_set_next(set))
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);

		rows_put(&pass, entry);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	upsert(reg, role, pass.rows, desc);
	ExecDropSingleTupleTableSlot(pass.slot);
	tuplestore_end(pass.rows);
	MemoryContextDelete(scratch);
	return pass.split && !second;
}

/*
 * Apply a delta set to all derived tables of a register.
 *
 * Runs as the owner of the movements table.  Errors: unique_violation when two
 * cells share a hash, numeric_value_out_of_range when a sum does not fit.
 */
void
accum_derived_apply(AccumRegister *reg, AccumDeltaSet *set)
{
	for (AccumRole role = ACCUM_BALANCE_CACHE; role < ACCUM_ROLES; role++)
	{
		if (OidIsValid(reg->relations[role]) && apply_pass(reg, role, set, false))
			(void) apply_pass(reg, role, set, true);
	}
}
