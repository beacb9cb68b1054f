/*
 * resource.c
 *		Exact sums of resources.
 *
 * A batch may hold deltas whose sum fits the resource's type although a partial
 * sum does not.  Integers are therefore summed in two halves of 64 bits, the
 * upper and the lower 32 bits of each value apart, which 2^31 values cannot
 * overflow, and put together once, at the end.  A numeric sum has no limit to
 * speak of.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "resource.h"

static int64
integer_value(Oid type, Datum value)
{
	return type == INT8OID ? DatumGetInt64(value)
		: type == INT4OID ? DatumGetInt32(value) : DatumGetInt16(value);
}

static double
float_value(Oid type, Datum value)
{
	return type == FLOAT8OID ? DatumGetFloat8(value) : DatumGetFloat4(value);
}

/* Is a value a number that can be summed: no NaN, no infinity? */
bool
accum_value_finite(Oid type, Datum value)
{
	switch (accum_sum_kind(type))
	{
		case ACCUM_SUM_INT:
			return true;
		case ACCUM_SUM_NUMERIC:
			{
				Numeric		number = DatumGetNumeric(value);

				return !numeric_is_nan(number) && !numeric_is_inf(number);
			}
		default:
			return isfinite(float_value(type, value));
	}
}

/* -1, 0 or 1: is the value an expense, nothing, or a receipt? */
int
accum_value_sign(Oid type, Datum value)
{
	switch (accum_sum_kind(type))
	{
		case ACCUM_SUM_INT:
			{
				int64		number = integer_value(type, value);

				return (number > 0) - (number < 0);
			}
		case ACCUM_SUM_NUMERIC:
			{
				static Numeric zero = NULL;

				if (zero == NULL)
				{
					MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

					zero = int64_to_numeric(0);
					MemoryContextSwitchTo(old);
				}
				return DatumGetInt32(DirectFunctionCall2(numeric_cmp, value,
														 NumericGetDatum(zero)));
			}
		default:
			{
				double		number = float_value(type, value);

				return (number > 0) - (number < 0);
			}
	}
}

/* Add to, or with sign -1 subtract from, a numeric sum. */
static void
numeric_accumulate(AccumSum *sum, Datum value, int sign)
{
	Numeric		old = sum->numeric;

	if (old == NULL)
		sum->numeric = DatumGetNumeric(sign > 0
									   ? DirectFunctionCall1(numeric_uplus, value)
									   : DirectFunctionCall1(numeric_uminus, value));
	else
	{
		sum->numeric = DatumGetNumeric(DirectFunctionCall2(sign > 0 ? numeric_add : numeric_sub,
														   NumericGetDatum(old), value));
		pfree(old);
	}
}

/* Move what the lower half holds above 32 bits to the upper half. */
static void
integer_normalize(AccumSum *sum)
{
	sum->integer.high += sum->integer.low >> 32;
	sum->integer.low &= PG_UINT32_MAX;
}

/* Add (sign 1) or subtract (sign -1) a value of the resource's type. */
void
accum_sum_add_value(AccumSum *sum, Oid type, Datum value, int sign)
{
	switch (accum_sum_kind(type))
	{
		case ACCUM_SUM_INT:
			{
				int64		number = integer_value(type, value);

				sum->integer.high += sign * (number >> 32);
				sum->integer.low += sign * (number & PG_UINT32_MAX);
			}
			break;
		case ACCUM_SUM_NUMERIC:
			numeric_accumulate(sum, value, sign);
			break;
		case ACCUM_SUM_FLOAT:
			sum->real += sign * float_value(type, value);
			break;
	}
}

/* Add one sum to another, or with sign -1 subtract it. */
static void
sum_accumulate(AccumSum *sum, const AccumSum *other, Oid type, int sign)
{
	switch (accum_sum_kind(type))
	{
		case ACCUM_SUM_INT:
			sum->integer.high += sign * other->integer.high;
			sum->integer.low += sign * other->integer.low;
			integer_normalize(sum);
			break;
		case ACCUM_SUM_NUMERIC:
			if (other->numeric != NULL)
				numeric_accumulate(sum, NumericGetDatum(other->numeric), sign);
			break;
		case ACCUM_SUM_FLOAT:
			sum->real += sign * other->real;
			break;
	}
}

/* Add one sum to another. */
void
accum_sum_add(AccumSum *sum, const AccumSum *other, Oid type)
{
	sum_accumulate(sum, other, type, 1);
}

/* Take one sum from another. */
void
accum_sum_subtract(AccumSum *sum, const AccumSum *other, Oid type)
{
	sum_accumulate(sum, other, type, -1);
}

bool
accum_sum_is_zero(const AccumSum *sum, Oid type)
{
	switch (accum_sum_kind(type))
	{
		case ACCUM_SUM_INT:
			{
				AccumSum	normal = *sum;

				integer_normalize(&normal);
				return normal.integer.high == 0 && normal.integer.low == 0;
			}
		case ACCUM_SUM_NUMERIC:
			return sum->numeric == NULL ||
				accum_value_sign(NUMERICOID, NumericGetDatum(sum->numeric)) == 0;
		default:
			return sum->real == 0;
	}
}

/* The type of a resource's sums in read functions: wide enough for any. */
Oid
accum_sum_result_type(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
			return INT8OID;
		case FLOAT4OID:
		case FLOAT8OID:
			return FLOAT8OID;
		default:
			return NUMERICOID;
	}
}

/* A type that holds any sum of a resource: numeric or double precision. */
Oid
accum_sum_wide_type(Oid type)
{
	return accum_sum_kind(type) == ACCUM_SUM_FLOAT ? FLOAT8OID : NUMERICOID;
}

/* The sum as a value of accum_sum_wide_type. */
Datum
accum_sum_wide(const AccumSum *sum, Oid type)
{
	AccumSum	normal = *sum;

	switch (accum_sum_kind(type))
	{
		case ACCUM_SUM_INT:
			integer_normalize(&normal);
			return DirectFunctionCall2(numeric_add,
									   DirectFunctionCall2(numeric_mul,
														   NumericGetDatum(int64_to_numeric(normal.integer.high)),
														   NumericGetDatum(int64_to_numeric(INT64CONST(1) << 32))),
									   NumericGetDatum(int64_to_numeric(normal.integer.low)));
		case ACCUM_SUM_NUMERIC:
			return NumericGetDatum(sum->numeric != NULL ? sum->numeric : int64_to_numeric(0));
		default:
			return Float8GetDatum(sum->real);
	}
}

/* Add a value of accum_sum_wide_type that came from accum_sum_wide. */
void
accum_sum_add_wide(AccumSum *sum, Oid type, Datum wide)
{
	switch (accum_sum_kind(type))
	{
		case ACCUM_SUM_INT:
			{
				Datum		base = NumericGetDatum(int64_to_numeric(INT64CONST(1) << 32));
				Datum		high = DirectFunctionCall1(numeric_floor,
													   DirectFunctionCall2(numeric_div, wide, base));
				Datum		low = DirectFunctionCall2(numeric_sub, wide,
													  DirectFunctionCall2(numeric_mul, high, base));

				sum->integer.high += DatumGetInt64(DirectFunctionCall1(numeric_int8, high));
				sum->integer.low += DatumGetInt64(DirectFunctionCall1(numeric_int8, low));
				integer_normalize(sum);
			}
			break;
		case ACCUM_SUM_NUMERIC:
			numeric_accumulate(sum, wide, 1);
			break;
		case ACCUM_SUM_FLOAT:
			sum->real += DatumGetFloat8(wide);
			break;
	}
}

/*
 * Cut a sum into two parts of the same sign and about the same size, without
 * adding decimals.
 */
void
accum_sum_halve(const AccumSum *sum, Oid type, AccumSum *half, AccumSum *rest)
{
	Datum		whole = accum_sum_wide(sum, type);
	Datum		part;

	memset(half, 0, sizeof(*half));
	memset(rest, 0, sizeof(*rest));
	if (accum_sum_kind(type) == ACCUM_SUM_FLOAT)
	{
		half->real = rest->real = sum->real / 2;
		return;
	}
	part = DirectFunctionCall2(numeric_trunc,
							   DirectFunctionCall2(numeric_div, whole,
												   NumericGetDatum(int64_to_numeric(2))),
							   DirectFunctionCall1(numeric_scale, whole));
	accum_sum_add_wide(half, type, part);
	accum_sum_add_wide(rest, type, DirectFunctionCall2(numeric_sub, whole, part));
}

/* An integer as a value of the resource's type; false when it does not fit. */
static bool
integer_fits(Oid type, int64 number, Datum *value)
{
	if (type == INT8OID)
		*value = Int64GetDatum(number);
	else if (type == INT4OID && number >= PG_INT32_MIN && number <= PG_INT32_MAX)
		*value = Int32GetDatum((int32) number);
	else if (type == INT2OID && number >= PG_INT16_MIN && number <= PG_INT16_MAX)
		*value = Int16GetDatum((int16) number);
	else
		return false;
	return true;
}

/*
 * The sum as a value of the resource's type, palloc'd if by reference.
 *
 * Returns false, and sets nothing, when an integer sum does not fit; a numeric
 * one that does not fit numeric(p,s) raises numeric_value_out_of_range.
 */
bool
accum_sum_to_value(const AccumSum *sum, Oid type, int32 typmod, Datum *value)
{
	AccumSum	normal = *sum;
	int64		number;

	switch (accum_sum_kind(type))
	{
		case ACCUM_SUM_INT:
			integer_normalize(&normal);
			if (normal.integer.high < PG_INT32_MIN || normal.integer.high > PG_INT32_MAX)
				return false;
			number = normal.integer.high * (INT64CONST(1) << 32) + normal.integer.low;
			return integer_fits(type, number, value);
		case ACCUM_SUM_NUMERIC:
			*value = DirectFunctionCall2(numeric, accum_sum_wide(sum, type),
										 Int32GetDatum(typmod));
			return true;
		default:
			*value = type == FLOAT8OID ? Float8GetDatum(sum->real)
				: Float4GetDatum((float4) sum->real);
			return isfinite(float_value(type, *value));
	}
}

/*
 * A value of the resource's type with the other sign, palloc'd if by reference; false
 * when there is none.
 */
bool
accum_value_negate(Oid type, int32 typmod, Datum value, Datum *negated)
{
	AccumSum	sum = {0};

	accum_sum_add_value(&sum, type, value, -1);
	return accum_sum_to_value(&sum, type, typmod, negated);
}

/*
 * The sum of two values of the resource's type as another one, palloc'd if by
 * reference.  Fails as accum_sum_to_value does.
 */
bool
accum_value_add(Oid type, int32 typmod, Datum a, Datum b, Datum *value)
{
	int64		number;
	double		real;

	switch (accum_sum_kind(type))
	{
		case ACCUM_SUM_INT:
			return !pg_add_s64_overflow(integer_value(type, a), integer_value(type, b), &number) &&
				integer_fits(type, number, value);
		case ACCUM_SUM_NUMERIC:
			*value = DirectFunctionCall2(numeric, DirectFunctionCall2(numeric_add, a, b),
										 Int32GetDatum(typmod));
			return true;
		default:
			real = float_value(type, a) + float_value(type, b);
			*value = type == FLOAT8OID ? Float8GetDatum(real) : Float4GetDatum((float4) real);
			return isfinite(float_value(type, *value));
	}
}
