/*
 * closing.h
 *		Closed periods of a register.
 */
#ifndef ACCUM_CLOSING_H
#define ACCUM_CLOSING_H

#include "filter.h"

/* Movements of some cells, dated on or before a day, are not to be changed. */
typedef struct AccumClosing
{
	AccumDay	through;
	AccumFilter cells;			/* with no dimension given: the whole register */
	Jsonb	   *dimensions;		/* as it was declared */
} AccumClosing;

extern const AccumClosing *accum_closing_find(AccumRegister *reg, AccumDay day,
											  const Datum *dims, const bool *nulls);
extern const AccumClosing *accum_closing_same(AccumRegister *reg, const AccumFilter *cells);
extern AccumDay accum_closing_latest(AccumRegister *reg);
extern char *accum_day_text(AccumDay day);
extern void accum_closing_check(AccumRegister *reg, AccumDay day, const Datum *dims,
								const bool *nulls, bool written);

#endif							/* ACCUM_CLOSING_H */
