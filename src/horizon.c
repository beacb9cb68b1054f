/*
 * horizon.c
 *		The day before which a register's movements are archived.
 *
 * Movements before the horizon are not there any more; of them the totals tell, which
 * nobody may change.  So nothing is written or corrected there, and a question that
 * totals cannot answer is refused rather than answered wrongly.
 *
 * The horizon changes under an ACCESS EXCLUSIVE lock on movements (archive.c): whoever
 * holds any lock on them knows it.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "horizon.h"

/* Is anything of a register archived? */
bool
accum_horizon_set(const AccumRegister *reg)
{
	return reg->archived_before != ACCUM_DAY_MIN;
}

/* The first day that is not archived, in ISO form. */
char *
accum_horizon_text(const AccumRegister *reg)
{
	int			year;
	int			month;
	int			day;

	accum_day_to_civil(reg->archived_before, &year, &month, &day);
	return psprintf("%04d-%02d-%02d", year, month, day);
}

/* The SQLSTATE of what is refused here, and the fields that tell it from other such errors. */
static int
refused(const AccumRegister *reg)
{
	errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE);
	return accum_register_refuses(reg, ACCUM_MOVEMENTS, "archived");
}

/* Refuse to write, or take back, a movement of archived time. */
void
accum_horizon_check_period(AccumRegister *reg, TimestampTz period)
{
	if (accum_horizon_set(reg) && accum_zone_day(&reg->zone, period) < reg->archived_before)
		ereport(ERROR,
				(refused(reg),
				 errmsg("period \"%s\" lies in the archived time of register \"%s\"",
						timestamptz_to_str(period), reg->name),
				 errdetail("Movements before %s are archived.", accum_horizon_text(reg))));
}

/*
 * Refuse to correct documents that have movements in a partition unit, of that first day,
 * if these are archived.
 */
void
accum_horizon_check_document(AccumRegister *reg, AccumDay unit)
{
	if (unit < reg->archived_before)
		ereport(ERROR,
				(refused(reg),
				 errmsg("a document of register \"%s\" has archived movements", reg->name),
				 errdetail("Movements before %s are archived.", accum_horizon_text(reg)),
				 errhint("Post a document that corrects it at a later time.")));
}

/* Is any of [from, to) archived? */
static bool
reaches_archived(AccumRegister *reg, TimestampTz from, TimestampTz to)
{
	return accum_horizon_set(reg) && from < to &&
		from < accum_zone_day_start(&reg->zone, reg->archived_before);
}

/* Refuse a question for the movements of [from, to) themselves, if some are archived. */
void
accum_horizon_check_movements(AccumRegister *reg, TimestampTz from, TimestampTz to)
{
	if (reaches_archived(reg, from, to))
		ereport(ERROR,
				(refused(reg),
				 errmsg("the movements that are asked for are archived"),
				 errdetail("Movements of register \"%s\" before %s are archived.", reg->name,
						   accum_horizon_text(reg)),
				 errhint("Ask for movements since that day.")));
}

/* Refuse a question that needs the movements of [from, to), if some are archived. */
void
accum_horizon_check_detail(AccumRegister *reg, TimestampTz from, TimestampTz to)
{
	if (reaches_archived(reg, from, to))
		ereport(ERROR,
				(refused(reg),
				 errmsg("the movements that the answer needs are archived"),
				 errdetail("Movements of register \"%s\" before %s are archived.", reg->name,
						   accum_horizon_text(reg)),
				 errhint("Before that day, bounds must be those of a %s of the register's calendar.",
						 accum_unit_name(reg->totals_period))));
}

/*
 * Refuse a question about what was known of archived time at a moment before it was
 * archived: totals tell what was known then, and not when each movement was recorded.
 */
void
accum_horizon_check_known(AccumRegister *reg, TimestampTz known_at)
{
	if (known_at < reg->archived_at)
		ereport(ERROR,
				(refused(reg),
				 errmsg("the movements that the answer needs are archived"),
				 errdetail("Movements of register \"%s\" before %s were archived at %s, after known_at.",
						   reg->name, accum_horizon_text(reg), timestamptz_to_str(reg->archived_at))));
}
