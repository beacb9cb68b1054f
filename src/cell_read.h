/*
 * cell_read.h
 *		The sums of one cell, read straight from its rows.
 */
#ifndef ACCUM_CELL_READ_H
#define ACCUM_CELL_READ_H

#include "filter.h"
#include "resource.h"

extern bool accum_cell_read_current(AccumRegister *reg, const AccumFilter *cell, AccumSum *sums);
extern bool accum_cell_read_cut(AccumRegister *reg, const AccumFilter *cell,
								const AccumCut *cut, AccumSum *sums);

#endif							/* ACCUM_CELL_READ_H */
