-- Print the measurements of a part.
--
-- Variables: unit (what one operation is).

\pset format unaligned
\pset tuples_only on
\set QUIET on

-- Ratios are taken within a round, and then their median.
CREATE TEMP VIEW per_round AS
    SELECT task, round, min(n) AS n,
           min(us) FILTER (WHERE way = 'plain') AS plain, min(us) FILTER (WHERE way = 'by_hand') AS by_hand,
           min(us) FILTER (WHERE way = 'register') AS register,
           min(cpu_us) FILTER (WHERE way = 'plain') AS cpu_plain,
           min(cpu_us) FILTER (WHERE way = 'by_hand') AS cpu_by_hand,
           min(cpu_us) FILTER (WHERE way = 'register') AS cpu_register
    FROM bench.measurement WHERE round > 0 GROUP BY task, round;
CREATE FUNCTION pg_temp.median(float8[]) RETURNS float8 LANGUAGE sql AS
    $$ SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM unnest($1) AS x $$;
CREATE FUNCTION pg_temp.shown(x float8, digits int) RETURNS text LANGUAGE sql AS
    $$ SELECT coalesce(to_char(x, 'FM999,999,999,990' || CASE WHEN digits > 0 THEN '.' || repeat('0', digits) ELSE '' END), '') $$;
CREATE FUNCTION pg_temp.range(x float8[], digits int) RETURNS text LANGUAGE sql AS
    $$ SELECT CASE WHEN count(x) = 0 THEN 'n/a' ELSE format('%s (%s to %s)', pg_temp.shown(pg_temp.median($1), digits),
        pg_temp.shown(min(x), digits), pg_temp.shown(max(x), digits)) END FROM unnest($1) AS x $$;

\echo
\echo '| ratios of time' :unit '| register to plain | the same, processor time | target | by hand to register | the same, processor time |'
\echo '| --- | ---: | ---: | ---: | ---: | ---: |'
SELECT format('| %s | %s | %s | %s | %s | %s |', task,
              pg_temp.range(array_agg(r.register / plain), 2), pg_temp.range(array_agg(cpu_register / cpu_plain), 2),
              max(t.ratio),
              pg_temp.range(array_agg(by_hand / r.register), 2), pg_temp.range(array_agg(cpu_by_hand / cpu_register), 2))
FROM per_round r LEFT JOIN bench.target t USING (task) GROUP BY task ORDER BY min(n);
\echo
\echo '| what' :unit 'takes | way | us | processor, us | WAL, bytes | pages | instructions |'
\echo '| --- | --- | ---: | ---: | ---: | ---: | ---: |'
SELECT format('| %s | %s | %s | %s | %s | %s | %s |', task, way, pg_temp.range(array_agg(us), 1),
              pg_temp.shown(pg_temp.median(array_agg(cpu_us)), 1), pg_temp.shown(pg_temp.median(array_agg(wal)), 0),
              pg_temp.shown(pg_temp.median(array_agg(pages)), 1),
              coalesce(pg_temp.shown(pg_temp.median(array_agg(instructions)), 0), 'n/a'))
FROM bench.measurement WHERE round > 0 GROUP BY task, way ORDER BY min(min(n)) OVER (PARTITION BY task), min(n);
