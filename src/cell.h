/*
 * cell.h
 *		Cells: hashing, comparing and describing dimension values.
 */
#ifndef ACCUM_CELL_H
#define ACCUM_CELL_H

#include "compat.h"
#include "executor/tuptable.h"
#include "registry.h"

/* A dimension value or recorder longer than this would not fit an index. */
#define ACCUM_MAX_KEY_BYTES 2000

extern int	accum_debug_hash_bits;

extern int64 accum_cell_hash(AccumRegister *reg, const Datum *values, const bool *nulls);
extern bool accum_cell_equal(AccumRegister *reg, const Datum *values_a, const bool *nulls_a,
							 const Datum *values_b, const bool *nulls_b);
extern bool accum_column_equal(AccumColumn *column, Datum a, bool a_null,
							   Datum b, bool b_null);
extern char *accum_columns_text(AccumColumn *columns, int n, const Datum *values,
								const bool *nulls);
extern char *accum_cell_text(AccumRegister *reg, const Datum *values, const bool *nulls);
extern void accum_column_check_size(const AccumColumn *column, const char *what, Datum value);
extern void accum_columns_fetch(TupleTableSlot *row, const AccumColumn *columns,
								const AttrNumber *attnums, int n, Datum *values, bool *nulls);
ACCUM_NORETURN extern void accum_cell_changed(AccumRegister *reg);
ACCUM_NORETURN extern void accum_cell_collision(AccumRegister *reg, const Datum *values,
												const bool *nulls);
extern void accum_cell_append_equal(StringInfo sql, AccumRegister *reg,
									const char *left, const char *right);

#endif							/* ACCUM_CELL_H */
