/*
 * pg_accumulator.c
 *		The library's entry: settings and caches.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "cell.h"
#include "define.h"
#include "derived_direct.h"
#include "derived_sql.h"
#include "leaf.h"
#include "registry.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(accum_note_row);

void		_PG_init(void);

/*
 * accum._note_row(dim_hash bigint) returns bigint
 *
 * Its argument.  The engine's statements pass each row through it, so that an
 * error can name the cell.
 */
Datum
accum_note_row(PG_FUNCTION_ARGS)
{
	accum_derived_sql_note_row(PG_GETARG_INT64(0));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

void
_PG_init(void)
{
	DefineCustomIntVariable("pg_accumulator.partitions_ahead",
							"How many partitions after the current one register_create makes.",
							NULL, &accum_partitions_ahead, 3, 0, 24,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_accumulator.debug_hash_bits",
							"How many bits of a cell's hash are used.",
							"For testing collisions only: registers written under one value cannot be used under another.",
							&accum_debug_hash_bits, 64, 1, 64,
							PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_accumulator.debug_sql_writes",
							 "Write derived tables with SQL even where they can be written straight.",
							 "For testing the one way against the other.",
							 &accum_debug_sql_writes, false,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	MarkGUCPrefixReserved("pg_accumulator");
	accum_registry_init();
	accum_leaf_init();
}
