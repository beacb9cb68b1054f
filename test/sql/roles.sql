-- Who may do what, as ordinary roles; and what an attacker cannot.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

CREATE ROLE regress_accum_owner;
CREATE ROLE regress_accum_poster;
CREATE ROLE regress_accum_canceller;
CREATE ROLE regress_accum_reader;
CREATE ROLE regress_accum_nobody;
CREATE ROLE regress_accum_mallory;

-- Defining needs CREATE on schema accum; showing what would be done does not.
SET ROLE regress_accum_owner;
SELECT pg_temp.try($$SELECT accum.register_create('rol', '{"w": "int"}', '{"q": "int"}')$$);
SELECT length(accum.register_create_sql('rol', '{"w": "int"}', '{"q": "int"}')) > 0;
RESET ROLE;
GRANT CREATE ON SCHEMA accum TO regress_accum_owner, regress_accum_mallory;
SET ROLE regress_accum_owner;
SELECT accum.register_create('rol', '{"w": "int"}', '{"q": "smallint"}', partition_by => 'year');
RESET ROLE;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_owner;
SELECT DISTINCT relowner::regrole FROM pg_class WHERE oid IN (SELECT relation FROM accum._register_relations WHERE register = 'rol');
SELECT DISTINCT proowner::regrole, prosecdef FROM pg_proc WHERE pronamespace = 'accum'::regnamespace AND proname ~ '^rol_';
SELECT bool_or(prosecdef) FROM pg_proc WHERE pronamespace = 'accum'::regnamespace;

-- With which grants the functions work.
CREATE FUNCTION pg_temp.all_calls() RETURNS TABLE (what text, outcome text) LANGUAGE sql AS $$
    SELECT what, CASE WHEN r LIKE 'ok%' THEN 'ok' ELSE r END FROM (VALUES
        ('post', $s$SELECT accum.register_post('rol', '{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 1}')$s$),
        ('insert', $s$INSERT INTO accum.rol_movements (recorder, period, w, q) VALUES ('b', '2001-01-01', 1, 1)$s$),
        ('repost', $s$SELECT accum.register_repost('rol', 'a', '{"period": "2001-01-02", "w": 1, "q": 1}')$s$),
        ('unpost', $s$SELECT accum.register_unpost('rol', 'a')$s$),
        ('unpost many', $s$SELECT accum.register_unpost('rol', '{a,b}'::text[])$s$),
        ('delete', $s$DELETE FROM accum.rol_movements WHERE false$s$),
        ('balance', $s$SELECT accum.rol_balance()$s$),
        ('balance of a cell', $s$SELECT accum.rol_balance('{"w": 1}')$s$),
        ('movements', $s$SELECT accum.rol_movements()$s$),
        ('post to a new year', $s$SELECT accum.register_post('rol', jsonb_build_object('recorder', 'c', 'period', make_timestamptz(2000 + length(current_user::text), 1, 1, 0, 0, 0, 'UTC')::text, 'w', 1, 'q', 1))$s$),
        ('read movements', $s$SELECT count(*) FROM accum.rol_movements$s$),
        ('read cache', $s$SELECT count(*) FROM accum.rol_balance_cache$s$),
        ('update', $s$UPDATE accum.rol_movements SET q = 0$s$),
        ('partition', $s$DELETE FROM accum.rol_movements_default$s$),
        ('write cache', $s$DELETE FROM accum.rol_balance_cache$s$),
        ('info', $s$SELECT accum.register_info('rol')$s$),
        ('list', $s$SELECT accum.register_list()$s$),
        ('drop', $s$SELECT accum.register_drop('rol', true)$s$)) AS v (what, s), pg_temp.try(s) AS r;
$$;
SET ROLE regress_accum_nobody;
SELECT * FROM pg_temp.all_calls();
SELECT name, movements_count FROM accum.register_list() WHERE name = 'rol';
SELECT accum.register_info('rol') -> 'movements_count';
RESET ROLE;
GRANT INSERT ON accum.rol_movements TO regress_accum_poster;
GRANT DELETE, SELECT ON accum.rol_movements TO regress_accum_canceller;
GRANT SELECT ON accum.rol_balance_cache, accum.rol_totals_day, accum.rol_totals_month, accum.rol_totals_year TO regress_accum_reader;
SET ROLE regress_accum_poster;
SELECT * FROM pg_temp.all_calls() WHERE what NOT IN ('info', 'list');
SET ROLE regress_accum_canceller;
SELECT * FROM pg_temp.all_calls() WHERE what NOT IN ('info', 'list');
SET ROLE regress_accum_reader;
SELECT * FROM pg_temp.all_calls() WHERE what NOT IN ('info', 'list');
SELECT name, movements_count FROM accum.register_list() WHERE name = 'rol';
RESET ROLE;
SELECT pg_temp.differences('rol');
-- Column privileges count as they do for INSERT.
REVOKE INSERT ON accum.rol_movements FROM regress_accum_poster;
GRANT INSERT (recorder, period, w, q) ON accum.rol_movements TO regress_accum_poster;
SET ROLE regress_accum_poster;
SELECT pg_temp.try($$INSERT INTO accum.rol_movements (recorder, period, w, q) VALUES ('col', '2001-01-01', 1, 1)$$);
SELECT pg_temp.try($$INSERT INTO accum.rol_movements (recorder, period, w, q, dim_hash) VALUES ('col', '2001-01-01', 1, 1, 5)$$);
RESET ROLE;
GRANT INSERT ON accum.rol_movements TO regress_accum_poster;
-- Row security of movements holds for posts and removals.
ALTER TABLE accum.rol_movements ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON accum.rol_movements TO regress_accum_poster, regress_accum_canceller USING (w < 100) WITH CHECK (w < 100);
SELECT accum.register_post('rol', '[{"recorder": "mixed", "period": "2001-01-01", "w": 1, "q": 1}, {"recorder": "mixed", "period": "2001-01-01", "w": 100, "q": 1}]');
SET ROLE regress_accum_poster;
SELECT pg_temp.try($$SELECT accum.register_post('rol', '[{"recorder": "rls", "period": "2001-01-01", "w": 1, "q": 1}, {"recorder": "rls", "period": "2001-01-01", "w": 100, "q": 1}]')$$);
SELECT pg_temp.try($$SELECT accum.register_post('rol', '{"recorder": "rls", "period": "2001-01-01", "w": 1, "q": 1}')$$);
SET ROLE regress_accum_canceller;
SELECT accum.register_unpost('rol', '{mixed,rls}'::text[]);
SELECT count(*) FROM accum.rol_movements('mixed');
RESET ROLE;
SELECT w, q FROM accum.rol_movements WHERE recorder = 'mixed';
SELECT pg_temp.differences('rol');
ALTER TABLE accum.rol_movements DISABLE ROW LEVEL SECURITY;

-- The owner and a superuser meet the same guards.
SELECT pg_temp.state('rol') AS state \gset
SET ROLE regress_accum_owner;
SELECT pg_temp.try_code(s) FROM unnest('{UPDATE accum.rol_movements SET q = 0,TRUNCATE accum.rol_movements,DELETE FROM accum.rol_movements_default,DELETE FROM accum.rol_balance_cache,TRUNCATE accum.rol_totals_day,UPDATE accum.rol_recorders SET revision = 0}'::text[]) AS s;
RESET ROLE;
SELECT pg_temp.try_code(s) FROM unnest('{UPDATE accum.rol_movements SET q = 0,TRUNCATE accum.rol_movements,DELETE FROM accum.rol_movements_default,DELETE FROM accum.rol_balance_cache,TRUNCATE accum.rol_totals_day,UPDATE accum.rol_recorders SET revision = 0}'::text[]) AS s;
SELECT pg_temp.state('rol') = :'state';

-- The registry: everybody reads it, nobody ordinary writes it, seeds are secret.
SET ROLE regress_accum_owner;
SELECT count(*) > 0 FROM accum._registers;
SELECT count(*) > 0 FROM accum._register_relations;
SELECT s, pg_temp.try(s) FROM unnest(ARRAY['SELECT * FROM accum._register_seeds', 'SELECT seed FROM accum._register_seeds WHERE false', 'INSERT INTO accum._register_seeds VALUES (''x'', 1)', 'UPDATE accum._register_seeds SET seed = 0',
    'DELETE FROM accum._registers', 'UPDATE accum._registers SET time_zone = ''Asia/Tokyo''', 'TRUNCATE accum._registers', 'UPDATE accum._register_relations SET register = ''x''', 'DELETE FROM accum._register_relations',
    'INSERT INTO accum._register_relations VALUES (''accum.rol_movements'', ''x'', ''movements'')', 'LOCK TABLE accum._registers', 'SET pg_accumulator.debug_hash_bits = 1']) AS s;

-- Attacks.  Mallory may define registers, and post to this one.
RESET ROLE;
GRANT INSERT, SELECT, DELETE ON accum.rol_movements TO regress_accum_mallory;
CREATE SCHEMA regress_accum_evil AUTHORIZATION regress_accum_mallory;
SET ROLE regress_accum_mallory;
CREATE TABLE regress_accum_evil.log (who text);
GRANT ALL ON regress_accum_evil.log TO PUBLIC;
CREATE FUNCTION regress_accum_evil.hit(anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO regress_accum_evil.log VALUES (current_user); RETURN true; END $$;
CREATE FUNCTION regress_accum_evil.eq(int, int) RETURNS boolean LANGUAGE sql AS $$ SELECT regress_accum_evil.hit(1) $$;
CREATE FUNCTION regress_accum_evil.eq(bigint, bigint) RETURNS boolean LANGUAGE sql AS $$ SELECT regress_accum_evil.hit(1) $$;
CREATE FUNCTION regress_accum_evil.eq(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT regress_accum_evil.hit(1) $$;
CREATE FUNCTION regress_accum_evil.plus(smallint, smallint) RETURNS smallint LANGUAGE sql AS $$ SELECT 77::smallint FROM regress_accum_evil.hit(1) $$;
CREATE FUNCTION regress_accum_evil.plus(bigint, bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT 77::bigint FROM regress_accum_evil.hit(1) $$;
CREATE FUNCTION regress_accum_evil.coalesce(timestamptz, timestamptz) RETURNS timestamptz LANGUAGE sql AS $$ SELECT now() FROM regress_accum_evil.hit(1) $$;
CREATE FUNCTION regress_accum_evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.now() FROM regress_accum_evil.hit(1) $$;
CREATE FUNCTION regress_accum_evil.sum(bigint) RETURNS numeric LANGUAGE sql AS $$ SELECT 77::numeric FROM regress_accum_evil.hit(1) $$;
CREATE OPERATOR regress_accum_evil.= (FUNCTION = regress_accum_evil.eq, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR regress_accum_evil.= (FUNCTION = regress_accum_evil.eq, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR regress_accum_evil.= (FUNCTION = regress_accum_evil.eq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR regress_accum_evil.+ (FUNCTION = regress_accum_evil.plus, LEFTARG = smallint, RIGHTARG = smallint);
CREATE OPERATOR regress_accum_evil.+ (FUNCTION = regress_accum_evil.plus, LEFTARG = bigint, RIGHTARG = bigint);
CREATE DOMAIN regress_accum_evil.int4 AS int CHECK (regress_accum_evil.hit(1));
CREATE TEMP TABLE accum_delta (dim_hash bigint);
CREATE TEMP TABLE accum_batch (recorder text);
CREATE TEMP TABLE accum_documents (recorder text);
CREATE TEMP TABLE rol_movements (recorder text);
CREATE TEMP TABLE rol_balance_cache (dim_hash bigint);
CREATE TEMP TABLE _registers (name text);
SET search_path = regress_accum_evil, pg_temp, pg_catalog, public;
SELECT accum.register_post('rol', '[{"recorder": "m", "period": "2001-01-01", "w": 1, "q": 1}, {"recorder": "m", "period": "2001-01-01", "w": 5, "q": 1}]');
SELECT accum.register_repost('rol', 'm', '[{"period": "2001-01-01", "w": 1, "q": 2}, {"period": "1950-01-01", "w": 5, "q": 1}]');
SELECT accum.register_unpost('rol', '{m}'::pg_catalog.text[]);
SELECT accum.register_create('rol_evil', '{"w": "int"}', '{"q": "int"}');
SELECT accum.register_post('rol_evil', '{"recorder": "m", "period": "2001-01-01", "w": 1, "q": 1}');
SELECT accum.rol_evil_balance('{"w": 1}'), accum.rol_evil_balance();
SELECT accum.register_drop('rol_evil', true);
RESET search_path;
SELECT pg_catalog.count(*), pg_catalog.string_agg(DISTINCT who, ', ') FROM regress_accum_evil.log;
RESET ROLE;
SELECT pg_temp.differences('rol');

-- Our trigger functions on other tables, and internal functions with other relations.
SET ROLE regress_accum_mallory;
CREATE TABLE regress_accum_evil.t (recorder text, period timestamptz, movement_type text, dim_hash bigint, w int, q int);
CREATE TABLE regress_accum_evil.p (LIKE regress_accum_evil.t) PARTITION BY RANGE (period);
CREATE TABLE regress_accum_evil.p1 PARTITION OF regress_accum_evil.p DEFAULT;
CREATE TRIGGER a BEFORE INSERT ON regress_accum_evil.t FOR EACH ROW EXECUTE FUNCTION accum._movement_prepare();
SELECT pg_temp.try($$INSERT INTO regress_accum_evil.t VALUES ('a', '2001-01-01', 'regular', 1, 1, 1)$$);
DROP TRIGGER a ON regress_accum_evil.t;
CREATE TRIGGER a AFTER INSERT ON regress_accum_evil.t FOR EACH ROW EXECUTE FUNCTION accum._movement_prepare();
SELECT pg_temp.try($$INSERT INTO regress_accum_evil.t VALUES ('a', '2001-01-01', 'regular', 1, 1, 1)$$);
DROP TRIGGER a ON regress_accum_evil.t;
CREATE TRIGGER a AFTER INSERT ON regress_accum_evil.t REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION accum._movements_changed();
SELECT pg_temp.try($$INSERT INTO regress_accum_evil.t VALUES ('a', '2001-01-01', 'regular', 1, 1, 1)$$);
DROP TRIGGER a ON regress_accum_evil.t;
CREATE TRIGGER a AFTER INSERT ON regress_accum_evil.t FOR EACH STATEMENT EXECUTE FUNCTION accum._movements_changed();
SELECT pg_temp.try($$INSERT INTO regress_accum_evil.t VALUES ('a', '2001-01-01', 'regular', 1, 1, 1)$$);
DROP TRIGGER a ON regress_accum_evil.t;
CREATE TRIGGER a BEFORE UPDATE ON regress_accum_evil.t FOR EACH ROW EXECUTE FUNCTION accum._movements_changed();
INSERT INTO regress_accum_evil.t VALUES ('a', '2001-01-01', 'regular', 1, 1, 1);
SELECT pg_temp.try($$UPDATE regress_accum_evil.t SET q = 1$$);
DROP TRIGGER a ON regress_accum_evil.t;
SELECT f, pg_temp.try(format('CREATE TRIGGER a AFTER INSERT ON regress_accum_evil.t FOR EACH ROW EXECUTE FUNCTION accum.%s(); INSERT INTO regress_accum_evil.t VALUES (''a'', ''2001-01-01'', ''regular'', 1, 1, 1)', f)) FROM unnest('{_guard_movements,_guard_partition,_guard_derived}'::text[]) AS f;
CREATE TRIGGER a BEFORE INSERT ON regress_accum_evil.p FOR EACH ROW EXECUTE FUNCTION accum._movement_prepare();
SELECT pg_temp.try($$INSERT INTO regress_accum_evil.p VALUES ('a', '2001-01-01', 'regular', 1, 1, 1)$$);
SELECT s, pg_temp.try(s) FROM unnest(ARRAY['SELECT accum._movement_prepare()', 'SELECT accum._guard_derived()', 'SELECT accum._note_row(5)', 'SELECT accum._note_row(NULL)',
    'SELECT accum._filter_valid(''accum.rol_movements'', ''{"x": 1}'')', 'SELECT accum._movements_count(''nothing'')', 'SELECT accum._movements_count(NULL)', 'SELECT accum._register_movements(NULL)']) AS s;
SELECT s, pg_temp.try_code(s) FROM unnest(ARRAY['SELECT accum._filter_valid(''regress_accum_evil.t'', ''{}'')', 'SELECT accum._filter_valid(0, ''{}'')', 'SELECT accum._filter_valid(''accum.rol_balance_cache'', ''{}'')', 'SELECT accum._filter_valid(''accum.rol_movements_default'', ''{}'')',
    'SELECT accum._bound_after(''pg_class'', now())', 'SELECT accum._filter_valid(NULL, ''{}'')', 'SELECT accum._balance(NULL, NULL, NULL)']) AS s;
-- No internal function falls over arguments that no register gives it.
DO $$
DECLARE
    f record;
BEGIN
    FOR f IN SELECT format('SELECT * FROM accum.%I(%s)', proname, (SELECT string_agg(format('NULL::%s', t::regtype), ', ') FROM unnest(proargtypes) AS t)) AS call
             FROM pg_proc WHERE pronamespace = 'accum'::regnamespace AND proname ~ '^_' AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) ORDER BY 1 LOOP
        PERFORM pg_temp.try(f.call);
        PERFORM pg_temp.try(regexp_replace(f.call, 'NULL::regclass', '''accum.rol_movements''::regclass'));
        PERFORM pg_temp.try(regexp_replace(f.call, 'NULL::regclass', '''regress_accum_evil.t''::regclass'));
    END LOOP;
END $$;
-- Another's register is not to be dropped, nor its name taken.
SELECT pg_temp.try($$SELECT accum.register_drop('rol')$$);
SELECT pg_temp.try($$SELECT accum.register_create('rol', '{}', '{"q": "int"}')$$);
RESET ROLE;
SELECT pg_temp.differences('rol');

-- Given away, a register is its new owner's.
SELECT format('ALTER TABLE %s OWNER TO regress_accum_mallory', relation) FROM accum._register_relations WHERE register = 'rol' ORDER BY role \gexec
SET ROLE regress_accum_mallory;
SELECT accum.register_post('rol', '{"recorder": "new owner", "period": "1960-01-01", "w": 1, "q": 1}');
RESET ROLE;
SELECT pg_temp.differences('rol');
SELECT accum.register_drop('rol', true);
DROP SCHEMA regress_accum_evil CASCADE;
DROP TABLE pg_temp.accum_delta, pg_temp.accum_batch, pg_temp.accum_documents, pg_temp.rol_movements, pg_temp.rol_balance_cache, pg_temp._registers;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_mallory;
DROP ROLE regress_accum_owner, regress_accum_poster, regress_accum_canceller, regress_accum_reader, regress_accum_nobody, regress_accum_mallory;
