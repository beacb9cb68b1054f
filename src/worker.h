/*
 * worker.h
 *		A worker's visit to a database.
 */
#ifndef ACCUM_WORKER_H
#define ACCUM_WORKER_H

extern int	accum_delta_merge_delay;
extern int	accum_delta_merge_batch_size;

#endif							/* ACCUM_WORKER_H */
