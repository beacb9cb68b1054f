/*
 * query.h
 *		SQL run by the extension: identity, search_path, named row sets.
 */
#ifndef ACCUM_QUERY_H
#define ACCUM_QUERY_H

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/tuplestore.h"

/* What accum_query_begin changed and accum_query_end puts back. */
typedef struct AccumQueryState
{
	Oid			user;
	int			security_context;
	int			guc_level;
} AccumQueryState;

/* SQL text in the making, and the parameters it refers to. */
typedef struct AccumQuery
{
	StringInfoData sql;
	int			nparams;
	int			max_params;
	Oid		   *types;
	Datum	   *values;
} AccumQuery;

/* The rows of a query, fetched some at a time. */
typedef struct AccumRows
{
	AccumQueryState state;
	Portal		portal;
	uint64		position;
} AccumRows;

extern void accum_query_init(AccumQuery *query);
extern int	accum_query_param(AccumQuery *query, Oid type, Datum value);
extern void accum_identity_begin(AccumQueryState *state, Oid role);
extern void accum_identity_end(const AccumQueryState *state);
extern void accum_query_restrict(void);
extern void accum_query_begin(AccumQueryState *state, Oid role);
extern void accum_query_set(const char *setting, const char *value);
extern void accum_query_end(const AccumQueryState *state);
extern void accum_query_rows(const char *name, TupleDesc desc, Tuplestorestate *rows);
extern void accum_query_forget_rows(const char *name);
extern SPIPlanPtr accum_query_prepare(const char *sql, int nargs, Oid *types, bool custom);
extern uint64 accum_query_run(SPIPlanPtr plan, Datum *values, int expected);
extern uint64 accum_query_run_at(SPIPlanPtr plan, Datum *values, Snapshot snapshot,
								 int expected);
extern uint64 accum_query_run_newest(const char *sql, int nargs, Oid *types, Datum *values,
									 int expected);
extern void accum_rows_open(AccumRows *rows, AccumQuery *query);
extern void accum_rows_begin(AccumRows *rows);
extern void accum_rows_open_plan(AccumRows *rows, SPIPlanPtr plan, Datum *values);
extern HeapTuple accum_rows_next(AccumRows *rows);
extern void accum_rows_close(AccumRows *rows);
extern Datum accum_query_value(SPIPlanPtr plan, Datum *values, bool *isnull);
extern uint64 accum_query_command(const char *sql, int expected);

#endif							/* ACCUM_QUERY_H */
