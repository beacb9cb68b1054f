/*
 * side_values.c
 *		What a movement adds to cells.
 *
 * A movement of a ledger debits one cell and credits another; in the other kinds it
 * has one side, whose cell has the movement's own dimensions.  Here is the one place
 * that says, of values and in SQL, which columns of a movement make a side's cell and
 * which go into it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "side_values.h"

/* Room for the values of a ledger's sides; what a side does not add stays 0. */
typedef struct AccumSideRoom
{
	Datum	   *dims;
	bool	   *nulls;
	Datum	   *resources;
} AccumSideRoom;

/* Nothing of a resource, with the decimals that it has. */
static Datum
zero(Oid type, int32 typmod)
{
	return type == NUMERICOID
		? DirectFunctionCall2(numeric, NumericGetDatum(int64_to_numeric(0)), Int32GetDatum(typmod))
		: type == INT8OID ? Int64GetDatum(0)
		: type == INT4OID ? Int32GetDatum(0) : Int16GetDatum(0);
}

static AccumSideRoom *
room_create(AccumRegister *reg)
{
	MemoryContext old = MemoryContextSwitchTo(reg->context);
	AccumSideRoom *rooms = palloc(sizeof(AccumSideRoom) * reg->nsides);

	for (int s = 0; s < reg->nsides; s++)
	{
		rooms[s].dims = palloc(sizeof(Datum) * reg->ndims);
		rooms[s].nulls = palloc(sizeof(bool) * reg->ndims);
		rooms[s].resources = palloc(sizeof(Datum) * reg->nresources);
		for (int i = 0; i < reg->nresources; i++)
			rooms[s].resources[i] = zero(reg->resources[i].type, reg->resources[i].typmod);
	}
	MemoryContextSwitchTo(old);
	return rooms;
}

/*
 * What a movement's side adds to its cell: the movement's values, in the order of the
 * cell's dimensions and resources.  Valid until the next call for this side.
 */
AccumSideValues
accum_side_values(AccumRegister *reg, int side, const Datum *dims, const bool *nulls,
				  const Datum *resources)
{
	const AccumSide *places = &reg->sides[side];
	AccumSideRoom *room;

	if (reg->nsides == 1)
		return (AccumSideValues) {dims, nulls, resources};
	if (reg->side_rooms == NULL)
		reg->side_rooms = room_create(reg);
	room = &reg->side_rooms[side];
	for (int i = 0; i < reg->ndims; i++)
	{
		room->dims[i] = dims[places->dims[i]];
		room->nulls[i] = nulls[places->dims[i]];
	}
	for (int i = 0; i < reg->nresources; i++)
	{
		if (places->resources[i] >= 0)
			room->resources[i] = resources[places->resources[i]];
	}
	return (AccumSideValues) {room->dims, room->nulls, room->resources};
}

/* Does a JSON object hold nothing but plain values? */
static bool
is_flat_object(Jsonb *json)
{
	JsonbIterator *it;
	JsonbValue	v;
	bool		flat = JB_ROOT_IS_OBJECT(json);

	if (!flat)
		return false;
	it = JsonbIteratorInit(&json->root);
	(void) JsonbIteratorNext(&it, &v, true);
	while (flat && JsonbIteratorNext(&it, &v, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &v, true);
		flat = v.type != jbvBinary;
	}
	return flat;
}

/*
 * What the account or subconto of a movement has to be, for messages; NULL when this
 * value is that.
 */
const char *
accum_side_value_expected(const AccumColumn *column, Datum value)
{
	if (column->is_account && VARSIZE_ANY_EXHDR(DatumGetTextPP(value)) == 0)
		return "a code that is not empty";
	if (column->is_subconto && !is_flat_object(DatumGetJsonbP(value)))
		return "an object without arrays and objects in it";
	return NULL;
}

/* Refuse a ledger where a function makes no sense of postings. */
void
accum_refuse_ledger(const AccumRegister *reg, const char *function, const char *reason)
{
	if (reg->kind == ACCUM_KIND_LEDGER)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s does not work on register \"%s\", which is a ledger",
						function, reg->name),
				 errdetail("%s", reason)));
}

/* One side of all movements as rows of a cell's columns. */
static void
append_side(StringInfo sql, AccumRegister *reg, const AccumSide *side)
{
	appendStringInfo(sql, "SELECT r.id, r.recorded_at, r.recorder, r.period, r.movement_type, r.%s AS dim_hash",
					 side->hash_name);
	for (int i = 0; i < reg->ndims; i++)
		appendStringInfo(sql, ", r.%s AS %s", accum_ident(reg->row_dims[side->dims[i]].name, ""),
						 accum_ident(reg->dims[i].name, ""));
	for (int i = 0; i < reg->nresources; i++)
	{
		const AccumColumn *resource = &reg->resources[i];
		int			place = side->resources[i];

		if (place >= 0)
			appendStringInfo(sql, ", r.%s AS %s", accum_ident(reg->row_resources[place].name, ""),
							 accum_ident(resource->name, ""));
		else
			appendStringInfo(sql, ", 0::%s AS %s",
							 format_type_with_typemod(resource->type, resource->typmod),
							 accum_ident(resource->name, ""));
	}
	appendStringInfo(sql, " FROM %s r", reg->relation_names[ACCUM_MOVEMENTS]);
}

/*
 * Append movements as something to select from: a row for each side of each, with the
 * columns of its cell.
 */
void
accum_sides_append_rows(StringInfo sql, AccumRegister *reg, const char *alias)
{
	if (reg->nsides == 1)
	{
		appendStringInfo(sql, "%s %s", reg->relation_names[ACCUM_MOVEMENTS], alias);
		return;
	}
	for (int s = 0; s < reg->nsides; s++)
	{
		appendStringInfoString(sql, s == 0 ? "(" : " UNION ALL ");
		append_side(sql, reg, &reg->sides[s]);
	}
	appendStringInfo(sql, ") %s", alias);
}
