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

extern void accum_zone_init(AccumZone *zone, const char *name, int year_start);
extern bool accum_period_valid(const AccumZone *zone, TimestampTz period);
extern AccumDay accum_zone_day(AccumZone *zone, TimestampTz instant);
extern TimestampTz accum_zone_day_start(const AccumZone *zone, AccumDay day);

#endif							/* ACCUM_ZONE_H */
