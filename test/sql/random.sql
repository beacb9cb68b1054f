-- Random documents written in every way, some taken back by savepoints, under
-- random time zones: after all of it, derived tables are GROUP BY over movements.
-- Registers 6 to 8 have high_write: their deltas are folded at random moments.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

CREATE TYPE random_colour AS ENUM ('red', 'green', 'blue');
SELECT accum.register_create('random1', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}, {"name": "c", "type": "random_colour"}]', '{"q": "numeric(18,3)", "b": "bigint", "i": "int"}', attributes => '{"note": "text"}');
SELECT accum.register_create('random2', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}, {"name": "c", "type": "random_colour"}]', '{"q": "numeric", "b": "bigint", "i": "smallint"}', totals_period => 'month', partition_by => 'quarter', time_zone => 'America/Sao_Paulo', year_start => 4, attributes => '{"note": "text"}');
SELECT accum.register_create('random3', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}, {"name": "c", "type": "random_colour"}]', '{"q": "numeric(18,3)", "b": "bigint", "i": "int"}', kind => 'turnover', partition_by => 'day', time_zone => 'Asia/Tokyo', recorder_type => 'varchar(20)', attributes => '{"note": "text"}');
SELECT accum.register_create('random4', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}, {"name": "c", "type": "random_colour"}]', '{"q": "numeric(20,6)", "b": "bigint", "i": "int"}', totals_period => 'year', partition_by => 'year', time_zone => 'Europe/London', year_start => 7, attributes => '{"note": "text"}');
SELECT accum.register_create('random5', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}, {"name": "c", "type": "random_colour"}]', '{"q": "numeric(18,3)", "b": "bigint", "i": "int"}', time_zone => 'America/St_Johns', recorder_type => 'uuid', attributes => '{"note": "text"}');
SELECT accum.register_create('random6', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}, {"name": "c", "type": "random_colour"}]', '{"q": "numeric(18,3)", "b": "bigint", "i": "int"}', high_write => true, time_zone => 'America/St_Johns', attributes => '{"note": "text"}');
SELECT accum.register_create('random7', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}, {"name": "c", "type": "random_colour"}]', '{"q": "numeric", "b": "bigint", "i": "smallint"}', high_write => true, totals_period => 'month', partition_by => 'quarter', time_zone => 'America/Sao_Paulo', year_start => 4, attributes => '{"note": "text"}');
SELECT accum.register_create('random8', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}, {"name": "c", "type": "random_colour"}]', '{"q": "numeric(20,6)", "b": "bigint", "i": "int"}', high_write => true, kind => 'turnover', totals_period => 'year', partition_by => 'day', time_zone => 'Asia/Tokyo', year_start => 7, recorder_type => 'varchar(20)', attributes => '{"note": "text"}');

CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION pg_temp.recorder(r int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    n int := floor(random() * 40);
BEGIN
    RETURN CASE WHEN r = 5 THEN md5(n::text)::uuid::text ELSE 'doc' || n END;
END $$;
-- A period: mostly few days, so that rows meet; some near midnight, some far away.
CREATE FUNCTION pg_temp.period() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    day text := (date '2018-01-25' + floor(random() * random() * 400)::int)::text;
BEGIN
    RETURN CASE floor(random() * 12)
        WHEN 0 THEN day WHEN 1 THEN day || ' 23:59:59.999999' WHEN 2 THEN day || ' 00:00+00' WHEN 3 THEN '2018-02-18 00:30' WHEN 4 THEN '2018-02-17 23:30' WHEN 5 THEN '2018-03-25 01:30' WHEN 6 THEN '19' || (10 + floor(random() * 80)::int) || '-12-31 23:00'
        ELSE day || ' ' || floor(random() * 24)::int || ':' || floor(random() * 60)::int || pg_temp.pick('', '', '+03', ' America/New_York') END;
END $$;
CREATE FUNCTION pg_temp.movement() RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    result jsonb := jsonb_build_object('period', pg_temp.period(), 'w', nullif(floor(random() * 5)::int, 0), 'p', pg_temp.pick('a', 'b', 'a|', NULL), 'c', pg_temp.pick('red', 'blue', NULL));
BEGIN
    IF random() < 0.8 THEN result := result || jsonb_build_object('q', round((random() * 20 - 9)::numeric, 4)); END IF;
    IF random() < 0.5 THEN result := result || jsonb_build_object('b', floor(random() * 2000000000000)::bigint - 1000000000000); END IF;
    IF random() < 0.5 THEN result := result || jsonb_build_object('i', floor(random() * 5)::int - 2); END IF;
    IF random() < 0.2 THEN result := result || jsonb_build_object('note', pg_temp.pick('x', 'y', NULL)); END IF;
    IF random() < 0.1 THEN result := result || '{"movement_type": "adjustment"}'; END IF;
    RETURN result;
END $$;
CREATE FUNCTION pg_temp.document(lines int) RETURNS jsonb LANGUAGE sql VOLATILE AS $$ SELECT coalesce(jsonb_agg(pg_temp.movement()), '[]') FROM generate_series(1, lines) $$;

CREATE TEMP TABLE done (what text, n int DEFAULT 0);
-- One random act on a register.  Some acts fail on purpose, in a subtransaction.
CREATE FUNCTION pg_temp.act(r int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    register text := 'random' || r;
    rec text := pg_temp.recorder(r);
    data jsonb := pg_temp.document(floor(random() * random() * 12)::int);
    what text := pg_temp.pick('post', 'post', 'post', 'repost', 'repost', 'correct', 'unpost', 'unpost many', 'insert', 'delete', 'cte', 'undone', 'bad', 'nested');
    total bigint;
BEGIN
    IF r > 5 AND random() < 0.3 THEN
        what := pg_temp.pick('fold', 'fold', 'fold all', 'fold undone');
    END IF;
    IF random() < 0.05 THEN
        PERFORM set_config('TimeZone', pg_temp.pick('UTC', 'Asia/Tokyo', 'America/New_York', 'Pacific/Apia', 'America/Sao_Paulo'), false);
    END IF;
    CASE what
    WHEN 'post' THEN
        PERFORM accum.register_post(register, (SELECT coalesce(jsonb_agg(m || jsonb_build_object('recorder', CASE WHEN random() < 0.9 THEN rec ELSE pg_temp.recorder(r) END)), '[]') FROM jsonb_array_elements(data) AS m));
    WHEN 'repost' THEN
        PERFORM accum.register_repost(register, rec, data);
    WHEN 'correct' THEN
        -- What is there, with a line less, a line more or a line changed.
        EXECUTE format('SELECT coalesce(jsonb_agg(m - ''id'' - ''dim_hash'' - ''recorded_at'' - ''movement_type'' || CASE WHEN random() < 0.2 THEN ''{"q": 1}'' ELSE ''{}'' END::jsonb) FILTER (WHERE random() < 0.9), ''[]'') FROM accum.%I($1) AS f (m)', register || '_movements')
        INTO data USING rec;
        PERFORM accum.register_repost(register, rec, data || pg_temp.document(floor(random() * 2)::int));
    WHEN 'unpost' THEN
        PERFORM accum.register_unpost(register, rec);
    WHEN 'unpost many' THEN
        PERFORM accum.register_unpost(register, ARRAY[rec, pg_temp.recorder(r), rec]);
    WHEN 'insert' THEN
        EXECUTE format('INSERT INTO accum.%I (recorder, period, w, p, c, q, i, dim_hash) SELECT $1::%s, v.period, v.w, v.p, v.c, coalesce(v.q, 0), coalesce(v.i, 0), 5 FROM jsonb_to_recordset($2) AS v (period timestamptz, w int, p text, c random_colour, q numeric, i int)',
                       register || '_movements', (SELECT recorder_type FROM accum._registers WHERE name = register)) USING rec, data;
    WHEN 'delete' THEN
        EXECUTE format('DELETE FROM accum.%I WHERE random() < 0.02', register || '_movements');
    WHEN 'cte' THEN
        EXECUTE format('WITH gone AS (DELETE FROM accum.%1$I WHERE random() < 0.02 RETURNING *)
                        INSERT INTO accum.%1$I (recorder, period, w, p, c, q, b, i) SELECT recorder, period + random() * interval ''2 days'', w + 1, p, c, -q, b, i FROM gone WHERE w < 8', register || '_movements');
    WHEN 'undone' THEN
        BEGIN
            PERFORM accum.register_repost(register, rec, data);
            PERFORM accum.register_unpost(register, pg_temp.recorder(r));
            RAISE EXCEPTION 'undone';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    WHEN 'bad' THEN
        BEGIN
            PERFORM accum.register_repost(register, rec, data || pg_temp.movement() || '{"period": "2018-01-01", "w": 1, "p": null, "c": null, "i": 1.5}');
            RAISE 'a fraction was taken for an integer';
        EXCEPTION WHEN invalid_text_representation THEN NULL;
        END;
    WHEN 'nested' THEN
        BEGIN
            PERFORM accum.register_unpost(register, rec);
            BEGIN
                PERFORM accum.register_repost(register, pg_temp.recorder(r), data);
                PERFORM accum.register_repost(register, pg_temp.recorder(r), '[{"w": 1}]');
            EXCEPTION WHEN invalid_parameter_value THEN NULL;
            END;
            PERFORM accum.register_repost(register, rec, data);
            IF random() < 0.5 THEN
                RAISE EXCEPTION 'undone';
            END IF;
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    WHEN 'fold' THEN
        -- Some of the deltas, or those of earlier transactions, or some of these.
        PERFORM accum._delta_merge_register(register, pg_temp.pick('0', '0', '1 microsecond', '500 ms')::interval, 1 + floor(random() * random() * 100)::int);
    WHEN 'fold all' THEN
        PERFORM accum._delta_flush_register(register);
    WHEN 'fold undone' THEN
        BEGIN
            PERFORM accum.register_repost(register, rec, data);
            PERFORM accum._force_delta_merge(p_batch_size => 50);
            PERFORM accum.register_unpost(register, pg_temp.recorder(r));
            PERFORM accum._delta_flush_register(register);
            RAISE EXCEPTION 'undone';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END CASE;
    INSERT INTO done VALUES (what, 1);
END $$;

SELECT setseed(0.5);
-- Many transactions with one act, and transactions with many acts and savepoints.
SELECT format('SELECT pg_temp.act(%s); SELECT pg_temp.act(%s); SELECT pg_temp.act(%s)', 1 + i % 8, 1 + i % 8, 1 + (i + 1) % 8) AS statement FROM generate_series(1, 360) AS i
\set ECHO none
\o /dev/null
\gexec
\o
\set ECHO all
SELECT sum(pg_temp.differences('random' || r)) FROM generate_series(1, 8) AS r;
DO $$
BEGIN
    FOR i IN 1..20 LOOP
        BEGIN
            FOR j IN 1..36 LOOP
                PERFORM pg_temp.act(1 + floor(random() * 8)::int);
            END LOOP;
            IF i % 4 = 0 THEN RAISE EXCEPTION 'all undone'; END IF;
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END LOOP;
END $$;
SELECT sum(pg_temp.differences('random' || r)) FROM generate_series(1, 8) AS r;
-- Under so little memory that delta sets go to disk.
SET work_mem = '64kB';
SELECT accum.register_post('random' || r, (SELECT jsonb_agg(m || jsonb_build_object('recorder', pg_temp.recorder(r), 'w', floor(random() * 1000)::int)) FROM jsonb_array_elements(pg_temp.document(3000)) AS m)) FROM generate_series(1, 8) AS r;
SELECT sum(pg_temp.differences('random' || r)) FROM generate_series(1, 8) AS r;
DO $$ BEGIN FOR j IN 1..150 LOOP PERFORM pg_temp.act(1 + floor(random() * 8)::int); END LOOP; END $$;
SELECT sum(pg_temp.differences('random' || r)) FROM generate_series(1, 8) AS r;
RESET work_mem;
SET TimeZone = 'UTC';
SELECT count(DISTINCT what), count(*) > 1000 FROM done;
-- Balances of cells and of groups of cells, read as users do.
CREATE FUNCTION pg_temp.wrong_reads(r int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    filter jsonb;
    condition text;
    n bigint := 0;
    wrong bigint;
BEGIN
    FOR i IN 1..100 LOOP
        SELECT coalesce(jsonb_object_agg(k, v), '{}'), coalesce(string_agg(CASE WHEN v IS NULL THEN k || ' IS NULL' ELSE format('%I = %L', k, v) END, ' AND '), 'true')
        INTO filter, condition
        FROM (VALUES ('w', nullif(floor(random() * 6)::int, 0)::text), ('p', pg_temp.pick('a', 'b', 'a|', 'none', NULL)), ('c', pg_temp.pick('red', 'green', 'blue', NULL))) AS d (k, v) WHERE random() < 0.6;
        EXECUTE format('SELECT (accum.%I($1) IS DISTINCT FROM (SELECT jsonb_build_object(''q'', coalesce(sum(q), 0::numeric), ''b'', coalesce(sum(b), 0), ''i'', coalesce(sum(i), 0)) FROM accum.%I WHERE %s))::int',
                       'random' || r || '_balance', 'random' || r || '_movements', condition) INTO wrong USING filter;
        n := n + wrong;
        EXECUTE format('SELECT ((SELECT count(*) FROM accum.%1$I(dimensions => $1)) <> (SELECT count(*) FROM accum.%1$I WHERE %2$s))::int', 'random' || r || '_movements', condition) INTO wrong USING filter;
        n := n + wrong;
    END LOOP;
    RETURN n;
END $$;
SELECT sum(pg_temp.wrong_reads(r)) FROM unnest('{1,2,4,5,6,7}'::int[]) AS r;
-- All deltas home, and nothing is another.
SELECT sum(accum._delta_count('random' || r)) > 0 AS pending FROM generate_series(6, 8) AS r;
SELECT accum._force_delta_merge() > 0;
SELECT sum(accum._delta_count('random' || r)) FROM generate_series(6, 8) AS r;
SELECT sum(pg_temp.differences('random' || r)) FROM generate_series(1, 8) AS r;
SELECT sum(pg_temp.wrong_reads(r)) FROM unnest('{6,7}'::int[]) AS r;
SELECT DISTINCT status FROM generate_series(6, 8) AS r, accum.register_verify('random' || r);
-- All documents gone, nothing is left.
SELECT accum.register_unpost('random' || r, (SELECT array_agg(CASE WHEN r = 5 THEN md5(i::text)::uuid::text ELSE 'doc' || i END) FROM generate_series(0, 39) AS i)) > 0 FROM generate_series(1, 8) AS r;
SELECT sum(pg_temp.differences('random' || r)) FROM generate_series(1, 8) AS r;
SELECT sum((accum.register_info('random' || r) ->> 'movements_count')::int) FROM generate_series(1, 8) AS r;
SELECT accum._force_delta_merge() > 0;
SELECT sum(pg_temp.differences('random' || r)) FROM generate_series(6, 8) AS r;
SELECT count(*) FROM accum.random6_balance_cache WHERE q <> 0 OR b <> 0 OR i <> 0 OR movements_count <> 0;
SELECT count(*) FROM accum.random1_balance_cache WHERE q <> 0 OR b <> 0 OR i <> 0 OR movements_count <> 0;
