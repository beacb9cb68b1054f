/*
 * sides.h
 *		What the two sides of a ledger's postings make of a definition.
 */
#ifndef ACCUM_SIDES_H
#define ACCUM_SIDES_H

#include "definition.h"

/* A movement of a ledger has two sides, any other one. */
#define ACCUM_MAX_SIDES 2

/* What each side of a ledger's movement adds to the dimensions: account and subconto. */
#define ACCUM_ACCOUNT 0
#define ACCUM_SUBCONTO 1
#define ACCUM_SIDE_COLUMNS 2

extern const char *const accum_side_suffixes[ACCUM_MAX_SIDES];
extern const char *const accum_side_columns[ACCUM_SIDE_COLUMNS];

extern const AccumRegisterDef *accum_def_cells(const AccumRegisterDef *def);
extern const AccumRegisterDef *accum_def_rows(const AccumRegisterDef *def);

#endif							/* ACCUM_SIDES_H */
