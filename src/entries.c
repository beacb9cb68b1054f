/*
 * entries.c
 *		Postings with several lines, as movements of a ledger.
 *
 * A posting may come as lines, "entries", each of which debits or credits one account.
 * It is stored as correspondences: movements with an account on either side.  Which
 * account goes with which is only clear where one side has a single line, so each
 * combination of dimensions must be such, and balance: then each line of the other side
 * becomes a movement, with that line's amounts.  What the single line has of resources
 * with two values goes into the first of them.
 *
 * The result is JSON again, in the form of movements; what else may be wrong with it is
 * found where that is read.
 *
 * Everything lives in the memory context of the caller.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "cell.h"
#include "entries.h"
#include "json_value.h"
#include "resource.h"

/* A value of an object; given is false where the key is absent. */
typedef struct Given
{
	bool		given;
	JsonbValue	json;
} Given;

typedef struct Line
{
	int			side;			/* 0 debits, 1 credits */
	Given		account;
	Given		subconto;
	Given	   *dims;			/* of those that were declared: here or in the posting */
	Datum	   *dim_values;
	bool	   *dim_nulls;
	Given	   *resources;		/* of those that were declared */
	Datum	   *amounts;
	bool		placed;			/* it is part of a group */
} Line;

typedef struct Posting
{
	AccumRegister *reg;
	JsonbContainer *container;
	int			position;
	int			ndims;			/* declared */
	AccumColumn *dims;
	Line	   *lines;
	int			nlines;
	JsonbParseState *state;		/* of the result */

	/* For error context. */
	int			line;
	const char *key;
} Posting;

static void
entry_error_context(void *arg)
{
	Posting    *posting = arg;

	if (posting->key != NULL)
		errcontext("entry %d, key \"%s\"", posting->line, posting->key);
}

/* Does a posting come as lines? */
bool
accum_entries_given(JsonbContainer *posting)
{
	JsonbValue	buffer;

	return getKeyJsonValueFromContainer(posting, "entries", strlen("entries"), &buffer) != NULL;
}

static bool
is_named(const JsonbValue *key, const char *name)
{
	return key->val.string.len == (int) strlen(name) &&
		strncmp(key->val.string.val, name, strlen(name)) == 0;
}

static Given
get(JsonbContainer *object, const char *name)
{
	Given		result = {0};

	result.given = getKeyJsonValueFromContainer(object, name, strlen(name), &result.json) != NULL;
	return result;
}

static void
wrong_line(const Posting *posting, int line, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("entry %d of movement %d %s", line, posting->position, what)));
}

/* Refuse a key that is not among those of a line. */
static void
check_line_keys(const Posting *posting, JsonbContainer *object, int line)
{
	static const char *const known[] = {"account", "subconto", "debit", "credit"};
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	v;

	(void) JsonbIteratorNext(&it, &v, true);
	while (JsonbIteratorNext(&it, &v, true) == WJB_KEY)
	{
		bool		found = false;

		for (size_t i = 0; i < lengthof(known); i++)
			found = found || is_named(&v, known[i]);
		for (int i = 0; i < posting->ndims; i++)
			found = found || is_named(&v, posting->dims[i].name);
		if (!found)
			wrong_line(posting, line, psprintf("has an unknown key: \"%s\"",
											   pnstrdup(v.val.string.val, v.val.string.len)));
		(void) JsonbIteratorNext(&it, &v, true);
	}
}

/* Read what a line debits or credits: an object of resources. */
static void
read_amounts(Posting *posting, Line *line, JsonbContainer *object, int n)
{
	AccumRegister *reg = posting->reg;
	int			known = 0;

	line->resources = palloc0(sizeof(Given) * reg->ndeclared);
	line->amounts = palloc0(sizeof(Datum) * reg->ndeclared);
	for (int i = 0; i < reg->ndeclared; i++)
	{
		AccumColumn *column = &reg->resources[i * ACCUM_MAX_SIDES];
		bool		isnull;

		line->resources[i] = get(object, reg->declared[i].name);
		if (!line->resources[i].given)
			continue;
		known++;
		if (line->resources[i].json.type != jbvNumeric && line->resources[i].json.type != jbvString)
			wrong_line(posting, n, psprintf("must have a number as \"%s\"", reg->declared[i].name));
		posting->key = reg->declared[i].name;
		line->amounts[i] = accum_column_from_json(reg, column, &line->resources[i].json, &isnull);
		posting->key = NULL;
		if (!accum_value_finite(column->type, line->amounts[i]))
			wrong_line(posting, n, psprintf("must have a finite number as \"%s\"",
											reg->declared[i].name));
	}
	if (known != (int) JsonContainerSize(object))
		wrong_line(posting, n, "debits or credits something that is no resource");
}

static void
read_line(Posting *posting, Line *line, const JsonbValue *element, int n)
{
	JsonbContainer *object;
	Given		sides[ACCUM_MAX_SIDES];

	if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
		wrong_line(posting, n, "is not an object");
	object = element->val.binary.data;
	check_line_keys(posting, object, n);
	sides[0] = get(object, "debit");
	sides[1] = get(object, "credit");
	if (sides[0].given == sides[1].given)
		wrong_line(posting, n, "must have either \"debit\" or \"credit\"");
	line->side = sides[0].given ? 0 : 1;
	if (sides[line->side].json.type != jbvBinary ||
		!JsonContainerIsObject(sides[line->side].json.val.binary.data))
		wrong_line(posting, n, "must have an object of resources as \"debit\" or \"credit\"");
	line->account = get(object, "account");
	if (!line->account.given)
		wrong_line(posting, n, "lacks \"account\"");
	line->subconto = get(object, "subconto");
	line->dims = palloc0(sizeof(Given) * (posting->ndims + 1));
	line->dim_values = palloc0(sizeof(Datum) * (posting->ndims + 1));
	line->dim_nulls = palloc0(sizeof(bool) * (posting->ndims + 1));
	for (int i = 0; i < posting->ndims; i++)
	{
		AccumColumn *dim = &posting->dims[i];

		line->dims[i] = get(object, dim->name);
		if (!line->dims[i].given)
			line->dims[i] = get(posting->container, dim->name);
		line->dim_nulls[i] = true;
		posting->key = dim->name;
		if (line->dims[i].given)
			line->dim_values[i] = accum_column_from_json(posting->reg, dim, &line->dims[i].json,
														 &line->dim_nulls[i]);
		posting->key = NULL;
	}
	read_amounts(posting, line, sides[line->side].json.val.binary.data, n);
}

static void
read_lines(Posting *posting)
{
	Given		entries = get(posting->container, "entries");
	JsonbContainer *array;

	if (entries.json.type != jbvBinary || !JsonContainerIsArray(entries.json.val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key \"entries\" of movement %d must be an array of objects",
						posting->position)));
	array = entries.json.val.binary.data;
	posting->nlines = JsonContainerSize(array);
	if (posting->nlines == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key \"entries\" of movement %d must not be empty", posting->position)));
	posting->lines = palloc0(sizeof(Line) * posting->nlines);
	for (int i = 0; i < posting->nlines; i++)
	{
		posting->line = i + 1;
		read_line(posting, &posting->lines[i], getIthJsonbValueFromContainer(array, i), i + 1);
	}
}

/* What stands beside the lines is of all movements; sides and resources must not. */
static void
check_posting_keys(const Posting *posting)
{
	AccumRegister *reg = posting->reg;

	for (int i = 0; i < reg->nrow_resources + ACCUM_MAX_SIDES * ACCUM_SIDE_COLUMNS; i++)
	{
		const char *name = i < reg->nrow_resources ? reg->row_resources[i].name
			: reg->row_dims[i - reg->nrow_resources].name;

		if (get(posting->container, name).given)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("movement %d has both \"entries\" and \"%s\"", posting->position, name)));
	}
}

static bool
same_dims(const Posting *posting, const Line *a, const Line *b)
{
	for (int i = 0; i < posting->ndims; i++)
	{
		if (!accum_column_equal(&posting->dims[i], a->dim_values[i], a->dim_nulls[i],
								b->dim_values[i], b->dim_nulls[i]))
			return false;
	}
	return true;
}

/* Which dimensions a group of lines has, for people. */
static char *
group_text(const Posting *posting, const Line *line)
{
	if (posting->ndims == 0)
		return "";
	return psprintf(" for %s", accum_columns_text(posting->dims, posting->ndims, line->dim_values,
												  line->dim_nulls));
}

/* Complain about a group whose debits are not its credits. */
static void
check_balance(const Posting *posting, List *const *sides, const Line *first)
{
	AccumRegister *reg = posting->reg;
	StringInfoData detail;

	initStringInfo(&detail);
	for (int i = 0; i < reg->ndeclared; i++)
	{
		AccumSum	sum = {0};
		Oid			type = reg->resources[i * ACCUM_MAX_SIDES].type;
		Datum		difference;

		if (reg->declared[i].unbalanced)
			continue;
		for (int s = 0; s < ACCUM_MAX_SIDES; s++)
		{
			ListCell   *lc;

			foreach(lc, sides[s])
			{
				Line	   *line = lfirst(lc);

				if (line->resources[i].given)
					accum_sum_add_value(&sum, type, line->amounts[i], s == 0 ? 1 : -1);
			}
		}
		if (accum_sum_is_zero(&sum, type))
			continue;
		difference = accum_sum_wide(&sum, type);
		appendStringInfo(&detail, "%sDebits less credits of \"%s\" are %s%s.", detail.len > 0 ? " " : "",
						 reg->declared[i].name,
						 DatumGetCString(DirectFunctionCall1(numeric_out, difference)),
						 group_text(posting, first));
	}
	if (detail.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entries of movement %d do not balance", posting->position),
				 errdetail("%s", detail.data)));
}

static void
push(Posting *posting, const char *name, JsonbValue *value)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	(void) pushJsonbValue(&posting->state, WJB_KEY, &key);
	(void) pushJsonbValue(&posting->state, WJB_VALUE, value);
}

/* The keys of the posting that all its movements have, but for dimensions. */
static void
push_common(Posting *posting)
{
	JsonbIterator *it = JsonbIteratorInit(posting->container);
	JsonbValue	key;
	JsonbValue	value;

	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		bool		skip = is_named(&key, "entries");

		for (int i = 0; i < posting->ndims; i++)
			skip = skip || is_named(&key, posting->dims[i].name);
		(void) JsonbIteratorNext(&it, &value, true);
		if (skip)
			continue;
		(void) pushJsonbValue(&posting->state, WJB_KEY, &key);
		(void) pushJsonbValue(&posting->state, WJB_VALUE, &value);
	}
}

/*
 * A correspondence: pair[0] is debited and pair[1] credited, amounts is the one of them
 * whose amounts they are.  The single line of a side has its own values in the first.
 */
static void
push_movement(Posting *posting, Line *const *pair, Line *amounts, bool is_first)
{
	AccumRegister *reg = posting->reg;

	(void) pushJsonbValue(&posting->state, WJB_BEGIN_OBJECT, NULL);
	push_common(posting);
	for (int i = 0; i < posting->ndims; i++)
	{
		if (amounts->dims[i].given)
			push(posting, posting->dims[i].name, &amounts->dims[i].json);
	}
	for (int s = 0; s < ACCUM_MAX_SIDES; s++)
	{
		push(posting, psprintf("account%s", accum_side_suffixes[s]), &pair[s]->account.json);
		if (pair[s]->subconto.given)
			push(posting, psprintf("subconto%s", accum_side_suffixes[s]), &pair[s]->subconto.json);
	}
	for (int i = 0; i < reg->ndeclared; i++)
	{
		const AccumDeclared *declared = &reg->declared[i];

		if (!declared->unbalanced && amounts->resources[i].given)
			push(posting, declared->name, &amounts->resources[i].json);
		for (int s = 0; declared->unbalanced && s < ACCUM_MAX_SIDES; s++)
		{
			if (pair[s]->resources[i].given && (pair[s] == amounts || is_first))
				push(posting, psprintf("%s%s", declared->name, accum_side_suffixes[s]),
					 &pair[s]->resources[i].json);
		}
	}
	(void) pushJsonbValue(&posting->state, WJB_END_OBJECT, NULL);
}

/* The lines of one combination of dimensions, beginning with the one at first. */
static void
expand_group(Posting *posting, int first)
{
	List	   *sides[ACCUM_MAX_SIDES] = {NIL, NIL};
	Line	   *line = &posting->lines[first];
	int			many;
	ListCell   *lc;

	CHECK_FOR_INTERRUPTS();
	for (int i = first; i < posting->nlines; i++)
	{
		Line	   *other = &posting->lines[i];

		if (other->placed || !same_dims(posting, line, other))
			continue;
		other->placed = true;
		sides[other->side] = lappend(sides[other->side], other);
	}
	check_balance(posting, sides, line);
	if (list_length(sides[0]) != 1 && list_length(sides[1]) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entries of movement %d cannot be paired", posting->position),
				 errdetail("There are %d debits and %d credits%s.", list_length(sides[0]),
						   list_length(sides[1]), group_text(posting, line)),
				 errhint("Give a single entry on one of the sides, or several movements.")));
	if (sides[0] == NIL || sides[1] == NIL)
		wrong_line(posting, first + 1, "has nothing on the other side");
	many = list_length(sides[0]) > 1 ? 0 : 1;
	foreach(lc, sides[many])
	{
		Line	   *pair[ACCUM_MAX_SIDES];

		pair[many] = lfirst(lc);
		pair[1 - many] = linitial(sides[1 - many]);
		push_movement(posting, pair, pair[many], lc == list_head(sides[many]));
	}
}

/*
 * A posting with lines as an array of movements.  position is that of the posting, for
 * messages.  Raises invalid_parameter_value for lines that cannot be movements.
 */
Jsonb *
accum_entries_expand(AccumRegister *reg, JsonbContainer *object, int position)
{
	Posting		posting = {.reg = reg,.container = object,.position = position};
	ErrorContextCallback error_context = {.callback = entry_error_context,.arg = &posting};

	posting.ndims = accum_register_declared_dims(reg);
	posting.dims = reg->dims + reg->ndims - posting.ndims;
	check_posting_keys(&posting);
	error_context.previous = error_context_stack;
	error_context_stack = &error_context;
	read_lines(&posting);
	error_context_stack = error_context.previous;
	(void) pushJsonbValue(&posting.state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < posting.nlines; i++)
	{
		if (!posting.lines[i].placed)
			expand_group(&posting, i);
	}
	return JsonbValueToJsonb(pushJsonbValue(&posting.state, WJB_END_ARRAY, NULL));
}
