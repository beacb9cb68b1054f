/*
 * horizon.h
 *		The day before which a register's movements are archived.
 */
#ifndef ACCUM_HORIZON_H
#define ACCUM_HORIZON_H

#include "registry.h"

extern bool accum_horizon_set(const AccumRegister *reg);
extern char *accum_horizon_text(const AccumRegister *reg);
extern void accum_horizon_check_period(AccumRegister *reg, TimestampTz period);
extern void accum_horizon_check_document(AccumRegister *reg, AccumDay unit);
extern void accum_horizon_check_known(AccumRegister *reg, TimestampTz known_at);
extern void accum_horizon_check_movements(AccumRegister *reg, TimestampTz from, TimestampTz to);
extern void accum_horizon_check_detail(AccumRegister *reg, TimestampTz from, TimestampTz to);

#endif							/* ACCUM_HORIZON_H */
