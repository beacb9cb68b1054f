/*
 * key_set.h
 *		The keys that a JSON object may have.
 */
#ifndef ACCUM_KEY_SET_H
#define ACCUM_KEY_SET_H

/* A key and what it stands for; the number is the owner's. */
typedef struct AccumKey
{
	const char *name;
	size_t		length;
	int			number;
} AccumKey;

extern void accum_keys_sort(AccumKey *keys, int nkeys);
extern const AccumKey *accum_keys_find(const AccumKey *keys, int nkeys,
									   const char *name, size_t length);

#endif							/* ACCUM_KEY_SET_H */
