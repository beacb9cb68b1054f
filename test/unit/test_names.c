/*
 * test_names.c
 *		Names of registers, columns and relations, and how they are quoted.
 *
 * What matters is that every name that may be made fits PostgreSQL's 63 bytes,
 * and that no text can leave its quotes.
 */
#include "pure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "names.h"

/* PostgreSQL cuts off what is longer. */
#define MAX_IDENTIFIER (NAMEDATALEN - 1)

/* A name of length bytes that begins with a letter. */
static char *
long_name(int length)
{
	static char name[100];

	assert_in_range(length, 1, sizeof(name) - 1);
	memset(name, 'x', length);
	name[length] = '\0';
	return name;
}

/* ----- which names are valid ----- */

static void
test_valid_names(void **state)
{
	static const char *const names[] = {
		"a", "z", "inventory", "inventory_2026", "a_", "a__b", "a1", "select", "x_y_z_0_9",
	};

	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (!accum_name_valid(names[i], ACCUM_MAX_REGISTER_NAME))
			fail_msg("\"%s\" is valid", names[i]);
	}
}

static void
test_invalid_names(void **state)
{
	static const char *const names[] = {
		"", "_a", "1a", "A", "aB", "a b", " a", "a ", "a-b", "a.b", "a$", "a\"", "a'", "a\\",
		"a;", "a\n", "a\t", "{a", "a}", "a`", "a@", "a[",
		"\xc3\xa4", "a\xc3\xa4", "\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87", "a\x7f", "a\x80",
	};

	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (accum_name_valid(names[i], ACCUM_MAX_REGISTER_NAME))
			fail_msg("\"%s\" is not valid", names[i]);
	}
}

/* Each byte by itself, as the first one and as another. */
static void
test_every_byte(void **state)
{
	for (int byte = 1; byte < 256; byte++)
	{
		char		first[] = {(char) byte, 'a', '\0'};
		char		other[] = {'a', (char) byte, '\0'};
		bool		letter = byte >= 'a' && byte <= 'z';
		bool		digit = byte >= '0' && byte <= '9';

		assert_int_equal(accum_name_valid(first, 10), letter);
		assert_int_equal(accum_name_valid(other, 10), letter || digit || byte == '_');
	}
}

static void
test_length_limits(void **state)
{
	assert_int_equal(ACCUM_MAX_REGISTER_NAME, 42);
	assert_int_equal(ACCUM_MAX_COLUMN_NAME, 55);
	assert_true(accum_name_valid(long_name(42), ACCUM_MAX_REGISTER_NAME));
	assert_false(accum_name_valid(long_name(43), ACCUM_MAX_REGISTER_NAME));
	assert_true(accum_name_valid(long_name(55), ACCUM_MAX_COLUMN_NAME));
	assert_false(accum_name_valid(long_name(56), ACCUM_MAX_COLUMN_NAME));
	assert_false(accum_name_valid(long_name(99), ACCUM_MAX_COLUMN_NAME));
	assert_true(accum_name_valid("a", 1));
	assert_false(accum_name_valid("ab", 1));
	assert_false(accum_name_valid("a", 0));
}

static void
test_reserved_columns(void **state)
{
	static const char *const reserved[] = {
		"id", "recorded_at", "recorder", "period", "movement_type", "dim_hash",
		"movements_count", "last_movement_at", "last_movement_id", "version",
		"unit_start", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid",
	};
	static const char *const free_names[] = {
		"", "i", "idx", "ids", "periods", "my_period", "record", "warehouse", "Period",
		"quantity", "select", "oid", "name", "type",
	};

	for (size_t i = 0; i < lengthof(reserved); i++)
	{
		if (!accum_column_name_reserved(reserved[i]))
			fail_msg("\"%s\" is reserved", reserved[i]);
	}
	for (size_t i = 0; i < lengthof(free_names); i++)
	{
		if (accum_column_name_reserved(free_names[i]))
			fail_msg("\"%s\" is free", free_names[i]);
	}
}

/* ----- relations ----- */

static void
test_roles(void **state)
{
	AccumRole	role;

	for (int i = 0; i < ACCUM_ROLES; i++)
	{
		assert_non_null(accum_role_name((AccumRole) i));
		assert_true(accum_role_from_name(accum_role_name((AccumRole) i), &role));
		assert_int_equal(role, i);
	}
	role = ACCUM_TOTALS_YEAR;
	assert_false(accum_role_from_name("", &role));
	assert_false(accum_role_from_name("movement", &role));
	assert_false(accum_role_from_name("totals", &role));
	assert_false(accum_role_from_name("Movements", &role));
	assert_int_equal(role, ACCUM_TOTALS_YEAR);
}

/* The order of locking, and of writing, derived rows: cache, then coarse to fine. */
static void
test_lock_order(void **state)
{
	assert_true(ACCUM_MOVEMENTS < ACCUM_RECORDERS);
	assert_true(ACCUM_RECORDERS < ACCUM_BALANCE_CACHE);
	assert_true(ACCUM_BALANCE_CACHE < ACCUM_TOTALS_YEAR);
	assert_true(ACCUM_TOTALS_YEAR < ACCUM_TOTALS_MONTH);
	assert_true(ACCUM_TOTALS_MONTH < ACCUM_TOTALS_DAY);
}

static void
test_relation_names(void **state)
{
	assert_string_equal(accum_relation_name("inventory", ACCUM_MOVEMENTS), "inventory_movements");
	assert_string_equal(accum_relation_name("inventory", ACCUM_RECORDERS), "inventory_recorders");
	assert_string_equal(accum_relation_name("inventory", ACCUM_BALANCE_CACHE), "inventory_balance_cache");
	assert_string_equal(accum_relation_name("inventory", ACCUM_TOTALS_DAY), "inventory_totals_day");
	assert_string_equal(accum_relation_name("inventory", ACCUM_TOTALS_MONTH), "inventory_totals_month");
	assert_string_equal(accum_relation_name("inventory", ACCUM_TOTALS_YEAR), "inventory_totals_year");
}

static void
test_partition_names(void **state)
{
	AccumDay	may_17 = accum_day_from_civil(2026, 5, 17);

	assert_string_equal(accum_partition_name("inventory", ACCUM_UNIT_DAY, may_17),
						"inventory_movements_2026_05_17");
	assert_string_equal(accum_partition_name("inventory", ACCUM_UNIT_MONTH,
											 accum_day_from_civil(2026, 5, 1)),
						"inventory_movements_2026_05");
	assert_string_equal(accum_partition_name("inventory", ACCUM_UNIT_YEAR,
											 accum_day_from_civil(2026, 1, 1)),
						"inventory_movements_2026");
}

static void
test_quarter_names(void **state)
{
	for (int month = 1; month <= 12; month++)
	{
		static const char *const expected[] = {
			"r_movements_2026_q1", "r_movements_2026_q2", "r_movements_2026_q3", "r_movements_2026_q4"
		};
		AccumDay	start = accum_unit_start(accum_day_from_civil(2026, month, 28),
											 ACCUM_UNIT_QUARTER, 1);

		assert_string_equal(accum_partition_name("r", ACCUM_UNIT_QUARTER, start),
							expected[(month - 1) / 3]);
	}
}

/* Years are padded, so that partitions sort by time. */
static void
test_early_partition_names(void **state)
{
	assert_string_equal(accum_partition_name("r", ACCUM_UNIT_DAY, accum_day_from_civil(1, 1, 1)),
						"r_movements_0001_01_01");
	assert_string_equal(accum_partition_name("r", ACCUM_UNIT_YEAR, accum_day_from_civil(987, 1, 1)),
						"r_movements_0987");
}

/* The limits of names are what they are for this reason. */
static void
test_longest_names_fit(void **state)
{
	char	   *reg = long_name(ACCUM_MAX_REGISTER_NAME);
	char	   *day = accum_partition_name(reg, ACCUM_UNIT_DAY, accum_day_from_civil(9999, 12, 31));

	assert_int_equal(strlen(day), MAX_IDENTIFIER);
	for (int unit = ACCUM_UNIT_DAY; unit <= ACCUM_UNIT_YEAR; unit++)
		assert_true(strlen(accum_partition_name(reg, (AccumUnit) unit, 0)) <= MAX_IDENTIFIER);
	for (int role = 0; role < ACCUM_ROLES; role++)
		assert_true(strlen(accum_relation_name(reg, (AccumRole) role)) <= MAX_IDENTIFIER);
	assert_true(strlen(reg) + strlen("_movements_default") <= MAX_IDENTIFIER);
	assert_true(ACCUM_MAX_COLUMN_NAME + strlen("_receipt") <= MAX_IDENTIFIER);
}

/* No two partitions of one register share a name. */
static void
test_partition_names_differ(void **state)
{
	AccumUnit	units[] = {ACCUM_UNIT_DAY, ACCUM_UNIT_MONTH, ACCUM_UNIT_QUARTER, ACCUM_UNIT_YEAR};

	for (size_t i = 0; i < lengthof(units); i++)
	{
		AccumDay	start = accum_day_from_civil(2023, 1, 1);
		char	   *last = NULL;

		while (start < accum_day_from_civil(2027, 1, 1))
		{
			char	   *name = accum_partition_name("r", units[i], start);

			if (last != NULL)
				assert_true(strcmp(last, name) < 0);
			last = name;
			start = accum_unit_next(start, units[i]);
		}
	}
}

/* ----- quoting ----- */

static const char *
quoted(void (*append) (StringInfo, const char *), const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append(&buf, text);
	return buf.data;
}

static void
test_identifiers(void **state)
{
	assert_string_equal(quoted(accum_append_ident, "warehouse"), "\"warehouse\"");
	assert_string_equal(quoted(accum_append_ident, "select"), "\"select\"");
	assert_string_equal(quoted(accum_append_ident, "a\"b"), "\"a\"\"b\"");
	assert_string_equal(quoted(accum_append_ident, "\""), "\"\"\"\"");
	assert_string_equal(quoted(accum_append_ident, "a\\b'c"), "\"a\\b'c\"");
	assert_string_equal(quoted(accum_append_ident, "\"; DROP TABLE t; --"),
						"\"\"\"; DROP TABLE t; --\"");
	assert_string_equal(quoted(accum_append_ident, "\xd0\xba"), "\"\xd0\xba\"");
}

static void
test_literals(void **state)
{
	assert_string_equal(quoted(accum_append_literal, ""), "''");
	assert_string_equal(quoted(accum_append_literal, "warehouse"), "'warehouse'");
	assert_string_equal(quoted(accum_append_literal, "it's"), "'it''s'");
	assert_string_equal(quoted(accum_append_literal, "'"), "''''");
	assert_string_equal(quoted(accum_append_literal, "a\"b"), "'a\"b'");
	assert_string_equal(quoted(accum_append_literal, "'; DROP TABLE t; --"),
						"'''; DROP TABLE t; --'");
}

/* With a backslash the literal must not depend on standard_conforming_strings. */
static void
test_literals_with_backslashes(void **state)
{
	assert_string_equal(quoted(accum_append_literal, "a\\b"), " E'a\\\\b'");
	assert_string_equal(quoted(accum_append_literal, "\\"), " E'\\\\'");
	assert_string_equal(quoted(accum_append_literal, "\\'"), " E'\\\\'''");
}

/* Quoting goes on where the text before ended. */
static void
test_quoting_appends(void **state)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "SELECT ");
	accum_append_ident(&buf, "a");
	appendStringInfoString(&buf, " = ");
	accum_append_literal(&buf, "b");
	assert_string_equal(buf.data, "SELECT \"a\" = 'b'");
	assert_int_equal(buf.len, strlen(buf.data));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid_names),
		cmocka_unit_test(test_invalid_names),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_length_limits),
		cmocka_unit_test(test_reserved_columns),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_lock_order),
		cmocka_unit_test(test_relation_names),
		cmocka_unit_test(test_partition_names),
		cmocka_unit_test(test_quarter_names),
		cmocka_unit_test(test_early_partition_names),
		cmocka_unit_test(test_longest_names_fit),
		cmocka_unit_test(test_partition_names_differ),
		cmocka_unit_test(test_identifiers),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_literals_with_backslashes),
		cmocka_unit_test(test_quoting_appends),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
