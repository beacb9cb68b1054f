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
 * Is the instant one that a movement may have: finite, and in the years 0001
 * to 9999 of the register's calendar?
 */
bool
accum_period_valid(const AccumZone *zone, TimestampTz period)
{
	static TimestampTz low = 0;
	static TimestampTz high = 0;

	/* Two days inside the limits no time zone matters. */
	if (low == 0)
	{
		low = (int64) accum_day_from_civil(1, 1, 3) * USECS_PER_DAY;
		high = (int64) accum_day_from_civil(9999, 12, 30) * USECS_PER_DAY;
	}
	if (period >= low && period < high)
		return true;
	if (TIMESTAMP_NOT_FINITE(period))
		return false;
	if (period < low - 4 * USECS_PER_DAY || period > high + 4 * USECS_PER_DAY)
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
