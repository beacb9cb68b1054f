/*
 * guarded.c
 *		Writing tables that refuse everybody else's DML.
 *
 * Deltas, derived tables and the recorders map have a trigger (triggers.c) that
 * refuses every statement but those of this module: while it runs one, it says
 * on which table.  Movements have one that refuses to truncate them.
 */
#include "postgres.h"

#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "guarded.h"
#include "query.h"

/* The table that the engine is writing. */
static Oid	target = InvalidOid;

/* Is the engine itself, and nobody else, writing this table now? */
bool
accum_guarded_writes(Oid relation)
{
	return target == relation;
}

/*
 * Have the register's tables still the names that statements call them by?  To
 * be asked under a lock, of an entry that an invalidation has marked.
 */
static void
check_names(AccumRegister *reg)
{
	for (int role = 0; role < ACCUM_ROLES; role++)
	{
		char	   *name;

		if (!accum_register_has(reg, role))
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
accum_guarded_run(AccumRegister *reg, SPIPlanPtr plan, Oid relation, Datum *values,
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

/*
 * Run a statement on a guarded table once, on its newest rows; as for ALTER TABLE
 * they are what counts for whoever has locked the register.
 */
uint64
accum_guarded_run_newest(AccumRegister *reg, Oid relation, const char *sql, int nargs, Oid *types,
						 Datum *values, int expected)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SPIPlanPtr	plan = accum_query_prepare(sql, nargs, types, false);
	uint64		n = accum_guarded_run(reg, plan, relation, values, snapshot, expected);

	SPI_freeplan(plan);
	UnregisterSnapshot(snapshot);
	return n;
}
