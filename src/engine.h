/*
 * engine.h
 *		From changed movements to changed derived tables.
 */
#ifndef ACCUM_ENGINE_H
#define ACCUM_ENGINE_H

#include "delta_set.h"
#include "utils/tuplestore.h"

typedef struct AccumChange AccumChange;

/* A movement as it is stored; sign is 1 for a written, -1 for a removed one. */
typedef struct AccumMovementRow
{
	int64		hashes[ACCUM_MAX_SIDES];
	AccumDay	day;
	int			sign;
	AccumReversal reversal;
	bool		check_hash;		/* may hashes be others than those of dims? */
	TimestampTz recorded_at;
	pg_uuid_t	id;
	const Datum *dims;			/* of movements, as row_dims has them */
	const bool *nulls;
	const Datum *resources;		/* never NULL */
} AccumMovementRow;

extern AccumChange *accum_change_begin(AccumRegister *reg);
extern void accum_change_add(AccumChange *change, const AccumMovementRow *stored,
							 Datum recorder);
extern void accum_change_end(AccumChange *change);
extern void accum_change_abandon(AccumChange *change);
extern void accum_engine_apply(AccumRegister *reg, TupleDesc desc,
							   Tuplestorestate *rows, int sign);

#endif							/* ACCUM_ENGINE_H */
