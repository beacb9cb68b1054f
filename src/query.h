/*
 * query.h
 *		SQL run by the extension: identity, search_path, named row sets.
 */
#ifndef ACCUM_QUERY_H
#define ACCUM_QUERY_H

#include "executor/spi.h"
#include "utils/tuplestore.h"

/* What accum_query_begin changed and accum_query_end puts back. */
typedef struct AccumQueryState
{
	Oid			user;
	int			security_context;
	int			guc_level;
} AccumQueryState;

extern void accum_query_begin(AccumQueryState *state, Oid role);
extern void accum_query_end(const AccumQueryState *state);
extern void accum_query_rows(const char *name, TupleDesc desc, Tuplestorestate *rows);
extern void accum_query_forget_rows(const char *name);
extern SPIPlanPtr accum_query_prepare(const char *sql, int nargs, Oid *types, bool custom);
extern uint64 accum_query_run(SPIPlanPtr plan, Datum *values, const char *nulls,
							  int expected);
extern Datum accum_query_value(SPIPlanPtr plan, Datum *values, bool *isnull);
extern uint64 accum_query_command(const char *sql, int expected);

#endif							/* ACCUM_QUERY_H */
