/*
 * movement_id.h
 *		Identifiers ordered by time.
 */
#ifndef ACCUM_MOVEMENT_ID_H
#define ACCUM_MOVEMENT_ID_H

#include "utils/uuid.h"

extern void accum_movement_id_next(pg_uuid_t *id);

#endif							/* ACCUM_MOVEMENT_ID_H */
