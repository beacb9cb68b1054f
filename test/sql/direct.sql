-- Rows written straight into their tables, and with SQL: nobody can tell the difference.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

-- The settings are there when the library is.
SELECT count(*) > 0 FROM accum._config;

-- What a register holds, without what differs from run to run.
CREATE FUNCTION pg_temp.contents(register_name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
    part text;
    result text := '';
BEGIN
    FOR r IN SELECT relation, role FROM accum._register_relations WHERE register = register_name ORDER BY role LOOP
        EXECUTE format('SELECT string_agg(row::text, '' '' ORDER BY row::text) FROM (SELECT to_jsonb(t) - %L::text[] AS row FROM %s t) AS rows',
                       '{id,recorded_at,created_at,last_movement_at,last_movement_id,dim_hash}', r.relation) INTO part;
        result := result || r.role || ': ' || coalesce(part, '-') || E'\n';
    END LOOP;
    RETURN result;
END $$;

-- What triggers and rules have noted.
CREATE TABLE dir_log (n int GENERATED ALWAYS AS IDENTITY, what text);
GRANT SELECT, INSERT ON dir_log TO PUBLIC;
CREATE FUNCTION dir_log() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.dir_log (what) VALUES (concat_ws(' ', TG_WHEN, TG_LEVEL, TG_OP, TG_TABLE_NAME, CASE WHEN TG_LEVEL = 'ROW' THEN CASE TG_OP WHEN 'DELETE' THEN OLD.w || '/' || OLD.q ELSE NEW.w || '/' || NEW.q END END));
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END $$;
CREATE FUNCTION dir_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.dir_log (what) VALUES (concat_ws(' ', TG_WHEN, TG_OP, TG_TABLE_NAME, NEW.recorder)); RETURN NEW; END $$;
CREATE FUNCTION dir_double() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.q := NEW.q * 2; RETURN NEW; END $$;
CREATE FUNCTION dir_skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.w = 2 THEN RETURN NULL; END IF; RETURN NEW; END $$;
CREATE FUNCTION dir_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.w = 2 THEN RAISE 'no % of 2', TG_OP USING ERRCODE = 'DIR01'; END IF; RETURN NEW; END $$;
CREATE FUNCTION dir_small(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN $1 < 100; END $$;
-- The second one needs a search path that has public in it.
CREATE FUNCTION dir_small_here(int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN dir_small($1); END $$;
CREATE FUNCTION dir_known(int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN EXISTS (SELECT FROM public.dir_items WHERE w = $1); END $$;
CREATE TABLE dir_items (w int PRIMARY KEY);
INSERT INTO dir_items VALUES (1), (3), (4);
CREATE TABLE dir_others AS SELECT generate_series(1, 3) AS w;
ALTER TABLE dir_others ADD PRIMARY KEY (w);
GRANT SELECT ON dir_items TO PUBLIC;
CREATE ROLE regress_accum_poster;

-- Set something up for a register, R, and use it; the one way and the other.  Everything is undone.
CREATE FUNCTION pg_temp.run(setup text, high boolean, statements text[], OUT results text[], OUT contents text) LANGUAGE plpgsql AS $$
DECLARE
    statement text;
BEGIN
    PERFORM accum.register_create('r', '{"w": "int"}', '{"q": "smallint"}', high_write => high);
    PERFORM accum.register_post('r', '[{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 1}, {"recorder": "b", "period": "2001-01-02", "w": 2, "q": 10}, {"recorder": "b", "period": "2001-01-02", "w": 2, "q": 1}]');
    PERFORM accum._delta_flush_register('r');
    EXECUTE replace(setup, 'R_', 'accum.r_');
    FOREACH statement IN ARRAY statements LOOP
        results := results || pg_temp.try(replace(statement, 'R_', 'accum.r_'));
    END LOOP;
    SET CONSTRAINTS ALL IMMEDIATE;
    RESET ROLE;
    contents := pg_temp.contents('r') || coalesce((SELECT string_agg(what, E'\n' ORDER BY what COLLATE "C") FROM public.dir_log), '');
    results := results || format('differences %s', pg_temp.differences('r'))
        || (SELECT E'\n    ' || string_agg(what, E'\n    ' ORDER BY what COLLATE "C", n) FROM public.dir_log);
    RAISE EXCEPTION 'undo' USING ERRCODE = 'DIR00';
EXCEPTION WHEN SQLSTATE 'DIR00' THEN
    NULL;
WHEN OTHERS THEN
    results := results || (SQLSTATE || ' at the end: ' || SQLERRM);
END $$;
CREATE FUNCTION pg_temp.both(setup text, high boolean DEFAULT false, more text[] DEFAULT '{}') RETURNS TABLE (result text) LANGUAGE plpgsql AS $$
DECLARE
    statements text[] := more || ARRAY[
        'SELECT accum.register_post(''r'', ''{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 7}'')',
        'SELECT accum.register_post(''r'', ''[{"recorder": "c", "period": "2001-01-01", "w": 1, "q": -1}, {"recorder": "c", "period": "2001-01-02", "w": 3, "q": 2}, {"recorder": "d", "period": "2001-02-01", "w": 3, "q": 2}]'')',
        'SELECT accum.register_post(''r'', ''{"recorder": "a", "period": "2001-01-01", "w": 2, "q": 150}'')',
        'SELECT accum.register_repost(''r'', ''b'', ''[{"period": "2001-01-02", "w": 2, "q": 10}, {"period": "2001-01-03", "w": 4, "q": 3}]'')',
        'SELECT accum.register_unpost(''r'', ''c'')',
        'SELECT accum._delta_flush_register(''r'')'];
    before text := current_setting('pg_accumulator.debug_sql_writes');
    direct record;
    sql record;
BEGIN
    direct := pg_temp.run(setup, high, statements);
    PERFORM set_config('pg_accumulator.debug_sql_writes', 'on', false);
    sql := pg_temp.run(setup, high, statements);
    PERFORM set_config('pg_accumulator.debug_sql_writes', before, false);
    RETURN QUERY SELECT array_to_string(direct.results, ', ');
    IF direct IS DISTINCT FROM sql THEN
        RETURN QUERY SELECT E'OTHERWISE WITH SQL\n' || array_to_string(sql.results, E', ') || E'\n' || direct.contents || E'\n' || sql.contents;
    END IF;
END $$;

-- As the register was made.
SELECT pg_temp.both('SELECT');
SELECT pg_temp.both('SELECT', true);

-- Triggers on movements or a partition, on derived tables, on the map of documents.
SELECT pg_temp.both('CREATE TRIGGER log BEFORE INSERT OR DELETE ON R_movements FOR EACH ROW EXECUTE FUNCTION dir_log()');
SELECT pg_temp.both('CREATE TRIGGER log AFTER INSERT OR DELETE ON R_movements FOR EACH ROW EXECUTE FUNCTION dir_log()', true);
SELECT pg_temp.both('CREATE TRIGGER before BEFORE INSERT OR DELETE ON R_movements FOR EACH STATEMENT EXECUTE FUNCTION dir_log(); CREATE TRIGGER after AFTER INSERT OR DELETE ON R_movements FOR EACH STATEMENT EXECUTE FUNCTION dir_log()');
SELECT pg_temp.both('CREATE TRIGGER log BEFORE INSERT OR DELETE ON R_movements_2001_01 FOR EACH ROW EXECUTE FUNCTION dir_log()');
SELECT pg_temp.both('CREATE TRIGGER log AFTER INSERT OR DELETE ON R_movements_2001_01 FOR EACH ROW EXECUTE FUNCTION dir_log()', true);
SELECT pg_temp.both('CREATE TRIGGER log BEFORE INSERT ON R_movements_2001_01 FOR EACH STATEMENT EXECUTE FUNCTION dir_log()');
SELECT pg_temp.both('CREATE TRIGGER double BEFORE INSERT ON R_movements FOR EACH ROW EXECUTE FUNCTION dir_double()');
SELECT pg_temp.both('CREATE TRIGGER double BEFORE INSERT ON R_movements_2001_01 FOR EACH ROW EXECUTE FUNCTION dir_double()', true);
SELECT pg_temp.both('CREATE TRIGGER skip BEFORE INSERT ON R_movements FOR EACH ROW EXECUTE FUNCTION dir_skip()');
SELECT pg_temp.both('CREATE TRIGGER refuse AFTER INSERT ON R_movements FOR EACH ROW EXECUTE FUNCTION dir_refuse()');
SELECT pg_temp.both('CREATE TRIGGER refuse AFTER INSERT ON R_movements FOR EACH ROW EXECUTE FUNCTION dir_refuse(); ALTER TABLE R_movements DISABLE TRIGGER refuse');
SELECT pg_temp.both('CREATE TRIGGER refuse AFTER INSERT ON R_movements FOR EACH ROW EXECUTE FUNCTION dir_refuse(); ALTER TABLE R_movements ENABLE REPLICA TRIGGER refuse');
SELECT pg_temp.both('CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON R_movements DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dir_refuse()');
SELECT pg_temp.both('CREATE TRIGGER log BEFORE INSERT OR UPDATE ON R_balance_cache FOR EACH ROW EXECUTE FUNCTION dir_log()');
SELECT pg_temp.both('CREATE TRIGGER log AFTER INSERT OR UPDATE ON R_balance_cache FOR EACH ROW EXECUTE FUNCTION dir_log()', true);
SELECT pg_temp.both('CREATE TRIGGER log AFTER INSERT OR UPDATE ON R_totals_month FOR EACH STATEMENT EXECUTE FUNCTION dir_log()');
SELECT pg_temp.both('CREATE TRIGGER refuse AFTER UPDATE ON R_totals_year FOR EACH ROW EXECUTE FUNCTION dir_refuse()');
SELECT pg_temp.both('CREATE TRIGGER refuse BEFORE INSERT ON R_balance_cache_delta FOR EACH ROW EXECUTE FUNCTION dir_refuse()', true);
SELECT pg_temp.both('CREATE TRIGGER log AFTER INSERT OR DELETE ON R_balance_cache_delta FOR EACH STATEMENT EXECUTE FUNCTION dir_log()', true);
SELECT pg_temp.both('CREATE TRIGGER note BEFORE INSERT ON R_recorders FOR EACH ROW EXECUTE FUNCTION dir_note()');
SELECT pg_temp.both('CREATE TRIGGER note AFTER INSERT ON R_recorders FOR EACH ROW WHEN (NEW.recorder <> ''c'') EXECUTE FUNCTION dir_note()', true);
-- Our own ones, where they do not fire: nothing is derived.
SELECT pg_temp.both('ALTER TABLE R_movements DISABLE TRIGGER accum_insert');
SELECT pg_temp.both('SET LOCAL session_replication_role = replica');

-- Constraints.
SELECT pg_temp.both('ALTER TABLE R_movements ADD CHECK (q < 100)');
SELECT pg_temp.both('ALTER TABLE R_movements ADD CHECK (q < 10) NOT VALID', true);
SELECT pg_temp.both('ALTER TABLE R_movements_2001_01 ADD CHECK (dir_small(q))');
SELECT pg_temp.both('ALTER TABLE R_movements ADD CHECK (dir_small_here(q))');
SELECT pg_temp.both('ALTER TABLE R_movements ADD CHECK (dir_known(w)) NOT VALID');
SELECT pg_temp.both('ALTER TABLE R_movements ALTER w SET NOT NULL', more => '{"SELECT accum.register_post(''r'', ''{\"recorder\": \"n\", \"period\": \"2001-01-01\", \"w\": null, \"q\": 7}'')"}');
SELECT pg_temp.both('ALTER TABLE R_movements_2001_01 ALTER w SET NOT NULL', more => '{"SELECT accum.register_post(''r'', ''{\"recorder\": \"n\", \"period\": \"2001-01-01\", \"w\": null, \"q\": 7}'')"}');
SELECT pg_temp.both('ALTER TABLE R_balance_cache ALTER w SET NOT NULL', more => '{"SELECT accum.register_post(''r'', ''{\"recorder\": \"n\", \"period\": \"2001-01-01\", \"w\": null, \"q\": 7}'')"}');
SELECT pg_temp.both('ALTER TABLE R_balance_cache_delta ALTER w SET NOT NULL', true, more => '{"SELECT accum.register_post(''r'', ''{\"recorder\": \"n\", \"period\": \"2001-01-01\", \"w\": null, \"q\": 7}'')"}');
SELECT pg_temp.both('ALTER TABLE R_balance_cache ADD CHECK (dir_small(q))');
SELECT pg_temp.both('ALTER TABLE R_balance_cache ADD CHECK (dir_known(w)) NOT VALID', true);
SELECT pg_temp.both('ALTER TABLE R_totals_day ADD CHECK (q_receipt < 100)', true);
SELECT pg_temp.both('ALTER TABLE R_totals_month ADD CHECK (dir_small_here(q))');
SELECT pg_temp.both('ALTER TABLE R_balance_cache_delta ADD CHECK (dir_small(q))', true);
SELECT pg_temp.both('ALTER TABLE R_recorders ADD CHECK (recorder <> ''d'')');
SELECT pg_temp.both('ALTER TABLE R_movements ADD FOREIGN KEY (w) REFERENCES dir_others');
SELECT pg_temp.both('ALTER TABLE R_movements_2001_01 ADD FOREIGN KEY (w) REFERENCES dir_items DEFERRABLE INITIALLY DEFERRED NOT VALID');
SELECT pg_temp.both('ALTER TABLE R_balance_cache ADD FOREIGN KEY (w) REFERENCES dir_items NOT VALID');
SELECT pg_temp.both('CREATE TABLE refers (dim_hash bigint REFERENCES R_balance_cache)');

-- Columns.
SELECT pg_temp.both('ALTER TABLE R_movements ADD twice int GENERATED ALWAYS AS (q * 2) STORED');
SELECT pg_temp.both('ALTER TABLE R_movements ADD by_default text DEFAULT ''def''', true);
SELECT pg_temp.both('ALTER TABLE R_movements ADD needed text NOT NULL DEFAULT ''def''; ALTER TABLE R_movements ALTER needed DROP DEFAULT');
SELECT pg_temp.both('ALTER TABLE R_movements ADD gone text; ALTER TABLE R_movements DROP gone');
SELECT pg_temp.both('ALTER TABLE R_movements ADD gone text; ALTER TABLE R_movements DROP gone; ALTER TABLE R_movements ADD again text DEFAULT ''again''', true);
SELECT pg_temp.both('ALTER TABLE R_balance_cache ADD twice int GENERATED ALWAYS AS (q * 2) STORED');
SELECT pg_temp.both('ALTER TABLE R_balance_cache ADD by_default text DEFAULT ''def''', true);
SELECT pg_temp.both('ALTER TABLE R_totals_day ADD n int GENERATED ALWAYS AS (q) STORED, ADD m int; ALTER TABLE R_totals_day DROP m');
SELECT pg_temp.both('ALTER TABLE R_balance_cache_delta ADD by_default text DEFAULT ''def''', true);
SELECT pg_temp.both('ALTER TABLE R_recorders ADD by_default text DEFAULT ''def''');
SELECT pg_temp.both('ALTER TABLE R_movements ALTER q SET DEFAULT 5, ALTER movement_type SET DEFAULT ''adjustment''', more => '{"SELECT accum.register_post(''r'', ''{\"recorder\": \"n\", \"period\": \"2001-01-01\", \"w\": 1}'')"}');

-- Rules.
SELECT pg_temp.both('CREATE RULE log AS ON INSERT TO R_movements DO ALSO INSERT INTO dir_log (what) VALUES (''rule '' || NEW.w)');
SELECT pg_temp.both('CREATE RULE nothing AS ON INSERT TO R_movements_2001_01 DO INSTEAD NOTHING');

-- Indexes.
SELECT pg_temp.both('CREATE INDEX ON R_movements ((q % 3)); CREATE INDEX ON R_movements_2001_01 USING brin (period); CREATE INDEX ON R_movements_2001_01 USING hash (recorder)');
SELECT pg_temp.both('CREATE INDEX ON R_movements ((100 / (q - 7)))');
SELECT pg_temp.both('CREATE INDEX ON R_movements_2001_01 ((dir_small(q)))');
SELECT pg_temp.both('CREATE UNIQUE INDEX ON R_movements_2001_01 (w) WHERE q < 10', true);
SELECT pg_temp.both('ALTER TABLE R_movements_2001_01 ADD EXCLUDE USING btree (q WITH =) WHERE (q = 7)', more => '{"SELECT accum.register_post(''r'', ''{\"recorder\": \"n\", \"period\": \"2001-01-01\", \"w\": 1, \"q\": 7}'')"}');
SELECT pg_temp.both('CREATE INDEX ON R_balance_cache (q); CREATE INDEX ON R_balance_cache ((q * 2)) WHERE w > 1; CREATE INDEX ON R_totals_day USING brin (period, q); CREATE INDEX ON R_totals_year USING hash (w)');
SELECT pg_temp.both('CREATE INDEX ON R_balance_cache ((100 / (q - 8)))');
SELECT pg_temp.both('CREATE UNIQUE INDEX ON R_balance_cache ((w % 2))');
SELECT pg_temp.both('CREATE UNIQUE INDEX ON R_balance_cache ((w % 2))', true);
SELECT pg_temp.both('CREATE UNIQUE INDEX ON R_balance_cache ((q / 5))', true);
SELECT pg_temp.both('CREATE UNIQUE INDEX ON R_totals_month ((q / 5))');
SELECT pg_temp.both('ALTER TABLE R_balance_cache ADD UNIQUE (q) DEFERRABLE INITIALLY DEFERRED', more => '{"SELECT accum.register_post(''r'', ''{\"recorder\": \"n\", \"period\": \"2001-01-01\", \"w\": 2, \"q\": -10}'')"}');
SELECT pg_temp.both('CREATE UNIQUE INDEX ON R_recorders ((length(recorder)), unit_start) WHERE recorder >= ''b''');
SELECT pg_temp.both('CREATE INDEX ON R_balance_cache (dim_hash, q); CREATE INDEX ON R_totals_day (dim_hash)');

-- Partitions of the owner's own making.
DO $$ BEGIN
    -- Other columns in another order, one dropped.
    CREATE FUNCTION pg_temp.own() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN
        CREATE TABLE accum.own (gone int, q smallint NOT NULL DEFAULT 0, w int, dim_hash bigint NOT NULL, movement_type text NOT NULL, period timestamptz NOT NULL, recorder text NOT NULL, recorded_at timestamptz NOT NULL, id uuid NOT NULL);
        ALTER TABLE accum.own DROP gone;
        EXECUTE (SELECT replace(pg_get_triggerdef(oid), 'r_movements_2001_01', 'own') FROM pg_trigger WHERE tgrelid = 'accum.r_movements_2001_01'::regclass AND tgname = 'accum_guard');
        ALTER TABLE accum.r_movements ATTACH PARTITION accum.own FOR VALUES FROM ('2001-02-01') TO ('2001-03-01');
    END $f$;
END $$;
SELECT pg_temp.both('SELECT pg_temp.own()');
SELECT pg_temp.both('SELECT pg_temp.own()', true);
SELECT pg_temp.both('CREATE TABLE accum.own PARTITION OF R_movements FOR VALUES FROM (''2001-02-01'') TO (''2001-03-01'') PARTITION BY RANGE (period); CREATE TABLE accum.own1 PARTITION OF accum.own FOR VALUES FROM (''2001-02-01'') TO (''2001-02-15''); CREATE TABLE accum.own2 PARTITION OF accum.own DEFAULT');
SELECT pg_temp.both('DROP TABLE R_movements_default', more => '{"SELECT accum.register_post(''r'', (SELECT jsonb_agg(jsonb_build_object(''recorder'', ''n'', ''period'', date ''1990-01-01'' + i * 31, ''w'', 1, ''q'', 7)) FROM generate_series(1, 40) AS i))"}');

-- Row security, privileges.
SELECT pg_temp.both('ALTER TABLE R_movements ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON R_movements USING (true) WITH CHECK (w <> 2); GRANT INSERT, DELETE, SELECT ON R_movements TO regress_accum_poster; SET LOCAL ROLE regress_accum_poster');
SELECT pg_temp.both('ALTER TABLE R_movements ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON R_movements USING (true) WITH CHECK (w <> 2)');
SELECT pg_temp.both('ALTER TABLE R_movements_2001_01 ENABLE ROW LEVEL SECURITY; GRANT INSERT, DELETE, SELECT ON R_movements TO regress_accum_poster; SET LOCAL ROLE regress_accum_poster', true);
SELECT pg_temp.both('ALTER TABLE R_balance_cache ENABLE ROW LEVEL SECURITY; GRANT INSERT, DELETE, SELECT ON R_movements TO regress_accum_poster; SET LOCAL ROLE regress_accum_poster');
SELECT pg_temp.both('GRANT INSERT (recorder, period, movement_type, w, q), SELECT, DELETE ON R_movements TO regress_accum_poster; SET LOCAL ROLE regress_accum_poster');
SELECT pg_temp.both('GRANT INSERT (recorder, period, w, q), SELECT, DELETE ON R_movements TO regress_accum_poster; SET LOCAL ROLE regress_accum_poster');
SELECT pg_temp.both('GRANT SELECT, DELETE ON R_movements TO regress_accum_poster; SET LOCAL ROLE regress_accum_poster');
SELECT pg_temp.both('GRANT INSERT ON R_movements TO regress_accum_poster; SET LOCAL ROLE regress_accum_poster');

-- Replication.
SET client_min_messages = error;
SELECT pg_temp.both('CREATE PUBLICATION dir FOR TABLE R_movements, R_balance_cache, R_totals_day; ALTER TABLE R_balance_cache REPLICA IDENTITY FULL');
SELECT pg_temp.both('CREATE PUBLICATION dir FOR TABLE R_balance_cache; ALTER TABLE R_balance_cache REPLICA IDENTITY NOTHING');
SET client_min_messages = warning;

-- register_post where statements run: each call sees what the calls before it have made,
-- and what a statement has begun with does not change under it.
CREATE FUNCTION dir_movement(recorder text, w int, q int) RETURNS jsonb LANGUAGE sql IMMUTABLE
    RETURN jsonb_build_object('recorder', recorder, 'period', '2001-01-01', 'w', w, 'q', q);
SELECT accum.register_create('dir' || CASE WHEN h THEN '_hw' ELSE '' END, '{"w": "int"}', '{"q": "int"}', high_write => h) FROM unnest('{f,t}'::boolean[]) AS h;
CREATE FUNCTION pg_temp.good(register text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT format(''balance %%s, sum %%s, movements %%s, differences %%s'', accum.%1$I() ->> ''q'', sum(q), count(*), pg_temp.differences(%2$L)) FROM accum.%3$I', register || '_balance', register, register || '_movements') INTO result;
    RETURN result;
END $$;
-- One SELECT, many rows; the same cell again and again, and new ones.
SELECT r, sum(accum.register_post(r, dir_movement('d' || i, i % 3, i))), count(*) FROM generate_series(1, 300) AS i, unnest('{dir,dir_hw}'::text[]) AS r GROUP BY r ORDER BY r;
SELECT pg_temp.good('dir'), pg_temp.good('dir_hw');
SELECT i, accum.register_post('dir', dir_movement('same', 1, i)), accum.dir_balance('{"w": 1}') ->> 'q', (SELECT count(*) FROM accum.dir_movements WHERE recorder = 'same' AND i > 0) FROM generate_series(1, 3) AS i;
SELECT accum.register_post('dir', dir_movement('one', 1, 1)), accum.register_repost('dir', 'one', dir_movement('one', 1, 5)), accum.register_unpost('dir', 'one'), accum.register_post('dir', dir_movement('one', 2, 1)), accum.register_unpost('dir', ARRAY['one', 'same']);
SELECT sum(accum.register_post('dir_hw', dir_movement('one', 1, i)) + accum.register_unpost('dir_hw', 'one')) FROM generate_series(1, 20) AS i;
-- From the tables that it writes.
SELECT sum(accum.register_post('dir', dir_movement('again', w, -q))) FROM accum.dir_movements;
SELECT sum(accum.register_post('dir', dir_movement('cache', w, 1))) FROM accum.dir_balance_cache;
WITH posted AS MATERIALIZED (SELECT accum.register_post('dir_hw', dir_movement('cte', 1, i)) AS n FROM generate_series(1, 10) AS i) SELECT (SELECT sum(n) FROM posted), (SELECT count(*) FROM accum.dir_hw_movements WHERE recorder = 'cte');
SELECT count(*) FROM accum.dir_hw_movements WHERE recorder = 'cte';
CREATE TABLE dir_posted AS SELECT accum.register_post('dir', dir_movement('ctas', i, i)) AS n FROM generate_series(1, 10) AS i;
INSERT INTO dir_posted SELECT accum.register_unpost('dir', 'ctas');
SELECT sum(n) FROM dir_posted;
SELECT pg_temp.good('dir'), pg_temp.good('dir_hw');

-- In a trigger on another table.
CREATE TABLE dir_lines (document text, w int, q int);
CREATE FUNCTION dir_line() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP <> 'INSERT' THEN PERFORM accum.register_unpost('dir', OLD.document); END IF;
    IF TG_OP <> 'DELETE' THEN PERFORM accum.register_post('dir', dir_movement(NEW.document, NEW.w, NEW.q)); RETURN NEW; END IF;
    RETURN OLD; END $$;
CREATE TRIGGER line BEFORE INSERT OR UPDATE OR DELETE ON dir_lines FOR EACH ROW EXECUTE FUNCTION dir_line();
INSERT INTO dir_lines SELECT 'line ' || i, i % 5, i FROM generate_series(1, 100) AS i;
UPDATE dir_lines SET q = q + 1, w = w + 1 WHERE q > 50;
DELETE FROM dir_lines WHERE q < 20;
SELECT sum(q) = (SELECT sum(q) FROM accum.dir_movements WHERE recorder LIKE 'line%'), count(*) FROM dir_lines;
DROP TRIGGER line ON dir_lines;
CREATE TRIGGER line AFTER INSERT OR UPDATE OR DELETE ON dir_lines FOR EACH ROW EXECUTE FUNCTION dir_line();
UPDATE dir_lines SET q = q - 1;
INSERT INTO dir_lines SELECT 'more ' || i, i % 5, i FROM generate_series(1, 100) AS i;
SELECT sum(q) = (SELECT sum(q) FROM accum.dir_movements WHERE recorder ~ '^(line|more)'), count(*) FROM dir_lines;
DROP TRIGGER line ON dir_lines;
CREATE CONSTRAINT TRIGGER line AFTER INSERT ON dir_lines DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dir_line();
BEGIN;
INSERT INTO dir_lines VALUES ('deferred 1', 1, 1), ('deferred 2', 1, 2);
SELECT count(*) FROM accum.dir_movements WHERE recorder ~ 'deferred';
COMMIT;
SELECT count(*) FROM accum.dir_movements WHERE recorder ~ 'deferred';
SELECT pg_temp.good('dir');
-- In a trigger on the register itself, for another one; and for the same one, once.
CREATE FUNCTION dir_copy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.recorder !~ 'copy' THEN PERFORM accum.register_post(r, dir_movement('copy', NEW.w, NEW.q)) FROM unnest('{dir,dir_hw}'::text[]) AS r; END IF;
    RETURN NEW; END $$;
CREATE TRIGGER copy AFTER INSERT ON accum.dir_movements FOR EACH ROW EXECUTE FUNCTION dir_copy();
SELECT accum.register_post('dir', jsonb_build_array(dir_movement('orig', 1, 1), dir_movement('orig', 77, 2)));
INSERT INTO accum.dir_movements (recorder, period, w, q) VALUES ('orig', '2001-01-01', 1, 1), ('orig', '2001-01-01', 78, 2);
DROP TRIGGER copy ON accum.dir_movements;
SELECT count(*) FROM accum.dir_movements WHERE recorder ~ '^(orig|copy)$';
SELECT pg_temp.good('dir'), pg_temp.good('dir_hw');

-- Loops with exceptions, savepoints, cursors.
DO $$
DECLARE
    failed int := 0;
BEGIN
    FOR i IN 1..60 LOOP
        BEGIN
            PERFORM accum.register_post(r, dir_movement('loop', i % 4, i)) FROM unnest('{dir,dir_hw}'::text[]) AS r;
            IF i % 3 = 0 THEN RAISE division_by_zero; END IF;
            PERFORM accum.register_post('dir', dir_movement('loop', i % 5, CASE WHEN i % 7 = 0 THEN 2000000000 ELSE i END));
            PERFORM accum.register_post('dir', dir_movement('loop', i % 5, CASE WHEN i % 7 = 0 THEN 2000000000 ELSE i END));
        EXCEPTION WHEN division_by_zero OR numeric_value_out_of_range THEN
            failed := failed + 1;
        END;
    END LOOP;
    RAISE WARNING 'failed: %', failed;
END $$;
SELECT pg_temp.good('dir'), pg_temp.good('dir_hw');
DO $$
DECLARE
    c CURSOR FOR SELECT w, q FROM accum.dir_movements WHERE recorder = 'loop';
    n int := 0;
BEGIN
    FOR m IN c LOOP
        n := n + accum.register_post('dir', dir_movement('loop', m.w, m.q)) + accum.register_post('dir_hw', dir_movement('loop', m.w, m.q));
    END LOOP;
    RAISE WARNING 'posted: %', n;
END $$;
SELECT pg_temp.good('dir'), pg_temp.good('dir_hw');
BEGIN;
DECLARE c CURSOR FOR SELECT accum.register_post('dir', dir_movement('cursor', i, i)) FROM generate_series(1, 100) AS i;
FETCH 3 FROM c;
SELECT accum.register_post('dir', dir_movement('cursor', 1, 1));
FETCH 2 FROM c;
SELECT count(*) FROM accum.dir_movements WHERE recorder = 'cursor';
SAVEPOINT s;
SELECT accum.register_post('dir', dir_movement('cursor', 1, 1)), accum.register_post('dir_hw', dir_movement('cursor', 99, 1));
SAVEPOINT t;
SELECT accum.register_unpost('dir', 'cursor');
ROLLBACK TO t;
SELECT accum.register_repost('dir', 'cursor', dir_movement('cursor', 1, 7));
SELECT pg_temp.good('dir');
ROLLBACK TO s;
SELECT pg_temp.good('dir'), pg_temp.good('dir_hw');
RELEASE s;
FETCH 1 FROM c;
COMMIT;
SELECT count(*) FROM accum.dir_movements WHERE recorder = 'cursor';
SELECT pg_temp.good('dir'), pg_temp.good('dir_hw');

-- Functions that say of themselves what they are.
CREATE FUNCTION dir_stable(n int) RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN accum.register_post('dir', dir_movement('stable', n, n)); END $$;
CREATE FUNCTION dir_sql(n int) RETURNS int LANGUAGE sql AS $$ SELECT accum.register_post('dir', dir_movement('sql', n, n)) $$;
CREATE FUNCTION dir_parallel(n int) RETURNS int LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN RETURN accum.register_post('dir', dir_movement('parallel', n, n)); END $$;
SELECT pg_temp.try_code('SELECT dir_stable(1)'), sum(dir_sql(i)) FROM generate_series(1, 10) AS i;
SELECT proparallel, provolatile, count(*) FROM pg_proc WHERE pronamespace = 'accum'::regnamespace AND proname ~ '^register_(re|un)?post$' GROUP BY 1, 2;
CREATE TABLE dir_many AS SELECT i FROM generate_series(1, 1000) AS i;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET max_parallel_workers_per_gather = 2;
SELECT pg_temp.try_code('SELECT sum(dir_parallel(i)) FROM dir_many');
SELECT sum(accum.register_post('dir', dir_movement('many', i % 10, 1))) FROM dir_many;
SELECT pg_temp.good('dir');
RESET min_parallel_table_scan_size;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET max_parallel_workers_per_gather;
-- Prepared, and told in another transaction that the table has changed.
PREPARE post AS SELECT accum.register_post('dir', dir_movement('prepared', $1, 1));
EXECUTE post(1);
ALTER TABLE accum.dir_movements ADD CHECK (w <> 2) NOT VALID;
EXECUTE post(2);
ALTER TABLE accum.dir_movements DROP CONSTRAINT dir_movements_w_check;
EXECUTE post(2);
CREATE TRIGGER refuse BEFORE INSERT ON accum.dir_movements FOR EACH ROW EXECUTE FUNCTION dir_refuse();
EXECUTE post(2);
DROP TRIGGER refuse ON accum.dir_movements;
EXECUTE post(2);
ALTER TABLE accum.dir_balance_cache ADD CHECK (w <> 3) NOT VALID;
EXECUTE post(3);
ALTER TABLE accum.dir_balance_cache DROP CONSTRAINT dir_balance_cache_w_check;
EXECUTE post(3);
CREATE UNIQUE INDEX dir_one ON accum.dir_balance_cache ((w = 3)) WHERE w = 3 OR w = 300;
CREATE UNIQUE INDEX dir_two ON accum.dir_balance_cache ((w > 0)) WHERE w = 3 OR w = 300;
EXECUTE post(300);
DROP INDEX accum.dir_two;
EXECUTE post(300);
SELECT pg_temp.good('dir');
DEALLOCATE post;
-- Read-only transactions.
BEGIN READ ONLY;
SELECT f, pg_temp.try(format('SELECT accum.%s', f)) FROM unnest(ARRAY['register_post(''dir'', dir_movement(''ro'', 1, 1))', 'register_post(''dir_hw'', dir_movement(''ro'', 1, 1))', 'register_post(''dir'', dir_movement(''ro'', 1, 1) || ''{"period": "1950-01-01"}'')',
    'register_repost(''dir'', ''ro'', dir_movement(''ro'', 1, 1))', 'register_unpost(''dir'', ''loop'')', '_delta_flush_register(''dir_hw'')']) AS f;
ROLLBACK;
SELECT pg_temp.good('dir'), pg_temp.good('dir_hw');
SELECT accum._delta_flush_register('dir_hw') > 0, pg_temp.good('dir_hw');

SELECT accum.register_drop('dir', true), accum.register_drop('dir_hw', true);
DROP TABLE dir_log, dir_items, dir_others, dir_lines, dir_posted, dir_many;
DROP ROLE regress_accum_poster;
