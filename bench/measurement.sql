-- What is read before and after a measurement, where measurements are kept, and how
-- they are reported.

\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_accumulator;
CREATE SCHEMA bench;

-- Processor time of this backend in us; NULL where the system does not tell.  Linux
-- brings the second file up to date when the first one is read.
CREATE FUNCTION bench.cpu_us() RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_read_file('/proc/self/stat', 0, 1, true);
    RETURN split_part(pg_read_file('/proc/self/schedstat', 0, 64, true), ' ', 1)::float8 / 1000;
END $$;

CREATE VIEW bench.counters AS
    SELECT extract(epoch FROM clock_timestamp())::float8 * 1000000 AS us, bench.cpu_us() AS cpu_us,
           pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS wal;
-- Pages asked for in shared buffers, whether found there or not.  Sessions add what
-- they have counted between transactions only.
CREATE VIEW bench.pages AS
    SELECT (blks_hit + blks_read)::float8 AS pages FROM pg_stat_database WHERE datname = current_database();

-- Numbers are those of one operation.  Rounds begin with 1; in round 0 caches warm
-- up, in round -1 instructions are counted.
CREATE UNLOGGED TABLE bench.measurement (
    n int GENERATED ALWAYS AS IDENTITY, task text NOT NULL, way text NOT NULL, round int NOT NULL,
    us float8 NOT NULL, cpu_us float8, wal float8, pages float8, instructions float8);
CREATE UNLOGGED TABLE bench.target (task text PRIMARY KEY, target text NOT NULL);

CREATE FUNCTION bench.number(x float8, digits int) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(to_char(x, 'FM999,999,999,990' || left('.000', sign(digits)::int + digits)), 'n/a')
$$;
-- A text with commas in its numbers.
CREATE FUNCTION bench.readable(t text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(t, '(\d)(?=(\d{3})+(?!\d))', '\1,', 'g')
$$;
CREATE FUNCTION bench.median(x float8[]) RETURNS float8 LANGUAGE sql AS $$
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY e) FROM unnest(x) AS e
$$;
CREATE FUNCTION bench.median_and_range(x float8[], digits int) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN count(e) = 0 THEN '' ELSE format('%s (%s to %s)', bench.number(bench.median(x), digits),
               bench.number(min(e), digits), bench.number(max(e), digits)) END
    FROM unnest(x) AS e
$$;

-- Two tables in Markdown: how ways compare, and what each of them takes.  Ratios
-- are pairs of ways.  They are taken within a round; shown is the median of all.
-- The target is one for the first of them.
CREATE FUNCTION bench.report(operation text, ways text[], ratios text[]) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    with_cpu boolean := EXISTS (SELECT FROM bench.measurement WHERE cpu_us IS NOT NULL);
BEGIN
    RETURN NEXT '';
    RETURN QUERY
        SELECT format('| %s | %s | %s | target |', operation, string_agg(way || ', µs', ' | '),
                   (SELECT string_agg(replace(r, '/', ' : ') || CASE WHEN with_cpu THEN ' | processor time' ELSE '' END, ' | ')
                    FROM unnest(ratios) AS r))
        FROM unnest(ways) AS way;
    RETURN NEXT '| --- |' || repeat(' ---: |', cardinality(ways) + (with_cpu::int + 1) * cardinality(ratios) + 1);
    RETURN QUERY
        WITH medians AS (
            SELECT task, min(n) AS n, way, bench.number(bench.median(array_agg(us)), 1) AS us
            FROM bench.measurement WHERE round > 0 GROUP BY task, way
        ), compared AS (
            SELECT a.task, r.position,
                   bench.median_and_range(array_agg(a.us / b.us), 2) || CASE WHEN with_cpu THEN
                       ' | ' || bench.median_and_range(array_agg(a.cpu_us / b.cpu_us), 2) ELSE '' END AS ratio
            FROM unnest(ratios) WITH ORDINALITY AS r (ratio, position)
                JOIN bench.measurement a ON a.way = split_part(r.ratio, '/', 1) AND a.round > 0
                JOIN bench.measurement b ON b.way = split_part(r.ratio, '/', 2) AND b.task = a.task AND b.round = a.round
            GROUP BY a.task, r.position
        )
        SELECT format('| %s | %s | %s | %s |', bench.readable(task),
                   (SELECT string_agg(coalesce((SELECT us FROM medians m WHERE m.way = w AND m.task = tasks.task), ''), ' | ')
                    FROM unnest(ways) AS w),
                   (SELECT string_agg(coalesce((SELECT ratio FROM compared c WHERE c.position = p AND c.task = tasks.task),
                                            CASE WHEN with_cpu THEN ' | ' ELSE '' END), ' | ')
                    FROM generate_subscripts(ratios, 1) AS p),
                   (SELECT target FROM bench.target t WHERE t.task = tasks.task))
        FROM (SELECT task, min(n) AS n FROM medians GROUP BY task) AS tasks ORDER BY tasks.n;
    RETURN NEXT '';
    RETURN NEXT format('| %s takes | way | µs | processor, µs | WAL, bytes | pages | instructions |', operation);
    RETURN NEXT '| --- | --- | ---: | ---: | ---: | ---: | ---: |';
    RETURN QUERY
        SELECT format('| %s | %s | %s | %s | %s | %s | %s |', bench.readable(task), way,
                   bench.median_and_range(array_agg(us) FILTER (WHERE round > 0), 1),
                   bench.number(bench.median(array_agg(cpu_us) FILTER (WHERE round > 0)), 1),
                   bench.number(bench.median(array_agg(wal) FILTER (WHERE round > 0)), 0),
                   bench.number(bench.median(array_agg(pages) FILTER (WHERE round > 0)), 1),
                   bench.number(max(instructions), 0))
        FROM bench.measurement WHERE round <> 0
        GROUP BY task, way HAVING count(*) FILTER (WHERE round > 0) > 0
        ORDER BY min(min(n)) OVER (PARTITION BY task), min(n);
END $$;
