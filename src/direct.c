/*
 * direct.c
 *		Rows written into a table without a statement.
 *
 * A statement for one row costs several times what writing the row does.  These
 * are the steps that the executor takes for one (nodeModifyTable.c,
 * execIndexing.c), for callers who have seen to it that the rest has nothing to
 * do: privileges, row security, triggers, defaults, generated columns.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "direct.h"

/* Developer setting pg_accumulator.debug_sql_writes. */
bool		accum_debug_sql_writes = false;

/* Only triggers that do what is done here anyway have these names. */
static bool
is_own_trigger(const char *name)
{
	return strcmp(name, "accum_guard") == 0 || strcmp(name, "zz_accum_prepare") == 0 ||
		strcmp(name, "accum_insert") == 0 || strcmp(name, "accum_delete") == 0;
}

/* May this session write rows without a statement? */
bool
accum_direct_enabled(void)
{
	return !accum_debug_sql_writes && SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA;
}

/*
 * Is a table as the register made it, with so many columns and nothing that a
 * statement would have to do beside writing rows, for the role that is acting?
 */
bool
accum_direct_plain(Relation rel, int ncolumns)
{
	TriggerDesc *triggers = rel->trigdesc;
	TupleConstr *constraints = RelationGetDescr(rel)->constr;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!is_own_trigger(trigger->tgname) ||
			(trigger->tgenabled != TRIGGER_FIRES_ON_ORIGIN && trigger->tgenabled != TRIGGER_FIRES_ALWAYS))
			return false;
	}
	return (!rel->rd_rel->relrowsecurity ||
			check_enable_rls(RelationGetRelid(rel), InvalidOid, true) != RLS_ENABLED) &&
		!rel->rd_rel->relhasrules &&
		(rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
		 (rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rel->relam == HEAP_TABLE_AM_OID)) &&
		RelationGetNumberOfAttributes(rel) == ncolumns &&
		(constraints == NULL || !constraints->has_generated_stored);
}

/* A snapshot that shows what is there now, or at the stricter levels ours. */
Snapshot
accum_direct_snapshot(void)
{
	return RegisterSnapshot(IsolationUsesXactSnapshot() ? GetTransactionSnapshot()
							: GetLatestSnapshot());
}

/*
 * Begin to write a table, which is locked, in the current memory context.  Refused
 * where an INSERT would be.
 */
void
accum_direct_open(AccumDirect *direct, Relation rel)
{
	PreventCommandIfReadOnly("INSERT");
	PreventCommandIfParallelMode("INSERT");
	direct->rel = rel;
	direct->context = CurrentMemoryContext;
	direct->estate = NULL;
}

static void
open_indices(AccumDirect *direct)
{
	MemoryContext old;

	if (direct->estate != NULL)
		return;
	old = MemoryContextSwitchTo(direct->context);
	direct->estate = CreateExecutorState();
	MemoryContextSwitchTo(direct->estate->es_query_cxt);

	/* InitResultRelInfo would copy triggers. */
	direct->result = makeNode(ResultRelInfo);
	direct->result->ri_RelationDesc = direct->rel;
	ExecOpenIndices(direct->result, false);
	direct->primary_key = NIL;
	for (int i = 0; i < direct->result->ri_NumIndices; i++)
	{
		Relation	index = direct->result->ri_IndexRelationDescs[i];

		if (index->rd_index->indisprimary)
			direct->primary_key = list_make1_oid(RelationGetRelid(index));
	}
	MemoryContextSwitchTo(old);
}

static void
check_constraints(AccumDirect *direct, TupleTableSlot *slot)
{
	if (RelationGetDescr(direct->rel)->constr != NULL)
		ExecConstraints(direct->result, slot, direct->estate);
}

/* Insert a row; a duplicate key is an error. */
void
accum_direct_insert(AccumDirect *direct, TupleTableSlot *slot)
{
	open_indices(direct);
	slot->tts_tableOid = RelationGetRelid(direct->rel);
	check_constraints(direct, slot);
	table_tuple_insert(direct->rel, slot, GetCurrentCommandId(true), 0, NULL);
	accum_insert_index_tuples(direct->result, slot, direct->estate, NULL, NULL, NIL);
	ResetPerTupleExprContext(direct->estate);
}

/* Get ready to look at who has the keys of a row that could not be inserted. */
static void
prepare_to_check(AccumDirect *direct)
{
	MemoryContext old = MemoryContextSwitchTo(direct->estate->es_query_cxt);

	for (int i = 0; i < direct->result->ri_NumIndices; i++)
	{
		IndexInfo  *info = direct->result->ri_IndexRelationInfo[i];

		if (info->ii_Unique && info->ii_UniqueOps == NULL)
			BuildSpeculativeIndexInfo(direct->result->ri_IndexRelationDescs[i], info);
	}
	MemoryContextSwitchTo(old);
}

/* Insert a row unless its primary key meets another row; false then, and nothing is there. */
static bool
insert_speculative(AccumDirect *direct, TupleTableSlot *slot)
{
	uint32		token = SpeculativeInsertionLockAcquire(GetCurrentTransactionId());
	bool		conflict = false;

	table_tuple_insert_speculative(direct->rel, slot, GetCurrentCommandId(true), 0, NULL, token);
	accum_insert_index_tuples(direct->result, slot, direct->estate, NULL, &conflict,
							  direct->primary_key);
	table_tuple_complete_speculative(direct->rel, slot, token, !conflict);
	SpeculativeInsertionLockRelease(GetCurrentTransactionId());
	ResetPerTupleExprContext(direct->estate);
	return !conflict;
}

/*
 * Insert a row that most likely has no other with its primary key; false, and a dead
 * row left behind, when it has one or somebody is about to insert it.  Waits for
 * nobody.
 */
bool
accum_direct_insert_hopefully(AccumDirect *direct, TupleTableSlot *slot)
{
	open_indices(direct);
	slot->tts_tableOid = RelationGetRelid(direct->rel);
	check_constraints(direct, slot);
	return insert_speculative(direct, slot);
}

/*
 * Insert a row, as ON CONFLICT DO NOTHING does for the primary key; false when
 * somebody else has inserted one with its key.  Waits for whoever is doing so.  A
 * duplicate in another index is an error.
 *
 * Nothing is looked for first: the caller has just done so, and found nothing.
 */
bool
accum_direct_insert_new(AccumDirect *direct, TupleTableSlot *slot)
{
	open_indices(direct);
	slot->tts_tableOid = RelationGetRelid(direct->rel);
	check_constraints(direct, slot);
	while (!insert_speculative(direct, slot))
	{
		/* Whoever was faster may have rolled back when we have waited. */
		prepare_to_check(direct);
		if (!accum_check_index_constraints(direct->result, slot, direct->estate,
										   direct->primary_key))
			return false;
	}
	return true;
}

/* As PostgreSQL has it for a row that was updated, or deleted, at the stricter isolation levels. */
void
accum_direct_serialization_failure(TM_Result result)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 result == TM_Deleted ? errmsg("could not serialize access due to concurrent delete")
			 : errmsg("could not serialize access due to concurrent update")));
}

/*
 * Put a new version, in slot, in the place of a stored row that the snapshot
 * shows.  Returns false when somebody else has changed the row since; then its
 * latest version is locked and in stored, for a new version to be made of it, or
 * stored is empty and the row has gone.
 */
bool
accum_direct_update(AccumDirect *direct, TupleTableSlot *stored, TupleTableSlot *slot,
					Snapshot snapshot)
{
	ItemPointerData tid = stored->tts_tid;
	CommandId	command = GetCurrentCommandId(true);
	AccumUpdateIndexes indexes;
	TM_FailureData failure;
	TM_Result	result;

	CheckCmdReplicaIdentity(direct->rel, CMD_UPDATE);
	slot->tts_tableOid = RelationGetRelid(direct->rel);
	if (RelationGetDescr(direct->rel)->constr != NULL &&
		RelationGetDescr(direct->rel)->constr->num_check > 0)
	{
		open_indices(direct);
		check_constraints(direct, slot);
	}
	result = accum_table_tuple_update(direct->rel, &tid, slot, command, snapshot,
									  &failure, &indexes);
	if (result == TM_Ok)
	{
		if (indexes != ACCUM_UPDATE_NO_INDEXES)
		{
			open_indices(direct);
			accum_insert_index_tuples(direct->result, slot, direct->estate, &indexes, NULL,
									  NIL);
			ResetPerTupleExprContext(direct->estate);
		}
		return true;
	}
	if (result != TM_Updated && result != TM_Deleted)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("row of \"%s\" to be updated was already changed by the current command",
						RelationGetRelationName(direct->rel))));
	if (IsolationUsesXactSnapshot())
		accum_direct_serialization_failure(TM_Updated);
	if (result == TM_Deleted ||
		table_tuple_lock(direct->rel, &tid, snapshot, stored, command, LockTupleNoKeyExclusive,
						 LockWaitBlock, TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure) != TM_Ok)
		ExecClearTuple(stored);
	return false;
}

/* What was written counts for the commands that follow.  Locks stay. */
void
accum_direct_close(AccumDirect *direct)
{
	if (direct->estate != NULL)
	{
		accum_close_indices(direct->result);
		FreeExecutorState(direct->estate);
	}
	CommandCounterIncrement();
}
