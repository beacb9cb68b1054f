/*
 * progress.h
 *		How far long work on a register has come.
 */
#ifndef ACCUM_PROGRESS_H
#define ACCUM_PROGRESS_H

#include "registry.h"

extern int	accum_progress_interval;

extern void accum_progress_init(void);
extern void accum_progress_preload(void);
extern void accum_progress_begin(AccumRegister *reg, const char *command);
extern void accum_progress_reading(int64 total);
extern void accum_progress_phase(const char *phase);
extern void accum_progress_end(void);

#endif							/* ACCUM_PROGRESS_H */
