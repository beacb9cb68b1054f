/*
 * zone.c
 *		Instants and the days of a register's time zone.
 *
 * Day D is the half-open range of instants from D 00:00 to D+1 00:00, each as
 * PostgreSQL converts that local time to an instant.  Where a clock skips
 * midnight the day begins with its first instant; where a clock goes back over
 * midnight the repeated minutes belong to the day that the range puts them in.
 * Days so defined never overlap, so sums over days are sums over ranges of
 * instants, which is what every total relies on.
 *
 * The session's TimeZone has no part in this.
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "zone.h"

/* Set up a register's calendar; name was checked when it was declared. */
void
accum_zone_init(AccumZone *zone, const char *name, int year_start)
{
	memset(zone, 0, sizeof(*zone));
	zone->tz = pg_tzset(name);
	if (zone->tz == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" not recognized", name)));
	zone->year_start = year_start;
}

/* The first instant of a day. */
TimestampTz
accum_zone_day_start(const AccumZone *zone, AccumDay day)
{
	struct pg_tm tm = {0};
	int			offset;
	TimestampTz result;

	accum_day_to_civil(day, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
	offset = DetermineTimeZoneOffset(&tm, zone->tz);
	if (tm2timestamp(&tm, 0, &offset, &result) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return result;
}

/* The local date of an instant, which is the day but for minutes repeated. */
static AccumDay
local_date(const AccumZone *zone, TimestampTz instant)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			offset;

	if (timestamp2tm(instant, &offset, &tm, &fsec, NULL, zone->tz) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return accum_day_from_civil(tm.tm_year, tm.tm_mon, tm.tm_mday);
}

/*
 * No movement has a period before the first or after the second of these, in
 * whatever time zone: the years 0001 to 9999, and some days.
 */
static TimestampTz
earliest_instant(void)
{
	return ((int64) accum_day_from_civil(1, 1, 1) - 4) * USECS_PER_DAY;
}

static TimestampTz
latest_instant(void)
{
	return ((int64) accum_day_from_civil(10000, 1, 1) + 4) * USECS_PER_DAY;
}

/*
 * Is the instant one that a movement may have: finite, and in the years 0001
 * to 9999 of the register's calendar?
 */
bool
accum_period_valid(const AccumZone *zone, TimestampTz period)
{
	/* Almost always: well inside, so that no time zone matters. */
	if (period >= 0 && period < latest_instant() - 8 * USECS_PER_DAY)
		return true;
	if (period < earliest_instant() || period > latest_instant())
		return false;
	return period >= accum_zone_day_start(zone, accum_day_from_civil(1, 1, 1)) &&
		period < accum_zone_day_start(zone, accum_day_from_civil(10000, 1, 1));
}

/*
 * The day that holds an instant.  The instant must be finite.
 *
 * Movements come in runs of one day, so the last day is kept.
 */
AccumDay
accum_zone_day(AccumZone *zone, TimestampTz instant)
{
	AccumDay	day;
	TimestampTz start;
	TimestampTz end;

	if (instant >= zone->day_start && instant < zone->day_end)
		return zone->day;

	day = local_date(zone, instant);
	start = accum_zone_day_start(zone, day);
	while (instant < start)
		start = accum_zone_day_start(zone, --day);
	end = accum_zone_day_start(zone, day + 1);
	while (instant >= end)
	{
		start = end;
		end = accum_zone_day_start(zone, ++day + 1);
	}

	zone->day = day;
	zone->day_start = start;
	zone->day_end = end;
	return day;
}

/*
 * The first instant after an inclusive upper bound.
 *
 * A bound that is exactly the first instant of a day means that whole day; any
 * other means that instant.  Bounds beyond all movements come back infinite.
 */
TimestampTz
accum_zone_bound_after(AccumZone *zone, TimestampTz bound)
{
	if (bound < earliest_instant())
		return DT_NOBEGIN;
	if (bound > latest_instant())
		return DT_NOEND;
	(void) accum_zone_day(zone, bound);
	return zone->day_start == bound ? zone->day_end : bound + 1;
}

/*
 * Open the ends of [from, to) that lie beyond all movements; make the range
 * empty (both ends the same) when it does not reach any.
 */
void
accum_zone_clamp(TimestampTz *from, TimestampTz *to)
{
	if (*from >= *to || *from > latest_instant() || *to < earliest_instant())
		*from = *to = 0;
	if (*from < earliest_instant())
		*from = DT_NOBEGIN;
	if (*to > latest_instant())
		*to = DT_NOEND;
}

static void
cut_add_fragment(AccumCut *cut, TimestampTz from, TimestampTz to)
{
	if (from < to)
		cut->fragments[cut->nfragments++] = (AccumFragment) {from, to};
}

/*
 * Cut the instants [from, to) into spans of totals and fragments; infinite
 * bounds leave an end open.  finest and coarsest are the totals levels to use.
 */
void
accum_zone_cut(AccumZone *zone, TimestampTz from, TimestampTz to,
			   AccumUnit finest, AccumUnit coarsest, AccumCut *cut)
{
	AccumDay	from_day = ACCUM_DAY_MIN;
	AccumDay	to_day = ACCUM_DAY_MAX;

	memset(cut, 0, sizeof(*cut));
	accum_zone_clamp(&from, &to);
	if (from >= to)
		return;

	if (from != DT_NOBEGIN)
	{
		from_day = accum_zone_day(zone, from);
		if (zone->day_start != from)
			from_day++;
	}
	if (to != DT_NOEND)
		to_day = accum_zone_day(zone, to);
	accum_range_decompose(from_day, to_day, finest, coarsest, zone->year_start, &cut->range);

	if (cut->range.nspans == 0)
	{
		cut_add_fragment(cut, from, to);
		return;
	}
	if (cut->range.totals_from != ACCUM_DAY_MIN)
		cut_add_fragment(cut, from, accum_zone_day_start(zone, cut->range.totals_from));
	if (cut->range.totals_to != ACCUM_DAY_MAX)
		cut_add_fragment(cut, accum_zone_day_start(zone, cut->range.totals_to), to);
}
