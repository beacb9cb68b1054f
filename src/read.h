/*
 * read.h
 *		What the bodies of read functions share.
 */
#ifndef ACCUM_READ_H
#define ACCUM_READ_H

#include "registry.h"

extern AccumRegister *accum_register_argument(FunctionCallInfo fcinfo);
extern AccumUnit accum_unit_argument(const char *name);

#endif							/* ACCUM_READ_H */
