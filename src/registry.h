/*
 * registry.h
 *		Registers as this backend knows them: definition, columns, relations.
 */
#ifndef ACCUM_REGISTRY_H
#define ACCUM_REGISTRY_H

#include "access/genam.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"
#include "utils/rel.h"

#include "definition.h"
#include "names.h"
#include "sides.h"
#include "zone.h"

/* A column of movements, ready for input, hashing and comparing. */
typedef struct AccumColumn
{
	char	   *name;
	AttrNumber	attnum;			/* in movements */
	Oid			type;
	int32		typmod;
	Oid			collation;
	int16		typlen;
	bool		typbyval;
	bool		required;		/* dimensions: NULL is refused */
	bool		is_account;		/* of a ledger's side: not empty */
	bool		is_subconto;	/* of a ledger's side: a flat JSON object, by default {} */
	bool		is_enum;		/* dimensions: hashed by label */
	Oid			input_param;
	FmgrInfo	input;
	FmgrInfo	output;
	FmgrInfo	hash;			/* dimensions only */
	FmgrInfo	equal;			/* dimensions, resources, attributes that have one */
	Oid			equal_operator;
} AccumColumn;

/* Where a relation keeps what cells are looked for by, and what is summed. */
typedef struct AccumCellColumns
{
	AttrNumber	dim_hash;
	AttrNumber	period;			/* none in the cache */
	const AttrNumber *dims;
	const AttrNumber *resources;	/* none where a movement's side adds nothing */
	Oid			period_type;
	Oid			index;			/* that cells are found by, InvalidOid until looked for */
} AccumCellColumns;

/*
 * What a movement adds to a cell, seen from one of its sides: a ledger's movements
 * have two, others one.
 */
typedef struct AccumSide
{
	const char *hash_name;
	AttrNumber	hash_attnum;	/* in movements */
	const int  *dims;			/* of each dimension of a cell, the place in row_dims */
	const int  *resources;		/* of each resource of a cell, the place in row_resources;
								 * -1 where the side adds nothing */
} AccumSide;

/* What the registry says of a column. */
typedef struct AccumDeclared
{
	char	   *name;
	bool		required;		/* dimensions */
	bool		unbalanced;		/* resources of ledgers */
} AccumDeclared;

/* Can a relation be written straight? */
typedef enum AccumVerdict
{
	ACCUM_UNKNOWN,
	ACCUM_YES,
	ACCUM_NO
} AccumVerdict;

/* What cached SPI plans are for; one that is kept by its text has no other purpose. */
typedef enum AccumPlanPurpose
{
	ACCUM_PLAN_TEXT,
	ACCUM_PLAN_NEW_CELLS,	/* derived.c */
	ACCUM_PLAN_ADD,	/* derived_sql.c */
	ACCUM_PLAN_TAKE,	/* fold.c */
	ACCUM_PLAN_PENDING,
	ACCUM_PLAN_LEFT,
	ACCUM_PLAN_NOTE,
	ACCUM_PLAN_COUNT,	/* inspect.c */
	ACCUM_PLAN_OLDEST,
	ACCUM_PLAN_DELETE,	/* post.c */
	ACCUM_PLAN_INSERT,	/* document.c */
	ACCUM_PLAN_SELECT,
	ACCUM_PLAN_REVERSED,
	ACCUM_PLAN_DELETE_OTHERS,
	ACCUM_PLAN_STORE,	/* recorders.c */
	ACCUM_PLAN_CLAIM,
	ACCUM_PLAN_CLAIM_ALL,
	ACCUM_PLAN_LOCK,
	ACCUM_PLAN_UNITS,
	ACCUM_PLAN_BUMP,
	ACCUM_PLAN_KEYS,
	ACCUM_PLAN_VISIBLE	/* scope.c */
} AccumPlanPurpose;

/*
 * What a cached SPI plan is for: a purpose with a variant of it, or, for queries
 * put together from what is asked, the hash of their text.
 */
typedef struct AccumPlanKey
{
	uint64		purpose;
	uint64		variant;
} AccumPlanKey;

/*
 * A register.  Valid until the end of the transaction for whoever got it, also
 * when an invalidation arrives meanwhile; a lock on movements keeps it true.
 */
typedef struct AccumRegister
{
	Oid			movements;		/* key of the cache */
	bool		valid;
	Oid			owner;
	char		name[NAMEDATALEN];
	AccumKind	kind;
	AccumUnit	totals_period;
	AccumUnit	partition_by;
	bool		high_write;		/* posts append deltas */
	bool		history;		/* movements stay, reversals are added */
	AccumDay	archived_before;	/* ACCUM_DAY_MIN when nothing is archived */
	int64		archived_movements;
	TimestampTz archived_at;	/* when the last ones were archived */
	uint64		seed;
	AccumZone	zone;
	AccumColumn recorder;
	int			ndims;			/* of cells, and so of derived tables */
	AccumColumn *dims;
	int			nresources;
	AccumColumn *resources;
	int			nrow_dims;		/* of movements: the same, but in ledgers */
	AccumColumn *row_dims;
	int			nrow_resources;
	AccumColumn *row_resources;
	int			nattributes;
	AccumColumn *attributes;
	int			nsides;
	AccumSide	sides[ACCUM_MAX_SIDES];
	AccumChart	chart;
	int			secured;		/* place in row_dims of the dimension that keeps tenants
								 * apart (scope.c), -1 when there is none */
	int			ndeclared;
	AccumDeclared *declared;	/* resources; ledgers only */
	AttrNumber	id_attnum;
	AttrNumber	recorded_at_attnum;
	AttrNumber	period_attnum;
	AttrNumber	type_attnum;
	AttrNumber	reverses_period_attnum; /* only with history */
	Oid			relations[ACCUM_ROLES];	/* InvalidOid where there is none */
	AccumCellColumns columns[ACCUM_ROLES];	/* of deltas and derived tables */
	AttrNumber	delta_created_at;
	int			nlimits;
	AccumLimitDef *limits;
	bool		every_date;		/* one of them looks at the ends of days, too */
	struct AccumLimits *parsed_limits;	/* limit_check.c's, NULL until needed */
	struct AccumSideRoom *side_rooms;	/* side_values.c's, NULL until needed */
	struct AccumChartAccounts *chart_accounts;	/* chart.c's, NULL until needed */
	struct AccumClosings *closings; /* closing.c's, NULL until needed */
	struct AccumBatchShape *batch_shape;	/* movement_json.c's, NULL until needed */
	struct AccumRowShape *row_shapes[ACCUM_ROLES];	/* derived_row.c's, NULL until needed */
	char	   *relation_names[ACCUM_ROLES];	/* qualified and quoted */
	bool		has_code[ACCUM_ROLES];	/* see accum_register_runs_nothing */
	AccumVerdict direct[ACCUM_ROLES];	/* can it be written straight?  kept by who asks */
	AccumDay	unit_with_partition;	/* known to partition.c, ACCUM_DAY_MIN if none is */
	int			new_documents;	/* one after the other, map.c's */
	HTAB	   *plans;			/* AccumPlanKey -> SPI plan */
	MemoryContext context;		/* owns everything above */
	struct AccumRegister *next_retired;
} AccumRegister;

/*
 * Has a register such a relation?  One that has ever had high_write keeps its
 * deltas, so that snapshots from before a change of mode find what they show.
 */
static inline bool
accum_register_has(const AccumRegister *reg, AccumRole role)
{
	return OidIsValid(reg->relations[role]);
}

/* Are the documents of a register kept apart by the values of a dimension? */
static inline bool
accum_register_secured(const AccumRegister *reg)
{
	return reg->secured >= 0;
}

/*
 * What a document is known by: its recorder, and its scope, the value of the dimension
 * that a secured register keeps documents apart by.
 */
typedef struct AccumDocumentKey
{
	Datum		recorder;
	Datum		scope;			/* 0 where the register is not secured */
} AccumDocumentKey;

/* The key of the document that a movement with these dimensions belongs to. */
static inline AccumDocumentKey
accum_document_key(const AccumRegister *reg, Datum recorder, const Datum *row_dims)
{
	return (AccumDocumentKey) {recorder, accum_register_secured(reg) ? row_dims[reg->secured] : (Datum) 0};
}

/*
 * Does writing a row of a relation run no code of its owner's, as an index on an
 * expression or a CHECK constraint would?  What an invalidation has marked is not
 * relied upon.
 */
static inline bool
accum_register_runs_nothing(const AccumRegister *reg, AccumRole role)
{
	return reg->valid && !reg->has_code[role];
}

/* Do totals keep the sums of receipts?  In a ledger each side has a sum of its own. */
static inline bool
accum_register_keeps_receipts(const AccumRegister *reg)
{
	return reg->kind != ACCUM_KIND_LEDGER;
}

/* How many dimensions were declared: the last ones of cells and of movements. */
static inline int
accum_register_declared_dims(const AccumRegister *reg)
{
	return reg->ndims - (reg->kind == ACCUM_KIND_LEDGER ? ACCUM_SIDE_COLUMNS : 0);
}

/*
 * What the caller must be allowed to do with movements.  A register's admin is its
 * owner, and who has TRUNCATE on movements: a privilege that gives nothing else,
 * because TRUNCATE itself is refused to everybody.
 */
typedef struct AccumAccess
{
	bool		owner;
	bool		admin;
	bool		archives;		/* take movements out: admin, or with history the owner */
	bool		removes;		/* take movements back: DELETE, or with history INSERT */
	AclMode		privileges;
} AccumAccess;

extern void accum_registry_init(void);
extern AttrNumber *accum_columns_attnums(Oid relation, const AccumColumn *columns, int n);
extern Oid	accum_schema_oid(void);
extern Oid	accum_registry_owner(void);
extern Oid	accum_registry_table(const char *name);
extern SysScanDesc accum_registry_scan(Relation rel, AttrNumber attnum, RegProcedure equal,
									   Datum key);
extern bool accum_register_exists(const char *name);
extern Oid	accum_register_owner(AccumRegister *reg);
extern void accum_register_check_not_in_use(AccumRegister *reg);
extern AccumRegister *accum_register_open(const char *name, LOCKMODE lockmode,
										  const AccumAccess *access);
extern AccumRegister *accum_register_named(FunctionCallInfo fcinfo, LOCKMODE lockmode,
										   const AccumAccess *access);
extern Interval *accum_interval_argument(FunctionCallInfo fcinfo, int n, const char *name);
extern AccumRegister *accum_register_hold(Oid movements, LOCKMODE lockmode);
extern AccumRegister *accum_register_of_movements(Oid relation);
extern AccumRegister *accum_register_newest(AccumRegister *reg);
extern AccumRegister *accum_register_reseeded(AccumRegister *reg);
extern int	accum_register_refuses(const AccumRegister *reg, AccumRole role, const char *constraint);
extern AccumRegister *accum_register_of_chart(Oid relation, LOCKMODE lockmode);
extern SPIPlanPtr *accum_register_plan(AccumRegister *reg, const AccumPlanKey *key);
extern SPIPlanPtr *accum_register_text_plan(AccumRegister *reg, const char *sql);

#endif							/* ACCUM_REGISTRY_H */
