/*
 * alter.c
 *		register_alter: dimensions, resources, attributes, limits and another mode for
 *		a register that holds movements.
 *
 * A dimension comes behind those that are there, and is NULL in all movements
 * that are there.  A NULL adds nothing to a cell's hash (cell_hash.c), so every
 * movement and every derived row keeps its dim_hash and its key: columns are
 * added to the tables, and no row is written.  A resource is zero everywhere.
 *
 * Order.  The register is locked first, ACCESS EXCLUSIVE, which waits for
 * whoever has written or read in a transaction that is still open, and keeps
 * everybody else away.  Then the view goes, whose readers lock it before its
 * table; then the row in the registry is changed; then the tables, whose relcache
 * invalidations make this session (at once) and the others (when they get the
 * lock) load the register anew, from a registry that already tells the new
 * state.  Functions and views come after them, and limits, whose checks may use new
 * columns, last.  All of it rolls back like any DDL.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "ddl.h"
#include "define.h"
#include "definition.h"
#include "fold.h"
#include "guarded.h"
#include "limit.h"
#include "limit_check.h"
#include "pending.h"
#include "query.h"
#include "register_def.h"
#include "rights.h"
#include "secure.h"

PG_FUNCTION_INFO_V1(accum_register_alter);

/*
 * A register without movements may still have derived rows, of cells and units
 * that have come to nothing.  A required dimension cannot be NULL in them.
 */
static void
remove_empty_cells(AccumRegister *reg)
{
	AccumQueryState state;

	accum_query_begin(&state, accum_register_owner(reg));
	accum_query_restrict();
	for (AccumRole role = ACCUM_DELTA; role < ACCUM_ROLES; role++)
	{
		if (accum_register_has(reg, role))
			(void) accum_guarded_run_newest(reg, reg->relations[role],
											psprintf("DELETE FROM %s", reg->relation_names[role]),
											0, NULL, NULL, SPI_OK_DELETE);
	}
	accum_query_end(&state);
}

/* Is there a place for the required ones of the dimensions to be added? */
static void
prepare_required(AccumRegister *reg, const AccumRegisterDef *def)
{
	int			i = accum_register_declared_dims(reg);

	while (i < def->ndims && !def->dims[i].required)
		i++;
	if (i == def->ndims)
		return;
	if (accum_register_has_movements(reg))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimension \"%s\" cannot be required", def->dims[i].name),
				 errdetail("Register \"%s\" holds movements, in which it is NULL.", reg->name)));
	remove_empty_cells(reg);
}

/* What ALTER TABLE is to do to one table; both texts begin with ", ". */
typedef struct TableChange
{
	StringInfoData columns;
	StringInfoData defaults;
} TableChange;

/*
 * The default gives the rows that are there their value.  A fresh table has none
 * but for resources of movements.  Even DEFAULT NULL counts: without it they
 * would get the default of a domain.
 */
static void
change_add(TableChange *change, const AccumColumnDef *column, const char *suffix,
		   const char *value, bool not_null, bool keep_default)
{
	const char *name = accum_ident(column->name, suffix);

	appendStringInfo(&change->columns, ", ADD COLUMN %s %s DEFAULT %s%s",
					 name, column->type, value, not_null ? " NOT NULL" : "");
	if (!keep_default)
		appendStringInfo(&change->defaults, ", ALTER COLUMN %s DROP DEFAULT", name);
}

/* Add the columns of def to the table of one role that are not there yet. */
static void
alter_table(AccumRegister *reg, const AccumRegisterDef *def, AccumRole role)
{
	bool		is_movements = role == ACCUM_MOVEMENTS;
	bool		is_totals = !is_movements && role != ACCUM_BALANCE_CACHE;
	const AccumRegisterDef *columns = is_movements ? accum_def_rows(def) : accum_def_cells(def);
	int			ndims = is_movements ? reg->nrow_dims : reg->ndims;
	int			nresources = is_movements ? reg->nrow_resources : reg->nresources;
	const char *table = reg->relation_names[role];
	TableChange change;

	initStringInfo(&change.columns);
	initStringInfo(&change.defaults);
	for (int i = ndims; i < columns->ndims; i++)
		change_add(&change, &columns->dims[i], "", "NULL", columns->dims[i].required, false);
	for (int i = nresources; i < columns->nresources; i++)
	{
		change_add(&change, &columns->resources[i], "", "0", true, is_movements);
		if (is_totals && accum_register_keeps_receipts(reg))
			change_add(&change, &columns->resources[i], "_receipt", "0", true, false);
	}
	for (int i = reg->nattributes; is_movements && i < def->nattributes; i++)
		change_add(&change, &def->attributes[i], "", "NULL", false, false);

	if (change.columns.len > 0)
		(void) accum_query_command(psprintf("ALTER TABLE %s %s", table, change.columns.data + 2),
								   SPI_OK_UTILITY);
	if (change.defaults.len > 0)
		(void) accum_query_command(psprintf("ALTER TABLE %s %s", table, change.defaults.data + 2),
								   SPI_OK_UTILITY);
	for (int i = ndims; role == ACCUM_BALANCE_CACHE && i < columns->ndims; i++)
		(void) accum_query_command(psprintf("CREATE INDEX ON %s (%s)", table,
											accum_ident(columns->dims[i].name, "")),
								   SPI_OK_UTILITY);
}

static void
alter_tables(AccumRegister *reg, const AccumRegisterDef *def)
{
	for (AccumRole role = 0; role < ACCUM_ROLES; role++)
	{
		if (role != ACCUM_RECORDERS && role != ACCUM_ACCOUNTS && accum_register_has(reg, role))
			alter_table(reg, def, role);
	}
}

/* Write the new columns and mode to the register's row, as the registry's owner. */
static void
registry_update(AccumRegister *reg, const AccumRegisterDef *def)
{
	const AccumRegisterDef *old = accum_register_def(reg);
	Oid			types[] = {TEXTOID, JSONBOID, JSONBOID, JSONBOID, BOOLOID};
	Datum		values[] = {
		CStringGetTextDatum(reg->name),
		JsonbPGetDatum(accum_columns_to_jsonb(def->dims + old->ndims, def->ndims - old->ndims)),
		JsonbPGetDatum(accum_columns_to_jsonb(def->resources + old->nresources,
											  def->nresources - old->nresources)),
		JsonbPGetDatum(accum_columns_to_jsonb(def->attributes + reg->nattributes,
											  def->nattributes - reg->nattributes)),
		BoolGetDatum(def->high_write),
	};
	AccumQueryState state;
	uint64		n;

	StaticAssertStmt(lengthof(types) == lengthof(values), "one type for each value");
	accum_query_begin(&state, accum_registry_owner());
	n = accum_query_run_newest("UPDATE " ACCUM_SCHEMA "._registers SET dimensions = dimensions || $2, "
							   "resources = resources || $3, attributes = attributes || $4, "
							   "high_write = $5, updated_at = now() WHERE name = $1",
							   lengthof(types), types, values, SPI_OK_UPDATE);
	if (n != 1)
		elog(ERROR, "registry has " UINT64_FORMAT " rows for register \"%s\"", n, reg->name);
	accum_query_end(&state);
}

/* A function or view that has a column for each dimension and resource. */
typedef struct Reader
{
	char	   *name;			/* in SQL */
	bool		is_view;
	AccumRights *rights;		/* NULL where somebody had dropped it */
} Reader;

/* Its OID, InvalidOid when there is none. */
static Oid
reader_oid(const Reader *reader)
{
	LOCAL_FCINFO(call, 1);
	Datum		oid;

	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = CStringGetTextDatum(reader->name);
	call->args[0].isnull = false;
	oid = reader->is_view ? to_regclass(call) : to_regprocedure(call);
	return call->isnull ? InvalidOid : DatumGetObjectId(oid);
}

/*
 * Drop the functions and views whose columns are to change; returns what
 * readers_create needs to make them again.  Objects that users have built on
 * them make it fail.
 */
static List *
readers_drop(AccumRegister *reg)
{
	const AccumRegisterDef *def = accum_register_def(reg);
	List	   *readers = NIL;
	char	   *name;
	bool		is_view;

	for (int i = 0; (name = accum_ddl_typed_reader(def, i, &is_view)) != NULL; i++)
	{
		Reader	   *reader = palloc0(sizeof(Reader));
		Oid			oid;

		reader->name = name;
		reader->is_view = is_view;
		readers = lappend(readers, reader);
		oid = reader_oid(reader);
		if (!OidIsValid(oid))
			continue;
		reader->rights = accum_rights_of(is_view ? RelationRelationId : ProcedureRelationId, oid);
		(void) accum_query_command(psprintf("DROP %s %s", is_view ? "VIEW" : "FUNCTION", name),
								   SPI_OK_UTILITY);
	}
	return readers;
}

static void
readers_create(const AccumRegisterDef *def, List *readers)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	accum_ddl_typed_readers(&sql, def);
	(void) accum_query_command(sql.data, SPI_OK_UTILITY);
	foreach(lc, readers)
	{
		Reader	   *reader = lfirst(lc);

		/* Its arguments may have changed. */
		reader->name = accum_ddl_typed_reader(def, foreach_current_index(lc), &reader->is_view);
		if (reader->rights != NULL)
			accum_rights_restore(reader->rights, reader_oid(reader), reader->name);
	}
}

/* Change a register, which is locked, to what def says. */
static void
register_change(AccumRegister *reg, const AccumRegisterDef *def)
{
	const AccumRegisterDef *old = accum_register_def(reg);
	bool		adds_dims = def->ndims > old->ndims;
	bool		adds_measures = adds_dims || def->nresources > old->nresources;
	AccumQueryState state;
	List	   *readers = NIL;

	accum_query_begin(&state, GetUserId());
	prepare_required(reg, def);
	if (adds_measures)
		readers = readers_drop(reg);
	registry_update(reg, def);
	alter_tables(reg, def);
	if (adds_dims)
	{
		StringInfoData sql;

		initStringInfo(&sql);
		accum_ddl_replace_functions(&sql, def);
		(void) accum_query_command(sql.data, SPI_OK_UTILITY);
	}
	if (adds_measures)
		readers_create(def, readers);
	accum_query_end(&state);
}

/*
 * Make the table of deltas, which whoever may read or write totals may, too.  It gets the
 * policy of a secured register.  Other row security cannot be copied; where there is some,
 * nobody else gets any right.
 */
static void
create_deltas(AccumRegister *reg, const AccumRegisterDef *def)
{
	Oid			totals = reg->relations[ACCUM_TOTALS_YEAR];
	AccumRights *rights = accum_rights_of(RelationRelationId, totals);
	AccumQueryState state;
	StringInfoData sql;
	Oid			deltas;

	accum_query_begin(&state, GetUserId());
	initStringInfo(&sql);
	accum_ddl_add_deltas(&sql, def);
	(void) accum_query_command(sql.data, SPI_OK_UTILITY);
	deltas = get_relname_relid(accum_relation_name(reg->name, ACCUM_DELTA), accum_schema_oid());
	if (accum_register_secured(reg))
		accum_secure_table(reg, deltas);
	if (accum_secure_has_other_policies(reg))
	{
		ereport(NOTICE,
				(errmsg("privileges on table \"%s\" have to be granted", get_rel_name(deltas)),
				 errdetail("Tables of register \"%s\" have row security, which it needs, too.", reg->name)));
		accum_rights_forget(rights);
	}
	accum_rights_restore(rights, deltas,
						 quote_qualified_identifier(ACCUM_SCHEMA, get_rel_name(deltas)));
	accum_query_end(&state);

	accum_query_begin(&state, accum_registry_owner());
	accum_registry_add_relation(reg->name, ACCUM_DELTA);
	accum_query_end(&state);
}

/*
 * Change the mode of a register, which is locked.  The deltas stay, and are read,
 * when high_write ends: an older snapshot may show some.
 */
static void
change_mode(AccumRegister *reg, AccumRegisterDef *def, bool high_write)
{
	AccumQueryState state;

	def->high_write = high_write;
	def->has_deltas = true;
	if (!accum_register_has(reg, ACCUM_DELTA))
		create_deltas(reg, def);
	if (!high_write)
		(void) accum_fold_all(reg);
	accum_query_begin(&state, GetUserId());
	registry_update(reg, def);
	accum_query_end(&state);
	CacheInvalidateRelcacheByRelid(reg->movements);
}

/*
 * Fold what is left of the deltas of a register that has had high_write: a limit
 * is for a balance that is all in the cache.
 */
static void
fold_rest(AccumRegister *reg)
{
	AccumQueryState state;
	uint64		left;

	if (!accum_register_has(reg, ACCUM_DELTA))
		return;
	(void) accum_fold_all(reg);
	accum_query_begin(&state, accum_register_owner(reg));
	left = accum_query_run_newest(psprintf("SELECT FROM %s LIMIT 1",
										   reg->relation_names[ACCUM_DELTA]),
								  0, NULL, NULL, SPI_OK_SELECT);
	accum_query_end(&state);
	if (left > 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("register \"%s\" has deltas that do not fit its derived tables", reg->name),
				 errhint("Correct the documents with movements of that size.")));
}

/* Has a register this very limit already?  Then its cells need not be looked at. */
static bool
has_limit(const AccumRegister *reg, const AccumLimitDef *limit)
{
	for (int i = 0; i < reg->nlimits; i++)
	{
		if (strcmp(reg->limits[i].name, limit->name) == 0 &&
			strcmp(reg->limits[i].check, limit->check) == 0 &&
			reg->limits[i].every_date == limit->every_date)
			return true;
	}
	return false;
}

/* Give a register, which is locked, the limits of def in the place of its own. */
static void
change_limits(AccumRegister *reg, const AccumRegisterDef *def)
{
	AccumLimitDef *added = palloc(sizeof(AccumLimitDef) * (def->nlimits + 1));
	int			nadded = 0;
	Oid			types[] = {TEXTOID, JSONBOID};
	Datum		values[] = {
		CStringGetTextDatum(reg->name),
		JsonbPGetDatum(accum_limits_to_jsonb(def->limits, def->nlimits)),
	};
	AccumQueryState state;

	accum_register_check_not_in_use(reg);
	for (int i = 0; i < def->nlimits; i++)
	{
		if (!has_limit(reg, &def->limits[i]))
			added[nadded++] = def->limits[i];
	}
	if (nadded > 0)
	{
		fold_rest(reg);
		accum_limits_check_cells(reg, added, nadded);
	}
	accum_query_begin(&state, accum_registry_owner());
	(void) accum_query_run_newest("UPDATE " ACCUM_SCHEMA "._registers SET limits = $2, updated_at = now() "
								  "WHERE name = $1", lengthof(types), types, values, SPI_OK_UPDATE);
	accum_query_end(&state);
	CacheInvalidateRelcacheByRelid(reg->movements);
}

/*
 * accum.register_alter(p_name text, add_dimensions jsonb, add_resources jsonb,
 * high_write boolean, add_attributes jsonb, limits jsonb) returns void
 *
 * Add columns to a register, which the caller must own, or change its mode or its
 * limits.  Arguments: contract in docs/reference.md.
 */
Datum
accum_register_alter(PG_FUNCTION_ARGS)
{
	AccumAccess access = {.owner = true};
	AccumAdditionArgs additions = {
		.dimensions = PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1),
		.resources = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2),
		.attributes = PG_ARGISNULL(4) ? NULL : PG_GETARG_JSONB_P(4),
	};
	Jsonb	   *limits = PG_ARGISNULL(5) ? NULL : PG_GETARG_JSONB_P(5);
	AccumRegister *reg;
	AccumRegisterDef *old;
	AccumRegisterDef *def;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("register name must not be null")));
	PreventCommandIfReadOnly("register_alter()");
	accum_pending_flush();
	reg = accum_register_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), AccessExclusiveLock, &access);
	if (!PG_ARGISNULL(3) && PG_GETARG_BOOL(3) != reg->high_write)
	{
		if (PG_GETARG_BOOL(3) && (limits != NULL ? JB_ROOT_COUNT(limits) > 0 : reg->nlimits > 0))
			accum_limits_refuse_high_write();
		change_mode(reg, accum_register_def(reg), PG_GETARG_BOOL(3));
		CommandCounterIncrement();
		reg = accum_register_open(reg->name, AccessExclusiveLock, &access);
	}
	old = accum_register_def(reg);
	def = accum_definition_extend(old, &additions);
	accum_limits_define(def, limits);
	if (def->ndims > old->ndims || def->nresources > old->nresources ||
		def->nattributes > old->nattributes)
	{
		register_change(reg, def);
		CommandCounterIncrement();
		reg = accum_register_open(reg->name, AccessExclusiveLock, &access);
	}
	if (limits != NULL)
		change_limits(reg, def);
	PG_RETURN_VOID();
}
