-- Registers with high_write: posts append deltas, every read adds them, folds bring
-- them home.  Nobody but the clock can tell such a register from one without.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
SET pg_accumulator.partitions_ahead = 0;

-- Definition.  A cell's row in the cache comes with its first movement; all else waits.
SELECT accum.register_create('hw', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text", "required": true}]', '[{"name": "q", "type": "numeric(12,2)"}, {"name": "n", "type": "smallint"}]', high_write => true, attributes => '{"note": "text"}');
SELECT accum.register_create('hw_not', '{"w": "int"}', '{"q": "int"}', high_write => false);
SELECT pg_temp.try($$SELECT accum.register_create('hw_null', '{"w": "int"}', '{"q": "int"}', high_write => NULL)$$);
SELECT name, high_write FROM accum._registers WHERE name ~ '^hw' ORDER BY 1;
SELECT role, relation FROM accum._register_relations WHERE register = 'hw' ORDER BY relation::text COLLATE "C";
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'accum.hw_balance_cache_delta'::regclass AND attnum > 0 ORDER BY attnum;
SELECT pg_get_indexdef(indexrelid), (SELECT relreplident FROM pg_class WHERE oid = indrelid) FROM pg_index WHERE indrelid = 'accum.hw_balance_cache_delta'::regclass;
SELECT obj_description('accum.hw_balance_cache_delta'::regclass), relpersistence FROM pg_class WHERE oid = 'accum.hw_balance_cache_delta'::regclass;
SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(accum.register_info('hw')) AS k;
SELECT accum.register_info('hw') -> 'high_write', accum.register_info('hw') #> '{tables,balance_cache_delta}', accum.register_info('hw_not') -> 'high_write', accum.register_info('hw_not') #> '{tables,balance_cache_delta}';
SELECT accum.register_create_sql('x', '{"w": "int"}', '{"q": "int"}', high_write => true) ~ 'x_balance_cache_delta', accum.register_create_sql('x', '{"w": "int"}', '{"q": "int"}') ~ 'delta';
SELECT accum.register_stats('hw') - 'table_sizes' - 'partitions_count', accum.register_stats('hw') -> 'table_sizes' ? 'balance_cache_delta';
SELECT accum._delta_count('hw'), accum._delta_count('hw_not');

-- One delta for each cell and unit of the finest totals, whatever the number of lines.
CREATE FUNCTION pg_temp.deltas(register text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT (to_jsonb(d) - ''created_at'' - ''dim_hash'' - ''last_movement_at'' - ''last_movement_id'')::text || CASE WHEN last_movement_id IS NULL THEN '''' ELSE '' last'' END FROM accum.%I d ORDER BY created_at, w, period, last_movement_id IS NULL', register || '_balance_cache_delta');
END $$;
SELECT accum.register_post('hw', '[{"recorder": "a", "period": "2020-05-04 10:00", "w": 1, "p": "x", "q": 10, "n": 1}, {"recorder": "a", "period": "2020-05-04 11:00", "w": 1, "p": "x", "q": -4, "note": "two"},
    {"recorder": "a", "period": "2020-05-05", "w": 1, "p": "x", "q": 1.005}, {"recorder": "b", "period": "2020-05-04", "w": null, "p": "x", "q": 2}]');
SELECT pg_temp.deltas('hw');
SELECT w, p, q, n, movements_count, version, last_movement_at IS NULL FROM accum.hw_balance_cache ORDER BY w;
SELECT (SELECT count(*) FROM accum.hw_totals_day) + (SELECT count(*) FROM accum.hw_totals_month) + (SELECT count(*) FROM accum.hw_totals_year);
SELECT accum.hw_balance(), accum.hw_balance('{"w": null}'), accum.hw_balance('{"w": 1, "p": "x"}'), accum.hw_balance('{"p": "y"}'), accum.hw_balance(NULL, date '2020-05-04'), accum.hw_balance('{"w": 1, "p": "x"}', '2020-05-04 10:30Z');
SELECT accum.hw_turnover(date '2020-05-04', date '2020-05-04', group_by => '["w"]');
SELECT unit_start, w, q_opening, q_receipt, q_expense, q_closing FROM accum.hw_statement(date '2020-05-01', date '2020-05-31', group_by => '["w"]', unit => 'day');
SELECT count(*) FROM accum.hw_movements();
SELECT w, p, q, n, last_movement_at = (SELECT max(recorded_at) FROM accum.hw_movements m WHERE m.w IS NOT DISTINCT FROM b.w) FROM accum.hw_balances b ORDER BY w;
SELECT * FROM accum.hw_balances_at('2020-05-04 23:00Z') ORDER BY w;
SELECT check_type, status FROM accum.register_verify('hw');
SELECT accum.register_stats('hw') - 'table_sizes' - 'partitions_count', accum.register_info('hw') -> 'movements_count';
SELECT name, movements_count FROM accum.register_list() WHERE name ~ '^hw' ORDER BY 1;
SELECT pg_temp.differences('hw');

-- What changes nothing appends nothing.
SELECT accum._delta_count('hw') AS before \gset
SELECT accum.register_repost('hw', 'b', '[{"period": "2020-05-04", "w": null, "p": "x", "q": 2}]');
SELECT accum.register_unpost('hw', 'unknown'), accum.register_unpost('hw', '{}'::text[]), accum.register_post('hw', '[]'), accum.register_repost('hw', 'unknown', '[]');
DELETE FROM accum.hw_movements WHERE recorder = 'unknown';
SELECT accum._delta_count('hw') - :before;
-- Only the difference: of two resources one, of three lines one; a line that moved.
SELECT accum.register_repost('hw', 'a', '[{"period": "2020-05-04 10:00", "w": 1, "p": "x", "q": 10, "n": 3}, {"period": "2020-05-04 11:00", "w": 1, "p": "x", "q": -4, "note": "two"}, {"period": "2020-05-05", "w": 1, "p": "x", "q": 1.01}]');
SELECT accum.register_repost('hw', 'b', '[{"period": "2020-05-04", "w": 2, "p": "x", "q": 2}]');
SELECT pg_temp.deltas('hw') OFFSET :before;
SELECT pg_temp.differences('hw');
SELECT status FROM accum.register_verify('hw');

-- Folding: arguments, batches, ages.
SELECT s, pg_temp.try(s) FROM unnest(ARRAY['SELECT accum._delta_merge_register(NULL)', 'SELECT accum._delta_merge_register(''nowhere'')', 'SELECT accum._delta_merge_register(''hw'', NULL)', 'SELECT accum._delta_merge_register(''hw'', ''-1 s'')',
    'SELECT accum._delta_merge_register(''hw'', ''0'', 0)', 'SELECT accum._delta_merge_register(''hw'', ''0'', -1)', 'SELECT accum._delta_merge_register(''hw'', ''0'', NULL)', 'SELECT accum._delta_merge(''-1 s'')', 'SELECT accum._delta_merge(''0'', 0)', 'SELECT accum._delta_merge(NULL)',
    'SELECT accum._force_delta_merge(''-1 s'')', 'SELECT accum._force_delta_merge(''0'', 0)', 'SELECT accum._delta_flush_register(NULL)', 'SELECT accum._delta_flush_register(''nowhere'')', 'SELECT accum._delta_count(NULL)', 'SELECT accum._delta_count(''nowhere'')',
    'SELECT accum._delta_merge_register(''hw_not'')', 'SELECT accum._delta_flush_register(''hw_not'')', 'SELECT accum._delta_merge_register(''hw'', ''100 years'')']) AS s;
SELECT accum._delta_count('hw'), accum.register_stats('hw') -> 'last_delta_merge';
SELECT accum._delta_merge_register('hw', '0', 2);
SELECT accum._delta_count('hw'), pg_temp.differences('hw');
SELECT accum._delta_merge_register('hw', '1 hour'), accum._delta_merge('1 hour');
BEGIN;
SELECT accum._delta_merge_register('hw', '0', 1);
SELECT accum._delta_count('hw'), pg_temp.differences('hw');
ROLLBACK;
SELECT accum._delta_count('hw'), pg_temp.differences('hw'), accum.hw_balance();
SELECT accum._delta_flush_register('hw') BETWEEN 2 AND 3;
SELECT accum._delta_count('hw'), pg_temp.differences('hw'), accum.hw_balance(), accum._delta_flush_register('hw'), accum._delta_merge_register('hw', '0');
SELECT w, p, q, n, movements_count, last_movement_id = (SELECT max(id::text)::uuid FROM accum.hw_movements m WHERE m.w IS NOT DISTINCT FROM c.w) AS last FROM accum.hw_balance_cache c ORDER BY w;
SELECT (accum.register_stats('hw') ->> 'last_delta_merge')::timestamptz > now() - interval '1 minute', accum.register_stats('hw') -> 'delta_buffer_pending';
-- A fold that fails leaves the session as it was.
SET default_transaction_read_only = on;
SELECT accum._delta_merge_register('hw', '0');
SELECT accum._delta_count('hw');
RESET default_transaction_read_only;
-- A delta is as old as its transaction; the default is two seconds.
SELECT accum.register_post('hw', '{"recorder": "c", "period": "2020-05-04", "w": 3, "p": "x", "q": 1}');
SELECT accum._delta_merge_register('hw', '1 hour'), accum._delta_merge('1 hour'), accum._force_delta_merge('1 hour');
SELECT p.oid::regprocedure, pg_get_function_arguments(oid) FROM pg_proc p WHERE pronamespace = 'accum'::regnamespace AND proname ~ '^_(force_)?delta' ORDER BY 1;
SELECT pg_sleep(2.1);
SELECT accum._delta_merge_register('hw');
SELECT accum._delta_count('hw');
-- Of all registers at once; the batch size is each register's.
SELECT accum.register_create('hw2', '{}', '{"q": "int"}', high_write => true);
SELECT accum.register_post('hw', jsonb_build_object('recorder', 'd' || i, 'period', '2020-06-01', 'w', i, 'p', 'x', 'q', i)), accum.register_post('hw2', jsonb_build_object('recorder', 'd' || i, 'period', '2020-06-01', 'q', i)) FROM generate_series(1, 3) AS i;
SELECT accum._delta_merge('0', 2);
SELECT accum._delta_count('hw'), accum._delta_count('hw2'), accum.hw2_balance(), accum.hw2_balance('{}');
SELECT accum._force_delta_merge();
SELECT accum._delta_count('hw'), accum._delta_count('hw2'), accum.hw2_balance();
SELECT pg_temp.try('SELECT accum.register_post(''hw'', ''{"recorder": "e", "period": "2020-06-01", "w": 1, "p": null, "q": 1}'')');
-- More than are held at a time, under little memory.
SET work_mem = '64kB';
INSERT INTO accum.hw_movements (recorder, period, w, p, q) SELECT 'many', date '2020-01-01' + i % 5, i / 5, 'many', 1 FROM generate_series(0, 11999) AS i;
SELECT accum._delta_merge_register('hw', '0', 11000);
SELECT accum._delta_count('hw'), pg_temp.differences('hw');
SELECT accum._delta_flush_register('hw') BETWEEN 200 AND 2400;
SELECT accum._delta_count('hw'), pg_temp.differences('hw');
RESET work_mem;
SELECT accum.register_unpost('hw', 'many');

-- Direct statements of every kind, and savepoints.
COPY accum.hw_movements (recorder, period, w, p, q) FROM stdin;
copy	2020-07-01 00:00:00+00	7	x	1
copy	2020-07-02 00:00:00+00	7	x	2
\.
INSERT INTO accum.hw_movements (recorder, period, w, p, q) VALUES ('ins', '2020-07-01', 8, 'x', 5), ('ins', '2020-07-01', 8, 'x', 6);
MERGE INTO accum.hw_movements m USING (VALUES ('copy', 2), ('merged', 9)) AS s (recorder, q) ON m.recorder = s.recorder AND m.q = s.q
    WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (recorder, period, w, p, q) VALUES (s.recorder, '2020-07-03', 9, 'x', s.q);
WITH gone AS (DELETE FROM accum.hw_movements WHERE recorder = 'ins' AND q = 5 RETURNING *) INSERT INTO accum.hw_movements (recorder, period, w, p, q) SELECT 'cte', period, w + 1, p, q FROM gone;
SELECT pg_temp.differences('hw'), accum.hw_balance('{"w": 7}'), accum.hw_balance('{"w": 8}'), accum.hw_balance('{"w": 9}');
BEGIN;
SAVEPOINT s;
SELECT accum.register_post('hw', '{"recorder": "sp", "period": "2020-07-01", "w": 77, "p": "new", "q": 1}');
SELECT accum._delta_flush_register('hw') > 0;
ROLLBACK TO s;
SELECT pg_temp.differences('hw'), accum.hw_balance('{"w": 77}');
SELECT accum.register_post('hw', '{"recorder": "sp", "period": "2020-07-01", "w": 77, "p": "new", "q": 2}');
SAVEPOINT t;
SELECT accum._delta_flush_register('hw') > 0;
SELECT accum.register_unpost('hw', 'sp');
ROLLBACK TO t;
COMMIT;
SELECT pg_temp.differences('hw'), accum.hw_balance('{"w": 77}'), accum._delta_count('hw') > 0;
SELECT status FROM accum.register_verify('hw');

-- Nobody writes to deltas but the engine.
SELECT pg_temp.state('hw') AS state \gset
SELECT s, pg_temp.try(s) FROM unnest(ARRAY['INSERT INTO accum.hw_balance_cache_delta SELECT * FROM accum.hw_balance_cache_delta LIMIT 1', 'UPDATE accum.hw_balance_cache_delta SET q = 0', 'DELETE FROM accum.hw_balance_cache_delta WHERE false',
    'TRUNCATE accum.hw_balance_cache_delta', 'MERGE INTO accum.hw_balance_cache_delta USING (VALUES (1)) s (x) ON true WHEN MATCHED THEN DELETE', 'UPDATE accum.hw_balances SET q = 0']) AS s;
COPY accum.hw_balance_cache_delta FROM stdin;
\.
SELECT pg_temp.state('hw') = :'state';
-- Damage, past the guards, does not stay unseen.
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE accum.hw_balance_cache_delta SET q = q + 1 WHERE w = 77;
SELECT pg_temp.differences('hw');
SELECT check_type, status, count(*) FROM accum.register_verify('hw') GROUP BY 1, 2 ORDER BY 1, 2;
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM accum.hw_balance_cache_delta WHERE w = 77;
SELECT check_type, status, count(*) FROM accum.register_verify('hw') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT accum.register_rebuild_cache('hw') > 0, accum.register_rebuild_totals('hw') > 0;
SELECT check_type, status, count(*) FROM accum.register_verify('hw') GROUP BY 1, 2 ORDER BY 1, 2;
ROLLBACK;

-- A rebuild folds first.
SELECT accum._delta_count('hw') > 0;
SELECT accum.register_rebuild_cache('hw', dim_hash) FROM accum.hw_balance_cache WHERE w = 77;
SELECT accum._delta_count('hw'), pg_temp.differences('hw');
SELECT accum.register_post('hw', '{"recorder": "rb", "period": "2020-07-01", "w": 77, "p": "new", "q": 2}');
SELECT accum.register_rebuild_totals('hw') > 0;
SELECT accum._delta_count('hw'), pg_temp.differences('hw');
SELECT accum.register_unpost('hw', 'rb');
SELECT accum.register_rebuild_cache('hw') = (SELECT count(DISTINCT (w, p)) FROM accum.hw_movements);
SELECT accum._delta_count('hw'), pg_temp.differences('hw');

-- Twins: what is done to one register is done to another without high_write, and
-- every answer must be the same, whatever is pending; as it must when all is folded.
CREATE TYPE hw_colour AS ENUM ('red', 'green');
CREATE FUNCTION pg_temp.twins(i int, options text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT accum.register_create(''twin%s'', %s)', i, options || ', high_write => true');
    EXECUTE format('SELECT accum.register_create(''plain%s'', %s)', i, options);
END $$;
CREATE TEMP TABLE twin AS SELECT * FROM (VALUES
    (1, $$'[{"name": "w", "type": "int"}, {"name": "c", "type": "hw_colour"}]', '{"q": "numeric(12,3)", "n": "int"}'$$),
    (2, $$'[{"name": "w", "type": "int"}, {"name": "c", "type": "hw_colour"}]', '{"q": "numeric(20,4)", "n": "bigint"}', totals_period => 'month', time_zone => 'America/Sao_Paulo', year_start => 4, partition_by => 'quarter'$$),
    (3, $$'[{"name": "w", "type": "int"}, {"name": "c", "type": "hw_colour"}]', '{"q": "numeric(12,3)", "n": "smallint"}', totals_period => 'year', time_zone => 'Europe/London', year_start => 7, partition_by => 'year'$$),
    (4, $$'[{"name": "w", "type": "int"}, {"name": "c", "type": "hw_colour"}]', '{"q": "numeric(12,3)", "n": "int"}', kind => 'turnover', time_zone => 'Asia/Tokyo', recorder_type => 'varchar(10)'$$),
    (5, $$'[{"name": "w", "type": "int"}, {"name": "c", "type": "hw_colour"}]', '{"q": "numeric(12,3)", "n": "int"}', kind => 'turnover', totals_period => 'month', time_zone => 'America/St_Johns', year_start => 4$$),
    (6, $$'[{"name": "w", "type": "int"}, {"name": "c", "type": "hw_colour"}]', '{"q": "numeric(12,3)", "n": "int"}', kind => 'turnover', totals_period => 'year', year_start => 2$$),
    (7, $$'{}', '{"q": "numeric(12,3)", "n": "int"}', attributes => '{"w": "int", "c": "hw_colour"}'$$),
    (8, $$'{}', '{"q": "numeric(12,3)", "n": "int"}', kind => 'turnover', totals_period => 'month', attributes => '{"w": "int", "c": "hw_colour"}'$$)) AS v (i, options);
SELECT count(pg_temp.twins(i, options)) FROM twin;
-- Do something to both; R in the statement stands for the register.
CREATE FUNCTION pg_temp.both(i int, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a text := pg_temp.try(replace(statement, '@R', 'twin' || i));
    b text := pg_temp.try(replace(statement, '@R', 'plain' || i));
BEGIN
    RETURN CASE WHEN replace(a, 'twin', 'plain') = b THEN a ELSE 'NOT THE SAME: ' || a || ' / ' || b END;
END $$;
-- How many questions the two answer differently.
CREATE FUNCTION pg_temp.unlike(i int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    question text;
    answers text[];
    n bigint := pg_temp.differences('twin' || i) + pg_temp.differences('plain' || i);
    balance boolean := i IN (1, 2, 3, 7);
    groups text[] := CASE WHEN i < 7 THEN ARRAY['NULL', '''{"w": 1}''', 'NULL, ''["c", "w"]''', '''{"c": null, "w": 2}'', ''["w"]'''] ELSE ARRAY['NULL'] END;
    filters text[] := CASE WHEN i < 7 THEN ARRAY['NULL', '''{}''', '''{"w": 1}''', '''{"c": "red"}''', '''{"c": "red", "w": 1}''', '''{"c": null, "w": 2}'''] ELSE ARRAY['NULL', '''{}'''] END;
BEGIN
    FOR question IN
        SELECT format('accum.@R_turnover(%s, %s, %s)', f, t, g)
        FROM unnest(ARRAY['NULL', 'date ''2021-01-31''', 'timestamptz ''2021-02-03 12:00Z''', 'date ''2021-04-01''']) AS f,
             unnest(ARRAY['NULL', 'date ''2021-02-03''', 'timestamptz ''2021-03-31 03:30Z''', 'date ''2022-03-31''']) AS t,
             unnest(groups) AS g
        WHERE (f ~ '^date') = (t ~ '^date')
        UNION ALL
        SELECT format('accum.@R_statement(%s, %s, %s, %s)', f, t, g, u)
        FROM unnest(ARRAY['NULL', 'timestamptz ''2021-02-03 12:00Z''']) AS f, unnest(ARRAY['NULL', 'timestamptz ''2021-05-31 03:30Z''']) AS t,
             unnest(groups) AS g, unnest(ARRAY['unit => ''day''', 'unit => ''month'', fill => true', 'unit => ''year''']) AS u
        WHERE g IS DISTINCT FROM groups[2]
        UNION ALL
        SELECT format('accum.@R_balance(%s%s)', d, t)
        FROM unnest(filters) AS d,
             unnest(ARRAY['', ', date ''2021-02-03''', ', timestamptz ''2021-02-03 12:00Z''', ', timestamptz ''2021-04-01 03:00Z''', ', timestamptz ''infinity''']) AS t
        WHERE balance
        UNION ALL
        SELECT v FROM unnest(ARRAY['(SELECT to_jsonb(b) - ''last_movement_at'' - ''dim_hash'' AS b FROM accum.@R_balances b)', 'accum.@R_balances_at(date ''2021-02-03'')', 'accum.@R_balances_at(''2021-04-01 12:34Z'')', 'accum.@R_balances_at(NULL::date)']) AS v WHERE balance
        UNION ALL
        SELECT v FROM unnest(ARRAY['(SELECT accum.register_info(''@R'') -> ''movements_count'')', '(SELECT movements_count FROM accum.register_list() WHERE name = ''@R'')', '(SELECT check_type, status FROM accum.register_verify(''@R''))',
                                   '(SELECT m - ''id'' - ''recorded_at'' - ''dim_hash'' FROM accum.@R_movements(from_date => ''2021-01-31'') AS f (m) ORDER BY m)']) AS v
    LOOP
        answers := '{}';
        FOR r IN 1..2 LOOP
            EXECUTE format('SELECT array_append($1, string_agg(t::text, ''|'' ORDER BY %s)) FROM (SELECT t, row_number() OVER () AS i FROM %s AS t) AS s',
                           CASE WHEN question ~ '_balances' THEN 't::text' ELSE 'i' END,
                           replace(question, '@R', (ARRAY['twin', 'plain'])[r] || i)) INTO answers USING answers;
        END LOOP;
        IF answers[1] IS DISTINCT FROM answers[2] THEN
            RAISE WARNING '% is %, not %', replace(question, '@R', 'twin' || i), answers[1], answers[2];
            n := n + 1;
        END IF;
    END LOOP;
    RETURN n;
END $$;
CREATE TEMP TABLE deed AS SELECT * FROM (VALUES
    (1, $$SELECT accum.register_post('@R', (SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || i % 4, 'period', timestamptz '2021-01-01 03:00Z' + i * interval '1 day 1 hour', 'w', nullif(i % 3, 0), 'c', CASE i % 2 WHEN 0 THEN 'red' END, 'q', i - 40, 'n', i % 7 - 3)) FROM generate_series(1, 130) AS i))$$),
    (2, $$SELECT accum.register_unpost('@R', 'd1')$$),
    (3, $$SELECT accum.register_repost('@R', 'd2', '[{"period": "2021-03-31 23:30", "w": 1, "c": "red", "q": 1}, {"period": "2021-04-01 00:30", "w": 9, "c": null, "q": 2.0005, "n": 5}]')$$),
    (4, $$DELETE FROM accum.@R_movements WHERE q < -20$$),
    (5, $$INSERT INTO accum.@R_movements (recorder, period, w, c, q) SELECT 'ins' || i, timestamptz '2021-02-03 11:59Z' + i * interval '1 minute', i, 'green', i FROM generate_series(-3, 3) AS i$$),
    (6, $$SELECT accum.register_post('@R', '[{"recorder": "bad", "period": "2021-02-03", "w": 1, "c": "red", "q": 1}, {"recorder": "bad", "period": "2021-02-03", "w": 1, "c": "red", "q": 1, "n": 1.5}]')$$),
    (7, $$SELECT accum.register_repost('@R', 'd2', '[{"period": "2021-03-31 23:30", "w": 1, "c": "red", "q": 1}, {"period": "2021-04-01 00:30", "w": 9, "c": null, "q": 2.0005, "n": 5}]')$$),
    (8, $$SELECT accum.register_unpost('@R', (SELECT array_agg(DISTINCT recorder::text) FROM accum.@R_movements))$$)) AS v (n, statement);
-- After each deed: all pending, some folded, more folded.
CREATE FUNCTION pg_temp.live(i int) RETURNS TABLE (unlike bigint, codes text) LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    unlike := 0;
    codes := '';
    FOR d IN SELECT * FROM deed ORDER BY n LOOP
        codes := codes || ' ' || regexp_replace(pg_temp.both(i, d.statement), '(^ok: |[ ].*)', '', 'g');
        IF d.n <> 2 AND d.n < 6 THEN
            unlike := unlike + pg_temp.unlike(i);
        END IF;
        IF d.n % 2 = 0 THEN
            PERFORM accum._delta_merge_register('twin' || i, '0', 5 * d.n);
            unlike := unlike + pg_temp.unlike(i);
        END IF;
    END LOOP;
    RETURN NEXT;
    -- Once more, so that something is there when all has been folded.
    PERFORM pg_temp.both(i, statement) FROM deed WHERE n IN (1, 3, 5);
    PERFORM accum._delta_flush_register('twin' || i);
    unlike := pg_temp.unlike(i);
    codes := accum._delta_count('twin' || i);
    RETURN NEXT;
    -- The derived tables are the same, too, row by row.
    SELECT count(*), string_agg(DISTINCT role, ' ') INTO unlike, codes FROM (
        SELECT role, query_to_xml(format('SELECT to_jsonb(t) - ''{dim_hash,version,last_movement_at,last_movement_id}''::text[] AS r FROM %s t WHERE movements_count <> 0 ORDER BY 1', max(relation::text) FILTER (WHERE register = 'twin' || i)), true, false, '')::text
             = query_to_xml(format('SELECT to_jsonb(t) - ''{dim_hash,version,last_movement_at,last_movement_id}''::text[] AS r FROM %s t WHERE movements_count <> 0 ORDER BY 1', max(relation::text) FILTER (WHERE register = 'plain' || i)), true, false, '')::text AS same
        FROM accum._register_relations WHERE register IN ('twin' || i, 'plain' || i) AND role NOT IN ('movements', 'recorders', 'balance_cache_delta') GROUP BY role) AS x
    WHERE same IS NOT TRUE;
    RETURN NEXT;
END $$;
SELECT i, l.* FROM twin, pg_temp.live(i) AS l;

-- A delta too large for its column, although the sum is not, is two deltas.
SELECT accum.register_create('hw_small', '{"w": "int"}', '{"q": "smallint"}', high_write => true);
SELECT accum.register_post('hw_small', '{"recorder": "a", "period": "2020-01-01", "w": 1, "q": 30000}');
SELECT accum.register_repost('hw_small', 'a', '{"period": "2020-01-01", "w": 1, "q": -30000}');
SELECT pg_temp.deltas('hw_small');
SELECT accum.hw_small_balance(), pg_temp.differences('hw_small');
SELECT accum._delta_merge_register('hw_small', '0', 2);
SELECT accum.hw_small_balance(), pg_temp.differences('hw_small');
SELECT accum._delta_flush_register('hw_small');
SELECT accum.hw_small_balance(), pg_temp.differences('hw_small'), q, movements_count FROM accum.hw_small_balance_cache;
-- And no more than that: 22003 at once, nothing stored.
SELECT pg_temp.state('hw_small') AS state \gset
SELECT pg_temp.try($$SELECT accum.register_post('hw_small', (SELECT jsonb_agg(jsonb_build_object('recorder', 'b', 'period', '2020-01-01', 'w', 1, 'q', 30000)) FROM generate_series(1, 3) AS i))$$);
SELECT pg_temp.try($$SELECT accum.register_post('hw_small', '{"recorder": "b", "period": "2020-01-01", "w": 1, "q": 40000}')$$);
SELECT pg_temp.state('hw_small') = :'state';

-- A sum that does not fit is found out when it is folded: a warning, the cell's deltas
-- stay and count, other cells are folded.
SELECT accum.register_unpost('hw_small', 'a');
SELECT accum.register_post('hw_small', jsonb_build_object('recorder', 'o' || i, 'period', '2020-01-0' || i, 'w', NULL, 'q', 15000)) FROM generate_series(1, 3) AS i;
SELECT accum.register_post('hw_small', '{"recorder": "fits", "period": "2020-01-01", "w": 3, "q": 1}');
SELECT accum.register_stats('hw_small') -> 'delta_buffer_pending';
\set VERBOSITY default
SELECT accum._delta_flush_register('hw_small');
\set VERBOSITY terse
SELECT accum.register_post('hw_small', jsonb_build_object('recorder', 'o' || i, 'period', '2020-01-0' || i, 'w', 2, 'q', 15000)) FROM generate_series(1, 3) AS i;
SELECT accum._delta_flush_register('hw_small');
SELECT accum._delta_count('hw_small'), accum.hw_small_balance(), accum.hw_small_balance('{"w": 2}'), accum.hw_small_balance('{"w": null}', date '2020-01-02'), accum.hw_small_balance('{"w": 3}'), pg_temp.differences('hw_small');
SELECT accum.hw_small_turnover(group_by => '["w"]');
SELECT unit_start, q_closing FROM accum.hw_small_statement(NULL, NULL, '{"w": 2}', unit => 'day');
SELECT status FROM accum.register_verify('hw_small');
SELECT w, q FROM accum.hw_small_balance_cache ORDER BY w;
SELECT w, q FROM accum.hw_small_balances_at(date '2021-01-01') ORDER BY w;
-- It holds nobody up: other cells are folded, and so is what of these fits.
SELECT accum.register_post('hw_small', '{"recorder": "fits", "period": "2020-01-01", "w": 4, "q": 1}');
SELECT accum._delta_merge_register('hw_small', '0');
SELECT q FROM accum.hw_small_balance_cache WHERE w = 4;
SELECT sum(accum._delta_merge_register('hw_small', '0', 1)) FROM generate_series(1, 4);
SELECT accum._delta_count('hw_small'), pg_temp.differences('hw_small');
-- Any change that makes the sum fit mends it.
SELECT accum.register_unpost('hw_small', '{o1}'::text[]);
SELECT accum._delta_merge_register('hw_small', '0');
SELECT accum._delta_count('hw_small'), accum.hw_small_balance('{"w": 2}'), pg_temp.differences('hw_small');
SELECT w, q FROM accum.hw_small_balances ORDER BY w;

-- However many there are.
SELECT accum.register_create('hw_many', '{"w": "int"}', '{"q": "smallint"}', high_write => true);
SELECT count(accum.register_post('hw_many', jsonb_build_object('recorder', 'o' || i, 'period', '2020-01-01', 'w', i % 150, 'q', 30000))) FROM generate_series(1, 300) AS i;
SELECT accum.register_post('hw_many', '{"recorder": "fits", "period": "2020-01-01", "w": -1, "q": 1}');
SET client_min_messages = error;
SELECT accum._delta_flush_register('hw_many');
SELECT accum._delta_count('hw_many'), pg_temp.differences('hw_many');
RESET client_min_messages;
SELECT accum.register_drop('hw_many', true);

-- In a register of kind turnover as well, and for floating point numbers.
SELECT accum.register_create('hw_flow', '{"w": "int"}', '{"q": "smallint"}', kind => 'turnover', totals_period => 'month', high_write => true);
SELECT accum.register_post('hw_flow', jsonb_build_object('recorder', 'o' || i, 'period', format('2020-%s-01', i), 'w', 1, 'q', 15000)) FROM generate_series(1, 3) AS i;
SELECT w, q, movements_count, period FROM accum.hw_flow_totals_year;
SELECT accum._delta_flush_register('hw_flow');
SELECT accum._delta_count('hw_flow'), accum.hw_flow_turnover(), pg_temp.differences('hw_flow');
SELECT accum.register_unpost('hw_flow', 'o2');
SELECT accum._delta_flush_register('hw_flow');
SELECT accum._delta_count('hw_flow'), accum.hw_flow_turnover(), pg_temp.differences('hw_flow');
SELECT accum.register_create('hw_real', '{"w": "int"}', '{"d": "double precision", "r": "real"}', high_write => true);
SELECT accum.register_post('hw_real', '[{"recorder": "a", "period": "2020-01-01", "w": 1, "d": 1.5, "r": 0.25}, {"recorder": "a", "period": "2020-01-01", "w": 2, "d": 1.5e308}]');
SELECT accum.register_post('hw_real', '[{"recorder": "b", "period": "2020-01-01", "w": 1, "d": 0.25, "r": -1}, {"recorder": "b", "period": "2020-01-02", "w": 2, "d": 1.5e308}]');
SELECT accum._delta_flush_register('hw_real');
SELECT accum._delta_count('hw_real'), accum.hw_real_balance('{"w": 1}'), accum.hw_real_turnover(dimensions => '{"w": 1}');
SELECT accum.register_unpost('hw_real', 'b');
SELECT accum._delta_flush_register('hw_real');
SELECT accum._delta_count('hw_real'), accum.hw_real_balance('{"w": 1}');
SELECT status FROM accum.register_verify('hw_real');
SELECT accum.register_drop(r, true) FROM unnest('{hw_flow,hw_real,hw_small}'::text[]) AS r;
SELECT count(*) FROM pg_class WHERE relname ~ '^hw_(flow|real|small)_';

-- Two cells with one hash: the second is refused, whether the first is pending or
-- folded, in the same statement or another, and nothing is stored.
CREATE FUNCTION pg_temp.collide(register text, bits int) RETURNS TABLE (stored_within_hashes boolean, codes text, changed bigint, wrong bigint, differences bigint) LANGUAGE plpgsql AS $$
DECLARE
    result text;
    before text;
    seen text[] := '{}';
BEGIN
    PERFORM set_config('pg_accumulator.debug_hash_bits', bits::text, true);
    changed := 0;
    wrong := 0;
    FOR i IN 1..40 LOOP
        IF i = 15 THEN PERFORM accum._delta_flush_register(register); END IF;
        before := pg_temp.state(register);
        result := pg_temp.try(CASE i % 3
            WHEN 0 THEN format('SELECT accum.register_post(%L, %L)', register, jsonb_build_object('recorder', 'r' || i, 'period', format('20%s-01-01', 10 + i), 'w', nullif(i % 12, 3), 'q', i))
            WHEN 1 THEN format('INSERT INTO accum.%I (recorder, period, w, q) VALUES (%L, ''2001-01-01'', %L, %s)', register || '_movements', 'r' || i, nullif(i % 12, 3), i)
            ELSE format('SELECT accum.register_post(%L, (SELECT jsonb_agg(jsonb_build_object(''recorder'', ''x'', ''period'', date ''2001-01-01'' + j * 400, ''w'', j, ''q'', 1)) FROM generate_series(20, 37) AS j))', register) END);
        IF result NOT LIKE 'ok: %' THEN
            seen := seen || left(result, 5);
            changed := changed + (pg_temp.state(register) <> before)::int;
        END IF;
    END LOOP;
    SELECT string_agg(DISTINCT c, ' ') INTO codes FROM unnest(seen) AS c;
    FOR i IN 0..11 LOOP
        EXECUTE format('SELECT $1 + ((SELECT (t ->> ''q'')::int FROM accum.%I(dimensions => jsonb_build_object(''w'', $2)) AS t) <> (SELECT coalesce(sum(q), 0) FROM accum.%I WHERE w IS NOT DISTINCT FROM $2))::int', register || '_turnover', register || '_movements')
        INTO wrong USING wrong, nullif(i, 3);
    END LOOP;
    EXECUTE format('SELECT count(DISTINCT w) BETWEEN 1 AND $1, pg_temp.differences($2) FROM accum.%I', register || '_movements') INTO stored_within_hashes, differences USING 1 << bits, register;
    RETURN NEXT;
END $$;
SELECT accum.register_create(kind || bits, '{"w": "int"}', '{"q": "int"}', kind => kind, high_write => true, partition_by => 'year') FROM unnest('{balance,turnover}'::text[]) AS kind, generate_series(1, 3) AS bits;
SELECT kind, bits, c.* FROM unnest('{balance,turnover}'::text[]) AS kind, generate_series(1, 3) AS bits, pg_temp.collide(kind || bits, bits) AS c;
SELECT accum.register_drop(kind || bits, true) FROM unnest('{balance,turnover}'::text[]) AS kind, generate_series(1, 3) AS bits;

-- Rights: who posts folds, who reads totals and cache reads deltas, and nobody more.
CREATE ROLE regress_accum_hw_poster;
CREATE ROLE regress_accum_hw_canceller;
CREATE ROLE regress_accum_hw_reader;
CREATE ROLE regress_accum_hw_nobody;
CREATE ROLE regress_accum_hw_owner;
GRANT CREATE ON SCHEMA accum TO regress_accum_hw_owner;
SET ROLE regress_accum_hw_owner;
SELECT accum.register_create('hwr', '{"w": "int"}', '{"q": "int"}', partition_by => 'year', high_write => true);
RESET ROLE;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_hw_owner;
CREATE FUNCTION pg_temp.calls() RETURNS TABLE (what text, outcome text) LANGUAGE sql AS $$
    SELECT what, CASE what WHEN 'verify' THEN regexp_replace(r, 'for table .*', 'for a table') ELSE r END FROM (VALUES
        ('post', $s$SELECT accum.register_post('hwr', '{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 1}')$s$),
        ('post to a new cell', $s$SELECT accum.register_post('hwr', jsonb_build_object('recorder', 'a', 'period', '2001-01-01', 'w', length(current_user), 'q', 1))$s$),
        ('insert', $s$INSERT INTO accum.hwr_movements (recorder, period, w, q) VALUES ('b', '2001-01-01', 1, 1)$s$),
        ('repost', $s$SELECT accum.register_repost('hwr', 'a', '{"period": "2001-01-02", "w": 1, "q": 1}')$s$),
        ('unpost', $s$SELECT accum.register_unpost('hwr', 'b')$s$),
        ('fold one', $s$SELECT accum._delta_merge_register('hwr', '0', 1)$s$),
        ('fold some', $s$SELECT accum._force_delta_merge(p_batch_size => 1)$s$),
        ('flush', $s$SELECT accum._delta_flush_register('hwr') >= 0$s$),
        ('count', $s$SELECT accum._delta_count('hwr')$s$),
        ('balance', $s$SELECT accum.hwr_balance()$s$),
        ('balance of a cell', $s$SELECT accum.hwr_balance('{"w": 1}')$s$),
        ('balance at', $s$SELECT accum.hwr_balance('{"w": 1}', date '2002-01-01')$s$),
        ('turnover', $s$SELECT accum.hwr_turnover(date '2001-01-01', date '2001-02-01')$s$),
        ('statement', $s$SELECT q_closing FROM accum.hwr_statement(date '2001-01-01', date '2001-02-01')$s$),
        ('balances', $s$SELECT sum(q) FROM accum.hwr_balances$s$),
        ('balances at', $s$SELECT sum(q) FROM accum.hwr_balances_at(date '2002-01-01')$s$),
        -- Which of its tables is asked for first depends on PostgreSQL's version.
        ('verify', $s$SELECT status FROM accum.register_verify('hwr')$s$),
        ('stats', $s$SELECT (accum.register_stats('hwr') -> 'movements_count')::text || ' ' || (accum.register_stats('hwr') -> 'delta_buffer_pending')::text$s$),
        ('rebuild', $s$SELECT accum.register_rebuild_cache('hwr')$s$),
        ('read deltas', $s$SELECT sum(q) FROM accum.hwr_balance_cache_delta$s$),
        ('write deltas', $s$DELETE FROM accum.hwr_balance_cache_delta$s$)) AS v (what, s), pg_temp.try(s) AS r;
$$;
GRANT INSERT ON accum.hwr_movements TO regress_accum_hw_poster;
GRANT DELETE, SELECT ON accum.hwr_movements TO regress_accum_hw_canceller;
GRANT SELECT ON accum.hwr_balance_cache, accum.hwr_totals_day, accum.hwr_totals_month, accum.hwr_totals_year TO regress_accum_hw_reader;
SET ROLE regress_accum_hw_poster;
SELECT * FROM pg_temp.calls();
SET ROLE regress_accum_hw_canceller;
SELECT * FROM pg_temp.calls();
SET ROLE regress_accum_hw_nobody;
SELECT * FROM pg_temp.calls();
SET ROLE regress_accum_hw_reader;
SELECT * FROM pg_temp.calls();
RESET ROLE;
GRANT SELECT ON accum.hwr_balance_cache_delta TO regress_accum_hw_reader;
SET ROLE regress_accum_hw_poster;
SELECT accum.register_post('hwr', '{"recorder": "p", "period": "2001-01-03", "w": 1, "q": 5}');
SET ROLE regress_accum_hw_reader;
SELECT * FROM pg_temp.calls();
SET ROLE regress_accum_hw_owner;
SELECT * FROM pg_temp.calls();
RESET ROLE;
SELECT pg_temp.differences('hwr');
-- Row security of deltas holds for readers.
SELECT accum.register_post('hwr', '[{"recorder": "rls", "period": "2001-01-03", "w": 100, "q": 1000}, {"recorder": "rls", "period": "2001-01-03", "w": 1, "q": 10}]');
ALTER TABLE accum.hwr_balance_cache_delta ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON accum.hwr_balance_cache_delta FOR SELECT TO regress_accum_hw_reader USING (w < 100);
SELECT accum.hwr_balance('{"w": 1}'), accum.hwr_balance('{"w": 100}');
SET ROLE regress_accum_hw_reader;
SELECT accum.hwr_balance('{"w": 1}'), accum.hwr_balance('{"w": 100}'), accum.hwr_balance('{"w": 100}', date '2002-01-01');
RESET ROLE;
SELECT accum._delta_flush_register('hwr');
SELECT accum.register_drop('hwr', true);
DROP ROLE regress_accum_hw_poster, regress_accum_hw_canceller, regress_accum_hw_reader, regress_accum_hw_nobody, regress_accum_hw_owner;

-- Plans: LIMIT and filters on the view stay on indexes.
SELECT accum.register_create('hw_wide', '{"a": "int", "b": "int"}', '{"n": "int"}', high_write => true, partition_by => 'year');
INSERT INTO accum.hw_wide_movements (recorder, period, a, b, n) SELECT 'x', '2026-01-05', i % 300, i, 1 FROM generate_series(1, 20000) AS i;
SELECT accum._delta_flush_register('hw_wide');
INSERT INTO accum.hw_wide_movements (recorder, period, a, b, n) SELECT 'y', '2026-01-05', i % 300, i, 1 FROM generate_series(1, 20000) AS i;
ANALYZE accum.hw_wide_balance_cache;
ANALYZE accum.hw_wide_balance_cache_delta;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT n FROM accum.hw_wide_balances WHERE b = 7;
EXPLAIN (COSTS OFF) SELECT n FROM accum.hw_wide_balances ORDER BY b LIMIT 5;
EXPLAIN (COSTS OFF) SELECT v.n FROM (VALUES (1), (2)) AS w (b) JOIN accum.hw_wide_balances AS v USING (b);
RESET enable_bitmapscan;
SELECT b, n FROM accum.hw_wide_balances ORDER BY b LIMIT 2;

-- A session that knows its cells notices when the key that tells them apart has gone.
SELECT accum.register_create('hw_keyless', '{"w": "int"}', '{"q": "int"}', high_write => true);
SELECT accum.register_post('hw_keyless', jsonb_build_object('recorder', 'd' || i, 'period', '2026-05-01', 'w', 1, 'q', 1)) FROM generate_series(1, 2) AS i;
ALTER TABLE accum.hw_keyless_balance_cache DROP CONSTRAINT hw_keyless_balance_cache_pkey;
SELECT pg_temp.try('SELECT accum.register_post(''hw_keyless'', ''{"recorder": "d3", "period": "2026-05-01", "w": 1, "q": 1}'')');
SELECT accum.register_drop('hw_keyless', true);

-- Every object of a register and of deltas says what it is.
SELECT c.relname FROM accum._register_relations r JOIN pg_class c ON c.oid = r.relation WHERE r.register = 'hw' AND obj_description(c.oid) IS NULL;
SELECT p.proname FROM pg_proc p WHERE pronamespace = 'accum'::regnamespace AND proname ~ 'delta' AND obj_description(oid, 'pg_proc') IS NULL;
SELECT obj_description('accum._delta_merges'::regclass);

-- Dropping takes the deltas along, pending or not, and what was known of folds.
SELECT pg_temp.try('SELECT accum.register_drop(''hw'')');
SELECT accum.register_unpost('hw2', ARRAY(SELECT DISTINCT recorder FROM accum.hw2_movements));
SELECT accum._delta_count('hw2');
SELECT accum.register_drop('hw2');
SELECT count(*) FROM accum._delta_merges WHERE register IN ('hw', 'hw2');
SELECT accum.register_drop(name, true) FROM accum._registers WHERE name ~ '^(hw|twin|plain)' ORDER BY name;
SELECT count(*) FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname ~ '^(hw|twin|plain)';
SELECT count(*) FROM accum._delta_merges WHERE register ~ '^(hw|twin|plain)';
