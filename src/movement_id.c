/*
 * movement_id.c
 *		Time-ordered identifiers of movements: UUID version 7.
 *
 * 48 bits of Unix milliseconds, 12 bits of sub-millisecond time that never go
 * back within a session, 62 random bits: RFC 9562, section 6.2, method 3.
 */
#include "postgres.h"

#include <time.h>

#include "fmgr.h"

#include "movement_id.h"

PG_FUNCTION_INFO_V1(accum_movement_id);

/* Random bytes fetched at once; each identifier uses 8 of them. */
#define POOL_BYTES 512

/* 2^12 steps in a millisecond. */
#define STEPS_PER_MS 4096
#define NS_PER_MS 1000000

static void
random_bytes(unsigned char *target, size_t n)
{
	static unsigned char pool[POOL_BYTES];
	static size_t used = POOL_BYTES;

	if (used + n > POOL_BYTES)
	{
		if (!pg_strong_random(pool, POOL_BYTES))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		used = 0;
	}
	memcpy(target, pool + used, n);
	used += n;
}

/* Now, in steps of 1/4096 ms, and later than at any call before. */
static uint64
next_step(void)
{
	static uint64 last = 0;
	struct timespec now;
	uint64		step;

	clock_gettime(CLOCK_REALTIME, &now);
	step = ((uint64) now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS) * STEPS_PER_MS
		+ (uint64) (now.tv_nsec % NS_PER_MS) * STEPS_PER_MS / NS_PER_MS;
	last = Max(step, last + 1);
	return last;
}

/* A new identifier, greater than all that this session made before. */
void
accum_movement_id_next(pg_uuid_t *id)
{
	uint64		step = next_step();
	uint64		ms = step / STEPS_PER_MS;
	uint64		fraction = step % STEPS_PER_MS;

	for (int i = 0; i < 6; i++)
		id->data[i] = (unsigned char) (ms >> (40 - 8 * i));
	id->data[6] = 0x70 | (unsigned char) (fraction >> 8);
	id->data[7] = (unsigned char) fraction;
	random_bytes(&id->data[8], 8);
	id->data[8] = (id->data[8] & 0x3f) | 0x80;
}

/*
 * accum._movement_id() returns uuid
 *
 * The same for SQL.
 */
Datum
accum_movement_id(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	accum_movement_id_next(id);
	PG_RETURN_UUID_P(id);
}
