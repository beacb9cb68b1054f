/*
 * key_set.c
 *		The keys that a JSON object may have.
 *
 * Sorted as jsonb sorts the keys of an object, by length and then by bytes.
 *
 * Pure: compiles into the unit tests as well.
 */
#include "pure.h"

#include "key_set.h"

static int
key_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
	if (a_length != b_length)
		return a_length < b_length ? -1 : 1;
	return memcmp(a, b, a_length);
}

static int
key_qsort_compare(const void *a, const void *b)
{
	const AccumKey *left = a;
	const AccumKey *right = b;

	return key_compare(left->name, left->length, right->name, right->length);
}

/* Put keys in the order that accum_keys_find needs. */
void
accum_keys_sort(AccumKey *keys, int nkeys)
{
	qsort(keys, nkeys, sizeof(AccumKey), key_qsort_compare);
}

/* The key of this name, which need not end with a zero byte; NULL if none. */
const AccumKey *
accum_keys_find(const AccumKey *keys, int nkeys, const char *name, size_t length)
{
	int			low = 0;
	int			high = nkeys;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		int			order = key_compare(name, length, keys[middle].name, keys[middle].length);

		if (order == 0)
			return &keys[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
