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
 * All of this runs as the register's owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "direct.h"
#include "guarded.h"
#include "map.h"
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
accum_recorder_claim(AccumRegister *reg, Datum recorder)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_CLAIM};
	AccumQueryState state;
	SPIPlanPtr *plan;
	AccumMap	map;

	if (accum_map_open(&map, reg))
	{
		accum_map_store(&map, recorder, DATEVAL_NOBEGIN);
		accum_map_close(&map);
		return;
	}
	plan = accum_register_plan(reg, &key);
	accum_query_begin(&state, accum_register_owner(reg));
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("INSERT INTO %s (recorder, unit_start) "
											 "VALUES ($1, '-infinity') ON CONFLICT (recorder, unit_start) DO NOTHING",
											 reg->relation_names[ACCUM_RECORDERS]),
									1, &reg->recorder.type, false);
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], &recorder, InvalidSnapshot,
							 SPI_OK_INSERT);
	accum_query_end(&state);
}

/* Documents asked for, and the map whose order they are locked in. */
typedef struct AskedFor
{
	AccumMap   *map;
	Datum	   *recorders;
	int			n;
} AskedFor;

static int
compare_asked(const void *a, const void *b, void *map)
{
	return accum_map_compare(map, *(const Datum *) a, *(const Datum *) b);
}

/* The documents of an array in the order in which they are locked, each once. */
static void
sort_asked(AskedFor *asked, AccumRegister *reg, ArrayType *recorders)
{
	int16		length;
	bool		byval;
	char		align;
	int			n;

	get_typlenbyvalalign(reg->recorder.type, &length, &byval, &align);
	deconstruct_array(recorders, reg->recorder.type, length, byval, align, &asked->recorders,
					  NULL, &n);
	qsort_arg(asked->recorders, n, sizeof(Datum), compare_asked, asked->map);
	asked->n = n == 0 ? 0 : qunique_arg(asked->recorders, n, sizeof(Datum), compare_asked,
										asked->map);
}

/* Keep only the documents that are there, and list the units of all of them. */
static void
lock_finish(AccumRegister *reg, AccumDocumentLock *lock, List *documents)
{
	Datum	   *recorders = palloc(sizeof(Datum) * list_length(documents));
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
		recorders[n++] = document->recorder;
	}
	list_sort(lock->units, list_int_cmp);
	lock->recorders = accum_recorder_array(reg, recorders, n);
}

/*
 * accum_recorders_lock without statements.  Where nobody had changed a row that was
 * locked, the first snapshot is as good as a younger one.
 */
static bool
lock_straight(AccumMap *map, ArrayType *recorders, AccumDocumentLock *lock)
{
	AskedFor	asked = {.map = map};
	List	   *documents = NIL;
	bool		changed = false;
	ListCell   *lc;

	sort_asked(&asked, map->reg, recorders);
	lock->locked = accum_direct_snapshot();
	for (int i = 0; i < asked.n; i++)
	{
		AccumLockedDocument *document = palloc0(sizeof(AccumLockedDocument));

		document->recorder = asked.recorders[i];
		changed |= accum_map_lock(map, document, lock->locked);
		documents = lappend(documents, document);
	}
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
accum_recorders_claim_all(AccumRegister *reg, ArrayType *recorders)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_CLAIM_ALL};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	const char *map = reg->relation_names[ACCUM_RECORDERS];
	Oid			array_type = get_array_type(reg->recorder.type);
	Datum		value = PointerGetDatum(recorders);
	ArrayType  *known = NULL;
	bool		isnull;

	accum_query_begin(&state, accum_register_owner(reg));
	/* The statement does not see the rows that it writes: whatever it sees was there. */
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("WITH claimed AS (INSERT INTO %s (recorder, unit_start) "
											 "SELECT DISTINCT d, '-infinity'::date FROM unnest($1) AS d ORDER BY d "
											 "ON CONFLICT (recorder, unit_start) DO NOTHING RETURNING recorder) "
											 "SELECT array_agg(d) FROM (SELECT unnest($1) EXCEPT "
											 "SELECT c.recorder FROM claimed c WHERE NOT EXISTS "
											 "(SELECT FROM %s r WHERE r.recorder = c.recorder)) AS k (d)",
											 map, map),
									1, &array_type, false);
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], &value, InvalidSnapshot,
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
accum_recorders_units(AccumRegister *reg, ArrayType *recorders, Snapshot snapshot,
					  MemoryContext result_context)
{
	AccumPlanKey key = {.purpose = ACCUM_PLAN_UNITS};
	SPIPlanPtr *plan = accum_register_plan(reg, &key);
	Oid			array_type = get_array_type(reg->recorder.type);
	Datum		value = PointerGetDatum(recorders);
	List	   *units = NIL;
	MemoryContext old;
	uint64		n;

	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("SELECT DISTINCT unit_start FROM %s "
											 "WHERE recorder = ANY ($1) AND unit_start > '-infinity' "
											 "ORDER BY unit_start", reg->relation_names[ACCUM_RECORDERS]),
									1, &array_type, false);
	n = accum_query_run_at(*plan, &value, snapshot, SPI_OK_SELECT);
	old = MemoryContextSwitchTo(result_context);
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		unit = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		units = lappend_int(units, DatumGetDateADT(unit));
	}
	MemoryContextSwitchTo(old);
	return units;
}

/*
 * accum_recorders_lock with statements.  The first one locks, in key order, the rows
 * that it sees; the second one, whose snapshot is younger than the locks, sees what the
 * last holder of the locks left.
 */
static bool
lock_with_sql(AccumRegister *reg, ArrayType *recorders, AccumDocumentLock *lock,
			  MemoryContext result_context)
{
	AccumPlanKey lock_key = {.purpose = ACCUM_PLAN_LOCK};
	SPIPlanPtr *plan = accum_register_plan(reg, &lock_key);
	Oid			array_type = get_array_type(reg->recorder.type);
	Datum		value = PointerGetDatum(recorders);
	const char *map = reg->relation_names[ACCUM_RECORDERS];
	MemoryContext old;
	bool		isnull;

	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("WITH locked AS (SELECT recorder, revision FROM %s "
											 "WHERE recorder = ANY ($1) "
											 "ORDER BY recorder, unit_start FOR NO KEY UPDATE) "
											 "SELECT array_agg(DISTINCT recorder), sum(revision)::bigint FROM locked", map),
									1, &array_type, false);
	lock->locked = RegisterSnapshot(GetTransactionSnapshot());
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], &value, lock->locked,
							 SPI_OK_SELECT);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
	{
		UnregisterSnapshot(lock->locked);
		return false;
	}
	old = MemoryContextSwitchTo(result_context);
	lock->recorders = DatumGetArrayTypePCopy(value);
	MemoryContextSwitchTo(old);
	lock->revisions = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2,
												  &isnull));

	lock->seen = RegisterSnapshot(GetTransactionSnapshot());
	lock->units = accum_recorders_units(reg, lock->recorders, lock->seen, result_context);
	return true;
}

/*
 * Lock documents against other unposts and reposts until the transaction ends.
 * Returns false when the map knows none of them: then nothing is locked.
 *
 * lock->recorders gets the documents that were locked.  Others of the array may
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
accum_recorders_lock(AccumRegister *reg, ArrayType *recorders, AccumDocumentLock *lock)
{
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	AccumMap	map;
	bool		known;

	memset(lock, 0, sizeof(*lock));
	if (ArrayGetNItems(ARR_NDIM(recorders), ARR_DIMS(recorders)) <= MAX_STRAIGHT &&
		accum_map_open(&map, reg))
	{
		known = lock_straight(&map, recorders, lock);
		accum_map_close(&map);
		return known;
	}
	accum_query_begin(&state, accum_register_owner(reg));
	known = lock_with_sql(reg, recorders, lock, context);
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
	Datum		value = PointerGetDatum(lock->recorders);
	AccumQueryState state;
	SPIPlanPtr *plan;
	Oid			array_type;
	bool		isnull;

	if (lock->documents != NIL && bump_straight(reg, lock))
		return;
	plan = accum_register_plan(reg, &key);
	array_type = get_array_type(reg->recorder.type);
	accum_query_begin(&state, accum_register_owner(reg));
	if (*plan == NULL)
		*plan = accum_query_prepare(psprintf("WITH bumped AS (UPDATE %s SET revision = revision + 1 "
											 "WHERE recorder = ANY ($1) RETURNING revision - 1 AS revision) "
											 "SELECT sum(revision)::bigint FROM bumped",
											 reg->relation_names[ACCUM_RECORDERS]),
									1, &array_type, false);
	(void) accum_guarded_run(reg, *plan, reg->relations[ACCUM_RECORDERS], &value, lock->locked,
							 SPI_OK_SELECT);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull || DatumGetInt64(value) != lock->revisions)
		changed_meanwhile(reg);
	accum_query_end(&state);
	accum_recorders_leave(lock);
}
