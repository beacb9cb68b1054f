/*
 * movement_json.h
 *		Documents in JSON as rows of movements.
 */
#ifndef ACCUM_MOVEMENT_JSON_H
#define ACCUM_MOVEMENT_JSON_H

#include "registry.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

/* Columns of a batch; dimensions, resources and attributes follow. */
typedef enum AccumBatchColumn
{
	ACCUM_BATCH_RECORDER,
	ACCUM_BATCH_PERIOD,
	ACCUM_BATCH_TYPE,
	ACCUM_BATCH_DIMS
} AccumBatchColumn;

/*
 * With history two more follow, reverses and reverses_period: of a reversal they say
 * what it reverses.
 */
static inline int
accum_batch_reverses(const AccumRegister *reg)
{
	return ACCUM_BATCH_DIMS + reg->nrow_dims + reg->nrow_resources + reg->nattributes;
}

/* Decoded movements, and the partition units they belong to. */
typedef struct AccumBatch
{
	TupleDesc	desc;
	Tuplestorestate *rows;
	int			nrows;
	AccumDay   *units;
	int			nunits;
} AccumBatch;

extern AccumBatch *accum_batch_decode(AccumRegister *reg, Jsonb *data, const char *recorder);
extern TupleDesc accum_batch_desc(AccumRegister *reg);
extern void accum_batch_append_columns(StringInfo sql, AccumRegister *reg);

#endif							/* ACCUM_MOVEMENT_JSON_H */
