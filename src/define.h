/*
 * define.h
 *		Making and dropping registers.
 */
#ifndef ACCUM_DEFINE_H
#define ACCUM_DEFINE_H

#include "registry.h"

extern void accum_registry_add_relation(const char *reg, AccumRole role);
extern bool accum_register_has_movements(AccumRegister *reg);

#endif							/* ACCUM_DEFINE_H */
