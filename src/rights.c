/*
 * rights.c
 *		Owner and privileges of a function or relation, for another one.
 *
 * PostgreSQL cannot change the row type of a function, nor the order of a view's
 * columns: the object must be dropped and made again, and would lose what was
 * granted on it.  Access control lists are taken from the catalog and put back
 * as they were, with their grantors and grant options.  GRANT commands could not
 * do that: a role's grants can only be repeated by that role.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "names.h"
#include "query.h"
#include "rights.h"

typedef struct ColumnRights
{
	char	   *name;
	Acl		   *acl;
} ColumnRights;

/* A copy of the access control list in a row of a catalog; NULL when it is null. */
static Acl *
row_acl(int cache, HeapTuple row, AttrNumber attnum)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, row, attnum, &isnull);

	return isnull ? NULL : DatumGetAclPCopy(value);
}

static List *
column_rights(Oid relation)
{
	List	   *columns = NIL;
	AttrNumber	attnum = 1;
	HeapTuple	row;

	while (HeapTupleIsValid(row = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation),
												  Int16GetDatum(attnum++))))
	{
		ColumnRights *column = palloc(sizeof(ColumnRights));

		column->name = pstrdup(NameStr(((Form_pg_attribute) GETSTRUCT(row))->attname));
		column->acl = row_acl(ATTNUM, row, Anum_pg_attribute_attacl);
		if (column->acl != NULL)
			columns = lappend(columns, column);
		ReleaseSysCache(row);
	}
	return columns;
}

/*
 * Owner and privileges of a function (catalog pg_proc) or a view (pg_class),
 * palloc'd.
 */
AccumRights *
accum_rights_of(Oid catalog, Oid object)
{
	AccumRights *rights = palloc0(sizeof(AccumRights));
	int			cache = get_object_catcache_oid(catalog);
	HeapTuple	row = SearchSysCache1(cache, ObjectIdGetDatum(object));
	bool		isnull;

	if (!HeapTupleIsValid(row))
		elog(ERROR, "cache lookup failed for object %u of catalog %u", object, catalog);
	rights->catalog = catalog;
	rights->owner = DatumGetObjectId(SysCacheGetAttr(cache, row, get_object_attnum_owner(catalog),
													 &isnull));
	rights->acl = row_acl(cache, row, get_object_attnum_acl(catalog));
	ReleaseSysCache(row);
	if (catalog == RelationRelationId)
		rights->columns = column_rights(object);
	return rights;
}

/*
 * Write an access control list to the row of an object, or with attnum to that
 * of one of its columns, and note which roles it depends on.
 */
static void
acl_store(const AccumRights *rights, Oid object, AttrNumber attnum, Acl *acl)
{
	bool		of_column = attnum != InvalidAttrNumber;
	int			cache = of_column ? ATTNUM : get_object_catcache_oid(rights->catalog);
	int			column = of_column ? Anum_pg_attribute_attacl : get_object_attnum_acl(rights->catalog);
	Relation	rel = table_open(of_column ? AttributeRelationId : rights->catalog,
								 RowExclusiveLock);
	HeapTuple	row = of_column
		? SearchSysCacheCopy2(cache, ObjectIdGetDatum(object), Int16GetDatum(attnum))
		: SearchSysCacheCopy1(cache, ObjectIdGetDatum(object));
	Datum		value = PointerGetDatum(acl);
	bool		isnull = acl == NULL;
	Acl		   *old_acl;
	Oid		   *old_roles = NULL;
	Oid		   *new_roles = NULL;
	int			nold;
	int			nnew;

	if (!HeapTupleIsValid(row))
		elog(ERROR, "cache lookup failed for object %u of catalog %u", object, rights->catalog);
	old_acl = row_acl(cache, row, column);
	nold = old_acl == NULL ? 0 : aclmembers(old_acl, &old_roles);
	nnew = acl == NULL ? 0 : aclmembers(acl, &new_roles);
	CatalogTupleUpdate(rel, &row->t_self,
					   heap_modify_tuple_by_cols(row, RelationGetDescr(rel), 1,
												 &column, &value, &isnull));
	updateAclDependencies(rights->catalog, object, attnum, rights->owner,
						  nold, old_roles, nnew, new_roles);
	table_close(rel, RowExclusiveLock);
}

/* Leave the owner, and nobody with a privilege but the owner. */
void
accum_rights_forget(AccumRights *rights)
{
	rights->acl = NULL;
	rights->columns = NIL;
}

/*
 * Give an object that was made anew, by the current role and connected to SPI,
 * the owner and privileges that it had.  Columns that it has no more are left
 * out.  name is the object's in SQL.
 */
void
accum_rights_restore(const AccumRights *rights, Oid object, const char *name)
{
	ListCell   *lc;

	/* This way round: the lists have the owner among the grantors. */
	if (rights->owner != GetUserId())
	{
		StringInfoData sql;

		initStringInfo(&sql);
		appendStringInfo(&sql, "ALTER %s %s OWNER TO ",
						 rights->catalog == RelationRelationId ? "TABLE" : "FUNCTION", name);
		accum_append_ident(&sql, GetUserNameFromId(rights->owner, false));
		(void) accum_query_command(sql.data, SPI_OK_UTILITY);
	}
	acl_store(rights, object, InvalidAttrNumber, rights->acl);
	foreach(lc, rights->columns)
	{
		ColumnRights *column = lfirst(lc);
		AttrNumber	attnum = get_attnum(object, column->name);

		if (attnum != InvalidAttrNumber)
			acl_store(rights, object, attnum, column->acl);
	}
	CommandCounterIncrement();
}
