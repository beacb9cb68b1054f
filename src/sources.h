/*
 * sources.h
 *		Where the sums over a range of instants come from.
 */
#ifndef ACCUM_SOURCES_H
#define ACCUM_SOURCES_H

#include "filter.h"

extern void accum_sources_begin_deltas_of(StringInfo sql, const AccumRegister *reg);
extern void accum_sources_end_deltas_of(StringInfo sql);
extern void accum_sources_append_known(AccumQuery *query, AccumRegister *reg,
									   const AccumFilter *filter, const AccumGrouping *grouping,
									   const AccumFragment *range, TimestampTz known_at);
extern void accum_sources_append(AccumQuery *query, AccumRegister *reg,
								 const AccumFilter *filter, const AccumGrouping *grouping,
								 const AccumCut *cut, const char *unit);

#endif							/* ACCUM_SOURCES_H */
