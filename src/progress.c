/*
 * progress.c
 *		How far long work on a register has come.
 *
 * Verify, rebuilds and archiving read all movements.  The query that reads them passes
 * each row by accum._progress_row(), which counts; the rest of the work has phases, but
 * nothing to count.  Every pg_accumulator.progress_interval the session that works is
 * told with a NOTICE, and others can see it in the view accum.progress, for which it is
 * kept in shared memory, if there is any: when the library is preloaded.
 *
 * A session has one piece of work at a time.  What ends with an error ends here when
 * its transaction, or its subtransaction, does.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "progress.h"
#include "table_rows.h"

PG_FUNCTION_INFO_V1(accum_progress_row);
PG_FUNCTION_INFO_V1(accum_progress);

/* So many sessions can be seen at work at a time. */
#define MAX_SLOTS 64

/* Look at the clock after so many movements. */
#define ROWS_PER_LOOK 1000

#define AREA_NAME "pg_accumulator progress"
#define MAX_TEXT 40

/* Columns of accum._progress. */
#define COLUMNS 7

/* A piece of work. */
typedef struct Work
{
	int			pid;			/* 0: nothing */
	Oid			database;
	Oid			movements;
	NameData	reg;
	char		command[MAX_TEXT];
	char		phase[MAX_TEXT];
	bool		counted;		/* else no numbers are kept */
	int64		done;
	int64		total;
	TimestampTz started;
} Work;

typedef struct ProgressArea
{
	LWLock	   *lock;
	Work		slots[MAX_SLOTS];
} ProgressArea;

/* Setting pg_accumulator.progress_interval, in milliseconds; 0 is for no NOTICEs. */
int			accum_progress_interval = 5000;

static ProgressArea *area = NULL;

/* This session's work, and where others see it: -1 for nowhere. */
static Work work;
static int	slot = -1;
static SubTransactionId subtransaction;
static TimestampTz noticed;
static TimestampTz reading_since;

static shmem_request_hook_type previous_request = NULL;
static shmem_startup_hook_type previous_startup = NULL;

static void
progress_request(void)
{
	if (previous_request != NULL)
		previous_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(ProgressArea)));
	RequestNamedLWLockTranche(AREA_NAME, 1);
}

static void
progress_startup(void)
{
	bool		found;

	if (previous_startup != NULL)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	area = ShmemInitStruct(AREA_NAME, sizeof(ProgressArea), &found);
	if (!found)
	{
		memset(area, 0, sizeof(ProgressArea));
		area->lock = &GetNamedLWLockTranche(AREA_NAME)->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Let others see the work as it is. */
static void
publish(void)
{
	if (slot < 0)
		return;
	LWLockAcquire(area->lock, LW_EXCLUSIVE);
	area->slots[slot] = work;
	LWLockRelease(area->lock);
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		accum_progress_end();
}

static void
subxact_callback(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && work.pid != 0 && subtransaction == mine)
		accum_progress_end();
}

/* Once per backend, when the library is loaded. */
void
accum_progress_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}

/* When the library is preloaded. */
void
accum_progress_preload(void)
{
	previous_request = shmem_request_hook;
	shmem_request_hook = progress_request;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = progress_startup;
}

/*
 * Begin a piece of work, called command, on a register.  To whom row security shows a
 * part of movements, the number of those that are read would tell how many others there
 * are.
 */
void
accum_progress_begin(AccumRegister *reg, const char *command)
{
	accum_progress_end();
	memset(&work, 0, sizeof(work));
	work.pid = MyProcPid;
	work.database = MyDatabaseId;
	work.movements = reg->movements;
	work.counted = accum_may_count(reg->movements);
	namestrcpy(&work.reg, reg->name);
	strlcpy(work.command, command, MAX_TEXT);
	work.started = noticed = GetCurrentTimestamp();
	subtransaction = GetCurrentSubTransactionId();
	if (area == NULL)
		return;
	LWLockAcquire(area->lock, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS && slot < 0; i++)
	{
		if (area->slots[i].pid == 0)
			slot = i;
	}
	if (slot >= 0)
		area->slots[slot] = work;
	LWLockRelease(area->lock);
}

/* Tell the session, if it is time to. */
static void
tell(TimestampTz now)
{
	double		seconds = Max(now - reading_since, 1) / (double) USECS_PER_SEC;

	if (accum_progress_interval == 0 ||
		now < TimestampTzPlusMilliseconds(noticed, accum_progress_interval))
		return;
	noticed = now;
	if (reading_since == 0)
		ereport(NOTICE,
				(errmsg("%s of register \"%s\": %s", work.command, NameStr(work.reg), work.phase)));
	else
		ereport(NOTICE,
				(errmsg("%s of register \"%s\": %s, %d %%, %.0f movements per second",
						work.command, NameStr(work.reg), work.phase,
						(int) (100 * work.done / Max(work.total, 1)), work.done / seconds)));
}

static void
set_phase(const char *phase)
{
	strlcpy(work.phase, phase, MAX_TEXT);
	publish();
	tell(GetCurrentTimestamp());
}

/* Movements are going to be read, about so many. */
void
accum_progress_reading(int64 total)
{
	if (work.pid == 0)
		return;
	work.total = total;
	work.done = 0;
	reading_since = work.counted ? GetCurrentTimestamp() : 0;
	set_phase("reading movements");
}

/* All movements have been read; what comes now is called phase. */
void
accum_progress_phase(const char *phase)
{
	if (work.pid == 0)
		return;
	work.total = work.done;
	reading_since = 0;
	set_phase(phase);
}

/* The work is done, or given up. */
void
accum_progress_end(void)
{
	work.pid = 0;
	reading_since = 0;
	publish();
	slot = -1;
}

/*
 * accum._progress_row() returns boolean
 *
 * True.  A movement has been read.
 */
Datum
accum_progress_row(PG_FUNCTION_ARGS)
{
	if (reading_since != 0 && ++work.done % ROWS_PER_LOOK == 0)
	{
		/* The number of movements was a guess. */
		work.total = Max(work.total, work.done);
		publish();
		tell(GetCurrentTimestamp());
	}
	PG_RETURN_BOOL(true);
}

/*
 * accum._progress() returns setof record
 *
 * What sessions of this database are working at; numbers are for who may count movements.
 */
Datum
accum_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Work	   *slots = palloc(sizeof(Work) * MAX_SLOTS);
	bool		all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);

	InitMaterializedSRF(fcinfo, 0);
	if (area == NULL)
		return (Datum) 0;
	LWLockAcquire(area->lock, LW_SHARED);
	memcpy(slots, area->slots, sizeof(Work) * MAX_SLOTS);
	LWLockRelease(area->lock);
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Work	   *other = &slots[i];
		bool		nulls[COLUMNS] = {false};
		Datum		values[COLUMNS];

		if (other->pid == 0 || other->database != MyDatabaseId)
			continue;
		values[0] = Int32GetDatum(other->pid);
		values[1] = CStringGetTextDatum(NameStr(other->reg));
		values[2] = CStringGetTextDatum(other->command);
		values[3] = CStringGetTextDatum(other->phase);
		values[4] = Int64GetDatum(other->done);
		values[5] = Int64GetDatum(other->total);
		nulls[4] = nulls[5] = !other->counted || !(all || accum_may_count(other->movements));
		values[6] = TimestampTzGetDatum(other->started);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
