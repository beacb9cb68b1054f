/*
 * names.c
 *		Names of registers, of their columns and of the relations behind them,
 *		and how they are quoted.
 *
 * The one place that spells names and quotes them.  Every identifier is quoted,
 * whether it needs it or not: a column called "select" then needs no thought.
 *
 * Pure: compiles into the unit tests as well.
 */
#include "pure.h"

#include "names.h"

const char *const accum_side_suffixes[ACCUM_MAX_SIDES] = {"_dr", "_cr"};
const char *const accum_side_columns[ACCUM_SIDE_COLUMNS] = {"account", "subconto"};

static const char *const role_names[] = {
	[ACCUM_MOVEMENTS] = "movements",
	[ACCUM_RECORDERS] = "recorders",
	[ACCUM_ACCOUNTS] = "accounts",
	[ACCUM_DELTA] = "balance_cache_delta",
	[ACCUM_BALANCE_CACHE] = "balance_cache",
	[ACCUM_TOTALS_YEAR] = "totals_year",
	[ACCUM_TOTALS_MONTH] = "totals_month",
	[ACCUM_TOTALS_DAY] = "totals_day",
};

/*
 * Columns that the engine's relations have themselves, JSON keys and output
 * columns of the read functions, and PostgreSQL's system columns.
 */
static const char *const reserved_columns[] = {
	"id", "recorded_at", "recorder", "period", "movement_type", "dim_hash",
	"movements_count", "last_movement_at", "last_movement_id", "version",
	"unit_start", "grouping", "created_at", "reverses", "reverses_period",
	"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid",
};

/* Does name match ^[a-z][a-z0-9_]*$ and hold at most max_length bytes? */
bool
accum_name_valid(const char *name, size_t max_length)
{
	size_t		length = strlen(name);

	if (length == 0 || length > max_length)
		return false;
	if (name[0] < 'a' || name[0] > 'z')
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

bool
accum_column_name_reserved(const char *name)
{
	for (size_t i = 0; i < lengthof(reserved_columns); i++)
	{
		if (strcmp(name, reserved_columns[i]) == 0)
			return true;
	}
	return false;
}

const char *
accum_role_name(AccumRole role)
{
	return role_names[role];
}

/* Find the role called name; false, and nothing set, when there is none. */
bool
accum_role_from_name(const char *name, AccumRole *role)
{
	for (size_t i = 0; i < lengthof(role_names); i++)
	{
		if (strcmp(name, role_names[i]) == 0)
		{
			*role = (AccumRole) i;
			return true;
		}
	}
	return false;
}

/* The totals of a level: day, month or year. */
AccumRole
accum_totals_role(AccumUnit level)
{
	switch (level)
	{
		case ACCUM_UNIT_DAY:
			return ACCUM_TOTALS_DAY;
		case ACCUM_UNIT_MONTH:
			return ACCUM_TOTALS_MONTH;
		default:
			return ACCUM_TOTALS_YEAR;
	}
}

/* The unqualified name of a register's relation, palloc'd. */
char *
accum_relation_name(const char *reg, AccumRole role)
{
	return psprintf("%s_%s", reg, role_names[role]);
}

/*
 * The unqualified name of the partition of movements that begins on start,
 * palloc'd.  unit is the register's partition_by.
 */
char *
accum_partition_name(const char *reg, AccumUnit unit, AccumDay start)
{
	int			year;
	int			month;
	int			day;

	accum_day_to_civil(start, &year, &month, &day);
	switch (unit)
	{
		case ACCUM_UNIT_DAY:
			return psprintf("%s_movements_%04d_%02d_%02d", reg, year, month, day);
		case ACCUM_UNIT_MONTH:
			return psprintf("%s_movements_%04d_%02d", reg, year, month);
		case ACCUM_UNIT_QUARTER:
			return psprintf("%s_movements_%04d_q%d", reg, year, (month + 2) / 3);
		default:
			return psprintf("%s_movements_%04d", reg, year);
	}
}

/* A name with a suffix as a quoted SQL identifier, palloc'd. */
char *
accum_ident(const char *name, const char *suffix)
{
	char	   *whole = psprintf("%s%s", name, suffix);
	StringInfoData text;

	initStringInfo(&text);
	accum_append_ident(&text, whole);
	pfree(whole);
	return text.data;
}

/* Append name as a quoted SQL identifier. */
void
accum_append_ident(StringInfo buf, const char *name)
{
	appendStringInfoChar(buf, '"');
	for (const char *c = name; *c != '\0'; c++)
	{
		if (*c == '"')
			appendStringInfoChar(buf, '"');
		appendStringInfoChar(buf, *c);
	}
	appendStringInfoChar(buf, '"');
}

/* Append value as an SQL string literal, right under any setting. */
void
accum_append_literal(StringInfo buf, const char *value)
{
	if (strchr(value, '\\') != NULL)
		appendStringInfoString(buf, " E");
	appendStringInfoChar(buf, '\'');
	for (const char *c = value; *c != '\0'; c++)
	{
		if (*c == '\'' || *c == '\\')
			appendStringInfoChar(buf, *c);
		appendStringInfoChar(buf, *c);
	}
	appendStringInfoChar(buf, '\'');
}
