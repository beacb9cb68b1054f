/*
 * rehash.h
 *		Movements whose dim_hash is not the hash of their cell.
 */
#ifndef ACCUM_REHASH_H
#define ACCUM_REHASH_H

#include "registry.h"

extern int64 accum_rehash_movements(AccumRegister *reg);

#endif							/* ACCUM_REHASH_H */
