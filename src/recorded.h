/*
 * recorded.h
 *		When a transaction's movements were recorded, in registers with history.
 */
#ifndef ACCUM_RECORDED_H
#define ACCUM_RECORDED_H

#include "registry.h"

extern void accum_recorded_init(void);
extern TimestampTz accum_recorded_at(const AccumRegister *reg);
extern void accum_recorded_after(const AccumRegister *reg, TimestampTz recorded_at);
extern bool accum_recorded_any(const AccumRegister *reg);

#endif							/* ACCUM_RECORDED_H */
