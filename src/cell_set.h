/*
 * cell_set.h
 *		Cells of a calculation, found by their dimensions.
 */
#ifndef ACCUM_CELL_SET_H
#define ACCUM_CELL_SET_H

#include "registry.h"
#include "resource.h"

/* A cell of a set, at the beginning of what its user keeps of it. */
typedef struct AccumSetCell
{
	Datum	   *dims;
	bool	   *nulls;
	AccumSum   *sums;			/* by resource; zero at first */
} AccumSetCell;

typedef struct AccumCellSet AccumCellSet;

extern AccumCellSet *accum_cell_set_create(AccumRegister *reg, Size entry_size);
extern void *accum_cell_set_find(AccumCellSet *set, const Datum *dims, const bool *nulls);
extern void *accum_cell_set_add(AccumCellSet *set, const Datum *dims, const bool *nulls);
extern List *accum_cell_set_cells(AccumCellSet *set);

#endif							/* ACCUM_CELL_SET_H */
