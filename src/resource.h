/*
 * resource.h
 *		Exact sums of resources.
 */
#ifndef ACCUM_RESOURCE_H
#define ACCUM_RESOURCE_H

#include "catalog/pg_type.h"

/* How a type is summed. */
typedef enum AccumSumKind
{
	ACCUM_SUM_INT,				/* smallint, integer, bigint: exact */
	ACCUM_SUM_NUMERIC,			/* numeric: exact */
	ACCUM_SUM_FLOAT				/* real, double precision: approximate */
} AccumSumKind;

/*
 * A running sum; all zero bytes are the sum 0.  An integer sum is
 * high * 2^32 + low.  A numeric is palloc'd in the context that was current
 * when it was last added to.
 */
typedef union AccumSum
{
	struct
	{
		int64		high;
		int64		low;
	}			integer;
	struct NumericData *numeric;
	double		real;
} AccumSum;

/* How values of a resource's type are summed. */
static inline AccumSumKind
accum_sum_kind(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return ACCUM_SUM_INT;
		case NUMERICOID:
			return ACCUM_SUM_NUMERIC;
		case FLOAT4OID:
		case FLOAT8OID:
			return ACCUM_SUM_FLOAT;
		default:
			elog(ERROR, "type %u is not a resource type", type);
	}
}

extern bool accum_value_finite(Oid type, Datum value);
extern int	accum_value_sign(Oid type, Datum value);
extern void accum_sum_add_value(AccumSum *sum, Oid type, Datum value, int sign);
extern void accum_sum_add(AccumSum *sum, const AccumSum *other, Oid type);
extern void accum_sum_subtract(AccumSum *sum, const AccumSum *other, Oid type);
extern bool accum_sum_is_zero(const AccumSum *sum, Oid type);
extern Oid	accum_sum_result_type(Oid type);
extern Oid	accum_sum_wide_type(Oid type);
extern Datum accum_sum_wide(const AccumSum *sum, Oid type);
extern void accum_sum_add_wide(AccumSum *sum, Oid type, Datum wide);
extern void accum_sum_halve(const AccumSum *sum, Oid type, AccumSum *half, AccumSum *rest);
extern bool accum_sum_to_value(const AccumSum *sum, Oid type, int32 typmod, Datum *value);
extern bool accum_value_negate(Oid type, int32 typmod, Datum value, Datum *negated);
extern bool accum_value_add(Oid type, int32 typmod, Datum a, Datum b, Datum *value);

#endif							/* ACCUM_RESOURCE_H */
