/*
 * registry.h
 *		Registers as this backend knows them: definition, columns, relations.
 */
#ifndef ACCUM_REGISTRY_H
#define ACCUM_REGISTRY_H

#include "executor/spi.h"
#include "fmgr.h"
#include "storage/lockdefs.h"
#include "utils/acl.h"
#include "utils/rel.h"

#include "definition.h"
#include "names.h"
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
	bool		is_enum;		/* dimensions: hashed by label */
	Oid			input_param;
	FmgrInfo	input;
	FmgrInfo	output;
	FmgrInfo	hash;			/* dimensions only */
	FmgrInfo	equal;			/* dimensions, resources, attributes that have one */
	Oid			equal_operator;
} AccumColumn;

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
	char		name[NAMEDATALEN];
	AccumKind	kind;
	AccumUnit	totals_period;
	AccumUnit	partition_by;
	bool		high_write;
	uint64		seed;
	AccumZone	zone;
	AccumColumn recorder;
	int			ndims;
	AccumColumn *dims;
	int			nresources;
	AccumColumn *resources;
	int			nattributes;
	AccumColumn *attributes;
	AttrNumber	id_attnum;
	AttrNumber	recorded_at_attnum;
	AttrNumber	period_attnum;
	AttrNumber	type_attnum;
	AttrNumber	hash_attnum;
	Oid			relations[ACCUM_ROLES];	/* InvalidOid where there is none */
	AttrNumber	hash_attnums[ACCUM_ROLES];	/* of cache and totals, like the */
	AttrNumber	period_attnums[ACCUM_ROLES];	/* next three; none in the cache */
	AttrNumber *dim_attnums[ACCUM_ROLES];
	AttrNumber *resource_attnums[ACCUM_ROLES];
	char	   *relation_names[ACCUM_ROLES];	/* qualified and quoted */
	HTAB	   *plans;			/* AccumPlanKey -> SPI plan */
	MemoryContext context;		/* owns everything above */
	struct AccumRegister *next_retired;
} AccumRegister;

/* What the caller must be allowed to do with movements. */
typedef struct AccumAccess
{
	bool		owner;
	AclMode		privileges;
} AccumAccess;

extern void accum_registry_init(void);
extern AttrNumber *accum_columns_attnums(Oid relation, const AccumColumn *columns, int n);
extern Oid	accum_schema_oid(void);
extern Oid	accum_registry_owner(void);
extern bool accum_register_exists(const char *name);
extern Oid	accum_register_owner(AccumRegister *reg);
extern AccumRegister *accum_register_open(const char *name, LOCKMODE lockmode,
										  const AccumAccess *access);
extern AccumRegister *accum_register_of_movements(Oid relation);
extern SPIPlanPtr *accum_register_plan(AccumRegister *reg, const AccumPlanKey *key);
extern SPIPlanPtr *accum_register_text_plan(AccumRegister *reg, const char *sql);

#endif							/* ACCUM_REGISTRY_H */
