/*
 * define.h
 *		Making and dropping registers.
 */
#ifndef ACCUM_DEFINE_H
#define ACCUM_DEFINE_H

extern int	accum_partitions_ahead;

#endif							/* ACCUM_DEFINE_H */
