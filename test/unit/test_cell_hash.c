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

/* The number of dimensions counts, also where the additional ones are empty. */
static void
test_number_of_dimensions_counts(void **state)
{
	uint64		zeros[MAX_DIMS] = {0};
	bool		nulls[MAX_DIMS];
	int64		results[2 * MAX_DIMS + 1];

	memset(nulls, true, sizeof(nulls));
	for (int n = 0; n <= MAX_DIMS; n++)
		results[n] = hash_of(zeros, n);
	for (int n = 1; n <= MAX_DIMS; n++)
		results[MAX_DIMS + n] = accum_cell_hash_combine(zeros, nulls, n, SEED);
	assert_all_different(results, lengthof(results));
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
 * The layout that stored hashes have: pairs of hash and marker, hashed 16 at a
 * time, each step seeding the next.
 */
static void
test_layout(void **state)
{
	struct
	{
		uint64		hash;
		uint64		marker;
	}			pairs[20];
	uint64		hashes[20];
	bool		nulls[20] = {[3] = true,[17] = true};
	uint64		expected;

	fill_hashes(hashes, 20);
	for (int i = 0; i < 20; i++)
	{
		pairs[i].hash = nulls[i] ? 0 : hashes[i];
		pairs[i].marker = nulls[i] ? 1 : 0;
	}
	expected = hash_bytes_extended((const unsigned char *) pairs, 16 * sizeof(pairs[0]), SEED);
	assert_true(accum_cell_hash_combine(hashes, nulls, 16, SEED) == (int64) expected);
	expected = hash_bytes_extended((const unsigned char *) &pairs[16], 4 * sizeof(pairs[0]), expected);
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
	assert_true(accum_cell_hash_combine(hashes, no_nulls, 1, SEED) == INT64CONST(-2992588325648883001));
	assert_true(accum_cell_hash_combine(hashes, nulls, 2, SEED) == INT64CONST(-4002681874065535270));
	assert_true(accum_cell_hash_combine(hashes, no_nulls, 20, SEED) == INT64CONST(2601883616709104062));
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
		cmocka_unit_test(test_number_of_dimensions_counts),
		cmocka_unit_test(test_seed_counts),
		cmocka_unit_test(test_no_dimensions),
		cmocka_unit_test(test_small_values_do_not_collide),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_known_hashes),
	};

	return cmocka_run_group_tests_name("cell_hash", tests, NULL, NULL);
}
