-- pg_accumulator.coalesce: what a transaction posts is added up before derived tables
-- are written, and nobody who reads them can tell, but by their versions.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

SELECT accum.register_create('co1', '{"w": "int", "p": "text"}', '{"q": "numeric(18,3)", "b": "bigint"}');
SELECT accum.register_create('co2', '{"w": "int", "p": "text"}', '{"q": "numeric", "b": "int"}', high_write => true, totals_period => 'month', time_zone => 'Asia/Tokyo');
SELECT accum.register_create('co3', '{"w": "int", "p": "text"}', '{"q": "numeric(18,3)", "b": "bigint"}', kind => 'turnover', year_start => 4);

CREATE FUNCTION pg_temp.post(r int, recorder text, lines int DEFAULT 2) RETURNS int LANGUAGE sql VOLATILE AS $$
    SELECT accum.register_post('co' || r, (SELECT jsonb_agg(jsonb_build_object('recorder', recorder, 'period', date '2020-01-30' + floor(random() * 4)::int, 'w', floor(random() * 4)::int, 'p', CASE WHEN random() < 0.8 THEN 'x' END, 'q', round((random() * 20 - 10)::numeric, 3), 'b', floor(random() * 5)::int - 2)) FROM generate_series(1, lines)))
$$;
-- Which queries count rows of a register that are not what movements say.
CREATE TABLE co_queries (r int, way text, query text);
INSERT INTO co_queries
SELECT r, way, replace(format('SELECT count(*) FROM ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s)) AS x', actual, expected), 'R_', 'accum.co' || r || '_')
FROM generate_series(1, 3) AS r,
    (VALUES ('{1}'::int[], 'cache', 'SELECT w, p, q, b, movements_count FROM R_balance_cache WHERE movements_count <> 0', 'SELECT w, p, sum(q), sum(b), count(*) FROM R_movements GROUP BY w, p'),
            ('{1,3}', 'totals', 'SELECT w, p, date_trunc(''month'', period), sum(q), sum(b) FROM R_totals_day GROUP BY 1, 2, 3 HAVING sum(movements_count) > 0', 'SELECT w, p, date_trunc(''month'', period), sum(q), sum(b) FROM R_movements GROUP BY 1, 2, 3'),
            ('{1,3}', 'year', 'SELECT w, p, q, b, movements_count FROM R_totals_year WHERE movements_count <> 0', 'SELECT w, p, sum(q), sum(b), count(*) FROM R_movements GROUP BY w, p'),
            ('{1,2}', 'view', 'SELECT w, p, q, b FROM R_balances', 'SELECT w, p, sum(q), sum(b) FROM R_movements GROUP BY w, p'),
            ('{1,2}', 'at', 'SELECT w, p, q, b FROM R_balances_at(date ''2020-01-31'')', 'SELECT w, p, sum(q), sum(b) FROM R_movements WHERE period < accum._bound_after(''R_movements'', date ''2020-01-31'') GROUP BY w, p'),
            ('{1,2}', 'balance', 'SELECT R_balance()', 'SELECT jsonb_build_object(''q'', coalesce(sum(q), 0), ''b'', coalesce(sum(b), 0)) FROM R_movements'),
            ('{1,2}', 'cell', 'SELECT R_balance(''{"w": 1, "p": "x"}'')', 'SELECT jsonb_build_object(''q'', coalesce(sum(q), 0), ''b'', coalesce(sum(b), 0)) FROM R_movements WHERE w = 1 AND p = ''x'''),
            ('{1,2}', 'cell at', 'SELECT R_balance(''{"w": 2, "p": "x"}'', date ''2020-01-31'')', 'SELECT jsonb_build_object(''q'', coalesce(sum(q), 0), ''b'', coalesce(sum(b), 0)) FROM R_movements WHERE w = 2 AND p = ''x'' AND period < accum._bound_after(''R_movements'', date ''2020-01-31'')'),
            ('{1,2,3}', 'turnover', 'SELECT * FROM R_turnover(group_by => ''["w", "p"]'')', 'SELECT jsonb_build_object(''w'', w, ''p'', p, ''q'', sum(q), ''b'', sum(b)) FROM R_movements GROUP BY w, p'),
            ('{1,2}', 'statement', 'SELECT w, p, q_closing, b_closing FROM R_statement(date ''2020-01-31'', date ''2020-12-31'', group_by => ''["w", "p"]'') WHERE (w, p) IN (SELECT w, p FROM R_movements WHERE period >= accum._bound_after(''R_movements'', date ''2020-01-30''))', 'SELECT w, p, sum(q), sum(b) FROM R_movements WHERE (w, p) IN (SELECT w, p FROM R_movements WHERE period >= accum._bound_after(''R_movements'', date ''2020-01-30'')) GROUP BY w, p'))
        AS ways (registers, way, actual, expected)
WHERE r = ANY (registers);

-- The ways to ask; each with one query counts what it finds wrong.
CREATE FUNCTION pg_temp.note(wrong bigint, what text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$ BEGIN
    IF wrong IS DISTINCT FROM 0 THEN RAISE WARNING '%: % wrong', what, wrong; END IF; END $$;
CREATE FUNCTION pg_temp.volatile_ask(query text) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$ DECLARE n bigint; BEGIN EXECUTE query INTO n; RETURN n; END $$;
CREATE FUNCTION pg_temp.stable_ask(query text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$ DECLARE n bigint; BEGIN EXECUTE query INTO n; RETURN n; END $$;
CREATE FUNCTION pg_temp.stable_sql(query text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) + sum(pg_temp.stable_ask(query)) - 2 FROM (VALUES (1), (2)) AS twice $$;
CREATE FUNCTION pg_temp.cursor_ask(query text) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    c refcursor;
    n bigint;
    m bigint;
BEGIN
    OPEN c FOR EXECUTE query;
    PERFORM pg_temp.post(1, 'cursor'), pg_temp.post(2, 'cursor'), pg_temp.post(3, 'cursor');
    n := pg_temp.volatile_ask(query);
    FETCH c INTO m;
    CLOSE c;
    RETURN n + m;
END $$;
CREATE FUNCTION pg_temp.loop_ask(query text) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    result bigint := 0;
    n bigint;
BEGIN
    -- More rows than are fetched at a time.
    FOR n IN EXECUTE 'SELECT CASE WHEN i % 6 = 0 THEN pg_temp.stable_ask($1) ELSE 0 END FROM generate_series(1, 12) AS i' USING query LOOP
        result := result + n;
        BEGIN
            PERFORM pg_temp.post(1 + floor(random() * 3)::int, 'loop');
            IF random() < 0.1 THEN result := result + pg_temp.stable_ask(query); END IF;
            IF random() < 0.5 THEN RAISE division_by_zero; END IF;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
        result := result + CASE WHEN random() < 0.1 THEN pg_temp.volatile_ask(query) ELSE 0 END;
    END LOOP;
    RETURN result;
END $$;
CREATE PROCEDURE pg_temp.undo(r int, query text) LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_temp.post(r, 'undone');
    BEGIN
        PERFORM accum.register_unpost('co' || r, 'doc' || floor(random() * 20)::int);
        PERFORM pg_temp.note(pg_temp.volatile_ask(query), 'before undo: ' || query);
        PERFORM pg_temp.post(r, 'undone');
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    PERFORM pg_temp.note(pg_temp.volatile_ask(query), 'after undo: ' || query);
END $$;

-- Statements of random transactions, with a stack of savepoints.
CREATE FUNCTION pg_temp.script(steps int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    depth int := 0;
    reg int;
    ask record;
    q text;
    note text;
BEGIN
    RETURN NEXT 'BEGIN';
    FOR i IN 1..steps LOOP
        reg := 1 + floor(random() * 3);
        SELECT * INTO ask FROM co_queries AS c WHERE c.r = reg ORDER BY random() LIMIT 1;
        q := quote_literal(ask.query);
        note := quote_literal(format('step %s, register %s, %s', i, reg, ask.way));
        CASE floor(random() * 27)
        WHEN 0, 1, 2, 3 THEN RETURN NEXT format('SELECT pg_temp.post(%s, %L)', reg, 'doc' || floor(random() * 20)::int);
        WHEN 4 THEN RETURN NEXT format('SELECT accum.register_unpost(%L, %L)', 'co' || reg, 'doc' || floor(random() * 20)::int);
        WHEN 5 THEN RETURN NEXT format('SELECT accum.register_repost(%L, %L, %L)', 'co' || reg, 'doc' || floor(random() * 20)::int, jsonb_build_object('period', '2020-02-01', 'w', floor(random() * 4), 'p', 'x', 'q', round((random() * 9)::numeric, 2)));
        WHEN 6 THEN RETURN NEXT format('INSERT INTO accum.co%s_movements (recorder, period, w, p, q, b) SELECT %L, %L, i, ''x'', i, 1 FROM generate_series(1, 3) AS i', reg, 'doc' || floor(random() * 20)::int, '2020-02-01');
        WHEN 7 THEN RETURN NEXT format('DELETE FROM accum.co%s_movements WHERE random() < 0.2', reg);
        WHEN 8, 9, 10 THEN
            depth := depth + 1;
            RETURN NEXT 'SAVEPOINT s' || depth;
        WHEN 11, 12 THEN
            IF depth > 0 THEN
                depth := 1 + floor(random() * depth);
                RETURN NEXT 'ROLLBACK TO s' || depth;
            END IF;
        WHEN 13 THEN
            IF depth > 0 THEN
                depth := floor(random() * depth);
                RETURN NEXT 'RELEASE s' || (depth + 1);
            END IF;
        WHEN 14 THEN RETURN NEXT format('SELECT pg_temp.note((%s), %s)', ask.query, note);
        WHEN 15 THEN RETURN NEXT format('SELECT pg_temp.note(pg_temp.volatile_ask(%s), %s)', q, note);
        WHEN 16 THEN RETURN NEXT format('SELECT pg_temp.note(pg_temp.stable_ask(%s), %s)', q, note);
        WHEN 17 THEN RETURN NEXT format('SELECT pg_temp.note(pg_temp.stable_sql(%s), %s)', q, note);
        WHEN 18 THEN RETURN NEXT format('SELECT pg_temp.note(pg_temp.cursor_ask(%s), %s)', q, note);
        WHEN 19 THEN RETURN NEXT format('SELECT pg_temp.note(pg_temp.loop_ask(%s), %s)', q, note);
        WHEN 20 THEN RETURN NEXT format('CALL pg_temp.undo(%s, %s)', reg, q);
        WHEN 21 THEN
            -- Posted and read by one statement, which reads what was there before it.
            RETURN NEXT format('SELECT pg_temp.post(%s, ''at once''), pg_temp.note(pg_temp.stable_ask(%s), %s), pg_temp.post(%1$s, ''at once''), pg_temp.note((%4$s), %3$s)', reg, q, note, ask.query);
        WHEN 22 THEN
            RETURN NEXT format('WITH gone AS (DELETE FROM accum.co%s_movements WHERE random() < 0.2 RETURNING 1) SELECT pg_temp.note((%s), %s), (SELECT count(*) FROM gone)', reg, ask.query, note);
        WHEN 23 THEN
            RETURN NEXT format('DECLARE c CURSOR FOR SELECT pg_temp.note(%s, %s)', CASE WHEN random() < 0.5 THEN format('pg_temp.stable_ask(%s)', q) ELSE format('(%s)', ask.query) END, note);
            RETURN NEXT 'SAVEPOINT c';
            RETURN NEXT format('SELECT pg_temp.post(%s, ''beside'')', reg);
            IF random() < 0.5 THEN RETURN NEXT format('SELECT pg_temp.note((%s), %s)', ask.query, note); END IF;
            IF random() < 0.5 THEN RETURN NEXT 'ROLLBACK TO c'; END IF;
            RETURN NEXT 'FETCH ALL c';
            RETURN NEXT 'CLOSE c';
            RETURN NEXT 'RELEASE c';
        WHEN 24 THEN
            RETURN NEXT 'SET LOCAL pg_accumulator.coalesce = ' || CASE WHEN random() < 0.8 THEN 'on' ELSE 'off' END;
        WHEN 25 THEN
            RETURN NEXT CASE floor(random() * 4) WHEN 0 THEN format('SELECT pg_temp.note(count(*), %s) FROM accum.register_verify(''co%s'') WHERE status <> ''OK''', note, reg)
                WHEN 1 THEN 'SELECT accum.register_rebuild_totals(''co' || reg || ''')' WHEN 2 THEN 'SELECT accum.register_rebuild_cache(''co' || reg || ''')'
                ELSE 'SELECT accum._delta_flush_register(''co2'')' END;
        ELSE
            IF random() < 0.5 THEN
                depth := 0;
                RETURN NEXT CASE WHEN random() < 0.8 THEN 'COMMIT' ELSE 'ROLLBACK' END;
                RETURN NEXT format('SELECT pg_temp.note(pg_temp.differences(''co%s''), %s)', reg, note);
                RETURN NEXT 'BEGIN' || CASE WHEN random() < 0.3 THEN ' ISOLATION LEVEL REPEATABLE READ' WHEN random() < 0.3 THEN ' ISOLATION LEVEL SERIALIZABLE' ELSE '' END;
            END IF;
        END CASE;
    END LOOP;
    RETURN NEXT 'COMMIT';
END $$;

SET pg_accumulator.coalesce = on;
SELECT setseed(0.25);
CREATE TEMP TABLE script AS SELECT n, statement FROM pg_temp.script(3000) WITH ORDINALITY AS s (statement, n);
SELECT statement FROM script ORDER BY n
\set ECHO none
\o /dev/null
\gexec
\o
\set ECHO all
SELECT sum(pg_temp.differences('co' || r)) FROM generate_series(1, 3) AS r;
SELECT r, accum.register_verify('co' || r) FROM generate_series(1, 3) AS r;
