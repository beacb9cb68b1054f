/*
 * json_value.c
 *		JSON values as values of a register's columns.
 *
 * A JSON string is read by the column type's own input function, a number as
 * its value, so "5", 5 and 5.0 are the same integer and 5.5 is none.  Strings
 * that stand for an instant and name no offset are local times of the register.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "json_value.h"
#include "resource.h"

/*
 * Read text as a value of the column, in the register's time zone.
 *
 * The input function takes the zone from session_timezone, so that is what it
 * is given while it runs: ranges and arrays of instants pass it on.
 */
Datum
accum_column_from_text(AccumRegister *reg, AccumColumn *column, char *text)
{
	pg_tz	   *saved = session_timezone;
	Datum		result;

	PG_TRY();
	{
		session_timezone = reg->zone.tz;
		result = InputFunctionCall(&column->input, text, column->input_param, column->typmod);
	}
	PG_FINALLY();
	{
		session_timezone = saved;
	}
	PG_END_TRY();
	return result;
}

/* A value as text that reads back as the same value under any setting. */
char *
accum_column_to_text(AccumColumn *column, Datum value)
{
	int			saved_dates = DateStyle;
	int			saved_intervals = IntervalStyle;
	char	   *result;

	PG_TRY();
	{
		DateStyle = USE_ISO_DATES;
		IntervalStyle = INTSTYLE_POSTGRES;
		result = OutputFunctionCall(&column->output, value);
	}
	PG_FINALLY();
	{
		DateStyle = saved_dates;
		IntervalStyle = saved_intervals;
	}
	PG_END_TRY();
	return result;
}

static char *
numeric_text(Numeric number)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
}

static bool
is_integer_type(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* Cut off the decimals of a number that is to be an integer: they must be zeros. */
static void
cut_fraction(const AccumColumn *column, char *text)
{
	char	   *point = strchr(text, '.');

	if (point == NULL)
		return;
	if (point[1 + strspn(point + 1, "0")] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"",
						format_type_be(column->type), text)));
	*point = '\0';
}

static Datum
column_from_number(AccumRegister *reg, AccumColumn *column, Numeric number)
{
	char	   *text;

	if (column->type == NUMERICOID)
		return DirectFunctionCall2(numeric, NumericGetDatum(number), Int32GetDatum(column->typmod));
	text = numeric_text(number);
	if (is_integer_type(column->type) || is_integer_type(getBaseType(column->type)))
		cut_fraction(column, text);
	return accum_column_from_text(reg, column, text);
}

/* A JSON value as text, for messages. */
char *
accum_json_text(const JsonbValue *json)
{
	switch (json->type)
	{
		case jbvNull:
			return pstrdup("null");
		case jbvBool:
			return pstrdup(json->val.boolean ? "true" : "false");
		case jbvNumeric:
			return numeric_text(json->val.numeric);
		case jbvString:
			return pnstrdup(json->val.string.val, json->val.string.len);
		default:
			return JsonbToCString(NULL, json->val.binary.data, json->val.binary.len);
	}
}

/*
 * A JSON value as a value of the column, in the current memory context.
 *
 * null gives *isnull.  Arrays and objects are refused but for columns that hold
 * JSON themselves.  Values that do not fit raise the type's own errors.
 */
Datum
accum_column_from_json(AccumRegister *reg, AccumColumn *column,
					   const JsonbValue *json, bool *isnull)
{
	*isnull = json->type == jbvNull;
	if (*isnull)
		return (Datum) 0;
	if (column->type == JSONBOID)
		return JsonbPGetDatum(JsonbValueToJsonb(unconstify(JsonbValue *, json)));

	switch (json->type)
	{
		case jbvNumeric:
			return column_from_number(reg, column, json->val.numeric);
		case jbvString:
		case jbvBool:
			return accum_column_from_text(reg, column, accum_json_text(json));
		default:
			if (column->type == JSONOID)
				return accum_column_from_text(reg, column, accum_json_text(json));
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("value of key \"%s\" must not be an array or an object",
							column->name)));
	}
}

/* A value of the column as JSON: what to_jsonb makes of it. */
void
accum_column_to_json(const AccumColumn *column, Datum value, bool isnull, JsonbValue *json)
{
	FmgrInfo	function;
	Const	   *argument = makeNullConst(column->type, column->typmod, column->collation);
	Jsonb	   *jsonb;

	json->type = jbvNull;
	if (isnull)
		return;

	/* It asks the expression that it is called from for the type of its argument. */
	fmgr_info(F_TO_JSONB, &function);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID, list_make1(argument),
											 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
					   &function);
	jsonb = DatumGetJsonbP(FunctionCall1(&function, value));
	if (JB_ROOT_IS_SCALAR(jsonb))
		*json = *getIthJsonbValueFromContainer(&jsonb->root, 0);
	else
	{
		json->type = jbvBinary;
		json->val.binary.data = &jsonb->root;
		json->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	}
}
