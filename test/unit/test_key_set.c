/*
 * test_key_set.c
 *		Looking up the keys of a JSON object.
 *
 * Keys are found by length and bytes, never by a terminating zero: the names
 * that come in are cut out of a longer text.
 */
#include "pure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "key_set.h"

#define KEY(name, number) {name, sizeof(name) - 1, number}

/* Keys that are prefixes of one another, or differ in one byte only. */
static const AccumKey some_keys[] = {
	KEY("warehouse", 0),
	KEY("ware", 1),
	KEY("warehouse_2", 2),
	KEY("a", 3),
	KEY("b", 4),
	KEY("quantity", 5),
	KEY("quantitx", 6),
	KEY("period", 7),
	KEY("recorder", 8),
	KEY("product", 9),
	KEY("w", 10),
	KEY("\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87", 11),	/* not ASCII: bytes above 0x7f */
};

#define SOME_KEYS ((int) lengthof(some_keys))

static void
copy_sorted(AccumKey *keys)
{
	memcpy(keys, some_keys, sizeof(some_keys));
	accum_keys_sort(keys, SOME_KEYS);
}

static void
assert_found(const AccumKey *keys, const char *name, size_t length, int number)
{
	const AccumKey *key = accum_keys_find(keys, SOME_KEYS, name, length);

	assert_non_null(key);
	assert_int_equal(key->number, number);
}

/* By length, then by bytes, as jsonb does: not alphabetically. */
static void
test_order(void **state)
{
	AccumKey	keys[SOME_KEYS];

	copy_sorted(keys);
	for (int i = 1; i < SOME_KEYS; i++)
	{
		assert_true(keys[i - 1].length <= keys[i].length);
		if (keys[i - 1].length == keys[i].length)
			assert_true(memcmp(keys[i - 1].name, keys[i].name, keys[i].length) < 0);
	}
	assert_string_equal(keys[0].name, "a");
	assert_string_equal(keys[SOME_KEYS - 1].name, "warehouse_2");
}

static void
test_finds_each(void **state)
{
	AccumKey	keys[SOME_KEYS];

	copy_sorted(keys);
	for (int i = 0; i < SOME_KEYS; i++)
		assert_found(keys, some_keys[i].name, some_keys[i].length, some_keys[i].number);
}

/* Sorting what is sorted, or turned around, changes nothing. */
static void
test_order_of_input_does_not_matter(void **state)
{
	AccumKey	keys[SOME_KEYS];
	AccumKey	turned[SOME_KEYS];

	copy_sorted(keys);
	for (int i = 0; i < SOME_KEYS; i++)
		turned[i] = keys[SOME_KEYS - 1 - i];
	accum_keys_sort(turned, SOME_KEYS);
	assert_memory_equal(keys, turned, sizeof(keys));
	accum_keys_sort(turned, SOME_KEYS);
	assert_memory_equal(keys, turned, sizeof(keys));
}

/* A stranger is a stranger even if it begins like a key, or goes on after one. */
static void
test_prefixes_are_strangers(void **state)
{
	static const char *const strangers[] = {
		"war", "wareh", "warehous", "warehouse_", "warehouse_3", "warehouse_22",
		"c", "aa", "quantitz", "Quantity", "perioD", " period", "period ",
	};
	AccumKey	keys[SOME_KEYS];

	copy_sorted(keys);
	for (size_t i = 0; i < lengthof(strangers); i++)
	{
		if (accum_keys_find(keys, SOME_KEYS, strangers[i], strlen(strangers[i])) != NULL)
			fail_msg("\"%s\" was found", strangers[i]);
	}
	assert_null(accum_keys_find(keys, SOME_KEYS, "", 0));
}

/* Only length bytes of the name count; what follows may be anything. */
static void
test_names_without_end(void **state)
{
	static const char text[] = {'w', 'a', 'r', 'e', 'h', 'o', 'u', 's', 'e', '"', ':', '1'};
	AccumKey	keys[SOME_KEYS];

	copy_sorted(keys);
	assert_found(keys, text, 9, 0);
	assert_found(keys, text, 4, 1);
	assert_found(keys, text, 1, 10);
	assert_null(accum_keys_find(keys, SOME_KEYS, text, 10));
	assert_null(accum_keys_find(keys, SOME_KEYS, text, sizeof(text)));
}

/* A zero byte inside is a byte like any other. */
static void
test_zero_bytes(void **state)
{
	AccumKey	keys[] = {KEY("a\0b", 1), KEY("a\0c", 2), KEY("a", 3)};

	accum_keys_sort(keys, lengthof(keys));
	assert_int_equal(accum_keys_find(keys, lengthof(keys), "a\0b", 3)->number, 1);
	assert_int_equal(accum_keys_find(keys, lengthof(keys), "a\0c", 3)->number, 2);
	assert_int_equal(accum_keys_find(keys, lengthof(keys), "a\0c", 1)->number, 3);
	assert_null(accum_keys_find(keys, lengthof(keys), "a\0d", 3));
}

static void
test_no_keys(void **state)
{
	AccumKey	one[] = {KEY("only", 42)};

	accum_keys_sort(one, 0);
	assert_null(accum_keys_find(one, 0, "only", 4));
	accum_keys_sort(one, 1);
	assert_int_equal(accum_keys_find(one, 1, "only", 4)->number, 42);
	assert_null(accum_keys_find(one, 1, "onlz", 4));
}

/* As many as a register may have: three times 200 columns, and the fixed ones. */
static void
test_many_keys(void **state)
{
	static char names[603][8];
	AccumKey	keys[lengthof(names)];
	int			n = lengthof(names);

	for (int i = 0; i < n; i++)
	{
		snprintf(names[i], sizeof(names[i]), "c%d", i * 7);
		keys[i] = (AccumKey) {names[i], strlen(names[i]), i};
	}
	accum_keys_sort(keys, n);
	for (int i = 0; i < n * 7; i++)
	{
		char		name[16];
		const AccumKey *key;

		snprintf(name, sizeof(name), "c%d", i);
		key = accum_keys_find(keys, n, name, strlen(name));
		if (i % 7 == 0)
			assert_int_equal(key->number, i / 7);
		else
			assert_null(key);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_finds_each),
		cmocka_unit_test(test_order_of_input_does_not_matter),
		cmocka_unit_test(test_prefixes_are_strangers),
		cmocka_unit_test(test_names_without_end),
		cmocka_unit_test(test_zero_bytes),
		cmocka_unit_test(test_no_keys),
		cmocka_unit_test(test_many_keys),
	};

	return cmocka_run_group_tests_name("key_set", tests, NULL, NULL);
}
