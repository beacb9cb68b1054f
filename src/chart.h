/*
 * chart.h
 *		The chart of accounts of a ledger.
 */
#ifndef ACCUM_CHART_H
#define ACCUM_CHART_H

#include "registry.h"

extern void accum_chart_check(AccumRegister *reg, const Datum *dims, const bool *nulls);

#endif							/* ACCUM_CHART_H */
