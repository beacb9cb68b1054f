/*
 * triggers.c
 *		Trigger functions on the relations of a register.
 *
 * Movements: a row trigger prepares each new row (the cell's hash, checks), and
 * statement triggers hand what a statement changed to the engine.  Guards refuse
 * what would make derived tables wrong.
 *
 * Each function proves its calling context before it looks at data.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cell.h"
#include "engine.h"
#include "guarded.h"
#include "horizon.h"
#include "leaf.h"
#include "movement_id.h"
#include "recorded.h"
#include "resource.h"
#include "reversal.h"
#include "side_values.h"

PG_FUNCTION_INFO_V1(accum_movement_prepare);
PG_FUNCTION_INFO_V1(accum_movements_changed);
PG_FUNCTION_INFO_V1(accum_guard_movements);
PG_FUNCTION_INFO_V1(accum_guard_partition);
PG_FUNCTION_INFO_V1(accum_guard_derived);

static TriggerData *
trigger_data(FunctionCallInfo fcinfo, const char *function)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", function)));
	return (TriggerData *) fcinfo->context;
}

static void
called_wrongly(const char *function)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function \"%s\" was called for the wrong event", function)));
}

static Datum
value_fetch(TupleTableSlot *row, AttrNumber attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(row, attnum, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("column \"%s\" of a movement must not be null",
						NameStr(TupleDescAttr(row->tts_tupleDescriptor, attnum - 1)->attname))));
	return value;
}

static void
check_period(AccumRegister *reg, Datum period)
{
	TimestampTz instant = DatumGetTimestampTz(period);

	if (!accum_period_valid(&reg->zone, instant))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("period is out of range: \"%s\"", timestamptz_to_str(instant)),
				 errdetail("A period lies in the years 0001 to 9999.")));
	accum_horizon_check_period(reg, instant);
}

static bool
text_is(const text *value, const char *word)
{
	return VARSIZE_ANY_EXHDR(value) == strlen(word) &&
		memcmp(VARDATA_ANY(value), word, strlen(word)) == 0;
}

static void
check_movement_type(Datum value)
{
	text	   *type = DatumGetTextPP(value);

	if (!text_is(type, "regular") && !text_is(type, "adjustment"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid movement_type: \"%s\"", text_to_cstring(type)),
				 errhint("Valid values are \"regular\" and \"adjustment\".")));
}

/* Only a reversal of the engine's points to another movement. */
static void
check_reversal(AccumRegister *reg, const AccumLeaf *leaf, TupleTableSlot *row)
{
	Datum		type = value_fetch(row, leaf->movement_type);

	if (reg->history && text_is(DatumGetTextPP(type), "reversal") &&
		accum_reversal_check(reg, leaf, row))
		return;
	check_movement_type(type);
	for (size_t i = 0; reg->history && i < lengthof(leaf->reverses); i++)
	{
		AttrNumber	attnum = leaf->reverses[i];

		if (!slot_attisnull(row, attnum))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" of a movement must be null",
							NameStr(TupleDescAttr(row->tts_tupleDescriptor, attnum - 1)->attname)),
					 errdetail("Only reversals, which the register writes itself, have a value there.")));
	}
}

static Datum
check_resource(AccumRegister *reg, const AccumColumn *column, Datum value)
{
	Datum		negated;

	if (!accum_value_finite(column->type, value))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("resource \"%s\" must be finite", column->name)));
	if (reg->history && !accum_value_negate(column->type, column->typmod, value, &negated))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("resource \"%s\" is out of range", column->name),
				 errdetail("Its reversal would not fit the type.")));
	return value;
}

/* An account, or subconto, of a ledger's side. */
static Datum
check_side_value(const AccumColumn *column, Datum value)
{
	const char *expected = accum_side_value_expected(column, value);

	if (expected != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" of a movement must be %s", column->name, expected)));
	return value;
}

/* Where in a tuple a column's value is, NULL when it has none. */
static char *
value_address(HeapTuple row, TupleDesc desc, AttrNumber attnum)
{
	char	   *data = (char *) row->t_data + row->t_data->t_hoff;
	uint32		offset = 0;

	if (heap_attisnull(row, attnum, NULL))
		return NULL;
	for (int i = 0; i < attnum; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (HeapTupleHasNulls(row) && att_isnull(i, row->t_data->t_bits))
			continue;
		offset = att_align_pointer(offset, attribute->attalign, attribute->attlen, data + offset);
		if (i < attnum - 1)
			offset = att_addlength_pointer(offset, attribute->attlen, data + offset);
	}
	return data + offset;
}

/*
 * Put the hashes of its cells into a row that is about to be written; returns the row.
 *
 * They are put where the default's 0 is, in the executor's own copy of the row, which it
 * makes for BEFORE triggers and has twice, as slot and as tuple.  A tuple of ours would
 * have to be taken apart again, for each row.  Only where NULL leaves no room for a
 * hash it needs another tuple.
 */
static HeapTuple
set_hashes(TriggerData *trigger, int n, const AttrNumber *attnums, const int64 *hashes)
{
	HeapTuple	row = trigger->tg_trigtuple;
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	TupleTableSlot *slot = trigger->tg_trigslot;
	char	   *places[ACCUM_MAX_SIDES];
	Datum		values[ACCUM_MAX_SIDES];
	int			columns[ACCUM_MAX_SIDES];
	bool		nulls[ACCUM_MAX_SIDES] = {false};
	bool		room = true;

	for (int i = 0; i < n; i++)
	{
		places[i] = value_address(row, desc, attnums[i]);
		values[i] = Int64GetDatum(hashes[i]);
		columns[i] = attnums[i];
		room = room && places[i] != NULL;
	}
	if (!room)
		return heap_modify_tuple_by_cols(row, desc, n, columns, values, nulls);
	for (int i = 0; i < n; i++)
	{
		memcpy(places[i], &hashes[i], sizeof(int64));
		if (attnums[i] <= slot->tts_nvalid)
			slot->tts_values[attnums[i] - 1] = values[i];
	}
	return row;
}

/*
 * The same with history, where movements tell what was known when: which one it is and
 * when it was recorded is for the register to say, not for the writer.
 */
static HeapTuple
set_recorded(TriggerData *trigger, AccumRegister *reg, const AccumLeaf *leaf, int64 hash)
{
	int			columns[] = {leaf->hashes[0], leaf->recorded_at, leaf->id};
	Datum		values[lengthof(columns)];
	bool		nulls[lengthof(columns)] = {false};
	pg_uuid_t	id;

	accum_movement_id_next(&id);
	values[0] = Int64GetDatum(hash);
	values[1] = TimestampTzGetDatum(accum_recorded_at(reg));
	values[2] = UUIDPGetDatum(&id);
	return heap_modify_tuple_by_cols(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation),
									 lengthof(columns), columns, values, nulls);
}

/* Does a row trigger run before rows are inserted in this session? */
static bool
runs_before_insert(const Trigger *trigger)
{
	bool		replica = SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA;

	return TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE,
								TRIGGER_TYPE_INSERT) &&
		(trigger->tgenabled == TRIGGER_FIRES_ALWAYS ||
		 trigger->tgenabled == (replica ? TRIGGER_FIRES_ON_REPLICA : TRIGGER_FIRES_ON_ORIGIN));
}

/*
 * With history a movement is written as it was prepared: nothing but the trigger that
 * does this knows which reversal was meant, and which id and recorded_at it gave.  So no
 * other one may come later.  A partition's triggers are sorted as they fire.
 */
static void
check_prepared_last(TriggerData *trigger, AccumRegister *reg)
{
	TriggerDesc *triggers = trigger->tg_relation->trigdesc;

	for (int i = triggers->numtriggers - 1; i >= 0; i--)
	{
		const Trigger *other = &triggers->triggers[i];

		if (other->tgoid == trigger->tg_trigger->tgoid)
			return;
		if (runs_before_insert(other))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("trigger \"%s\" of register \"%s\" fires after \"%s\"",
							other->tgname, reg->name, trigger->tg_trigger->tgname),
					 errdetail("In a register with history movements are written as they were checked."),
					 errhint("Give triggers that fire before each row names that sort before \"%s\".",
							 trigger->tg_trigger->tgname)));
	}
}

/*
 * accum._movement_prepare(), BEFORE INSERT FOR EACH ROW on movements
 *
 * Checks the row and computes dim_hash, whatever the writer put there.
 */
Datum
accum_movement_prepare(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, "_movement_prepare");
	TupleTableSlot *row = trigger->tg_trigslot;
	AccumLeaf  *leaf;
	AccumRegister *reg;
	Datum		dims[ACCUM_MAX_COLUMNS];
	bool		nulls[ACCUM_MAX_COLUMNS] = {false};
	Datum		resources[ACCUM_MAX_COLUMNS];
	int64		hashes[ACCUM_MAX_SIDES];

	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		called_wrongly("_movement_prepare");
	reg = accum_leaf_register(trigger->tg_relation, &leaf);

	if (reg->history)
		check_prepared_last(trigger, reg);
	check_period(reg, value_fetch(row, leaf->period));
	check_reversal(reg, leaf, row);
	accum_column_check_size(&reg->recorder, "column", value_fetch(row, leaf->recorder));
	for (int i = 0; i < reg->nrow_resources; i++)
		resources[i] = check_resource(reg, &reg->row_resources[i],
									  value_fetch(row, leaf->resources[i]));
	for (int i = 0; i < reg->nrow_dims; i++)
	{
		dims[i] = reg->row_dims[i].is_account || reg->row_dims[i].is_subconto
			? check_side_value(&reg->row_dims[i], value_fetch(row, leaf->dims[i]))
			: slot_getattr(row, leaf->dims[i], &nulls[i]);
		if (!nulls[i])
			accum_column_check_size(&reg->row_dims[i], "dimension", dims[i]);
	}
	for (int side = 0; side < reg->nsides; side++)
	{
		AccumSideValues cell = accum_side_values(reg, side, dims, nulls, resources);

		hashes[side] = accum_cell_hash(reg, cell.dims, cell.nulls);
	}
	return PointerGetDatum(reg->history ? set_recorded(trigger, reg, leaf, hashes[0])
						   : set_hashes(trigger, reg->nsides, leaf->hashes, hashes));
}

/*
 * accum._movements_changed(), AFTER INSERT or DELETE FOR EACH STATEMENT on
 * movements, with a transition table
 *
 * Brings the derived tables up to date.
 */
Datum
accum_movements_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, "_movements_changed");
	bool		inserted = TRIGGER_FIRED_BY_INSERT(trigger->tg_event);
	Tuplestorestate *rows = inserted ? trigger->tg_newtable : trigger->tg_oldtable;
	AccumRegister *reg;

	if (!TRIGGER_FIRED_AFTER(trigger->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) ||
		!(inserted || TRIGGER_FIRED_BY_DELETE(trigger->tg_event)) || rows == NULL)
		called_wrongly("_movements_changed");
	reg = accum_register_of_movements(RelationGetRelid(trigger->tg_relation));

	/* A second trigger of this function would count everything twice. */
	if (reg == NULL ||
		strcmp(trigger->tg_trigger->tgname, inserted ? "accum_insert" : "accum_delete") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" of relation \"%s\" is not a register's own",
						trigger->tg_trigger->tgname,
						RelationGetRelationName(trigger->tg_relation))));

	if (tuplestore_tuple_count(rows) > 0)
		accum_engine_apply(reg, RelationGetDescr(trigger->tg_relation), rows, inserted ? 1 : -1);
	return PointerGetDatum(NULL);
}

static TriggerData *
guard_data(FunctionCallInfo fcinfo, const char *function)
{
	TriggerData *trigger = trigger_data(fcinfo, function);

	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		called_wrongly(function);
	return trigger;
}

/*
 * accum._guard_movements(), BEFORE UPDATE OR TRUNCATE, with history also DELETE, FOR EACH
 * STATEMENT on movements
 */
Datum
accum_guard_movements(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = guard_data(fcinfo, "_guard_movements");

	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("movements in \"%s\" cannot be updated",
						RelationGetRelationName(trigger->tg_relation)),
				 errhint("Use accum.register_repost() to correct a document.")));
	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("movements in \"%s\" cannot be deleted",
						RelationGetRelationName(trigger->tg_relation)),
				 errdetail("The register was created with history."),
				 errhint("Use accum.register_unpost() to cancel a document.")));
	if (!accum_guarded_writes(RelationGetRelid(trigger->tg_relation)))
	{
		AccumRegister *reg = accum_register_of_movements(RelationGetRelid(trigger->tg_relation));

		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("movements in \"%s\" cannot be truncated",
						RelationGetRelationName(trigger->tg_relation)),
				 reg != NULL && reg->history
				 ? errhint("Use accum.register_unpost() to cancel documents.")
				 : errhint("Use DELETE, or accum.register_clear() to empty the register.")));
	}
	return PointerGetDatum(NULL);
}

/* Is a partition being truncated because all movements are, by register_clear? */
static bool
is_cleared(TriggerData *trigger)
{
	return TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) &&
		trigger->tg_relation->rd_rel->relispartition &&
		accum_guarded_writes(get_partition_parent(RelationGetRelid(trigger->tg_relation), true));
}

/* accum._guard_partition(), BEFORE any DML FOR EACH STATEMENT on a partition */
Datum
accum_guard_partition(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = guard_data(fcinfo, "_guard_partition");

	if (!is_cleared(trigger))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("partition \"%s\" cannot be modified directly",
						RelationGetRelationName(trigger->tg_relation)),
				 errhint("Write to the movements table that it is a partition of.")));
	return PointerGetDatum(NULL);
}

/* accum._guard_derived(), BEFORE any DML FOR EACH STATEMENT on a derived table */
Datum
accum_guard_derived(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = guard_data(fcinfo, "_guard_derived");

	if (!accum_guarded_writes(RelationGetRelid(trigger->tg_relation)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("Direct modification of derived table is not allowed. "
						"Use register_rebuild_totals() / register_rebuild_cache() for corrections."),
				 errhint("Derived tables follow from movements.")));
	return PointerGetDatum(NULL);
}
