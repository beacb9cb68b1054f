-- Unposts straight and with SQL, of what a register may hold and its owner may have
-- done to it: nobody can tell the difference.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

CREATE FUNCTION up_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.w = 3 THEN RETURN NULL; END IF; RETURN OLD; END $$;
-- Unpost in a register of many documents, the one way and the other.  Everything is undone.
CREATE FUNCTION pg_temp.run(recorder_type text, documents text[], unposted text[], setup text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM accum.register_create('up', '{"w": "int", "p": "text"}', '{"q": "numeric", "b": "int"}', recorder_type => recorder_type, attributes => '{"note": "text"}');
    -- Some values are stored out of line or compressed.
    PERFORM accum.register_post('up', (SELECT jsonb_agg(jsonb_build_object('recorder', d, 'period', date '2020-01-01' + i * 20, 'w', i, 'p', CASE i % 3 WHEN 0 THEN repeat('abc', 600) WHEN 1 THEN 'x' END, 'q', i, 'b', 1, 'note', repeat('n', 9000))) FROM unnest(documents) AS d, generate_series(1, 9) AS i));
    EXECUTE replace(setup, 'R_', 'accum.up_');
    result := pg_temp.try(format('SELECT accum.register_unpost(''up'', %L::text[])', unposted));
    RESET ROLE;
    result := concat_ws(', ', result, pg_temp.differences('up') || ' differences',
        (SELECT count(*) FROM accum.up_movements) || ' left', (SELECT sum(revision) FROM accum.up_recorders) || ' revisions',
        (SELECT string_agg(format('%s/%s/%s', w, q, movements_count), ' ' ORDER BY w, p) FROM accum.up_balance_cache));
    RAISE EXCEPTION 'undo' USING ERRCODE = 'UP000';
EXCEPTION WHEN SQLSTATE 'UP000' THEN RETURN result;
END $$;
CREATE FUNCTION pg_temp.both(recorder_type text, documents text[], unposted text[], setup text DEFAULT 'SELECT') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before text := current_setting('pg_accumulator.debug_sql_writes');
    straight text;
    sql text;
BEGIN
    PERFORM set_config('pg_accumulator.debug_sql_writes', 'off', false);
    straight := pg_temp.run(recorder_type, documents, unposted, setup);
    PERFORM set_config('pg_accumulator.debug_sql_writes', 'on', false);
    sql := pg_temp.run(recorder_type, documents, unposted, setup);
    PERFORM set_config('pg_accumulator.debug_sql_writes', before, false);
    RETURN straight || CASE WHEN straight IS DISTINCT FROM sql THEN E'\nOTHERWISE WITH SQL\n' || sql ELSE '' END;
END $$;
SELECT count(*) > 0 FROM accum._config;

-- Recorders of every type; one document twice in a call, some that are not known, none at all.
SELECT pg_temp.both('text', '{a,b,c}', '{a,b,a}');
SELECT pg_temp.both('varchar(10)', '{a,b,c}', '{a,nobody}');
SELECT pg_temp.both('int', '{1,2,3}', '{1, 2, 1,77}');
SELECT pg_temp.both('bigint', '{1,2,3}', '{1,77}');
SELECT pg_temp.both('uuid', ARRAY[md5('1'), md5('2')], ARRAY[md5('1'), md5('1')::uuid::text]);
SELECT pg_temp.both('text', '{a,b,c}', '{a,NULL}');
SELECT pg_temp.both('text', '{a,b,c}', '{}');
SELECT pg_temp.both('text', '{a,b,c}', '{nobody}');
-- As many as are locked without a statement, and one more.
SELECT pg_temp.both('text', array_agg('d' || i), array_agg('d' || i) FILTER (WHERE i > 1)) FROM generate_series(1, 1001) AS i;
SELECT pg_temp.both('text', array_agg('d' || i), array_agg('d' || i)) FROM generate_series(1, 1001) AS i;

-- Documents in the default partition, too; columns that were added later; an index that has gone.
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'INSERT INTO R_movements (recorder, period, w, p, q, b) SELECT d, date ''1999-01-01'' + i, 10, ''z'', 1, 1 FROM unnest(''{a,c}''::text[]) AS d, generate_series(1, 90) AS i');
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'ALTER TABLE R_movements DROP COLUMN note; ALTER TABLE R_movements ADD COLUMN note text; INSERT INTO R_movements (recorder, period, w, p, q, b) VALUES (''a'', ''2020-12-09'', 10, ''z'', 1, 1)');
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'SELECT accum.register_alter(''up'', add_dimensions => ''{"z": "int"}'', add_resources => ''{"y": "int"}''); SELECT accum.register_post(''up'', ''{"recorder": "a", "period": "2020-12-01", "w": 1, "p": null, "y": 4, "z": 5}'')');
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'DROP INDEX R_movements_recorder_idx');

-- Partitions made by hand: of a part of a month, over the end of one, of a whole year.
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'CREATE TABLE R_hand (LIKE R_movements INCLUDING DEFAULTS); CREATE TRIGGER accum_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON R_hand FOR EACH STATEMENT EXECUTE FUNCTION accum._guard_partition(); ALTER TABLE R_movements ATTACH PARTITION R_hand FOR VALUES FROM (''1999-01-10 00:00Z'') TO (''1999-01-20 00:00Z''); INSERT INTO R_movements (recorder, period, w, p, q, b) SELECT d, day + time ''12:00'', 10, ''z'', 1, 1 FROM unnest(''{a,c}''::text[]) AS d, unnest(''{1999-01-05,1999-01-15,1999-01-25}''::date[]) AS day');
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'CREATE TABLE R_hand (LIKE R_movements INCLUDING DEFAULTS); CREATE TRIGGER accum_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON R_hand FOR EACH STATEMENT EXECUTE FUNCTION accum._guard_partition(); ALTER TABLE R_movements ATTACH PARTITION R_hand FOR VALUES FROM (''1999-01-20 00:00Z'') TO (''1999-02-10 00:00Z''); INSERT INTO R_movements (recorder, period, w, p, q, b) SELECT d, day + time ''12:00'', 10, ''z'', 1, 1 FROM unnest(''{a,c}''::text[]) AS d, unnest(''{1999-01-05,1999-01-25,1999-02-05,1999-02-25}''::date[]) AS day');
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'CREATE TABLE R_hand (LIKE R_movements INCLUDING DEFAULTS); CREATE TRIGGER accum_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON R_hand FOR EACH STATEMENT EXECUTE FUNCTION accum._guard_partition(); ALTER TABLE R_movements ATTACH PARTITION R_hand FOR VALUES FROM (''1999-01-01 00:00Z'') TO (''2000-01-01 00:00Z''); INSERT INTO R_movements (recorder, period, w, p, q, b) SELECT d, day + time ''12:00'', 10, ''z'', 1, 1 FROM unnest(''{a,c}''::text[]) AS d, unnest(''{1999-01-05,1999-02-05,1999-12-31}''::date[]) AS day');
-- Months that such a partition has a part of get none; what is left goes to the default one.
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'CREATE TABLE R_hand (LIKE R_movements INCLUDING DEFAULTS); CREATE TRIGGER accum_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON R_hand FOR EACH STATEMENT EXECUTE FUNCTION accum._guard_partition(); ALTER TABLE R_movements ATTACH PARTITION R_hand FOR VALUES FROM (''1999-01-20 00:00Z'') TO (''1999-02-10 00:00Z''); SELECT accum.register_post(''up'', (SELECT jsonb_agg(jsonb_build_object(''recorder'', ''a'', ''period'', day, ''w'', 11, ''p'', NULL, ''q'', 1)) FROM unnest(''{1999-01-05,1999-01-25,1999-02-25}''::date[]) AS day)); SELECT accum.register_create_partitions(''up'', ''0'')');

-- What only a statement sees to: triggers, foreign keys, row security.
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'CREATE TRIGGER keep BEFORE DELETE ON R_movements FOR EACH ROW EXECUTE FUNCTION up_keep()');
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'CREATE TRIGGER keep BEFORE DELETE ON R_movements_2020_03 FOR EACH ROW EXECUTE FUNCTION up_keep()');
SELECT left(result, 5), result ~ 'OTHERWISE' FROM pg_temp.both('text', '{a,b,c}', '{a,b}', 'CREATE TABLE up_lines (p timestamptz, r timestamptz, i uuid, FOREIGN KEY (p, r, i) REFERENCES R_movements); INSERT INTO up_lines SELECT period, recorded_at, id FROM R_movements WHERE w = 3 AND recorder = ''a''') AS result;
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'CREATE TABLE up_lines (p timestamptz, r timestamptz, i uuid, FOREIGN KEY (p, r, i) REFERENCES R_movements ON DELETE CASCADE); INSERT INTO up_lines SELECT period, recorded_at, id FROM R_movements WHERE w = 3 AND recorder = ''a''');
CREATE ROLE regress_accum_up;
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'ALTER TABLE R_movements ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON R_movements USING (w < 5); GRANT USAGE ON SCHEMA accum TO regress_accum_up; GRANT SELECT, DELETE ON R_movements TO regress_accum_up; SET LOCAL ROLE regress_accum_up');
DROP ROLE regress_accum_up;

-- Published deletes need a replica identity; a trigger on the cache posts to the same cells.
SET client_min_messages = error;
SELECT pg_temp.both('text', '{a,b,c}', '{a,b}', 'CREATE PUBLICATION up FOR TABLE R_movements; ALTER TABLE R_movements_2020_03 REPLICA IDENTITY NOTHING');
RESET client_min_messages;
CREATE FUNCTION up_echo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM accum.register_post('up', jsonb_build_object('recorder', 'echo', 'period', '2020-01-21', 'w', NEW.w, 'p', NEW.p, 'q', 1)); RETURN NULL; END $$;
SELECT pg_temp.both('text', '{a,b,c}', '{a}', 'CREATE TRIGGER echo AFTER UPDATE ON R_balance_cache FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION up_echo()');
DROP FUNCTION up_echo;
DROP FUNCTION up_keep;
