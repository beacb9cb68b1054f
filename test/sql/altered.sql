-- Owners may alter their tables.  Whatever they do, nobody's memory is read, no
-- code of theirs is run by others, and what SQL would refuse is refused.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE ROLE regress_accum_altered;
CREATE SCHEMA altered AUTHORIZATION regress_accum_altered;
GRANT CREATE ON SCHEMA accum TO regress_accum_altered;
SET client_min_messages = notice;

-- Columns of another type, or without NOT NULL, are written with SQL.
SET ROLE regress_accum_altered;
SELECT accum.register_create('alm', '{"w": "int"}', '{"q": "int"}', partition_by => 'year');
ALTER TABLE accum.alm_recorders ALTER revision DROP DEFAULT, ALTER revision TYPE text;
SELECT accum.register_post('alm', '{"recorder": "a", "period": "2026-01-01", "w": 1, "q": 1}');
ALTER TABLE accum.alm_recorders ALTER revision TYPE bigint USING 0, ALTER revision SET DEFAULT 0;
SELECT accum.register_post('alm', '{"recorder": "a", "period": "2026-01-01", "w": 1, "q": 1}');
ALTER TABLE accum.alm_balance_cache ALTER q DROP NOT NULL, DISABLE TRIGGER accum_guard;
UPDATE accum.alm_balance_cache SET q = NULL;
SELECT accum.register_post('alm', '{"recorder": "b", "period": "2026-01-01", "w": 1, "q": 1}');
SELECT w, q, movements_count FROM accum.alm_balance_cache;
SELECT accum.alm_balance('{"w": 1}');
SELECT check_type, status FROM accum.register_verify('alm');
SELECT accum.register_create('alt', '{"w": "int"}', '{"n": "numeric", "p": "bigint"}',
    kind => 'turnover', totals_period => 'month', partition_by => 'year');
SELECT accum.register_post('alt', '{"recorder": "a", "period": "2026-01-01", "w": 1, "n": 1, "p": 2}');
ALTER TABLE accum.alt_totals_month ALTER n TYPE bigint USING 0, ALTER p TYPE bytea USING '';
SELECT accum.register_post('alt', '{"recorder": "a", "period": "2026-01-01", "w": 1, "n": 1, "p": 2}');
SELECT accum.register_create('ald', '{"w": "int"}', '{"q": "int"}', kind => 'turnover',
    partition_by => 'year', high_write => true);
SELECT accum.register_post('ald', '{"recorder": "a", "period": "2026-01-01", "w": 1, "q": 1}');
ALTER TABLE accum.ald_balance_cache_delta ALTER q TYPE text;
SELECT accum._delta_flush_register('ald');
ALTER TABLE accum.ald_balance_cache_delta ALTER q TYPE int USING q::int;
SELECT accum._delta_flush_register('ald');

-- Another primary key: no row is found by it.
SELECT accum.register_create('alk', '{"w": "int"}', '{"q": "int"}', partition_by => 'year');
SELECT accum.register_post('alk', '{"recorder": "a", "period": "2026-01-01", "w": 1, "q": 1}');
ALTER TABLE accum.alk_totals_day DROP CONSTRAINT alk_totals_day_pkey;
CREATE INDEX ON accum.alk_totals_day (dim_hash);
SELECT accum.register_post('alk', '{"recorder": "b", "period": "2026-01-05", "w": 1, "q": 1}');
ALTER TABLE accum.alk_totals_day ADD PRIMARY KEY (dim_hash, period);
ALTER TABLE accum.alk_balance_cache DROP CONSTRAINT alk_balance_cache_pkey, ADD PRIMARY KEY (w);
CREATE INDEX ON accum.alk_balance_cache (dim_hash);
SELECT accum.register_post('alk', '{"recorder": "b", "period": "2026-01-05", "w": 2, "q": 1}');
SELECT check_type, status FROM accum.register_verify('alk');

-- An index on an expression: its function is the owner's business.
CREATE FUNCTION altered.tell(i int) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RAISE NOTICE 'run as %', current_user; RETURN 1; END $$;
SELECT accum.register_create('ali', '{"w": "int"}', '{"q": "int"}', partition_by => 'year', high_write => true);
SELECT accum.register_post('ali', '{"recorder": "a", "period": "2026-01-01", "w": 1, "q": 1}');
SET client_min_messages = warning;
CREATE INDEX ON accum.ali_balance_cache ((dim_hash + altered.tell(1)));
CREATE INDEX ON accum.ali_balance_cache (dim_hash) WHERE w + altered.tell(2) > 0;
RESET client_min_messages;
RESET ROLE;
SELECT count(*) FROM accum.register_list() WHERE name = 'ali';
SELECT accum.ali_balance('{"w": 1}');
SELECT accum._delta_count('ali');

-- A deferred trigger would run at commit, as whoever folds.
SET ROLE regress_accum_altered;
CREATE TABLE altered.log (n int);
CREATE FUNCTION altered.evil() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE NOTICE 'run as %', current_user; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER evil AFTER INSERT ON altered.log DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION altered.evil();
CREATE FUNCTION altered.log() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO altered.log VALUES (1); RETURN NULL; END $$;
SELECT accum.register_create('alf', '{"w": "int"}', '{"q": "int"}', partition_by => 'year', high_write => true);
CREATE TRIGGER log AFTER UPDATE ON accum.alf_balance_cache FOR EACH STATEMENT EXECUTE FUNCTION altered.log();
SELECT accum.register_post('alf', '{"recorder": "a", "period": "2026-01-01", "w": 1, "q": 1}');
RESET ROLE;
SELECT accum._force_delta_merge() >= 0;
SELECT accum._delta_count('alf');

-- Rebuilds and repairs run triggers as the owner, too, whoever calls them.
SET ROLE regress_accum_altered;
CREATE TRIGGER evil AFTER INSERT ON accum.ali_balance_cache FOR EACH ROW EXECUTE FUNCTION altered.evil();
RESET ROLE;
SET session_replication_role = replica;
DELETE FROM accum.ali_balance_cache;
RESET session_replication_role;
SELECT accum.register_repair('ali') > 0;
SET session_replication_role = replica;
DELETE FROM accum.ali_balance_cache;
RESET session_replication_role;
SELECT accum.register_rebuild_cache('ali') > 0;

DO $$ BEGIN
    PERFORM accum.register_drop(name, true) FROM accum._registers WHERE name LIKE 'al_';
END $$;
SET client_min_messages = warning;
DROP SCHEMA altered CASCADE;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_altered;
DROP ROLE regress_accum_altered;
