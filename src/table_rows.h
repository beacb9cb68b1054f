/*
 * table_rows.h
 *		How many rows a table has.
 */
#ifndef ACCUM_TABLE_ROWS_H
#define ACCUM_TABLE_ROWS_H

extern bool accum_may_count(Oid relation);
extern int64 accum_estimate_rows(Oid relation);
extern bool accum_count_rows(Oid relation, int64 *rows);

#endif							/* ACCUM_TABLE_ROWS_H */
