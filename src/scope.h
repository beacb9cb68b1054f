/*
 * scope.h
 *		Which scopes of a secured register the caller may see.
 */
#ifndef ACCUM_SCOPE_H
#define ACCUM_SCOPE_H

#include "registry.h"

/* The policy of a secured register has this name on each of its tables. */
#define ACCUM_POLICY "accum_secure"

extern Node *accum_scope_policy(Relation rel);
extern bool accum_scope_visible(AccumRegister *reg, Datum scope);
extern void accum_scope_check(AccumRegister *reg, Datum scope);
extern char *accum_scope_text(AccumRegister *reg, Datum scope);

#endif							/* ACCUM_SCOPE_H */
