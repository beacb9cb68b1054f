/*
 * contribution.c
 *		What a movement adds: to receipts or expenses, and to the number of movements.
 *
 * The rule is in contribution.h; here it is in SQL, for those who add up movements with
 * queries.  Only registers with history have reversals, and the columns that tell.
 *
 * Pure: compiles into the unit tests as well.
 */
#include "pure.h"

#include "contribution.h"

/*
 * Append a condition on a movement called row: its value of a resource, which is
 * quoted, counts as receipt.
 */
void
accum_append_is_receipt(StringInfo sql, const char *row, const char *resource, bool history)
{
	if (history)
		appendStringInfo(sql, "(%s.%s OPERATOR(pg_catalog.>) 0) OPERATOR(pg_catalog.=) (%s.reverses IS NULL)",
						 row, resource, row);
	else
		appendStringInfo(sql, "%s.%s OPERATOR(pg_catalog.>) 0", row, resource);
}

/* Append what a movement called row adds to the number of movements, a bigint. */
void
accum_append_counted(StringInfo sql, const char *row, bool history)
{
	if (history)
		appendStringInfo(sql, "CASE WHEN %1$s.reverses_period OPERATOR(pg_catalog.=) %1$s.period "
						 "THEN -1 ELSE 1 END::bigint", row);
	else
		appendStringInfoString(sql, "1::bigint");
}
