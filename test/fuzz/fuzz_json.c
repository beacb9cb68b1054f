/*
 * fuzz_json.c
 *		A target for libFuzzer: documents in JSON.
 *
 * This is linked with the extension's own sources, instrumented, into one library; see
 * test/t/fuzz_json.pl.  What libFuzzer makes up goes through SQL, in a subtransaction of
 * its own that is rolled back.  An error that blames the input is a good answer; any
 * other, like a crash, is a finding: libFuzzer then keeps the input and ends.
 *
 * libFuzzer is LLVM's, https://llvm.org/docs/LibFuzzer.html.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

extern int	LLVMFuzzerRunDriver(int *argc, char ***argv,
								int (*one_input) (const uint8_t *data, size_t size));

/* Statements that take a document as $1; each is tried with every input. */
static SPIPlanPtr *plans;
static int	nplans;

static char **
strings_of(ArrayType *array, int *n)
{
	Datum	   *elements;
	char	  **strings;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, n);
	strings = palloc(sizeof(char *) * (*n + 1));
	for (int i = 0; i < *n; i++)
		strings[i] = TextDatumGetCString(elements[i]);
	strings[*n] = NULL;
	return strings;
}

/* Is it the input's fault?  Errors in data, in what is unique or required, and limits. */
static bool
blames_input(int code)
{
	int			category = ERRCODE_TO_CATEGORY(code);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_CARDINALITY_VIOLATION ||
		category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		category == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

static void
check_error(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	if (blames_input(error->sqlerrcode))
		return;
	fprintf(stderr, "%s: %s\n", unpack_sql_state(error->sqlerrcode), error->message);
	abort();
}

static void
try_plan(SPIPlanPtr plan, const char *document, MemoryContext context)
{
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		Datum		value = DirectFunctionCall1(jsonb_in, CStringGetDatum(document));

		SPI_execute_plan(plan, &value, NULL, false, 0);
	}
	PG_CATCH();
	{
		check_error(context);
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	CurrentResourceOwner = owner;
}

static int
one_input(const uint8_t *data, size_t size)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext context;

	if (!pg_verifymbstr((const char *) data, size, true))
		return 0;
	CHECK_FOR_INTERRUPTS();
	context = AllocSetContextCreate(old, "fuzz", ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < nplans; i++)
		try_plan(plans[i], pnstrdup((const char *) data, size), context);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return 0;
}

PG_FUNCTION_INFO_V1(fuzz_json);

/*
 * fuzz_json(statements text[], arguments text[]): run libFuzzer, with these arguments,
 * on statements.  Does not return: the backend, a single-user one, exits.
 */
Datum
fuzz_json(PG_FUNCTION_ARGS)
{
	char	  **statements = strings_of(PG_GETARG_ARRAYTYPE_P(0), &nplans);
	int			argc;
	char	  **argv = strings_of(PG_GETARG_ARRAYTYPE_P(1), &argc);
	Oid			type = JSONBOID;

	SPI_connect();
	plans = palloc(sizeof(SPIPlanPtr) * nplans);
	for (int i = 0; i < nplans; i++)
		if ((plans[i] = SPI_prepare(statements[i], 1, &type)) == NULL)
			elog(ERROR, "\"%s\" cannot be prepared", statements[i]);
	LLVMFuzzerRunDriver(&argc, &argv, one_input);
	PG_RETURN_VOID();
}
