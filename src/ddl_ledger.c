/*
 * ddl_ledger.c
 *		The SQL of what only ledgers have.
 *
 * Pure: compiles into the unit tests as well.
 */
#include "pure.h"

#include "ddl_ledger.h"
#include "ddl_text.h"
#include "sides.h"

/* What one side of a movement adds to its cell: the columns of a cell, in order. */
void
accum_append_side_columns(StringInfo sql, const AccumRegisterDef *def, int side,
						  const char *prefix)
{
	for (int i = 0; i < ACCUM_SIDE_COLUMNS; i++)
		appendStringInfo(sql, "%s%s%s", i > 0 ? ", " : "", prefix,
						 accum_ident(accum_side_columns[i], accum_side_suffixes[side]));
	for (int i = 0; i < def->ndims; i++)
		appendStringInfo(sql, ", %s%s", prefix, accum_ident(def->dims[i].name, ""));
	for (int i = 0; i < def->nresources; i++)
	{
		const AccumColumnDef *resource = &def->resources[i];

		for (int s = 0; s < ACCUM_MAX_SIDES; s++)
		{
			if (s == side)
				appendStringInfo(sql, ", %s%s", prefix,
								 accum_ident(resource->name,
											 resource->unbalanced ? accum_side_suffixes[s] : ""));
			else
				appendStringInfo(sql, ", 0::%s", resource->type);
		}
	}
}

/* The chart of accounts. */
void
accum_ddl_accounts(StringInfo sql, const AccumRegisterDef *def)
{
	static const struct
	{
		const char *event;
		const char *trigger;
		const char *rows;
		const char *transition;
	}			changes[] = {
		{"INSERT", "insert", "NEW", "new"},
		{"UPDATE", "update", "NEW", "new"},
		{"DELETE", "delete", "OLD", "old"},
	};
	char	   *table = accum_relation_text(def->name, ACCUM_ACCOUNTS);

	appendStringInfo(sql, "CREATE TABLE %s (\n"
					 "\taccount text COLLATE \"C\" PRIMARY KEY CHECK (account <> ''),\n"
					 "\tname text NOT NULL DEFAULT '',\n"
					 "\ttype text NOT NULL DEFAULT 'active_passive'\n"
					 "\t\tCHECK (type IN ('active', 'passive', 'active_passive')),\n"
					 "\tparent text COLLATE \"C\" GENERATED ALWAYS AS (CASE WHEN strpos(account, '.') > 0\n"
					 "\t\tTHEN left(account, length(account) - strpos(reverse(account), '.')) END) STORED REFERENCES %s,\n"
					 "\tdimensions jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(dimensions) = 'object'),\n"
					 "\tclosed boolean NOT NULL DEFAULT false\n);\n"
					 "CREATE INDEX ON %s (parent);\n"
					 "COMMENT ON TABLE %s IS 'Chart of accounts of the ledger. parent: the account above, by code. "
					 "dimensions: values that postings to the account must have. Accounts that others are below of, and closed ones, take no postings in a strict chart.';\n"
					 "CREATE TRIGGER accum_before BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s\n"
					 "\tFOR EACH STATEMENT EXECUTE FUNCTION " ACCUM_SCHEMA "._chart_changes();\n",
					 table, table, table, table, table);
	for (size_t i = 0; i < lengthof(changes); i++)
		appendStringInfo(sql, "CREATE TRIGGER accum_%s AFTER %s ON %s REFERENCING %s TABLE AS accum_%s\n"
						 "\tFOR EACH STATEMENT EXECUTE FUNCTION " ACCUM_SCHEMA "._chart_changes();\n",
						 changes[i].trigger, changes[i].event, table,
						 changes[i].rows, changes[i].transition);
	pfree(table);
}

/* <register>_get_balance: what is debited and credited to an account now, by subconto. */
static void
append_get_balance(StringInfo sql, const AccumRegisterDef *def)
{
	char	   *function = accum_object_text(def->name, "get_balance");
	char	   *dr = accum_ident(def->resources[0].name, accum_side_suffixes[0]);
	char	   *cr = accum_ident(def->resources[0].name, accum_side_suffixes[1]);
	StringInfoData arguments;

	initStringInfo(&arguments);
	appendStringInfoString(&arguments, "text, jsonb");
	appendStringInfo(sql, "CREATE FUNCTION %s(p_account text, p_subconto jsonb DEFAULT NULL", function);
	for (int i = 0; i < def->ndims; i++)
	{
		char	   *name = psprintf("p_%s", def->dims[i].name);

		appendStringInfo(sql, ",\n\t%s %s DEFAULT NULL", accum_ident(name, ""), def->dims[i].type);
		appendStringInfo(&arguments, ", %s", def->dims[i].cast_type);
		pfree(name);
	}
	appendStringInfo(sql, ")\nRETURNS TABLE (account text, subconto jsonb, turnover_dr numeric, "
					 "amount_cr numeric, balance numeric)\nLANGUAGE sql STABLE\nBEGIN ATOMIC\n"
					 "\tSELECT b.account, b.subconto, sum(b.%s)::numeric, sum(b.%s)::numeric,\n"
					 "\t\tsum(b.%s)::numeric - sum(b.%s)::numeric\n\tFROM %s b\n"
					 "\tWHERE b.account = $1 AND ($2 IS NULL OR b.subconto = $2)",
					 dr, cr, dr, cr, accum_object_text(def->name, "balances"));
	for (int i = 0; i < def->ndims; i++)
		appendStringInfo(sql, "\n\t\tAND ($%d IS NULL OR b.%s %s $%d)", i + 3,
						 accum_ident(def->dims[i].name, ""), def->dims[i].equal_operator, i + 3);
	appendStringInfoString(sql, "\n\tGROUP BY b.account, b.subconto\n\tORDER BY b.subconto;\nEND;\n");
	accum_append_function_comment(sql, def, "get_balance", arguments.data,
								  "What is debited and credited to an account, all movements taken together, and debit less credit, "
								  "one row for each of its subcontos; of the ledger's first resource. p_subconto: this subconto only. "
								  "p_<dimension>: this value only. NULL arguments do not restrict. No row when nothing matches.");
	pfree(arguments.data);
}

/* Append ", <prefix><dimension>" for each dimension that was declared. */
static void
append_dims(StringInfo sql, const AccumRegisterDef *def, const char *prefix)
{
	for (int i = 0; i < def->ndims; i++)
		appendStringInfo(sql, ", %s%s", prefix, accum_ident(def->dims[i].name, ""));
}

/* The same with types, as columns of a result. */
static void
append_dim_types(StringInfo sql, const AccumRegisterDef *def)
{
	for (int i = 0; i < def->ndims; i++)
		appendStringInfo(sql, ", %s %s", accum_ident(def->dims[i].name, ""), def->dims[i].type);
}

/*
 * Append the condition that the row called b is of an account, or of one below it, and
 * of a subconto that has what is asked for: parameters by number, 0 for none.
 */
static void
append_account_condition(StringInfo sql, int account, int subconto)
{
	if (account > 0)
		appendStringInfo(sql, "($%d IS NULL OR b.account = $%d OR starts_with(b.account, $%d || '.'))",
						 account, account, account);
	if (subconto > 0)
		appendStringInfo(sql, " AND ($%d IS NULL OR b.subconto @> $%d)", subconto, subconto);
}

/* Append the condition that the row called b is of the dimensions of a parameter. */
static void
append_dimensions_condition(StringInfo sql, const AccumRegisterDef *def, int parameter)
{
	const AccumRegisterDef *columns = accum_def_cells(def);
	char	   *name = psprintf("$%d", parameter);

	appendStringInfoString(sql, ACCUM_SCHEMA "._filter_valid(");
	accum_append_register_argument(sql, def);
	appendStringInfo(sql, ", %s)", name);
	for (int i = 0; i < columns->ndims; i++)
	{
		appendStringInfoString(sql, "\n\t\tAND ");
		accum_append_dimension_filter(sql, def, &columns->dims[i], "b.", "", name);
	}
}

/* The columns that balances of cells have, of the row called b. */
static void
append_cell(StringInfo sql, const AccumRegisterDef *def)
{
	appendStringInfoString(sql, "b.account, b.subconto");
	append_dims(sql, def, "b.");
	for (int i = 0; i < def->nresources; i++)
	{
		for (int s = 0; s < ACCUM_MAX_SIDES; s++)
			appendStringInfo(sql, ", b.%s", accum_ident(def->resources[i].name, accum_side_suffixes[s]));
	}
}

/* <register>_balance: what is debited and credited to accounts, as one JSON object. */
static void
append_balance_functions(StringInfo sql, const AccumRegisterDef *def)
{
	const char *before = accum_object_text(def->name, "balances_before");
	const char *sign = def->chart == ACCUM_CHART_NONE ? ""
		: psprintf("\n\t\t* CASE (SELECT a.type FROM %s a WHERE a.account = $1) WHEN 'passive' THEN -1 ELSE 1 END",
				   accum_relation_text(def->name, ACCUM_ACCOUNTS));

	for (int t = 0; t < ACCUM_BOUND_TYPES; t++)
	{
		const AccumBoundType *type = &accum_bound_types[t];
		const char *preset = type->default_clause;

		appendStringInfo(sql, "CREATE FUNCTION %s(p_account text%s, p_subconto jsonb%s, dimensions jsonb%s, at_date %s%s)\n"
						 "RETURNS jsonb LANGUAGE sql STABLE\nBEGIN ATOMIC\n\tSELECT ",
						 accum_object_text(def->name, "balance"), preset, preset, preset,
						 type->name, preset);
		for (int i = 0; i < def->nresources; i++)
		{
			const char *name = def->resources[i].name;
			const char *dr = accum_ident(name, "_dr");
			const char *cr = accum_ident(name, "_cr");

			appendStringInfo(sql, "%sjsonb_build_object('%s_dr', COALESCE(sum(b.%s), 0::%s), '%s_cr', COALESCE(sum(b.%s), 0::%s),\n"
							 "\t\t'%s_balance', COALESCE(sum(b.%s)::numeric - sum(b.%s)::numeric, 0::%s)%s)",
							 i > 0 ? "\n\t\t|| " : "", name, dr, def->resources[i].type,
							 name, cr, def->resources[i].type, name, dr, cr, def->resources[i].type, sign);
		}
		appendStringInfoString(sql, "\n\tFROM (SELECT ");
		append_cell(sql, def);
		appendStringInfo(sql, " FROM %s b WHERE $4 IS NULL\n\t\tUNION ALL SELECT ",
						 accum_object_text(def->name, "balances"));
		append_cell(sql, def);
		appendStringInfo(sql, " FROM %s(", before);
		accum_append_before_bound(sql, def, 4);
		appendStringInfoString(sql, ") b WHERE $4 IS NOT NULL) b\n\tWHERE ");
		append_account_condition(sql, 1, 2);
		appendStringInfoString(sql, "\n\t\tAND ");
		append_dimensions_condition(sql, def, 3);
		appendStringInfoString(sql, ";\nEND;\n");
		accum_append_function_comment(sql, def, "balance",
									  psprintf("text, jsonb, jsonb, %s", type->name),
									  "What is debited (<resource>_dr) and credited (<resource>_cr) to accounts of the ledger and debit less credit "
									  "(<resource>_balance; credit less debit for an account that a chart has as passive), as one JSON object, at the end of at_date; NULL takes all movements, future ones included. "
									  "p_account: this account and those below it, 60 and 60.01. p_subconto: subcontos that contain these keys with these values. "
									  ACCUM_BOUNDS_COMMENT ACCUM_DIMENSIONS_COMMENT
									  "NULL arguments do not restrict. Zeros when nothing matches. Errors: 22023 for unknown dimensions.");
	}
}

/* What a trial balance has of each resource, for each side. */
static const char *const trial_measures[] = {"opening", "turnover", "closing"};

static void
append_trial_columns(StringInfo sql, const AccumRegisterDef *def)
{
	appendStringInfo(sql, "account text%s",
					 def->chart != ACCUM_CHART_NONE ? ", account_name text" : "");
	append_dim_types(sql, def);
	for (int i = 0; i < def->nresources; i++)
	{
		for (size_t m = 0; m < lengthof(trial_measures); m++)
		{
			for (int s = 0; s < ACCUM_MAX_SIDES; s++)
				appendStringInfo(sql, ",\n\t%s %s",
								 accum_ident(psprintf("%s_%s", def->resources[i].name, trial_measures[m]),
											 accum_side_suffixes[s]),
								 def->resources[i].sum_type);
		}
	}
}

/* The sums of cells before the range and up to its end, side by side; one row a cell. */
static void
append_trial_cells(StringInfo sql, const AccumRegisterDef *def, const AccumBoundType *type)
{
	const char *before = accum_object_text(def->name, "balances_before");

	appendStringInfoString(sql, "SELECT b.account, array_to_string((string_to_array(b.account, '.'))"
						   "[:COALESCE($4, 2147483647)], '.') AS _top");
	append_dims(sql, def, "b.");
	for (int i = 0; i < def->nresources; i++)
	{
		const char *name = def->resources[i].name;
		const char *dr = accum_ident(name, "_dr");
		const char *cr = accum_ident(name, "_cr");
		const char *zero = psprintf("0::%s", def->resources[i].type);

		appendStringInfo(sql, ",\n\t\t\tCOALESCE(sum(b.%s - b.%s) FILTER (WHERE NOT b._is_closing), %s) AS %s"
						 ",\n\t\t\tsum(CASE WHEN b._is_closing THEN b.%s ELSE - b.%s END) AS %s"
						 ",\n\t\t\tsum(CASE WHEN b._is_closing THEN b.%s ELSE - b.%s END) AS %s"
						 ",\n\t\t\tCOALESCE(sum(b.%s - b.%s) FILTER (WHERE b._is_closing), %s) AS %s",
						 dr, cr, zero, accum_ident(name, "_opening"),
						 dr, dr, accum_ident(name, "_turnover_dr"),
						 cr, cr, accum_ident(name, "_turnover_cr"),
						 dr, cr, zero, accum_ident(name, "_closing"));
	}
	appendStringInfoString(sql, "\n\t\tFROM (SELECT false AS _is_closing, ");
	append_cell(sql, def);
	appendStringInfo(sql, " FROM %s(LEAST(", before);
	accum_append_from_bound(sql, def, type, 1);
	appendStringInfoString(sql, ", ");
	accum_append_before_bound(sql, def, 2);
	appendStringInfoString(sql, ")) b WHERE $1 IS NOT NULL\n\t\t\tUNION ALL SELECT true, ");
	append_cell(sql, def);
	appendStringInfo(sql, " FROM %s(", before);
	accum_append_before_bound(sql, def, 2);
	appendStringInfoString(sql, ") b) b\n\t\tWHERE ");
	append_dimensions_condition(sql, def, 3);
	appendStringInfoString(sql, "\n\t\tGROUP BY b.account, b.subconto");
	append_dims(sql, def, "b.");
}

/*
 * The balance of cells that have one on the debit side, and of those on the credit side;
 * that of active accounts is on the one, that of passive ones on the other, whatever it is.
 */
static void
append_both_sides(StringInfo sql, const AccumRegisterDef *def, const AccumColumnDef *resource,
				  const char *measure)
{
	const char *name = accum_ident(resource->name, measure);

	for (int s = 0; s < ACCUM_MAX_SIDES; s++)
	{
		const char *sign = s == 0 ? "" : "- ";

		appendStringInfo(sql, "%ssum(", s == 0 ? ",\n\t\t" : ", ");
		if (def->chart != ACCUM_CHART_NONE)
			appendStringInfo(sql, "CASE a.type WHEN '%s' THEN %sc.%s WHEN '%s' THEN 0::%s ELSE ",
							 s == 0 ? "active" : "passive", sign, name,
							 s == 0 ? "passive" : "active", resource->type);
		appendStringInfo(sql, "GREATEST(%sc.%s, 0::%s)%s)::%s", sign, name, resource->type,
						 def->chart != ACCUM_CHART_NONE ? " END" : "", resource->sum_type);
	}
}

/* <register>_trial_balance: opening, turnover and closing of each account. */
static void
append_trial_balance_functions(StringInfo sql, const AccumRegisterDef *def)
{
	const char *chart = accum_relation_text(def->name, ACCUM_ACCOUNTS);

	for (int t = 0; t < ACCUM_BOUND_TYPES; t++)
	{
		const AccumBoundType *type = &accum_bound_types[t];
		const char *separator = "";

		appendStringInfo(sql, "CREATE FUNCTION %s(from_date %s, to_date %s, dimensions jsonb DEFAULT NULL, level integer DEFAULT NULL)\n"
						 "RETURNS TABLE (", accum_object_text(def->name, "trial_balance"),
						 type->name, type->name);
		append_trial_columns(sql, def);
		appendStringInfoString(sql, ")\nLANGUAGE sql STABLE\nBEGIN ATOMIC\n"
							   "\tSELECT c._top");
		if (def->chart != ACCUM_CHART_NONE)
			appendStringInfo(sql, ", (SELECT n.name FROM %s n WHERE n.account = c._top)", chart);
		append_dims(sql, def, "c.");
		for (int i = 0; i < def->nresources; i++)
		{
			const AccumColumnDef *resource = &def->resources[i];

			append_both_sides(sql, def, resource, "_opening");
			appendStringInfo(sql, ", sum(c.%1$s)::%3$s, sum(c.%2$s)::%3$s",
							 accum_ident(resource->name, "_turnover_dr"),
							 accum_ident(resource->name, "_turnover_cr"), resource->sum_type);
			append_both_sides(sql, def, resource, "_closing");
		}
		appendStringInfoString(sql, "\n\tFROM (");
		append_trial_cells(sql, def, type);
		appendStringInfoString(sql, ") c");
		if (def->chart != ACCUM_CHART_NONE)
			appendStringInfo(sql, "\n\t\tLEFT JOIN %s a ON a.account = c.account", chart);
		appendStringInfoString(sql, "\n\tGROUP BY c._top");
		append_dims(sql, def, "c.");
		appendStringInfoString(sql, "\n\tHAVING ");
		for (int i = 0; i < def->nresources; i++)
		{
			static const char *const sums[] = {"_opening", "_turnover_dr", "_turnover_cr", "_closing"};

			for (size_t m = 0; m < lengthof(sums); m++)
			{
				appendStringInfo(sql, "%sbool_or(c.%s <> 0)", separator,
								 accum_ident(def->resources[i].name, sums[m]));
				separator = " OR ";
			}
		}
		appendStringInfoString(sql, "\n\tORDER BY c._top");
		append_dims(sql, def, "c.");
		appendStringInfoString(sql, ";\nEND;\n");
		accum_append_function_comment(sql, def, "trial_balance",
									  psprintf("%s, %s, jsonb, integer", type->name, type->name),
									  "Opening balance, turnover and closing balance, debit and credit, of each account and combination of dimensions. "
									  "The balance of an account is the sum of those of its subcontos, each on its own side: what one customer owes "
									  "is not set off against what another has paid in advance. With a chart of accounts that of an active account is on the debit side and that of a passive one on the credit side. level: accounts are rolled up to so many parts of "
									  "their codes, 1 to take 60.01 for 60, 0 for one row of all; NULL takes each for itself. " ACCUM_BOUNDS_COMMENT ACCUM_DIMENSIONS_COMMENT
									  "Errors: 22023 for unknown dimensions.");
	}
}

/* Movements as a side of them sees them, beside the sums: the row called b. */
static void
append_entry(StringInfo sql, const AccumRegisterDef *def, int side)
{
	appendStringInfo(sql, "SELECT %d AS _side, t.period, t.recorded_at, t.id, t.recorder, t.dim_hash%s AS dim_hash",
					 side, accum_side_suffixes[side]);
	for (int s = 0; s < ACCUM_MAX_SIDES; s++)
	{
		const char *suffix = accum_side_suffixes[s == 0 ? side : 1 - side];

		for (int i = 0; i < ACCUM_SIDE_COLUMNS; i++)
			appendStringInfo(sql, ", t.%s%s AS %s%s", accum_side_columns[i], suffix,
							 s == 0 ? "" : "corr_", accum_side_columns[i]);
	}
	append_dims(sql, def, "t.");
	for (int i = 0; i < def->nresources; i++)
	{
		const AccumColumnDef *resource = &def->resources[i];

		for (int s = 0; s < ACCUM_MAX_SIDES; s++)
		{
			if (s == side)
				appendStringInfo(sql, ", t.%s AS %s",
								 accum_ident(resource->name,
											 resource->unbalanced ? accum_side_suffixes[s] : ""),
								 accum_ident(resource->name, accum_side_suffixes[s]));
			else
				appendStringInfo(sql, ", 0::%s AS %s", resource->type,
								 accum_ident(resource->name, accum_side_suffixes[s]));
		}
	}
	appendStringInfo(sql, " FROM %s t", accum_relation_text(def->name, ACCUM_MOVEMENTS));
}

/* Append the condition that movements called prefix lie in a range of parameters. */
static void
append_range(StringInfo sql, const AccumRegisterDef *def, const AccumBoundType *type,
			 const char *prefix, int from, int to)
{
	appendStringInfo(sql, "%speriod >= " ACCUM_SCHEMA "._detail_from(", prefix);
	accum_append_register_argument(sql, def);
	appendStringInfoString(sql, ", ");
	accum_append_from_bound(sql, def, type, from);
	appendStringInfoString(sql, ", ");
	accum_append_before_bound(sql, def, to);
	appendStringInfo(sql, ")\n\t\tAND ($%d IS NULL OR %speriod < ", to, prefix);
	accum_append_before_bound(sql, def, to);
	appendStringInfoChar(sql, ')');
}

static void
append_statement_columns(StringInfo sql, const AccumRegisterDef *def)
{
	appendStringInfo(sql, "period timestamptz, recorder %s, id uuid, account text, subconto jsonb, "
					 "corr_account text, corr_subconto jsonb", def->recorder_type);
	append_dim_types(sql, def);
	for (int i = 0; i < def->nresources; i++)
		appendStringInfo(sql, ",\n\t%s %s, %s %s, %s %s",
						 accum_ident(def->resources[i].name, "_dr"), def->resources[i].type,
						 accum_ident(def->resources[i].name, "_cr"), def->resources[i].type,
						 accum_ident(def->resources[i].name, "_balance"), def->resources[i].sum_type);
}

/* The opening balances of a statement, as rows that come before all postings. */
static void
append_opening(StringInfo sql, const AccumRegisterDef *def, const AccumBoundType *type)
{
	appendStringInfo(sql, "SELECT -1 AS _side, '-infinity'::timestamptz AS period, NULL::timestamptz AS recorded_at, "
					 "NULL::uuid AS id, NULL::%s AS recorder,\n\t\t\tNULL::text AS account, NULL::jsonb AS subconto, "
					 "NULL::text AS corr_account, NULL::jsonb AS corr_subconto", def->recorder_cast_type);
	append_dims(sql, def, "b.");
	for (int i = 0; i < def->nresources; i++)
	{
		for (int s = 0; s < ACCUM_MAX_SIDES; s++)
			appendStringInfo(sql, ", b.%1$s::%2$s AS %1$s",
							 accum_ident(def->resources[i].name, accum_side_suffixes[s]),
							 def->resources[i].sum_type);
	}
	appendStringInfo(sql, "\n\t\tFROM %s(", accum_object_text(def->name, "balances_before"));
	accum_append_from_bound(sql, def, type, 2);
	appendStringInfoString(sql, ") b WHERE $2 IS NOT NULL AND ");
	append_account_condition(sql, 1, 4);
	appendStringInfoString(sql, "\n\t\tAND ");
	append_dimensions_condition(sql, def, 5);
}

/* The postings of a statement. */
static void
append_postings(StringInfo sql, const AccumRegisterDef *def, const AccumBoundType *type)
{
	appendStringInfoString(sql, "SELECT b._side, b.period, b.recorded_at, b.id, b.recorder, b.account, b.subconto, "
						   "b.corr_account, b.corr_subconto");
	append_dims(sql, def, "b.");
	for (int i = 0; i < def->nresources; i++)
	{
		for (int s = 0; s < ACCUM_MAX_SIDES; s++)
			appendStringInfo(sql, ", b.%s", accum_ident(def->resources[i].name, accum_side_suffixes[s]));
	}
	appendStringInfoString(sql, "\n\t\tFROM (");
	for (int side = 0; side < ACCUM_MAX_SIDES; side++)
	{
		appendStringInfoString(sql, side > 0 ? "\n\t\t\tUNION ALL " : "");
		append_entry(sql, def, side);
	}
	appendStringInfo(sql, ") b\n\t\tWHERE b.dim_hash IN (SELECT b.dim_hash FROM %s b WHERE ",
					 accum_relation_text(def->name, ACCUM_BALANCE_CACHE));
	append_account_condition(sql, 1, 4);
	appendStringInfoString(sql, ")\n\t\tAND ");
	append_account_condition(sql, 1, 4);
	appendStringInfoString(sql, "\n\t\tAND ");
	append_range(sql, def, type, "b.", 2, 3);
	appendStringInfoString(sql, "\n\t\tAND ");
	append_dimensions_condition(sql, def, 5);
}

/* <register>_account_statement: every posting of an account, with a running balance. */
static void
append_account_statement_functions(StringInfo sql, const AccumRegisterDef *def)
{
	for (int t = 0; t < ACCUM_BOUND_TYPES; t++)
	{
		const AccumBoundType *type = &accum_bound_types[t];

		appendStringInfo(sql, "CREATE FUNCTION %s(p_account text, from_date %s, to_date %s,\n"
						 "\tp_subconto jsonb DEFAULT NULL, dimensions jsonb DEFAULT NULL)\nRETURNS TABLE (",
						 accum_object_text(def->name, "account_statement"), type->name, type->name);
		append_statement_columns(sql, def);
		appendStringInfoString(sql, ")\nLANGUAGE sql STABLE\nBEGIN ATOMIC\n"
							   "\tSELECT r.period, r.recorder, r.id, r.account, r.subconto, r.corr_account, r.corr_subconto");
		append_dims(sql, def, "r.");
		for (int i = 0; i < def->nresources; i++)
			appendStringInfo(sql, ", r.%s::%s, r.%s::%s, r.%s",
							 accum_ident(def->resources[i].name, "_dr"), def->resources[i].type,
							 accum_ident(def->resources[i].name, "_cr"), def->resources[i].type,
							 accum_ident(def->resources[i].name, "_balance"));
		appendStringInfoString(sql, "\n\tFROM (SELECT e.*");
		for (int i = 0; i < def->nresources; i++)
			appendStringInfo(sql, ",\n\t\t\tsum(e.%s::numeric - e.%s::numeric) OVER w::%s AS %s",
							 accum_ident(def->resources[i].name, "_dr"),
							 accum_ident(def->resources[i].name, "_cr"),
							 def->resources[i].sum_type,
							 accum_ident(def->resources[i].name, "_balance"));
		appendStringInfoString(sql, "\n\t\tFROM (");
		append_opening(sql, def, type);
		appendStringInfoString(sql, "\n\t\tUNION ALL ");
		append_postings(sql, def, type);
		appendStringInfoString(sql, ") e\n\t\tWINDOW w AS (");
		for (int i = 0; i < def->ndims; i++)
			appendStringInfo(sql, "%s%s", i == 0 ? "PARTITION BY e." : ", e.",
							 accum_ident(def->dims[i].name, ""));
		appendStringInfoString(sql, " ORDER BY e.period, e.recorded_at, e.id, e._side)) r\n"
							   "\tWHERE r._side >= 0\n\tORDER BY r.period, r.recorded_at, r.id, r._side;\nEND;\n");
		accum_append_function_comment(sql, def, "account_statement",
									  psprintf("text, %s, %s, jsonb, jsonb", type->name, type->name),
									  "Postings that debit or credit an account, or one below it, in the order of period, recorded_at, id: the account and "
									  "subconto of this side, corr_account and corr_subconto of the other, and after each posting the balance, debit less "
									  "credit, of all that is asked for, for its combination of dimensions; it includes what was before from_date. "
									  "A posting within the account comes twice, debit first. p_subconto: subcontos that contain these keys with these values. "
									  ACCUM_BOUNDS_COMMENT ACCUM_DIMENSIONS_COMMENT
									  "Errors: 22023 for unknown dimensions, 55000 where movements are archived.");
	}
}

/* <register>_correspondence: how much each account is debited against each other one. */
static void
append_correspondence_functions(StringInfo sql, const AccumRegisterDef *def)
{
	const AccumRegisterDef *rows = accum_def_rows(def);

	for (int t = 0; t < ACCUM_BOUND_TYPES; t++)
	{
		const AccumBoundType *type = &accum_bound_types[t];
		const char *preset = type->default_clause;

		appendStringInfo(sql, "CREATE FUNCTION %s(from_date %s%s, to_date %s%s, dimensions jsonb DEFAULT NULL)\n"
						 "RETURNS TABLE (account_dr text, account_cr text",
						 accum_object_text(def->name, "correspondence"), type->name, preset,
						 type->name, preset);
		append_dim_types(sql, def);
		for (int i = 0; i < rows->nresources; i++)
			appendStringInfo(sql, ", %s %s", accum_ident(rows->resources[i].name, ""),
							 rows->resources[i].sum_type);
		appendStringInfoString(sql, ")\nLANGUAGE sql STABLE\nBEGIN ATOMIC\n\tSELECT b.account_dr, b.account_cr");
		append_dims(sql, def, "b.");
		for (int i = 0; i < rows->nresources; i++)
			appendStringInfo(sql, ", sum(b.%s)::%s", accum_ident(rows->resources[i].name, ""),
							 rows->resources[i].sum_type);
		appendStringInfo(sql, "\n\tFROM %s b\n\tWHERE ", accum_relation_text(def->name, ACCUM_MOVEMENTS));
		append_range(sql, def, type, "b.", 1, 2);
		appendStringInfoString(sql, "\n\t\tAND ");
		accum_append_movement_filter(sql, def, "b.", "$3");
		appendStringInfoString(sql, "\n\tGROUP BY b.account_dr, b.account_cr");
		append_dims(sql, def, "b.");
		appendStringInfoString(sql, "\n\tORDER BY b.account_dr, b.account_cr");
		append_dims(sql, def, "b.");
		appendStringInfoString(sql, ";\nEND;\n");
		accum_append_function_comment(sql, def, "correspondence",
									  psprintf("%s, %s, jsonb", type->name, type->name),
									  "Turnover of each pair of accounts, the one debited and the one credited, and combination of dimensions. "
									  "Reads the movements between from_date and to_date. " ACCUM_BOUNDS_COMMENT ACCUM_DIMENSIONS_COMMENT
									  "With account or subconto among the dimensions: pairs of which one is such. Errors: 22023 for unknown dimensions, 55000 where movements are archived.");
	}
}

/* Append the functions and views that read ledgers and have columns of the definition. */
void
accum_ddl_ledger_readers(StringInfo sql, const AccumRegisterDef *def)
{
	append_get_balance(sql, def);
	append_balance_functions(sql, def);
	append_trial_balance_functions(sql, def);
	append_account_statement_functions(sql, def);
	append_correspondence_functions(sql, def);
}
