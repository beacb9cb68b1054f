/*
 * calendar.c
 *		Days, calendar units and the decomposition of a range of days.
 *
 * A unit is named by its first day.  Years, and with them quarters, may begin
 * in any month (year_start, 1 to 12): with year_start = 4 the day 2026-02-10
 * lies in the year 2025-04-01.  Weeks begin on Monday, as in ISO 8601.
 *
 * Pure: nothing here knows of instants or time zones (see zone.c).
 */
#include "pure.h"

#include "calendar.h"

/* Days from 0000-03-01 to 2000-01-01 in the proleptic Gregorian calendar. */
#define EPOCH_SHIFT 730425

#define DAYS_PER_ERA 146097		/* 400 years */

static const char *const unit_names[] = {
	[ACCUM_UNIT_DAY] = "day",
	[ACCUM_UNIT_WEEK] = "week",
	[ACCUM_UNIT_MONTH] = "month",
	[ACCUM_UNIT_QUARTER] = "quarter",
	[ACCUM_UNIT_YEAR] = "year",
};

/* Find the unit called name; false, and nothing set, when there is none. */
bool
accum_unit_from_name(const char *name, AccumUnit *unit)
{
	for (size_t i = 0; i < lengthof(unit_names); i++)
	{
		if (strcmp(name, unit_names[i]) == 0)
		{
			*unit = (AccumUnit) i;
			return true;
		}
	}
	return false;
}

const char *
accum_unit_name(AccumUnit unit)
{
	return unit_names[unit];
}

/* Quotient rounded towards minus infinity, for days before the epoch. */
static int
floor_div(int dividend, int divisor)
{
	int			quotient = dividend / divisor;

	return (dividend % divisor < 0) ? quotient - 1 : quotient;
}

/*
 * The day number of a date; year 0 is 1 BC.
 *
 * Counting years from March puts the leap day last, so that the days before a
 * month are a linear function of it: Howard Hinnant, "chrono-Compatible
 * Low-Level Date Algorithms", days_from_civil.
 */
AccumDay
accum_day_from_civil(int year, int month, int day)
{
	int			march_year = (month <= 2) ? year - 1 : year;
	int			era = floor_div(march_year, 400);
	int			year_of_era = march_year - era * 400;
	int			march_month = (month + 9) % 12;
	int			day_of_year = (153 * march_month + 2) / 5 + day - 1;
	int			day_of_era = year_of_era * 365 + year_of_era / 4
		- year_of_era / 100 + day_of_year;

	return era * DAYS_PER_ERA + day_of_era - EPOCH_SHIFT;
}

/* The date of a day number; the inverse of accum_day_from_civil. */
void
accum_day_to_civil(AccumDay day, int *year, int *month, int *mday)
{
	int			shifted = day + EPOCH_SHIFT;
	int			era = floor_div(shifted, DAYS_PER_ERA);
	int			day_of_era = shifted - era * DAYS_PER_ERA;
	int			year_of_era = (day_of_era - day_of_era / 1460
							   + day_of_era / 36524 - day_of_era / 146096) / 365;
	int			day_of_year = day_of_era - (365 * year_of_era
											+ year_of_era / 4 - year_of_era / 100);
	int			march_month = (5 * day_of_year + 2) / 153;

	*mday = day_of_year - (153 * march_month + 2) / 5 + 1;
	*month = (march_month < 10) ? march_month + 3 : march_month - 9;
	*year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

/*
 * The first day of the unit that holds day.
 *
 * year_start is the first month of a year, 1 to 12; it moves years and
 * quarters only.
 */
AccumDay
accum_unit_start(AccumDay day, AccumUnit unit, int year_start)
{
	int			year;
	int			month;
	int			mday;
	int			months_in;

	if (unit == ACCUM_UNIT_DAY)
		return day;
	if (unit == ACCUM_UNIT_WEEK)
	{
		/* Day 2, 2000-01-03, was a Monday. */
		return floor_div(day - 2, 7) * 7 + 2;
	}

	accum_day_to_civil(day, &year, &month, &mday);
	if (unit == ACCUM_UNIT_MONTH)
		return day - mday + 1;

	/* How many months of the year, or of the quarter, lie before this one. */
	months_in = (month - year_start + 12) % 12;
	if (unit == ACCUM_UNIT_QUARTER)
		months_in %= 3;
	month -= months_in;
	if (month < 1)
	{
		month += 12;
		year--;
	}
	return accum_day_from_civil(year, month, 1);
}

/* The first day of the unit after the one that begins at start. */
AccumDay
accum_unit_next(AccumDay start, AccumUnit unit)
{
	int			year;
	int			month;
	int			mday;

	if (unit == ACCUM_UNIT_DAY)
		return start + 1;
	if (unit == ACCUM_UNIT_WEEK)
		return start + 7;

	accum_day_to_civil(start, &year, &month, &mday);
	month += (unit == ACCUM_UNIT_MONTH) ? 1 : (unit == ACCUM_UNIT_QUARTER) ? 3 : 12;
	if (month > 12)
	{
		month -= 12;
		year++;
	}
	return accum_day_from_civil(year, month, 1);
}

/* The first unit start at or after day; an open end stays open. */
static AccumDay
unit_ceil(AccumDay day, AccumUnit unit, int year_start)
{
	AccumDay	start;

	if (day == ACCUM_DAY_MIN || day == ACCUM_DAY_MAX)
		return day;
	start = accum_unit_start(day, unit, year_start);
	return (start == day) ? day : accum_unit_next(start, unit);
}

/* The last unit start at or before day; an open end stays open. */
static AccumDay
unit_floor(AccumDay day, AccumUnit unit, int year_start)
{
	if (day == ACCUM_DAY_MIN || day == ACCUM_DAY_MAX)
		return day;
	return accum_unit_start(day, unit, year_start);
}

static void
range_add(AccumRange *range, AccumUnit unit, AccumDay from, AccumDay to)
{
	if (from < to)
	{
		Assert(range->nspans < ACCUM_MAX_SPANS);
		range->spans[range->nspans++] = (AccumSpan) {unit, from, to};
	}
}

/* The coarsest totals level whose units never cross a boundary of unit. */
AccumUnit
accum_unit_totals_level(AccumUnit unit)
{
	if (unit == ACCUM_UNIT_WEEK)
		return ACCUM_UNIT_DAY;
	if (unit == ACCUM_UNIT_QUARTER)
		return ACCUM_UNIT_MONTH;
	return unit;
}

/*
 * Cut the days [from, to) into spans of the totals levels from finest, the
 * register's totals_period, to coarsest: each day, month or year.
 *
 * ACCUM_DAY_MIN and ACCUM_DAY_MAX leave an end open.  The middle of the range is
 * covered by the coarsest units that fit, each side by ever finer ones towards
 * its end.  With coarsest finer than finest nothing is covered.
 */
void
accum_range_decompose(AccumDay from, AccumDay to, AccumUnit finest,
					  AccumUnit coarsest, int year_start, AccumRange *range)
{
	static const AccumUnit levels[] = {
		ACCUM_UNIT_DAY, ACCUM_UNIT_MONTH, ACCUM_UNIT_YEAR
	};
	AccumDay	low = unit_ceil(from, finest, year_start);
	AccumDay	high = unit_floor(to, finest, year_start);

	range->nspans = 0;
	range->totals_from = range->totals_to = to;
	if (low >= high || coarsest < finest)
		return;
	range->totals_from = low;
	range->totals_to = high;

	for (size_t i = 0; levels[i] < coarsest; i++)
	{
		AccumDay	coarser_low;
		AccumDay	coarser_high;

		if (levels[i] < finest)
			continue;
		coarser_low = unit_ceil(low, levels[i + 1], year_start);
		coarser_high = unit_floor(high, levels[i + 1], year_start);
		if (coarser_low >= coarser_high)
		{
			range_add(range, levels[i], low, high);
			return;
		}
		range_add(range, levels[i], low, coarser_low);
		range_add(range, levels[i], coarser_high, high);
		low = coarser_low;
		high = coarser_high;
	}
	range_add(range, coarsest, low, high);
}
