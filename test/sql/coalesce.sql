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
CREATE TEMP TABLE script AS SELECT n, statement FROM pg_temp.script(2000) WITH ORDINALITY AS s (statement, n);
SELECT statement FROM script ORDER BY n
\set ECHO none
\o /dev/null
\gexec
\o
\set ECHO all
SELECT sum(pg_temp.differences('co' || r)) FROM generate_series(1, 3) AS r;
SELECT r, accum.register_verify('co' || r) FROM generate_series(1, 3) AS r;

-- A transaction writes a row once, or once more each time that somebody reads.
SELECT accum.register_create('co4', '{"w": "int"}', '{"q": "smallint"}');
CREATE FUNCTION pg_temp.add(w int, q int, register text DEFAULT 'co4') RETURNS int LANGUAGE sql VOLATILE AS $$
    SELECT accum.register_post(register, jsonb_build_object('recorder', 'd' || w, 'period', '2020-01-01', 'w', w, 'q', q)) $$;
DO $$ BEGIN FOR i IN 1..10 LOOP PERFORM pg_temp.add(1, i); END LOOP; END $$;
SELECT q, movements_count, version FROM accum.co4_balance_cache;
BEGIN;
SELECT pg_temp.add(1, 5);
SELECT pg_temp.add(1, 5);
SELECT q, movements_count, version FROM accum.co4_balance_cache;
SELECT pg_temp.add(1, 5);
SELECT accum.co4_balance('{"w": 1}');
SELECT pg_temp.add(1, 5), accum.co4_balance('{"w": 1}') AS before;
SELECT accum.register_unpost('co4', 'd1');
SELECT pg_temp.add(1, 7);
SELECT * FROM accum.co4_turnover();
COMMIT;
SELECT q, movements_count, version FROM accum.co4_balance_cache;
-- Posted and taken back in one transaction, nothing is written.
BEGIN;
SELECT pg_temp.add(2, 5);
SELECT accum.register_unpost('co4', 'd2');
COMMIT;
SELECT count(*) FROM accum.co4_balance_cache WHERE w = 2;
-- Turned off in the middle: what is pending stays so until somebody reads.
BEGIN;
SELECT pg_temp.add(1, 1);
SET LOCAL pg_accumulator.coalesce = off;
SELECT pg_temp.add(1, 2);
SELECT accum.co4_balance('{"w": 1}');
COMMIT;
-- Reads that are no statements: assignments, and a loop over what it changes.
DO $$
DECLARE
    x jsonb;
    total int := 0;
    cell record;
BEGIN
    PERFORM pg_temp.add(1, 1);
    x := accum.co4_balance('{"w": 1}');
    RAISE WARNING '%', x;
    BEGIN
        PERFORM pg_temp.add(1, 1);
        x := accum.co4_balance('{"w": 1}');
        RAISE WARNING '%', x;
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN x := accum.co4_balance('{"w": 1}');
    END;
    RAISE WARNING '%', x;
    FOR cell IN SELECT w, q FROM accum.co4_balances, generate_series(1, 30) LOOP
        PERFORM pg_temp.add(1, 1);
        total := total + cell.q;
    END LOOP;
    RAISE WARNING '% in all, now %', total, accum.co4_balance();
    FOR i IN 1..30 LOOP
        PERFORM pg_temp.add(1, -1);
        BEGIN
            IF (accum.co4_balance('{"w": 1}') ->> 'q')::int < 100 THEN RAISE division_by_zero; END IF;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
END $$;
SELECT accum.co4_balance(), pg_temp.differences('co4');
CREATE PROCEDURE pg_temp.steps() LANGUAGE plpgsql AS $$ BEGIN
    FOR i IN 1..4 LOOP
        PERFORM pg_temp.add(3, i), pg_temp.add(3, i);
        IF i % 2 = 0 THEN COMMIT; ELSE ROLLBACK; END IF;
    END LOOP; END $$;
CALL pg_temp.steps();
SELECT q, version FROM accum.co4_balance_cache WHERE w = 3;
PREPARE balance AS SELECT accum.co4_balance('{"w": 3}'), (SELECT sum(q) FROM accum.co4_totals_day WHERE w = 3);
BEGIN;
SELECT pg_temp.add(3, 1);
EXECUTE balance;
SELECT pg_temp.add(3, 1);
EXECUTE balance;
CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT q FROM accum.co4_balances WHERE w = 3;
SELECT pg_temp.add(3, 1);
COPY (SELECT q FROM accum.co4_balances WHERE w = 3) TO STDOUT;
TABLE copied;
ROLLBACK;

-- A statement that writes, and has functions that read, does not see what it writes itself.
CREATE FUNCTION co_enough(n int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN n <= (accum.co4_balance('{"w": 4}') ->> 'q')::int; END $$;
CREATE TABLE co_checked (n int CHECK (co_enough(n)));
BEGIN;
SELECT pg_temp.add(4, 3);
INSERT INTO co_checked SELECT * FROM generate_series(1, 3);
SELECT pg_temp.add(4, 1);
UPDATE co_checked SET n = n + 1;
SELECT pg_temp.add(4, 1);
INSERT INTO co_checked SELECT n + 1 FROM co_checked;
SELECT pg_temp.add(4, -1);
SELECT pg_temp.try('INSERT INTO co_checked SELECT 5');
SELECT pg_temp.add(4, 1);
INSERT INTO co_checked SELECT 5 WHERE co_enough(5);
SELECT array_agg(n ORDER BY n) FROM co_checked;
COMMIT;
DROP TABLE co_checked;

-- Triggers that post when what is pending is applied, at once and when the transaction ends.
SELECT accum.register_create('co5', '{"w": "int"}', '{"q": "int"}');
SELECT accum.register_create('co6', '{"w": "int"}', '{"q": "int"}');
CREATE FUNCTION co_echo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM accum.register_post(CASE WHEN TG_RELNAME ~ 'co5' THEN 'co6' ELSE 'co5' END, jsonb_build_object('recorder', TG_NAME, 'period', '2020-01-01', 'w', NEW.w, 'q', 1));
    RETURN NULL; END $$;
CREATE TRIGGER echo AFTER INSERT OR UPDATE ON accum.co5_balance_cache FOR EACH ROW WHEN (NEW.q < 100) EXECUTE FUNCTION co_echo();
CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON accum.co6_totals_day DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.w = 7) EXECUTE FUNCTION co_echo();
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON accum.co6_movements DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.w = 8) EXECUTE FUNCTION co_echo();
BEGIN;
SELECT pg_temp.add(1, 5, 'co5'), pg_temp.add(1, 5, 'co6'), pg_temp.add(2, 5, 'co5');
SELECT (SELECT sum(q) FROM accum.co5_balances), (SELECT sum(q) FROM accum.co6_balances);
SELECT pg_temp.add(1, 5, 'co5');
COMMIT;
SELECT (SELECT array_agg((w, q, version) ORDER BY w) FROM accum.co5_balance_cache), (SELECT array_agg((w, q, version) ORDER BY w) FROM accum.co6_balance_cache), pg_temp.differences('co5'), pg_temp.differences('co6');
BEGIN;
SELECT pg_temp.add(7, 5, 'co6');
SELECT pg_temp.add(8, 200, 'co6');
COMMIT;
SELECT (SELECT q FROM accum.co5_balances WHERE w = 7) > 0, (SELECT q FROM accum.co5_balances WHERE w = 8) > 0, pg_temp.differences('co5'), pg_temp.differences('co6');

-- What makes derived tables anew, or drops them, and what alters the register.
BEGIN;
SELECT pg_temp.add(5, 5);
SELECT accum.register_rebuild_totals('co4') > 0;
SELECT pg_temp.add(5, 5);
SELECT accum.register_rebuild_cache('co4') > 0;
SELECT pg_temp.add(5, 5);
SELECT DISTINCT status FROM accum.register_verify('co4');
SELECT pg_temp.add(5, 5);
SELECT accum.register_alter('co4', high_write => true);
SELECT pg_temp.add(5, 5);
SELECT accum._delta_count('co4');
SELECT accum.register_alter('co4', high_write => false);
SELECT accum.co4_balance('{"w": 5}'), pg_temp.differences('co4');
SAVEPOINT s;
SELECT pg_temp.add(5, 5);
SELECT accum.register_drop('co4', force => true);
ROLLBACK TO s;
SELECT pg_temp.add(5, 5);
COMMIT;
SELECT accum.co4_balance('{"w": 5}'), pg_temp.differences('co4');
BEGIN;
SELECT pg_temp.add(5, 5);
SAVEPOINT s;
SELECT pg_temp.add(5, 5);
DROP EXTENSION pg_accumulator CASCADE;
DROP SCHEMA accum CASCADE;
SELECT pg_temp.try('SELECT 1');
ROLLBACK TO s;
COMMIT;
SELECT accum.co4_balance('{"w": 5}'), pg_temp.differences('co4');

-- A transaction that has become read-only, and a session that has triggers switched off.
BEGIN;
SELECT pg_temp.add(6, 5);
SET TRANSACTION READ ONLY;
SELECT accum.co4_balance('{"w": 6}');
SHOW transaction_read_only;
COMMIT;
BEGIN;
SELECT pg_temp.add(6, 5);
SET TRANSACTION READ ONLY;
COMMIT;
BEGIN;
SELECT pg_temp.add(6, 5);
SET LOCAL session_replication_role = replica;
COMMIT;
SELECT accum.co4_balance('{"w": 6}'), pg_temp.differences('co4');

-- Errors come with the statement that applies, or at the end.
BEGIN;
SELECT pg_temp.add(9, 30000);
SELECT pg_temp.add(9, 30000);
SELECT pg_temp.try('SELECT accum.co4_balance(''{"w": 9}'')');
SELECT accum.register_unpost('co4', 'd9');
SELECT pg_temp.add(9, 30000);
SELECT accum.co4_balance('{"w": 9}');
SELECT pg_temp.add(9, 30000);
COMMIT;
SELECT accum.co4_balance('{"w": 9}'), pg_temp.differences('co4');
SET pg_accumulator.debug_hash_bits = 1;
SELECT accum.register_create('co7', '{"w": "int"}', '{"q": "int"}');
-- Of three cells two have one hash: known at once in one subtransaction, later in two.
BEGIN;
SAVEPOINT s;
SELECT sum(pg_temp.add(i, 1, 'co7')) FROM generate_series(1, 3) AS i;
ROLLBACK TO s;
SELECT pg_temp.add(1, 1, 'co7');
SELECT left(pg_temp.try('SELECT pg_temp.add(2, 1, ''co7'')'), 5), left(pg_temp.try('SELECT pg_temp.add(3, 1, ''co7'')'), 5);
SELECT left(pg_temp.try('SELECT accum.co7_balance()'), 5);
COMMIT;
SELECT count(*) FROM accum.co7_movements;
-- Stored by an earlier transaction.
SELECT pg_temp.add(1, 1, 'co7');
BEGIN;
SELECT pg_temp.add(1, 1, 'co7');
SELECT left(pg_temp.try('SELECT pg_temp.add(2, 1, ''co7'')'), 5), left(pg_temp.try('SELECT pg_temp.add(3, 1, ''co7'')'), 5);
COMMIT;
SELECT count(*), pg_temp.differences('co7') FROM accum.co7_movements;
SELECT accum.register_drop('co7', force => true);
RESET pg_accumulator.debug_hash_bits;

-- More cells than work_mem has room for, in a subtransaction that is undone, and one that is not.
SET work_mem = '64kB';
BEGIN;
SELECT pg_temp.add(1, 1);
SAVEPOINT s;
SELECT sum(pg_temp.add(i, 1)) FROM generate_series(1, 1000) AS i;
ROLLBACK TO s;
SELECT sum(pg_temp.add(i, 1)) FROM generate_series(1, 1000) AS i;
COMMIT;
RESET work_mem;
SELECT count(*), pg_temp.differences('co4') FROM accum.co4_balances;

-- More subtransactions than are kept apart.
SELECT version AS before FROM accum.co4_balance_cache WHERE w = 1 \gset
DO $$ BEGIN
    FOR i IN 1..300 LOOP
        BEGIN
            PERFORM pg_temp.add(1, 1);
            IF i % 10 = 0 THEN RAISE division_by_zero; END IF;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
END $$;
SELECT q, version - :before AS written FROM accum.co4_balance_cache WHERE w = 1;

-- Parallel workers see what was applied for their query.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE FUNCTION co_wrapped(w int) RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$ BEGIN RETURN accum.co4_balance(jsonb_build_object('w', w)) ->> 'q'; END $$;
BEGIN;
SELECT sum(pg_temp.add(i, 1)) FROM generate_series(1, 100) AS i;
SELECT (SELECT sum(q) FROM accum.co4_balance_cache WHERE w <= 100) = (SELECT sum(q) FROM accum.co4_movements WHERE w <= 100);
SELECT sum(pg_temp.add(i, 1)) FROM generate_series(1, 100) AS i;
SELECT sum(co_wrapped(w)) = sum(q) FROM (SELECT w, sum(q) AS q FROM accum.co4_movements GROUP BY w) AS m;
SELECT sum(pg_temp.add(i, 1)) FROM generate_series(1, 100) AS i;
SELECT count(*) FROM accum.co4_movements WHERE (accum.co4_balance(jsonb_build_object('w', w)) ->> 'q')::int IS DISTINCT FROM (SELECT sum(q) FROM accum.co4_movements AS o WHERE o.w = co4_movements.w) AND w < 10;
COMMIT;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- An ordinary role posts, another one reads; what is pending is applied as the owner.
CREATE ROLE regress_accum_co_poster;
CREATE ROLE regress_accum_co_reader;
GRANT USAGE ON SCHEMA accum TO regress_accum_co_poster, regress_accum_co_reader;
GRANT SELECT, INSERT ON accum.co4_movements TO regress_accum_co_poster;
GRANT SELECT ON accum.co4_balance_cache, accum.co4_balance_cache_delta, accum.co4_balances TO regress_accum_co_reader;
BEGIN;
SET LOCAL ROLE regress_accum_co_poster;
SELECT accum.register_post('co4', '{"recorder": "r", "period": "2020-01-01", "w": 2000, "q": 5}');
SELECT pg_temp.try('SELECT * FROM accum.co4_balance_cache');
SET LOCAL ROLE regress_accum_co_reader;
SELECT q FROM accum.co4_balances WHERE w = 2000;
SET LOCAL ROLE regress_accum_co_poster;
SELECT accum.register_post('co4', '{"recorder": "r", "period": "2020-01-01", "w": 2000, "q": 5}');
COMMIT;
SELECT q FROM accum.co4_balances WHERE w = 2000;
REVOKE ALL ON SCHEMA accum FROM regress_accum_co_poster, regress_accum_co_reader;
REVOKE ALL ON accum.co4_movements, accum.co4_balance_cache, accum.co4_balance_cache_delta, accum.co4_balances FROM regress_accum_co_poster, regress_accum_co_reader;
DROP ROLE regress_accum_co_poster, regress_accum_co_reader;

-- A session does not grow.
CREATE PROCEDURE pg_temp.many(n int) LANGUAGE plpgsql AS $$ BEGIN
    FOR i IN 1..n LOOP
        PERFORM pg_temp.add(1 + i % 10, 1);
        BEGIN
            PERFORM pg_temp.add(1 + i % 10, 1);
            PERFORM accum.co4_balance('{"w": 1}');
            IF i % 2 = 0 THEN RAISE division_by_zero; END IF;
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
        PERFORM accum.register_unpost('co4', 'd' || 1 + i % 10);
        COMMIT;
    END LOOP; END $$;
CALL pg_temp.many(200);
-- What PostgreSQL caches of tables and plans is its own affair.
SELECT sum(used_bytes) AS before FROM pg_backend_memory_contexts WHERE name ~ '^(accum|Top)' \gset
CALL pg_temp.many(1000);
SELECT sum(used_bytes) - :before < 65536 AS same FROM pg_backend_memory_contexts WHERE name ~ '^(accum|Top)';
SELECT pg_temp.differences('co4');

SELECT accum.register_drop('co' || r, force => true) FROM generate_series(1, 6) AS r;
DROP FUNCTION co_enough, co_echo, co_wrapped;
DROP TABLE co_queries;
