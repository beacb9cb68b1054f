# Makefile of the pg_accumulator extension.
#
#   make, make install          build and install, as PGXS does everywhere
#   make installcheck           tests against a running server that has it installed
#   make unit                   tests of the modules that need no server
#   make check [SUITES="..."]   every suite, on private servers; see tools/check
#   make check-long [SUITES="..."]
#                               the same with tests that take hours; see docs/development.md
#   make check-versions [SUITES="..."] [RELEASES="..."]
#                               the same on PostgreSQL 15 to 18; see tools/check-versions
#   make deb                    a Debian package for the server; see tools/deb
#   make dist                   a zip file of what is committed, as PGXN takes it
#   make demo [KEEP=1]          a private server and examples/warehouse.sql on it
#   make demo-web [PORT=8080]   a private server and a shop in the browser, demo/
#   make bench [QUICK=1] [PART="posts reads"] [TASK=balance]
#                               measurements on a private server; see bench/run
#
# These begin on a machine that has make and nothing else, so PGXS is only included
# where pg_config can be run.

EXTENSION = pg_accumulator
MODULE_big = $(EXTENSION)
# The control file is the only place that states the version.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(EXTENSION).control)

SQL_PARTS = $(sort $(wildcard sql/[0-9][0-9]_*.sql))
FULL_SQL = $(EXTENSION)--$(EXTVERSION).sql
DATA = $(wildcard sql/$(EXTENSION)--*--*.sql)
DATA_built = $(FULL_SQL)

# The library compares it with that of a database's objects.
PG_CPPFLAGS = -DACCUM_VERSION='"$(EXTVERSION)"'

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
UNIT_TESTS = $(patsubst %.c,%,$(sort $(wildcard test/unit/test_*.c)))
# What includes pure.h needs no server and is linked into every unit test.
PURE_SOURCES = $(shell grep -ls '"pure\.h"' src/*.c)

REGRESS = $(sort $(basename $(notdir $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test --load-extension=$(EXTENSION)
ISOLATION = $(sort $(basename $(notdir $(wildcard test/specs/*.spec))))
# PGXS would look for expected files in output_iso; both suites share expected/.
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=$(EXTENSION)
ifneq ($(filter $(REGRESS),$(ISOLATION)),)
$(error A regression test and an isolation test share one file in expected/: $(filter $(REGRESS),$(ISOLATION)))
endif
ifneq ($(wildcard test/t/*.pl),)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl
endif

# Install scripts of every version: a change of version leaves the old one.
EXTRA_CLEAN = $(EXTENSION)--*.sql $(UNIT_TESTS)

OWN_GOALS = check check-long check-versions demo demo-web bench deb dist
ifneq ($(filter $(OWN_GOALS),$(MAKECMDGOALS)),)
# PGXS has a "check" of its own, which only says that it is not supported.
# It is left out when ours are asked for; other goals get a make of their own.
.NOTPARALLEL:
$(filter-out $(OWN_GOALS),$(MAKECMDGOALS)):
	$(MAKE) $@
check:
	@tools/check $(SUITES)
check-long:
	@ACCUM_LONG=1 tools/check $(SUITES)
check-versions:
	@tools/check-versions $(addprefix -r ,$(RELEASES)) $(SUITES)
demo:
	@tools/demo $(if $(KEEP),--keep)
demo-web:
	@tools/demo-web $(PORT)
bench:
	@QUICK=$(QUICK) bench/run $(PART)
deb:
	@tools/deb $(DEB)
dist:
	git archive --format=zip --prefix=$(EXTENSION)-$(EXTVERSION)/ \
		--output=$(or $(DIST),$(EXTENSION)-$(EXTVERSION).zip) HEAD
.PHONY: $(OWN_GOALS) $(filter-out $(OWN_GOALS),$(MAKECMDGOALS))

else

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
ifneq ($(PGXS),)
include $(PGXS)

$(FULL_SQL): $(SQL_PARTS) $(EXTENSION).control
	cat $(SQL_PARTS) > $@

$(OBJS) $(OBJS:.o=.bc): $(wildcard src/*.h)
src/version.o src/version.bc: $(EXTENSION).control

$(UNIT_TESTS): %: %.c $(PURE_SOURCES) $(wildcard src/*.h)
	$(CC) $(CFLAGS) $(CPPFLAGS) -DFRONTEND -Isrc $< $(PURE_SOURCES) \
		-L$(pkglibdir) -L$(libdir) -lcmocka -lpgcommon -lpgport -lm -o $@

unit: $(UNIT_TESTS)
	@status=0; for test in $^; do $$test || status=1; done; exit $$status

.PHONY: unit

else

all install installcheck unit:
	@echo "$(PG_CONFIG) was not found: install the development files of a PostgreSQL server," >&2
	@echo "or call make with PG_CONFIG=/path/to/pg_config." >&2
	@exit 1

# Without PGXS nothing was built here, but a tree may have been copied.
clean:
	rm -rf $(OBJS) $(OBJS:.o=.bc) $(MODULE_big).so $(EXTRA_CLEAN)
	rm -rf results tmp_check tmp_check_iso output_iso log regression.diffs regression.out

.PHONY: all install installcheck unit clean

endif
endif
