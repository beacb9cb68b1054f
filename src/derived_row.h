/*
 * derived_row.h
 *		What an entry of a delta set adds to a derived table, as a row.
 */
#ifndef ACCUM_DERIVED_ROW_H
#define ACCUM_DERIVED_ROW_H

#include "access/tupdesc.h"
#include "delta_set.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"

/* Which part of an entry a row stands for. */
typedef enum AccumRowKind
{
	ACCUM_ROW_FIRST,			/* all of it, or the first half of large deltas */
	ACCUM_ROW_REST,				/* the other half */
	ACCUM_ROW_CELL				/* its cell, with nothing in it */
} AccumRowKind;

/* The columns of such rows, and where the table keeps them. */
typedef struct AccumRowShape
{
	TupleDesc	desc;
	AttrNumber *attnums;		/* in the table, in the order of desc */
	int			first_dim;		/* positions in desc, from 0 */
	int			first_sum;
	int			last_at;		/* -1 where there is none, and last_id follows */
	int			version;		/* -1 where there is none */
	int			movements_count;
} AccumRowShape;

/* A cell with a sum that does not fit. */
typedef struct AccumRowFailure
{
	int64		dim_hash;
	char	   *detail;
} AccumRowFailure;

/* Failures of a register being noted: a list of AccumRowFailure, one for a cell. */
typedef struct AccumRowFailures
{
	Oid			movements;
	MemoryContext context;
	List	   *failures;
	struct AccumRowFailures *outer;
} AccumRowFailures;

extern bool accum_row_by_unit(AccumRole role);
extern bool accum_row_has_receipts(const AccumRegister *reg, AccumRole role);
extern const AccumRowShape *accum_row_shape(AccumRegister *reg, AccumRole role);
extern void accum_row_append_columns(StringInfo sql, AccumRegister *reg, AccumRole role,
									 const char *prefix, int first);
extern bool accum_row_fill(AccumRegister *reg, AccumRole role, AccumRowKind kind, bool wide,
						   const AccumDeltaEntry *entry, TupleTableSlot *slot);
extern bool accum_row_sum_fits(const AccumSum *sum, const AccumColumn *resource, Datum *value);
extern bool accum_row_add_fits(Datum a, Datum b, const AccumColumn *resource, Datum *value);
extern void accum_row_out_of_range(AccumRegister *reg, AccumRole role, int64 dim_hash,
								   const Datum *dims, const bool *nulls, const char *resource);
extern void accum_row_note_failures(AccumRowFailures *failures, const AccumRegister *reg);
extern void accum_row_raise_failures(AccumRowFailures *failures);

#endif							/* ACCUM_DERIVED_ROW_H */
