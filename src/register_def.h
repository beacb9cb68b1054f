/*
 * register_def.h
 *		The definition that a register has, made again from what is known of it.
 */
#ifndef ACCUM_REGISTER_DEF_H
#define ACCUM_REGISTER_DEF_H

#include "registry.h"

extern AccumRegisterDef *accum_register_def(AccumRegister *reg);

#endif							/* ACCUM_REGISTER_DEF_H */
