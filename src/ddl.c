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

#include "contribution.h"
#include "ddl.h"
#include "ddl_ledger.h"
#include "ddl_text.h"
#include "sides.h"

/*
 * Room for a new version of a row on its own page keeps updates of derived rows
 * heap-only: measured, all of 24,000 updates were HOT at 70.
 */
#define DERIVED_OPTIONS " WITH (fillfactor = 70)"

/*
 * Deltas come and go all the time: their table keeps its size when it is
 * vacuumed as soon as some thousands have gone.
 */
#define DELTA_OPTIONS " WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, " \
	"autovacuum_vacuum_cost_delay = 0)"

/* Which relations a register of this definition has. */
bool
accum_ddl_has_relation(const AccumRegisterDef *def, AccumRole role)
{
	switch (role)
	{
		case ACCUM_DELTA:
			return def->has_deltas;
		case ACCUM_BALANCE_CACHE:
			return def->kind != ACCUM_KIND_TURNOVER;
		case ACCUM_TOTALS_DAY:
			return def->totals_period == ACCUM_UNIT_DAY;
		case ACCUM_TOTALS_MONTH:
			return def->totals_period != ACCUM_UNIT_YEAR;
		case ACCUM_ACCOUNTS:
			return def->chart != ACCUM_CHART_NONE;
		default:
			return true;
	}
}

static void
append_relation_comment(StringInfo sql, const AccumRegisterDef *def, AccumRole role,
						const char *comment)
{
	char	   *table = accum_relation_text(def->name, role);

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
	appendStringInfo(sql, " %s", column->type);
	if (column->collation != NULL)
		appendStringInfo(sql, " COLLATE %s", column->collation);
	appendStringInfoString(sql, constraint);
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

/*
 * The hashes of a movement's cells, one for each side, and for each the index that
 * finds the movements of a cell.
 */
static const char *const one_hash[] = {"dim_hash", NULL};
static const char *const side_hashes[] = {"dim_hash_dr", "dim_hash_cr", NULL};

static const char *const *
hash_columns(const AccumRegisterDef *def)
{
	return def->kind == ACCUM_KIND_LEDGER ? side_hashes : one_hash;
}

static void
append_movements(StringInfo sql, const AccumRegisterDef *def)
{
	const AccumRegisterDef *rows = accum_def_rows(def);
	char	   *table = accum_relation_text(def->name, ACCUM_MOVEMENTS);
	char	   *partition = accum_object_text(def->name, "movements_default");

	appendStringInfo(sql, "CREATE TABLE %s (\n"
					 "\tid uuid NOT NULL DEFAULT " ACCUM_SCHEMA "._movement_id(),\n"
					 "\trecorded_at timestamptz NOT NULL DEFAULT now(),\n"
					 "\trecorder %s NOT NULL,\n"
					 "\tperiod timestamptz NOT NULL,\n"
					 "\tmovement_type text NOT NULL DEFAULT 'regular'",
					 table, def->recorder_type);
	for (int i = 0; hash_columns(def)[i] != NULL; i++)
		appendStringInfo(sql, ",\n\t%s bigint NOT NULL DEFAULT 0", hash_columns(def)[i]);
	if (def->history)
		appendStringInfoString(sql, ",\n\treverses uuid,\n\treverses_period timestamptz");
	for (int i = 0; i < rows->ndims; i++)
	{
		append_column(sql, &rows->dims[i], "", rows->dims[i].required ? " NOT NULL" : "");
		if (rows->dims[i].preset != NULL)
			appendStringInfo(sql, " DEFAULT %s", rows->dims[i].preset);
	}
	for (int i = 0; i < rows->nresources; i++)
		append_column(sql, &rows->resources[i], "", " NOT NULL DEFAULT 0");
	for (int i = 0; i < def->nattributes; i++)
		append_column(sql, &def->attributes[i], "", "");

	/*
	 * Three indexes, each with the query that pays for it: the primary key gives
	 * <register>_movements its order, recorder serves unpost and repost, and
	 * (dim_hash, period) the part of a day in a cell's history.
	 */
	appendStringInfo(sql, ",\n\tPRIMARY KEY (period, recorded_at, id)\n"
					 ") PARTITION BY RANGE (period);\n"
					 "CREATE INDEX ON %s (recorder);\n", table);
	for (int i = 0; hash_columns(def)[i] != NULL; i++)
		appendStringInfo(sql, "CREATE INDEX ON %s (%s, period);\n", table, hash_columns(def)[i]);
	/* And one more to ask whether a movement has been reversed. */
	if (def->history)
		appendStringInfo(sql, "CREATE INDEX ON %s (reverses) WHERE reverses IS NOT NULL;\n", table);
	append_relation_comment(sql, def, ACCUM_MOVEMENTS, def->history
							? "Movements of the register, which are never removed: the truth that its other tables are derived from. "
							"INSERT and COPY keep these up to date; correct documents with accum.register_repost()."
							: "Movements of the register: the truth that its other tables are derived from. "
							"INSERT, COPY and DELETE keep these up to date; correct documents with accum.register_repost().");
	/* Triggers fire by name: this one after users' own, which may change the row. */
	appendStringInfo(sql, "CREATE TRIGGER zz_accum_prepare BEFORE INSERT ON %s\n"
					 "\tFOR EACH ROW EXECUTE FUNCTION " ACCUM_SCHEMA "._movement_prepare();\n"
					 "CREATE TRIGGER accum_insert AFTER INSERT ON %s\n"
					 "\tREFERENCING NEW TABLE AS accum_new FOR EACH STATEMENT\n"
					 "\tEXECUTE FUNCTION " ACCUM_SCHEMA "._movements_changed();\n", table, table);
	if (!def->history)
		appendStringInfo(sql, "CREATE TRIGGER accum_delete AFTER DELETE ON %s\n"
						 "\tREFERENCING OLD TABLE AS accum_old FOR EACH STATEMENT\n"
						 "\tEXECUTE FUNCTION " ACCUM_SCHEMA "._movements_changed();\n", table);
	append_guard(sql, table, def->history ? "UPDATE OR DELETE OR TRUNCATE" : "UPDATE OR TRUNCATE",
				 "_guard_movements");
	appendStringInfo(sql, "CREATE TABLE %s PARTITION OF %s DEFAULT;\n", partition, table);
	append_guard(sql, partition, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_partition");
	pfree(partition);
	pfree(table);
}

static void
append_recorders(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *table = accum_relation_text(def->name, ACCUM_RECORDERS);

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
	char	   *table = accum_relation_text(def->name, ACCUM_BALANCE_CACHE);

	appendStringInfo(sql, "CREATE TABLE %s (\n\tdim_hash bigint PRIMARY KEY", table);
	append_dimensions(sql, def);
	for (int i = 0; i < def->nresources; i++)
		append_column(sql, &def->resources[i], "", " NOT NULL");
	appendStringInfoString(sql, ",\n\tlast_movement_at timestamptz"
						   ",\n\tlast_movement_id uuid"
						   ",\n\tversion bigint NOT NULL"
						   ",\n\tmovements_count bigint NOT NULL\n)" DERIVED_OPTIONS ";\n");

	/* A balance or history by some of the dimensions finds its cells by these. */
	for (int i = 0; i < def->ndims; i++)
	{
		bool		contains = def->kind == ACCUM_KIND_LEDGER && i == ACCUM_SUBCONTO;

		appendStringInfo(sql, "CREATE INDEX ON %s %s(%s%s);\n", table, contains ? "USING gin " : "",
						 accum_ident(def->dims[i].name, ""), contains ? " jsonb_path_ops" : "");
	}
	append_relation_comment(sql, def, ACCUM_BALANCE_CACHE,
							"Current balance of each cell of the register; derived from movements.");
	append_guard(sql, table, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_derived");
	pfree(table);
}

/* What totals and deltas keep of each resource of a cell: its sum, and that of receipts. */
static void
append_sums(StringInfo sql, const AccumRegisterDef *def)
{
	for (int i = 0; i < def->nresources; i++)
	{
		append_column(sql, &def->resources[i], "", " NOT NULL");
		if (def->kind != ACCUM_KIND_LEDGER)
			append_column(sql, &def->resources[i], "_receipt", " NOT NULL");
	}
}

static void
append_totals(StringInfo sql, const AccumRegisterDef *def, AccumRole role, const char *unit)
{
	char	   *table = accum_relation_text(def->name, role);
	char	   *comment = psprintf("Turnover of each cell of the register per %s of its calendar; "
								   "period is the first day. Derived from movements.", unit);

	appendStringInfo(sql, "CREATE TABLE %s (\n\tdim_hash bigint NOT NULL,\n\tperiod date NOT NULL",
					 table);
	append_dimensions(sql, def);
	append_sums(sql, def);
	appendStringInfoString(sql, ",\n\tmovements_count bigint NOT NULL"
						   ",\n\tPRIMARY KEY (dim_hash, period)\n)" DERIVED_OPTIONS ";\n");

	/* A turnover or statement of many cells reads some units of this table. */
	appendStringInfo(sql, "CREATE INDEX ON %s (period);\n", table);
	append_relation_comment(sql, def, role, comment);
	append_guard(sql, table, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_derived");
	pfree(comment);
	pfree(table);
}

/*
 * Deltas are found by cell.  Nothing tells two of them apart, and nothing has to: an
 * index without a key to make it unique is a fraction as large, and faster.  Logical
 * replication knows a delta that was folded by all of its columns.
 */
static void
append_deltas(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *table = accum_relation_text(def->name, ACCUM_DELTA);

	appendStringInfo(sql, "CREATE TABLE %s (\n\tcreated_at timestamptz NOT NULL DEFAULT now(),\n"
					 "\tdim_hash bigint NOT NULL,\n\tperiod date NOT NULL", table);
	append_dimensions(sql, def);
	append_sums(sql, def);
	appendStringInfoString(sql, ",\n\tlast_movement_at timestamptz"
						   ",\n\tlast_movement_id uuid"
						   ",\n\tmovements_count bigint NOT NULL\n)" DELTA_OPTIONS ";\n");
	appendStringInfo(sql, "CREATE INDEX ON %s (dim_hash);\n", table);
	appendStringInfo(sql, "ALTER TABLE %s REPLICA IDENTITY FULL;\n", table);
	append_relation_comment(sql, def, ACCUM_DELTA,
							"What posts have added and balance cache and totals do not have yet; period is the first day "
							"of a unit of the finest totals. Derived from movements.");
	append_guard(sql, table, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_derived");
	pfree(table);
}

/*
 * Unless $5 is true, movements that are reversed and reversals are shown, too.  None is
 * reversed before its own period, so nor before that asked for.
 */
static void
append_active(StringInfo sql, const char *table)
{
	appendStringInfo(sql, "\n\t\tAND ($5 IS NOT TRUE OR (m.reverses IS NULL AND NOT EXISTS (\n"
					 "\t\t\tSELECT FROM %s r WHERE r.reverses = m.id AND r.period >= m.period\n"
					 "\t\t\t\tAND ($2 IS NULL OR r.period >= $2))))", table);
}

/* Its filter names each dimension: register_alter replaces it. */
static void
append_movements_function(StringInfo sql, const AccumRegisterDef *def, bool replace)
{
	char	   *table = accum_relation_text(def->name, ACCUM_MOVEMENTS);
	char	   *function = accum_object_text(def->name, "movements");

	appendStringInfo(sql, "CREATE %sFUNCTION %s(p_recorder text DEFAULT NULL, from_date timestamptz DEFAULT NULL,\n"
					 "\tto_date timestamptz DEFAULT NULL, dimensions jsonb DEFAULT NULL%s)\n"
					 "RETURNS SETOF jsonb LANGUAGE sql STABLE\n"
					 "BEGIN ATOMIC\n"
					 "\tSELECT to_jsonb(m.*) FROM %s m\n"
					 "\tWHERE ($1 IS NULL OR m.recorder = CAST($1 AS %s))\n"
					 "\t\tAND ($2 IS NULL OR m.period >= $2)\n"
					 "\t\tAND ($3 IS NULL OR m.period < " ACCUM_SCHEMA "._bound_after(",
					 replace ? "OR REPLACE " : "", function,
					 def->history ? ",\n\tonly_active boolean DEFAULT false" : "",
					 table, def->recorder_cast_type);
	accum_append_literal(sql, table);
	appendStringInfoString(sql, "::regclass, $3))\n\t\tAND ");
	accum_append_movement_filter(sql, def, "m.", "$4");
	if (def->history)
		append_active(sql, table);
	appendStringInfoString(sql, "\n\tORDER BY m.period, m.recorded_at, m.id;\nEND;\n");
	accum_append_function_comment(sql, def, "movements", def->history
							? "text, timestamptz, timestamptz, jsonb, boolean"
							: "text, timestamptz, timestamptz, jsonb",
							psprintf("Movements of the register as JSON objects, ordered by period, recorded_at, id. "
							"p_recorder: one document only. from_date: inclusive. to_date: inclusive; exactly midnight in the "
							"register's time zone means that whole day. dimensions: object of dimension values; null selects NULL, "
							"a missing dimension is not looked at. NULL arguments do not restrict. Streams: LIMIT reads no more than it needs.%s",
							def->history ? " only_active: without movements that are reversed, and without reversals." : ""));
	pfree(function);
	pfree(table);
}

/* With history: what did we believe then? */
#define KNOWN_ARGUMENT ", known_at timestamptz DEFAULT NULL"
#define KNOWN_COMMENT " known_at: as it was known then, from movements recorded up to that moment."

static void
append_balance_functions(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *function = accum_object_text(def->name, "balance");

	for (size_t i = 0; i < lengthof(accum_bound_types); i++)
	{
		const AccumBoundType *type = &accum_bound_types[i];
		char	   *arguments = psprintf("jsonb, %s%s", type->name, def->history ? ", timestamptz" : "");

		appendStringInfo(sql, "CREATE FUNCTION %s(dimensions jsonb%s, at_date %s%s%s)\n"
						 "RETURNS jsonb LANGUAGE sql STABLE\n"
						 "RETURN " ACCUM_SCHEMA "._balance(", function,
						 type->default_clause, type->name, type->default_clause,
						 def->history ? KNOWN_ARGUMENT : "");
		accum_append_register_argument(sql, def);
		appendStringInfoString(sql, ", $1, ");
		accum_append_before_bound(sql, def, 2);
		appendStringInfoString(sql, def->history ? ", $3);\n" : ");\n");
		accum_append_function_comment(sql, def, "balance", arguments,
								psprintf("Balance of all resources of the register as one JSON object, at the end of at_date; NULL is the sum "
								"of all movements, future ones included. " ACCUM_BOUNDS_COMMENT ACCUM_DIMENSIONS_COMMENT
								"Zeros when nothing matches. Errors: 22023 for unknown dimensions or arrays and objects as values.%s",
								def->history ? KNOWN_COMMENT : ""));
		pfree(arguments);
	}
	pfree(function);
}

static void
append_turnover_functions(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *function = accum_object_text(def->name, "turnover");

	for (size_t i = 0; i < lengthof(accum_bound_types); i++)
	{
		const AccumBoundType *type = &accum_bound_types[i];
		char	   *arguments = psprintf("%s, %s, jsonb, jsonb%s", type->name, type->name,
										 def->history ? ", timestamptz" : "");

		appendStringInfo(sql, "CREATE FUNCTION %s(from_date %s%s, to_date %s%s,\n"
						 "\tdimensions jsonb DEFAULT NULL, group_by jsonb DEFAULT NULL%s)\n"
						 "RETURNS SETOF jsonb LANGUAGE sql STABLE\n"
						 "BEGIN ATOMIC\n\tSELECT " ACCUM_SCHEMA "._turnover(", function,
						 type->name, type->default_clause, type->name, type->default_clause,
						 def->history ? KNOWN_ARGUMENT : "");
		accum_append_register_argument(sql, def);
		appendStringInfoString(sql, ", ");
		accum_append_from_bound(sql, def, type, 1);
		appendStringInfoString(sql, ", ");
		accum_append_before_bound(sql, def, 2);
		appendStringInfo(sql, ", $3, $4%s);\nEND;\n", def->history ? ", $5" : "");
		accum_append_function_comment(sql, def, "turnover", arguments,
								psprintf("Sums of all movements between from_date and to_date, one JSON object for each group that has any, ordered "
								"by the groups; without group_by one object. " ACCUM_BOUNDS_COMMENT ACCUM_DIMENSIONS_COMMENT
								"group_by: array of dimension names. Errors: 22023 for unknown dimensions.%s",
								def->history ? KNOWN_COMMENT : ""));
		pfree(arguments);
	}
	pfree(function);
}

/* name type of each column of a statement. */
static void
append_statement_columns(StringInfo sql, const AccumRegisterDef *def)
{
	static const char *const measures[] = {"opening", "receipt", "expense", "turnover", "closing"};

	appendStringInfoString(sql, "unit_start date");
	for (int i = 0; i < def->ndims; i++)
		append_column(sql, &def->dims[i], "", "");
	appendStringInfoString(sql, ",\n\t\"grouping\" integer");
	for (int i = 0; i < def->nresources; i++)
	{
		for (size_t m = 0; m < lengthof(measures); m++)
		{
			char	   *name = psprintf("%s_%s", def->resources[i].name, measures[m]);

			/* The longest possible name is one byte too long. */
			if (strlen(name) >= NAMEDATALEN)
				name[NAMEDATALEN - 1] = '\0';
			appendStringInfo(sql, ",\n\t%s %s", accum_ident(name, ""), def->resources[i].sum_type);
			pfree(name);
		}
	}
}

static void
append_statement_functions(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *function = accum_object_text(def->name, "statement");

	for (size_t i = 0; i < lengthof(accum_bound_types); i++)
	{
		const AccumBoundType *type = &accum_bound_types[i];
		char	   *arguments = psprintf("%s, %s, jsonb, jsonb, text, boolean", type->name, type->name);

		appendStringInfo(sql, "CREATE FUNCTION %s(from_date %s, to_date %s,\n"
						 "\tdimensions jsonb DEFAULT NULL, group_by jsonb DEFAULT NULL,\n"
						 "\tunit text DEFAULT NULL, fill boolean DEFAULT false)\n"
						 "RETURNS TABLE (", function, type->name, type->name);
		append_statement_columns(sql, def);
		appendStringInfoString(sql, ") LANGUAGE sql STABLE\n"
							   "BEGIN ATOMIC\n\tSELECT s.* FROM " ACCUM_SCHEMA "._statement(");
		accum_append_register_argument(sql, def);
		appendStringInfoString(sql, ", ");
		accum_append_from_bound(sql, def, type, 1);
		appendStringInfoString(sql, ", ");
		accum_append_before_bound(sql, def, 2);
		appendStringInfoString(sql, ", $3, $4, $5, $6) AS s (");
		append_statement_columns(sql, def);
		appendStringInfoString(sql, ");\nEND;\n");
		accum_append_function_comment(sql, def, "statement", arguments,
								"Opening, receipt, expense, turnover and closing of each resource for each group, ordered by group and unit. "
								ACCUM_BOUNDS_COMMENT ACCUM_DIMENSIONS_COMMENT
								"group_by: array of dimension names; other dimensions are NULL, told apart from NULL cells by grouping, which is "
								"SQL's GROUPING of all dimensions. unit: day, week, month, quarter or year; NULL takes the range as a whole. "
								"A group has a row for a unit in which it has movements; with fill for every unit in which it has a balance.");
		pfree(arguments);
	}
	pfree(function);
}

/* The names of dimensions and resources, each with a prefix. */
static void
append_cell_columns(StringInfo sql, const AccumRegisterDef *def, const char *prefix)
{
	for (int i = 0; i < def->ndims + def->nresources; i++)
	{
		const char *name = i < def->ndims ? def->dims[i].name : def->resources[i - def->ndims].name;

		appendStringInfo(sql, "%s%s%s", i > 0 ? ", " : "", prefix, accum_ident(name, ""));
	}
}

/*
 * Cells of the cache, each with the sum of its deltas.  These are looked up cell by
 * cell, so that LIMIT and joins stay on indexes.
 */
static void
append_balances_with_deltas(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *cache = accum_relation_text(def->name, ACCUM_BALANCE_CACHE);
	char	   *delta = accum_relation_text(def->name, ACCUM_DELTA);

	for (int i = 0; i < def->ndims; i++)
		appendStringInfo(sql, "c.%s, ", accum_ident(def->dims[i].name, ""));
	for (int i = 0; i < def->nresources; i++)
	{
		char	   *name = accum_ident(def->resources[i].name, "");

		appendStringInfo(sql, "(c.%s + COALESCE(d.%s, 0))::%s AS %s, ", name, name,
						 def->resources[i].type, name);
	}
	appendStringInfo(sql, "GREATEST(c.last_movement_at, d.last_movement_at) AS last_movement_at, c.dim_hash\n"
					 "\tFROM %s c LEFT JOIN LATERAL (\n\t\tSELECT ", cache);
	for (int i = 0; i < def->nresources; i++)
	{
		char	   *name = accum_ident(def->resources[i].name, "");

		appendStringInfo(sql, "sum(t.%s) AS %s, ", name, name);
	}
	appendStringInfo(sql, "sum(t.movements_count) AS movements_count, max(t.last_movement_at) AS last_movement_at\n"
					 "\t\tFROM %s t WHERE t.dim_hash = c.dim_hash) d ON true\n"
					 "\tWHERE c.movements_count + COALESCE(d.movements_count, 0) > 0", delta);
	pfree(delta);
	pfree(cache);
}

static void
append_balances_view(StringInfo sql, const AccumRegisterDef *def, bool replace)
{
	char	   *view = accum_object_text(def->name, "balances");
	char	   *cache = accum_relation_text(def->name, ACCUM_BALANCE_CACHE);

	appendStringInfo(sql, "CREATE %sVIEW %s WITH (security_invoker = true) AS\n\tSELECT ",
					 replace ? "OR REPLACE " : "", view);
	if (accum_ddl_has_relation(def, ACCUM_DELTA))
		append_balances_with_deltas(sql, accum_def_cells(def));
	else
	{
		append_cell_columns(sql, accum_def_cells(def), "c.");
		appendStringInfo(sql, ", c.last_movement_at, c.dim_hash\n\tFROM %s c WHERE c.movements_count > 0", cache);
	}
	appendStringInfo(sql, ";\nCOMMENT ON VIEW %s IS 'Current balance of each cell of the register that has movements. Read-only.';\n",
					 view);
	pfree(view);
	pfree(cache);
}

/*
 * One branch of the balances at a date: totals of a level, deltas, or movements, as a
 * side of them sees it.
 */
static void
append_balances_branch(StringInfo sql, const AccumRegisterDef *def, AccumRole role,
					   int side, const char *before)
{
	const struct
	{
		AccumRole	role;
		const char *unit;
		const char *coarser;
	}			levels[] = {
		{ACCUM_TOTALS_YEAR, "year", NULL},
		{ACCUM_TOTALS_MONTH, "month", "year"},
		{ACCUM_TOTALS_DAY, "day", "month"},
		{ACCUM_DELTA, accum_unit_name(def->totals_period), NULL},
	};
	char	   *table = accum_relation_text(def->name, role);

	appendStringInfoString(sql, "SELECT ");
	if (role == ACCUM_MOVEMENTS && def->kind == ACCUM_KIND_LEDGER)
		accum_append_side_columns(sql, def, side, "t.");
	else
		append_cell_columns(sql, accum_def_cells(def), "t.");
	appendStringInfoString(sql, ", ");
	if (role == ACCUM_MOVEMENTS)
		accum_append_counted(sql, "t", def->history);
	else
		appendStringInfoString(sql, "t.movements_count");
	appendStringInfo(sql, " AS movements_count\n\t\t\tFROM %s t WHERE ", table);
	for (size_t i = 0; i < lengthof(levels); i++)
	{
		if (levels[i].role != role)
			continue;
		appendStringInfoString(sql, "t.period < " ACCUM_SCHEMA "._history_day(");
		accum_append_register_argument(sql, def);
		appendStringInfo(sql, ", %s, '%s')", before, levels[i].unit);
		if (levels[i].coarser != NULL)
		{
			appendStringInfoString(sql, "\n\t\t\t\tAND t.period >= " ACCUM_SCHEMA "._history_day(");
			accum_append_register_argument(sql, def);
			appendStringInfo(sql, ", %s, '%s')", before, levels[i].coarser);
		}
	}
	if (role == ACCUM_MOVEMENTS)
	{
		appendStringInfo(sql, "t.period < %s\n\t\t\t\tAND t.period >= " ACCUM_SCHEMA "._day_start(", before);
		accum_append_register_argument(sql, def);
		appendStringInfoString(sql, ", " ACCUM_SCHEMA "._history_day(");
		accum_append_register_argument(sql, def);
		appendStringInfo(sql, ", %s, '%s'))", before, accum_unit_name(def->totals_period));
	}
	pfree(table);
}

/* A function that sums up what cells have before a bound; signature is its one argument. */
static void
append_history_function(StringInfo sql, const AccumRegisterDef *def, bool replace,
						const char *suffix, const char *signature, const char *before)
{
	static const AccumRole branches[] = {
		ACCUM_TOTALS_YEAR, ACCUM_TOTALS_MONTH, ACCUM_TOTALS_DAY, ACCUM_DELTA, ACCUM_MOVEMENTS
	};
	const AccumRegisterDef *cells = accum_def_cells(def);
	int			nsides = def->kind == ACCUM_KIND_LEDGER ? ACCUM_MAX_SIDES : 1;
	const char *separator = "";

	appendStringInfo(sql, "CREATE %sFUNCTION %s(%s)\nRETURNS TABLE (", replace ? "OR REPLACE " : "",
					 accum_object_text(def->name, suffix), signature);
	for (int c = 0; c < cells->ndims; c++)
		appendStringInfo(sql, "%s %s, ", accum_ident(cells->dims[c].name, ""), cells->dims[c].type);
	for (int c = 0; c < cells->nresources; c++)
		appendStringInfo(sql, "%s%s %s", c > 0 ? ", " : "",
						 accum_ident(cells->resources[c].name, ""), cells->resources[c].sum_type);
	appendStringInfoString(sql, ")\nLANGUAGE sql STABLE\nBEGIN ATOMIC\n\tSELECT ");
	for (int c = 0; c < cells->ndims; c++)
		appendStringInfo(sql, "b.%s, ", accum_ident(cells->dims[c].name, ""));
	for (int c = 0; c < cells->nresources; c++)
		appendStringInfo(sql, "%ssum(b.%s)::%s", c > 0 ? ", " : "",
						 accum_ident(cells->resources[c].name, ""), cells->resources[c].sum_type);
	appendStringInfoString(sql, "\n\tFROM (");
	for (size_t b = 0; b < lengthof(branches); b++)
	{
		if (!accum_ddl_has_relation(def, branches[b]))
			continue;
		for (int side = 0; side < (branches[b] == ACCUM_MOVEMENTS ? nsides : 1); side++)
		{
			appendStringInfoString(sql, separator);
			append_balances_branch(sql, def, branches[b], side, before);
			separator = "\n\t\tUNION ALL ";
		}
	}
	appendStringInfoString(sql, ") b\n\tGROUP BY ");
	for (int c = 0; c < cells->ndims; c++)
		appendStringInfo(sql, "%sb.%s", c > 0 ? ", " : "", accum_ident(cells->dims[c].name, ""));
	appendStringInfo(sql, "%s HAVING sum(b.movements_count) > 0;\nEND;\n",
					 cells->ndims == 0 ? "()" : "");
}

static void
append_balances_at_functions(StringInfo sql, const AccumRegisterDef *def, bool replace)
{
	StringInfoData before;

	initStringInfo(&before);
	accum_append_before_bound(&before, def, 1);
	for (size_t i = 0; i < lengthof(accum_bound_types); i++)
	{
		append_history_function(sql, def, replace, "balances_at",
								psprintf("at_date %s", accum_bound_types[i].name), before.data);
		accum_append_function_comment(sql, def, "balances_at", accum_bound_types[i].name,
									  "Balance of each cell of the register that had movements, at the end of at_date. " ACCUM_BOUNDS_COMMENT);
	}
	pfree(before.data);
	if (def->kind != ACCUM_KIND_LEDGER)
		return;
	append_history_function(sql, def, replace, "balances_before", "before timestamptz", "$1");
	accum_append_function_comment(sql, def, "balances_before", "timestamptz",
								  "What is debited and credited to each cell of the ledger by movements before an instant, NULL for all.");
}

/*
 * Append everything that a register of this definition consists of, in the
 * order in which it can be run.  Registry rows are not part of it, nor are
 * partitions other than the default one.
 */
void
accum_ddl_register(StringInfo sql, const AccumRegisterDef *def)
{
	const AccumRegisterDef *cells = accum_def_cells(def);

	append_movements(sql, def);
	append_recorders(sql, def);
	if (accum_ddl_has_relation(def, ACCUM_ACCOUNTS))
		accum_ddl_accounts(sql, def);
	if (accum_ddl_has_relation(def, ACCUM_BALANCE_CACHE))
		append_cache(sql, cells);
	if (accum_ddl_has_relation(def, ACCUM_DELTA))
		append_deltas(sql, cells);
	append_totals(sql, cells, ACCUM_TOTALS_YEAR, "year");
	if (accum_ddl_has_relation(def, ACCUM_TOTALS_MONTH))
		append_totals(sql, cells, ACCUM_TOTALS_MONTH, "month");
	if (accum_ddl_has_relation(def, ACCUM_TOTALS_DAY))
		append_totals(sql, cells, ACCUM_TOTALS_DAY, "day");
	append_movements_function(sql, def, false);
	append_turnover_functions(sql, def);
	if (def->kind == ACCUM_KIND_BALANCE)
		append_balance_functions(sql, def);
	accum_ddl_typed_readers(sql, def);
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
	char	   *table = accum_relation_text(reg, ACCUM_MOVEMENTS);
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfoString(&name, ACCUM_SCHEMA ".");
	accum_append_ident(&name, partition);
	appendStringInfo(sql, "CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS "
					 "INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION);\n", name.data, table);
	append_guard(sql, name.data, "INSERT OR UPDATE OR DELETE OR TRUNCATE", "_guard_partition");
	appendStringInfo(sql, "ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (", table, name.data);
	accum_append_literal(sql, from);
	appendStringInfoString(sql, ") TO (");
	accum_append_literal(sql, to);
	appendStringInfoString(sql, ");\n");
	pfree(name.data);
	pfree(table);
}

/* Append what replaces the functions whose bodies name dimensions, in place. */
void
accum_ddl_replace_functions(StringInfo sql, const AccumRegisterDef *def)
{
	append_movements_function(sql, def, true);
}

/* Append what makes the table of deltas, and has the readers that are SQL read it. */
void
accum_ddl_add_deltas(StringInfo sql, const AccumRegisterDef *def)
{
	append_deltas(sql, accum_def_cells(def));
	if (def->kind != ACCUM_KIND_TURNOVER)
	{
		append_balances_view(sql, def, true);
		append_balances_at_functions(sql, def, true);
	}
}

/*
 * Append what makes the functions and views that have a column for each
 * dimension and resource (accum_ddl_typed_reader).
 */
void
accum_ddl_typed_readers(StringInfo sql, const AccumRegisterDef *def)
{
	if (def->kind != ACCUM_KIND_LEDGER)
		append_statement_functions(sql, def);
	if (def->kind != ACCUM_KIND_TURNOVER)
	{
		append_balances_view(sql, def, false);
		append_balances_at_functions(sql, def, false);
	}
	if (def->kind == ACCUM_KIND_LEDGER)
		accum_ddl_ledger_readers(sql, def);
}

/* The kinds that have a function or view. */
#define BALANCE (1 << ACCUM_KIND_BALANCE)
#define TURNOVER (1 << ACCUM_KIND_TURNOVER)
#define LEDGER (1 << ACCUM_KIND_LEDGER)

/* The functions and views of a register, in the order to drop them. */
typedef struct Reader
{
	const char *suffix;
	const char *arguments;		/* NULL for a view */
	int			kinds;
	bool		typed;			/* with a column for each dimension and resource */
	const char *history;		/* the type of one more argument, with history */
	bool		by_dimension;	/* and an argument for each dimension, after those */
} Reader;

static const Reader readers[] = {
	{"get_balance", "text, jsonb", LEDGER, true, NULL, true},
	{"balance", "text, jsonb, jsonb, timestamptz", LEDGER, true, NULL, false},
	{"balance", "text, jsonb, jsonb, date", LEDGER, true, NULL, false},
	{"trial_balance", "timestamptz, timestamptz, jsonb, integer", LEDGER, true, NULL, false},
	{"trial_balance", "date, date, jsonb, integer", LEDGER, true, NULL, false},
	{"account_statement", "text, timestamptz, timestamptz, jsonb, jsonb", LEDGER, true, NULL, false},
	{"account_statement", "text, date, date, jsonb, jsonb", LEDGER, true, NULL, false},
	{"correspondence", "timestamptz, timestamptz, jsonb", LEDGER, true, NULL, false},
	{"correspondence", "date, date, jsonb", LEDGER, true, NULL, false},
	{"balances", NULL, BALANCE | LEDGER, true, NULL, false},
	{"balances_at", "timestamptz", BALANCE | LEDGER, true, NULL, false},
	{"balances_at", "date", BALANCE | LEDGER, true, NULL, false},
	{"balances_before", "timestamptz", LEDGER, true, NULL, false},
	{"balance", "jsonb, timestamptz", BALANCE, false, "timestamptz", false},
	{"balance", "jsonb, date", BALANCE, false, "timestamptz", false},
	{"statement", "timestamptz, timestamptz, jsonb, jsonb, text, boolean", BALANCE | TURNOVER, true, NULL, false},
	{"statement", "date, date, jsonb, jsonb, text, boolean", BALANCE | TURNOVER, true, NULL, false},
	{"turnover", "timestamptz, timestamptz, jsonb, jsonb", BALANCE | TURNOVER | LEDGER, false, "timestamptz", false},
	{"turnover", "date, date, jsonb, jsonb", BALANCE | TURNOVER | LEDGER, false, "timestamptz", false},
	{"movements", "text, timestamptz, timestamptz, jsonb", BALANCE | TURNOVER | LEDGER, false, "boolean", false},
};

static bool
reader_exists(const Reader *reader, const AccumRegisterDef *def)
{
	return (reader->kinds & (1 << def->kind)) != 0;
}

static char *
reader_text(const Reader *reader, const AccumRegisterDef *def)
{
	char	   *name = accum_object_text(def->name, reader->suffix);
	StringInfoData text;

	if (reader->arguments == NULL)
		return name;
	initStringInfo(&text);
	appendStringInfo(&text, "%s(%s", name, reader->arguments);
	for (int i = 0; reader->by_dimension && i < def->ndims; i++)
		appendStringInfo(&text, ", %s", def->dims[i].cast_type);
	if (def->history && reader->history != NULL)
		appendStringInfo(&text, ", %s", reader->history);
	appendStringInfoChar(&text, ')');
	pfree(name);
	return text.data;
}

/*
 * The n-th, from 0, of the functions and views that have a column for each
 * dimension and resource: its name, with the types of its arguments if it is a
 * function, palloc'd.  NULL after the last one.
 */
char *
accum_ddl_typed_reader(const AccumRegisterDef *def, int n, bool *is_view)
{
	for (size_t i = 0; i < lengthof(readers); i++)
	{
		if (!readers[i].typed || !reader_exists(&readers[i], def))
			continue;
		if (n-- > 0)
			continue;
		*is_view = readers[i].arguments == NULL;
		return reader_text(&readers[i], def);
	}
	return NULL;
}

/*
 * Append what drops the functions and views of a register; the tables are left.
 */
void
accum_ddl_drop_functions(StringInfo sql, const AccumRegisterDef *def)
{
	for (size_t i = 0; i < lengthof(readers); i++)
	{
		char	   *text;

		if (!reader_exists(&readers[i], def))
			continue;
		text = reader_text(&readers[i], def);
		appendStringInfo(sql, "DROP %s IF EXISTS %s;\n",
						 readers[i].arguments == NULL ? "VIEW" : "FUNCTION", text);
		pfree(text);
	}
}
