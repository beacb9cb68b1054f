/*
 * calendar.h
 *		Days, calendar units and the decomposition of a range of days.
 */
#ifndef ACCUM_CALENDAR_H
#define ACCUM_CALENDAR_H

/* Days since 2000-01-01, which is PostgreSQL's DateADT. */
typedef int32 AccumDay;

/* An open end of a range of days. */
#define ACCUM_DAY_MIN	PG_INT32_MIN
#define ACCUM_DAY_MAX	PG_INT32_MAX

/* The calendar units, finest first: code relies on the order. */
typedef enum AccumUnit
{
	ACCUM_UNIT_DAY,
	ACCUM_UNIT_WEEK,
	ACCUM_UNIT_MONTH,
	ACCUM_UNIT_QUARTER,
	ACCUM_UNIT_YEAR
} AccumUnit;

/* A run of whole units of one totals level: first day, and the day after. */
typedef struct AccumSpan
{
	AccumUnit	unit;
	AccumDay	from;
	AccumDay	to;
} AccumSpan;

/* Days, months, years, months, days. */
#define ACCUM_MAX_SPANS 5

/*
 * A range of days cut into what totals answer and what only movements do.
 * Days [totals_from, totals_to) are covered by the spans; the days before and
 * after, less than one unit of the finest totals level each, are not.  With
 * nspans = 0 both are the range's end: nothing is covered.
 */
typedef struct AccumRange
{
	AccumDay	totals_from;
	AccumDay	totals_to;
	int			nspans;
	AccumSpan	spans[ACCUM_MAX_SPANS];
} AccumRange;

extern bool accum_unit_from_name(const char *name, AccumUnit *unit);
extern const char *accum_unit_name(AccumUnit unit);
extern AccumDay accum_day_from_civil(int year, int month, int day);
extern void accum_day_to_civil(AccumDay day, int *year, int *month, int *mday);
extern AccumDay accum_unit_start(AccumDay day, AccumUnit unit, int year_start);
extern AccumDay accum_unit_next(AccumDay start, AccumUnit unit);
extern AccumUnit accum_unit_totals_level(AccumUnit unit);
extern void accum_range_decompose(AccumDay from, AccumDay to,
								  AccumUnit finest, AccumUnit coarsest,
								  int year_start, AccumRange *range);

#endif							/* ACCUM_CALENDAR_H */
