/*
 * shared.c
 *		What sessions, launcher and workers tell each other in shared memory.
 *
 * The area exists only when the library is in shared_preload_libraries; without
 * it the functions for sessions do nothing, and there are no workers.  It holds
 *
 * - which databases are known to have the extension, and whether they have
 *   registers with deltas.  Sessions enter theirs when they have loaded a
 *   register, a worker enters or removes the one it visits, the launcher removes
 *   those that are gone;
 * - what each worker has to say when its visit is over;
 * - the latch that wakes the launcher when a database has been entered.
 *
 * One lock protects it all; nobody holds it longer than a look-up takes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"

#include "shared.h"

/* So many databases with the extension are looked after. */
#define MAX_DATABASES 1000

#define AREA_NAME "pg_accumulator"

typedef struct DatabaseEntry
{
	Oid			database;
	bool		has_deltas;
} DatabaseEntry;

typedef struct SharedArea
{
	LWLock	   *lock;
	int			generation;		/* how many launchers there have been */
	Latch	   *launcher;		/* NULL while there is none */
	bool		full_reported;
	AccumVisit	visits[ACCUM_MAX_WORKERS];	/* database 0: nothing reported */
} SharedArea;

static SharedArea *shared = NULL;
static HTAB *databases = NULL;

static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

/* This session has loaded a register, and will say so when it commits. */
static bool noted = false;
static bool noted_deltas = false;

static void
shared_request(void)
{
	if (previous_request != NULL)
		previous_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedArea)));
	RequestAddinShmemSpace(hash_estimate_size(MAX_DATABASES, sizeof(DatabaseEntry)));
	RequestNamedLWLockTranche(AREA_NAME, 1);
}

static void
shared_startup(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(DatabaseEntry)};
	bool		found;

	if (previous_startup != NULL)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct(AREA_NAME, sizeof(SharedArea), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(SharedArea));
		shared->lock = &GetNamedLWLockTranche(AREA_NAME)->lock;
	}
	databases = ShmemInitHash("pg_accumulator databases", MAX_DATABASES, MAX_DATABASES,
							  &control, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	LWLockRelease(AddinShmemInitLock);
}

/*
 * A register that was created is there for others from now on; one that was
 * found in a transaction that failed is noted with the next that does not.
 */
static void
shared_xact_callback(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT || !noted)
		return;
	accum_shared_enter_database(MyDatabaseId, noted_deltas);
	noted = noted_deltas = false;
}

/* When the library is preloaded. */
void
accum_shared_init(void)
{
	previous_request = shmem_request_hook;
	shmem_request_hook = shared_request;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = shared_startup;
	RegisterXactCallback(shared_xact_callback, NULL);
}

/*
 * This session has loaded a register: workers should look after its database.
 */
void
accum_shared_note_database(bool has_deltas)
{
	if (shared == NULL)
		return;
	noted = true;
	noted_deltas |= has_deltas;
}

/*
 * A database has the extension and, with has_deltas set, a register with a table of
 * deltas.  The launcher is woken when it did not know.
 */
void
accum_shared_enter_database(Oid database, bool has_deltas)
{
	bool		known_deltas;
	bool		report = false;
	bool		found;
	DatabaseEntry *entry;

	if (accum_shared_has_database(database, &known_deltas) &&
		(known_deltas || !has_deltas))
		return;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	entry = hash_search(databases, &database, HASH_ENTER_NULL, &found);
	if (entry != NULL)
	{
		entry->has_deltas = has_deltas || (found && entry->has_deltas);
		if (shared->launcher != NULL)
			SetLatch(shared->launcher);
	}
	else
	{
		report = !shared->full_reported;
		shared->full_reported = true;
	}
	LWLockRelease(shared->lock);

	if (report)
		ereport(LOG,
				(errmsg("pg_accumulator is used in more than %d databases", MAX_DATABASES),
				 errdetail("Its workers look after %d of them.", MAX_DATABASES)));
}

/* The database is gone, or a worker is about to see what is there. */
void
accum_shared_forget_database(Oid database)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	hash_search(databases, &database, HASH_REMOVE, NULL);
	LWLockRelease(shared->lock);
}

/* Is the database known to have the extension? */
bool
accum_shared_has_database(Oid database, bool *has_deltas)
{
	DatabaseEntry *entry;

	LWLockAcquire(shared->lock, LW_SHARED);
	entry = hash_search(databases, &database, HASH_FIND, NULL);
	*has_deltas = entry != NULL && entry->has_deltas;
	LWLockRelease(shared->lock);
	return entry != NULL;
}

static void
launcher_exit(int code, Datum arg)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->launcher = NULL;
	LWLockRelease(shared->lock);
}

/*
 * This process is the launcher from now on.  Returns its generation: workers of
 * an earlier launcher may still be there and have nothing to tell this one.
 */
int
accum_shared_launch(void)
{
	int			generation;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	generation = ++shared->generation;
	shared->launcher = MyLatch;
	memset(shared->visits, 0, sizeof(shared->visits));
	LWLockRelease(shared->lock);
	before_shmem_exit(launcher_exit, (Datum) 0);
	return generation;
}

/* A worker has done its visit. */
void
accum_shared_visit_report(const AccumVisit *visit)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	if (visit->generation == shared->generation)
		shared->visits[visit->slot] = *visit;
	LWLockRelease(shared->lock);
}

/*
 * The worker of this visit has ended: take what it reported.  False when it did
 * not come to that.
 */
bool
accum_shared_visit_take(AccumVisit *visit)
{
	AccumVisit *reported = &shared->visits[visit->slot];
	bool		found;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	found = reported->database == visit->database;
	if (found)
		*visit = *reported;
	reported->database = InvalidOid;
	LWLockRelease(shared->lock);
	return found;
}
