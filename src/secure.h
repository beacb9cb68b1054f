/*
 * secure.h
 *		Registers whose rows and documents are kept apart by a dimension.
 */
#ifndef ACCUM_SECURE_H
#define ACCUM_SECURE_H

#include "registry.h"

extern bool accum_secure_has_other_policies(AccumRegister *reg);
extern void accum_secure_table(AccumRegister *reg, Oid relation);

#endif							/* ACCUM_SECURE_H */
