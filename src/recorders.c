/*
 * recorders.c
 *		The map from documents to the partitions that hold their movements.
 *
 * <register>_recorders has one row per document and partition unit that it has
 * ever had a movement in, and for a document that was reposted, or posted with
 * p_once, a head row with unit_start = -infinity.  Rows are never removed.
 *
 * The map tells an unpost or repost which partitions to visit, and its rows are
 * what these lock: both lock every row of their documents in key order and, in the
 * end, raise revision, so two of them on one document run one after the other.
 * Raising revision, and not only locking, is what tells a REPEATABLE READ
 * transaction with an older snapshot that the document has changed.  The head row is there
 * for a repost of a document not known yet, which would have nothing to lock, and for a
 * post that must be the first one (once.c).
 *
 * A post to a known document takes no lock here.
 *
 * In a secured register the key has the scope of a document, too: the value of the
 * dimension that keeps tenants apart.  Documents are then asked for, and locked, scope
 * by scope.
 *
 * All of this runs as the register's owner.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "direct.h"
#include "guarded.h"
#include "map.h"
#include "operator.h"
#include "query.h"
#include "recorders.h"

/* So many documents are locked one by one; for more, statements are cheaper. */
#define MAX_STRAIGHT 1000

/* Recorders as an array. */
ArrayType *
accum_recorder_array(const AccumRegister *reg, Datum *recorders, int n)
{
	Oid			type = reg->recorder.type;
	int16		length;
	bool		byval;
	char		align;

	get_typlenbyvalalign(type, &length, &byval, &align);
	return construct_array(recorders, n, type, length, byval, align);
}

/* The documents of a scope. */
AccumDocumentGroup *
accum_document_group(Datum scope, ArrayType *recorders)
{
	AccumDocumentGroup *group = palloc(sizeof(AccumDocumentGroup));

	group->scope = scope;
	group->recorders = recorders;
	return group;
}

static int
compare_column(const AccumColumn *column, Datum a, Datum b)
{
	TypeCacheEntry *type = lookup_type_cache(column->type, TYPECACHE_CMP_PROC_FINFO);

	return DatumGetInt32(FunctionCall2Coll(&type->cmp_proc_finfo, column->collation, a, b));
}

static int
compare_scopes(const AccumRegister *reg, Datum a, Datum b)
{
	return accum_register_secured(reg) ? compare_column(&reg->row_dims[reg->secured], a, b) : 0;
}

/* For sorting the keys of a register's documents into the order in which they are locked. */
int
accum_document_key_compare(const void *a, const void *b, void *arg)
{
	const AccumRegister *reg = arg;
	const AccumDocumentKey *first = a;
	const AccumDocumentKey *second = b;
	int			result = compare_scopes(reg, first->scope, second->scope);

	return result != 0 ? result : compare_column(&reg->recorder, first->recorder, second->recorder);
}

/* Documents by scope, in a secured register each once; their keys are sorted by this. */
List *
accum_document_groups(AccumRegister *reg, AccumDocumentKey *keys, int n)
{
	Datum	   *recorders = palloc_extended(sizeof(Datum) * Max(n, 1), MCXT_ALLOC_HUGE);
	List	   *groups = NIL;

	if (n > 0 && accum_register_secured(reg))
	{
		qsort_arg(keys, n, sizeof(AccumDocumentKey), accum_document_key_compare, reg);
		n = qunique_arg(keys, n, sizeof(AccumDocumentKey), accum_document_key_compare, reg);
	}
	for (int i = 0, first = 0; i < n; i++)
	{
		recorders[i] = keys[i].recorder;
		if (i < n - 1 && compare_scopes(reg, keys[i].scope, keys[i + 1].scope) == 0)
			continue;
		groups = lappend(groups, accum_document_group(keys[i].scope,
													  accum_recorder_array(reg, recorders + first, i + 1 - first)));
		first = i + 1;
	}
	return groups;
}

/* The keys of the documents in groups, in their order. */
AccumDocumentKey *
accum_groups_keys(const AccumRegister *reg, const List *groups, int *nkeys)
{
	AccumDocumentKey *keys = NULL;
	const ListCell *lc;
	int			total = 0;
	int16		length;
	bool		byval;
	char		align;

	get_typlenbyvalalign(reg->recorder.type, &length, &byval, &align);
	foreach(lc, groups)
	{
		const AccumDocumentGroup *group = lfirst(lc);
		Datum	   *recorders;
		Size		size;
		int			n;

		deconstruct_array(group->recorders, reg->recorder.type, length, byval, align, &recorders,
						  NULL, &n);
		size = sizeof(AccumDocumentKey) * (total + n + 1);
		keys = keys == NULL ? palloc_extended(size, MCXT_ALLOC_HUGE) : repalloc_huge(keys, size);
		for (int i = 0; i < n; i++)
			keys[total++] = (AccumDocumentKey) {recorders[i], group->scope};
	}
	*nkeys = total;
	return keys;
}

/* The type of scopes, for parameters. */
static Oid
scope_type(const AccumRegister *reg)
{
	return accum_register_secured(reg) ? reg->row_dims[reg->secured].type : InvalidOid;
}

/* In a secured register, " AND <column> = <value>", in SQL; else nothing. */
char *
accum_scope_condition(AccumRegister *reg, const char *column, const char *value)
{
	StringInfoData sql;

	initStringInfo(&sql);
	if (accum_register_secured(reg))
	{
		appendStringInfo(&sql, " AND %s ", column);
		accum_append_operator(&sql, reg->row_dims[reg->secured].equal_operator);
		appendStringInfo(&sql, " %s", value);
	}
	return sql.data;
}

/*
 * What a transaction's snapshot from before the map was made anew (secure.c) shows of it
 * is not what the map was then.  InvalidSnapshot is for that very snapshot.
 */
static void
check_map_age(AccumRegister *reg, Snapshot snapshot)
{
	Relation	rel;
	Relation	index;
	Oid			key;

	if (!IsolationUsesXactSnapshot())
		return;
	rel = table_open(reg->relations[ACCUM_RECORDERS], AccessShareLock);
	key = accum_primary_key_index(rel);
	if (OidIsValid(key))
	{
		TransactionId made;

		index = index_open(key, AccessShareLock);
		made = HeapTupleHeaderGetXmin(index->rd_indextuple->t_data);
		index_close(index, AccessShareLock);
		if (TransactionIdIsNormal(made) && !TransactionIdIsCurrentTransactionId(made) &&
			XidInMVCCSnapshot(made, snapshot != InvalidSnapshot ? snapshot : GetTransactionSnapshot()))
			accum_direct_serialization_failure(TM_Updated);
	}
	table_close(rel, NoLock);
}

/*
 * The keys of all documents that have one of these recorders, in a secured register and
 * as far as a snapshot shows: whoever may see them.  InvalidSnapshot for what is there now.
 */
AccumDocumentKey *
accum_recorders_keys(AccumRegister *reg, ArrayType *recorders, Snapshot snapshot, int *nkeys)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_KEYS};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	const AccumColumn *columns[] = {&reg->recorder, &reg->row_dims[reg->secured]};
	MemoryContext context = CurrentMemoryContext;
	Oid			array_type = get_array_type(reg->recorder.type);
	Datum		value = PointerGetDatum(recorders);
	AccumDocumentKey *keys;
	AccumQueryState state;

	check_map_age(reg, snapshot);
	accum_query_begin(&state, accum_register_owner(reg));
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT DISTINCT recorder, scope FROM %s "
											 "WHERE recorder = ANY ($1)", reg->relation_names[ACCUM_RECORDERS]),
									1, &array_type, false);
	*nkeys = (int) accum_query_run_at(*plan, &value, snapshot, SPI_OK_SELECT);
	MemoryContextSwitchTo(context);
	keys = palloc_extended(sizeof(AccumDocumentKey) * Max(*nkeys, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < *nkeys; i++)
	{
		Datum	   *values[] = {&keys[i].recorder, &keys[i].scope};

		for (int c = 0; c < (int) lengthof(columns); c++)
		{
			bool		isnull;
			Datum		found = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, c + 1, &isnull);

			*values[c] = datumCopy(found, columns[c]->typbyval, columns[c]->typlen);
		}
	}
	accum_query_end(&state);
	return keys;
}

/* First and last-but-excluded instant of a partition unit, as parameters. */
void
accum_recorders_unit_bounds(AccumRegister *reg, AccumDay unit, Datum *from, Datum *to)
{
	AccumDay	next = accum_unit_next(unit, reg->partition_by);

	*from = TimestampTzGetDatum(accum_zone_day_start(&reg->zone, unit));
	*to = TimestampTzGetDatum(accum_zone_day_start(&reg->zone, next));
}

/*
 * Give a document its head row, so that there is something to lock.
 *
 * Waits for another transaction that is doing the same.
 */
void
accum_recorder_claim(AccumRegister *reg, const AccumDocumentKey *key)
{
	AccumPlanKey plan_key = {.purpose = ACCUM_PLAN_CLAIM};
	bool		secured = accum_register_secured(reg);
	Oid			types[] = {reg->recorder.type, scope_type(reg)};
	Datum		values[] = {key->recorder, key->scope};
	AccumQueryState state;
	SPIPlanPtr *plan;
	AccumMap	map;

	if (accum_map_open(&map, reg))
	{
		accum_map_store(&map, key, DATEVAL_NOBEGIN);
		accum_map_close(&map);
		return;
	}
	plan = accum_register_plan(reg, &plan_key);
	accum_query_begin(&state, accum_register_owner(reg));
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("INSERT INTO %s (recorder, unit_start%s) "
											 "VALUES ($1, '-infinity'%s) ON CONFLICT (recorder, unit_start%s) DO NOTHING",
											 reg->relation_names[ACCUM_RECORDERS], secured ? ", scope" : "",
											 secured ? ", $2" : "", secured ? ", scope" : ""),
									secured ? 2 : 1, types, false);
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], values, InvalidSnapshot,
							 SPI_OK_INSERT);
	accum_query_end(&state);
}

static int
compare_asked(const void *a, const void *b, void *map)
{
	return accum_map_compare(map, a, b);
}

/* The documents of groups, in the order in which they are locked: each once. */
static List *
documents_asked(AccumMap *map, const List *groups)
{
	List	   *documents = NIL;
	int			n;
	AccumDocumentKey *keys = accum_groups_keys(map->reg, groups, &n);

	if (n > 0)
	{
		qsort_arg(keys, n, sizeof(AccumDocumentKey), compare_asked, map);
		n = qunique_arg(keys, n, sizeof(AccumDocumentKey), compare_asked, map);
	}
	for (int i = 0; i < n; i++)
	{
		AccumLockedDocument *document = palloc0(sizeof(AccumLockedDocument));

		document->key = keys[i];
		documents = lappend(documents, document);
	}
	return documents;
}

/* Keep only the documents that are there, and list the units of all of them. */
static void
lock_finish(AccumRegister *reg, AccumDocumentLock *lock, List *documents)
{
	AccumDocumentKey *keys = palloc(sizeof(AccumDocumentKey) * (list_length(documents) + 1));
	int			n = 0;
	ListCell   *lc;

	lock->documents = NIL;
	foreach(lc, documents)
	{
		AccumLockedDocument *document = lfirst(lc);

		if (document->rows == NIL)
			continue;
		lock->documents = lappend(lock->documents, document);
		lock->units = list_concat_unique_int(lock->units, document->units);
		lock->revisions += document->revisions;
		keys[n++] = document->key;
	}
	list_sort(lock->units, list_int_cmp);
	lock->groups = accum_document_groups(reg, keys, n);
}

/*
 * accum_recorders_lock without statements.  Where nobody had changed a row that was
 * locked, the first snapshot is as good as a younger one.
 */
static bool
lock_straight(AccumMap *map, const List *groups, AccumDocumentLock *lock)
{
	List	   *documents = documents_asked(map, groups);
	bool		changed = false;
	ListCell   *lc;

	lock->locked = accum_direct_snapshot();
	foreach(lc, documents)
		changed |= accum_map_lock(map, lfirst(lc), lock->locked);
	lock->seen = changed ? accum_direct_snapshot() : RegisterSnapshot(lock->locked);
	foreach(lc, documents)
	{
		if (changed)
			accum_map_find_units(map, lfirst(lc), lock->seen);
	}
	lock_finish(map->reg, lock, documents);
	if (lock->documents != NIL)
		return true;
	UnregisterSnapshot(lock->seen);
	UnregisterSnapshot(lock->locked);
	return false;
}

/*
 * Give documents that have none their head rows, in key order; returns those of them
 * that were known before, NULL when none was.
 *
 * Waits for other transactions that are doing the same: what they have claimed is
 * known once they commit.
 */
ArrayType *
accum_recorders_claim_all(AccumRegister *reg, const AccumDocumentGroup *group)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_CLAIM_ALL};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	MemoryContext context = CurrentMemoryContext;
	bool		secured = accum_register_secured(reg);
	AccumQueryState state;
	const char *map = reg->relation_names[ACCUM_RECORDERS];
	Oid			types[] = {get_array_type(reg->recorder.type), scope_type(reg)};
	Datum		values[] = {PointerGetDatum(group->recorders), group->scope};
	Datum		value;
	ArrayType  *known = NULL;
	bool		isnull;

	check_map_age(reg, GetTransactionSnapshot());
	accum_query_begin(&state, accum_register_owner(reg));
	/* The statement does not see the rows that it writes: whatever it sees was there. */
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("WITH claimed AS (INSERT INTO %s (recorder, unit_start%s) "
											 "SELECT DISTINCT d, '-infinity'::date%s FROM unnest($1) AS d ORDER BY d "
											 "ON CONFLICT (recorder, unit_start%s) DO NOTHING RETURNING recorder) "
											 "SELECT array_agg(d) FROM (SELECT unnest($1) EXCEPT "
											 "SELECT c.recorder FROM claimed c WHERE NOT EXISTS "
											 "(SELECT FROM %s r WHERE r.recorder = c.recorder%s)) AS k (d)",
											 map, secured ? ", scope" : "", secured ? ", $2" : "",
											 secured ? ", scope" : "", map,
											 accum_scope_condition(reg, "r.scope", "$2")),
									secured ? 2 : 1, types, false);
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], values, InvalidSnapshot,
							 SPI_OK_SELECT);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	MemoryContextSwitchTo(context);
	if (!isnull)
		known = DatumGetArrayTypePCopy(value);
	accum_query_end(&state);
	return known;
}

/*
 * The first days of the partition units in which documents have, or had, movements:
 * a list of ints, allocated in result_context, in ascending order without repetition.
 */
List *
accum_recorders_units(AccumRegister *reg, const List *groups, Snapshot snapshot,
					  MemoryContext result_context)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_UNITS};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	Oid			types[] = {get_array_type(reg->recorder.type), scope_type(reg)};
	List	   *units = NIL;
	const ListCell *lc;

	check_map_age(reg, snapshot);
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT DISTINCT unit_start FROM %s "
											 "WHERE recorder = ANY ($1)%s AND unit_start > '-infinity'",
											 reg->relation_names[ACCUM_RECORDERS],
											 accum_scope_condition(reg, "scope", "$2")),
									accum_register_secured(reg) ? 2 : 1, types, false);
	foreach(lc, groups)
	{
		const AccumDocumentGroup *group = lfirst(lc);
		Datum		values[] = {PointerGetDatum(group->recorders), group->scope};
		uint64		n = accum_query_run_at(*plan, values, snapshot, SPI_OK_SELECT);
		MemoryContext old = MemoryContextSwitchTo(result_context);

		for (uint64 i = 0; i < n; i++)
		{
			bool		isnull;
			Datum		unit = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

			units = list_append_unique_int(units, DatumGetDateADT(unit));
		}
		list_sort(units, list_int_cmp);
		MemoryContextSwitchTo(old);
	}
	return units;
}

/*
 * accum_recorders_lock with statements.  The first one locks, in key order, the rows
 * that it sees; the second one, whose snapshot is younger than the locks, sees what the
 * last holder of the locks left.
 */
static bool
lock_with_sql(AccumRegister *reg, const List *groups, AccumDocumentLock *lock,
			  MemoryContext result_context)
{
	AccumPlanKey lock_key = {.purpose = ACCUM_PLAN_LOCK};
	SPIPlanPtr *plan = accum_register_plan(reg, &lock_key);
	Oid			types[] = {get_array_type(reg->recorder.type), scope_type(reg)};
	const ListCell *lc;

	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("WITH locked AS (SELECT recorder, revision FROM %s "
											 "WHERE recorder = ANY ($1)%s "
											 "ORDER BY recorder, unit_start FOR NO KEY UPDATE) "
											 "SELECT array_agg(DISTINCT recorder), sum(revision)::bigint FROM locked",
											 reg->relation_names[ACCUM_RECORDERS],
											 accum_scope_condition(reg, "scope", "$2")),
									accum_register_secured(reg) ? 2 : 1, types, false);
	lock->locked = RegisterSnapshot(GetTransactionSnapshot());
	foreach(lc, groups)
	{
		const AccumDocumentGroup *group = lfirst(lc);
		Datum		values[] = {PointerGetDatum(group->recorders), group->scope};
		MemoryContext old;
		Datum		known;
		bool		isnull;

		(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], values, lock->locked,
								 SPI_OK_SELECT);
		known = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		if (isnull)
			continue;
		old = MemoryContextSwitchTo(result_context);
		lock->groups = lappend(lock->groups,
							   accum_document_group(group->scope, DatumGetArrayTypePCopy(known)));
		MemoryContextSwitchTo(old);
		lock->revisions += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
													   2, &isnull));
	}
	if (lock->groups == NIL)
	{
		UnregisterSnapshot(lock->locked);
		return false;
	}
	lock->seen = RegisterSnapshot(GetTransactionSnapshot());
	lock->units = accum_recorders_units(reg, lock->groups, lock->seen, result_context);
	return true;
}

/* How many documents are there in groups? */
static int
count_documents(const List *groups)
{
	const ListCell *lc;
	int			n = 0;

	foreach(lc, groups)
	{
		ArrayType  *recorders = ((AccumDocumentGroup *) lfirst(lc))->recorders;

		n += ArrayGetNItems(ARR_NDIM(recorders), ARR_DIMS(recorders));
	}
	return n;
}

/*
 * Lock documents against other unposts and reposts until the transaction ends.
 * Returns false when the map knows none of them: then nothing is locked.
 *
 * lock->groups gets the documents that were locked.  Others of those asked for may
 * become known while we wait; they are not ours to touch.
 *
 * lock->units gets the first days of the partition units in which they have, or
 * had, movements: a list of ints in ascending order without repetition.  It is
 * allocated in the current memory context, as all else is.
 *
 * The rows that a first snapshot shows are locked in key order.  Further rows of
 * these documents that commit meanwhile need no lock: whoever comes later sees and
 * waits for the ones we have.  A snapshot that is younger than the locks is kept in
 * lock->seen for what visits the units: all see the same state, and a post that
 * commits between two visits is seen by none.
 *
 * Unless it returns false, accum_recorders_bump has to follow when all else is
 * done, or accum_recorders_leave when the documents were only looked at.  Where a few
 * documents were asked for, lock->documents has each of them.
 */
bool
accum_recorders_lock(AccumRegister *reg, const List *groups, AccumDocumentLock *lock)
{
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	AccumMap	map;
	bool		known;

	memset(lock, 0, sizeof(*lock));
	check_map_age(reg, GetTransactionSnapshot());
	if (count_documents(groups) <= MAX_STRAIGHT && accum_map_open(&map, reg))
	{
		known = lock_straight(&map, groups, lock);
		accum_map_close(&map);
		return known;
	}
	accum_query_begin(&state, accum_register_owner(reg));
	known = lock_with_sql(reg, groups, lock, context);
	accum_query_end(&state);
	return known;
}

/* Be done with documents that stay as they are; the rows remain locked. */
void
accum_recorders_leave(AccumDocumentLock *lock)
{
	UnregisterSnapshot(lock->seen);
	UnregisterSnapshot(lock->locked);
}

/* What was done to a document followed from what it was, and a trigger has changed that. */
static void
changed_meanwhile(AccumRegister *reg)
{
	ereport(ERROR,
			(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
			 errmsg("a document of register \"%s\" was changed by a trigger while it was being changed",
					reg->name),
			 errhint("Let triggers on movements not repost or unpost the document that they are fired for.")));
}

/* accum_recorders_bump without statements; false when that cannot be. */
static bool
bump_straight(AccumRegister *reg, AccumDocumentLock *lock)
{
	AccumMap	map;
	ListCell   *lc;

	if (!accum_map_open(&map, reg))
		return false;
	foreach(lc, lock->documents)
	{
		if (!accum_map_bump(&map, lfirst(lc), lock->locked))
			changed_meanwhile(reg);
	}
	accum_map_close(&map);
	accum_recorders_leave(lock);
	return true;
}

/*
 * Raise the revision of the rows that were locked, as the last thing done to the
 * documents.  Each has to be as it was when it was locked.  Revisions only grow, and rows
 * that were new have 0: so it is enough to compare their sum.
 *
 * A post that meets a row locked goes on; one that meets it updated waits.  It
 * must not wait for somebody who has yet to wait for it.
 */
void
accum_recorders_bump(AccumRegister *reg, AccumDocumentLock *lock)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_BUMP};
	Oid			types[] = {get_array_type(reg->recorder.type), scope_type(reg)};
	AccumQueryState state;
	SPIPlanPtr *plan;
	int64		revisions = 0;
	ListCell   *lc;

	if (lock->documents != NIL && bump_straight(reg, lock))
		return;
	plan = accum_register_plan(reg, &key);
	accum_query_begin(&state, accum_register_owner(reg));
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("WITH bumped AS (UPDATE %s SET revision = revision + 1 "
											 "WHERE recorder = ANY ($1)%s RETURNING revision - 1 AS revision) "
											 "SELECT COALESCE(sum(revision), 0)::bigint FROM bumped",
											 reg->relation_names[ACCUM_RECORDERS],
											 accum_scope_condition(reg, "scope", "$2")),
									accum_register_secured(reg) ? 2 : 1, types, false);
	foreach(lc, lock->groups)
	{
		const AccumDocumentGroup *group = lfirst(lc);
		Datum		values[] = {PointerGetDatum(group->recorders), group->scope};
		bool		isnull;

		(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], values, lock->locked,
								 SPI_OK_SELECT);
		revisions += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
												 &isnull));
	}
	if (revisions != lock->revisions)
		changed_meanwhile(reg);
	accum_query_end(&state);
	accum_recorders_leave(lock);
}
