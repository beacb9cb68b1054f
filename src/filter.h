/*
 * filter.h
 *		Which cells a question is about, and by what its answer is grouped.
 */
#ifndef ACCUM_FILTER_H
#define ACCUM_FILTER_H

#include "query.h"
#include "registry.h"
#include "utils/jsonb.h"

/* Values for some dimensions, by position. */
typedef struct AccumFilter
{
	bool	   *given;
	Datum	   *values;
	bool	   *nulls;
	int			ngiven;
} AccumFilter;

/* Positions of dimensions, in the order in which they were named. */
typedef struct AccumGrouping
{
	int			n;
	int		   *dims;
} AccumGrouping;

extern int	accum_dimension_find(AccumRegister *reg, const char *name, size_t length);
extern void accum_unknown_dimension(AccumRegister *reg, const char *name);
extern AccumFilter accum_filter_parse(AccumRegister *reg, Jsonb *json);
extern bool accum_filter_is_cell(const AccumRegister *reg, const AccumFilter *filter);
extern void accum_filter_append(AccumQuery *query, AccumRegister *reg,
								const AccumFilter *filter);
extern AccumGrouping accum_grouping_parse(AccumRegister *reg, Jsonb *json);
extern void accum_grouping_append(StringInfo sql, AccumRegister *reg,
								  const AccumGrouping *grouping, const char *prefix);

#endif							/* ACCUM_FILTER_H */
