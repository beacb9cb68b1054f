/*
 * worker.c
 *		A worker's visit to a database.
 *
 * The launcher sends it.  It gives each register a turn: its deltas are folded,
 * and at times of maintenance the partitions ahead are made.  After about one
 * second it leaves, whether it has finished or not, and tells the launcher where
 * to go on: DROP DATABASE and CREATE DATABASE … TEMPLATE wait for it no longer.
 *
 * Each batch of deltas and each partition are a transaction of their
 * own, with short waits for locks.  An error ends the register's turn, not the
 * visit; the register is then left alone for a while (stats.c).
 *
 * A worker is a superuser, but what it does to a register it does as the
 * register's owner, in a security-restricted operation, as VACUUM and REINDEX do:
 * triggers of the owner's run in it, and must find no way back, not even by being
 * deferred until the superuser commits.  Before that no code but the server's and
 * ours runs: the registry is read, as its owner, and locks are taken.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "fold.h"
#include "partition.h"
#include "partition_keep.h"
#include "query.h"
#include "registry.h"
#include "shared.h"
#include "stats.h"
#include "version.h"
#include "worker.h"

/* So long does a visit take, but for what has been begun then. */
#define VISIT_MS 1000

/* So long does a worker wait for a lock. */
#define LOCK_TIMEOUT "1s"

/* So long, so often and with such pauses for those that keep everybody else out. */
#define PARTITION_LOCK_TIMEOUT "100ms"
#define LOCK_TRIES 5
#define LOCK_RETRY_MS 50

/* A register, as the registry had it when the visit began. */
typedef struct Candidate
{
	char		name[NAMEDATALEN];
	Oid			movements;
	bool		has_deltas;
} Candidate;

/* A piece of upkeep, run as the register's owner; returns how much was done. */
typedef int64 (*Upkeep) (AccumRegister *reg);

/* Settings. */
int			accum_delta_merge_delay = 2000;
int			accum_delta_merge_batch_size = 10000;

static TimestampTz visit_begin;

PGDLLEXPORT void accum_worker_main(Datum arg);

static bool
time_is_up(void)
{
	return TimestampDifferenceExceeds(visit_begin, GetCurrentTimestamp(), VISIT_MS);
}

static void
transaction_begin(void)
{
	CHECK_FOR_INTERRUPTS();
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
}

/* Is the extension there?  If so it stays until the transaction ends. */
static bool
extension_hold(void)
{
	Oid			extension = get_extension_oid("pg_accumulator", true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	return get_extension_oid("pg_accumulator", true) == extension;
}

/* The registers by name, in the context that was current. */
static List *
candidates_read(void)
{
	MemoryContext context = CurrentMemoryContext;
	AccumQueryState state;
	List	   *result = NIL;

	accum_query_begin(&state, accum_registry_owner());
	(void) accum_query_command("SELECT m.register, m.relation, EXISTS "
							   "(SELECT FROM " ACCUM_SCHEMA "._register_relations AS d "
							   "WHERE d.register = m.register AND d.role = 'balance_cache_delta') "
							   "FROM " ACCUM_SCHEMA "._register_relations AS m "
							   "WHERE m.role = 'movements' ORDER BY m.register", SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Candidate  *candidate = MemoryContextAlloc(context, sizeof(Candidate));
		MemoryContext old = MemoryContextSwitchTo(context);
		bool		isnull;

		strlcpy(candidate->name, SPI_getvalue(row, desc, 1), NAMEDATALEN);
		candidate->movements = DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull));
		candidate->has_deltas = DatumGetBool(SPI_getbinval(row, desc, 3, &isnull));
		result = lappend(result, candidate);
		MemoryContextSwitchTo(old);
	}
	accum_query_end(&state);
	return result;
}

static bool
any_deltas(const List *candidates)
{
	ListCell   *lc;

	foreach(lc, candidates)
	{
		if (((Candidate *) lfirst(lc))->has_deltas)
			return true;
	}
	return false;
}

/* Forget statistics of registers that are not there any more. */
static void
forget_others(const List *candidates)
{
	List	   *movements = NIL;
	ListCell   *lc;

	foreach(lc, candidates)
		movements = lappend_oid(movements, ((Candidate *) lfirst(lc))->movements);
	accum_stats_forget_others(MyDatabaseId, movements);
	list_free(movements);
}

/*
 * What registers are there?  NIL also when the extension is not.
 *
 * What is known of the database goes first: a session that commits a register
 * after our snapshot was taken then enters it again.
 */
static List *
look_around(bool maintenance)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *candidates = NIL;
	bool		extension;

	accum_shared_forget_database(MyDatabaseId);
	transaction_begin();
	extension = extension_hold();
	if (extension)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		accum_version_check();
		PushActiveSnapshot(GetTransactionSnapshot());
		candidates = candidates_read();
		PopActiveSnapshot();
		MemoryContextSwitchTo(old);
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	if (extension)
		accum_shared_enter_database(MyDatabaseId, any_deltas(candidates));
	if (maintenance || !extension)
		forget_others(candidates);
	return candidates;
}

/* Do a piece of upkeep in a transaction; returns what it returns, or 0. */
static int64
upkeep_run(const Candidate *candidate, LOCKMODE lockmode, Upkeep upkeep)
{
	AccumRegister *reg;
	int64		result = 0;

	transaction_begin();
	reg = extension_hold() ? accum_register_hold(candidate->movements, lockmode) : NULL;
	if (reg != NULL)
	{
		Oid			user;
		int			security_context;
		int			guc_level;

		PushActiveSnapshot(GetTransactionSnapshot());
		GetUserIdAndSecContext(&user, &security_context);
		SetUserIdAndSecContext(accum_register_owner(reg),
							   security_context | SECURITY_RESTRICTED_OPERATION);
		guc_level = NewGUCNestLevel();
		result = upkeep(reg);
		AtEOXact_GUC(false, guc_level);
		SetUserIdAndSecContext(user, security_context);
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
	return result;
}

/* Some cell of the register having its turn could not be folded. */
static bool cells_left_out;

static int64
fold_batch(AccumRegister *reg)
{
	TimestampTz older_than = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														 -accum_delta_merge_delay);
	AccumFolded folded = accum_fold(reg, older_than, accum_delta_merge_batch_size);

	cells_left_out = cells_left_out || folded.left_out > 0;
	return folded.deltas;
}

/*
 * Make one partition, if one is missing.  Sessions may queue up behind us while we wait
 * for its locks, so that is not for long; and a large default partition is left to who
 * asks for it to be scanned.
 */
static int64
make_partition(AccumRegister *reg)
{
	Oid			default_partition = accum_partition_default(reg);
	AccumQueryState state;
	int64		made = 0;
	bool		more;

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_set("lock_timeout", PARTITION_LOCK_TIMEOUT);
	if (OidIsValid(default_partition))
		LockRelationOid(default_partition, AccessShareLock);
	if (!OidIsValid(default_partition) || !accum_default_is_large(default_partition))
		made = accum_partitions_keep(reg, accum_partitions_last_ahead(reg), 1, &more);
	accum_query_end(&state);
	return made;
}

static void
report_activity(const char *what, const Candidate *candidate)
{
	char		activity[NAMEDATALEN + 64];

	snprintf(activity, sizeof(activity), "%s of register %s", what, candidate->name);
	pgstat_report_activity(STATE_RUNNING, activity);
}

/*
 * Make the partitions that are missing, a transaction for each; false when time did
 * not suffice.
 *
 * Where a lock is not to be had the sessions that wait behind us go first, and we try
 * again.  A register that is never left alone for a moment waits for the next visit.
 */
static bool
make_partitions(const Candidate *candidate)
{
	MemoryContext context = CurrentMemoryContext;
	volatile int tries = 0;
	volatile bool made = true;

	while (made && !time_is_up())
	{
		PG_TRY();
		{
			made = upkeep_run(candidate, ShareUpdateExclusiveLock, make_partition) > 0;
		}
		PG_CATCH();
		{
			if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE || ++tries == LOCK_TRIES)
				PG_RE_THROW();
			HOLD_INTERRUPTS();
			AbortOutOfAnyTransaction();
			FlushErrorState();
			RESUME_INTERRUPTS();
			MemoryContextSwitchTo(context);
			pg_usleep(LOCK_RETRY_MS * 1000L);
		}
		PG_END_TRY();
	}
	return !made;
}

/* All that there is to do for a register; false when time did not suffice. */
static bool
register_keep(const Candidate *candidate, bool maintenance)
{
	int64		folded = 0;
	bool		done = true;

	if (candidate->has_deltas)
	{
		report_activity("folding deltas", candidate);
		do
		{
			folded = upkeep_run(candidate, RowExclusiveLock, fold_batch);
		} while (folded >= accum_delta_merge_batch_size && !time_is_up());
	}
	if (maintenance)
	{
		report_activity("making partitions", candidate);
		done = make_partitions(candidate);
	}
	return done && folded < accum_delta_merge_batch_size;
}

/* A register's turn, which may fail; false when there is more to do at once. */
static bool
register_turn(const Candidate *candidate, bool maintenance)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = true;

	if (!accum_stats_may_try(candidate->movements))
		return true;
	cells_left_out = false;
	PG_TRY();
	{
		done = register_keep(candidate, maintenance);

		/* The warning about them need not come with every visit. */
		if (cells_left_out)
			accum_stats_failed(candidate->movements);
		else
			accum_stats_succeeded(candidate->movements);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		errcontext("upkeep of register \"%s\"", candidate->name);
		EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		accum_stats_failed(candidate->movements);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}

/*
 * Give the registers their turns, those first that did not have one in the last
 * visit.
 */
static void
visit_registers(AccumVisit *visit, List *candidates)
{
	ListCell   *lc;

	foreach(lc, candidates)
	{
		Candidate  *candidate = lfirst(lc);

		if (strcmp(candidate->name, NameStr(visit->after)) <= 0)
			continue;
		if (!register_turn(candidate, visit->maintenance))
			visit->again = true;
		namestrcpy(&visit->after, candidate->name);
		visit->more = time_is_up();
		if (visit->more)
			return;
	}

	/* All have had theirs; for some it was not enough. */
	visit->more = visit->again;
	visit->maintenance = visit->maintenance && visit->again;
	visit->again = false;
	memset(&visit->after, 0, sizeof(visit->after));
}

/*
 * What others have set for their sessions, by way of ALTER DATABASE say, is not
 * for a worker (see autovacuum.c).
 */
static void
settings_override(void)
{
	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", LOCK_TIMEOUT, PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	accum_disable_transaction_timeout();
	SetConfigOption("zero_damaged_pages", "false", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("session_replication_role", "origin", PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * Entry point of a worker.
 *
 * It does not read its settings again at SIGHUP: it will have gone soon enough.
 */
void
accum_worker_main(Datum arg)
{
	AccumVisit	visit;

	memcpy(&visit, MyBgworkerEntry->bgw_extra, sizeof(visit));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(visit.database, InvalidOid, 0);
	settings_override();
	MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext, "accum visit",
												ALLOCSET_DEFAULT_SIZES));

	visit_begin = GetCurrentTimestamp();
	pgstat_report_activity(STATE_RUNNING, "looking for registers");
	visit_registers(&visit, look_around(visit.maintenance));
	accum_shared_visit_report(&visit);
}
