/*
 * definition.c
 *		From the arguments of register_create to a checked definition.
 *
 * Everything that can be wrong with a definition is found here, before any SQL
 * is made: names, types, options, and names that would collide.  Types go
 * through PostgreSQL's own type parser and come back as text that means the
 * same type to every session, whatever its search_path.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "definition.h"
#include "names.h"
#include "operator.h"
#include "resource.h"

/* <resource>_turnover_dr must fit 63 bytes. */
#define MAX_LEDGER_RESOURCE_NAME 51

/* <register>_get_balance has a parameter for each, and two of its own. */
#define MAX_LEDGER_DIMENSIONS (FUNC_MAX_ARGS - 2)
StaticAssertDecl(MAX_LEDGER_DIMENSIONS + ACCUM_MAX_SIDES * ACCUM_SIDE_COLUMNS <= ACCUM_MAX_COLUMNS,
				 "movements of ledgers have columns of sides beside dimensions");

static const char *const column_role_names[] = {"dimension", "resource", "attribute"};

/* What a resource adds to the columns of derived tables and read functions. */
static const char *const resource_suffixes[] = {
	"", "_receipt", "_expense", "_turnover", "_opening", "_closing", "_dr", "_cr"
};
static const char *const ledger_suffixes[] = {
	"", "_dr", "_cr", "_balance", "_opening", "_opening_dr", "_opening_cr", "_turnover_dr",
	"_turnover_cr", "_closing", "_closing_dr", "_closing_cr"
};

const char *
accum_kind_name(AccumKind kind)
{
	static const char *const names[] = {
		[ACCUM_KIND_BALANCE] = "balance",
		[ACCUM_KIND_TURNOVER] = "turnover",
		[ACCUM_KIND_LEDGER] = "ledger",
	};

	return names[kind];
}

/* The name of a chart's mode; NULL where there is no chart. */
const char *
accum_chart_name(AccumChart chart)
{
	return chart == ACCUM_CHART_STRICT ? "strict" : chart == ACCUM_CHART_OPEN ? "open" : NULL;
}

static void
invalid_option(const char *option, const char *value, const char *allowed)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 value == NULL
			 ? errmsg("%s must not be null", option)
			 : errmsg("invalid %s: \"%s\"", option, value),
			 errhint("Valid values are %s.", allowed)));
}

/*
 * Is the type's hash the same in a restored database?  Enums are hashed by
 * label, so they qualify where they stand alone; inside arrays and ranges, and
 * in types that hold OIDs, the hash would depend on this database.
 */
static bool
hash_is_portable(Oid type, bool nested)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	if (OidIsValid(element))
		return hash_is_portable(element, true);

	switch (get_typtype(base))
	{
		case TYPTYPE_RANGE:
			return hash_is_portable(get_range_subtype(base), true);
		case TYPTYPE_ENUM:
			return !nested;
		case TYPTYPE_BASE:
			break;
		default:
			return false;
	}

	switch (base)
	{
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
			return false;
		default:
			return true;
	}
}

static void
check_dimension_type(const char *name, const char *spelled, Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_EQ_OPR |
											  TYPECACHE_HASH_EXTENDED_PROC |
											  TYPECACHE_BTREE_OPFAMILY);
	Oid			collation = get_typcollation(type);

	if (!OidIsValid(entry->hash_extended_proc) && get_typtype(getBaseType(type)) != TYPTYPE_ENUM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimension \"%s\" cannot have type %s", name, spelled),
				 errdetail("The type has no hash operator class with an extended hash function.")));
	if (!OidIsValid(entry->eq_opr) || !OidIsValid(entry->btree_opf))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimension \"%s\" cannot have type %s", name, spelled),
				 errdetail("The type has no btree operator class.")));
	if (!hash_is_portable(type, false))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimension \"%s\" cannot have type %s", name, spelled),
				 errdetail("Values of this type hash differently in another database, so a restored register would not find its cells.")));
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimension \"%s\" cannot have type %s", name, spelled),
				 errdetail("Its collation is nondeterministic: equal values would hash differently.")));
}

static void
check_resource_type(const char *name, const char *spelled, Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
			return;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("resource \"%s\" cannot have type %s", name, spelled),
					 errhint("Valid types are numeric, numeric(p,s), smallint, integer, bigint, real and double precision.")));
	}
}

/*
 * Resolve a type that a user spelled.  The parser's own complaint, whatever its
 * code, becomes the detail of ours: nothing has been written yet, so catching
 * it leaves nothing to undo, and it is raised again at once.
 */
static void
resolve_type(AccumColumnRole role, const char *name, const char *spelled,
			 Oid *type, int32 *typmod)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		accum_parse_type(spelled, type, typmod);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type \"%s\" for %s \"%s\"",
						spelled, column_role_names[role], name),
				 errdetail_internal("%s", error->message)));
	}
	PG_END_TRY();
}

/* Spell a type so that every session reads it alike. */
static char *
portable_type_name(Oid type, int32 typmod)
{
	Oid			element = get_element_type(type);
	HeapTuple	tuple = SearchSysCache1(TYPEOID,
										ObjectIdGetDatum(OidIsValid(element) ? element : type));
	bool		system_type;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	system_type = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace == PG_CATALOG_NAMESPACE;
	ReleaseSysCache(tuple);

	/* Built-in types keep their familiar names: uuid, not pg_catalog.uuid. */
	return format_type_extended(type, typmod,
								FORMAT_TYPE_TYPEMOD_GIVEN |
								(system_type ? 0 : FORMAT_TYPE_FORCE_QUALIFY));
}

/* What there is to say of a column whose name and type are known to be right. */
AccumColumnDef
accum_column_def(AccumColumnRole role, char *name, Oid type, int32 typmod, bool required)
{
	AccumColumnDef column = {.name = name,.required = required};

	column.type = portable_type_name(type, typmod);
	column.cast_type = portable_type_name(type, -1);
	if (role == ACCUM_COLUMN_DIMENSION)
	{
		StringInfoData operator;

		initStringInfo(&operator);
		accum_append_operator(&operator, lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr);
		column.equal_operator = operator.data;
	}
	if (role == ACCUM_COLUMN_RESOURCE)
		column.sum_type = portable_type_name(accum_sum_result_type(type), -1);
	return column;
}

static AccumColumnDef
column_make(AccumColumnRole role, char *name, char *spelled, bool required)
{
	Oid			type;
	int32		typmod;

	if (!accum_name_valid(name, ACCUM_MAX_COLUMN_NAME))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s name: \"%s\"", column_role_names[role], name),
				 errhint("A name begins with a lower-case letter, goes on with lower-case letters, digits and underscores, and has at most %d bytes.",
						 ACCUM_MAX_COLUMN_NAME)));
	if (accum_column_name_reserved(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s name \"%s\" is reserved", column_role_names[role], name)));

	resolve_type(role, name, spelled, &type, &typmod);
	if (get_typtype(type) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type \"%s\" for %s \"%s\"",
						spelled, column_role_names[role], name),
				 errdetail("A pseudo-type cannot be the type of a column.")));
	if (role == ACCUM_COLUMN_DIMENSION)
		check_dimension_type(name, spelled, type);
	else if (role == ACCUM_COLUMN_RESOURCE)
		check_resource_type(name, spelled, type);

	return accum_column_def(role, name, type, typmod, required);
}

static char *
jsonb_string(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* One {"name": …, "type": …, "required": …} object of the array form. */
static AccumColumnDef
column_from_object(AccumColumnRole role, JsonbContainer *object, int position)
{
	char	   *name = NULL;
	char	   *type = NULL;
	bool		required = false;
	bool		unbalanced = false;
	AccumColumnDef column;
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	v;
	JsonbIteratorToken token = JsonbIteratorNext(&it, &v, true);

	if (token != WJB_BEGIN_OBJECT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s %d is not an object", column_role_names[role], position),
				 errhint("An array of columns holds objects like {\"name\": \"warehouse\", \"type\": \"int\"}.")));

	while ((token = JsonbIteratorNext(&it, &v, true)) == WJB_KEY)
	{
		char	   *key = jsonb_string(&v);

		(void) JsonbIteratorNext(&it, &v, true);
		if (strcmp(key, "name") == 0 && v.type == jbvString)
			name = jsonb_string(&v);
		else if (strcmp(key, "type") == 0 && v.type == jbvString)
			type = jsonb_string(&v);
		else if (strcmp(key, "required") == 0 && v.type == jbvBool &&
				 role == ACCUM_COLUMN_DIMENSION)
			required = v.val.boolean;
		else if (strcmp(key, "balanced") == 0 && v.type == jbvBool &&
				 role == ACCUM_COLUMN_RESOURCE)
			unbalanced = !v.val.boolean;
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown key or invalid value in %s %d: \"%s\"",
							column_role_names[role], position, key),
					 errhint("Keys are \"name\" and \"type\" (strings) and, for a dimension, \"required\" (true or false), for a resource of a ledger \"balanced\" (true or false).")));
	}
	if (name == NULL || type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s %d lacks \"%s\"", column_role_names[role], position,
						name == NULL ? "name" : "type")));
	column = column_make(role, name, type, required);
	column.unbalanced = unbalanced;
	return column;
}

/* Read {name: type, …} or [{"name": …, "type": …}, …]. */
static AccumColumnDef *
columns_parse(AccumColumnRole role, const char *argument, Jsonb *json, int *ncolumns)
{
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;
	AccumColumnDef *columns;
	int			n = 0;

	if (json == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be null", argument)));
	if (JB_ROOT_IS_SCALAR(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be an object or an array of objects", argument)));
	if (JB_ROOT_COUNT(json) > ACCUM_MAX_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has more than %d columns", argument, ACCUM_MAX_COLUMNS)));

	columns = palloc0(sizeof(AccumColumnDef) * (JB_ROOT_COUNT(json) + 1));
	it = JsonbIteratorInit(&json->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while ((token = JsonbIteratorNext(&it, &v, true)) == WJB_KEY || token == WJB_ELEM)
	{
		if (token == WJB_KEY)
		{
			char	   *name = jsonb_string(&v);

			(void) JsonbIteratorNext(&it, &v, true);
			if (v.type != jbvString)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("type of %s \"%s\" must be a string",
								column_role_names[role], name)));
			columns[n] = column_make(role, name, jsonb_string(&v), false);
		}
		else if (v.type == jbvBinary)
			columns[n] = column_from_object(role, v.val.binary.data, n + 1);
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s %d is not an object", column_role_names[role], n + 1),
					 errhint("An array of columns holds objects like {\"name\": \"warehouse\", \"type\": \"int\"}.")));
		n++;
	}
	*ncolumns = n;
	return columns;
}

static void
name_add_unique(List **names, const char *name)
{
	ListCell   *lc;

	foreach(lc, *names)
	{
		if (strcmp((char *) lfirst(lc), name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column name \"%s\" is used twice", name),
					 errdetail("Dimensions, resources, attributes and the columns derived from resources share one name space.")));
	}
	*names = lappend(*names, unconstify(char *, name));
}

/*
 * What a ledger has names for by itself: columns of its movements' sides and of read
 * functions, their parameters beside such columns, and keys of postings with entries.
 */
static List *
ledger_names(void)
{
	static const char *const suffixes[] = {"", "_dr", "_cr"};
	static const char *const others[] = {
		"account_name", "from_date", "to_date", "dimensions", "level", "p_account", "p_subconto",
		"entries", "debit", "credit"
	};
	List	   *names = NIL;

	for (size_t s = 0; s < lengthof(suffixes); s++)
	{
		for (int i = 0; i < ACCUM_SIDE_COLUMNS; i++)
			names = lappend(names, psprintf("%s%s", accum_side_columns[i], suffixes[s]));
		names = lappend(names, psprintf("dim_hash%s", suffixes[s]));
	}
	for (int i = 0; i < ACCUM_SIDE_COLUMNS; i++)
		names = lappend(names, psprintf("corr_%s", accum_side_columns[i]));
	for (size_t i = 0; i < lengthof(others); i++)
		names = lappend(names, unconstify(char *, others[i]));
	return names;
}

/* What a ledger asks of its columns, and what only a ledger has. */
static void
check_ledger(const AccumRegisterDef *def)
{
	if (def->kind == ACCUM_KIND_LEDGER && def->history)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a ledger cannot have history"),
				 errdetail("Reversals of postings are not written by the register: post them, with negative amounts, as documents of their own.")));
	for (int i = 0; i < def->nresources; i++)
	{
		const AccumColumnDef *resource = &def->resources[i];

		if (def->kind != ACCUM_KIND_LEDGER && resource->unbalanced)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("resource \"%s\" cannot be unbalanced", resource->name),
					 errdetail("Only the movements of a ledger have two sides.")));
		if (def->kind == ACCUM_KIND_LEDGER && strlen(resource->name) > MAX_LEDGER_RESOURCE_NAME)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("resource name \"%s\" is too long for a ledger", resource->name),
					 errdetail("It may have %d bytes: columns of its read functions end in _turnover_dr.",
							   MAX_LEDGER_RESOURCE_NAME)));
		if (def->kind == ACCUM_KIND_LEDGER && strcmp(resource->sum_type, "double precision") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("resource \"%s\" of a ledger cannot have type %s",
							resource->name, resource->type),
					 errdetail("Sums of this type are approximate: debits would not equal credits."),
					 errhint("Use numeric or an integer type.")));
	}
	if (def->kind == ACCUM_KIND_LEDGER &&
		(def->ndims > MAX_LEDGER_DIMENSIONS ||
		 def->nresources * ACCUM_MAX_SIDES > ACCUM_MAX_COLUMNS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a ledger has at most %d dimensions and %d resources",
						MAX_LEDGER_DIMENSIONS, ACCUM_MAX_COLUMNS / ACCUM_MAX_SIDES)));
}

/* No two columns of any relation of the register may share a name. */
static void
check_unique_names(const AccumRegisterDef *def)
{
	List	   *names = NIL;

	if (def->kind == ACCUM_KIND_LEDGER)
		names = ledger_names();
	for (int i = 0; i < def->ndims; i++)
		name_add_unique(&names, def->dims[i].name);
	for (int i = 0; i < def->nattributes; i++)
		name_add_unique(&names, def->attributes[i].name);
	for (int i = 0; i < def->nresources; i++)
	{
		bool		ledger = def->kind == ACCUM_KIND_LEDGER;
		const char *const *suffixes = ledger ? ledger_suffixes : resource_suffixes;
		size_t		n = ledger ? lengthof(ledger_suffixes) : lengthof(resource_suffixes);

		for (size_t s = 0; s < n; s++)
			name_add_unique(&names, psprintf("%s%s", def->resources[i].name, suffixes[s]));
	}
}

static void
recorder_type_parse(AccumRegisterDef *def, const char *spelled)
{
	Oid			type;
	int32		typmod;

	if (spelled == NULL)
		invalid_option("recorder_type", NULL, "text, varchar(n), uuid, bigint and integer");
	resolve_type(ACCUM_COLUMN_ATTRIBUTE, "recorder", spelled, &type, &typmod);
	if (type != TEXTOID && type != VARCHAROID && type != UUIDOID &&
		type != INT8OID && type != INT4OID)
		invalid_option("recorder_type", spelled, "text, varchar(n), uuid, bigint and integer");
	def->recorder_type = portable_type_name(type, typmod);
	def->recorder_cast_type = portable_type_name(type, -1);
}

/* Read the options that are words. */
static void
options_parse(AccumRegisterDef *def, const AccumDefinitionArgs *args)
{
	if (args->kind != NULL && strcmp(args->kind, "balance") == 0)
		def->kind = ACCUM_KIND_BALANCE;
	else if (args->kind != NULL && strcmp(args->kind, "turnover") == 0)
		def->kind = ACCUM_KIND_TURNOVER;
	else if (args->kind != NULL && strcmp(args->kind, "ledger") == 0)
		def->kind = ACCUM_KIND_LEDGER;
	else
		invalid_option("kind", args->kind, "balance, turnover and ledger");

	if (args->totals_period == NULL ||
		!accum_unit_from_name(args->totals_period, &def->totals_period) ||
		def->totals_period == ACCUM_UNIT_WEEK || def->totals_period == ACCUM_UNIT_QUARTER)
		invalid_option("totals_period", args->totals_period, "day, month and year");

	if (args->partition_by == NULL ||
		!accum_unit_from_name(args->partition_by, &def->partition_by) ||
		def->partition_by == ACCUM_UNIT_WEEK)
		invalid_option("partition_by", args->partition_by, "day, month, quarter and year");

	if (args->time_zone == NULL || pg_tzset(args->time_zone) == NULL ||
		!pg_tz_acceptable(pg_tzset(args->time_zone)))
		invalid_option("time_zone", args->time_zone, "the names in pg_timezone_names");
	def->time_zone = pstrdup(pg_get_timezone_name(pg_tzset(args->time_zone)));

	if (args->year_start < 1 || args->year_start > 12)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid year_start: %d", args->year_start),
				 errhint("It is the number of the month that a year begins with, 1 to 12.")));
	def->year_start = args->year_start;
	def->high_write = def->has_deltas = args->high_write;
	def->history = args->history;

	if (args->chart != NULL && strcmp(args->chart, "strict") == 0)
		def->chart = ACCUM_CHART_STRICT;
	else if (args->chart != NULL && strcmp(args->chart, "open") == 0)
		def->chart = ACCUM_CHART_OPEN;
	else if (args->chart != NULL)
		invalid_option("chart", args->chart, "open and strict");
	if (def->chart != ACCUM_CHART_NONE && def->kind != ACCUM_KIND_LEDGER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a register of kind %s cannot have a chart of accounts",
						accum_kind_name(def->kind))));
}

/*
 * Check the arguments of register_create and make a definition of them.
 *
 * The result is palloc'd in the current context.  Every complaint about an
 * argument is ERRCODE_INVALID_PARAMETER_VALUE.
 */
AccumRegisterDef *
accum_definition_parse(const AccumDefinitionArgs *args)
{
	AccumRegisterDef *def = palloc0(sizeof(AccumRegisterDef));

	if (args->name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("register name must not be null")));
	if (!accum_name_valid(args->name, ACCUM_MAX_REGISTER_NAME))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid register name: \"%s\"", args->name),
				 errhint("A name begins with a lower-case letter, goes on with lower-case letters, digits and underscores, and has at most %d bytes.",
						 ACCUM_MAX_REGISTER_NAME)));
	def->name = pstrdup(args->name);

	options_parse(def, args);
	recorder_type_parse(def, args->recorder_type);
	def->dims = columns_parse(ACCUM_COLUMN_DIMENSION, "dimensions", args->dimensions, &def->ndims);
	def->resources = columns_parse(ACCUM_COLUMN_RESOURCE, "resources", args->resources, &def->nresources);
	if (def->nresources == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a register needs at least one resource")));
	if (args->attributes != NULL)
		def->attributes = columns_parse(ACCUM_COLUMN_ATTRIBUTE, "attributes",
										args->attributes, &def->nattributes);
	check_ledger(def);
	check_unique_names(def);
	return def;
}

/* Append to columns those that an argument of register_alter adds. */
static void
columns_extend(AccumColumnRole role, const char *argument, Jsonb *json,
			   AccumColumnDef **columns, int *ncolumns)
{
	AccumColumnDef *added;
	AccumColumnDef *all;
	int			nadded;

	if (json == NULL)
		return;
	added = columns_parse(role, argument, json, &nadded);
	if (*ncolumns + nadded > ACCUM_MAX_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has too many columns", argument),
				 errdetail("The register has %d of them already, and may have %d.",
						   *ncolumns, ACCUM_MAX_COLUMNS)));

	all = palloc0(sizeof(AccumColumnDef) * (*ncolumns + nadded + 1));
	for (int i = 0; i < *ncolumns; i++)
		all[i] = (*columns)[i];
	for (int i = 0; i < nadded; i++)
		all[*ncolumns + i] = added[i];
	*columns = all;
	*ncolumns += nadded;
}

/*
 * Check the columns that register_alter is to add: the definition with them,
 * behind the columns of their kind that it has.
 *
 * The result is palloc'd in the current context and shares what does not change.
 * Complaints are those of accum_definition_parse.
 */
AccumRegisterDef *
accum_definition_extend(const AccumRegisterDef *def, const AccumAdditionArgs *args)
{
	AccumRegisterDef *extended = palloc(sizeof(AccumRegisterDef));

	*extended = *def;
	columns_extend(ACCUM_COLUMN_DIMENSION, "add_dimensions", args->dimensions,
				   &extended->dims, &extended->ndims);
	columns_extend(ACCUM_COLUMN_RESOURCE, "add_resources", args->resources,
				   &extended->resources, &extended->nresources);
	columns_extend(ACCUM_COLUMN_ATTRIBUTE, "add_attributes", args->attributes,
				   &extended->attributes, &extended->nattributes);
	check_ledger(extended);
	check_unique_names(extended);
	return extended;
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *string)
{
	JsonbValue	v;

	v.type = jbvString;
	v.val.string.val = unconstify(char *, string);
	v.val.string.len = strlen(string);
	(void) pushJsonbValue(state, token, &v);
}

/* Columns in the form that the registry stores: an array, so that order stays. */
Jsonb *
accum_columns_to_jsonb(const AccumColumnDef *columns, int ncolumns)
{
	JsonbParseState *state = NULL;
	JsonbValue *result;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < ncolumns; i++)
	{
		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_string(&state, WJB_KEY, "name");
		push_string(&state, WJB_VALUE, columns[i].name);
		push_string(&state, WJB_KEY, "type");
		push_string(&state, WJB_VALUE, columns[i].type);
		if (columns[i].required)
		{
			JsonbValue	yes = {.type = jbvBool, .val.boolean = true};

			push_string(&state, WJB_KEY, "required");
			(void) pushJsonbValue(&state, WJB_VALUE, &yes);
		}
		if (columns[i].unbalanced)
		{
			JsonbValue	no = {.type = jbvBool,.val.boolean = false};

			push_string(&state, WJB_KEY, "balanced");
			(void) pushJsonbValue(&state, WJB_VALUE, &no);
		}
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	result = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(result);
}
