/*
 * limit.h
 *		Limits of balances: what a user declares, as a checked expression.
 */
#ifndef ACCUM_LIMIT_H
#define ACCUM_LIMIT_H

#include "nodes/primnodes.h"
#include "utils/jsonb.h"

#include "definition.h"

/* A column that a check may use. */
typedef struct AccumLimitColumn
{
	const char *name;
	Oid			type;
	int32		typmod;
	Oid			collation;
} AccumLimitColumn;

extern AccumLimitDef *accum_limits_from_jsonb(Jsonb *json, int *nlimits);
extern Jsonb *accum_limits_to_jsonb(const AccumLimitDef *limits, int nlimits);
extern void accum_limits_define(AccumRegisterDef *def, Jsonb *json);
extern void accum_limits_refuse_high_write(void);
extern Node *accum_expression_parse(const char *text);
extern Expr *accum_limit_expression(const AccumLimitDef *limit, const AccumLimitColumn *columns,
									int ncolumns, const char *time_zone);

#endif							/* ACCUM_LIMIT_H */
