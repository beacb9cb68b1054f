/*
 * pending.c
 *		Deltas that a transaction keeps to itself for a while: pg_accumulator.coalesce.
 *
 * Each post writes new versions of the rows of its cells.  A transaction that posts
 * to the same cells again and again leaves behind as many versions, none of which can
 * be removed before it ends, and each post has to step over them all.  With coalesce
 * on, the deltas of posts are added up in memory instead and applied
 *
 *	- when the transaction commits or is prepared;
 *	- when they need more memory than work_mem;
 *	- before a statement that reads derived tables, or calls a function that may do
 *	  so for it, so that everybody sees what they would see without coalescing.
 *	  Only COPY of a derived table itself, which is no query, does not wait for them.
 *
 * Deltas belong to the subtransaction that they were added in.  If it is rolled back
 * they are dropped.  If it was others' deltas that were applied in it, what it applied
 * is undone, and they are pending again: deltas that have been applied are therefore
 * kept until that cannot happen any more.
 *
 * A register with limits is left out: the statement that breaks one is to fail.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "derived.h"
#include "pending.h"
#include "query.h"

/* What a subtransaction has added to one register. */
typedef struct Pending
{
	Oid			movements;
	int			level;			/* of the subtransaction */
	int			applied_level;	/* of the one in which it was applied, 0 if not yet */
	AccumDeltaSet *set;
	MemoryContext context;
	struct Pending *next;
} Pending;

/* With more than so many of them it is time to apply them. */
#define MAX_PENDINGS 64

/* Setting pg_accumulator.coalesce. */
bool		accum_coalesce = false;

/* The transaction's, and the context that all of them live in. */
static Pending *pendings = NULL;
static MemoryContext pendings_context = NULL;
static bool applying = false;

/*
 * Commands before and after deltas were applied for a statement the last time, and
 * whether the first of them had been written with before that; see catch_up.
 */
static CommandId applied_by = InvalidCommandId;
static CommandId applied_until = InvalidCommandId;
static bool applied_beside = false;

/* Hash values of functions that may read derived tables, in order; see may_read. */
static uint32 *readers = NULL;
static int	nreaders = 0;

/* What the list of readers is to be up to, and what it is up to. */
static uint64 function_changes = 1;
static uint64 readers_changes = 0;

static ExecutorStart_hook_type previous_executor_start = NULL;

static bool
any_pending(void)
{
	for (Pending *pending = pendings; pending != NULL; pending = pending->next)
	{
		if (pending->applied_level == 0)
			return true;
	}
	return false;
}

/* The place of what a register has pending in a subtransaction, to be added to. */
static Pending **
find_open(Oid movements, int level, Pending *but)
{
	for (Pending **link = &pendings; *link != NULL; link = &(*link)->next)
	{
		if (*link != but && (*link)->movements == movements && (*link)->level == level &&
			(*link)->applied_level == 0 && accum_delta_set_is_open((*link)->set))
			return link;
	}
	return NULL;
}

static void
remove_link(Pending **link)
{
	Pending    *pending = *link;

	*link = pending->next;
	accum_delta_set_free(pending->set);
	MemoryContextDelete(pending->context);
}

static Pending *
pending_create(AccumRegister *reg, int level)
{
	MemoryContext context;
	MemoryContext old;
	Pending    *pending;

	if (pendings_context == NULL)
		pendings_context = AllocSetContextCreate(TopTransactionContext, "accum pending deltas",
												 ALLOCSET_SMALL_SIZES);
	context = AllocSetContextCreate(pendings_context, "accum pending deltas of a register",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	pending = palloc0(sizeof(Pending));
	pending->movements = reg->movements;
	pending->level = level;
	pending->context = context;
	pending->set = accum_delta_set_create(reg);
	pending->next = pendings;
	pendings = pending;
	MemoryContextSwitchTo(old);
	return pending;
}

/*
 * Subtransactions that have ended left theirs to this one: put together what belongs
 * together now.  If that fails, this one is rolled back, and all of it goes.
 */
static void
merge_open(Oid movements, int level)
{
	Pending   **open = find_open(movements, level, NULL);
	Pending    *pending = open != NULL ? *open : NULL;
	Pending   **other;

	while (pending != NULL && (other = find_open(movements, level, pending)) != NULL)
	{
		accum_delta_set_merge(pending->set, (*other)->set);
		remove_link(other);
	}
}

/* Each subtransaction that ended well has left what it added: may that go on? */
static bool
has_room(void)
{
	int			n = 0;

	for (Pending *pending = pendings; pending != NULL; pending = pending->next)
		n++;
	return n <= MAX_PENDINGS &&
		MemoryContextMemAllocated(pendings_context, true) <= (Size) work_mem * 1024;
}

/*
 * Keep a change's deltas until later; false when they have to be applied now.
 *
 * Raises unique_violation when two cells share a hash.
 */
bool
accum_pending_add(AccumRegister *reg, const AccumDeltaSet *set)
{
	int			level = GetCurrentTransactionNestLevel();
	Pending   **open;
	Pending    *pending;

	if (!accum_coalesce || reg->nlimits > 0 || !accum_delta_set_is_open(set))
		return false;
	merge_open(reg->movements, level);
	open = find_open(reg->movements, level, NULL);
	pending = open != NULL ? *open : pending_create(reg, level);
	accum_delta_set_merge(pending->set, set);
	if (!has_room())
		accum_pending_flush();
	return true;
}

/* Mark what a register has pending as applied, and put it together. */
static AccumDeltaSet *
gather(Oid movements, int level, AccumDeltaSet **copy)
{
	AccumDeltaSet *set = NULL;

	*copy = NULL;
	for (Pending *pending = pendings; pending != NULL; pending = pending->next)
	{
		if (pending->movements != movements || pending->applied_level != 0)
			continue;
		pending->applied_level = level;
		if (set == NULL)
		{
			set = pending->set;
			continue;
		}
		if (*copy == NULL)
		{
			*copy = accum_delta_set_create(accum_delta_set_register(set));
			accum_delta_set_merge(*copy, set);
			set = *copy;
		}
		accum_delta_set_merge(set, pending->set);
	}
	return set;
}

/* Apply what a register has pending, as its owner.  An error undoes the marks, too. */
static void
apply(Oid movements, int level)
{
	AccumRegister *reg = NULL;
	AccumDeltaSet *copy;
	AccumDeltaSet *set = gather(movements, level, &copy);
	AccumQueryState state;

	/* Dropped by this transaction, the register or the extension: nobody keeps totals up. */
	if (OidIsValid(get_extension_oid("pg_accumulator", true)))
		reg = accum_register_hold(movements, RowExclusiveLock);
	if (reg != NULL)
	{
		accum_identity_begin(&state, accum_register_owner(reg));
		if (reg->high_write)
			accum_derived_append(reg, set);
		else
			accum_derived_apply(reg, set);
		accum_identity_end(&state);
	}
	if (copy != NULL)
		accum_delta_set_free(copy);
}

/* Forget what can never become pending again. */
static void
forget_settled(void)
{
	Pending   **link = &pendings;

	while (*link != NULL)
	{
		if ((*link)->applied_level != 0 && (*link)->applied_level <= (*link)->level)
			remove_link(link);
		else
			link = &(*link)->next;
	}
}

/* What to apply next, register by register in one order for all sessions. */
static Pending *
next_pending(void)
{
	Pending    *next = NULL;

	for (Pending *pending = pendings; pending != NULL; pending = pending->next)
	{
		if (pending->applied_level == 0 &&
			(next == NULL || pending->movements < next->movements))
			next = pending;
	}
	return next;
}

/*
 * Apply all that is pending, as the owners of the registers; what triggers of users
 * add meanwhile, too.
 *
 * A transaction that has become read-only since it posted may still do so.
 */
void
accum_pending_flush(void)
{
	int			level = GetCurrentTransactionNestLevel();
	bool		read_only = XactReadOnly;
	Pending    *pending;

	if (applying || !any_pending())
		return;
	applying = true;
	XactReadOnly = false;
	PG_TRY();
	{
		while ((pending = next_pending()) != NULL)
			apply(pending->movements, level);
	}
	PG_FINALLY();
	{
		XactReadOnly = read_only;
		applying = false;
	}
	PG_END_TRY();
	forget_settled();
}

/*
 * Apply what is pending for a statement that has this snapshot, if it began after
 * all of it was added.
 *
 * A statement that is older began when nothing was pending that it reads; what has
 * been added since is not for it.
 */
static void
apply_for(Snapshot snapshot)
{
	CommandId	command = GetCurrentCommandId(false);

	if (applying || IsInParallelMode() || snapshot->curcid != command || !any_pending())
		return;
	CommandCounterIncrement();
	applied_beside = GetCurrentCommandId(false) != command;
	accum_pending_flush();
	applied_by = command;
	applied_until = GetCurrentCommandId(false);
}

/* Would a snapshot show what has been applied for its statement, if it were newer? */
static bool
is_behind(Snapshot snapshot)
{
	return applied_by != InvalidCommandId && snapshot->curcid == applied_by;
}

/* Make active a snapshot that is a copy but for showing what has been applied. */
static void
push_newer(Snapshot snapshot)
{
	PushCopiedSnapshot(snapshot);
	GetActiveSnapshot()->curcid = applied_until;
}

/*
 * Let a statement see what has been applied for it.
 *
 * Between applied_by and applied_until nothing but deltas has been applied, so that
 * its snapshot, which is a copy that it shares with those it is part of only, may as
 * well be that much newer.  If one of these has been writing as applied_by, it must
 * not see what it writes itself: then the statement has a newer snapshot alone.  Its
 * workers would take the other one, so it does without.
 */
static void
catch_up(QueryDesc *query)
{
	Snapshot	shared = query->snapshot;

	if (!applied_beside)
	{
		shared->curcid = applied_until;
		return;
	}
	push_newer(shared);
	query->snapshot = RegisterSnapshot(GetActiveSnapshot());
	PopActiveSnapshot();
	UnregisterSnapshot(shared);
	if (query->plannedstmt->parallelModeNeeded)
	{
		PlannedStmt *serial = palloc(sizeof(PlannedStmt));

		*serial = *query->plannedstmt;
		serial->parallelModeNeeded = false;
		query->plannedstmt = serial;
	}
}

/*
 * For a function that reads derived tables, but not with a query: make active a
 * snapshot that shows what it should.  The caller pops it.
 */
void
accum_pending_push_snapshot(void)
{
	Snapshot	snapshot = GetActiveSnapshot();

	apply_for(snapshot);
	if (!is_behind(snapshot))
		PushActiveSnapshot(snapshot);
	else if (applied_beside)
		push_newer(snapshot);
	else
	{
		snapshot->curcid = applied_until;
		PushActiveSnapshot(snapshot);
	}
}

/* Is a relation one that something pending has yet to be written to? */
static bool
is_lagging(Oid relation)
{
	for (Pending *pending = pendings; pending != NULL; pending = pending->next)
	{
		AccumRegister *reg = accum_delta_set_register(pending->set);

		for (int role = 0; pending->applied_level == 0 && role < ACCUM_ROLES; role++)
		{
			if (role != ACCUM_MOVEMENTS && role != ACCUM_RECORDERS &&
				reg->relations[role] == relation)
				return true;
		}
	}
	return false;
}

/*
 * May a function read derived tables with the snapshot of the statement that calls
 * it?  Those of ours that do, and those of users that are stable, whatever they call.
 * What is volatile has snapshots of its own, what is immutable reads no tables.
 */
static bool
may_read(Form_pg_proc proc)
{
	const char *name = NameStr(proc->proname);

	if (proc->prolang == ClanguageId || proc->prolang == INTERNALlanguageId)
		return proc->pronamespace == get_namespace_oid(ACCUM_SCHEMA, true) &&
			(strcmp(name, "_balance") == 0 || strcmp(name, "_turnover") == 0 ||
			 strcmp(name, "_statement") == 0 || strcmp(name, "_cells_with_deltas") == 0);
	return proc->provolatile == PROVOLATILE_STABLE;
}

static int
compare_hashes(const void *a, const void *b)
{
	uint32		left = *(const uint32 *) a;
	uint32		right = *(const uint32 *) b;

	return (left > right) - (left < right);
}

/* List the functions that may read, by the hash values that plans know them by. */
static void
note_readers(void)
{
	uint64		changes = function_changes;
	Relation	rel = table_open(ProcedureRelationId, AccessShareLock);
	int			capacity = 64;
	uint32	   *hashes = palloc(sizeof(uint32) * capacity);
	int			n = 0;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_proc_oid, BTGreaterEqualStrategyNumber, F_OIDGE,
				ObjectIdGetDatum(FirstNormalObjectId));
	scan = systable_beginscan(rel, ProcedureOidIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);

		if (!may_read(proc))
			continue;
		if (n == capacity)
			hashes = repalloc(hashes, sizeof(uint32) * (capacity *= 2));
		hashes[n++] = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(proc->oid));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	qsort(hashes, n, sizeof(uint32), compare_hashes);

	if (readers != NULL)
		pfree(readers);
	readers = NULL;
	nreaders = 0;
	readers = MemoryContextAlloc(TopMemoryContext, sizeof(uint32) * capacity);
	memcpy(readers, hashes, sizeof(uint32) * n);
	nreaders = n;
	readers_changes = changes;
	pfree(hashes);
}

static void
function_changed(Datum arg, int cache, uint32 hash)
{
	function_changes++;
}

static bool
is_reader(uint32 hash)
{
	if (readers_changes != function_changes)
		note_readers();
	return bsearch(&hash, readers, nreaders, sizeof(uint32), compare_hashes) != NULL;
}

/* Does a statement read what is pending, in tables or by a function? */
static bool
reads_pending(const PlannedStmt *statement)
{
	ListCell   *lc;

	foreach(lc, statement->rtable)
	{
		RangeTblEntry *entry = lfirst(lc);

		if (entry->rtekind == RTE_RELATION && is_lagging(entry->relid))
			return true;
	}
	foreach(lc, statement->invalItems)
	{
		PlanInvalItem *item = lfirst(lc);

		if (item->cacheId == PROCOID && is_reader(item->hashValue))
			return true;
	}
	return false;
}

/* Before a statement that reads what is pending, apply it. */
static void
executor_start(QueryDesc *query, int eflags)
{
	if (!applying && !IsInParallelMode() && query->snapshot != InvalidSnapshot)
	{
		if (any_pending() && reads_pending(query->plannedstmt))
			apply_for(query->snapshot);
		if (is_behind(query->snapshot))
			catch_up(query);
	}
	if (previous_executor_start != NULL)
		previous_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/* Deferred triggers of users may be fired by what is applied, and post themselves. */
static void
flush_at_end(void)
{
	if (!any_pending())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	while (any_pending())
	{
		accum_pending_flush();
		AfterTriggerFireDeferred();
	}
	PopActiveSnapshot();
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			flush_at_end();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pendings = NULL;
			pendings_context = NULL;
			applied_by = applied_until = InvalidCommandId;
			break;
		default:
			break;
	}
}

/* A subtransaction was rolled back: its deltas go, what it applied is undone. */
static void
subtransaction_aborted(int level)
{
	Pending   **link = &pendings;

	while (*link != NULL)
	{
		if ((*link)->level >= level)
			remove_link(link);
		else
		{
			if ((*link)->applied_level >= level)
				(*link)->applied_level = 0;
			if (!applying && (*link)->applied_level == 0)
				accum_delta_set_reopen((*link)->set);
			link = &(*link)->next;
		}
	}
}

/* A subtransaction has ended well: what was its is the outer one's. */
static void
subtransaction_committed(int level)
{
	for (Pending *pending = pendings; pending != NULL; pending = pending->next)
	{
		if (pending->level == level)
			pending->level--;
		if (pending->applied_level == level)
			pending->applied_level--;
	}
	forget_settled();
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subtransaction, SubTransactionId parent,
				 void *arg)
{
	if (pendings == NULL)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		subtransaction_aborted(GetCurrentTransactionNestLevel());
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		subtransaction_committed(GetCurrentTransactionNestLevel());
}

/* Once per backend, when the library is loaded. */
void
accum_pending_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
	CacheRegisterSyscacheCallback(PROCOID, function_changed, (Datum) 0);
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
}
