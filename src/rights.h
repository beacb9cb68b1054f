/*
 * rights.h
 *		Owner and privileges of a function or relation, for another one.
 */
#ifndef ACCUM_RIGHTS_H
#define ACCUM_RIGHTS_H

#include "nodes/pg_list.h"
#include "utils/acl.h"

typedef struct AccumRights
{
	Oid			catalog;		/* pg_proc or pg_class */
	Oid			owner;
	Acl		   *acl;			/* NULL: the default privileges */
	List	   *columns;		/* of a relation, those that have privileges */
} AccumRights;

extern AccumRights *accum_rights_of(Oid catalog, Oid object);
extern void accum_rights_forget(AccumRights *rights);
extern void accum_rights_restore(const AccumRights *rights, Oid object, const char *name);

#endif							/* ACCUM_RIGHTS_H */
