/*
 * derived_sql.h
 *		Derived rows written with SQL.
 */
#ifndef ACCUM_DERIVED_SQL_H
#define ACCUM_DERIVED_SQL_H

#include "delta_set.h"

extern void accum_derived_sql_add(AccumRegister *reg, AccumRole role, AccumDeltaSet *set);
extern void accum_derived_sql_note_row(int64 dim_hash);

#endif							/* ACCUM_DERIVED_SQL_H */
