/*
 * compat.h
 *		Differences between PostgreSQL 15, 16, 17 and 18; nothing else in the
 *		source looks at PG_VERSION_NUM.
 */
#ifndef ACCUM_COMPAT_H
#define ACCUM_COMPAT_H

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "executor/executor.h"
#include "parser/parse_type.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/relcache.h"

#if PG_VERSION_NUM < 150000
#error "pg_accumulator needs PostgreSQL 15 or later"
#endif

/* PostgreSQL 18 replaced pg_attribute_noreturn() with pg_noreturn. */
#if PG_VERSION_NUM >= 180000
#define ACCUM_NORETURN pg_noreturn
#else
#define ACCUM_NORETURN pg_attribute_noreturn()
#endif

/*
 * PostgreSQL 16 replaced pg_namespace_aclcheck and its siblings with
 * object_aclcheck (commit c727f511bd).
 */
static inline AclResult
accum_namespace_aclcheck(Oid namespace_oid, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, namespace_oid, role, mode);
#else
	return pg_namespace_aclcheck(namespace_oid, role, mode);
#endif
}

static inline bool
accum_owns_relation(Oid relation, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relation, role);
#else
	return pg_class_ownercheck(relation, role);
#endif
}

/*
 * PostgreSQL 16 gave parseTypeString an error-save context instead of a
 * missing_ok flag (commit c60488b474).  We want its errors in both.
 */
static inline void
accum_parse_type(const char *text, Oid *type, int32 *typmod)
{
#if PG_VERSION_NUM >= 160000
	parseTypeString(text, type, typmod, NULL);
#else
	parseTypeString(text, type, typmod, false);
#endif
}

/*
 * PostgreSQL 18 gave index_beginscan a place for instrumentation (commit
 * 0fbceae841).
 */
static inline IndexScanDesc
accum_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

/* PostgreSQL 18 asks whether a deferrable primary key is good enough (commit a4b5d88a69). */
static inline Oid
accum_primary_key_index(Relation rel)
{
#if PG_VERSION_NUM >= 180000
	return RelationGetPrimaryKeyIndex(rel, false);
#else
	return RelationGetPrimaryKeyIndex(rel);
#endif
}

/*
 * PostgreSQL 16 declares walkers with their arguments (commit 1c27d16e6e); before that they
 * have none, which C23 takes by the word.
 */
#if PG_VERSION_NUM >= 160000
#define ACCUM_WALKER(function) function
#else
#define ACCUM_WALKER(function) ((bool (*) ()) (void (*) (void)) (function))
#endif

/* PostgreSQL 16 calls a relation's file a locator (commit b0a55e4329). */
static inline bool
accum_read_recent_buffer(Relation rel, BlockNumber block, Buffer buffer)
{
#if PG_VERSION_NUM >= 160000
	return ReadRecentBuffer(rel->rd_locator, MAIN_FORKNUM, block, buffer);
#else
	return ReadRecentBuffer(rel->rd_node, MAIN_FORKNUM, block, buffer);
#endif
}

/*
 * The root of a btree, locked for reading; InvalidBuffer when there is none.  PostgreSQL
 * 16 wants the table, too, of who would create one (commit 61b313e47e).
 */
static inline Buffer
accum_bt_getroot(Relation index)
{
#if PG_VERSION_NUM >= 160000
	return _bt_getroot(index, NULL, BT_READ);
#else
	return _bt_getroot(index, BT_READ);
#endif
}

/* Before PostgreSQL 17 a snapshot could be too old for a page (commit f691f5b80a). */
static inline void
accum_test_for_old_snapshot(Snapshot snapshot, Relation rel, Page page)
{
#if PG_VERSION_NUM < 170000
	TestForOldSnapshot(snapshot, rel, page);
#endif
}

/* PostgreSQL 17 can end a transaction that takes too long (commit 51efe38cb9). */
static inline void
accum_disable_transaction_timeout(void)
{
#if PG_VERSION_NUM >= 170000
	SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
#endif
}

/*
 * PostgreSQL 16 tells whether an update needs new entries in all indexes or in
 * summarizing ones only (commit 19d8e2308b).
 */
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes AccumUpdateIndexes;
#define ACCUM_UPDATE_NO_INDEXES TU_None
#else
typedef bool AccumUpdateIndexes;
#define ACCUM_UPDATE_NO_INDEXES false
#endif

/* table_tuple_update, waiting for whoever else is updating the row. */
static inline TM_Result
accum_table_tuple_update(Relation rel, ItemPointer tid, TupleTableSlot *slot, CommandId cid,
						 Snapshot snapshot, TM_FailureData *failure, AccumUpdateIndexes *indexes)
{
	LockTupleMode lock_mode;

	return table_tuple_update(rel, tid, slot, cid, snapshot, InvalidSnapshot, true,
							  failure, &lock_mode, indexes);
}

/*
 * Is there no row with the same key of the arbiter index, once those who are writing
 * one are done?  PostgreSQL 18 wants to know the row's own place if it has one (commit
 * 9321d2fdf8).
 */
static inline bool
accum_check_index_constraints(ResultRelInfo *result, TupleTableSlot *slot, EState *estate,
							  List *arbiters)
{
	ItemPointerData conflict;

#if PG_VERSION_NUM >= 180000
	ItemPointerData none;

	ItemPointerSetInvalid(&none);
	return ExecCheckIndexConstraints(result, slot, estate, &conflict, &none, arbiters);
#else
	return ExecCheckIndexConstraints(result, slot, estate, &conflict, arbiters);
#endif
}

/*
 * ExecCloseIndices that keeps the locks, which a transaction with many posts would
 * take again and again.  PostgreSQL 17 has indexes tidy up after inserts (commit
 * c1ec02be1d).
 */
static inline void
accum_close_indices(ResultRelInfo *result)
{
	for (int i = 0; i < result->ri_NumIndices; i++)
	{
#if PG_VERSION_NUM >= 170000
		index_insert_cleanup(result->ri_IndexRelationDescs[i], result->ri_IndexRelationInfo[i]);
#endif
		index_close(result->ri_IndexRelationDescs[i], NoLock);
	}
}

/*
 * ExecInsertIndexTuples after an update, with what that said of indexes, or with
 * NULL after an insert.  conflict asks to be told of a duplicate key of the arbiter
 * index instead of an error.
 */
static inline void
accum_insert_index_tuples(ResultRelInfo *result, TupleTableSlot *slot, EState *estate,
						  const AccumUpdateIndexes *updated, bool *conflict, List *arbiters)
{
#if PG_VERSION_NUM >= 160000
	(void) ExecInsertIndexTuples(result, slot, estate, updated != NULL, conflict != NULL,
								 conflict, arbiters, updated != NULL && *updated == TU_Summarizing);
#else
	(void) ExecInsertIndexTuples(result, slot, estate, updated != NULL, conflict != NULL,
								 conflict, arbiters);
#endif
}

/*
 * Minor releases of August 2023 mark a database whose DROP was interrupted
 * (commit c66a7d75e6); before them nothing tells.
 */
static inline bool
accum_database_invalid(Form_pg_database database)
{
#ifdef DATCONNLIMIT_INVALID_DB
	return database->datconnlimit == DATCONNLIMIT_INVALID_DB;
#else
	return false;
#endif
}

#endif							/* ACCUM_COMPAT_H */
