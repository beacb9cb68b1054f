/*
 * definition.h
 *		What a user declares: the definition of a register.
 */
#ifndef ACCUM_DEFINITION_H
#define ACCUM_DEFINITION_H

#include "calendar.h"

/* Dimensions, resources and attributes: at most so many of each. */
#define ACCUM_MAX_COLUMNS 200

typedef enum AccumKind
{
	ACCUM_KIND_BALANCE,
	ACCUM_KIND_TURNOVER,
	ACCUM_KIND_LEDGER
} AccumKind;

/* The chart of accounts that a ledger may have. */
typedef enum AccumChart
{
	ACCUM_CHART_NONE,
	ACCUM_CHART_OPEN,			/* accounts need not be in it */
	ACCUM_CHART_STRICT
} AccumChart;

typedef enum AccumColumnRole
{
	ACCUM_COLUMN_DIMENSION,
	ACCUM_COLUMN_RESOURCE,
	ACCUM_COLUMN_ATTRIBUTE
} AccumColumnRole;

/* A declared column.  type is SQL text that means the same to every session. */
typedef struct AccumColumnDef
{
	char	   *name;
	char	   *type;
	char	   *cast_type;		/* type without its modifier, for casts */
	char	   *equal_operator; /* dimensions only: OPERATOR(schema.=) */
	char	   *sum_type;		/* resources only: type of sums in read functions */
	char	   *collation;		/* in tables, in SQL; NULL for that of the type */
	char	   *preset;			/* default in movements, in SQL; NULL for none */
	bool		required;		/* dimensions only: NULL is refused */
	bool		unbalanced;		/* resources of ledgers only: each side has its own value */
} AccumColumnDef;

/* A limit of balances: an SQL expression that must not become false. */
typedef struct AccumLimitDef
{
	char	   *name;
	char	   *check;
	bool		every_date;		/* not at the end of any later day either */
} AccumLimitDef;

typedef struct AccumRegisterDef
{
	char	   *name;
	AccumKind	kind;
	int			ndims;
	AccumColumnDef *dims;
	int			nresources;
	AccumColumnDef *resources;
	int			nattributes;
	AccumColumnDef *attributes;
	bool		history;		/* movements stay; what takes them back is a movement, too */
	AccumUnit	totals_period;	/* day, month or year */
	AccumUnit	partition_by;	/* day, month, quarter or year */
	bool		high_write;
	bool		has_deltas;		/* has or had high_write */
	char	   *recorder_type;
	char	   *recorder_cast_type; /* without modifier, as for columns */
	char	   *time_zone;
	int			year_start;		/* first month of a year, 1 to 12 */
	int			nlimits;
	AccumLimitDef *limits;
	AccumChart	chart;
} AccumRegisterDef;

#ifndef FRONTEND
#include "utils/jsonb.h"

/* The arguments of register_create, as they came; NULL where SQL had NULL. */
typedef struct AccumDefinitionArgs
{
	const char *name;
	Jsonb	   *dimensions;
	Jsonb	   *resources;
	const char *kind;
	const char *totals_period;
	const char *partition_by;
	bool		high_write;
	const char *recorder_type;
	const char *time_zone;
	Jsonb	   *attributes;
	int			year_start;
	bool		history;
	const char *chart;
} AccumDefinitionArgs;

/* The arguments of register_alter that add columns; NULL where SQL had NULL. */
typedef struct AccumAdditionArgs
{
	Jsonb	   *dimensions;
	Jsonb	   *resources;
	Jsonb	   *attributes;
} AccumAdditionArgs;

extern AccumRegisterDef *accum_definition_parse(const AccumDefinitionArgs *args);
extern AccumRegisterDef *accum_definition_extend(const AccumRegisterDef *def,
												 const AccumAdditionArgs *args);
extern AccumColumnDef accum_column_def(AccumColumnRole role, char *name, Oid type,
									   int32 typmod, bool required);
extern const char *accum_kind_name(AccumKind kind);
extern const char *accum_chart_name(AccumChart chart);
extern Jsonb *accum_columns_to_jsonb(const AccumColumnDef *columns, int ncolumns);
#endif							/* FRONTEND */

#endif							/* ACCUM_DEFINITION_H */
