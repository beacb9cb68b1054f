/*
 * zone.h
 *		Instants and the days of a register's time zone.
 */
#ifndef ACCUM_ZONE_H
#define ACCUM_ZONE_H

#include "datatype/timestamp.h"
#include "pgtime.h"

#include "calendar.h"

/* A register's calendar: its time zone, and the day looked up last. */
typedef struct AccumZone
{
	pg_tz	   *tz;
	int			year_start;
	AccumDay	day;
	TimestampTz day_start;		/* the cached day is [day_start, day_end); */
	TimestampTz day_end;		/* both 0 when nothing is cached */
} AccumZone;

/* A range of instants, [from, to), that only movements can answer for. */
typedef struct AccumFragment
{
	TimestampTz from;
	TimestampTz to;
} AccumFragment;

/*
 * A range of instants cut into whole units, which totals answer for, and a
 * fragment at each end.
 */
typedef struct AccumCut
{
	AccumRange	range;
	int			nfragments;
	AccumFragment fragments[2];
} AccumCut;

extern void accum_zone_init(AccumZone *zone, const char *name, int year_start);
extern bool accum_period_valid(const AccumZone *zone, TimestampTz period);
extern AccumDay accum_zone_day(AccumZone *zone, TimestampTz instant);
extern TimestampTz accum_zone_day_start(const AccumZone *zone, AccumDay day);
extern TimestampTz accum_zone_bound_after(AccumZone *zone, TimestampTz bound);
extern void accum_zone_clamp(TimestampTz *from, TimestampTz *to);
extern void accum_zone_cut(AccumZone *zone, TimestampTz from, TimestampTz to,
						   AccumUnit finest, AccumUnit coarsest, AccumCut *cut);

#endif							/* ACCUM_ZONE_H */
