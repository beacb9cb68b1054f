/*
 * side_values.h
 *		What a movement adds to cells.
 */
#ifndef ACCUM_SIDE_VALUES_H
#define ACCUM_SIDE_VALUES_H

#include "lib/stringinfo.h"

#include "registry.h"

/* The values that one side of a movement has for its cell. */
typedef struct AccumSideValues
{
	const Datum *dims;
	const bool *nulls;
	const Datum *resources;		/* never NULL */
} AccumSideValues;

extern AccumSideValues accum_side_values(AccumRegister *reg, int side, const Datum *dims,
										 const bool *nulls, const Datum *resources);
extern void accum_refuse_ledger(const AccumRegister *reg, const char *function,
								const char *reason);
extern const char *accum_side_value_expected(const AccumColumn *column, Datum value);
extern void accum_sides_append_rows(StringInfo sql, AccumRegister *reg, const char *alias);

#endif							/* ACCUM_SIDE_VALUES_H */
