/*
 * cell_hash.h
 *		The combination of hashed dimension values into one hash of a cell.
 */
#ifndef ACCUM_CELL_HASH_H
#define ACCUM_CELL_HASH_H

extern int64 accum_cell_hash_combine(const uint64 *hashes, const bool *nulls,
									 int n, uint64 seed);

#endif							/* ACCUM_CELL_HASH_H */
