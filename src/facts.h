/*
 * facts.h
 *		What is true of a register: the sums that its derived tables have to agree with.
 */
#ifndef ACCUM_FACTS_H
#define ACCUM_FACTS_H

#include "lib/stringinfo.h"
#include "utils/tuplestore.h"

#include "registry.h"

/* The names under which queries read facts, and those with another hash than their cell's. */
#define ACCUM_FACTS "accum_facts"
#define ACCUM_MISPLACED "accum_misplaced"

/* Which facts. */
typedef struct AccumFactsScope
{
	const char *condition;		/* on rows called m, about their cell; NULL for all cells */
	AccumDay	before;			/* days before this one, ACCUM_DAY_MAX for all */
	Oid			role;			/* to read as; InvalidOid for the caller */
} AccumFactsScope;

typedef struct AccumFacts
{
	Tuplestorestate *rows;
	Tuplestorestate *misplaced; /* with history also what is no fact, as all is reversed */
	bool		has_misplaced;
	TupleDesc	desc;
} AccumFacts;

extern const char *accum_totals_unit(AccumRole role);
extern bool accum_is_totals(AccumRole role);
extern int	accum_sums_kept(const AccumRegister *reg, AccumRole role);
extern const char *accum_sum_name(AccumRegister *reg, int resource, int sum);
extern void accum_append_dims(StringInfo sql, AccumRegister *reg, const char *prefix);
extern void accum_append_date(StringInfo sql, AccumDay day);
extern void accum_append_compared(StringInfo sql, AccumRegister *reg, AccumRole role,
								  const char *prefix);
extern void accum_append_stored(StringInfo sql, AccumRegister *reg, AccumRole role);
extern void accum_append_truth(StringInfo sql, AccumRegister *reg, AccumRole role);
extern void accum_facts_collect(AccumFacts *facts, AccumRegister *reg,
								const AccumFactsScope *scope);
extern void accum_facts_replace(AccumFacts *facts, AccumRegister *reg);
extern void accum_facts_show(const AccumFacts *facts);
extern void accum_facts_free(AccumFacts *facts);

#endif							/* ACCUM_FACTS_H */
