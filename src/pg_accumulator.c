/*
 * pg_accumulator.c
 *		The library's entry: settings, caches and shared memory.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "cell.h"
#include "derived_sql.h"
#include "direct.h"
#include "launcher.h"
#include "leaf.h"
#include "partition_keep.h"
#include "pending.h"
#include "progress.h"
#include "recorded.h"
#include "registry.h"
#include "shared.h"
#include "stats.h"
#include "worker.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(accum_note_row);
PG_FUNCTION_INFO_V1(accum_is_setting);

#define SETTING_PREFIX "pg_accumulator."

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

/*
 * accum._is_setting(name text) returns boolean
 *
 * Is this a setting of ours?  Whoever asks has loaded the library and so made
 * the settings known, which is what the view accum._config asks for.
 */
Datum
accum_is_setting(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	PG_RETURN_BOOL(strncmp(name, SETTING_PREFIX, strlen(SETTING_PREFIX)) == 0);
}

static void
define_worker_settings(void)
{
	/*
	 * The number of workers is decided at the start of the server.  A session
	 * that loads the library later must still accept what the configuration
	 * file says, and cannot define a setting of that kind any more.
	 */
	DefineCustomIntVariable(SETTING_PREFIX "background_workers",
							"How many background workers may be at work at a time.",
							"Has an effect only when pg_accumulator is in shared_preload_libraries. 0 turns them off.",
							&accum_background_workers, 1, 0, ACCUM_MAX_WORKERS,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP,
							0, NULL, NULL, NULL);
	DefineCustomIntVariable(SETTING_PREFIX "maintenance_interval",
							"Time between two visits of a background worker to a database.",
							NULL, &accum_maintenance_interval, 3600000, 100, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(SETTING_PREFIX "delta_merge_interval",
							"Time between two visits to a database with high_write registers.",
							NULL, &accum_delta_merge_interval, 5000, 100, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(SETTING_PREFIX "delta_merge_delay",
							"Deltas of high_write registers are folded by background workers when they are this old.",
							NULL, &accum_delta_merge_delay, 2000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(SETTING_PREFIX "delta_merge_batch_size",
							"How many deltas a background worker folds in one transaction.",
							NULL, &accum_delta_merge_batch_size, 10000, 1, 10000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_settings(void)
{
	DefineCustomIntVariable(SETTING_PREFIX "partitions_ahead",
							"How many partitions after the current one are made ahead.",
							NULL, &accum_partitions_ahead, 3, 0, 24,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable(SETTING_PREFIX "coalesce",
							 "Add up what a transaction posts before it changes balances and totals.",
							 "They are changed when something reads them, or else when the transaction ends.",
							 &accum_coalesce, false,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(SETTING_PREFIX "progress_interval",
							"Time between two NOTICEs that tell how far verify, a rebuild or archiving has come.",
							"0 turns them off.", &accum_progress_interval, 5000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(SETTING_PREFIX "debug_hash_bits",
							"How many bits of a cell's hash are used.",
							"For testing collisions only: registers written under one value cannot be used under another.",
							&accum_debug_hash_bits, 64, 1, 64,
							PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_accumulator.debug_sql_writes",
							 "Write derived tables with SQL even where they can be written straight.",
							 "For testing the one way against the other.",
							 &accum_debug_sql_writes, false,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	define_worker_settings();
	MarkGUCPrefixReserved("pg_accumulator");
}

void
_PG_init(void)
{
	define_settings();
	accum_registry_init();
	accum_leaf_init();
	accum_pending_init();
	accum_progress_init();
	accum_recorded_init();
	if (process_shared_preload_libraries_in_progress)
	{
		accum_shared_init();
		accum_stats_init();
		accum_progress_preload();
		accum_launcher_register();
	}
}
