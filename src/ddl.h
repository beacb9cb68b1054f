/*
 * ddl.h
 *		The SQL that makes a register.
 */
#ifndef ACCUM_DDL_H
#define ACCUM_DDL_H

#include "lib/stringinfo.h"

#include "definition.h"
#include "names.h"

extern bool accum_ddl_has_relation(const AccumRegisterDef *def, AccumRole role);
extern void accum_ddl_register(StringInfo sql, const AccumRegisterDef *def);
extern void accum_ddl_replace_functions(StringInfo sql, const AccumRegisterDef *def);
extern void accum_ddl_add_deltas(StringInfo sql, const AccumRegisterDef *def);
extern void accum_ddl_typed_readers(StringInfo sql, const AccumRegisterDef *def);
extern char *accum_ddl_typed_reader(const AccumRegisterDef *def, int n, bool *is_view);
extern void accum_ddl_drop_functions(StringInfo sql, const AccumRegisterDef *def);
extern void accum_ddl_partition(StringInfo sql, const char *reg, const char *partition,
								const char *from, const char *to);

#endif							/* ACCUM_DDL_H */
