/*
 * contribution.h
 *		What a movement adds: to receipts or expenses, and to the number of movements.
 */
#ifndef ACCUM_CONTRIBUTION_H
#define ACCUM_CONTRIBUTION_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

/* Does a movement take back another one? */
typedef enum AccumReversal
{
	ACCUM_NO_REVERSAL,
	ACCUM_REVERSAL,				/* dated as what it reverses */
	ACCUM_REVERSAL_ELSEWHERE	/* dated later */
} AccumReversal;

/* By the columns of a movement; reverses_period is NULL in what reverses nothing. */
static inline AccumReversal
accum_reversal_of(TimestampTz period, TimestampTz reverses_period, bool isnull)
{
	return isnull ? ACCUM_NO_REVERSAL
		: reverses_period == period ? ACCUM_REVERSAL : ACCUM_REVERSAL_ELSEWHERE;
}

/*
 * A value, whose sign this is, is subtracted from the side of what it takes back if it
 * reverses something: a negative one from receipts.
 */
static inline bool
accum_is_receipt(int sign, AccumReversal reversal)
{
	return reversal == ACCUM_NO_REVERSAL ? sign > 0 : sign < 0;
}

/*
 * A movement and its reversal of the same period are as if they had never been.  One
 * that is dated later counts where it is dated.
 */
static inline int
accum_movements_counted(AccumReversal reversal)
{
	return reversal == ACCUM_REVERSAL ? -1 : 1;
}

extern void accum_append_is_receipt(StringInfo sql, const char *row, const char *resource,
									bool history);
extern void accum_append_counted(StringInfo sql, const char *row, bool history);

#endif							/* ACCUM_CONTRIBUTION_H */
