/*
 * test_ddl.c
 *		The SQL that makes a register.
 *
 * The whole text is run by the regression tests; here are the decisions in it:
 * which relations there are, how columns are declared, what is quoted.  Text is
 * compared by fragments that say one thing each.
 */
#include "pure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ddl.h"

/* Names and types that would do harm if they were not quoted or kept as they are. */
static AccumColumnDef dimensions[] = {
	{.name = "warehouse",.type = "integer",.cast_type = "integer",
	.equal_operator = "OPERATOR(pg_catalog.=)",.required = true},
	{.name = "select",.type = "character varying(20)",.cast_type = "character varying",
	.equal_operator = "OPERATOR(pg_catalog.=)"},
	{.name = "colour",.type = "public.\"Colour\"",.cast_type = "public.\"Colour\"",
	.equal_operator = "OPERATOR(pg_catalog.=)"},
};

static AccumColumnDef resources[] = {
	{.name = "quantity",.type = "numeric(12,3)",.cast_type = "numeric",.sum_type = "numeric"},
	{.name = "amount",.type = "integer",.cast_type = "integer",.sum_type = "bigint"},
};

static AccumColumnDef attributes[] = {
	{.name = "line_note",.type = "text",.cast_type = "text"},
};

static AccumRegisterDef
definition(AccumKind kind, AccumUnit totals_period)
{
	return (AccumRegisterDef)
	{
		.name = "stock",.kind = kind,
			.ndims = lengthof(dimensions),.dims = dimensions,
			.nresources = lengthof(resources),.resources = resources,
			.nattributes = lengthof(attributes),.attributes = attributes,
			.totals_period = totals_period,.partition_by = ACCUM_UNIT_MONTH,
			.recorder_type = "character varying(36)",.recorder_cast_type = "character varying",
			.time_zone = "UTC",.year_start = 1
	};
}

static const char *
register_sql(AccumKind kind, AccumUnit totals_period)
{
	AccumRegisterDef def = definition(kind, totals_period);
	StringInfoData sql;

	initStringInfo(&sql);
	accum_ddl_register(&sql, &def);
	return sql.data;
}

static char *
high_write_sql(AccumKind kind, AccumUnit totals_period)
{
	AccumRegisterDef def = definition(kind, totals_period);
	StringInfoData sql;

	def.has_deltas = true;
	initStringInfo(&sql);
	accum_ddl_register(&sql, &def);
	return sql.data;
}

static char *
history_sql(AccumKind kind, AccumUnit totals_period)
{
	AccumRegisterDef def = definition(kind, totals_period);
	StringInfoData sql;

	def.history = true;
	initStringInfo(&sql);
	accum_ddl_register(&sql, &def);
	return sql.data;
}

static int
count(const char *text, const char *fragment)
{
	int			n = 0;

	for (text = strstr(text, fragment); text != NULL; text = strstr(text + 1, fragment))
		n++;
	return n;
}

static void
assert_contains(const char *text, const char *fragment)
{
	if (strstr(text, fragment) == NULL)
		fail_msg("\"%s\" is missing in:\n%s", fragment, text);
}

static void
assert_lacks(const char *text, const char *fragment)
{
	if (strstr(text, fragment) != NULL)
		fail_msg("\"%s\" does not belong in:\n%s", fragment, text);
}

/* The text from the first occurrence of start to the end of that statement. */
static char *
statement(const char *sql, const char *start)
{
	const char *from = strstr(sql, start);
	const char *to;
	char	   *copy;

	if (from == NULL)
		fail_msg("\"%s\" is missing in:\n%s", start, sql);
	to = strstr(from, ";\n");
	assert_non_null(to);
	copy = palloc0(to - from + 1);
	memcpy(copy, from, to - from);
	return copy;
}

static char *
table(const char *sql, const char *name)
{
	return statement(sql, psprintf("CREATE TABLE accum.\"%s\" (", name));
}

/* ----- which relations there are ----- */

static void
test_relations_by_totals_period(void **state)
{
	AccumRegisterDef day = definition(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);
	AccumRegisterDef month = definition(ACCUM_KIND_BALANCE, ACCUM_UNIT_MONTH);
	AccumRegisterDef year = definition(ACCUM_KIND_BALANCE, ACCUM_UNIT_YEAR);

	assert_true(accum_ddl_has_relation(&day, ACCUM_TOTALS_DAY));
	assert_true(accum_ddl_has_relation(&day, ACCUM_TOTALS_MONTH));
	assert_true(accum_ddl_has_relation(&day, ACCUM_TOTALS_YEAR));
	assert_false(accum_ddl_has_relation(&month, ACCUM_TOTALS_DAY));
	assert_true(accum_ddl_has_relation(&month, ACCUM_TOTALS_MONTH));
	assert_true(accum_ddl_has_relation(&month, ACCUM_TOTALS_YEAR));
	assert_false(accum_ddl_has_relation(&year, ACCUM_TOTALS_DAY));
	assert_false(accum_ddl_has_relation(&year, ACCUM_TOTALS_MONTH));
	assert_true(accum_ddl_has_relation(&year, ACCUM_TOTALS_YEAR));
}

static void
test_relations_by_kind(void **state)
{
	for (int unit = ACCUM_UNIT_DAY; unit <= ACCUM_UNIT_YEAR; unit++)
	{
		AccumRegisterDef balance = definition(ACCUM_KIND_BALANCE, (AccumUnit) unit);
		AccumRegisterDef turnover = definition(ACCUM_KIND_TURNOVER, (AccumUnit) unit);

		assert_true(accum_ddl_has_relation(&balance, ACCUM_BALANCE_CACHE));
		assert_false(accum_ddl_has_relation(&turnover, ACCUM_BALANCE_CACHE));
		assert_true(accum_ddl_has_relation(&balance, ACCUM_MOVEMENTS));
		assert_true(accum_ddl_has_relation(&turnover, ACCUM_MOVEMENTS));
		assert_true(accum_ddl_has_relation(&balance, ACCUM_RECORDERS));
		assert_true(accum_ddl_has_relation(&turnover, ACCUM_RECORDERS));
	}
}

/* The text makes the relations that there should be, once each, and no others. */
static void
test_text_makes_these_relations(void **state)
{
	static const AccumUnit units[] = {ACCUM_UNIT_DAY, ACCUM_UNIT_MONTH, ACCUM_UNIT_YEAR};

	for (int kind = ACCUM_KIND_BALANCE; kind <= ACCUM_KIND_TURNOVER; kind++)
	{
		for (size_t u = 0; u < lengthof(units); u++)
		{
			AccumRegisterDef def = definition((AccumKind) kind, units[u]);
			const char *sql = register_sql((AccumKind) kind, units[u]);

			for (int role = 0; role < ACCUM_ROLES; role++)
			{
				char	   *name = accum_relation_name("stock", (AccumRole) role);
				int			expected = accum_ddl_has_relation(&def, (AccumRole) role) ? 1 : 0;

				assert_int_equal(count(sql, psprintf("CREATE TABLE accum.\"%s\" (", name)), expected);
				if (expected == 0)
					assert_lacks(sql, psprintf("accum.\"%s\"", name));
			}
		}
	}
}

/* ----- movements ----- */

static void
test_movements_columns(void **state)
{
	char	   *sql = table(register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY), "stock_movements");

	assert_contains(sql, "id uuid NOT NULL DEFAULT accum._movement_id()");
	assert_contains(sql, "recorded_at timestamptz NOT NULL DEFAULT now()");
	assert_contains(sql, "recorder character varying(36) NOT NULL");
	assert_contains(sql, "period timestamptz NOT NULL");
	assert_contains(sql, "movement_type text NOT NULL DEFAULT 'regular'");
	assert_contains(sql, "dim_hash bigint NOT NULL");
	assert_contains(sql, "\"warehouse\" integer NOT NULL");
	assert_contains(sql, "\"select\" character varying(20),");
	assert_contains(sql, "\"colour\" public.\"Colour\",");
	assert_contains(sql, "\"quantity\" numeric(12,3) NOT NULL DEFAULT 0");
	assert_contains(sql, "\"amount\" integer NOT NULL DEFAULT 0");
	assert_contains(sql, "\"line_note\" text,");
	assert_contains(sql, "PRIMARY KEY (period, recorded_at, id)");
	assert_contains(sql, "PARTITION BY RANGE (period)");
	assert_lacks(sql, "_receipt");
}

static void
test_movements_indexes_and_triggers(void **state)
{
	const char *sql = register_sql(ACCUM_KIND_TURNOVER, ACCUM_UNIT_MONTH);

	assert_contains(sql, "CREATE INDEX ON accum.\"stock_movements\" (recorder)");
	assert_contains(sql, "CREATE INDEX ON accum.\"stock_movements\" (dim_hash, period)");
	assert_contains(statement(sql, "CREATE TRIGGER zz_accum_prepare"),
					"BEFORE INSERT ON accum.\"stock_movements\"\n\tFOR EACH ROW");
	assert_contains(statement(sql, "CREATE TRIGGER accum_insert"), "REFERENCING NEW TABLE AS");
	assert_contains(statement(sql, "CREATE TRIGGER accum_insert"), "FOR EACH STATEMENT");
	assert_contains(statement(sql, "CREATE TRIGGER accum_delete"), "REFERENCING OLD TABLE AS");
	assert_contains(statement(sql, "CREATE TRIGGER accum_delete"), "FOR EACH STATEMENT");
	assert_contains(sql, "BEFORE UPDATE OR TRUNCATE ON accum.\"stock_movements\"");
	assert_contains(sql, "CREATE TABLE accum.\"stock_movements_default\" "
					"PARTITION OF accum.\"stock_movements\" DEFAULT");
}

/* ----- derived tables ----- */

static void
test_cache_columns(void **state)
{
	char	   *sql = table(register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY), "stock_balance_cache");

	assert_contains(sql, "dim_hash bigint PRIMARY KEY");
	assert_contains(sql, "\"warehouse\" integer NOT NULL");
	assert_contains(sql, "\"quantity\" numeric(12,3) NOT NULL");
	assert_contains(sql, "\"amount\" integer NOT NULL");
	assert_contains(sql, "last_movement_at timestamptz");
	assert_contains(sql, "last_movement_id uuid");
	assert_contains(sql, "version bigint NOT NULL");
	assert_contains(sql, "movements_count bigint NOT NULL");
	assert_contains(sql, "fillfactor");
	assert_lacks(sql, "line_note");
	assert_lacks(sql, "_receipt");
	assert_lacks(sql, "\tperiod ");
}

/* Each dimension can select cells by itself; each level can select units. */
static void
test_derived_indexes(void **state)
{
	const char *sql = register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_MONTH);

	assert_contains(sql, "CREATE INDEX ON accum.\"stock_balance_cache\" (\"warehouse\")");
	assert_contains(sql, "CREATE INDEX ON accum.\"stock_balance_cache\" (\"select\")");
	assert_contains(sql, "CREATE INDEX ON accum.\"stock_balance_cache\" (\"colour\")");
	assert_contains(sql, "CREATE INDEX ON accum.\"stock_totals_month\" (period)");
	assert_contains(sql, "CREATE INDEX ON accum.\"stock_totals_year\" (period)");
	/* An index on what every write changes would end heap-only updates. */
	assert_lacks(sql, "(\"quantity\")");
}

static void
test_totals_columns(void **state)
{
	static const char *const names[] = {
		"stock_totals_day", "stock_totals_month", "stock_totals_year"
	};
	const char *whole = register_sql(ACCUM_KIND_TURNOVER, ACCUM_UNIT_DAY);

	for (size_t i = 0; i < lengthof(names); i++)
	{
		char	   *sql = table(whole, names[i]);

		assert_contains(sql, "dim_hash bigint NOT NULL");
		assert_contains(sql, "period date NOT NULL");
		assert_contains(sql, "\"select\" character varying(20),");
		assert_contains(sql, "\"quantity\" numeric(12,3) NOT NULL");
		assert_contains(sql, "\"quantity_receipt\" numeric(12,3) NOT NULL");
		assert_contains(sql, "\"amount_receipt\" integer NOT NULL");
		assert_contains(sql, "movements_count bigint NOT NULL");
		assert_contains(sql, "PRIMARY KEY (dim_hash, period)");
		assert_contains(sql, "fillfactor");
		assert_lacks(sql, "line_note");
		assert_lacks(sql, "version");
	}
}

static void
test_recorders_columns(void **state)
{
	char	   *sql = table(register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY), "stock_recorders");

	assert_contains(sql, "recorder character varying(36) NOT NULL");
	assert_contains(sql, "unit_start date NOT NULL");
	assert_contains(sql, "revision bigint NOT NULL");
	assert_contains(sql, "PRIMARY KEY (recorder, unit_start)");
	assert_lacks(sql, "warehouse");
}

/* Each table is told apart and guarded; none is forgotten. */
static void
test_comments_and_guards(void **state)
{
	const char *sql = high_write_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);

	for (int role = 0; role < ACCUM_ROLES; role++)
	{
		char	   *name = accum_relation_name("stock", (AccumRole) role);
		char	   *comment;

		/* Users fill it. */
		if (role == ACCUM_ACCOUNTS)
			continue;
		comment = statement(sql, psprintf("COMMENT ON TABLE accum.\"%s\" IS ", name));

		assert_contains(sql, psprintf(" ON accum.\"%s\"\n\tFOR EACH STATEMENT EXECUTE FUNCTION accum._guard_",
									  name));
		assert_true(comment[strlen(comment) - 1] == '\'');
	}
	assert_contains(sql, "BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON accum.\"stock_movements_default\"");
}

/* ----- functions ----- */

static void
test_functions_by_kind(void **state)
{
	static const char *const always[] = {"movements", "turnover", "statement"};
	static const char *const for_balances[] = {"balance", "balances_at"};
	const char *balance = register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);
	const char *turnover = register_sql(ACCUM_KIND_TURNOVER, ACCUM_UNIT_DAY);

	for (size_t i = 0; i < lengthof(always); i++)
	{
		assert_contains(balance, psprintf("CREATE FUNCTION accum.\"stock_%s\"(", always[i]));
		assert_contains(turnover, psprintf("CREATE FUNCTION accum.\"stock_%s\"(", always[i]));
	}
	for (size_t i = 0; i < lengthof(for_balances); i++)
	{
		assert_contains(balance, psprintf("CREATE FUNCTION accum.\"stock_%s\"(", for_balances[i]));
		assert_lacks(turnover, psprintf("\"stock_%s\"", for_balances[i]));
	}
	assert_contains(balance, "CREATE VIEW accum.\"stock_balances\" WITH (security_invoker = true)");
	assert_lacks(turnover, "CREATE VIEW");
}

/* Of two functions, with instants and with dates, only one can have defaults. */
static void
test_bounds_have_two_types(void **state)
{
	const char *sql = register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);

	assert_contains(sql, "\"stock_balance\"(dimensions jsonb DEFAULT NULL, at_date timestamptz DEFAULT NULL)");
	assert_contains(sql, "\"stock_balance\"(dimensions jsonb, at_date date)");
	assert_contains(sql, "\"stock_turnover\"(from_date timestamptz DEFAULT NULL, to_date timestamptz DEFAULT NULL,");
	assert_contains(sql, "\"stock_turnover\"(from_date date, to_date date,");
	assert_contains(sql, "\"stock_statement\"(from_date timestamptz, to_date timestamptz,");
	assert_contains(sql, "\"stock_statement\"(from_date date, to_date date,");
	assert_contains(sql, "\"stock_balances_at\"(at_date timestamptz)");
	assert_contains(sql, "\"stock_balances_at\"(at_date date)");
}

/* Sums may be larger than the values, so functions return them in a wider type. */
static void
test_sums_have_their_own_type(void **state)
{
	const char *sql = register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);
	char	   *statement_function = statement(sql, "CREATE FUNCTION accum.\"stock_statement\"(from_date date");
	char	   *balances_function = statement(sql, "CREATE FUNCTION accum.\"stock_balances_at\"(at_date date");

	assert_contains(statement_function, "\"amount_closing\" bigint");
	assert_contains(statement_function, "\"quantity_opening\" numeric");
	assert_lacks(statement_function, "numeric(12,3)");
	assert_contains(balances_function, "\"quantity\" numeric, \"amount\" bigint)");
}

/* Balances at a date read the totals that there are, and movements. */
static void
test_balances_at_sources(void **state)
{
	const char *start = "CREATE FUNCTION accum.\"stock_balances_at\"(at_date date";
	char	   *day = statement(register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY), start);
	char	   *year = statement(register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_YEAR), start);

	assert_int_equal(count(day, "UNION ALL"), 3);
	assert_contains(day, "\"stock_totals_day\" t");
	assert_contains(day, "\"stock_totals_month\" t");
	assert_contains(day, "\"stock_totals_year\" t");
	assert_contains(day, "\"stock_movements\" t");
	assert_int_equal(count(year, "UNION ALL"), 1);
	assert_contains(year, "\"stock_totals_year\" t");
	assert_contains(year, "\"stock_movements\" t");
}

/* Deltas have the sums of totals, are found by cell, and no read forgets them. */
static void
test_deltas(void **state)
{
	const char *sql = high_write_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_MONTH);
	char	   *deltas = table(sql, "stock_balance_cache_delta");
	char	   *view = statement(sql, "CREATE VIEW accum.\"stock_balances\"");
	char	   *at = statement(sql, "CREATE FUNCTION accum.\"stock_balances_at\"(at_date date");

	assert_contains(deltas, "created_at timestamptz NOT NULL DEFAULT now()");
	assert_contains(deltas, "period date NOT NULL");
	assert_contains(deltas, "\"quantity\" numeric(12,3) NOT NULL,");
	assert_contains(deltas, "\"quantity_receipt\" numeric(12,3) NOT NULL,");
	assert_lacks(deltas, "PRIMARY KEY");
	assert_contains(sql, "CREATE INDEX ON accum.\"stock_balance_cache_delta\" (dim_hash);");
	assert_contains(sql, "ALTER TABLE accum.\"stock_balance_cache_delta\" REPLICA IDENTITY FULL;");
	assert_contains(view, "LEFT JOIN LATERAL");
	assert_contains(view, "accum.\"stock_balance_cache_delta\" t WHERE t.dim_hash = c.dim_hash");
	assert_contains(at, "accum.\"stock_balance_cache_delta\" t WHERE t.period < accum._history_day(");
	assert_int_equal(count(at, "UNION ALL"), 3);

	view = statement(register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY), "CREATE VIEW accum.\"stock_balances\"");
	assert_lacks(view, "LATERAL");
}

/* With history nothing is removed, and nothing of it is in other registers. */
static void
test_history(void **state)
{
	const char *sql = history_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);
	const char *plain = register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);
	const char *movements = table(sql, "stock_movements");

	assert_contains(movements, "reverses uuid,\n\treverses_period timestamptz,");
	assert_contains(sql, "(reverses) WHERE reverses IS NOT NULL;");
	assert_contains(sql, "BEFORE UPDATE OR DELETE OR TRUNCATE ON accum.\"stock_movements\"");
	assert_lacks(sql, "CREATE TRIGGER accum_delete");
	assert_int_equal(count(sql, "known_at timestamptz DEFAULT NULL"), 4);
	assert_int_equal(count(sql, "only_active boolean DEFAULT false"), 1);
	assert_int_equal(count(sql, "reverses_period OPERATOR(pg_catalog.=) t.period"), 2);

	assert_lacks(plain, "reverses");
	assert_lacks(plain, "known_at");
	assert_lacks(plain, "only_active");
	assert_contains(plain, "CREATE TRIGGER accum_delete AFTER DELETE");
	assert_contains(plain, "1::bigint AS movements_count");
}

/* What a ledger's two sides make of its tables. */
static void
test_ledger_tables(void **state)
{
	AccumRegisterDef def = definition(ACCUM_KIND_LEDGER, ACCUM_UNIT_DAY);
	StringInfoData sql;
	char	   *movements;
	char	   *cache;
	char	   *totals;

	def.resources = memcpy(palloc(sizeof(resources)), resources, sizeof(resources));
	def.resources[1].unbalanced = true;
	def.chart = ACCUM_CHART_STRICT;
	initStringInfo(&sql);
	accum_ddl_register(&sql, &def);
	movements = statement(sql.data, "CREATE TABLE accum.\"stock_movements\" ");
	cache = statement(sql.data, "CREATE TABLE accum.\"stock_balance_cache\" ");
	totals = statement(sql.data, "CREATE TABLE accum.\"stock_totals_month\" ");

	assert_contains(movements, "dim_hash_dr bigint NOT NULL DEFAULT 0,\n\tdim_hash_cr bigint NOT NULL DEFAULT 0");
	assert_contains(movements, "\"account_cr\" text COLLATE \"C\" NOT NULL");
	assert_contains(movements, "\"subconto_dr\" jsonb NOT NULL DEFAULT '{}'");
	assert_contains(movements, "\"quantity\" numeric(12,3) NOT NULL DEFAULT 0");
	assert_contains(movements, "\"amount_cr\" integer NOT NULL DEFAULT 0");
	assert_lacks(movements, "\"quantity_dr\"");
	assert_contains(cache, "\"account\" text COLLATE \"C\" NOT NULL");
	assert_contains(cache, "\"quantity_dr\" numeric(12,3) NOT NULL");
	assert_lacks(totals, "_receipt");
	assert_contains(sql.data, "CREATE INDEX ON accum.\"stock_movements\" (dim_hash_cr, period)");
	assert_contains(sql.data, "CREATE TABLE accum.\"stock_accounts\" (");
	def.chart = ACCUM_CHART_NONE;
	resetStringInfo(&sql);
	accum_ddl_register(&sql, &def);
	assert_lacks(sql.data, "stock_accounts");
}

/* What creates functions and views, and what drops them, name the same. */
static void
test_drop_matches_create(void **state)
{
	for (int i = 0; i < 5; i++)
	{
		AccumKind	kind = i == 4 ? ACCUM_KIND_LEDGER : i % 2 == 0 ? ACCUM_KIND_BALANCE : ACCUM_KIND_TURNOVER;
		AccumRegisterDef def = definition(kind, ACCUM_UNIT_DAY);
		const char *sql;
		StringInfoData drop;

		def.history = i == 2 || i == 3;
		sql = def.history ? history_sql(kind, ACCUM_UNIT_DAY) : register_sql(kind, ACCUM_UNIT_DAY);
		initStringInfo(&drop);
		accum_ddl_drop_functions(&drop, &def);
		assert_int_equal(count(drop.data, "DROP FUNCTION "), count(sql, "CREATE FUNCTION "));
		assert_int_equal(count(drop.data, "DROP VIEW "), count(sql, "CREATE VIEW "));
		assert_lacks(drop.data, "CASCADE");
		for (const char *comment = strstr(sql, "COMMENT ON FUNCTION "); comment != NULL;
			 comment = strstr(comment + 1, "COMMENT ON FUNCTION "))
		{
			const char *name = comment + strlen("COMMENT ON FUNCTION ");
			int			length = strstr(name, " IS ") - name;

			assert_contains(drop.data, psprintf("DROP FUNCTION IF EXISTS %.*s;\n", length, name));
		}
	}
}

/*
 * What register_alter drops and makes again is a part of what a register has:
 * each function and view whose columns are named in its definition.
 */
static void
test_typed_readers(void **state)
{
	for (int kind = ACCUM_KIND_BALANCE; kind <= ACCUM_KIND_LEDGER; kind++)
	{
		const char *whole = register_sql((AccumKind) kind, ACCUM_UNIT_DAY);
		AccumRegisterDef def = definition((AccumKind) kind, ACCUM_UNIT_DAY);
		StringInfoData sql;
		char	   *name;
		bool		is_view;
		int			views = 0;
		int			n = 0;

		initStringInfo(&sql);
		accum_ddl_typed_readers(&sql, &def);
		for (; (name = accum_ddl_typed_reader(&def, n, &is_view)) != NULL; n++)
		{
			assert_contains(sql.data, psprintf("COMMENT ON %s %s IS ",
											   is_view ? "VIEW" : "FUNCTION", name));
			views += is_view;
		}
		assert_int_equal(count(sql.data, "CREATE FUNCTION "), n - views);
		assert_int_equal(count(sql.data, "CREATE VIEW "), views);
		assert_int_equal(count(sql.data, "RETURNS TABLE "), count(whole, "RETURNS TABLE "));
		assert_int_equal(views, count(whole, "CREATE VIEW "));
		assert_lacks(sql.data, "CREATE TABLE");
	}
}

/* What register_alter replaces differs in one word from what was made. */
static void
test_replaced_functions(void **state)
{
	AccumRegisterDef def = definition(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);
	const char *whole = register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);
	static const char *const words = "CREATE OR REPLACE FUNCTION ";
	StringInfoData sql;

	initStringInfo(&sql);
	accum_ddl_replace_functions(&sql, &def);
	assert_int_equal(strncmp(sql.data, words, strlen(words)), 0);
	assert_int_equal(count(sql.data, words), 1);
	assert_contains(whole, psprintf("CREATE FUNCTION %s", sql.data + strlen(words)));
}

/* Every function has a comment, and none changes settings or rights. */
static void
test_functions_are_plain(void **state)
{
	const char *sql = register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);

	assert_int_equal(count(sql, "CREATE FUNCTION "), count(sql, "COMMENT ON FUNCTION "));
	assert_int_equal(count(sql, "CREATE FUNCTION "), count(sql, "LANGUAGE sql"));
	assert_lacks(sql, "SECURITY DEFINER");
	assert_lacks(sql, "\nSET ");
}

/* Casts in functions are without modifier: values are compared, never cut. */
static void
test_casts_have_no_modifier(void **state)
{
	const char *sql = register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);

	assert_contains(sql, "CAST($1 AS character varying)");
	assert_contains(sql, " AS character varying)");
	assert_contains(sql, " AS public.\"Colour\")");
	assert_lacks(sql, "'select') AS character varying(");
}

/* A register with no dimensions and no attributes has no stray commas. */
static void
test_no_dimensions(void **state)
{
	AccumRegisterDef def = definition(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);
	StringInfoData sql;

	def.ndims = 0;
	def.nattributes = 0;
	initStringInfo(&sql);
	accum_ddl_register(&sql, &def);
	assert_lacks(sql.data, ",\n)");
	assert_lacks(sql.data, ",,");
	assert_lacks(sql.data, "(,");
	assert_lacks(sql.data, "warehouse");
	assert_contains(table(sql.data, "stock_balance_cache"),
					"dim_hash bigint PRIMARY KEY,\n\t\"quantity\" numeric(12,3) NOT NULL");
}

/* Nothing is appended but at the end, and the same definition gives the same text. */
static void
test_text_is_appended(void **state)
{
	AccumRegisterDef def = definition(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "-- before\n");
	accum_ddl_register(&sql, &def);
	assert_memory_equal(sql.data, "-- before\n", 10);
	assert_string_equal(sql.data + 10, register_sql(ACCUM_KIND_BALANCE, ACCUM_UNIT_DAY));
	assert_int_equal(sql.len, strlen(sql.data));
}

/* ----- partitions ----- */

static void
test_partition(void **state)
{
	StringInfoData sql;
	const char *create;
	const char *attach;

	initStringInfo(&sql);
	accum_ddl_partition(&sql, "stock", "stock_movements_2026_05",
						"2026-05-01 00:00:00+00", "2026-06-01 00:00:00+00");
	create = strstr(sql.data, "CREATE TABLE accum.\"stock_movements_2026_05\" (LIKE accum.\"stock_movements\"");
	attach = strstr(sql.data, "ALTER TABLE accum.\"stock_movements\" "
					"ATTACH PARTITION accum.\"stock_movements_2026_05\" "
					"FOR VALUES FROM ('2026-05-01 00:00:00+00') TO ('2026-06-01 00:00:00+00')");
	assert_non_null(create);
	assert_non_null(attach);
	assert_true(create < attach);
	assert_contains(sql.data, "BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE "
					"ON accum.\"stock_movements_2026_05\"");
	/* CREATE TABLE … PARTITION OF would lock out every reader. */
	assert_lacks(sql.data, "PARTITION OF");
}

/* Bounds are literals, whatever is in them. */
static void
test_partition_bounds_are_quoted(void **state)
{
	StringInfoData sql;

	initStringInfo(&sql);
	accum_ddl_partition(&sql, "stock", "p\"q", "a'b", "c\\d");
	assert_contains(sql.data, "accum.\"p\"\"q\"");
	assert_contains(sql.data, "FROM ('a''b') TO ( E'c\\\\d')");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relations_by_totals_period),
		cmocka_unit_test(test_relations_by_kind),
		cmocka_unit_test(test_text_makes_these_relations),
		cmocka_unit_test(test_movements_columns),
		cmocka_unit_test(test_movements_indexes_and_triggers),
		cmocka_unit_test(test_cache_columns),
		cmocka_unit_test(test_derived_indexes),
		cmocka_unit_test(test_totals_columns),
		cmocka_unit_test(test_recorders_columns),
		cmocka_unit_test(test_comments_and_guards),
		cmocka_unit_test(test_functions_by_kind),
		cmocka_unit_test(test_bounds_have_two_types),
		cmocka_unit_test(test_sums_have_their_own_type),
		cmocka_unit_test(test_balances_at_sources),
		cmocka_unit_test(test_deltas),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_ledger_tables),
		cmocka_unit_test(test_drop_matches_create),
		cmocka_unit_test(test_typed_readers),
		cmocka_unit_test(test_replaced_functions),
		cmocka_unit_test(test_functions_are_plain),
		cmocka_unit_test(test_casts_have_no_modifier),
		cmocka_unit_test(test_no_dimensions),
		cmocka_unit_test(test_text_is_appended),
		cmocka_unit_test(test_partition),
		cmocka_unit_test(test_partition_bounds_are_quoted),
	};

	return cmocka_run_group_tests_name("ddl", tests, NULL, NULL);
}
