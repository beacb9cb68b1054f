/*
 * test_calendar.c
 *		Days, calendar units and the decomposition of ranges of days.
 *
 * The oracle is a walker that goes from day to day and knows nothing but how
 * many days a month has.  Units are found by watching it pass their first days;
 * ranges are compared day by day.  Random cases come from a generator of our
 * own with a fixed seed, so that a failure can be repeated anywhere.
 */
#include "pure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "calendar.h"

/* 0001-01-01 and the day after 9999-12-31, as PostgreSQL's date counts them. */
#define DAY_0001 (-730119)
#define DAY_10000 2921940

/* 0001-01-01 was a Monday in the proleptic Gregorian calendar. */
#define MONDAY 0

/* ----- the oracle ----- */

typedef struct Walker
{
	AccumDay	day;
	int			year;
	int			month;
	int			mday;
	int			weekday;		/* 0 to 6, Monday first */
} Walker;

static Walker
walker_begin(void)
{
	return (Walker) {.day = DAY_0001,.year = 1,.month = 1,.mday = 1,.weekday = MONDAY};
}

static int
days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static void
walker_step(Walker *walker)
{
	walker->day++;
	walker->weekday = (walker->weekday + 1) % 7;
	if (++walker->mday <= days_in_month(walker->year, walker->month))
		return;
	walker->mday = 1;
	if (++walker->month <= 12)
		return;
	walker->month = 1;
	walker->year++;
}

/* Is the walker on the first day of a unit? */
static bool
walker_at_start(const Walker *walker, AccumUnit unit, int year_start)
{
	switch (unit)
	{
		case ACCUM_UNIT_DAY:
			return true;
		case ACCUM_UNIT_WEEK:
			return walker->weekday == MONDAY;
		case ACCUM_UNIT_MONTH:
			return walker->mday == 1;
		case ACCUM_UNIT_QUARTER:
			return walker->mday == 1 && (walker->month + 12 - year_start) % 3 == 0;
		case ACCUM_UNIT_YEAR:
			return walker->mday == 1 && walker->month == year_start;
	}
	return false;
}

/* A linear congruential generator: Knuth's MMIX constants. */
static uint64 random_state = 20260517;

static int
random_below(int limit)
{
	random_state = random_state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (int) ((random_state >> 33) % (uint64) limit);
}

/* ----- names of units ----- */

static void
test_unit_names(void **state)
{
	static const char *const names[] = {"day", "week", "month", "quarter", "year"};
	static const char *const strangers[] = {"", "Day", "days", "mon", "yea", "years", "decade", " day"};
	AccumUnit	unit;

	for (int i = 0; i <= ACCUM_UNIT_YEAR; i++)
	{
		assert_string_equal(accum_unit_name((AccumUnit) i), names[i]);
		assert_true(accum_unit_from_name(names[i], &unit));
		assert_int_equal(unit, i);
	}
	unit = ACCUM_UNIT_QUARTER;
	for (size_t i = 0; i < lengthof(strangers); i++)
	{
		assert_false(accum_unit_from_name(strangers[i], &unit));
		assert_int_equal(unit, ACCUM_UNIT_QUARTER);
	}
}

/* Code compares units to see which is finer. */
static void
test_units_are_ordered(void **state)
{
	assert_true(ACCUM_UNIT_DAY < ACCUM_UNIT_WEEK);
	assert_true(ACCUM_UNIT_WEEK < ACCUM_UNIT_MONTH);
	assert_true(ACCUM_UNIT_MONTH < ACCUM_UNIT_QUARTER);
	assert_true(ACCUM_UNIT_QUARTER < ACCUM_UNIT_YEAR);
}

/* ----- days and dates ----- */

/* What PostgreSQL answers to date '…' - date '2000-01-01'. */
static void
test_known_days(void **state)
{
	assert_int_equal(accum_day_from_civil(2000, 1, 1), 0);
	assert_int_equal(accum_day_from_civil(1999, 12, 31), -1);
	assert_int_equal(accum_day_from_civil(2000, 2, 29), 59);
	assert_int_equal(accum_day_from_civil(2000, 3, 1), 60);
	assert_int_equal(accum_day_from_civil(1970, 1, 1), -10957);
	assert_int_equal(accum_day_from_civil(1900, 3, 1), -36465);
	assert_int_equal(accum_day_from_civil(2026, 5, 17), 9633);
	assert_int_equal(accum_day_from_civil(2100, 2, 28), 36583);
	assert_int_equal(accum_day_from_civil(2100, 3, 1), 36584);
	assert_int_equal(accum_day_from_civil(1, 1, 1), DAY_0001);
	assert_int_equal(accum_day_from_civil(9999, 12, 31), DAY_10000 - 1);
	assert_int_equal(accum_day_from_civil(10000, 1, 1), DAY_10000);
	/* 0001-12-31 BC, year 0 here. */
	assert_int_equal(accum_day_from_civil(0, 12, 31), DAY_0001 - 1);
	assert_int_equal(accum_day_from_civil(0, 2, 29), -730426);
}

/* Every day of the years 0001 to 9999, in both directions. */
static void
test_every_day_round_trips(void **state)
{
	Walker		walker = walker_begin();

	while (walker.day < DAY_10000)
	{
		int			year;
		int			month;
		int			mday;

		accum_day_to_civil(walker.day, &year, &month, &mday);
		if (year != walker.year || month != walker.month || mday != walker.mday)
			fail_msg("day %d is %04d-%02d-%02d, not %04d-%02d-%02d", walker.day,
					 walker.year, walker.month, walker.mday, year, month, mday);
		if (accum_day_from_civil(year, month, mday) != walker.day)
			fail_msg("%04d-%02d-%02d is day %d", year, month, mday, walker.day);
		walker_step(&walker);
	}
	assert_int_equal(walker.year, 10000);
	assert_int_equal(walker.month, 1);
	assert_int_equal(walker.mday, 1);
}

/* The whole range that PostgreSQL's dates and years have room for. */
static void
test_far_days_round_trip(void **state)
{
	for (int i = 0; i < 100000; i++)
	{
		AccumDay	day = random_below(2000000000) - 1000000000;
		int			year;
		int			month;
		int			mday;

		accum_day_to_civil(day, &year, &month, &mday);
		assert_in_range(month, 1, 12);
		assert_in_range(mday, 1, 31);
		assert_int_equal(accum_day_from_civil(year, month, mday), day);
	}
}

/* ----- units ----- */

/*
 * Walk [first_year, last_year] and compare start and next of every day.  The
 * days of a unit are checked when its end is known.
 */
static void
check_units(AccumUnit unit, int year_start, int first_year, int last_year)
{
	Walker		walker = walker_begin();
	AccumDay	start = 0;
	bool		inside = false;

	for (; walker.year <= last_year; walker_step(&walker))
	{
		if (walker.year < first_year || !walker_at_start(&walker, unit, year_start))
			continue;
		if (inside)
		{
			assert_int_equal(accum_unit_next(start, unit), walker.day);
			for (AccumDay day = start; day < walker.day; day++)
			{
				if (accum_unit_start(day, unit, year_start) != start)
					fail_msg("%s of day %d begins on %d, not %d (years begin in month %d)",
							 accum_unit_name(unit), day, start,
							 accum_unit_start(day, unit, year_start), year_start);
			}
		}
		start = walker.day;
		inside = true;
	}
}

static void
test_units(void **state)
{
	for (int unit = ACCUM_UNIT_DAY; unit <= ACCUM_UNIT_YEAR; unit++)
	{
		for (int year_start = 1; year_start <= 12; year_start++)
		{
			check_units((AccumUnit) unit, year_start, 1, 12);
			check_units((AccumUnit) unit, year_start, 1895, 2105);
			check_units((AccumUnit) unit, year_start, 9990, 9999);
		}
	}
}

/* The example of the banner of calendar.c, and its neighbours. */
static void
test_shifted_year(void **state)
{
	AccumDay	day = accum_day_from_civil(2026, 2, 10);

	assert_int_equal(accum_unit_start(day, ACCUM_UNIT_YEAR, 4), accum_day_from_civil(2025, 4, 1));
	assert_int_equal(accum_unit_start(day, ACCUM_UNIT_YEAR, 1), accum_day_from_civil(2026, 1, 1));
	assert_int_equal(accum_unit_start(day, ACCUM_UNIT_YEAR, 2), accum_day_from_civil(2026, 2, 1));
	assert_int_equal(accum_unit_start(day, ACCUM_UNIT_YEAR, 3), accum_day_from_civil(2025, 3, 1));
	assert_int_equal(accum_unit_start(day, ACCUM_UNIT_QUARTER, 4), accum_day_from_civil(2026, 1, 1));
	assert_int_equal(accum_unit_start(day, ACCUM_UNIT_QUARTER, 3), accum_day_from_civil(2025, 12, 1));
	assert_int_equal(accum_unit_start(day, ACCUM_UNIT_MONTH, 4), accum_day_from_civil(2026, 2, 1));
}

/* ISO 8601: weeks begin on Monday, whatever the year does. */
static void
test_weeks(void **state)
{
	AccumDay	monday = accum_day_from_civil(2026, 5, 11);

	assert_int_equal(accum_unit_start(accum_day_from_civil(2026, 5, 17), ACCUM_UNIT_WEEK, 1), monday);
	assert_int_equal(accum_unit_start(accum_day_from_civil(2026, 5, 18), ACCUM_UNIT_WEEK, 1), monday + 7);
	assert_int_equal(accum_unit_start(accum_day_from_civil(2026, 1, 1), ACCUM_UNIT_WEEK, 1),
					 accum_day_from_civil(2025, 12, 29));
	/* Before the epoch, where division would round the other way. */
	assert_int_equal(accum_unit_start(accum_day_from_civil(1999, 12, 26), ACCUM_UNIT_WEEK, 1),
					 accum_day_from_civil(1999, 12, 20));
}

/* Totals of a level serve a unit if none of their units crosses its boundary. */
static void
test_totals_levels(void **state)
{
	assert_int_equal(accum_unit_totals_level(ACCUM_UNIT_DAY), ACCUM_UNIT_DAY);
	assert_int_equal(accum_unit_totals_level(ACCUM_UNIT_WEEK), ACCUM_UNIT_DAY);
	assert_int_equal(accum_unit_totals_level(ACCUM_UNIT_MONTH), ACCUM_UNIT_MONTH);
	assert_int_equal(accum_unit_totals_level(ACCUM_UNIT_QUARTER), ACCUM_UNIT_MONTH);
	assert_int_equal(accum_unit_totals_level(ACCUM_UNIT_YEAR), ACCUM_UNIT_YEAR);

	for (int unit = ACCUM_UNIT_DAY; unit <= ACCUM_UNIT_YEAR; unit++)
	{
		AccumUnit	level = accum_unit_totals_level((AccumUnit) unit);
		AccumDay	start = accum_unit_start(accum_day_from_civil(2019, 6, 15), (AccumUnit) unit, 4);

		for (int i = 0; i < 200; i++)
		{
			assert_int_equal(accum_unit_start(start, level, 4), start);
			start = accum_unit_next(start, (AccumUnit) unit);
		}
	}
}

/* ----- ranges ----- */

/* Ranges are drawn from these years; open ends reach a year beyond. */
#define FIRST_YEAR 2018
#define LAST_YEAR 2025
#define MAX_DAYS (366 * (LAST_YEAR - FIRST_YEAR + 3))

static bool
is_unit_start(AccumDay day, AccumUnit unit, int year_start)
{
	return day == ACCUM_DAY_MIN || day == ACCUM_DAY_MAX ||
		accum_unit_start(day, unit, year_start) == day;
}

/* Does a whole unit fit between two days, neither of them open? */
static bool
unit_fits(AccumDay from, AccumDay to, AccumUnit unit, int year_start)
{
	AccumDay	start = accum_unit_start(from, unit, year_start);

	if (start < from)
		start = accum_unit_next(start, unit);
	return accum_unit_next(start, unit) <= to;
}

static int
units_between(AccumDay from, AccumDay to, AccumUnit unit)
{
	int			n = 0;

	for (; from < to; n++)
		from = accum_unit_next(from, unit);
	return n;
}

static int
compare_spans(const void *a, const void *b)
{
	AccumDay	left = ((const AccumSpan *) a)->from;
	AccumDay	right = ((const AccumSpan *) b)->from;

	return (left > right) - (left < right);
}

/* Decompose, and put the spans, which may come in any order, in order of time. */
static AccumRange
decompose(AccumDay from, AccumDay to, AccumUnit finest, AccumUnit coarsest, int year_start)
{
	AccumRange	range;

	memset(&range, 0x7f, sizeof(range));
	accum_range_decompose(from, to, finest, coarsest, year_start, &range);
	assert_in_range(range.nspans, 0, ACCUM_MAX_SPANS);
	qsort(range.spans, range.nspans, sizeof(AccumSpan), compare_spans);
	return range;
}

/* Spans lie side by side from totals_from to totals_to, coarser in the middle. */
static void
check_spans(const AccumRange *range, AccumUnit finest, AccumUnit coarsest, int year_start)
{
	AccumDay	at = range->totals_from;
	bool		falling = false;

	for (int i = 0; i < range->nspans; i++)
	{
		const AccumSpan *span = &range->spans[i];

		assert_true(span->unit == ACCUM_UNIT_DAY || span->unit == ACCUM_UNIT_MONTH ||
					span->unit == ACCUM_UNIT_YEAR);
		assert_true(span->unit >= finest && span->unit <= coarsest);
		assert_int_equal(span->from, at);
		assert_true(span->from < span->to);
		assert_true(is_unit_start(span->from, span->unit, year_start));
		assert_true(is_unit_start(span->to, span->unit, year_start));
		if (i > 0)
		{
			assert_int_not_equal(span->unit, span[-1].unit);
			falling = falling || span->unit < span[-1].unit;
			if (falling)
				assert_true(span->unit < span[-1].unit);
		}
		at = span->to;
	}
	assert_int_equal(at, range->totals_to);
}

/*
 * No span reads more rows per cell than it must: where a month fits, its days
 * are not read, and where a year fits, neither are its months; unless these are
 * coarser than what may be used.
 */
static void
check_economy(const AccumRange *range, AccumUnit coarsest, int year_start)
{
	for (int i = 0; i < range->nspans; i++)
	{
		const AccumSpan *span = &range->spans[i];
		bool		alone = range->nspans == 1;
		int			length;

		if (span->unit == coarsest)
			continue;
		assert_int_not_equal(span->from, ACCUM_DAY_MIN);
		assert_int_not_equal(span->to, ACCUM_DAY_MAX);
		assert_false(unit_fits(span->from, span->to, coarsest, year_start));
		length = units_between(span->from, span->to, span->unit);
		if (span->unit == ACCUM_UNIT_MONTH)
		{
			/* A run of months without a year in it may touch two years. */
			bool		beside_year = (i > 0 && span[-1].unit == ACCUM_UNIT_YEAR) ||
				(i + 1 < range->nspans && span[1].unit == ACCUM_UNIT_YEAR);

			assert_in_range(length, 1, beside_year ? 11 : 22);
		}
		else
		{
			assert_false(unit_fits(span->from, span->to, ACCUM_UNIT_MONTH, year_start));
			assert_in_range(length, 1, alone ? 60 : 30);
		}
	}
}

/* Each day of the range is in one span, or in an end that no span covers. */
static void
check_days(const AccumRange *range, AccumDay from, AccumDay to)
{
	static unsigned char seen[MAX_DAYS];
	AccumDay	origin = accum_day_from_civil(FIRST_YEAR - 1, 1, 1);
	AccumDay	low = Max(from, origin);
	AccumDay	high = Min(to, origin + MAX_DAYS);

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < range->nspans; i++)
	{
		for (AccumDay day = Max(range->spans[i].from, origin);
			 day < Min(range->spans[i].to, origin + MAX_DAYS); day++)
			seen[day - origin]++;
	}
	for (AccumDay day = origin; day < origin + MAX_DAYS; day++)
	{
		bool		in_range = day >= low && day < high;
		bool		in_totals = day >= range->totals_from && day < range->totals_to;

		if (seen[day - origin] != (in_range && in_totals ? 1 : 0))
			fail_msg("day %d of [%d, %d) is counted %d times", day, from, to, seen[day - origin]);
	}
}

static void
check_levels(AccumDay from, AccumDay to, AccumUnit finest, AccumUnit coarsest, int year_start)
{
	AccumRange	range = decompose(from, to, finest, coarsest, year_start);

	if (range.nspans == 0)
	{
		assert_int_equal(range.totals_from, to);
		assert_int_equal(range.totals_to, to);
		if (from < to && finest <= coarsest)
			assert_false(unit_fits(from, to, finest, year_start));
		return;
	}
	assert_true(finest <= coarsest);

	assert_true(range.totals_from >= from && range.totals_to <= to);
	if (from != ACCUM_DAY_MIN)
		assert_false(unit_fits(from, range.totals_from, finest, year_start));
	if (to != ACCUM_DAY_MAX)
		assert_false(unit_fits(range.totals_to, to, finest, year_start));
	check_spans(&range, finest, coarsest, year_start);
	check_economy(&range, coarsest, year_start);
	check_days(&range, from, to);
}

/* The levels of totals. */
static const AccumUnit levels[] = {ACCUM_UNIT_DAY, ACCUM_UNIT_MONTH, ACCUM_UNIT_YEAR};

static void
check_range(AccumDay from, AccumDay to, AccumUnit finest, int year_start)
{
	for (size_t i = 0; i < lengthof(levels); i++)
		check_levels(from, to, finest, levels[i], year_start);
}

static void
test_random_ranges(void **state)
{
	AccumDay	origin = accum_day_from_civil(FIRST_YEAR, 1, 1);
	int			days = accum_day_from_civil(LAST_YEAR + 1, 1, 1) - origin;

	for (int i = 0; i < 20000; i++)
	{
		AccumDay	from = origin + random_below(days);
		/* Short ranges are as interesting as long ones. */
		AccumDay	to = from + random_below(i % 2 == 0 ? days - (from - origin) + 1 : 70);

		check_range(from, to, levels[i % 3], 1 + random_below(12));
	}
}

/* Ends on, just before and just after the first days of units. */
static void
test_ranges_at_edges(void **state)
{
	for (int year_start = 1; year_start <= 12; year_start++)
	{
		for (int i = 0; i < 36; i++)
		{
			AccumDay	from = accum_day_from_civil(2019 + i / 12, i % 12 + 1, 1) + i % 3 - 1;

			for (int j = i; j < 60; j++)
			{
				AccumDay	to = accum_day_from_civil(2019 + j / 12, j % 12 + 1, 1);

				for (size_t f = 0; f < lengthof(levels); f++)
				{
					check_range(from, to - 1, levels[f], year_start);
					check_range(from, to, levels[f], year_start);
					check_range(from, to + 1, levels[f], year_start);
				}
			}
		}
	}
}

static void
test_open_ranges(void **state)
{
	AccumDay	origin = accum_day_from_civil(FIRST_YEAR, 1, 1);
	int			days = accum_day_from_civil(LAST_YEAR + 1, 1, 1) - origin;

	for (int i = 0; i < 3000; i++)
	{
		AccumDay	day = origin + random_below(days);
		int			year_start = 1 + random_below(12);

		check_range(ACCUM_DAY_MIN, day, levels[i % 3], year_start);
		check_range(day, ACCUM_DAY_MAX, levels[i % 3], year_start);
	}
}

/* All time is one span, whatever the finest totals are. */
static void
test_all_time(void **state)
{
	for (size_t f = 0; f < lengthof(levels); f++)
	{
		AccumRange	range = decompose(ACCUM_DAY_MIN, ACCUM_DAY_MAX, levels[f], ACCUM_UNIT_YEAR, 1);

		assert_int_equal(range.nspans, 1);
		assert_int_equal(range.spans[0].unit, ACCUM_UNIT_YEAR);
		assert_int_equal(range.spans[0].from, ACCUM_DAY_MIN);
		assert_int_equal(range.spans[0].to, ACCUM_DAY_MAX);
		assert_int_equal(range.totals_from, ACCUM_DAY_MIN);
		assert_int_equal(range.totals_to, ACCUM_DAY_MAX);
	}
}

/* Nothing is in a range that ends where it begins, or before. */
static void
test_empty_ranges(void **state)
{
	AccumDay	days[] = {ACCUM_DAY_MIN, accum_day_from_civil(2026, 1, 1),
	accum_day_from_civil(2026, 5, 17), ACCUM_DAY_MAX};

	for (size_t i = 0; i < lengthof(days); i++)
	{
		for (size_t j = 0; j <= i; j++)
		{
			for (size_t f = 0; f < lengthof(levels); f++)
			{
				AccumRange	range = decompose(days[i], days[j], levels[f], ACCUM_UNIT_YEAR, 1);

				assert_int_equal(range.nspans, 0);
				assert_int_equal(range.totals_from, days[j]);
				assert_int_equal(range.totals_to, days[j]);
			}
		}
	}
}

/* The widest answer: days, months, years, months, days. */
static void
test_five_spans(void **state)
{
	AccumRange	range = decompose(accum_day_from_civil(2020, 1, 31),
									  accum_day_from_civil(2024, 12, 31),
									  ACCUM_UNIT_DAY, ACCUM_UNIT_YEAR, 1);

	assert_int_equal(range.nspans, 5);
	assert_int_equal(range.spans[0].unit, ACCUM_UNIT_DAY);
	assert_int_equal(range.spans[0].to, accum_day_from_civil(2020, 2, 1));
	assert_int_equal(range.spans[1].unit, ACCUM_UNIT_MONTH);
	assert_int_equal(range.spans[1].to, accum_day_from_civil(2021, 1, 1));
	assert_int_equal(range.spans[2].unit, ACCUM_UNIT_YEAR);
	assert_int_equal(range.spans[2].to, accum_day_from_civil(2024, 1, 1));
	assert_int_equal(range.spans[3].unit, ACCUM_UNIT_MONTH);
	assert_int_equal(range.spans[3].to, accum_day_from_civil(2024, 12, 1));
	assert_int_equal(range.spans[4].unit, ACCUM_UNIT_DAY);
	assert_int_equal(range.spans[4].to, accum_day_from_civil(2024, 12, 31));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unit_names),
		cmocka_unit_test(test_units_are_ordered),
		cmocka_unit_test(test_known_days),
		cmocka_unit_test(test_every_day_round_trips),
		cmocka_unit_test(test_far_days_round_trip),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_shifted_year),
		cmocka_unit_test(test_weeks),
		cmocka_unit_test(test_totals_levels),
		cmocka_unit_test(test_random_ranges),
		cmocka_unit_test(test_ranges_at_edges),
		cmocka_unit_test(test_open_ranges),
		cmocka_unit_test(test_all_time),
		cmocka_unit_test(test_empty_ranges),
		cmocka_unit_test(test_five_spans),
	};

	return cmocka_run_group_tests_name("calendar", tests, NULL, NULL);
}
