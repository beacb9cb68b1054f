-- SQL on the movements table keeps everything consistent; what cannot, is refused.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

SELECT accum.register_create('dml', '[{"name": "w", "type": "int", "required": true}, {"name": "p", "type": "text"}]', '{"q": "numeric(10,2)"}', attributes => '{"note": "text"}');

-- INSERT: one row, many, from a query, with defaults, into the default partition.
INSERT INTO accum.dml_movements (recorder, period, w, p, q) VALUES ('a', '2001-01-01', 1, 'x', 5);
INSERT INTO accum.dml_movements (recorder, period, w, p, q) VALUES ('a', '2001-01-01', 1, 'x', 5), ('a', '2001-02-01', 1, 'x', -3), ('b', '2077-01-01', 2, NULL, 7), ('b', '1901-01-01', 1, 'x', 0.5);
INSERT INTO accum.dml_movements (recorder, period, w) SELECT 'c' || i, date '2001-01-01' + i, 3 FROM generate_series(1, 100) AS i;
INSERT INTO accum.dml_movements (recorder, period, w, p, q, note) SELECT * FROM (VALUES ('d', timestamptz '2001-01-01', 4, 'y', 1.005, 'noted')) AS v RETURNING recorder, q, movement_type, note, dim_hash <> 0;
SELECT pg_temp.differences('dml');
SELECT w, p, q, movements_count, last_movement_at IS NOT NULL, version FROM accum.dml_balance_cache ORDER BY 1, 2;
SELECT count(*) FROM accum.dml_movements_default;
SELECT recorder, unit_start, revision FROM accum.dml_recorders WHERE recorder < 'c' ORDER BY 1, 2;

-- The writer's dim_hash counts for nothing; ids and recorded_at may be given.
INSERT INTO accum.dml_movements (id, recorded_at, recorder, period, movement_type, dim_hash, w, p, q)
VALUES ('00000000-0000-0000-0000-000000000001', '2020-01-01', 'e', '2001-01-01', 'adjustment', 42, 1, 'x', 1), (DEFAULT, DEFAULT, 'e', '2001-01-01', 'regular', 43, 1, 'x', 1);
SELECT count(DISTINCT dim_hash), bool_or(dim_hash IN (42, 43)) FROM accum.dml_movements WHERE w = 1 AND p = 'x';
SELECT pg_temp.differences('dml');
-- A NULL dim_hash is computed, too.
INSERT INTO accum.dml_movements (recorder, period, dim_hash, w, p, q) VALUES ('e', '2001-01-01', NULL, 1, 'x', 1);
SELECT pg_temp.differences('dml');

-- COPY.
COPY accum.dml_movements (recorder, period, w, p, q) FROM stdin;
copy	2001-03-01 00:00:00+00	1	x	10
copy	2001-03-02 00:00:00+00	5	\N	-10
copy	2088-03-02 00:00:00+00	5	\N	2.5
\.
COPY accum.dml_movements (recorder, period, dim_hash, w, p, q) FROM stdin WITH (FORMAT csv);
copy,2001-03-01,77,1,x,10
copy,2001-03-01,77,6,,10
\.
SELECT pg_temp.differences('dml');

-- ON CONFLICT, RETURNING, CTEs that write several times.
INSERT INTO accum.dml_movements (id, recorded_at, recorder, period, w, p, q)
VALUES ('00000000-0000-0000-0000-000000000001', '2020-01-01', 'e', '2001-01-01', 1, 'x', 1000), ('00000000-0000-0000-0000-000000000002', '2020-01-01', 'e', '2001-01-01', 1, 'x', 1)
ON CONFLICT DO NOTHING RETURNING id, q;
SELECT pg_temp.try_code($$INSERT INTO accum.dml_movements (id, recorded_at, recorder, period, w, p, q)
    VALUES ('00000000-0000-0000-0000-000000000001', '2020-01-01', 'e', '2001-01-01', 1, 'x', 1000)$$);
WITH one AS (INSERT INTO accum.dml_movements (recorder, period, w, p, q) VALUES ('cte', '2001-01-01', 7, 'x', 1) RETURNING q),
     two AS (INSERT INTO accum.dml_movements (recorder, period, w, p, q) VALUES ('cte', '2001-01-02', 7, 'x', 2) RETURNING q),
     three AS (DELETE FROM accum.dml_movements WHERE recorder = 'b' RETURNING q),
     four AS (DELETE FROM accum.dml_movements WHERE recorder IN ('c1', 'c2') RETURNING q)
SELECT (SELECT sum(q) FROM one), (SELECT sum(q) FROM two), (SELECT sum(q) FROM three), (SELECT count(*) FROM four);
SELECT pg_temp.differences('dml'), accum.dml_balance('{"w": 7}');
MERGE INTO accum.dml_movements m USING (VALUES ('cte', 5), ('merged', 6)) AS s (recorder, q) ON m.recorder = s.recorder
WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (recorder, period, w, p, q) VALUES (s.recorder, '2001-01-01', 7, 'x', s.q);
SELECT recorder, q FROM accum.dml_movements WHERE w = 7;
SELECT pg_temp.differences('dml'), accum.dml_balance('{"w": 7}');

-- DELETE: some, none, by a join, all.
DELETE FROM accum.dml_movements WHERE recorder = 'a' AND q < 0 RETURNING q;
DELETE FROM accum.dml_movements WHERE false;
DELETE FROM ONLY accum.dml_movements;
DELETE FROM accum.dml_movements m USING (VALUES ('c3'), ('c4')) AS v (r) WHERE m.recorder = v.r;
SELECT pg_temp.differences('dml'), (SELECT count(*) FROM accum.dml_movements);

-- What is refused, and leaves all as it was.
SELECT pg_temp.state('dml') AS state \gset
SELECT s, pg_temp.try(s) FROM unnest(ARRAY[
    'UPDATE accum.dml_movements SET q = q + 1', 'UPDATE accum.dml_movements SET note = NULL WHERE false', 'TRUNCATE accum.dml_movements', 'TRUNCATE accum.dml_movements, accum.dml_totals_day',
    'INSERT INTO accum.dml_movements AS m (id, recorded_at, recorder, period, w) VALUES (''00000000-0000-0000-0000-000000000001'', ''2020-01-01'', ''e'', ''2001-01-01'', 1) ON CONFLICT (period, recorded_at, id) DO UPDATE SET q = m.q + 1',
    'MERGE INTO accum.dml_movements m USING (VALUES (1)) s (x) ON true WHEN MATCHED THEN UPDATE SET q = 0',
    'WITH u AS (UPDATE accum.dml_movements SET q = 1 RETURNING 1) SELECT 1',
    'INSERT INTO accum.dml_movements_default (recorder, period, w) VALUES (''a'', ''1900-01-01'', 1)', 'DELETE FROM accum.dml_movements_default', 'UPDATE accum.dml_movements_default SET q = 0', 'TRUNCATE accum.dml_movements_default',
    'MERGE INTO accum.dml_movements_default m USING (VALUES (1)) s (x) ON true WHEN MATCHED THEN DELETE',
    'INSERT INTO accum.dml_movements (recorder, period, w, movement_type) VALUES (''a'', ''2001-01-01'', 1, ''reversal'')', 'INSERT INTO accum.dml_movements (recorder, period, w, movement_type) VALUES (''a'', ''2001-01-01'', 1, '''')',
    'INSERT INTO accum.dml_movements (recorder, period, w, q) VALUES (''a'', ''2001-01-01'', 1, ''NaN'')', 'INSERT INTO accum.dml_movements (recorder, period, w) VALUES (''a'', ''infinity'', 1)', 'INSERT INTO accum.dml_movements (recorder, period, w) VALUES (''a'', ''-infinity'', 1)',
    'INSERT INTO accum.dml_movements (recorder, period, w) VALUES (''a'', ''0001-01-01 BC'', 1)', 'INSERT INTO accum.dml_movements (recorder, period, w) VALUES (''a'', ''10000-01-01'', 1)',
    'INSERT INTO accum.dml_movements (recorder, period, w, p) VALUES (''a'', ''2001-01-01'', 1, repeat(''x'', 2001))', 'INSERT INTO accum.dml_movements (recorder, period, w) VALUES (repeat(''x'', 2001), ''2001-01-01'', 1)']) AS s;
SELECT s, pg_temp.try_code(s) FROM unnest(ARRAY['INSERT INTO accum.dml_movements (recorder, period) VALUES (''a'', ''2001-01-01'')', 'INSERT INTO accum.dml_movements (period, w) VALUES (''2001-01-01'', 1)', 'INSERT INTO accum.dml_movements (recorder, w) VALUES (''a'', 1)',
    'INSERT INTO accum.dml_movements (recorder, period, w, q) VALUES (''a'', ''2001-01-01'', 1, NULL)', 'INSERT INTO accum.dml_movements (recorder, period, w, movement_type) VALUES (''a'', ''2001-01-01'', 1, NULL)']) AS s;
-- Derived tables are the engine's, and nobody else's.
SELECT replace(t, 'dml_', ''), c, pg_temp.try(format(c, t))
FROM unnest(ARRAY['accum.dml_balance_cache', 'accum.dml_totals_day', 'accum.dml_recorders']) AS t,
     unnest(ARRAY['DELETE FROM %s', 'TRUNCATE %s', 'INSERT INTO %1$s SELECT * FROM %1$s', 'DELETE FROM %s WHERE false']) AS c;
SELECT t, pg_temp.try_code(format('UPDATE %s SET movements_count = 0', t)) FROM unnest(ARRAY['accum.dml_balance_cache', 'accum.dml_totals_day', 'accum.dml_totals_month', 'accum.dml_totals_year']) AS t;
COPY accum.dml_balance_cache FROM stdin;
\.
COPY accum.dml_totals_month FROM stdin;
\.
COPY accum.dml_movements_default FROM stdin;
\.
SELECT pg_temp.state('dml') = :'state';
-- A replica's apply passes; what it leaves is its own business.
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE accum.dml_balance_cache SET q = q + 1 WHERE w = 3;
DELETE FROM accum.dml_totals_day WHERE w = 3;
INSERT INTO accum.dml_movements (recorder, period, dim_hash, w) VALUES ('r', '2001-01-01', 1, 99);
SELECT pg_temp.differences('dml') > 0;
ROLLBACK;
SELECT pg_temp.differences('dml');

-- Savepoints, exception blocks, errors in the middle of a statement.
BEGIN;
INSERT INTO accum.dml_movements (recorder, period, w, p, q) VALUES ('s', '2001-01-01', 8, 'x', 1);
SAVEPOINT s1;
INSERT INTO accum.dml_movements (recorder, period, w, p, q) VALUES ('s', '2001-01-01', 8, 'x', 10), ('s', '2001-01-01', 9, 'x', 10);
SELECT accum.register_repost('dml', 's', '{"period": "2001-01-05", "w": 8, "p": "x", "q": 100}');
SELECT accum.dml_balance('{"w": 8}'), pg_temp.differences('dml');
ROLLBACK TO s1;
SELECT accum.dml_balance('{"w": 8}'), pg_temp.differences('dml');
SELECT accum.register_unpost('dml', 's');
ROLLBACK TO s1;
SELECT accum.register_post('dml', '{"recorder": "s", "period": "2099-01-01", "w": 8, "p": "x", "q": 1000}');
RELEASE s1;
COMMIT;
SELECT accum.dml_balance('{"w": 8}'), pg_temp.differences('dml');
DO $$
BEGIN
    FOR i IN 1..20 LOOP
        BEGIN
            PERFORM accum.register_post('dml', jsonb_build_object('recorder', 'loop', 'period', '2001-01-01', 'w', 10, 'p', NULL, 'q', i));
            INSERT INTO accum.dml_movements (recorder, period, w, q) VALUES ('loop', date '2090-01-01' + i, 10, 1 / (i % 2));
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
END $$;
SELECT accum.dml_balance('{"w": 10}'), pg_temp.differences('dml');
-- A statement that fails at its last row.
SELECT pg_temp.try($$INSERT INTO accum.dml_movements (recorder, period, w, q) SELECT 'x', '2001-01-01', 11, 1 / (5 - i) FROM generate_series(1, 5) AS i$$);
SELECT accum.register_unpost('dml', 'x'), accum.dml_balance('{"w": 11}');

-- Users' triggers.
SELECT accum.register_create('dml_trig', '{"w": "int"}', '{"q": "int"}');
CREATE FUNCTION dml_double() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.w = 13 THEN RETURN NULL; END IF; NEW.q := NEW.q * 2; RETURN NEW; END $$;
CREATE TRIGGER a_double BEFORE INSERT ON accum.dml_trig_movements FOR EACH ROW EXECUTE FUNCTION dml_double();
CREATE TRIGGER z_double BEFORE INSERT ON accum.dml_trig_movements FOR EACH ROW EXECUTE FUNCTION dml_double();
SELECT accum.register_post('dml_trig', '[{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 1}, {"recorder": "a", "period": "2001-01-01", "w": 13, "q": 1}]');
SELECT accum.dml_trig_balance(), pg_temp.differences('dml_trig');
DROP TRIGGER a_double ON accum.dml_trig_movements;
DROP TRIGGER z_double ON accum.dml_trig_movements;
CREATE FUNCTION dml_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.w = 14 THEN RETURN NULL; END IF; RETURN OLD; END $$;
CREATE TRIGGER dml_keep BEFORE DELETE ON accum.dml_trig_movements FOR EACH ROW EXECUTE FUNCTION dml_keep();
SELECT accum.register_post('dml_trig', '[{"recorder": "b", "period": "2001-01-01", "w": 1, "q": 1}, {"recorder": "b", "period": "2001-01-01", "w": 14, "q": 1}]');
SELECT accum.register_unpost('dml_trig', 'b');
SELECT accum.dml_trig_balance(), pg_temp.differences('dml_trig');
DROP TRIGGER dml_keep ON accum.dml_trig_movements;
-- A trigger may move a row to another cell before it is checked, not after.
CREATE FUNCTION dml_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.w := 15; NEW.period := NEW.period + interval '1 month'; RETURN NEW; END $$;
CREATE TRIGGER move BEFORE INSERT ON accum.dml_trig_movements FOR EACH ROW WHEN (NEW.w = 16) EXECUTE FUNCTION dml_move();
SELECT pg_temp.try_code($$INSERT INTO accum.dml_trig_movements (recorder, period, w, q) VALUES ('m', '2070-01-01', 16, 1), ('m', '2070-01-01', 17, 1)$$);
SELECT w, q FROM accum.dml_trig_balance_cache WHERE w > 14 ORDER BY w;
ALTER TRIGGER move ON accum.dml_trig_movements RENAME TO zzz_move;
SELECT pg_temp.try($$SELECT accum.register_post('dml_trig', '[{"recorder": "m", "period": "2070-01-01", "w": 16, "q": 1}, {"recorder": "m", "period": "2070-01-01", "w": 17, "q": 1}]')$$);
SELECT accum.register_unpost('dml_trig', 'm');
DROP TRIGGER zzz_move ON accum.dml_trig_movements;
SELECT pg_temp.differences('dml_trig');
-- What a trigger writes and takes back while a document is removed or corrected.
CREATE FUNCTION dml_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF;
    BEGIN
        INSERT INTO accum.dml_trig_movements (recorder, period, w, q) VALUES ('attempt', '2001-01-01', 18, 1000);
        PERFORM accum.register_repost('dml_trig', 'attempt', '{"period": "2001-01-01", "w": 18, "q": 2000}');
        RAISE EXCEPTION 'taken back';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
    PERFORM accum.register_repost('dml_trig', 'kept', '[{"period": "2001-01-01", "w": 18, "q": 1}, {"period": "2001-01-02", "w": 19, "q": 1}]');
    PERFORM accum.register_post('dml_trig', '{"recorder": "seen", "period": "2001-01-01", "w": 20, "q": 1}');
    -- What is written here is seen here.
    PERFORM 1 / (q > 0)::int FROM accum.dml_trig_balance_cache WHERE w = 20;
    RETURN NULL;
END $$;
CREATE TRIGGER attempt_row AFTER INSERT OR DELETE ON accum.dml_trig_movements FOR EACH ROW EXECUTE FUNCTION dml_attempt();
CREATE TRIGGER attempt AFTER INSERT OR DELETE ON accum.dml_trig_movements FOR EACH STATEMENT EXECUTE FUNCTION dml_attempt();
SELECT accum.register_post('dml_trig', '[{"recorder": "n", "period": "2001-01-01", "w": 18, "q": 4}, {"recorder": "n", "period": "2001-02-01", "w": 18, "q": 5}]');
SELECT pg_temp.differences('dml_trig');
SELECT accum.register_repost('dml_trig', 'n', '[{"period": "2001-01-01", "w": 18, "q": 4}, {"period": "2001-02-01", "w": 18, "q": 6}]');
SELECT pg_temp.differences('dml_trig');
SELECT accum.register_unpost('dml_trig', 'n');
SELECT pg_temp.differences('dml_trig');
SELECT w, q FROM accum.dml_trig_balance_cache WHERE w > 17 ORDER BY w;
DROP TRIGGER attempt ON accum.dml_trig_movements;
DROP TRIGGER attempt_row ON accum.dml_trig_movements;
SELECT accum.register_unpost('dml_trig', '{kept,seen}'::text[]);
-- AFTER triggers that write, into another register and into the same one.
SELECT accum.register_create('dml_trig_copy', '{"w": "int"}', '{"q": "int"}', kind => 'turnover');
CREATE FUNCTION dml_copy_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM accum.register_post('dml_trig_copy', jsonb_build_object('recorder', NEW.recorder, 'period', NEW.period, 'w', NEW.w, 'q', NEW.q));
    IF NEW.q = 5 THEN
        INSERT INTO accum.dml_trig_movements (recorder, period, w, q) VALUES ('again', NEW.period, NEW.w, 6);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER dml_copy_row AFTER INSERT ON accum.dml_trig_movements FOR EACH ROW EXECUTE FUNCTION dml_copy_row();
CREATE FUNCTION dml_copy_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO accum.dml_trig_copy_movements (recorder, period, w, q) SELECT 'undo', period, w, -q FROM gone;
    INSERT INTO accum.dml_trig_movements (recorder, period, w, q) SELECT 'undo', period, w, 100 FROM gone WHERE recorder = 'c';
    RETURN NULL;
END $$;
CREATE TRIGGER dml_copy_removed AFTER DELETE ON accum.dml_trig_movements REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION dml_copy_removed();
SELECT accum.register_post('dml_trig', '[{"recorder": "c", "period": "2001-01-01", "w": 1, "q": 4}, {"recorder": "c", "period": "2001-02-01", "w": 2, "q": 5}]');
SELECT pg_temp.differences('dml_trig'), pg_temp.differences('dml_trig_copy'), (SELECT sum(q) FROM accum.dml_trig_copy_movements);
SELECT accum.register_repost('dml_trig', 'c', '[{"period": "2001-01-01", "w": 1, "q": 4}, {"period": "2001-02-01", "w": 2, "q": 5}, {"period": "2001-02-01", "w": 2, "q": 5}]');
SELECT pg_temp.differences('dml_trig'), pg_temp.differences('dml_trig_copy'), (SELECT sum(q) FROM accum.dml_trig_copy_movements);
SELECT accum.register_unpost('dml_trig', '{c,a}'::text[]);
SELECT pg_temp.differences('dml_trig'), pg_temp.differences('dml_trig_copy'), (SELECT sum(q) FROM accum.dml_trig_copy_movements);
SELECT w, q FROM accum.dml_trig_balance_cache ORDER BY 1;
DROP TRIGGER dml_copy_removed ON accum.dml_trig_movements;
-- An error in a user's trigger undoes all.
CREATE FUNCTION dml_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
CREATE CONSTRAINT TRIGGER dml_refuse AFTER DELETE ON accum.dml_trig_movements DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW EXECUTE FUNCTION dml_refuse();
SELECT pg_temp.state('dml_trig') AS state \gset
SELECT pg_temp.try($$SELECT accum.register_unpost('dml_trig', 'undo')$$);
SELECT pg_temp.try($$SELECT accum.register_repost('dml_trig', 'undo', '[{"period": "2001-01-01", "w": 1, "q": 4}]')$$);
SELECT pg_temp.state('dml_trig') = :'state';
SELECT accum.register_post('dml_trig', '{"recorder": "after", "period": "2001-01-01", "w": 1, "q": 1}');
SELECT pg_temp.differences('dml_trig');

-- Writing while the same session reads.
SELECT accum.register_create('dml_busy', '{"w": "int"}', '{"q": "int"}');
INSERT INTO accum.dml_busy_movements (recorder, period, w, q) SELECT 'r' || i, date '2001-01-01' + i, i % 3, i FROM generate_series(1, 50) AS i;
BEGIN;
DECLARE c CURSOR FOR SELECT recorder, q FROM accum.dml_busy_movements ORDER BY period;
FETCH 2 FROM c;
SELECT accum.register_post('dml_busy', '{"recorder": "during", "period": "2055-01-01", "w": 1, "q": 1000}');
SELECT accum.register_unpost('dml_busy', 'r3'), accum.register_repost('dml_busy', 'r4', '{"period": "2056-01-01", "w": 1, "q": 44}');
FETCH 3 FROM c;
COMMIT;
SELECT pg_temp.differences('dml_busy');
CREATE FUNCTION dml_post_again(rec text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    RETURN accum.register_post('dml_busy', jsonb_build_object('recorder', rec || '!', 'period', '2057-05-05', 'w', 2, 'q', 1));
END $$;
SELECT sum(dml_post_again(recorder)) FROM accum.dml_busy_movements WHERE recorder LIKE 'r%';
INSERT INTO accum.dml_busy_movements (recorder, period, w, q) SELECT recorder || '?', period, w, dml_post_again(recorder) FROM accum.dml_busy_movements WHERE recorder LIKE 'r1%' AND recorder NOT LIKE '%!';
DELETE FROM accum.dml_busy_movements WHERE recorder LIKE 'r2%' AND recorder NOT LIKE '%!' AND dml_post_again(recorder) = 1;
SELECT pg_temp.differences('dml_busy'), count(*) FROM accum.dml_busy_movements;
-- A loop over a query whose body writes, and a trigger-free rewrite of all.
DO $$
DECLARE
    m record;
BEGIN
    FOR m IN SELECT * FROM accum.dml_busy_movements WHERE recorder LIKE 'r%' LOOP
        PERFORM accum.register_repost('dml_busy', m.recorder, jsonb_build_object('period', m.period + interval '1 month', 'w', m.w + 1, 'q', m.q + 1));
    END LOOP;
END $$;
SELECT pg_temp.differences('dml_busy'), count(*) FROM accum.dml_busy_movements;
-- The derived tables show a statement's effect at once, inside the transaction.
BEGIN;
INSERT INTO accum.dml_busy_movements (recorder, period, w, q) VALUES ('now', '2001-01-01', 77, 7);
SELECT q, movements_count FROM accum.dml_busy_balance_cache WHERE w = 77;
SELECT q FROM accum.dml_busy_totals_day WHERE w = 77;
DELETE FROM accum.dml_busy_movements WHERE recorder = 'now';
SELECT q, movements_count FROM accum.dml_busy_balance_cache WHERE w = 77;
ROLLBACK;
-- In bounded memory: more cells and days than fit work_mem.
SELECT accum.register_create('dml_wide', '{"w": "int", "p": "text"}', '{"q": "numeric(18,4)", "n": "numeric", "b": "bigint", "s": "smallint"}', partition_by => 'year');
SET work_mem = '64kB';
INSERT INTO accum.dml_wide_movements (recorder, period, w, p, q, n, b, s)
SELECT 'r' || i % 100, timestamptz '2001-01-01' + i % 400 * interval '1 day', nullif(i % 1000, 0), nullif('p' || i % 7, 'p3'), i - 10000, i / 7.0 - 1000, 1000000000000000000 * (1 - i % 2 * 2), i % 1000 - 500 FROM generate_series(1, 20000) AS i;
SELECT pg_temp.differences('dml_wide');
SELECT accum.register_unpost('dml_wide', (SELECT array_agg('r' || i) FROM generate_series(0, 98) AS i));
SELECT pg_temp.differences('dml_wide');
SELECT accum.register_repost('dml_wide', 'r99', (SELECT jsonb_agg(jsonb_build_object('period', date '2001-01-01' + i % 300, 'w', i, 'p', NULL, 'q', i)) FROM generate_series(1, 5000) AS i));
SELECT pg_temp.differences('dml_wide'), accum.dml_wide_balance();
RESET work_mem;
