/*
 * shared.h
 *		What sessions, launcher and workers tell each other in shared memory.
 */
#ifndef ACCUM_SHARED_H
#define ACCUM_SHARED_H

/* The largest value of pg_accumulator.background_workers. */
#define ACCUM_MAX_WORKERS 8

/*
 * A worker's visit to a database: the launcher says what to do, the worker how
 * far it came.
 */
typedef struct AccumVisit
{
	int			generation;		/* of the launcher, see accum_shared_launch */
	int			slot;			/* which of the workers */
	Oid			database;
	bool		maintenance;	/* make partitions, too */
	bool		more;			/* time was up: come again at once, and */
	NameData	after;			/* go on after this register; */
	bool		again;			/* some before it had more to do */
} AccumVisit;

extern void accum_shared_init(void);
extern void accum_shared_note_database(bool has_deltas);
extern void accum_shared_enter_database(Oid database, bool has_deltas);
extern void accum_shared_forget_database(Oid database);
extern bool accum_shared_has_database(Oid database, bool *has_deltas);
extern int	accum_shared_launch(void);
extern void accum_shared_visit_report(const AccumVisit *visit);
extern bool accum_shared_visit_take(AccumVisit *visit);

#endif							/* ACCUM_SHARED_H */
