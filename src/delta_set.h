/*
 * delta_set.h
 *		What a statement changes, folded to one entry per cell and day.
 */
#ifndef ACCUM_DELTA_SET_H
#define ACCUM_DELTA_SET_H

#include "contribution.h"
#include "registry.h"
#include "resource.h"
#include "utils/uuid.h"

/* The two sums kept for each resource. */
typedef struct AccumDelta
{
	AccumSum	net;			/* all deltas */
	AccumSum	receipt;		/* the positive ones */
} AccumDelta;

/*
 * An entry: a cell, the first day of a unit, and what changes there.  An entry
 * for the balance cache stands for all time; its unit_start means nothing.
 */
typedef struct AccumDeltaEntry
{
	int64		dim_hash;
	AccumDay	unit_start;
	int64		movements;		/* written less removed and reversed */
	bool		has_last;		/* a movement was written: */
	TimestampTz last_at;		/* when, and */
	pg_uuid_t	last_id;		/* which one was the last */
	Datum	   *dims;
	bool	   *nulls;
	AccumDelta *deltas;			/* one per resource */
} AccumDeltaEntry;

/* One movement, as the set takes it; sign is 1 for a written, -1 for a removed one. */
typedef struct AccumMovement
{
	int64		dim_hash;
	bool		check_hash;		/* may dim_hash be another one than that of dims? */
	AccumDay	day;
	int			sign;
	AccumReversal reversal;
	TimestampTz recorded_at;
	pg_uuid_t	id;
	const Datum *dims;
	const bool *nulls;
	const Datum *resources;		/* never NULL */
} AccumMovement;

typedef struct AccumDeltaSet AccumDeltaSet;

extern AccumDeltaSet *accum_delta_set_create(AccumRegister *reg);
extern void accum_delta_set_add(AccumDeltaSet *set, const AccumMovement *movement);
extern void accum_delta_set_add_entry(AccumDeltaSet *set, const AccumDeltaEntry *entry);
extern AccumDeltaEntry *accum_delta_entry_create(AccumRegister *reg);
extern bool accum_delta_set_in_one_unit(const AccumDeltaSet *set);
extern AccumRegister *accum_delta_set_register(const AccumDeltaSet *set);
extern bool accum_delta_set_is_open(const AccumDeltaSet *set);
extern void accum_delta_set_reopen(AccumDeltaSet *set);
extern void accum_delta_set_merge(AccumDeltaSet *set, const AccumDeltaSet *other);
extern void accum_delta_set_rewind(AccumDeltaSet *set, AccumRole level);
extern const AccumDeltaEntry *accum_delta_set_next(AccumDeltaSet *set);
extern void accum_delta_set_free(AccumDeltaSet *set);

#endif							/* ACCUM_DELTA_SET_H */
