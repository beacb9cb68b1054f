/*
 * launcher.c
 *		The background worker that sends workers to databases.
 *
 * It is there when the library is in shared_preload_libraries, and connects to
 * no database, so that it is in nobody's way.  It reads pg_database in a short
 * transaction and keeps no other.  Of each database it remembers when workers
 * were there and how that ended; whether the extension is there, shared memory
 * tells (shared.c).
 *
 * A database that it has not seen before gets one visit, to see whether the
 * extension is there.  After that it gets none without the extension, one every
 * delta_merge_interval while it has registers with deltas, and one every
 * maintenance_interval in any case.  No database has two visitors at a time.  Of
 * several that are due the one that has been so for longest comes first.
 *
 * An error ends the launcher, and the postmaster starts another, who has to
 * look everywhere again.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "launcher.h"
#include "shared.h"
#include "stats.h"

/* New databases are noticed after so many milliseconds at the latest. */
#define MAX_NAP_MS 60000

/* When no worker could be started, wait so long. */
#define NO_WORKER_DELAY_MS 5000

/* After a visit that failed wait 1 s, then 2 s, and so on up to about 4 minutes. */
#define FIRST_DELAY_MS 1000
#define MAX_DOUBLINGS 8

#define RESTART_SECONDS 5

#define ACTIVITY "starting workers"

typedef struct Database
{
	Oid			oid;
	bool		listed;			/* still in pg_database */
	bool		probed;			/* a worker has looked for the extension */
	int			failures;		/* visits that failed, in a row */
	TimestampTz visited;		/* when the last visit ended */
	TimestampTz maintained;		/* when the last one with maintenance began */
	AccumVisit	visit;			/* the last one; as planned while under way */
	BackgroundWorkerHandle *worker; /* NULL when none is under way */
} Database;

/* Settings. */
int			accum_background_workers = 1;
int			accum_maintenance_interval = 3600000;
int			accum_delta_merge_interval = 5000;

static HTAB *databases;
static Database *slots[ACCUM_MAX_WORKERS];
static int	generation;

/* Until then no worker is started, because there was no room for one. */
static TimestampTz no_worker_until = DT_NOBEGIN;

PGDLLEXPORT void accum_launcher_main(Datum arg);

/* While the library is being preloaded. */
void
accum_launcher_register(void)
{
	BackgroundWorker worker = {
		.bgw_name = "pg_accumulator launcher",
		.bgw_type = "pg_accumulator launcher",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = RESTART_SECONDS,
		.bgw_library_name = "pg_accumulator",
		.bgw_function_name = "accum_launcher_main",
	};

	/* During an upgrade nothing but the upgrade may change the databases. */
	if (accum_background_workers > 0 && !IsBinaryUpgrade)
		RegisterBackgroundWorker(&worker);
}

/* A database in pg_database that workers may connect to. */
static void
database_listed(Oid oid, TimestampTz now)
{
	bool		found;
	Database   *database = hash_search(databases, &oid, HASH_ENTER, &found);

	if (!found)
	{
		memset(database, 0, sizeof(Database));
		database->oid = oid;
	}
	database->listed = true;

	/* Do not wait for a time that comes again because the clock was set back. */
	database->visited = Min(database->visited, now);
	database->maintained = Min(database->maintained, now);
}

static void
forget_unlisted(void)
{
	HASH_SEQ_STATUS status;
	Database   *database;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		if (database->listed || database->worker != NULL)
			continue;
		accum_shared_forget_database(database->oid);
		accum_stats_forget_others(database->oid, NIL);
		hash_search(databases, &database->oid, HASH_REMOVE, NULL);
	}
}

/* Bring what we know of databases up to date with pg_database. */
static void
databases_read(TimestampTz now)
{
	MemoryContext context = CurrentMemoryContext;
	HASH_SEQ_STATUS status;
	Database   *database;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
		database->listed = false;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (form->datallowconn && !form->datistemplate && !accum_database_invalid(form))
			database_listed(form->oid, now);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	forget_unlisted();
}

/* When should the next visit be?  DT_NOEND when for now there is to be none. */
static TimestampTz
database_due(const Database *database)
{
	TimestampTz due;
	bool		has_deltas;

	if (database->worker != NULL)
		return DT_NOEND;
	if (database->failures > 0)
		return TimestampTzPlusMilliseconds(database->visited,
										   FIRST_DELAY_MS << Min(database->failures - 1, MAX_DOUBLINGS));
	if (!database->probed)
		return DT_NOBEGIN;
	if (!accum_shared_has_database(database->oid, &has_deltas))
		return DT_NOEND;
	if (database->visit.more)
		return database->visited;
	due = TimestampTzPlusMilliseconds(database->maintained, accum_maintenance_interval);
	if (has_deltas)
		due = Min(due, TimestampTzPlusMilliseconds(database->visited, accum_delta_merge_interval));
	return due;
}

/* The database to visit next, and when; NULL when there is none. */
static Database *
next_database(TimestampTz *due)
{
	HASH_SEQ_STATUS status;
	Database   *database;
	Database   *next = NULL;

	*due = DT_NOEND;
	hash_seq_init(&status, databases);
	while ((database = hash_seq_search(&status)) != NULL)
	{
		TimestampTz this_due = database_due(database);

		if (this_due < *due)
		{
			next = database;
			*due = this_due;
		}
	}
	return next;
}

/* The number of an idle worker; -1 when there are as many workers as allowed. */
static int
free_slot(void)
{
	for (int i = 0; i < accum_background_workers; i++)
	{
		if (slots[i] == NULL)
			return i;
	}
	return -1;
}

static void
visit_plan(Database *database, int slot, TimestampTz now)
{
	AccumVisit *visit = &database->visit;

	visit->generation = generation;
	visit->slot = slot;
	visit->database = database->oid;
	if (visit->more)
		return;
	memset(&visit->after, 0, sizeof(visit->after));
	visit->again = false;
	visit->maintenance = !database->probed ||
		TimestampDifferenceExceeds(database->maintained, now, accum_maintenance_interval);
}

/* Send a worker; false when the server has no room for another one. */
static bool
visit_start(Database *database, int slot, TimestampTz now)
{
	BackgroundWorker worker = {
		.bgw_name = "pg_accumulator worker",
		.bgw_type = "pg_accumulator worker",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "pg_accumulator",
		.bgw_function_name = "accum_worker_main",
		.bgw_notify_pid = MyProcPid,
	};

	StaticAssertStmt(sizeof(AccumVisit) <= BGW_EXTRALEN, "a visit must fit into bgw_extra");
	visit_plan(database, slot, now);
	memcpy(worker.bgw_extra, &database->visit, sizeof(AccumVisit));
	if (!RegisterDynamicBackgroundWorker(&worker, &database->worker))
	{
		database->worker = NULL;
		return false;
	}
	slots[slot] = database;
	if (database->visit.maintenance && !database->visit.more)
		database->maintained = now;
	return true;
}

/* Visits that are over. */
static void
visits_finish(TimestampTz now)
{
	for (int i = 0; i < ACCUM_MAX_WORKERS; i++)
	{
		Database   *database = slots[i];
		pid_t		pid;

		if (database == NULL ||
			GetBackgroundWorkerPid(database->worker, &pid) != BGWH_STOPPED)
			continue;
		slots[i] = NULL;
		pfree(database->worker);
		database->worker = NULL;
		database->visited = now;
		database->probed = accum_shared_visit_take(&database->visit);
		if (database->probed)
			database->failures = 0;
		else
		{
			database->failures++;
			database->visit.more = false;
		}
	}
}

/* Start what workers are due; returns when there is something to do again. */
static TimestampTz
visits_start(TimestampTz now)
{
	TimestampTz due;
	Database   *database;
	int			slot;

	if (no_worker_until > now)
		return no_worker_until;
	while ((slot = free_slot()) >= 0)
	{
		database = next_database(&due);
		if (database == NULL || due > now)
			return due;
		if (!visit_start(database, slot, now))
		{
			ereport(LOG,
					(errmsg("no background worker could be started for pg_accumulator"),
					 errhint("You might need to increase max_worker_processes.")));
			no_worker_until = TimestampTzPlusMilliseconds(now, NO_WORKER_DELAY_MS);
			return no_worker_until;
		}
	}

	/* The end of a worker will wake us. */
	return DT_NOEND;
}

/* One round; returns how long to sleep, in milliseconds. */
static long
launcher_round(void)
{
	static TimestampTz last_read = 0;
	int			max_nap = Min(MAX_NAP_MS, accum_maintenance_interval);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next;

	visits_finish(now);
	(void) next_database(&next);
	if (next <= now || now < last_read || TimestampDifferenceExceeds(last_read, now, max_nap))
	{
		/* Also so that nobody is sent to a database that is gone. */
		databases_read(now);
		last_read = now;
	}
	next = visits_start(now);
	return Min(max_nap, TimestampDifferenceMilliseconds(now, next));
}

/* Entry point of the launcher. */
void
accum_launcher_main(Datum arg)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(Database)};

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);

	MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext, "accum launcher",
												ALLOCSET_DEFAULT_SIZES));
	databases = hash_create("accum databases", 32, &control, HASH_ELEM | HASH_BLOBS);
	generation = accum_shared_launch();

	for (;;)
	{
		long		nap;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		pgstat_report_activity(STATE_RUNNING, ACTIVITY);
		nap = launcher_round();
		pgstat_report_activity(STATE_IDLE, ACTIVITY);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, nap,
						 PG_WAIT_EXTENSION);
	}
}
