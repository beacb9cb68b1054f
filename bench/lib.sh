# shellcheck shell=bash
#
# lib.sh - what the parts of the benchmark share; they source this file.
#
# A part measures tasks.  Each task is done in several ways, one after the other,
# and all tasks once in each round: so ways that are compared ran side by side, with
# the same neighbours on the machine.  bench/measurement.sql has the tables that
# measurements go to.
#
# From the environment: QUICK (not empty: a short run; "tiny": a test that all of
# it works, which measures nothing), TASK (a regular expression: of the tasks of a
# part only those that match), and how psql finds the server.

set -euo pipefail

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Print what belongs to a full, a short and a tiny run.
size()
{
    case ${QUICK:-} in
        '') echo "$1" ;;
        tiny) echo "$3" ;;
        *) echo "$2" ;;
    esac
}

rounds=$(size 9 5 1)
# Of a run of pgbench; in a short run a number of transactions, seconds being too long.
read -ra pgbench_length <<<"$(size '-T 2' '-t 400' '-t 4')"

query()
{
    psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

load_solutions()
{
    query -f "$bench/measurement.sql" -f "$bench/solutions.sql" -f "$bench/tasks.sql"
}

# Whether a task was asked for.
wanted()
{
    [[ $1 =~ ${TASK:-.} ]]
}

# Hardware counts instructions on some machines and not on others.  Long runs ask it.
event=instructions:u
perf_works()
{
    [ -z "${QUICK:-}" ] && command -v perf >/dev/null && perf stat -x, -e $event true 2>&1 | grep -q '^[0-9]'
}

# SQL of the beginning and of the end of a measurement: PREFIX is a prefix of
# variables, so that one can stand inside another.
started()
{
    echo 'SELECT pg_stat_force_next_flush() \g /dev/null'
    [ "$round" -ne -1 ] || cat <<SQL
SELECT pg_backend_pid() AS backend \\gset
\\setenv BACKEND :backend
\\! perf stat -x, -e $event -p \$BACKEND -o $work/perf & echo \$! >$work/perf.pid; sleep 0.2
SQL
    echo "SELECT * FROM bench.pages, bench.counters \\gset $1"
}
finished()
{
    local prefix=$1 task=$2 way=$3 operations=$4

    cat <<SQL
SELECT * FROM bench.counters, pg_stat_force_next_flush() \\gset after_
\\set instructions ''
SQL
    [ "$round" -ne -1 ] || cat <<SQL
\\! kill -INT \$(cat $work/perf.pid); while kill -0 \$(cat $work/perf.pid) 2>/dev/null; do sleep 0.01; done
\\set instructions \`grep -o '^[0-9]*' $work/perf\`
SQL
    cat <<SQL
INSERT INTO bench.measurement (task, way, round, us, cpu_us, wal, pages, instructions)
    SELECT '$task', '$way', $round, (:after_us - :${prefix}us) / $operations,
           (nullif(:'after_cpu_us', '')::float8 - nullif(:'${prefix}cpu_us', '')::float8) / $operations,
           (:after_wal - :${prefix}wal) / $operations,
           -- No pages are known of a part of a transaction.
           nullif(pages - :${prefix}pages, 0) / $operations,
           nullif(:'instructions', '')::float8 / $operations
    FROM bench.pages;
SQL
}

# SQL that measures SQL, which does so many operations.
measured()
{
    started before_
    echo "$4"
    finished before_ "$1" "$2" "$3"
}

# SQL that measures the ways of a task.  WAY in the SQL stands for their names.
compare()
{
    local task=$1 operations=$2 ways=$3 sql=$4 way

    for way in $ways; do
        measured "$task" "$way" "$operations" "${sql//WAY/$way}"
    done
}

target()
{
    echo "INSERT INTO bench.target VALUES ('$1', '$2') ON CONFLICT DO NOTHING;"
}

# Run the SQL that the function one_round prints, for each round, in one session.
run_rounds()
{
    local round

    {
        for ((round = 0; round <= rounds; round++)); do
            one_round
        done
        if perf_works; then
            round=-1
            one_round
        fi
    } >"$work/rounds"
    query -f "$work/rounds"
}

# Measure a way of a task, in the round that is going on, with so many clients of
# pgbench and a script.
measure_clients()
{
    local task=$1 way=$2 clients=$3 script=$4 before tps

    before=$(query -c 'SELECT * FROM bench.counters, bench.pages')
    tps=$(pgbench -n -M prepared "${pgbench_length[@]}" -c "$clients" -j "$((clients < 2 ? 1 : 2))" \
        -f "$script" 2>/dev/null | awk '/^tps/ { tps = $3 } /actually processed/ { n = $NF; sub("/.*", "", n) } END { print tps, n }')
    IFS='| ' read -r _ _ wal pages tps transactions <<<"$before $tps"
    query -c "INSERT INTO bench.measurement (task, way, round, us, wal, pages)
        SELECT '$task', '$way', $round, 1000000 / $tps, (c.wal - $wal) / $transactions, (p.pages - $pages) / $transactions
        FROM bench.counters c, bench.pages p"
}

# Print the tables: HEADING, what an operation is, ways, ratios.
report()
{
    query -c "SELECT E'\n### ' || bench.readable('$1')" -c "SELECT bench.report('$2', '$3', '$4')"
}
