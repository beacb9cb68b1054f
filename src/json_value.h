/*
 * json_value.h
 *		JSON values as values of a register's columns.
 */
#ifndef ACCUM_JSON_VALUE_H
#define ACCUM_JSON_VALUE_H

#include "registry.h"
#include "utils/jsonb.h"

extern Datum accum_column_from_text(AccumRegister *reg, AccumColumn *column, char *text);
extern char *accum_column_to_text(AccumColumn *column, Datum value);
extern Datum accum_column_from_json(AccumRegister *reg, AccumColumn *column,
									const JsonbValue *json, bool *isnull);
extern void accum_column_to_json(const AccumColumn *column, Datum value, bool isnull,
								 JsonbValue *json);
extern char *accum_json_text(const JsonbValue *json);

#endif							/* ACCUM_JSON_VALUE_H */
