/*
 * ddl.c
 *		The SQL that makes a register.
 *
 * From a checked definition to text, and nothing else: no catalog is read and
 * nothing is run, so what register_create does can be shown
 * (register_create_sql) and tested by itself.
 *
 * Types arrive as text that PostgreSQL's own type parser has produced; names
 * match ^[a-z][a-z0-9_]*$ and are quoted all the same.
 *
 * Pure: compiles into the unit tests as well.
 */
#include "pure.h"

#include "ddl.h"

/*
 * Room for a new version of a row on its own page keeps updates of derived rows
 * heap-only: measured, all of 24,000 updates were HOT at 70.
 */
#define DERIVED_OPTIONS " WITH (fillfactor = 70)"

/* Which relations a register of this definition has. */
bool
accum_ddl_has_relation(const AccumRegisterDef *def, AccumRole role)
{
	switch (role)
	{
		case ACCUM_BALANCE_CACHE:
			return def->kind == ACCUM_KIND_BALANCE;
		case ACCUM_TOTALS_DAY:
			return def->totals_period == ACCUM_UNIT_DAY;
		case ACCUM_TOTALS_MONTH:
			return def->totals_period != ACCUM_UNIT_YEAR;
		default:
			return true;
	}
}

/* The qualified name of the register's object with a suffix, palloc'd. */
static char *
object_text(const char *reg, const char *suffix)
{
	char	   *name = psprintf("%s_%s", reg, suffix);
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, ACCUM_SCHEMA ".");
	accum_append_ident(&text, name);
	pfree(name);
	return text.data;
}

static char *
relation_text(const char *reg, AccumRole role)
{
	return object_text(reg, accum_role_name(role));
}

static void
append_relation_comment(StringInfo sql, const AccumRegisterDef *def, AccumRole role,
						const char *comment)
{
	char	   *table = relation_text(def->name, role);

	appendStringInfo(sql, "COMMENT ON TABLE %s IS ", table);
	accum_append_literal(sql, comment);
	appendStringInfoString(sql, ";\n");
	pfree(table);
}

static void
append_column(StringInfo sql, const AccumColumnDef *column, const char *suffix,
			  const char *constraint)
{
	char	   *name = psprintf("%s%s", column->name, suffix);

	appendStringInfoString(sql, ",\n\t");
	accum_append_ident(sql, name);
	appendStringInfo(sql, " %s%s", column->type, constraint);
	pfree(name);
}

static void
append_dimensions(StringInfo sql, const AccumRegisterDef *def)
{
	for (int i = 0; i < def->ndims; i++)
		append_column(sql, &def->dims[i], "", def->dims[i].required ? " NOT NULL" : "");
}

/* The statement trigger that keeps a table from other hands. */
static void
append_guard(StringInfo sql, const char *table, const char *events, const char *function)
{
	appendStringInfo(sql, "CREATE TRIGGER accum_guard BEFORE %s ON %s\n"
					 "\tFOR EACH STATEMENT EXECUTE FUNCTION " ACCUM_SCHEMA ".%s();\n",
					 events, table, function);
}

static void
append_movements(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *table = relation_text(def->name, ACCUM_MOVEMENTS);
	char	   *partition = object_text(def->name, "movements_default");

	appendStringInfo(sql, "CREATE TABLE %s (\n"
					 "\tid uuid NOT NULL DEFAULT " ACCUM_SCHEMA "._movement_id(),\n"
					 "\trecorded_at timestamptz NOT NULL DEFAULT now(),\n"
					 "\trecorder %s NOT NULL,\n"
					 "\tperiod timestamptz NOT NULL,\n"
					 "\tmovement_type text NOT NULL DEFAULT 'regular',\n"
					 "\tdim_hash bigint NOT NULL DEFAULT 0",
					 table, def->recorder_type);
	append_dimensions(sql, def);
	for (int i = 0; i < def->nresources; i++)
		append_column(sql, &def->resources[i], "", " NOT NULL DEFAULT 0");
	for (int i = 0; i < def->nattributes; i++)
		append_column(sql, &def->attributes[i], "", "");

	/*
	 * Three indexes, each with the query that pays for it: the primary key gives
	 * <register>_movements its order, recorder serves unpost and repost, and
	 * (dim_hash, period) the part of a day in a cell's history.
	 */
	appendStringInfo(sql, ",\n\tPRIMARY KEY (period, recorded_at, id)\n"
					 ") PARTITION BY RANGE (period);\n"
					 "CREATE INDEX ON %s (recorder);\n"
					 "CREATE INDEX ON %s (dim_hash, period);\n", table, table);
	append_relation_comment(sql, def, ACCUM_MOVEMENTS,
							"Movements of the register: the truth that its other tables are derived from. "
							"INSERT, COPY and DELETE keep these up to date; correct documents with accum.register_repost().");
	appendStringInfo(sql, "CREATE TRIGGER accum_prepare BEFORE INSERT ON %s\n"
					 "\tFOR EACH ROW EXECUTE FUNCTION " ACCUM_SCHEMA "._movement_prepare();\n"
					 "CREATE TRIGGER accum_insert AFTER INSERT ON %s\n"
					 "\tREFERENCING NEW TABLE AS accum_new FOR EACH STATEMENT\n"
					 "\tEXECUTE FUNCTION " ACCUM_SCHEMA "._movements_changed();\n"
					 "CREATE TRIGGER accum_delete AFTER DELETE ON %s\n"
					 "\tREFERENCING OLD TABLE AS accum_old FOR EACH STATEMENT\n"
					 "\tEXECUTE FUNCTION " ACCUM_SCHEMA "._movements_changed();\n",
					 table, table, table);
	append_guard(sql, table, "UPDATE OR TRUNCATE", "_guard_movements");
	appendStringInfo(sql, "CREATE TABLE %s PARTITION OF %s DEFAULT;\n", partition, table);
	append_guard(sql, partition, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_partition");
	pfree(partition);
	pfree(table);
}

static void
append_recorders(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *table = relation_text(def->name, ACCUM_RECORDERS);

	appendStringInfo(sql, "CREATE TABLE %s (\n"
					 "\trecorder %s NOT NULL,\n"
					 "\tunit_start date NOT NULL,\n"
					 "\trevision bigint NOT NULL DEFAULT 0,\n"
					 "\tPRIMARY KEY (recorder, unit_start)\n"
					 ")" DERIVED_OPTIONS ";\n", table, def->recorder_type);
	append_relation_comment(sql, def, ACCUM_RECORDERS,
							"Documents of the register and the partitions that hold their movements; "
							"written by the register, read by unpost and repost.");
	append_guard(sql, table, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_derived");
	pfree(table);
}

static void
append_cache(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *table = relation_text(def->name, ACCUM_BALANCE_CACHE);

	appendStringInfo(sql, "CREATE TABLE %s (\n\tdim_hash bigint PRIMARY KEY", table);
	append_dimensions(sql, def);
	for (int i = 0; i < def->nresources; i++)
		append_column(sql, &def->resources[i], "", " NOT NULL");
	appendStringInfoString(sql, ",\n\tlast_movement_at timestamptz"
						   ",\n\tlast_movement_id uuid"
						   ",\n\tversion bigint NOT NULL"
						   ",\n\tmovements_count bigint NOT NULL\n)" DERIVED_OPTIONS ";\n");
	append_relation_comment(sql, def, ACCUM_BALANCE_CACHE,
							"Current balance of each cell of the register; derived from movements.");
	append_guard(sql, table, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_derived");
	pfree(table);
}

static void
append_totals(StringInfo sql, const AccumRegisterDef *def, AccumRole role, const char *unit)
{
	char	   *table = relation_text(def->name, role);
	char	   *comment = psprintf("Turnover of each cell of the register per %s of its calendar; "
								   "period is the first day. Derived from movements.", unit);

	appendStringInfo(sql, "CREATE TABLE %s (\n\tdim_hash bigint NOT NULL,\n\tperiod date NOT NULL",
					 table);
	append_dimensions(sql, def);
	for (int i = 0; i < def->nresources; i++)
	{
		append_column(sql, &def->resources[i], "", " NOT NULL");
		append_column(sql, &def->resources[i], "_receipt", " NOT NULL");
	}
	appendStringInfoString(sql, ",\n\tmovements_count bigint NOT NULL"
						   ",\n\tPRIMARY KEY (dim_hash, period)\n)" DERIVED_OPTIONS ";\n");
	append_relation_comment(sql, def, role, comment);
	append_guard(sql, table, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_derived");
	pfree(comment);
	pfree(table);
}

/* "warehouse" = $4 ->> 'warehouse', typed, for each dimension that $4 names. */
static void
append_filter(StringInfo sql, const AccumRegisterDef *def, const char *parameter)
{
	char	   *table = relation_text(def->name, ACCUM_MOVEMENTS);

	appendStringInfoString(sql, ACCUM_SCHEMA "._filter_valid(");
	accum_append_literal(sql, table);
	appendStringInfo(sql, "::regclass, %s)", parameter);
	for (int i = 0; i < def->ndims; i++)
	{
		StringInfoData column;
		StringInfoData key;

		initStringInfo(&column);
		appendStringInfoString(&column, "m.");
		accum_append_ident(&column, def->dims[i].name);
		initStringInfo(&key);
		accum_append_literal(&key, def->dims[i].name);
		appendStringInfo(sql, "\n\t\tAND (%s IS NULL OR NOT %s ? %s"
						 " OR (%s -> %s = 'null' AND %s IS NULL)"
						 " OR %s = " ACCUM_SCHEMA "._filter_value(",
						 parameter, parameter, key.data,
						 parameter, key.data, column.data, column.data);
		accum_append_literal(sql, table);
		appendStringInfo(sql, "::regclass, %s, %s, NULL::%s))",
						 parameter, key.data, def->dims[i].cast_type);
		pfree(column.data);
		pfree(key.data);
	}
	pfree(table);
}

static void
append_function_comment(StringInfo sql, const AccumRegisterDef *def, const char *suffix,
						const char *arguments, const char *comment)
{
	char	   *function = object_text(def->name, suffix);

	appendStringInfo(sql, "COMMENT ON FUNCTION %s(%s) IS ", function, arguments);
	accum_append_literal(sql, comment);
	appendStringInfoString(sql, ";\n");
	pfree(function);
}

static void
append_movements_function(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *table = relation_text(def->name, ACCUM_MOVEMENTS);
	char	   *function = object_text(def->name, "movements");

	appendStringInfo(sql, "CREATE FUNCTION %s(p_recorder text DEFAULT NULL, from_date timestamptz DEFAULT NULL,\n"
					 "\tto_date timestamptz DEFAULT NULL, dimensions jsonb DEFAULT NULL)\n"
					 "RETURNS SETOF jsonb LANGUAGE sql STABLE\n"
					 "BEGIN ATOMIC\n"
					 "\tSELECT to_jsonb(m) FROM %s m\n"
					 "\tWHERE ($1 IS NULL OR m.recorder = CAST($1 AS %s))\n"
					 "\t\tAND ($2 IS NULL OR m.period >= $2)\n"
					 "\t\tAND ($3 IS NULL OR m.period < " ACCUM_SCHEMA "._bound_after(",
					 function, table, def->recorder_cast_type);
	accum_append_literal(sql, table);
	appendStringInfoString(sql, "::regclass, $3))\n\t\tAND ");
	append_filter(sql, def, "$4");
	appendStringInfoString(sql, "\n\tORDER BY m.period, m.recorded_at, m.id;\nEND;\n");
	append_function_comment(sql, def, "movements", "text, timestamptz, timestamptz, jsonb",
							"Movements of the register as JSON objects, ordered by period, recorded_at, id. "
							"p_recorder: one document only. from_date: inclusive. to_date: inclusive; exactly midnight in the "
							"register's time zone means that whole day. dimensions: object of dimension values; null selects NULL, "
							"a missing dimension is not looked at. NULL arguments do not restrict. Streams: LIMIT reads no more than it needs.");
	pfree(function);
	pfree(table);
}

static void
append_balance_function(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *table = relation_text(def->name, ACCUM_MOVEMENTS);
	char	   *function = object_text(def->name, "balance");

	appendStringInfo(sql, "CREATE FUNCTION %s(dimensions jsonb DEFAULT NULL, at_date timestamptz DEFAULT NULL)\n"
					 "RETURNS jsonb LANGUAGE sql STABLE\n"
					 "RETURN " ACCUM_SCHEMA "._balance(", function);
	accum_append_literal(sql, table);
	appendStringInfoString(sql, "::regclass, $1, $2);\n");
	append_function_comment(sql, def, "balance", "jsonb, timestamptz",
							"Balance of all resources of the register as one JSON object. dimensions: object of dimension "
							"values; null selects NULL, a missing dimension is summed over; NULL sums over all cells. "
							"at_date: inclusive; exactly midnight in the register's time zone means that whole day; NULL is the "
							"sum of all movements, future ones included. Zeros when nothing matches.");
	pfree(function);
	pfree(table);
}

/*
 * Append everything that a register of this definition consists of, in the
 * order in which it can be run.  Registry rows are not part of it, nor are
 * partitions other than the default one.
 */
void
accum_ddl_register(StringInfo sql, const AccumRegisterDef *def)
{
	append_movements(sql, def);
	append_recorders(sql, def);
	if (accum_ddl_has_relation(def, ACCUM_BALANCE_CACHE))
		append_cache(sql, def);
	append_totals(sql, def, ACCUM_TOTALS_YEAR, "year");
	if (accum_ddl_has_relation(def, ACCUM_TOTALS_MONTH))
		append_totals(sql, def, ACCUM_TOTALS_MONTH, "month");
	if (accum_ddl_has_relation(def, ACCUM_TOTALS_DAY))
		append_totals(sql, def, ACCUM_TOTALS_DAY, "day");
	append_movements_function(sql, def);
	if (def->kind == ACCUM_KIND_BALANCE)
		append_balance_function(sql, def);
}

/*
 * Append what makes one partition of movements for periods from (inclusive) to
 * to (exclusive), both literals of timestamptz with an offset.
 *
 * It is made by itself and then attached: CREATE TABLE … PARTITION OF would
 * lock out every reader of the parent.
 */
void
accum_ddl_partition(StringInfo sql, const char *reg, const char *partition,
					const char *from, const char *to)
{
	char	   *table = relation_text(reg, ACCUM_MOVEMENTS);
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfoString(&name, ACCUM_SCHEMA ".");
	accum_append_ident(&name, partition);
	appendStringInfo(sql, "CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS "
					 "INCLUDING STORAGE INCLUDING COMPRESSION);\n", name.data, table);
	append_guard(sql, name.data, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_partition");
	appendStringInfo(sql, "ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (", table, name.data);
	accum_append_literal(sql, from);
	appendStringInfoString(sql, ") TO (");
	accum_append_literal(sql, to);
	appendStringInfoString(sql, ");\n");
	pfree(name.data);
	pfree(table);
}
