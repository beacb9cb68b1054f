--
-- History against the only oracle, a plain SUM over movements: random
-- questions with fixed seeds, in registers of several time zones, totals
-- periods and fiscal years, under several session time zones.  Some have high_write;
-- of their deltas all are pending at first, then fewer and fewer.
--
SET client_min_messages = warning;

-- A register with movements at random instants, many of them on day, month and
-- year edges and around changes of the clock.
CREATE FUNCTION history_create(name text, zone text, period text, start int, kind text, high_write boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM accum.register_create(name, '{"w": "int", "p": "text"}',
        '{"q": "numeric(18,3)", "a": "int"}', kind => kind, time_zone => zone,
        totals_period => period, year_start => start, partition_by => 'year', high_write => high_write);
    EXECUTE format($q$
        INSERT INTO accum.%I (recorder, period, w, p, q, a)
        SELECT 'd' || i %% 300,
               CASE WHEN random() < 0.3 THEN
                        (date '2009-12-30' + floor(random() * 900)::int)::timestamp AT TIME ZONE %L
                    WHEN random() < 0.3 THEN timestamptz '2011-03-26 00:00Z' + random() * interval '3 days'
                    ELSE timestamptz '2009-01-01 00:00Z' + random() * interval '1600 days' END,
               (ARRAY[1, 2, NULL])[1 + i %% 3], (ARRAY['a', 'b', 'c', NULL])[1 + i %% 4],
               round((random() * 20 - 8)::numeric, 3), i %% 9 - 4
        FROM generate_series(1, 2000) AS i$q$, name || '_movements', zone);
    EXECUTE format('DELETE FROM accum.%I WHERE random() < 0.2', name || '_movements');
END $$;

SELECT setseed(0.42);
DO $$
DECLARE
    zone text;
    period text;
    start int;
    i int := 0;
BEGIN
    FOREACH zone IN ARRAY ARRAY['UTC', 'Europe/London', 'America/Sao_Paulo', 'America/St_Johns'] LOOP
        FOREACH period IN ARRAY ARRAY['day', 'month', 'year'] LOOP
            FOREACH start IN ARRAY ARRAY[1, 4, 7] LOOP
                i := i + 1;
                PERFORM history_create('h' || i, zone, period, start,
                                       CASE WHEN i % 4 = 0 THEN 'turnover' ELSE 'balance' END, i % 5 < 2);
            END LOOP;
        END LOOP;
    END LOOP;
END $$;

-- The exclusive end of an inclusive bound, by the words of the contract.
CREATE FUNCTION bound_end(bound timestamptz, zone text) RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN bound = date_trunc('day', bound AT TIME ZONE zone) AT TIME ZONE zone
                THEN (date_trunc('day', bound AT TIME ZONE zone) + interval '1 day') AT TIME ZONE zone
                ELSE bound + interval '1 microsecond' END
$$;

-- A filter as an SQL condition, and a grouping as a list of columns.
CREATE FUNCTION filter_condition(dimensions jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(CASE WHEN value = 'null' THEN format('%I IS NULL', key)
                                    ELSE format('%I = %L', key, value #>> '{}') END, ' AND '), 'true')
    FROM jsonb_each(dimensions)
$$;
CREATE FUNCTION group_columns(group_by jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(quote_ident(c), ', ') FROM jsonb_array_elements_text(group_by) AS c
$$;

-- One random question; the bounds as the user gives them and as instants.
CREATE TYPE question AS (
    register text, zone text, kind text, start int, dimensions jsonb, group_by jsonb, as_date boolean,
    from_day date, to_day date, from_instant timestamptz, to_instant timestamptz,
    low timestamptz, high timestamptz);

CREATE FUNCTION random_question() RETURNS question LANGUAGE plpgsql AS $$
DECLARE
    q question;
    r record;
    chosen text := 'h' || 1 + floor(random() * 36)::int;
BEGIN
    SELECT * INTO r FROM accum._registers WHERE name = chosen;
    q.register := r.name;
    q.zone := r.time_zone;
    q.kind := r.kind;
    q.start := r.year_start;
    q.dimensions := (ARRAY[NULL, '{"w": 1}', '{"w": null}', '{"w": 2, "p": "a"}',
                           '{"p": null, "w": null}', '{"p": null}'])[1 + floor(random() * 6)::int]::jsonb;
    q.group_by := (ARRAY[NULL, '["w"]', '["p", "w"]', '["p"]'])[1 + floor(random() * 4)::int]::jsonb;
    q.as_date := random() < 0.3;
    q.from_day := date '2008-12-25' + floor(random() * 1700)::int;
    q.to_day := q.from_day + floor(random() * random() * 1500)::int - 5;
    IF random() < 0.2 THEN q.from_day := date_trunc('month', q.from_day); END IF;
    IF random() < 0.2 THEN q.to_day := date_trunc('year', q.to_day); END IF;
    q.from_instant := q.from_day::timestamp AT TIME ZONE q.zone;
    q.to_instant := q.to_day::timestamp AT TIME ZONE q.zone;
    IF random() < 0.7 THEN q.from_instant := q.from_instant + random() * interval '1 day'; END IF;
    IF random() < 0.7 THEN q.to_instant := q.to_instant + random() * interval '1 day'; END IF;
    IF random() < 0.1 THEN q.from_day := NULL; q.from_instant := NULL; END IF;
    IF random() < 0.1 THEN q.to_day := NULL; q.to_instant := NULL; END IF;
    q.low := CASE WHEN q.as_date THEN q.from_day::timestamp AT TIME ZONE q.zone ELSE q.from_instant END;
    q.high := CASE WHEN q.as_date THEN (q.to_day + 1)::timestamp AT TIME ZONE q.zone
                   ELSE bound_end(q.to_instant, q.zone) END;
    PERFORM set_config('TimeZone', (ARRAY['UTC', 'Asia/Tokyo', 'America/New_York'])[1 + floor(random() * 3)::int], true);
    RETURN q;
END $$;

-- Arguments of a bound: typed, or as a literal that the session reads.
CREATE FUNCTION bound_argument(as_date boolean, day date, instant timestamptz) RETURNS text
LANGUAGE sql AS $$
    SELECT CASE WHEN as_date THEN format('%L::date', day)
                WHEN instant IS NULL THEN 'NULL'
                WHEN random() < 0.5 THEN format('%L', instant AT TIME ZONE current_setting('TimeZone'))
                ELSE format('%L::timestamptz', instant) END
$$;

CREATE FUNCTION expected_turnover(q question, low timestamptz) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    result jsonb;
    cols text := group_columns(q.group_by);
BEGIN
    EXECUTE format(
        $q$SELECT coalesce(jsonb_agg(j), '[]') FROM (
               SELECT %s || jsonb_build_object('q', coalesce(sum(q), 0::numeric(18,3)), 'a', coalesce(sum(a), 0)) AS j
               FROM accum.%I WHERE %s AND ($1 IS NULL OR period >= $1) AND ($2 IS NULL OR period < $2)
               %s) AS g$q$,
        CASE WHEN cols IS NULL THEN '''{}''::jsonb'
             ELSE (SELECT format('jsonb_build_object(%s)', string_agg(format('%L, %I', c, c), ', '))
                   FROM jsonb_array_elements_text(q.group_by) AS c) END,
        q.register || '_movements', filter_condition(q.dimensions),
        CASE WHEN cols IS NULL THEN '' ELSE format('GROUP BY %s ORDER BY %s', cols, cols) END)
    INTO result USING low, q.high;
    RETURN result;
END $$;

CREATE PROCEDURE ask(questions int, INOUT asked int DEFAULT 0, INOUT wrong int DEFAULT 0)
LANGUAGE plpgsql AS $$
DECLARE
    q question;
    expected jsonb;
    actual jsonb;
    called text;
BEGIN
    FOR i IN 1 .. questions LOOP
        IF i % 250 = 0 THEN PERFORM accum._force_delta_merge(p_batch_size => 20); END IF;
        q := random_question();
        IF q.kind = 'balance' AND random() < 0.5 THEN
            q.group_by := NULL;
            expected := expected_turnover(q, NULL) -> 0;
            called := format('SELECT accum.%I(%L, %s)', q.register || '_balance', q.dimensions,
                             bound_argument(q.as_date, q.to_day, q.to_instant));
        ELSE
            expected := expected_turnover(q, q.low);
            called := format('SELECT coalesce(jsonb_agg(j), ''[]'') FROM accum.%I(%s, %s, %L, %L) AS j',
                             q.register || '_turnover', bound_argument(q.as_date, q.from_day, q.from_instant),
                             bound_argument(q.as_date, q.to_day, q.to_instant), q.dimensions, q.group_by);
        END IF;
        EXECUTE called INTO actual;
        asked := asked + 1;
        IF expected::text IS DISTINCT FROM actual::text THEN
            wrong := wrong + 1;
            RAISE WARNING 'wrong: % (TimeZone %) is %, expected %', called, current_setting('TimeZone'), actual, expected;
        END IF;
    END LOOP;
END $$;
SELECT count(*), sum(accum._delta_count(name)) > 10000 AS deltas FROM accum._registers WHERE name ~ '^h\d' AND high_write;
CALL ask(10000);
-- Deltas of the other sign beside what is folded.
SELECT sum(accum._delta_count(name)) < 10000 AS fewer_deltas FROM accum._registers WHERE name ~ '^h\d' AND high_write;
CREATE PROCEDURE delete_some() LANGUAGE plpgsql AS $$
DECLARE
    r text;
BEGIN
    FOR r IN SELECT name FROM accum._registers WHERE name ~ '^h\d' AND high_write ORDER BY name COLLATE "C" LOOP
        EXECUTE format('DELETE FROM accum.%I WHERE random() < 0.2', r || '_movements');
    END LOOP;
END $$;
CALL delete_some();
CALL ask(1000);

--
-- Statements: units with movements against GROUP BY and window sums, and with
-- fill against every unit of the range.
--
CREATE FUNCTION unit_first_day(period timestamptz, zone text, unit text, start int) RETURNS date
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN unit IN ('quarter', 'year')
                THEN (date_trunc(unit, (period AT TIME ZONE zone) - make_interval(months => start - 1))
                      + make_interval(months => start - 1))::date
                ELSE date_trunc(unit, period AT TIME ZONE zone)::date END
$$;

CREATE PROCEDURE ask_statements(questions int, INOUT asked int DEFAULT 0, INOUT wrong int DEFAULT 0)
LANGUAGE plpgsql AS $$
DECLARE
    q question;
    unit text;
    unit_expression text;
    cols text;
    select_cols text;
    differences int;
    called text;
BEGIN
    FOR i IN 1 .. questions LOOP
        IF i % 50 = 0 THEN PERFORM accum._force_delta_merge(p_batch_size => 2); END IF;
        q := random_question();
        -- The minutes that St John's clock showed twice belong to the later day.
        CONTINUE WHEN q.zone = 'America/St_Johns';
        unit := (ARRAY[NULL, 'day', 'week', 'month', 'quarter', 'year'])[1 + floor(random() * 6)::int];
        unit_expression := CASE WHEN unit IS NULL THEN 'NULL::date'
                                ELSE format('unit_first_day(period, %L, %L, %s)', q.zone, unit, q.start) END;
        cols := coalesce(', ' || group_columns(q.group_by), '');
        called := format('accum.%I(%s, %s, %L, %L, %L)', q.register || '_statement',
                         bound_argument(q.as_date, q.from_day, q.from_instant),
                         bound_argument(q.as_date, q.to_day, q.to_instant), q.dimensions, q.group_by, unit);
        select_cols := format('u%s, q_opening, q_receipt, q_expense, q_turnover, q_closing, a_receipt, a_closing', cols);
        EXECUTE format($q$
            WITH m AS (SELECT * FROM accum.%I WHERE %s AND ($2 IS NULL OR period < $2)),
                 parts AS (
                     SELECT '-infinity'::date AS o, NULL::date AS u%s, sum(q) AS q, sum(a) AS a,
                            0.0 AS rq, 0::bigint AS ra
                     FROM m WHERE period < $1 GROUP BY (), %s
                     UNION ALL
                     SELECT '2000-01-01', %s AS u%s, sum(q), sum(a), coalesce(sum(q) FILTER (WHERE q > 0), 0), coalesce(sum(a) FILTER (WHERE a > 0), 0)
                     FROM m WHERE $1 IS NULL OR period >= $1 GROUP BY u%s HAVING count(*) > 0),
                 expected AS (
                     SELECT *, sum(q) OVER w - q AS q_opening, rq AS q_receipt, rq - q AS q_expense, q AS q_turnover,
                            sum(q) OVER w AS q_closing, ra AS a_receipt, sum(a) OVER w AS a_closing
                     FROM parts WINDOW w AS (PARTITION BY 1%s ORDER BY o, u)),
                 e AS (SELECT %s FROM expected WHERE o > '-infinity'),
                 s AS (SELECT unit_start AS u%s, q_opening, q_receipt, q_expense, q_turnover, q_closing, a_receipt, a_closing FROM %s)
            SELECT (SELECT count(*) FROM (TABLE e EXCEPT ALL TABLE s) AS x) + (SELECT count(*) FROM (TABLE s EXCEPT ALL TABLE e) AS y)$q$,
            q.register || '_movements', filter_condition(q.dimensions), cols,
            coalesce(group_columns(q.group_by), '()'), unit_expression, cols, cols, cols, select_cols, cols, called)
        INTO differences USING q.low, q.high;
        asked := asked + 1;
        IF differences > 0 THEN
            wrong := wrong + 1;
            RAISE WARNING 'wrong: % (TimeZone %)', called, current_setting('TimeZone');
        END IF;
    END LOOP;
END $$;
CALL delete_some();
CALL ask_statements(700);

-- With fill: the closing of a unit is the opening of the next, without a gap as
-- long as there is a balance; and rows with movements are those without fill.
CREATE PROCEDURE ask_filled(questions int, INOUT asked int DEFAULT 0, INOUT wrong int DEFAULT 0)
LANGUAGE plpgsql AS $$
DECLARE
    q question;
    unit text;
    cols text;
    bad int;
    arguments text;
BEGIN
    FOR i IN 1 .. questions LOOP
        IF i % 50 = 0 THEN PERFORM accum._force_delta_merge(p_batch_size => 2); END IF;
        q := random_question();
        unit := (ARRAY['day', 'week', 'month', 'quarter', 'year'])[1 + floor(random() * 5)::int];
        cols := coalesce(', ' || group_columns(q.group_by), '');
        arguments := format('accum.%I(%s, %s, %L, %L, %L', q.register || '_statement',
                            bound_argument(q.as_date, q.from_day, q.from_instant),
                            bound_argument(q.as_date, q.to_day, q.to_instant), q.dimensions, q.group_by, unit);
        EXECUTE format($q$
            WITH f AS MATERIALIZED (SELECT *, lag(q_closing) OVER w AS before, lag(unit_start) OVER w AS unit_before,
                              lag(a_closing) OVER w AS a_before
                       FROM %s, fill => true) WINDOW w AS (PARTITION BY 1%s ORDER BY unit_start)),
                 moved AS (SELECT unit_start%s, q_closing, q_receipt, a_closing FROM %s))
            SELECT (SELECT count(*) FROM f WHERE before IS DISTINCT FROM q_opening AND before IS NOT NULL)
                 + (SELECT count(*) FROM f
                    WHERE unit_before < unit_start - CASE $1 WHEN 'day' THEN 1 WHEN 'week' THEN 7 WHEN 'month' THEN 31 WHEN 'quarter' THEN 92 ELSE 366 END
                      AND (before <> 0 OR a_before <> 0))
                 + (SELECT count(*) FROM (TABLE moved EXCEPT ALL SELECT unit_start%s, q_closing, q_receipt, a_closing FROM f) AS x)$q$,
            arguments, cols, cols, arguments, cols)
        INTO bad USING unit;
        asked := asked + 1;
        IF bad > 0 THEN
            wrong := wrong + 1;
            RAISE WARNING 'wrong: %, fill => true)', arguments;
        END IF;
    END LOOP;
END $$;
CALL ask_filled(300);
SELECT DISTINCT status FROM accum._registers r, accum.register_verify(r.name) WHERE r.name ~ '^h\d' AND high_write;
SELECT sum(accum._delta_count(name)) > 0 AS deltas FROM accum._registers WHERE name ~ '^h\d' AND high_write;

--
-- A statement to be read by people.
--
SET TimeZone = 'UTC';
SELECT accum.register_create('stock', '{"item": "text"}', '{"qty": "numeric(10,2)"}');
SELECT accum.register_post('stock', '[
    {"recorder": "a", "period": "2026-01-10 09:00", "item": "bolt", "qty": 10},
    {"recorder": "b", "period": "2026-01-20 09:00", "item": "bolt", "qty": -4},
    {"recorder": "c", "period": "2026-04-01", "item": "bolt", "qty": "1.5"},
    {"recorder": "d", "period": "2026-02-28", "item": null, "qty": 7}]');
SELECT * FROM accum.stock_statement('2026-01-01', '2026-04-30', group_by => '["item"]', unit => 'month');
SELECT * FROM accum.stock_statement('2026-01-15', '2026-05-10', group_by => '["item"]', unit => 'month', fill => true);
SELECT * FROM accum.stock_statement(date '2026-02-01', date '2026-03-31', group_by => '["item"]');
SELECT * FROM accum.stock_statement(date '2026-02-01', date '2026-03-31', group_by => '["item"]', fill => true);
SELECT * FROM accum.stock_statement(NULL, NULL, unit => 'quarter', fill => true);
-- 00:00 is the whole day, and so more than 00:01.
SELECT accum.stock_balance(at_date => '2026-01-10 00:00+00'), accum.stock_balance(at_date => '2026-01-10 00:01+00');
SELECT * FROM accum.stock_turnover(group_by => '["item"]');
SELECT * FROM accum.stock_turnover('2027-01-01');
SELECT * FROM accum.stock_turnover('2027-01-01', group_by => '"item"');
SELECT accum.stock_balance('{"item": "bolt"}', 'infinity'), accum.stock_balance('{"item": "bolt"}', '-infinity'),
       accum.stock_balance(NULL, date 'infinity'), accum.stock_balance(NULL, '294276-01-01'), accum.stock_balance(NULL, '4000-01-01 BC');

-- Typed relations.
SELECT item, qty FROM accum.stock_balances ORDER BY item;
SELECT * FROM accum.stock_balances_at('2026-01-15') ORDER BY item;
SELECT * FROM accum.stock_balances_at(date '2026-03-01') ORDER BY item;
SELECT * FROM accum.stock_balances_at(NULL::date) ORDER BY item;
UPDATE accum.stock_balances SET qty = 0;
SELECT accum.register_unpost('stock', 'd');
SELECT item, qty FROM accum.stock_balances ORDER BY item;

-- Errors.
\set SHOW_CONTEXT never
SELECT accum.stock_balance('{"itm": "bolt"}', '2026-01-01');
SELECT accum.stock_balance('{"item": ["bolt"]}', '2026-01-01');
SELECT accum.stock_turnover(group_by => '["itm"]');
SELECT accum.stock_turnover(group_by => '["item", "item"]');
SELECT accum.stock_turnover(group_by => '{"item": 1}');
SELECT accum.stock_turnover(group_by => '[1]');
SELECT * FROM accum.stock_statement(NULL, NULL, unit => 'decade');

-- Plans: a filter on a column of the view or of the function reaches an index.
SELECT accum.register_create('wide', '{"a": "int", "b": "int"}', '{"n": "int"}');
INSERT INTO accum.wide_movements (recorder, period, a, b, n)
    SELECT 'x', '2026-01-05', i % 300, i, 1 FROM generate_series(1, 30000) AS i;
ANALYZE accum.wide_balance_cache;
ANALYZE accum.wide_totals_year;
EXPLAIN (COSTS OFF) SELECT n FROM accum.wide_balances WHERE b = 7;
EXPLAIN (COSTS OFF) SELECT n FROM accum.wide_balances ORDER BY b LIMIT 5;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT v.n FROM (VALUES (1), (2)) AS w (b) JOIN accum.wide_balances AS v USING (b);

SELECT count(*) FROM (SELECT accum.register_drop(name, force => true) FROM accum._registers WHERE name ~ '^(h\d+|stock|wide)$') AS dropped;
DROP FUNCTION history_create, expected_turnover, random_question, bound_argument, group_columns, filter_condition, bound_end, unit_first_day;
DROP PROCEDURE delete_some, ask, ask_statements, ask_filled;
DROP TYPE question;
