/*
 * cell_hash.c
 *		The combination of hashed dimension values into one hash of a cell.
 *
 * What is hashed once more, as one string of bytes of fixed layout, is a list of
 * pairs: the position of each value that is not NULL, and its hash.  So position
 * counts and no value can stand for NULL; and since a NULL adds nothing, a cell
 * keeps its hash when a dimension is added behind the others that is NULL in it
 * (register_alter).  The hash is PostgreSQL's own hash_bytes_extended (Bob
 * Jenkins' lookup3), seeded with the register's secret seed.
 *
 * Pure: compiles into the unit tests as well.
 */
#include "pure.h"

#include "common/hashfn.h"

#include "cell_hash.h"

/* Values are hashed this many at a time; each step seeds the next. */
#define CHUNK 16

/*
 * Combine n hashes; where nulls[i] is set, hashes[i] is not looked at.
 *
 * Nothing but NULLs hashes like the one cell of a register without dimensions:
 * the empty list.
 */
int64
accum_cell_hash_combine(const uint64 *hashes, const bool *nulls, int n, uint64 seed)
{
	struct
	{
		uint64		position;
		uint64		hash;
	}			chunk[CHUNK];
	uint64		result = seed;
	int			count = 0;

	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			continue;
		if (count == CHUNK)
		{
			result = hash_bytes_extended((const unsigned char *) chunk, sizeof(chunk), result);
			count = 0;
		}
		chunk[count].position = i;
		chunk[count].hash = hashes[i];
		count++;
	}

	/* The last step, and the only one for up to CHUNK values. */
	return (int64) hash_bytes_extended((const unsigned char *) chunk,
									   count * sizeof(chunk[0]), result);
}
