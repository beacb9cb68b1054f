/*
 * ddl_ledger.h
 *		The SQL of what only ledgers have.
 */
#ifndef ACCUM_DDL_LEDGER_H
#define ACCUM_DDL_LEDGER_H

#include "lib/stringinfo.h"

#include "definition.h"

extern void accum_append_side_columns(StringInfo sql, const AccumRegisterDef *def, int side,
									  const char *prefix);
extern void accum_ddl_accounts(StringInfo sql, const AccumRegisterDef *def);
extern void accum_ddl_ledger_readers(StringInfo sql, const AccumRegisterDef *def);

#endif							/* ACCUM_DDL_LEDGER_H */
