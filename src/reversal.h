/*
 * reversal.h
 *		Movements that take back others, in registers with history.
 */
#ifndef ACCUM_REVERSAL_H
#define ACCUM_REVERSAL_H

#include "access/htup.h"
#include "executor/tuptable.h"
#include "leaf.h"
#include "movement_json.h"

/* The reversals that the engine is about to write with a statement. */
typedef struct AccumExpected AccumExpected;

extern void accum_reversal_put(AccumRegister *reg, Tuplestorestate *rows, HeapTuple row,
							   TupleDesc desc, const TimestampTz *at);
extern AccumExpected *accum_reversals_expect(AccumRegister *reg, TupleDesc desc,
											 Tuplestorestate *rows);
extern void accum_reversals_forget(AccumExpected *expected);
extern bool accum_reversal_check(AccumRegister *reg, const AccumLeaf *leaf, TupleTableSlot *row);

#endif							/* ACCUM_REVERSAL_H */
