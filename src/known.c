/*
 * known.c
 *		register_known_until: up to which moment answers about what was known are final.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/timestamp.h"

#include "recorded.h"

PG_FUNCTION_INFO_V1(accum_register_known_until);

/*
 * accum.register_known_until(p_name text) returns timestamptz
 *
 * Wait for the transactions that are writing the register; what is asked with known_at
 * up to the moment that is returned, of before the wait, has the same answer for good.
 */
Datum
accum_register_known_until(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.privileges = ACL_SELECT};
	AccumRegister *reg = accum_register_named(fcinfo, AccessShareLock, &access);
	TimestampTz now = GetCurrentTimestamp();
	LOCKTAG		tag;

	PreventCommandDuringRecovery("register_known_until()");
	if (!reg->history)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("register \"%s\" was created without history", reg->name),
				 errdetail("What was known at a moment is not kept.")));
	if (accum_recorded_any(reg))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("the transaction has written register \"%s\" itself", reg->name),
				 errhint("Call accum.register_known_until() in another transaction.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("register_known_until() must not be called in a transaction with isolation level REPEATABLE READ or SERIALIZABLE"),
				 errdetail("Its snapshot would not show what is waited for."),
				 errhint("Call it in a transaction with isolation level READ COMMITTED, and ask in a later statement.")));

	/* Whoever takes the lock after this looks at the clock after that (recorded.c). */
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, reg->movements);
	WaitForLockers(tag, ShareLock, false);
	PG_RETURN_TIMESTAMPTZ(now - 1);
}
