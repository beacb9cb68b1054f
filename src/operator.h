/*
 * operator.h
 *		Operators in SQL text.
 */
#ifndef ACCUM_OPERATOR_H
#define ACCUM_OPERATOR_H

#include "lib/stringinfo.h"

extern void accum_append_operator(StringInfo sql, Oid operator);

#endif							/* ACCUM_OPERATOR_H */
