/*
 * stats.c
 *		Counters of registers in shared memory.
 *
 * They exist only when the library is in shared_preload_libraries, and count
 * from the start of the server.  A session counts for itself, and adds what it
 * has counted when its transaction ends, however it ends: like those of
 * PostgreSQL's own pg_stat views, the counters tell what work was done, not what
 * became of it.
 *
 * The same entries keep what workers must remember of registers that they failed
 * with.  An entry may go at any time, so nobody holds a pointer to one beyond
 * the lock: shared to look and to add, exclusive for all else.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "stats.h"

PG_FUNCTION_INFO_V1(accum_register_counters);
PG_FUNCTION_INFO_V1(accum_stat_registers_reset);

/* Statistics are kept for so many registers. */
#define MAX_REGISTERS 1000

/* After a failure a worker waits 1 s, then 2 s, and so on up to about 4 minutes. */
#define FIRST_DELAY_MS 1000
#define MAX_DOUBLINGS 8

#define AREA_NAME "pg_accumulator statistics"

/* Columns of accum._register_counters besides the counters. */
#define COLUMN_LAST_FOLD ACCUM_STATS
#define COLUMN_SINCE (ACCUM_STATS + 1)
#define COLUMNS (ACCUM_STATS + 2)

typedef struct StatsKey
{
	Oid			database;
	Oid			movements;
} StatsKey;

typedef struct StatsEntry
{
	StatsKey	key;
	pg_atomic_uint64 counts[ACCUM_STATS];
	pg_atomic_uint64 last_fold; /* a TimestampTz, 0 for none */
	TimestampTz since;			/* counted from here on */
	int			failures;		/* of workers, in a row */
	TimestampTz retry_at;
} StatsEntry;

typedef struct StatsArea
{
	LWLock	   *lock;
	TimestampTz since;
} StatsArea;

/* What this session has counted in its transaction. */
typedef struct PendingEntry
{
	Oid			movements;
	int64		counts[ACCUM_STATS];
} PendingEntry;

static StatsArea *area = NULL;
static HTAB *entries = NULL;
static HTAB *pending = NULL;

static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

static void
stats_request(void)
{
	if (previous_request != NULL)
		previous_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(StatsArea)));
	RequestAddinShmemSpace(hash_estimate_size(MAX_REGISTERS, sizeof(StatsEntry)));
	RequestNamedLWLockTranche(AREA_NAME, 1);
}

static void
stats_startup(void)
{
	HASHCTL		control = {.keysize = sizeof(StatsKey),.entrysize = sizeof(StatsEntry)};
	bool		found;

	if (previous_startup != NULL)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	area = ShmemInitStruct(AREA_NAME, sizeof(StatsArea), &found);
	if (!found)
	{
		area->lock = &GetNamedLWLockTranche(AREA_NAME)->lock;
		area->since = GetCurrentTimestamp();
	}
	entries = ShmemInitHash("pg_accumulator registers", MAX_REGISTERS, MAX_REGISTERS,
							&control, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	LWLockRelease(AddinShmemInitLock);
}

static StatsEntry *
entry_find(Oid movements)
{
	StatsKey	key = {MyDatabaseId, movements};

	return hash_search(entries, &key, HASH_FIND, NULL);
}

/* Find or make an entry; NULL when there is no room for one. */
static StatsEntry *
entry_make(Oid movements)
{
	StatsKey	key = {MyDatabaseId, movements};
	bool		found;
	StatsEntry *entry = hash_search(entries, &key, HASH_ENTER_NULL, &found);

	if (entry == NULL || found)
		return entry;
	for (int i = 0; i < ACCUM_STATS; i++)
		pg_atomic_init_u64(&entry->counts[i], 0);
	pg_atomic_init_u64(&entry->last_fold, 0);
	entry->since = area->since;
	entry->failures = 0;
	entry->retry_at = 0;
	return entry;
}

/* Add what a session has counted for one register. */
static void
pending_flush(const PendingEntry *counted)
{
	StatsEntry *entry;

	LWLockAcquire(area->lock, LW_SHARED);
	entry = entry_find(counted->movements);
	if (entry == NULL)
	{
		LWLockRelease(area->lock);
		LWLockAcquire(area->lock, LW_EXCLUSIVE);
		entry = entry_make(counted->movements);
	}
	for (int i = 0; entry != NULL && i < ACCUM_STATS; i++)
	{
		if (counted->counts[i] != 0)
			pg_atomic_fetch_add_u64(&entry->counts[i], counted->counts[i]);
	}
	if (entry != NULL && counted->counts[ACCUM_STAT_DELTAS_FOLDED] > 0)
		pg_atomic_write_u64(&entry->last_fold, (uint64) GetCurrentTimestamp());
	LWLockRelease(area->lock);
}

static void
stats_xact_callback(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS status;
	PendingEntry *counted;

	if (pending == NULL || hash_get_num_entries(pending) == 0 ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		 event != XACT_EVENT_PREPARE))
		return;
	hash_seq_init(&status, pending);
	while ((counted = hash_seq_search(&status)) != NULL)
	{
		pending_flush(counted);
		hash_search(pending, &counted->movements, HASH_REMOVE, NULL);
	}
}

/* When the library is preloaded. */
void
accum_stats_init(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(PendingEntry)};

	previous_request = shmem_request_hook;
	shmem_request_hook = stats_request;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = stats_startup;
	pending = hash_create("accum counters", 16, &control, HASH_ELEM | HASH_BLOBS);
	RegisterXactCallback(stats_xact_callback, NULL);
}

/* Count n of something for a register. */
void
accum_stats_add(AccumRegister *reg, AccumStat stat, int64 n)
{
	PendingEntry *counted;
	bool		found;

	if (area == NULL)
		return;
	counted = hash_search(pending, &reg->movements, HASH_ENTER, &found);
	if (!found)
		memset(counted->counts, 0, sizeof(counted->counts));
	counted->counts[stat] += n;
}

/*
 * The register is being dropped; nobody else uses it.
 *
 * Its counters go at once.  Should the drop be rolled back, they start again.
 */
void
accum_stats_forget(Oid movements)
{
	StatsKey	key = {MyDatabaseId, movements};

	if (area == NULL)
		return;
	hash_search(pending, &movements, HASH_REMOVE, NULL);
	LWLockAcquire(area->lock, LW_EXCLUSIVE);
	hash_search(entries, &key, HASH_REMOVE, NULL);
	LWLockRelease(area->lock);
}

/*
 * Forget the registers of a database but for those with these movements tables.
 * That is for registers that went without register_drop: with the extension, its
 * schema or the whole database.
 */
void
accum_stats_forget_others(Oid database, const List *movements)
{
	HASH_SEQ_STATUS status;
	StatsEntry *entry;

	LWLockAcquire(area->lock, LW_EXCLUSIVE);
	hash_seq_init(&status, entries);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->key.database == database && !list_member_oid(movements, entry->key.movements))
			hash_search(entries, &entry->key, HASH_REMOVE, NULL);
	}
	LWLockRelease(area->lock);
}

/* A worker has failed with a register, and should leave it alone for a while. */
void
accum_stats_failed(Oid movements)
{
	StatsEntry *entry;

	LWLockAcquire(area->lock, LW_EXCLUSIVE);
	entry = entry_make(movements);
	if (entry != NULL)
	{
		int			delay = FIRST_DELAY_MS << Min(entry->failures, MAX_DOUBLINGS);

		pg_atomic_fetch_add_u64(&entry->counts[ACCUM_STAT_WORKER_ERRORS], 1);
		entry->failures++;
		entry->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay);
	}
	LWLockRelease(area->lock);
}

/* A worker has done what there was to do for a register. */
void
accum_stats_succeeded(Oid movements)
{
	StatsEntry *entry;

	LWLockAcquire(area->lock, LW_EXCLUSIVE);
	entry = entry_find(movements);
	if (entry != NULL)
		entry->failures = 0;
	LWLockRelease(area->lock);
}

/* Has a worker not failed with the register, or long enough ago? */
bool
accum_stats_may_try(Oid movements)
{
	StatsEntry *entry;
	bool		result;

	LWLockAcquire(area->lock, LW_SHARED);
	entry = entry_find(movements);
	result = entry == NULL || entry->failures == 0 ||
		entry->retry_at <= GetCurrentTimestamp();
	LWLockRelease(area->lock);
	return result;
}

/* The columns of one register, which may have no entry. */
static void
counters_fill(const StatsEntry *entry, Datum *values, bool *nulls)
{
	TimestampTz last_fold = 0;

	memset(nulls, false, sizeof(bool) * COLUMNS);
	for (int i = 0; i < ACCUM_STATS; i++)
		values[i] = Int64GetDatum(0);
	values[COLUMN_SINCE] = TimestampTzGetDatum(area->since);
	if (entry != NULL)
	{
		StatsEntry *counted = unconstify(StatsEntry *, entry);

		for (int i = 0; i < ACCUM_STATS; i++)
			values[i] = Int64GetDatum((int64) pg_atomic_read_u64(&counted->counts[i]));
		last_fold = (TimestampTz) pg_atomic_read_u64(&counted->last_fold);
		values[COLUMN_SINCE] = TimestampTzGetDatum(entry->since);
	}
	values[COLUMN_LAST_FOLD] = TimestampTzGetDatum(last_fold);
	nulls[COLUMN_LAST_FOLD] = last_fold == 0;
}

/*
 * accum._register_counters(movements regclass) returns record
 *
 * The counters of the register with this movements table; all NULL where none
 * are kept.
 */
Datum
accum_register_counters(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (desc->natts != COLUMNS)
		elog(ERROR, "return type must have %d columns", COLUMNS);

	memset(nulls, true, sizeof(nulls));
	if (area != NULL)
	{
		StatsEntry *entry;

		LWLockAcquire(area->lock, LW_SHARED);
		entry = entry_find(PG_GETARG_OID(0));
		if (entry != NULL || hash_get_num_entries(entries) < MAX_REGISTERS)
			counters_fill(entry, values, nulls);
		LWLockRelease(area->lock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * accum.stat_registers_reset() returns void
 *
 * Set the counters of the current database's registers to zero.
 */
Datum
accum_stat_registers_reset(PG_FUNCTION_ARGS)
{
	HASH_SEQ_STATUS status;
	StatsEntry *entry;

	if (area == NULL)
		PG_RETURN_VOID();
	LWLockAcquire(area->lock, LW_EXCLUSIVE);
	hash_seq_init(&status, entries);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->key.database != MyDatabaseId)
			continue;
		for (int i = 0; i < ACCUM_STATS; i++)
			pg_atomic_write_u64(&entry->counts[i], 0);
		pg_atomic_write_u64(&entry->last_fold, 0);
		entry->since = GetCurrentTimestamp();
	}
	LWLockRelease(area->lock);
	PG_RETURN_VOID();
}
