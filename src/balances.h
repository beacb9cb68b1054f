/*
 * balances.h
 *		Balances of cells, for those who go on calculating with them.
 */
#ifndef ACCUM_BALANCES_H
#define ACCUM_BALANCES_H

#include "filter.h"
#include "resource.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* The balances of many cells, read one by one. */
typedef struct AccumBalances
{
	AccumRegister *reg;
	AccumRows	rows;
} AccumBalances;

extern void accum_balances_open(AccumBalances *balances, AccumRegister *reg,
								const AccumFilter *filter, TimestampTz before);
extern bool accum_balances_next(AccumBalances *balances, Datum *dims, bool *nulls,
								AccumSum *sums);
extern void accum_balances_close(AccumBalances *balances);
extern void accum_balance_of_cell(AccumRegister *reg, Datum *dims, bool *nulls,
								  TimestampTz before, AccumSum *sums);
extern Jsonb *accum_sums_to_jsonb(AccumRegister *reg, const AccumSum *sums);

#endif							/* ACCUM_BALANCES_H */
