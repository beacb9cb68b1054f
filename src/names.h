/*
 * names.h
 *		Names of registers, of their columns and of the relations behind them.
 */
#ifndef ACCUM_NAMES_H
#define ACCUM_NAMES_H

#include "lib/stringinfo.h"

#include "calendar.h"

#define ACCUM_SCHEMA "accum"

/* A day partition, <register>_movements_2026_05_17, must fit 63 bytes. */
#define ACCUM_MAX_REGISTER_NAME 42

/* A derived column, <resource>_receipt, must fit 63 bytes. */
#define ACCUM_MAX_COLUMN_NAME 55

/*
 * The relations of a register; from the cache on the order is the order of
 * locking derived rows.
 */
typedef enum AccumRole
{
	ACCUM_MOVEMENTS,
	ACCUM_RECORDERS,
	ACCUM_ACCOUNTS,				/* the chart of accounts of a ledger */
	ACCUM_DELTA,				/* of high_write: what is not folded yet */
	ACCUM_BALANCE_CACHE,
	ACCUM_TOTALS_YEAR,
	ACCUM_TOTALS_MONTH,
	ACCUM_TOTALS_DAY
} AccumRole;

#define ACCUM_ROLES (ACCUM_TOTALS_DAY + 1)

/* A movement of a ledger has two sides, any other one. */
#define ACCUM_MAX_SIDES 2

/* What each side of a ledger's movement adds to the dimensions: account and subconto. */
#define ACCUM_ACCOUNT 0
#define ACCUM_SUBCONTO 1
#define ACCUM_SIDE_COLUMNS 2

extern const char *const accum_side_suffixes[ACCUM_MAX_SIDES];
extern const char *const accum_side_columns[ACCUM_SIDE_COLUMNS];

extern bool accum_name_valid(const char *name, size_t max_length);
extern bool accum_column_name_reserved(const char *name);
extern const char *accum_role_name(AccumRole role);
extern bool accum_role_from_name(const char *name, AccumRole *role);
extern AccumRole accum_totals_role(AccumUnit level);
extern char *accum_relation_name(const char *reg, AccumRole role);
extern char *accum_partition_name(const char *reg, AccumUnit unit, AccumDay start);
extern char *accum_ident(const char *name, const char *suffix);
extern void accum_append_ident(StringInfo buf, const char *name);
extern void accum_append_literal(StringInfo buf, const char *value);

#endif							/* ACCUM_NAMES_H */
