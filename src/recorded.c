/*
 * recorded.c
 *		When a transaction's movements were recorded, in registers with history.
 *
 * Whoever asks what was known at a moment gets the movements recorded up to then.  That
 * is an answer worth keeping only if it does not show half a transaction, and does not
 * change later.  So all that a transaction writes in a register has one recorded_at,
 * and it is the moment of its first write there: later than that of taking the lock on
 * movements.  A transaction that has no lock yet will record later than now, and once
 * those have ended that have one, no movement can appear that was recorded before
 * (known.c waits for them).
 *
 * The beginning of the transaction would not do.  Nobody could tell a transaction that
 * will write from one that will not.
 *
 * Two transactions that overlap may write one document, one after the other, and the
 * later one may have recorded something before.  Then it takes another moment, now, for
 * what it writes from there on: what reverses a movement is never recorded before it.
 * So does a count, which is made of all that others have written (reconcile.c).
 *
 * What a subtransaction took is forgotten when it is rolled back, and so are, perhaps,
 * its locks.  All movements recorded at that moment have gone with it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "recorded.h"

/* The moment taken for one register; the innermost, which counts, comes first. */
typedef struct Recorded
{
	Oid			movements;
	SubTransactionId subtransaction;
	TimestampTz at;
	struct Recorded *next;
} Recorded;

/* Lives in TopTransactionContext. */
static Recorded *recorded = NULL;

static void
recorded_xact_callback(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		recorded = NULL;
}

static void
recorded_subxact_callback(SubXactEvent event, SubTransactionId subtransaction,
						  SubTransactionId parent, void *arg)
{
	/* Those of a subtransaction, and of no other, lie before those of its parents. */
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (recorded != NULL && recorded->subtransaction == subtransaction)
			recorded = recorded->next;
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (Recorded *r = recorded; r != NULL && r->subtransaction == subtransaction; r = r->next)
			r->subtransaction = parent;
	}
}

/* Once per backend, when the library is loaded. */
void
accum_recorded_init(void)
{
	RegisterXactCallback(recorded_xact_callback, NULL);
	RegisterSubXactCallback(recorded_subxact_callback, NULL);
}

static Recorded *
recorded_find(const AccumRegister *reg)
{
	Recorded   *found = recorded;

	while (found != NULL && found->movements != reg->movements)
		found = found->next;
	return found;
}

static TimestampTz
recorded_take(const AccumRegister *reg, TimestampTz at)
{
	Recorded   *taken = MemoryContextAlloc(TopTransactionContext, sizeof(Recorded));

	taken->movements = reg->movements;
	taken->subtransaction = GetCurrentSubTransactionId();
	taken->at = at;
	taken->next = recorded;
	recorded = taken;
	return at;
}

/* When what is written now was recorded; movements is locked for writing. */
TimestampTz
accum_recorded_at(const AccumRegister *reg)
{
	Recorded   *found = recorded_find(reg);

	return found != NULL ? found->at : recorded_take(reg, GetCurrentTimestamp());
}

/*
 * What is about to be written follows from a movement recorded at this moment, or from
 * what there is at it: it is not recorded before, even if the clock was set back.
 */
void
accum_recorded_after(const AccumRegister *reg, TimestampTz recorded_at)
{
	if (accum_recorded_at(reg) < recorded_at)
		(void) recorded_take(reg, Max(GetCurrentTimestamp(), recorded_at));
}

/* Has this transaction recorded anything in a register? */
bool
accum_recorded_any(const AccumRegister *reg)
{
	return recorded_find(reg) != NULL;
}
