/*
 * entries.h
 *		Postings with several lines, as movements of a ledger.
 */
#ifndef ACCUM_ENTRIES_H
#define ACCUM_ENTRIES_H

#include "utils/jsonb.h"

#include "registry.h"

extern bool accum_entries_given(JsonbContainer *posting);
extern Jsonb *accum_entries_expand(AccumRegister *reg, JsonbContainer *posting, int position);

#endif							/* ACCUM_ENTRIES_H */
