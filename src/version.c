/*
 * version.c
 *		Is the library the one that the extension's objects were made for?
 *
 * Files of a new version may be there before ALTER EXTENSION has brought a database up to
 * them, and sessions go on with the library that they have loaded.  Neither can be relied
 * upon to go well, so registers are not opened then.  Dropping the extension and its
 * objects, which opens none, is always possible.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "version.h"

/* The version of the extension in this database, NULL when it is not there. */
static char *
installed_version(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("pg_accumulator"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);

		version = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}

/*
 * Refuse to go on if the versions differ.  Scripts of the extension pass: an update may
 * lead through versions between them.
 */
void
accum_version_check(void)
{
	char	   *version = creating_extension ? NULL : installed_version();

	if (version == NULL || strcmp(version, ACCUM_VERSION) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("pg_accumulator has version %s in this database, but its library has version %s",
					version, ACCUM_VERSION),
			 errhint("Run ALTER EXTENSION pg_accumulator UPDATE. If there is nothing to update, an old library is still loaded: reconnect, or restart the server if shared_preload_libraries has it.")));
}
