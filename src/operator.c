/*
 * operator.c
 *		Operators in SQL text.
 *
 * A type's equality may live in any schema (citext's does), and search_path must
 * not choose another one in its place: operators are always spelled in full.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "names.h"
#include "operator.h"

/* Append an operator with its schema, so that search_path cannot choose it. */
void
accum_append_operator(StringInfo sql, Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	appendStringInfoString(sql, "OPERATOR(");
	accum_append_ident(sql, get_namespace_name(form->oprnamespace));
	appendStringInfo(sql, ".%s)", NameStr(form->oprname));
	ReleaseSysCache(tuple);
}
