/*
 * registry.c
 *		Registers as this backend knows them: definition, columns, relations.
 *
 * A register is found by name (accum._registers) or by the OID of its movements
 * table (accum._register_relations), never by a name pasted together: what a
 * relation is called is decided once, when it is created.  Column types come
 * from the movements table itself.
 *
 * Entries are cached for the session under the OID of movements.  A relcache
 * invalidation of any of the register's relations marks an entry; it is replaced
 * at the next look-up, and freed only when the transaction ends, so that nobody
 * loses an entry in the middle of its work.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "limit.h"
#include "registry.h"
#include "shared.h"
#include "version.h"

/* More cached plans than this in one entry make us drop the entry. */
#define MAX_PLANS 256

/* How often a register may change under our eyes before we call it broken. */
#define MAX_TRIES 100

typedef struct RelationEntry
{
	Oid			movements;
	AccumRegister *reg;
} RelationEntry;

typedef struct NameEntry
{
	NameData	name;
	Oid			movements;
} NameEntry;

typedef struct PlanEntry
{
	AccumPlanKey key;
	SPIPlanPtr	plan;
	char	   *sql;			/* NULL where the key says it all */
} PlanEntry;

static HTAB *registers_by_relation = NULL;
static RelationEntry *last_entry = NULL;	/* the one asked for last, NULL if it has gone */
static HTAB *relations_by_name = NULL;
static AccumRegister *retired = NULL;

/* Columns of accum._registers, _register_relations and _register_seeds. */
#define REGISTERS_NAME 1
#define REGISTERS_KIND 2
#define REGISTERS_DIMENSIONS 3
#define REGISTERS_RESOURCES 4
#define REGISTERS_ATTRIBUTES 5
#define REGISTERS_TOTALS_PERIOD 6
#define REGISTERS_PARTITION_BY 7
#define REGISTERS_HIGH_WRITE 8
#define REGISTERS_TIME_ZONE 10
#define REGISTERS_YEAR_START 11
#define REGISTERS_LIMITS 12
#define REGISTERS_ARCHIVED_BEFORE 15
#define REGISTERS_ARCHIVED_MOVEMENTS 16
#define REGISTERS_HISTORY 17
#define REGISTERS_ARCHIVED_AT 18
#define REGISTERS_CHART 19
#define REGISTERS_SECURED 20
#define RELATIONS_RELATION 1
#define RELATIONS_REGISTER 2
#define RELATIONS_ROLE 3
#define SEEDS_SEED 2

static bool
register_uses(const AccumRegister *reg, Oid relation)
{
	for (int role = 0; role < ACCUM_ROLES; role++)
	{
		if (reg->relations[role] == relation)
			return true;
	}
	return false;
}

/* Mark what may have changed: a change to one relation, or with InvalidOid all. */
static void
registry_relcache_callback(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS status;
	RelationEntry *entry;

	if (registers_by_relation == NULL)
		return;
	hash_seq_init(&status, registers_by_relation);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->reg != NULL &&
			(!OidIsValid(relation) || register_uses(entry->reg, relation)))
			entry->reg->valid = false;
	}
}

/* Free an entry that nobody holds any more. */
static void
register_free(AccumRegister *reg)
{
	HASH_SEQ_STATUS status;
	PlanEntry  *entry;

	hash_seq_init(&status, reg->plans);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->plan != NULL)
			SPI_freeplan(entry->plan);
	}
	hash_destroy(reg->plans);
	MemoryContextDelete(reg->context);
}

/* At the end of a transaction nobody holds an entry: free those out of use. */
static void
registry_xact_callback(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS status;
	RelationEntry *entry;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	hash_seq_init(&status, registers_by_relation);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->reg == NULL || entry->reg->valid)
			continue;
		hash_search(relations_by_name, entry->reg->name, HASH_REMOVE, NULL);
		register_free(entry->reg);
		hash_search(registers_by_relation, &entry->movements, HASH_REMOVE, NULL);
		last_entry = NULL;
	}
	while (retired != NULL)
	{
		AccumRegister *reg = retired;

		retired = reg->next_retired;
		register_free(reg);
	}
}

/* Once per backend, when the library is loaded. */
void
accum_registry_init(void)
{
	HASHCTL		by_relation = {.keysize = sizeof(Oid), .entrysize = sizeof(RelationEntry)};
	HASHCTL		by_name = {.keysize = NAMEDATALEN, .entrysize = sizeof(NameEntry)};

	registers_by_relation = hash_create("accum registers by relation", 32,
										&by_relation, HASH_ELEM | HASH_BLOBS);
	relations_by_name = hash_create("accum relations by register name", 32,
									&by_name, HASH_ELEM | HASH_STRINGS);
	CacheRegisterRelcacheCallback(registry_relcache_callback, (Datum) 0);
	RegisterXactCallback(registry_xact_callback, NULL);
}

Oid
accum_schema_oid(void)
{
	return get_namespace_oid(ACCUM_SCHEMA, false);
}

/* The OID of a table of the registry. */
Oid
accum_registry_table(const char *name)
{
	Oid			relation = get_relname_relid(name, accum_schema_oid());

	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist", ACCUM_SCHEMA, name),
				 errhint("The extension pg_accumulator is not installed in this database.")));
	return relation;
}

/* The role that owns the registry, and so the extension's objects. */
Oid
accum_registry_owner(void)
{
	Relation	rel = table_open(accum_registry_table("_registers"), AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;

	table_close(rel, AccessShareLock);
	return owner;
}

/*
 * Begin a scan of a registry table for the rows whose column attnum equals a
 * text key.  The registry is read like a catalog, by everybody and in the
 * newest state, so that a register is what its locks say it is.
 */
SysScanDesc
accum_registry_scan(Relation rel, AttrNumber attnum, RegProcedure equal, Datum key)
{
	ScanKeyData scankey;
	Oid			index = InvalidOid;
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	/* Every key column that we look up leads an index of its own. */
	foreach(lc, indexes)
	{
		Relation	candidate = index_open(lfirst_oid(lc), AccessShareLock);

		if (candidate->rd_index->indisvalid &&
			candidate->rd_index->indkey.values[0] == attnum)
			index = RelationGetRelid(candidate);
		index_close(candidate, AccessShareLock);
	}
	list_free(indexes);
	ScanKeyInit(&scankey, attnum, BTEqualStrategyNumber, equal, key);
	return systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &scankey);
}

static bool
registry_row_exists(const char *table, AttrNumber attnum, RegProcedure equal, Datum key)
{
	Relation	rel = table_open(accum_registry_table(table), AccessShareLock);
	SysScanDesc scan = accum_registry_scan(rel, attnum, equal, key);
	bool		found = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

bool
accum_register_exists(const char *name)
{
	accum_version_check();
	return registry_row_exists("_registers", REGISTERS_NAME, F_TEXTEQ,
							   CStringGetTextDatum(name));
}

static Datum
row_value(HeapTuple tuple, Relation rel, AttrNumber attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, RelationGetDescr(rel), &isnull);

	if (isnull)
		elog(ERROR, "column %d of registry table \"%s\" is null",
			 attnum, RelationGetRelationName(rel));
	return value;
}

/* Find a register's name by its relation of a role; NULL when it is not one. */
static char *
registry_name_of(Oid relation, AccumRole role)
{
	Relation	rel = table_open(accum_registry_table("_register_relations"), AccessShareLock);
	SysScanDesc scan = accum_registry_scan(rel, RELATIONS_RELATION, F_OIDEQ,
										   ObjectIdGetDatum(relation));
	HeapTuple	tuple = systable_getnext(scan);
	char	   *name = NULL;

	accum_version_check();
	if (HeapTupleIsValid(tuple) &&
		strcmp(TextDatumGetCString(row_value(tuple, rel, RELATIONS_ROLE)),
			   accum_role_name(role)) == 0)
		name = TextDatumGetCString(row_value(tuple, rel, RELATIONS_REGISTER));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return name;
}

/* Fill relations with the OIDs of the register's relations by role. */
static void
registry_relations(const char *name, Oid *relations)
{
	Relation	rel = table_open(accum_registry_table("_register_relations"), AccessShareLock);
	SysScanDesc scan = accum_registry_scan(rel, RELATIONS_REGISTER, F_TEXTEQ,
										   CStringGetTextDatum(name));
	HeapTuple	tuple;

	accum_version_check();
	memset(relations, 0, sizeof(Oid) * ACCUM_ROLES);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		AccumRole	role;

		if (accum_role_from_name(TextDatumGetCString(row_value(tuple, rel, RELATIONS_ROLE)), &role))
			relations[role] = DatumGetObjectId(row_value(tuple, rel, RELATIONS_RELATION));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

static uint64
registry_seed(const char *name)
{
	Relation	rel = table_open(accum_registry_table("_register_seeds"), AccessShareLock);
	SysScanDesc scan = accum_registry_scan(rel, 1, F_TEXTEQ, CStringGetTextDatum(name));
	HeapTuple	tuple = systable_getnext(scan);
	uint64		seed;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("register \"%s\" has no hash seed", name),
				 errhint("Restore its row of accum._register_seeds; or insert one with a seed at random, and call accum.register_rebuild_totals().")));
	seed = (uint64) DatumGetInt64(row_value(tuple, rel, SEEDS_SEED));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return seed;
}

/* Fill a column from its name and the attribute of movements. */
static void
column_load(AccumColumn *column, const char *name, Relation movements)
{
	TupleDesc	desc = RelationGetDescr(movements);
	TypeCacheEntry *type;
	Oid			function;
	bool		varlena;

	column->name = pstrdup(name);
	column->attnum = get_attnum(RelationGetRelid(movements), name);
	if (column->attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, RelationGetRelationName(movements))));
	column->type = TupleDescAttr(desc, column->attnum - 1)->atttypid;
	column->typmod = TupleDescAttr(desc, column->attnum - 1)->atttypmod;
	column->collation = TupleDescAttr(desc, column->attnum - 1)->attcollation;
	column->typlen = TupleDescAttr(desc, column->attnum - 1)->attlen;
	column->typbyval = TupleDescAttr(desc, column->attnum - 1)->attbyval;
	getTypeInputInfo(column->type, &function, &column->input_param);
	fmgr_info_cxt(function, &column->input, CurrentMemoryContext);
	getTypeOutputInfo(column->type, &function, &varlena);
	fmgr_info_cxt(function, &column->output, CurrentMemoryContext);

	type = lookup_type_cache(column->type, TYPECACHE_EQ_OPR | TYPECACHE_HASH_EXTENDED_PROC);
	column->is_enum = get_typtype(getBaseType(column->type)) == TYPTYPE_ENUM;
	column->equal_operator = type->eq_opr;
	if (OidIsValid(type->eq_opr))
		fmgr_info_cxt(get_opcode(type->eq_opr), &column->equal, CurrentMemoryContext);
	if (OidIsValid(type->hash_extended_proc))
		fmgr_info_cxt(type->hash_extended_proc, &column->hash, CurrentMemoryContext);
}

/* The numbers that columns of these names have in a relation, palloc'd. */
AttrNumber *
accum_columns_attnums(Oid relation, const AccumColumn *columns, int n)
{
	AttrNumber *attnums = palloc(sizeof(AttrNumber) * (n + 1));

	for (int i = 0; i < n; i++)
	{
		attnums[i] = get_attnum(relation, columns[i].name);
		if (attnums[i] == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist",
							columns[i].name, get_rel_name(relation))));
	}
	return attnums;
}

static void
register_is_broken(const char *relation, const char *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of relation \"%s\" is not what its register declared",
					column, relation),
			 errhint("The definition of a register must not be changed with ALTER TABLE.")));
}

/* The number of a column that every register has, checked to be of its type. */
static AttrNumber
fixed_attnum(Relation movements, const char *name, Oid type)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(movements), name);

	if (attnum == InvalidAttrNumber ||
		TupleDescAttr(RelationGetDescr(movements), attnum - 1)->atttypid != type)
		register_is_broken(RelationGetRelationName(movements), name);
	return attnum;
}

/* Dimensions must be able to be hashed and compared, resources to be summed. */
static void
check_columns(AccumRegister *reg, Relation movements)
{
	for (int i = 0; i < reg->ndims; i++)
	{
		if (!OidIsValid(reg->dims[i].equal_operator) ||
			!(OidIsValid(reg->dims[i].hash.fn_oid) || reg->dims[i].is_enum))
			register_is_broken(RelationGetRelationName(movements), reg->dims[i].name);
	}
	for (int i = 0; i < reg->nrow_resources; i++)
	{
		Oid			type = reg->row_resources[i].type;

		if (type != INT2OID && type != INT4OID && type != INT8OID &&
			type != NUMERICOID && type != FLOAT4OID && type != FLOAT8OID)
			register_is_broken(RelationGetRelationName(movements), reg->row_resources[i].name);
	}
}

/* What a registry row's array of {"name", "type"} says of columns. */
static AccumDeclared *
declared_columns(Datum json, int *ncolumns)
{
	Jsonb	   *array = DatumGetJsonbP(json);
	AccumDeclared *columns = palloc0(sizeof(AccumDeclared) * (JB_ROOT_COUNT(array) + 1));

	*ncolumns = JB_ROOT_COUNT(array);
	for (int i = 0; i < *ncolumns; i++)
	{
		JsonbContainer *object = getIthJsonbValueFromContainer(&array->root, i)->val.binary.data;
		JsonbValue	buffer;
		JsonbValue *value;

		value = getKeyJsonValueFromContainer(object, "name", 4, &buffer);
		columns[i].name = pnstrdup(value->val.string.val, value->val.string.len);
		value = getKeyJsonValueFromContainer(object, "required", 8, &buffer);
		columns[i].required = value != NULL && value->val.boolean;
		value = getKeyJsonValueFromContainer(object, "balanced", 8, &buffer);
		columns[i].unbalanced = value != NULL && !value->val.boolean;
	}
	return columns;
}

/* Load the columns named in a registry row's array of {"name", "type"}. */
static AccumColumn *
columns_load(Datum json, Relation movements, int *ncolumns)
{
	AccumDeclared *declared = declared_columns(json, ncolumns);
	AccumColumn *columns = palloc0(sizeof(AccumColumn) * (*ncolumns + 1));

	for (int i = 0; i < *ncolumns; i++)
	{
		column_load(&columns[i], declared[i].name, movements);
		columns[i].required = declared[i].required;
	}
	return columns;
}

/* A register whose movements have one side: they have the columns that cells have. */
static void
fill_one_side(AccumRegister *reg, Datum dims, Datum resources, Relation movements)
{
	AccumSide  *side = &reg->sides[0];

	reg->dims = columns_load(dims, movements, &reg->ndims);
	reg->resources = columns_load(resources, movements, &reg->nresources);
	reg->row_dims = reg->dims;
	reg->nrow_dims = reg->ndims;
	reg->row_resources = reg->resources;
	reg->nrow_resources = reg->nresources;
	reg->nsides = 1;
	side->hash_name = "dim_hash";
	side->hash_attnum = fixed_attnum(movements, side->hash_name, INT8OID);
}

/* A column of a side, loaded from movements; the cell's column has no suffix. */
static void
side_column_load(AccumColumn *column, int n, const char *suffix, Relation movements)
{
	column_load(column, psprintf("%s%s", accum_side_columns[n], suffix), movements);
	column->required = true;
	column->is_account = n == ACCUM_ACCOUNT;
	column->is_subconto = n == ACCUM_SUBCONTO;
}

static int
row_resource_add(AccumRegister *reg, char *name, Relation movements)
{
	column_load(&reg->row_resources[reg->nrow_resources], name, movements);
	return reg->nrow_resources++;
}

/* The resources of a ledger: each is two in cells, and one or two in movements. */
static void
fill_side_resources(AccumRegister *reg, Relation movements)
{
	int			n = reg->ndeclared * ACCUM_MAX_SIDES;
	int		   *places[ACCUM_MAX_SIDES];

	reg->resources = palloc0(sizeof(AccumColumn) * n);
	reg->row_resources = palloc0(sizeof(AccumColumn) * n);
	for (int s = 0; s < ACCUM_MAX_SIDES; s++)
	{
		places[s] = palloc(sizeof(int) * n);
		memset(places[s], -1, sizeof(int) * n);
		reg->sides[s].resources = places[s];
	}
	for (int i = 0; i < reg->ndeclared; i++)
	{
		const AccumDeclared *declared = &reg->declared[i];
		int			place = -1;

		for (int s = 0; s < ACCUM_MAX_SIDES; s++)
		{
			char	   *name = psprintf("%s%s", declared->name, accum_side_suffixes[s]);

			if (declared->unbalanced || s == 0)
				place = row_resource_add(reg, declared->unbalanced ? name : declared->name,
										 movements);
			places[s][reg->nresources] = place;
			reg->resources[reg->nresources] = reg->row_resources[place];
			reg->resources[reg->nresources].name = name;
			reg->resources[reg->nresources++].attnum = InvalidAttrNumber;
		}
	}
}

/* A ledger: movements have two sides, and either is a cell; see sides.c. */
static void
fill_two_sides(AccumRegister *reg, Datum dims, Datum resources, Relation movements)
{
	int			ndeclared;
	AccumColumn *declared = columns_load(dims, movements, &ndeclared);
	int			n = 0;

	reg->ndims = ACCUM_SIDE_COLUMNS + ndeclared;
	reg->nrow_dims = ACCUM_MAX_SIDES * ACCUM_SIDE_COLUMNS + ndeclared;
	reg->dims = palloc0(sizeof(AccumColumn) * reg->ndims);
	reg->row_dims = palloc0(sizeof(AccumColumn) * reg->nrow_dims);
	reg->nsides = ACCUM_MAX_SIDES;
	for (int s = 0; s < ACCUM_MAX_SIDES; s++)
	{
		AccumSide  *side = &reg->sides[s];
		int		   *places = palloc(sizeof(int) * reg->ndims);

		side->hash_name = psprintf("dim_hash%s", accum_side_suffixes[s]);
		side->hash_attnum = fixed_attnum(movements, side->hash_name, INT8OID);
		for (int i = 0; i < ACCUM_SIDE_COLUMNS; i++)
		{
			side_column_load(&reg->row_dims[n], i, accum_side_suffixes[s], movements);
			places[i] = n++;
		}
		for (int i = 0; i < ndeclared; i++)
			places[ACCUM_SIDE_COLUMNS + i] = ACCUM_MAX_SIDES * ACCUM_SIDE_COLUMNS + i;
		side->dims = places;
	}
	for (int i = 0; i < ndeclared; i++)
		reg->row_dims[n + i] = declared[i];
	for (int i = 0; i < reg->ndims; i++)
	{
		reg->dims[i] = reg->row_dims[reg->sides[0].dims[i]];
		reg->dims[i].attnum = InvalidAttrNumber;
		if (i < ACCUM_SIDE_COLUMNS)
			reg->dims[i].name = pstrdup(accum_side_columns[i]);
	}
	reg->declared = declared_columns(resources, &reg->ndeclared);
	fill_side_resources(reg, movements);
}

static AccumUnit
unit_value(HeapTuple tuple, Relation rel, AttrNumber attnum)
{
	AccumUnit	unit = ACCUM_UNIT_DAY;

	(void) accum_unit_from_name(TextDatumGetCString(row_value(tuple, rel, attnum)), &unit);
	return unit;
}

/* The first day that is not archived, ACCUM_DAY_MIN when nothing is. */
static AccumDay
archived_before(HeapTuple tuple, Relation registers)
{
	bool		isnull;
	Datum		day = heap_getattr(tuple, REGISTERS_ARCHIVED_BEFORE, RelationGetDescr(registers), &isnull);

	return isnull ? ACCUM_DAY_MIN : DatumGetDateADT(day);
}

/* When movements were archived last. */
static TimestampTz
archived_at(HeapTuple tuple, Relation registers)
{
	bool		isnull;
	Datum		at = heap_getattr(tuple, REGISTERS_ARCHIVED_AT, RelationGetDescr(registers), &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(at);
}

static AccumChart
chart_value(HeapTuple tuple, Relation registers)
{
	bool		isnull;
	Datum		chart = heap_getattr(tuple, REGISTERS_CHART, RelationGetDescr(registers), &isnull);

	return isnull ? ACCUM_CHART_NONE
		: strcmp(TextDatumGetCString(chart), "strict") == 0 ? ACCUM_CHART_STRICT : ACCUM_CHART_OPEN;
}

/* Where movements have the dimension that a register is secured by; -1 when it is not. */
static int
secured_place(const AccumRegister *reg, HeapTuple tuple, Relation registers)
{
	bool		isnull;
	Datum		name = heap_getattr(tuple, REGISTERS_SECURED, RelationGetDescr(registers), &isnull);
	int			place = reg->nrow_dims - 1;

	if (isnull)
		return -1;
	while (place >= 0 && strcmp(reg->row_dims[place].name, TextDatumGetCString(name)) != 0)
		place--;
	if (place < 0)
		elog(ERROR, "register \"%s\" is secured by a dimension that it does not have", reg->name);
	return place;
}

/* Has a relation a CHECK constraint, or an index with an expression or a predicate? */
static bool
has_code(Oid relation)
{
	Relation	rel = table_open(relation, AccessShareLock);
	TupleConstr *constraints = RelationGetDescr(rel)->constr;
	bool		result = constraints != NULL && constraints->num_check > 0;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		/* Asking for the expressions themselves would run what is constant in them. */
		if (!heap_attisnull(index->rd_indextuple, Anum_pg_index_indexprs, NULL) ||
			!heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
			result = true;
		index_close(index, AccessShareLock);
	}
	table_close(rel, AccessShareLock);
	return result;
}

/* Fill an entry from its row in accum._registers and the movements table. */
static void
register_fill(AccumRegister *reg, HeapTuple tuple, Relation registers)
{
	Relation	movements = table_open(reg->movements, AccessShareLock);
	char	   *kind = TextDatumGetCString(row_value(tuple, registers, REGISTERS_KIND));

	reg->owner = movements->rd_rel->relowner;
	reg->kind = strcmp(kind, "balance") == 0 ? ACCUM_KIND_BALANCE
		: strcmp(kind, "ledger") == 0 ? ACCUM_KIND_LEDGER : ACCUM_KIND_TURNOVER;
	reg->totals_period = unit_value(tuple, registers, REGISTERS_TOTALS_PERIOD);
	reg->partition_by = unit_value(tuple, registers, REGISTERS_PARTITION_BY);
	reg->high_write = DatumGetBool(row_value(tuple, registers, REGISTERS_HIGH_WRITE));
	reg->history = DatumGetBool(row_value(tuple, registers, REGISTERS_HISTORY));
	accum_zone_init(&reg->zone,
					TextDatumGetCString(row_value(tuple, registers, REGISTERS_TIME_ZONE)),
					DatumGetInt32(row_value(tuple, registers, REGISTERS_YEAR_START)));
	reg->archived_before = archived_before(tuple, registers);
	reg->archived_at = archived_at(tuple, registers);
	reg->archived_movements = DatumGetInt64(row_value(tuple, registers, REGISTERS_ARCHIVED_MOVEMENTS));
	reg->chart = chart_value(tuple, registers);
	column_load(&reg->recorder, "recorder", movements);
	(reg->kind == ACCUM_KIND_LEDGER ? fill_two_sides : fill_one_side)
		(reg, row_value(tuple, registers, REGISTERS_DIMENSIONS),
		 row_value(tuple, registers, REGISTERS_RESOURCES), movements);
	reg->attributes = columns_load(row_value(tuple, registers, REGISTERS_ATTRIBUTES),
								   movements, &reg->nattributes);
	reg->secured = secured_place(reg, tuple, registers);
	reg->limits = accum_limits_from_jsonb(DatumGetJsonbP(row_value(tuple, registers, REGISTERS_LIMITS)),
										  &reg->nlimits);
	for (int i = 0; i < reg->nlimits; i++)
		reg->every_date = reg->every_date || reg->limits[i].every_date;
	reg->id_attnum = fixed_attnum(movements, "id", UUIDOID);
	reg->recorded_at_attnum = fixed_attnum(movements, "recorded_at", TIMESTAMPTZOID);
	reg->period_attnum = fixed_attnum(movements, "period", TIMESTAMPTZOID);
	reg->type_attnum = fixed_attnum(movements, "movement_type", TEXTOID);
	if (reg->history)
		reg->reverses_period_attnum = fixed_attnum(movements, "reverses_period", TIMESTAMPTZOID);
	check_columns(reg, movements);
	table_close(movements, AccessShareLock);

	for (int role = 0; role < ACCUM_ROLES; role++)
	{
		Oid			relation = reg->relations[role];

		if (!OidIsValid(relation))
			continue;

		/* The lock keeps the name from changing before it is used. */
		LockRelationOid(relation, AccessShareLock);
		if (get_rel_name(relation) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("register \"%s\" has lost its relation \"%s\"",
							reg->name, accum_role_name(role))));
		reg->relation_names[role] =
			quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
									   get_rel_name(relation));
		reg->has_code[role] = role != ACCUM_MOVEMENTS && has_code(relation);
		if (role >= ACCUM_DELTA)
		{
			reg->columns[role] = (AccumCellColumns) {
				get_attnum(relation, "dim_hash"),
				get_attnum(relation, "period"),
				accum_columns_attnums(relation, reg->dims, reg->ndims),
				accum_columns_attnums(relation, reg->resources, reg->nresources),
				DATEOID, InvalidOid
			};
		}
		if (role == ACCUM_DELTA)
			reg->delta_created_at = get_attnum(relation, "created_at");
	}
}

/*
 * Make the entry of a register whose movements table is locked; NULL when the
 * register or its table has gone meanwhile.
 */
static AccumRegister *
register_load(const char *name, Oid movements)
{
	Relation	registers = table_open(accum_registry_table("_registers"), AccessShareLock);
	SysScanDesc scan = accum_registry_scan(registers, REGISTERS_NAME, F_TEXTEQ,
										   CStringGetTextDatum(name));
	HeapTuple	tuple = systable_getnext(scan);
	AccumRegister *reg = NULL;
	Oid			relations[ACCUM_ROLES];

	registry_relations(name, relations);
	if (HeapTupleIsValid(tuple) && relations[ACCUM_MOVEMENTS] == movements)
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "accum register",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(context);
		HASHCTL		plans = {.keysize = sizeof(AccumPlanKey),
			.entrysize = sizeof(PlanEntry),.hcxt = context};

		reg = palloc0(sizeof(AccumRegister));
		reg->context = context;
		reg->movements = movements;
		reg->unit_with_partition = ACCUM_DAY_MIN;
		strlcpy(reg->name, name, NAMEDATALEN);
		memcpy(reg->relations, relations, sizeof(relations));
		reg->seed = registry_seed(name);
		register_fill(reg, tuple, registers);
		reg->plans = hash_create("accum plans", 16, &plans,
								 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		MemoryContextSwitchTo(old);

		/* Only a complete entry outlives an error. */
		MemoryContextSetParent(context, CacheMemoryContext);
		reg->valid = true;
	}
	systable_endscan(scan);
	table_close(registers, AccessShareLock);
	return reg;
}

/* Put a fresh entry in place of the one, if any, that an invalidation marked. */
static void
register_enter(AccumRegister *reg)
{
	bool		found;
	RelationEntry *by_relation = hash_search(registers_by_relation, &reg->movements,
											 HASH_ENTER, &found);
	NameEntry  *by_name;

	if (found && by_relation->reg != NULL)
	{
		by_relation->reg->next_retired = retired;
		retired = by_relation->reg;
	}
	by_relation->reg = reg;
	by_name = hash_search(relations_by_name, reg->name, HASH_ENTER, NULL);
	by_name->movements = reg->movements;
}

/* The cached entry for a movements table, or a newly loaded one, or NULL. */
static AccumRegister *
register_get(const char *name, Oid movements)
{
	AccumRegister *reg;

	if (last_entry == NULL || last_entry->movements != movements)
		last_entry = hash_search(registers_by_relation, &movements, HASH_FIND, NULL);
	if (last_entry != NULL && last_entry->reg != NULL && last_entry->reg->valid)
		return last_entry->reg;
	if (name == NULL)
		name = registry_name_of(movements, ACCUM_MOVEMENTS);
	if (name == NULL)
		return NULL;

	/* Rows read before this may tell a definition that whoever held it changed. */
	LockRelationOid(movements, AccessShareLock);
	reg = register_load(name, movements);
	if (reg == NULL)
		return NULL;
	register_enter(reg);
	accum_shared_note_database(accum_register_has(reg, ACCUM_DELTA));
	return reg;
}

static void
check_access(Oid movements, const AccumAccess *access)
{
	if ((access->owner || access->admin) && get_rel_name(movements) != NULL &&
		!accum_owns_relation(movements, GetUserId()) &&
		!(access->admin &&
		  pg_class_aclcheck(movements, GetUserId(), ACL_TRUNCATE) == ACLCHECK_OK))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(movements));
	for (AclMode mode = 1; mode != 0 && mode <= access->privileges; mode <<= 1)
	{
		bool		dropped = false;

		if ((access->privileges & mode) == 0 ||
			pg_class_aclcheck_ext(movements, GetUserId(), mode, &dropped) == ACLCHECK_OK)
			continue;

		/* Just dropped: the look-up will tell. */
		if (!dropped)
			aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(movements));
	}
}

/* The role that owns a register, and whose rights its upkeep is done with. */
Oid
accum_register_owner(AccumRegister *reg)
{
	Relation	rel;

	/* A change of owner marks the entry. */
	if (!reg->valid)
	{
		rel = table_open(reg->movements, NoLock);
		reg->owner = rel->rd_rel->relowner;
		table_close(rel, NoLock);
	}
	return reg->owner;
}

/*
 * Refuse to change a register, which is locked, within a statement on its movements,
 * whose trigger calls us: that would go on with what it has learned before.
 */
void
accum_register_check_not_in_use(AccumRegister *reg)
{
	Relation	rel = table_open(reg->movements, NoLock);

	CheckTableNotInUse(rel, "ALTER TABLE");
	table_close(rel, NoLock);
}

/*
 * The register called name, its movements table locked until the transaction
 * ends.  Raises undefined_object when there is none, and insufficient_privilege
 * when the caller has not the access needed: before locking, so that nobody can
 * hold up a register that is not theirs to use.
 *
 * Taking the lock lets invalidations in; the register counts only if it is
 * still the same one after that.
 */
AccumRegister *
accum_register_open(const char *name, LOCKMODE lockmode, const AccumAccess *access)
{
	static const AccumAccess owners = {.owner = true};
	static const AccumAccess inserts = {.privileges = ACL_INSERT};
	static const AccumAccess deletes = {.privileges = ACL_DELETE};
	NameEntry  *cached = NULL;

	if (strlen(name) < NAMEDATALEN)
		cached = hash_search(relations_by_name, name, HASH_FIND, NULL);

	for (int tries = 0;; tries++)
	{
		Oid			relations[ACCUM_ROLES];
		AccumRegister *reg;

		CHECK_FOR_INTERRUPTS();
		if (tries > MAX_TRIES)
			elog(ERROR, "registry has no consistent entry for register \"%s\"", name);

		if (cached != NULL)
			relations[ACCUM_MOVEMENTS] = cached->movements;
		else
			registry_relations(name, relations);
		if (!OidIsValid(relations[ACCUM_MOVEMENTS]))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("register \"%s\" does not exist", name)));

		if (access != NULL)
			check_access(relations[ACCUM_MOVEMENTS], access);
		LockRelationOid(relations[ACCUM_MOVEMENTS], lockmode);
		reg = register_get(name, relations[ACCUM_MOVEMENTS]);
		if (reg != NULL && strcmp(reg->name, name) == 0)
		{
			if (access != NULL && access->archives && reg->history)
				check_access(reg->movements, &owners);
			if (access != NULL && access->removes)
				check_access(reg->movements, reg->history ? &inserts : &deletes);
			return reg;
		}
		UnlockRelationOid(relations[ACCUM_MOVEMENTS], lockmode);
		cached = NULL;
	}
}

/*
 * The same for the register that a function's argument 0 names.  Raises
 * invalid_parameter_value when that is null.
 */
AccumRegister *
accum_register_named(FunctionCallInfo fcinfo, LOCKMODE lockmode, const AccumAccess *access)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("register name must not be null")));
	return accum_register_open(text_to_cstring(PG_GETARG_TEXT_PP(0)), lockmode, access);
}

/*
 * The register whose movements table this is, locked until the transaction ends;
 * NULL when it has gone.
 */
AccumRegister *
accum_register_hold(Oid movements, LOCKMODE lockmode)
{
	Relation	rel = try_table_open(movements, lockmode);

	if (rel == NULL)
		return NULL;
	table_close(rel, NoLock);
	return accum_register_of_movements(movements);
}

/*
 * The register whose movements table this is, which the caller has locked; NULL
 * when the relation is no register's movements table.
 */
AccumRegister *
accum_register_of_movements(Oid relation)
{
	return register_get(NULL, relation);
}

/*
 * The entry as it is now, for what may have changed since an operation began with reg:
 * triggers close periods and open accounts.
 */
AccumRegister *
accum_register_newest(AccumRegister *reg)
{
	return reg->valid ? reg : accum_register_of_movements(reg->movements);
}

/*
 * The entry with the seed that the registry has now.  Nobody changes seeds but by hand, so
 * that is not looked for otherwise.
 */
AccumRegister *
accum_register_reseeded(AccumRegister *reg)
{
	if (registry_seed(reg->name) != reg->seed)
		reg->valid = false;
	return accum_register_newest(reg);
}

/*
 * The register whose chart of accounts this is, its movements table locked until the
 * transaction ends.
 */
AccumRegister *
accum_register_of_chart(Oid relation, LOCKMODE lockmode)
{
	char	   *name = registry_name_of(relation, ACCUM_ACCOUNTS);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("relation \"%s\" is not the chart of accounts of a ledger",
						get_rel_name(relation))));
	return accum_register_open(name, lockmode, NULL);
}

/* The entry for a key, with no plan when it is new. */
static PlanEntry *
plan_entry(AccumRegister *reg, const AccumPlanKey *key)
{
	bool		found;
	PlanEntry  *entry = hash_search(reg->plans, key, HASH_ENTER, &found);

	if (!found)
	{
		entry->plan = NULL;
		entry->sql = NULL;
		/* A new register entry, with no plans, takes over in the next call. */
		if (hash_get_num_entries(reg->plans) > MAX_PLANS)
			reg->valid = false;
	}
	return entry;
}

/*
 * Where the register keeps the SPI plan for a key; NULL in it when there is
 * none yet.  The plan must be kept with SPI_keepplan and belongs to the entry.
 */
SPIPlanPtr *
accum_register_plan(AccumRegister *reg, const AccumPlanKey *key)
{
	return &plan_entry(reg, key)->plan;
}

/*
 * The same for the plan of a query text.  Returns NULL in the very unlikely case
 * that another text has the same hash: then the plan cannot be kept.
 */
SPIPlanPtr *
accum_register_text_plan(AccumRegister *reg, const char *sql)
{
	AccumPlanKey key = {.variant = hash_bytes_extended((const unsigned char *) sql, strlen(sql),
													   reg->seed)};
	PlanEntry  *entry = plan_entry(reg, &key);

	if (entry->sql == NULL)
		entry->sql = MemoryContextStrdup(reg->context, sql);
	return strcmp(entry->sql, sql) == 0 ? &entry->plan : NULL;
}

/*
 * For ereport(): a rule that one of the register's tables has refused something by,
 * as fields of the error, where programs that read no messages look.
 */
int
accum_register_refuses(const AccumRegister *reg, AccumRole role, const char *constraint)
{
	err_generic_string(PG_DIAG_SCHEMA_NAME, ACCUM_SCHEMA);
	err_generic_string(PG_DIAG_TABLE_NAME, get_rel_name(reg->relations[role]));
	return err_generic_string(PG_DIAG_CONSTRAINT_NAME, constraint);
}

/* An argument, called name, that must be an interval and not a negative one. */
Interval *
accum_interval_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	Interval	zero = {0};

	if (PG_ARGISNULL(n) ||
		DatumGetInt32(DirectFunctionCall2(interval_cmp, PG_GETARG_DATUM(n),
										  IntervalPGetDatum(&zero))) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", name)));
	return PG_GETARG_INTERVAL_P(n);
}
