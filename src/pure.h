/*
 * pure.h
 *		First include of the modules that are plain C: no server state, no
 *		catalogs, no ereport.  They compile into the extension and, with
 *		-DFRONTEND, into the unit tests.
 */
#ifndef ACCUM_PURE_H
#define ACCUM_PURE_H

#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#endif							/* ACCUM_PURE_H */
