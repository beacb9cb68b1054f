/*
 * difference.h
 *		The difference between a document as it is stored and as it should be.
 */
#ifndef ACCUM_DIFFERENCE_H
#define ACCUM_DIFFERENCE_H

#include "movement_json.h"

typedef struct AccumDifference AccumDifference;

extern AccumDifference *accum_difference_create(AccumRegister *reg, AccumBatch *wanted,
												bool with_attributes);
extern bool accum_difference_match(AccumDifference *difference, HeapTuple stored, TupleDesc desc);
extern int	accum_difference_missing(AccumDifference *difference, Tuplestorestate *rows);
extern int	accum_difference_next(AccumDifference *difference, int position, Datum **values,
								  bool **nulls);

#endif							/* ACCUM_DIFFERENCE_H */
