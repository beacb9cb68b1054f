/*
 * test_cell_hash.c
 *		Combining the hashes of dimension values into the hash of a cell.
 *
 * The hash is stored in every movement and every derived row, so it must never
 * change: besides its qualities, its values are tested.
 */
#include "pure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/hashfn.h"

#include "cell_hash.h"

#define SEED UINT64CONST(0x0123456789abcdef)
#define MAX_DIMS 64

static const bool no_nulls[MAX_DIMS];

/* Hashes that are easy to tell apart. */
static void
fill_hashes(uint64 *hashes, int n)
{
	for (int i = 0; i < n; i++)
		hashes[i] = UINT64CONST(0x9e3779b97f4a7c15) * (uint64) (i + 1);
}

static int64
hash_of(const uint64 *hashes, int n)
{
	return accum_cell_hash_combine(hashes, no_nulls, n, SEED);
}

static int
compare_int64(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return (left > right) - (left < right);
}

static void
assert_all_different(int64 *values, int n)
{
	qsort(values, n, sizeof(int64), compare_int64);
	for (int i = 1; i < n; i++)
		assert_true(values[i - 1] != values[i]);
}

static void
test_same_cell_same_hash(void **state)
{
	for (int n = 0; n <= MAX_DIMS; n++)
	{
		uint64		hashes[MAX_DIMS];
		uint64		copy[MAX_DIMS];

		fill_hashes(hashes, MAX_DIMS);
		memcpy(copy, hashes, sizeof(copy));
		assert_true(hash_of(hashes, n) == hash_of(copy, n));
		assert_memory_equal(hashes, copy, sizeof(copy));
	}
}

/* Warehouse 1 and product 2 is not warehouse 2 and product 1. */
static void
test_position_counts(void **state)
{
	uint64		ab[] = {1, 2};
	uint64		ba[] = {2, 1};
	uint64		hashes[MAX_DIMS];
	int64		results[MAX_DIMS];

	assert_true(hash_of(ab, 2) != hash_of(ba, 2));

	/* One marked value in each of many places. */
	for (int i = 0; i < MAX_DIMS; i++)
	{
		memset(hashes, 0, sizeof(hashes));
		hashes[i] = 1;
		results[i] = hash_of(hashes, MAX_DIMS);
	}
	assert_all_different(results, MAX_DIMS);
}

/* Every value counts, on either side of where the hash works in steps. */
static void
test_every_value_counts(void **state)
{
	for (int n = 1; n <= MAX_DIMS; n++)
	{
		uint64		hashes[MAX_DIMS];
		int64		results[MAX_DIMS + 1];

		fill_hashes(hashes, n);
		for (int i = 0; i < n; i++)
		{
			hashes[i] ^= 1;
			results[i] = hash_of(hashes, n);
			hashes[i] ^= 1;
		}
		results[n] = hash_of(hashes, n);
		assert_all_different(results, n + 1);
	}
}

/* A value whose hash is 0, or 1, is not NULL. */
static void
test_null_is_no_value(void **state)
{
	bool		nulls[] = {false, true, false};
	uint64		with_0[] = {5, 0, 7};
	uint64		with_1[] = {5, 1, 7};
	int64		results[] = {
		accum_cell_hash_combine(with_0, nulls, 3, SEED),
		accum_cell_hash_combine(with_0, no_nulls, 3, SEED),
		accum_cell_hash_combine(with_1, no_nulls, 3, SEED),
	};

	assert_all_different(results, lengthof(results));
}

/* What stands beside a NULL marker is not looked at. */
static void
test_null_hides_its_hash(void **state)
{
	for (int n = 1; n <= MAX_DIMS; n++)
	{
		for (int i = 0; i < n; i++)
		{
			uint64		hashes[MAX_DIMS];
			bool		nulls[MAX_DIMS] = {false};
			int64		result;

			fill_hashes(hashes, n);
			nulls[i] = true;
			result = accum_cell_hash_combine(hashes, nulls, n, SEED);
			hashes[i] = ~hashes[i];
			assert_true(accum_cell_hash_combine(hashes, nulls, n, SEED) == result);
		}
	}
}

/* Which dimensions are NULL makes a cell of its own each time. */
static void
test_every_pattern_of_nulls(void **state)
{
	static int64 results[1 << 12];
	uint64		hashes[12];
	bool		nulls[12];

	fill_hashes(hashes, 12);
	for (int pattern = 0; pattern < (1 << 12); pattern++)
	{
		for (int i = 0; i < 12; i++)
			nulls[i] = (pattern >> i) & 1;
		results[pattern] = accum_cell_hash_combine(hashes, nulls, 12, SEED);
	}
	assert_all_different(results, lengthof(results));
}

/* Also where all values hash alike: what differs is where they stand. */
static void
test_every_pattern_of_equal_values(void **state)
{
	static int64 results[1 << 12];
	static const uint64 equal[12];
	bool		nulls[12];

	for (int pattern = 0; pattern < (1 << 12); pattern++)
	{
		for (int i = 0; i < 12; i++)
			nulls[i] = (pattern >> i) & 1;
		results[pattern] = accum_cell_hash_combine(equal, nulls, 12, SEED);
	}
	assert_all_different(results, lengthof(results));
}

/* A cell keeps its hash when dimensions are added in which it is NULL. */
static void
test_trailing_nulls_do_not_count(void **state)
{
	uint64		hashes[MAX_DIMS];
	bool		nulls[MAX_DIMS];

	fill_hashes(hashes, MAX_DIMS);
	for (int n = 0; n <= MAX_DIMS; n++)
	{
		int64		result;

		/* Some of the dimensions that it has are NULL, too. */
		for (int i = 0; i < MAX_DIMS; i++)
			nulls[i] = i >= n || i % 3 == 1;
		result = accum_cell_hash_combine(hashes, nulls, n, SEED);
		for (int more = n; more <= MAX_DIMS; more++)
			assert_true(accum_cell_hash_combine(hashes, nulls, more, SEED) == result);
	}
}

/* But NULL before a value does: (a, NULL) is not (NULL, a). */
static void
test_leading_nulls_count(void **state)
{
	int64		results[MAX_DIMS];
	uint64		hashes[MAX_DIMS] = {0};
	bool		nulls[MAX_DIMS];

	for (int i = 0; i < MAX_DIMS; i++)
	{
		memset(nulls, true, sizeof(nulls));
		nulls[i] = false;
		hashes[i] = 5;
		results[i] = accum_cell_hash_combine(hashes, nulls, MAX_DIMS, SEED);
	}
	assert_all_different(results, MAX_DIMS);
}

/* An additional value counts, whatever it hashes to. */
static void
test_number_of_values_counts(void **state)
{
	uint64		zeros[MAX_DIMS] = {0};
	int64		results[MAX_DIMS + 1];

	for (int n = 0; n <= MAX_DIMS; n++)
		results[n] = hash_of(zeros, n);
	assert_all_different(results, lengthof(results));
}

/* A position cannot stand for a hash: 2 in the second place, 1 in the third. */
static void
test_position_is_no_hash(void **state)
{
	uint64		hashes[3] = {0, 2, 1};
	bool		second[3] = {true, false, true};
	bool		third[3] = {true, true, false};

	assert_true(accum_cell_hash_combine(hashes, second, 3, SEED) !=
				accum_cell_hash_combine(hashes, third, 3, SEED));
}

/*
 * Each bit of each value changes each bit of the hash in about half of all
 * cells: 1,000 of them, and a deviation of more than 6 sigma is an error.
 */
static void
test_bits_are_well_mixed(void **state)
{
	const int	cells = 1000;

	for (int bit = 0; bit < 3 * 64; bit++)
	{
		int			flips[64] = {0};

		for (int cell = 0; cell < cells; cell++)
		{
			uint64		hashes[3] = {cell, 7, UINT64CONST(0x9e3779b97f4a7c15) * cell};
			uint64		changed;

			changed = (uint64) hash_of(hashes, 3);
			hashes[bit / 64] ^= UINT64CONST(1) << (bit % 64);
			changed ^= (uint64) hash_of(hashes, 3);
			for (int i = 0; i < 64; i++)
				flips[i] += (changed >> i) & 1;
		}
		for (int i = 0; i < 64; i++)
			assert_in_range(flips[i], cells / 2 - 95, cells / 2 + 95);
	}
}

/* Registers with other seeds have other hashes, also for no dimensions at all. */
static void
test_seed_counts(void **state)
{
	static const int numbers[] = {0, 1, 2, 16, 17, MAX_DIMS};
	uint64		hashes[MAX_DIMS];

	fill_hashes(hashes, MAX_DIMS);
	for (size_t i = 0; i < lengthof(numbers); i++)
	{
		int64		results[65];

		results[64] = accum_cell_hash_combine(hashes, no_nulls, numbers[i], 0);
		for (int bit = 0; bit < 64; bit++)
			results[bit] = accum_cell_hash_combine(hashes, no_nulls, numbers[i],
												   UINT64CONST(1) << bit);
		assert_all_different(results, lengthof(results));
	}
}

/* Without dimensions there is one cell; neither array is looked at. */
static void
test_no_dimensions(void **state)
{
	assert_true(accum_cell_hash_combine(NULL, NULL, 0, SEED) ==
				accum_cell_hash_combine(NULL, NULL, 0, SEED));
}

/* A warehouse of 300 by 300 small numbers has no two cells of one hash. */
static void
test_small_values_do_not_collide(void **state)
{
	int			n = 300;
	int64	   *results = malloc(sizeof(int64) * n * n);

	for (int i = 0; i < n * n; i++)
	{
		uint64		hashes[] = {i / n, i % n};

		results[i] = hash_of(hashes, 2);
	}
	assert_all_different(results, n * n);
	free(results);
}

/*
 * The layout that stored hashes have: pairs of position and hash, without those
 * of NULLs, hashed 16 at a time, each step seeding the next.
 */
static void
test_layout(void **state)
{
	struct
	{
		uint64		position;
		uint64		hash;
	}			pairs[18];
	uint64		hashes[20];
	bool		nulls[20] = {[3] = true,[17] = true};
	uint64		expected;
	int			n = 0;

	fill_hashes(hashes, 20);
	for (int i = 0; i < 20; i++)
	{
		if (nulls[i])
			continue;
		pairs[n].position = i;
		pairs[n++].hash = hashes[i];
	}
	assert_int_equal(n, 18);
	expected = hash_bytes_extended((const unsigned char *) pairs, 16 * sizeof(pairs[0]), SEED);
	assert_true(accum_cell_hash_combine(hashes, nulls, 17, SEED) == (int64) expected);
	expected = hash_bytes_extended((const unsigned char *) &pairs[16], 2 * sizeof(pairs[0]), expected);
	assert_true(accum_cell_hash_combine(hashes, nulls, 20, SEED) == (int64) expected);
}

/* Hashes as they are on disk, on machines of this byte order. */
static void
test_known_hashes(void **state)
{
#ifndef WORDS_BIGENDIAN
	uint64		hashes[20];
	bool		nulls[20] = {[1] = true};

	fill_hashes(hashes, 20);
	assert_true(accum_cell_hash_combine(hashes, no_nulls, 0, SEED) == INT64CONST(5714803967801994901));
	assert_true(accum_cell_hash_combine(hashes, no_nulls, 1, SEED) == INT64CONST(8316374545535610001));
	assert_true(accum_cell_hash_combine(hashes, nulls, 3, SEED) == INT64CONST(-6791230502547069088));
	assert_true(accum_cell_hash_combine(hashes, no_nulls, 20, SEED) == INT64CONST(-6280734912036028517));
#else
	skip();
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_cell_same_hash),
		cmocka_unit_test(test_position_counts),
		cmocka_unit_test(test_every_value_counts),
		cmocka_unit_test(test_null_is_no_value),
		cmocka_unit_test(test_null_hides_its_hash),
		cmocka_unit_test(test_every_pattern_of_nulls),
		cmocka_unit_test(test_every_pattern_of_equal_values),
		cmocka_unit_test(test_trailing_nulls_do_not_count),
		cmocka_unit_test(test_leading_nulls_count),
		cmocka_unit_test(test_number_of_values_counts),
		cmocka_unit_test(test_position_is_no_hash),
		cmocka_unit_test(test_bits_are_well_mixed),
		cmocka_unit_test(test_seed_counts),
		cmocka_unit_test(test_no_dimensions),
		cmocka_unit_test(test_small_values_do_not_collide),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_known_hashes),
	};

	return cmocka_run_group_tests_name("cell_hash", tests, NULL, NULL);
}
