--
-- register_reconcile: balances that were counted.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE ROLE regress_accum_counter;
SELECT accum.register_create('store', '[{"name": "shelf", "type": "int"}, {"name": "item", "type": "text"}]',
    '[{"name": "pieces", "type": "int"}, {"name": "worth", "type": "numeric(12,2)"}]', attributes => '{"note": "text"}', time_zone => 'America/New_York');
SELECT accum.register_post('store', '[
    {"recorder": "in1", "period": "2026-05-01 10:00", "shelf": 1, "item": "nut", "pieces": 10, "worth": 5},
    {"recorder": "in1", "period": "2026-05-01 10:00", "shelf": 1, "item": null, "pieces": 7, "worth": 3.5},
    {"recorder": "in2", "period": "2026-05-20 10:00", "shelf": 2, "item": "nut", "pieces": 4, "worth": 2},
    {"recorder": "in3", "period": "2026-06-10 10:00", "shelf": 1, "item": "nut", "pieces": 100, "worth": 50}]');
CREATE FUNCTION pg_temp.stock() RETURNS TABLE (shelf int, item text, may text, june text) LANGUAGE sql AS $$
    SELECT shelf, item, sum(pieces) FILTER (WHERE period < '2026-06-01 00:00 America/New_York') || ' / ' || sum(worth) FILTER (WHERE period < '2026-06-01 00:00 America/New_York'),
           sum(pieces) || ' / ' || sum(worth) FROM accum.store_movements GROUP BY 1, 2 ORDER BY 1, 2 $$;

-- Only what was counted; at midnight it is the end of the day.  What differs is
-- posted, and a resource that was not counted stays.
SELECT accum.register_reconcile('store', 'count', '2026-05-31 00:00 America/New_York', '[
    {"shelf": 1, "item": "nut", "pieces": 8},
    {"shelf": 1, "item": null, "pieces": 7, "worth": 3.5},
    {"shelf": 3, "item": "new", "pieces": 1, "worth": 0.999, "note": "who put it there?", "movement_type": "regular"}]');
SELECT * FROM pg_temp.stock();
SELECT accum.store_balance('{"shelf": 1, "item": "nut"}', date '2026-05-31'), accum.store_balance('{"shelf": 1, "item": "nut"}', date '2026-05-30');
-- Again gives the same, and changes nothing; what is counted otherwise replaces it.
SELECT pg_temp.state('store') AS state \gset
BEGIN;
SELECT count(*) FROM accum.register_reconcile('store', 'count', '2026-05-31 00:00 America/New_York', '[
    {"shelf": 1, "item": "nut", "pieces": 8},
    {"shelf": 1, "item": null, "pieces": 7, "worth": 3.5},
    {"shelf": 3, "item": "new", "pieces": 1, "worth": 0.999, "note": "who put it there?", "movement_type": "regular"}]');
SELECT count(*), count(DISTINCT recorded_at) FROM accum.store_movements WHERE recorder = 'count';
ROLLBACK;
SELECT accum.register_reconcile('store', 'count', '2026-05-31 23:59:59.999999 America/New_York', '{"shelf": 1, "item": "nut", "pieces": 9, "worth": 5}');
SELECT * FROM pg_temp.stock();
-- At an instant; later movements do not count, and stay right.
SELECT accum.register_reconcile('store', 'count', '2026-05-20 10:00 America/New_York', '{"shelf": 2, "item": "nut", "pieces": 5, "worth": 2}');
SELECT accum.register_reconcile('store', 'count', '2026-05-20 09:59 America/New_York', '{"shelf": 2, "item": "nut", "pieces": 5, "worth": 2}');
SELECT * FROM pg_temp.stock();

-- Cells in p_dimensions that were not counted become zero.
SELECT accum.register_reconcile('store', 'count', '2026-05-31 12:00 America/New_York', '{"shelf": 1, "item": "nut", "pieces": 10}', '{"shelf": 1}');
SELECT * FROM pg_temp.stock();
SELECT accum.register_reconcile('store', 'count', '2026-05-31 12:00 America/New_York', '[]', '{"item": null}');
SELECT accum.register_reconcile('store', 'count', '2026-05-31 12:00 America/New_York', '[]', '{"shelf": 77}');
SELECT accum.register_reconcile('store', 'count', '2026-06-30 00:00 America/New_York', '[]', '{}');
SELECT accum.store_balance(), accum.store_balance(at_date => date '2026-06-30'), accum.store_balance(at_date => '2026-06-30 23:59:59.999998 America/New_York');
SELECT accum.register_reconcile('store', 'count', '2026-06-30 00:00 America/New_York', '[]');
SELECT pg_temp.differences('store');

-- What is wrong.
SELECT pg_temp.state('store') AS state \gset
CREATE FUNCTION pg_temp.count(desired text, dimensions text DEFAULT NULL, period text DEFAULT '2026-05-31') RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.try(format('SELECT accum.register_reconcile(%L, %L, %L, %L, %L)', 'store', 'c', period, desired, dimensions)) $$;
SELECT pg_temp.count('[{"shelf": 1, "item": "nut", "pieces": 1}, {"shelf": 2, "item": "nut"}, {"shelf": "1", "item": "nut", "pieces": 1}]');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 1}', '{"shelf": 2}');
SELECT pg_temp.count('{"shelf": null, "item": "nut", "pieces": 1}', '{"shelf": 2}');
SELECT pg_temp.count('{"shelf": 1, "pieces": 1}');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "piece": 1}');
SELECT pg_temp.count('[{"shelf": 1, "item": "nut", "pieces": 1}, {"shelf": 1, "item": "x", "period": "2026-05-31"}]');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 1, "recorder": "d"}');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 1.5}');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 1}', '{"shop": 1}');
SELECT pg_temp.count('[1]');
SELECT pg_temp.count('1');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": -2147483648}');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 1}', NULL, 'infinity');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 1}', NULL, '0001-01-01 BC');
SELECT pg_temp.try($$SELECT accum.register_reconcile(NULL, 'c', '2026-05-31', '[]')$$);
SELECT pg_temp.try($$SELECT accum.register_reconcile('store', NULL, '2026-05-31', '[]')$$);
SELECT pg_temp.try($$SELECT accum.register_reconcile('store', 'c', NULL, '[]')$$);
SELECT pg_temp.try($$SELECT accum.register_reconcile('store', 'c', '2026-05-31', NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_reconcile('nowhere', 'c', '2026-05-31', '[]')$$);
SELECT accum.register_create('flow', '{}', '{"n": "int"}', kind => 'turnover');
SELECT pg_temp.try($$SELECT accum.register_reconcile('flow', 'c', '2026-05-31', '[]')$$);
BEGIN READ ONLY;
SELECT pg_temp.count('[]');
ROLLBACK;
SELECT accum.register_close('store', '2026-05-31');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 77}');
SELECT accum.register_reopen('store', '-infinity');
SELECT pg_temp.state('store') = :'state' AS nothing_changed;

-- The rights of register_repost, and those of reading.
SET ROLE regress_accum_counter;
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 77}');
RESET ROLE;
GRANT INSERT, DELETE, SELECT ON accum.store_movements TO regress_accum_counter;
SET ROLE regress_accum_counter;
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 77}');
RESET ROLE;
GRANT SELECT ON accum.store_balance_cache, accum.store_totals_day, accum.store_totals_month, accum.store_totals_year TO regress_accum_counter;
SET ROLE regress_accum_counter;
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 77}');
SELECT pg_temp.count('{"shelf": 1, "item": "nut", "pieces": 78}', '{"shelf": 1}');
RESET ROLE;

-- It counts what the transaction has posted, and is yet to be added to balances.
BEGIN;
SET LOCAL pg_accumulator.coalesce = on;
SELECT accum.register_post('store', '{"recorder": "late", "period": "2026-05-02", "shelf": 5, "item": "x", "pieces": 3}');
SELECT r -> 'pieces' FROM accum.register_reconcile('store', 'c2', '2026-05-31', '{"shelf": 5, "item": "x", "pieces": 5}') AS r;
SELECT r -> 'pieces' FROM accum.register_reconcile('store', 'c3', '2026-05-31', '{"shelf": 5, "item": "x", "pieces": 6}', '{"shelf": 5}') AS r;
COMMIT;
SELECT accum.store_balance('{"shelf": 5}'), pg_temp.differences('store');

-- Without dimensions; high_write; floating point.
SELECT accum.register_create('one', '{}', '[{"name": "n", "type": "bigint"}, {"name": "f", "type": "double precision"}]', high_write => true);
SELECT accum.register_post('one', '{"recorder": "a", "period": "2026-05-05", "n": 5, "f": 1.5}');
SELECT accum.register_reconcile('one', 'c', '2026-05-06', '{"n": 7, "f": 2.25}');
SELECT accum.register_reconcile('one', 'c', '2026-05-06', '[]', '{}');
SELECT accum.one_balance(), accum._delta_count('one') > 0 AS pending;

-- Counts at random, many of them backdated and many of them corrections of others:
-- right after it a count is what a plain sum says, and p_dimensions is zero but for it.
SELECT setseed(0.4711);
SELECT accum.register_create('randoms', '[{"name": "a", "type": "int"}, {"name": "b", "type": "text"}]', '{"n": "int", "m": "numeric(14,3)"}',
    time_zone => 'Europe/Berlin');
SELECT accum.register_create('randoms_hot', '[{"name": "a", "type": "int"}, {"name": "b", "type": "text"}]', '{"n": "int", "m": "numeric(14,3)"}',
    time_zone => 'Asia/Tokyo', totals_period => 'month', high_write => true);
CREATE FUNCTION pg_temp.random_cell() RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('a', nullif(floor(random() * 4)::int, 0), 'b', nullif('b' || floor(random() * 4), 'b0')) $$;
CREATE FUNCTION pg_temp.random_counts(register_name text, zone text, rounds int) RETURNS TABLE (counts bigint, wrong bigint, posted bigint)
LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz;
    counted jsonb;
    scope jsonb;
    last timestamptz;
    bad bigint;
    n bigint;
BEGIN
    counts := 0; wrong := 0; posted := 0;
    FOR i IN 1..rounds LOOP
        PERFORM accum.register_post(register_name, (SELECT jsonb_agg(pg_temp.random_cell() || jsonb_build_object('recorder', 'p' || i % 50,
                'period', timestamp '2025-01-01' + random() * interval '500 days', 'n', floor(random() * 100) - 50, 'm', round((random() * 100 - 50)::numeric, 3)))
            FROM generate_series(1, 3)));
        moment := timestamptz '2025-01-01 00:00Z' + floor(random() * 500) * interval '1 day' + floor(random() * 3) * interval '8 hours';
        -- A third of them at a midnight of the register.
        IF i % 3 = 0 THEN
            moment := (moment AT TIME ZONE zone)::date::timestamp AT TIME ZONE zone;
        END IF;
        last := CASE WHEN (moment AT TIME ZONE zone)::time = '00:00' THEN ((moment AT TIME ZONE zone) + interval '1 day') AT TIME ZONE zone
                ELSE moment + interval '1 microsecond' END;
        scope := CASE WHEN i % 4 = 0 THEN NULL WHEN i % 4 = 1 THEN '{}' ELSE jsonb_build_object('a', 1 + i % 3) END;
        SELECT jsonb_agg(c || coalesce(scope, '{}') || jsonb_build_object('n', floor(random() * 1000), 'm', round((random() * 1000)::numeric, 3)))
        INTO counted FROM (SELECT DISTINCT pg_temp.random_cell() || coalesce(scope, '{}') AS c FROM generate_series(1, 1 + i % 5)) AS t;
        SELECT count(*) INTO n FROM accum.register_reconcile(register_name, 'count' || i % 20, moment, counted, scope);
        EXECUTE format('WITH counted AS (SELECT c ->> ''a'' AS a, c ->> ''b'' AS b, (c ->> ''n'')::numeric AS n, (c ->> ''m'')::numeric AS m FROM jsonb_array_elements($1) AS c),
                truth AS (SELECT a::text, b, sum(n)::numeric AS n, sum(m) AS m FROM accum.%I WHERE period < $2 GROUP BY 1, 2)
            SELECT (SELECT count(*) FROM (TABLE counted EXCEPT SELECT * FROM truth) x WHERE n <> 0 OR m <> 0)
                 + (SELECT count(*) FROM truth t WHERE $3 IS NOT NULL AND ($3 = ''{}'' OR t.a = $3 ->> ''a'') AND (n <> 0 OR m <> 0)
                        AND NOT EXISTS (SELECT FROM counted c WHERE c.a IS NOT DISTINCT FROM t.a AND c.b IS NOT DISTINCT FROM t.b))',
            register_name || '_movements') USING counted, last, scope INTO bad;
        counts := counts + 1; wrong := wrong + (bad <> 0)::int; posted := posted + n;
    END LOOP;
    RETURN NEXT;
END $$;
SELECT counts, wrong, posted > 300 AS posted FROM pg_temp.random_counts('randoms', 'Europe/Berlin', 400);
SELECT counts, wrong, posted > 200 AS posted FROM pg_temp.random_counts('randoms_hot', 'Asia/Tokyo', 250);
SELECT pg_temp.differences('randoms'), pg_temp.differences('randoms_hot');
SELECT accum.register_drop(r, true) FROM unnest('{store,flow,one,randoms,randoms_hot}'::text[]) AS r;
DROP ROLE regress_accum_counter;
