/*
 * leaf.c
 *		Partitions of movements as row triggers meet them.
 *
 * A row trigger runs on the partition that the row goes to, whose columns may
 * be numbered differently from those of movements.  What is known of a partition
 * is cached for the session and forgotten with any change to it or to movements,
 * its memory at the end of the transaction.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "leaf.h"

static HTAB *leaves = NULL;
static AccumLeaf *last_leaf = NULL; /* the one asked for last, NULL if it has gone */
static bool some_invalid = false;

static void
leaf_relcache_callback(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS status;
	AccumLeaf  *leaf;

	if (leaves == NULL)
		return;
	hash_seq_init(&status, leaves);
	while ((leaf = hash_seq_search(&status)) != NULL)
	{
		if (relation == InvalidOid || relation == leaf->relation || relation == leaf->movements)
		{
			leaf->valid = false;
			some_invalid = true;
		}
	}
}

/* At the end of a transaction nobody holds an entry: free those out of use. */
static void
leaf_xact_callback(XactEvent event, void *arg)
{
	HASH_SEQ_STATUS status;
	AccumLeaf  *leaf;

	if (!some_invalid || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
						  event != XACT_EVENT_PREPARE))
		return;
	hash_seq_init(&status, leaves);
	while ((leaf = hash_seq_search(&status)) != NULL)
	{
		if (leaf->valid)
			continue;
		if (leaf->context != NULL)
			MemoryContextDelete(leaf->context);
		hash_search(leaves, &leaf->relation, HASH_REMOVE, NULL);
		last_leaf = NULL;
	}
	some_invalid = false;
}

/* Once per backend, when the library is loaded. */
void
accum_leaf_init(void)
{
	HASHCTL		info = {.keysize = sizeof(Oid),.entrysize = sizeof(AccumLeaf)};

	leaves = hash_create("accum partitions", 64, &info, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(leaf_relcache_callback, (Datum) 0);
	RegisterXactCallback(leaf_xact_callback, NULL);
}

static AttrNumber
leaf_attnum(Oid relation, const char *column)
{
	AttrNumber	attnum = get_attnum(relation, column);

	if (attnum == InvalidAttrNumber)
		elog(ERROR, "partition %u has no column \"%s\"", relation, column);
	return attnum;
}

static AccumRegister *
leaf_parent_register(AccumLeaf *leaf, Relation relation)
{
	AccumRegister *reg = NULL;

	if (OidIsValid(leaf->movements))
		reg = accum_register_of_movements(leaf->movements);
	if (reg == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("relation \"%s\" is not a partition of a register's movements",
						RelationGetRelationName(relation))));
	return reg;
}

/*
 * Does a partition refuse DML that is not sent through movements?  Rows so
 * written would not be counted.
 */
static bool
has_guard(Relation relation)
{
	TriggerDesc *triggers = relation->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (strcmp(trigger->tgname, "accum_guard") == 0 &&
			TRIGGER_FOR_BEFORE(trigger->tgtype) && !TRIGGER_FOR_ROW(trigger->tgtype) &&
			TRIGGER_FOR_INSERT(trigger->tgtype) && TRIGGER_FOR_DELETE(trigger->tgtype))
			return true;
	}
	return false;
}

/* The columns by which a side's cells are looked for, and those that are summed. */
static AccumCellColumns
side_columns(const AccumLeaf *leaf, const AccumRegister *reg, int s)
{
	const AccumSide *side = &reg->sides[s];
	AttrNumber *dims = palloc(sizeof(AttrNumber) * (reg->ndims + 1));
	AttrNumber *resources = palloc(sizeof(AttrNumber) * reg->nresources);

	for (int i = 0; i < reg->ndims; i++)
		dims[i] = leaf->dims[reg->nsides == 1 ? i : side->dims[i]];
	for (int i = 0; i < reg->nresources; i++)
	{
		int			place = reg->nsides == 1 ? i : side->resources[i];

		resources[i] = place >= 0 ? leaf->resources[place] : InvalidAttrNumber;
	}
	return (AccumCellColumns) {
		.dim_hash = leaf->hashes[s],
		.period = leaf->period,
		.dims = dims,
		.resources = resources,
		.period_type = TIMESTAMPTZOID,
	};
}

static void
leaf_load(AccumLeaf *leaf, Relation relation)
{
	Oid			oid = RelationGetRelid(relation);
	AccumRegister *reg;
	MemoryContext old;

	if (leaf->context != NULL)
		MemoryContextReset(leaf->context);
	else
		leaf->context = AllocSetContextCreate(CacheMemoryContext, "accum partition",
											  ALLOCSET_SMALL_SIZES);
	leaf->movements = relation->rd_rel->relispartition ? get_partition_parent(oid, false)
		: InvalidOid;
	reg = leaf_parent_register(leaf, relation);
	if (!has_guard(relation))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("partition \"%s\" has no guard against direct changes",
						RelationGetRelationName(relation)),
				 errhint("Create on it the trigger \"accum_guard\" that other partitions of the register have.")));

	old = MemoryContextSwitchTo(leaf->context);
	leaf->id = leaf_attnum(oid, "id");
	leaf->recorded_at = leaf_attnum(oid, "recorded_at");
	leaf->recorder = leaf_attnum(oid, "recorder");
	leaf->period = leaf_attnum(oid, "period");
	leaf->movement_type = leaf_attnum(oid, "movement_type");
	leaf->reverses[0] = reg->history ? leaf_attnum(oid, "reverses") : InvalidAttrNumber;
	leaf->reverses[1] = reg->history ? leaf_attnum(oid, "reverses_period") : InvalidAttrNumber;
	leaf->dims = accum_columns_attnums(oid, reg->row_dims, reg->nrow_dims);
	leaf->resources = accum_columns_attnums(oid, reg->row_resources, reg->nrow_resources);
	leaf->attributes = accum_columns_attnums(oid, reg->attributes, reg->nattributes);
	for (int s = 0; s < reg->nsides; s++)
	{
		leaf->hashes[s] = leaf_attnum(oid, reg->sides[s].hash_name);
		leaf->sides[s] = side_columns(leaf, reg, s);
	}
	MemoryContextSwitchTo(old);
	leaf->valid = true;
}

/* The entry of a partition, made if there is none; then it is not valid. */
static AccumLeaf *
leaf_find(Oid relation)
{
	bool		found;

	if (last_leaf != NULL && last_leaf->relation == relation)
		return last_leaf;
	last_leaf = hash_search(leaves, &relation, HASH_ENTER, &found);
	if (!found)
	{
		last_leaf->valid = false;
		last_leaf->context = NULL;
		last_leaf->movements = InvalidOid;
		some_invalid = true;	/* it may never become valid */
	}
	return last_leaf;
}

/*
 * The register that a partition belongs to, and the partition's columns.
 *
 * Raises trigger_protocol_violated when the relation belongs to none.
 */
AccumRegister *
accum_leaf_register(Relation relation, AccumLeaf **leaf)
{
	*leaf = leaf_find(RelationGetRelid(relation));
	if (!(*leaf)->valid)
		leaf_load(*leaf, relation);
	return leaf_parent_register(*leaf, relation);
}

/* The columns by which cells of a side are looked for in a partition, and those that are summed. */
AccumCellColumns
accum_leaf_cell_columns(const AccumLeaf *leaf, int side)
{
	return leaf->sides[side];
}
