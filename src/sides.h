/*
 * sides.h
 *		What the two sides of a ledger's postings make of a definition.
 */
#ifndef ACCUM_SIDES_H
#define ACCUM_SIDES_H

#include "definition.h"
#include "names.h"

extern const AccumRegisterDef *accum_def_cells(const AccumRegisterDef *def);
extern const AccumRegisterDef *accum_def_rows(const AccumRegisterDef *def);

#endif							/* ACCUM_SIDES_H */
