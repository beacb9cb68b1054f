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
 *	- before a statement that reads derived tables or calls one of our read
 *	  functions, so that everybody sees what they would see without coalescing.
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

#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "utils/catcache.h"
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

/* Setting pg_accumulator.coalesce. */
bool		accum_coalesce = false;

static Pending *pendings = NULL;
static bool applying = false;

/* Commands before and after deltas were applied the last time; see show_applied. */
static CommandId applied_by = InvalidCommandId;
static CommandId applied_until = InvalidCommandId;

/* Hash values of the functions that read derived tables, see reads_pending. */
static uint32 readers[8];
static int	nreaders = 0;

static ExecutorStart_hook_type previous_executor_start = NULL;

static void note_readers(void);

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
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "accum pending deltas",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Pending    *pending = palloc0(sizeof(Pending));

	if (pendings == NULL)
		note_readers();
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
	if (MemoryContextMemAllocated(pending->context, true) > (Size) work_mem * 1024)
		accum_pending_flush();
	return true;
}

static void
apply(Pending *pending)
{
	AccumRegister *reg = accum_register_hold(pending->movements, RowExclusiveLock);
	AccumQueryState state;

	/* Dropped by this transaction: its movements have gone, too. */
	if (reg == NULL)
		return;
	accum_identity_begin(&state, accum_register_owner(reg));
	if (reg->high_write)
		accum_derived_append(reg, pending->set);
	else
		accum_derived_apply(reg, pending->set);
	accum_identity_end(&state);
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

/* Apply all that is pending, as the owners of the registers. */
void
accum_pending_flush(void)
{
	int			level = GetCurrentTransactionNestLevel();

	if (applying || !any_pending())
		return;
	applying = true;
	applied_by = GetCurrentCommandId(false);
	PG_TRY();
	{
		for (Pending *pending = pendings; pending != NULL; pending = pending->next)
		{
			if (pending->applied_level == 0)
				apply(pending);
		}
	}
	PG_FINALLY();
	{
		applying = false;
	}
	PG_END_TRY();
	for (Pending *pending = pendings; pending != NULL; pending = pending->next)
	{
		if (pending->applied_level == 0)
			pending->applied_level = level;
	}
	forget_settled();
	applied_until = GetCurrentCommandId(false);
}

/*
 * Let a snapshot show what its statement should see: apply what is pending when
 * apply_now is set and the statement began after all of it was added.
 *
 * A statement that is older began when nothing was pending that it reads; what has
 * been added since is not for it.  Between applied_by and applied_until nothing but
 * deltas has been applied.  The snapshot is a copy that is the statement's alone.
 */
static void
show_applied(Snapshot snapshot, bool apply_now)
{
	if (apply_now && snapshot->curcid == GetCurrentCommandId(false))
		accum_pending_flush();
	if (applied_by != InvalidCommandId && snapshot->curcid == applied_by)
		snapshot->curcid = applied_until;
}

/*
 * For a function that reads derived tables, but not with a query: see to it that the
 * active snapshot shows what it should.
 */
void
accum_pending_settle(void)
{
	if (pendings != NULL || applied_by != InvalidCommandId)
		show_applied(GetActiveSnapshot(), !IsInParallelMode());
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
			if (role != ACCUM_MOVEMENTS && reg->relations[role] == relation)
				return true;
		}
	}
	return false;
}

/* Note by what hash values plans depend on our readers. */
static void
note_readers(void)
{
	static const char *const names[] = {"_balance", "_turnover", "_statement"};

	nreaders = 0;
	for (size_t i = 0; i < lengthof(names); i++)
	{
		CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(names[i]));

		for (int j = 0; j < list->n_members && nreaders < (int) lengthof(readers); j++)
		{
			Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[j]->tuple);

			if (proc->pronamespace == accum_schema_oid())
				readers[nreaders++] = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(proc->oid));
		}
		ReleaseSysCacheList(list);
	}
}

static bool
is_reader(uint32 hash)
{
	for (int i = 0; i < nreaders; i++)
	{
		if (readers[i] == hash)
			return true;
	}
	return false;
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
	if ((pendings != NULL || applied_by != InvalidCommandId) && !applying &&
		!IsInParallelMode() && query->snapshot != InvalidSnapshot)
		show_applied(query->snapshot, any_pending() && reads_pending(query->plannedstmt));
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
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
}
