/*
 * cell_hash.c
 *		The combination of hashed dimension values into one hash of a cell.
 *
 * The values' hashes and a NULL marker for each are hashed once more as one
 * string of bytes of fixed layout, so that position counts and no value can
 * stand for NULL.  The hash is PostgreSQL's own hash_bytes_extended (Bob
 * Jenkins' lookup3), seeded with the register's secret seed.
 *
 * Pure: compiles into the unit tests as well.
 */
#include "pure.h"

#include "common/hashfn.h"

#include "cell_hash.h"

/* Dimensions are hashed this many at a time; each step seeds the next. */
#define CHUNK 16

/*
 * Combine n hashes; where nulls[i] is set, hashes[i] is not looked at.
 *
 * n = 0 is the one cell of a register without dimensions.
 */
int64
accum_cell_hash_combine(const uint64 *hashes, const bool *nulls, int n, uint64 seed)
{
	struct
	{
		uint64		hash;
		uint64		is_null;
	}			chunk[CHUNK];
	uint64		result = seed;
	int			done = 0;

	do
	{
		int			count = Min(n - done, CHUNK);

		for (int i = 0; i < count; i++)
		{
			chunk[i].hash = nulls[done + i] ? 0 : hashes[done + i];
			chunk[i].is_null = nulls[done + i] ? 1 : 0;
		}
		result = hash_bytes_extended((const unsigned char *) chunk,
									 count * sizeof(chunk[0]), result);
		done += count;
	} while (done < n);

	return (int64) result;
}
