/*
 * verify.h
 *		Derived tables compared with movements.
 */
#ifndef ACCUM_VERIFY_H
#define ACCUM_VERIFY_H

#include "registry.h"

extern bool accum_verify_before(AccumRegister *reg, AccumDay before);

#endif							/* ACCUM_VERIFY_H */
