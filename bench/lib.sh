# lib.sh - what the parts of the benchmark share; they source this file.
#
# A part measures tasks.  A task is done in several ways, one after the other, and
# all tasks once in each round.  bench/counters.sql has the tables that
# measurements go to, bench/report.sql prints them.

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=5
quick=${QUICK:-}

query()
{
    psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

# Print the first number for a full run, the second one for a short one.
full_or_quick()
{
    echo "${quick:+$2}" | grep . || echo "$1"
}

# Whether a task was asked for: TASK restricts a part to tasks that match it.
wanted()
{
    [[ $1 =~ ${TASK:-.} ]]
}

# SQL that measures SQL, which does so many operations.
measured()
{
    local task=$1 way=$2 operations=$3 sql=$4

    cat <<SQL
SELECT pg_stat_force_next_flush() \\g /dev/null
SELECT * FROM bench.counters, bench.pages \\gset before_
$sql
SELECT * FROM bench.counters, pg_stat_force_next_flush() \\gset after_
INSERT INTO bench.measurement (task, way, round, us, cpu_us, wal, pages)
    SELECT '$task', '$way', :round, (:after_us - :before_us) / $operations,
           (nullif(:'after_cpu_us', '')::float8 - nullif(:'before_cpu_us', '')::float8) / $operations,
           (:after_wal - :before_wal) / $operations::float8, (pages - :before_pages) / $operations::float8
    FROM bench.pages;
SQL
}

# SQL that measures the ways of a task; WAY in the SQL stands for their names.
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

# Run the rounds of a part: what one_round prints, again and again in one session.
# Statistics, as autovacuum would keep them.
analyze='ANALYZE plain, by_hand.movements, accum.stock_movements, accum.stock_recorders;'

run_rounds()
{
    local round

    {
        echo '\set QUIET on'
        for ((round = 0; round <= rounds; round++)); do
            echo "\\set round $round"
            one_round
        done
    } | query
}
