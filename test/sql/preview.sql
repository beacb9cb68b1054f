--
-- register_preview: what a post, repost or unpost would change.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE ROLE regress_accum_planner;
CREATE TYPE grade AS ENUM ('good', 'bad');
SELECT accum.register_create('goods', '[{"name": "place", "type": "text"}, {"name": "grade", "type": "grade"}, {"name": "until", "type": "timestamptz"}, {"name": "tags", "type": "int[]"}]',
    '[{"name": "n", "type": "int"}, {"name": "worth", "type": "numeric(12,2)"}]', attributes => '{"note": "text"}', time_zone => 'Europe/Berlin');
CREATE FUNCTION pg_temp.line(place text, period text, n int, worth numeric) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('place', place, 'period', period, 'n', n, 'worth', worth, 'grade', 'good', 'until', '2027-01-01', 'tags', '{1,2}') $$;
SELECT accum.register_post('goods', jsonb_build_array(pg_temp.line('a', '2026-05-01', 10, 1.5) || '{"recorder": "in"}',
    pg_temp.line('b', '2026-05-02', 4, 1) || '{"recorder": "in"}', pg_temp.line('a', '2026-06-01', 5, 5) || '{"recorder": "later"}'));
SELECT pg_temp.state('goods') AS state \gset

-- A repost, a post of several documents, an unpost; what stays is not touched.
SELECT * FROM accum.register_preview('goods', 'in', jsonb_build_array(pg_temp.line('a', '2026-05-01', 10, 1.5), pg_temp.line('b', '2026-05-02', 3, 1.1), pg_temp.line('c', '2026-05-02', 1, 0)));
SELECT dimensions ->> 'place' AS place, before, after, broken_limits, closed FROM accum.register_preview('goods', 'in', pg_temp.line('a', '2026-05-02', 10, 1.5));
SELECT dimensions ->> 'place' AS place, before, after, broken_limits, closed FROM accum.register_preview('goods', NULL, jsonb_build_array(
    pg_temp.line('a', '2026-05-01', 1, 1) || '{"recorder": "in"}', pg_temp.line('a', '2026-05-01', -1, -1) || '{"recorder": "new"}', pg_temp.line(NULL, '2026-05-01', 0, 0) || '{"recorder": "new"}'));
SELECT dimensions ->> 'place' AS place, before, after, broken_limits, closed FROM accum.register_preview('goods', 'in', NULL);
SELECT * FROM accum.register_preview('goods', 'unknown', NULL);
SELECT * FROM accum.register_preview('goods', 'in', jsonb_build_array(pg_temp.line('b', '2026-05-02', 4, 1.001), pg_temp.line('a', '2026-05-01', 10, 1.5)));
SELECT count(*) FROM accum.register_preview('goods', 'in', jsonb_build_array(pg_temp.line('b', '2026-05-02', 4, 1), pg_temp.line('a', '2026-05-01', 10, 1.5) || '{"note": "x"}'));

-- Closed periods: of each cell, by what would be written or removed in it.
SELECT accum.register_close('goods', '2026-05-01');
SELECT accum.register_close('goods', '2026-12-31', '{"place": "c"}');
SELECT dimensions ->> 'place' AS place, closed FROM accum.register_preview('goods', 'in', NULL) ORDER BY 1;
SELECT dimensions ->> 'place' AS place, closed FROM accum.register_preview('goods', 'in', jsonb_build_array(pg_temp.line('a', '2026-05-01', 10, 1.5), pg_temp.line('b', '2026-05-02', 3, 1.1), pg_temp.line('c', '2026-05-02', 1, 0))) ORDER BY 1;
SELECT accum.register_reopen('goods', '-infinity');

-- In a read-only transaction, with no right but to read; a sum may be too large.
SET ROLE regress_accum_planner;
SELECT pg_temp.try($$SELECT accum.register_preview('goods', 'in', NULL)$$);
RESET ROLE;
GRANT SELECT ON accum.goods_movements TO regress_accum_planner;
SET ROLE regress_accum_planner;
SELECT pg_temp.try($$SELECT accum.register_preview('goods', 'in', NULL)$$);
RESET ROLE;
GRANT SELECT ON accum.goods_balance_cache, accum.goods_totals_year, accum.goods_totals_month, accum.goods_totals_day TO regress_accum_planner;
SET ROLE regress_accum_planner;
BEGIN READ ONLY;
SELECT dimensions ->> 'place' AS place, before -> 'n' AS before, after -> 'n' AS after FROM accum.register_preview('goods', 'x', pg_temp.line('a', '2026-05-02', 2147483647, 0));
COMMIT;
RESET ROLE;

-- What is wrong.
SELECT pg_temp.try($$SELECT accum.register_preview('goods', NULL, NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_preview(NULL, 'in', NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_preview('nowhere', 'in', NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_preview('goods', 'in', '{"place": "a"}')$$);
SELECT pg_temp.try($$SELECT accum.register_preview('goods', 'in', '{"piece": "a"}')$$);
SELECT pg_temp.state('goods') = :'state' AS nothing_changed;

-- Within one statement it sees what was done before.
SELECT accum.register_post('goods', pg_temp.line('d', '2026-05-02', 1, 0) || '{"recorder": "d"}'), (SELECT before FROM accum.register_preview('goods', 'd', NULL));

BEGIN;
SET LOCAL pg_accumulator.coalesce = on;
SELECT accum.register_post('goods', pg_temp.line('e', '2026-05-02', 1, 0) || '{"recorder": "e"}');
SELECT before, after FROM accum.register_preview('goods', 'f', pg_temp.line('e', '2026-05-02', 2, 0));
ROLLBACK;

-- Limits that the new balance would break: each, or none of a cell without movements.
SELECT accum.register_create('ration', '{"who": "text"}', '{"n": "int"}', limits => '[{"name": "some", "check": "n >= 1"},
    {"name": "few", "check": "n <= 10 or who = ''chief''", "every_date": true}, {"name": "even", "check": "n % 2 = 0"}]');
SELECT accum.register_post('ration', '{"recorder": "a", "period": "2026-05-05", "who": "ann", "n": 4}');
SELECT (v ->> 'who'), (v ->> 'n')::int, p.after, p.broken_limits, left(pg_temp.try_code(format('SELECT accum.register_post(%L, %L)', 'ration', v || '{"recorder": "b", "period": "2026-05-06"}')), 5)
FROM (VALUES ('{"who": "bob", "n": 12}'::jsonb), ('{"who": "ann", "n": -5}'), ('{"who": "ann", "n": 7}'), ('{"who": "chief", "n": 12}'), ('{"who": "bob", "n": 2147483647}')) AS t (v),
     LATERAL accum.register_preview('ration', NULL, v || '{"recorder": "b", "period": "2026-05-06"}') AS p;
SELECT after, broken_limits FROM accum.register_preview('ration', 'a', NULL);
SELECT accum.register_drop('ration', true);

-- Without dimensions, without cache, and with floating point.
SELECT accum.register_create('flow', '{}', '{"n": "real", "m": "bigint"}', kind => 'turnover', high_write => true);
SELECT accum.register_post('flow', '{"recorder": "a", "period": "2026-05-05", "n": 5.1, "m": 7}');
SELECT * FROM accum.register_preview('flow', 'a', '{"period": "2026-05-05", "n": 0.2}');

-- Documents at random: what is told is what then happens, cell by cell.  Each has a
-- transaction of its own.
SELECT setseed(0.0815);
SELECT accum.register_create('planned', '[{"name": "a", "type": "int"}, {"name": "b", "type": "text"}]', '{"n": "int", "m": "numeric(14,3)"}',
    time_zone => 'Asia/Tokyo', partition_by => 'quarter');
SELECT accum.register_create('planned_hot', '[{"name": "a", "type": "int"}, {"name": "b", "type": "text"}]', '{"n": "int", "m": "numeric(14,3)"}',
    high_write => true, partition_by => 'quarter');
CREATE FUNCTION pg_temp.random_lines(document text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('recorder', document, 'a', nullif(floor(random() * 4)::int, 0), 'b', nullif('b' || floor(random() * 3), 'b0'),
        'period', date '2026-01-01' + floor(random() * 100)::int, 'n', floor(random() * 5) - 2, 'm', round((random() * 3 - 1)::numeric, 1))), '[]')
    FROM generate_series(1, floor(random() * 5)::int) $$;
CREATE TYPE pg_temp.movement AS (id uuid, recorder text, period timestamptz, a int, b text, n int, m numeric);
CREATE TYPE pg_temp.planned AS (a int, b text, before jsonb, after jsonb);
CREATE TEMP TABLE verdicts (register text, kind text, cells bigint, wrong bigint);
CREATE PROCEDURE pg_temp.random_plans(register_name text, rounds int) LANGUAGE plpgsql AS $$
DECLARE
    look text := format('SELECT array_agg((id, recorder, period, a, b, n, m)::pg_temp.movement) FROM accum.%I', register_name || '_movements');
    old pg_temp.movement[];
    new pg_temp.movement[] := '{}';
    plan pg_temp.planned[];
    kind text;
    document text;
    lines jsonb;
BEGIN
    FOR i IN 1..rounds LOOP
        document := 'd' || floor(random() * 40);
        kind := (ARRAY['post', 'repost', 'repost', 'repost', 'unpost'])[1 + floor(random() * 5)];
        old := new;
        lines := pg_temp.random_lines(document);
        -- A repost keeps some of the lines.
        IF kind = 'repost' THEN
            SELECT lines || coalesce(jsonb_agg(to_jsonb(o) - 'id') FILTER (WHERE random() < 0.6), '[]') INTO lines FROM unnest(old) o WHERE recorder = document;
        END IF;
        SELECT array_agg(((dimensions ->> 'a')::int, dimensions ->> 'b', before, after)::pg_temp.planned) INTO plan
            FROM accum.register_preview(register_name, CASE WHEN kind <> 'post' THEN document END, CASE WHEN kind <> 'unpost' THEN lines END);
        CASE kind
            WHEN 'post' THEN PERFORM accum.register_post(register_name, lines);
            WHEN 'repost' THEN PERFORM accum.register_repost(register_name, document, lines);
            ELSE PERFORM accum.register_unpost(register_name, document);
        END CASE;
        EXECUTE look INTO new;
        INSERT INTO verdicts
        WITH o AS MATERIALIZED (SELECT * FROM unnest(old)), w AS MATERIALIZED (SELECT * FROM unnest(new)), p AS MATERIALIZED (SELECT * FROM unnest(plan)),
        changed AS (SELECT a, b FROM o WHERE id NOT IN (SELECT id FROM w) UNION SELECT a, b FROM w WHERE id NOT IN (SELECT id FROM o)),
        truth AS (SELECT a, b,
            (SELECT jsonb_build_object('n', coalesce(sum(n), 0), 'm', coalesce(sum(m), 0)) FROM o WHERE (o.a, o.b) IS NOT DISTINCT FROM (c.a, c.b)),
            (SELECT jsonb_build_object('n', coalesce(sum(n), 0), 'm', coalesce(sum(m), 0)) FROM w WHERE (w.a, w.b) IS NOT DISTINCT FROM (c.a, c.b))
            FROM changed c)
        SELECT register_name, kind, (SELECT count(*) FROM p),
            (SELECT count(*) FROM ((TABLE truth EXCEPT ALL TABLE p) UNION ALL (TABLE p EXCEPT ALL TABLE truth)) x);
        COMMIT;
    END LOOP;
END $$;
CALL pg_temp.random_plans('planned', 1200);
CALL pg_temp.random_plans('planned_hot', 800);
SELECT register, kind, count(*) > 100 AS many, sum(cells) > 100 AS cells, sum(wrong) AS wrong FROM verdicts GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM verdicts;
SELECT pg_temp.differences('planned'), pg_temp.differences('planned_hot');
SELECT accum.register_drop(r, true) FROM unnest('{goods,flow,planned,planned_hot}'::text[]) AS r;
DROP TYPE grade;
DROP ROLE regress_accum_planner;
