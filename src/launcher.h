/*
 * launcher.h
 *		The background worker that sends workers to databases.
 */
#ifndef ACCUM_LAUNCHER_H
#define ACCUM_LAUNCHER_H

extern int	accum_background_workers;
extern int	accum_maintenance_interval;
extern int	accum_delta_merge_interval;

extern void accum_launcher_register(void);

#endif							/* ACCUM_LAUNCHER_H */
