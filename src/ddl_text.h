/*
 * ddl_text.h
 *		Pieces that the SQL of a register's relations and functions is put together from.
 */
#ifndef ACCUM_DDL_TEXT_H
#define ACCUM_DDL_TEXT_H

#include "lib/stringinfo.h"

#include "definition.h"
#include "names.h"

/* The types that bounds may have; each function exists for both. */
typedef struct AccumBoundType
{
	const char *name;
	bool		is_date;
	const char *default_clause; /* only one of two functions can have defaults */
} AccumBoundType;

#define ACCUM_BOUND_TYPES 2

extern const AccumBoundType accum_bound_types[ACCUM_BOUND_TYPES];

#define ACCUM_BOUNDS_COMMENT \
	"Bounds are inclusive; a timestamptz that is exactly midnight in the register's time zone means, as an upper " \
	"bound, that whole day, a date means a day of the register's calendar, NULL leaves the end open. "
#define ACCUM_DIMENSIONS_COMMENT \
	"dimensions: object of dimension values; null selects NULL, a missing dimension is not restricted. "

extern char *accum_object_text(const char *reg, const char *suffix);
extern char *accum_relation_text(const char *reg, AccumRole role);
extern void accum_append_function_comment(StringInfo sql, const AccumRegisterDef *def,
										  const char *suffix, const char *arguments,
										  const char *comment);
extern void accum_append_register_argument(StringInfo sql, const AccumRegisterDef *def);
extern void accum_append_from_bound(StringInfo sql, const AccumRegisterDef *def,
									const AccumBoundType *type, int parameter);
extern void accum_append_dimension_filter(StringInfo sql, const AccumRegisterDef *def,
										  const AccumColumnDef *dim, const char *prefix,
										  const char *suffix, const char *parameter);
extern void accum_append_movement_filter(StringInfo sql, const AccumRegisterDef *def,
										 const char *prefix, const char *parameter);
extern void accum_append_before_bound(StringInfo sql, const AccumRegisterDef *def, int parameter);

#endif							/* ACCUM_DDL_TEXT_H */
