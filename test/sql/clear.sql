--
-- register_clear empties a register in one go.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE FUNCTION pg_temp.total(register_name text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    rel regclass;
    n bigint;
    total bigint := 0;
BEGIN
    FOR rel IN SELECT relation FROM accum._register_relations WHERE register = register_name LOOP
        EXECUTE format('SELECT count(*) FROM %s', rel) INTO n;
        total := total + n;
    END LOOP;
    RETURN total;
END $$;
CREATE ROLE regress_accum_owner1;
CREATE ROLE regress_accum_other;
GRANT CREATE ON SCHEMA accum TO regress_accum_owner1;
SET ROLE regress_accum_owner1;
SELECT accum.register_create('stock', '{"shop": "int"}', '{"n": "int"}');
SELECT accum.register_create('hot', '{"shop": "int"}', '{"n": "int"}', high_write => true, kind => 'turnover', partition_by => 'year');
CREATE VIEW accum.lines AS SELECT * FROM (VALUES ('stock'), ('hot')) AS t (register);
CREATE FUNCTION accum.lines() RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || i % 7, 'period', timestamp '2025-01-01' + i * interval '11 hours', 'shop', i % 3, 'n', i % 5 - 1)) FROM generate_series(1, 200) AS i $$;
SELECT register, accum.register_post(register, accum.lines()), accum.register_repost(register, 'd1', '[]') FROM accum.lines;
-- One in the default partition.
INSERT INTO accum.stock_movements (recorder, period, shop, n) VALUES ('old', '1950-01-01', 1, 1);
SELECT count(*) FROM ONLY accum.stock_movements_default;
-- Not by mistake, not by others, and not what is closed.
SELECT pg_temp.try($$SELECT accum.register_clear('stock')$$);
SELECT pg_temp.try($$SELECT accum.register_clear('stock', NULL)$$);
SET ROLE regress_accum_other;
SELECT pg_temp.try($$SELECT accum.register_clear('stock', true)$$);
SET ROLE regress_accum_owner1;
SELECT pg_temp.try($$SELECT accum.register_clear('nowhere', true)$$);
SELECT pg_temp.try($$SELECT accum.register_clear(NULL, true)$$);
SELECT accum.register_close('stock', '1900-01-01', '{"shop": 77}');
SELECT pg_temp.try($$SELECT accum.register_clear('stock', true)$$);
SELECT accum.register_reopen('stock', '-infinity');
BEGIN READ ONLY;
SELECT pg_temp.try($$SELECT accum.register_clear('stock', true)$$);
ROLLBACK;
-- There is no other way to do it.
SELECT pg_temp.try('TRUNCATE accum.stock_movements');
SELECT pg_temp.try('TRUNCATE accum.stock_movements_default');
SELECT pg_temp.try('TRUNCATE accum.stock_recorders');
SELECT pg_temp.total('stock') > 0 AS all_there, pg_temp.differences('stock');

-- It rolls back like anything else.
BEGIN;
SELECT accum.register_clear('stock', true), accum.register_clear('hot', force => true);
SELECT register, pg_temp.total(register) FROM accum.lines;
SELECT accum.register_post('stock', accum.lines()), accum.stock_balance('{"shop": 1}');
SELECT pg_temp.differences('stock');
ROLLBACK;
SELECT register, pg_temp.total(register) > 100 AS all_there, pg_temp.differences(register) FROM accum.lines;

-- All is gone, but for the register, its partitions, and what was granted.
SELECT jsonb_array_length(accum.register_info('stock') -> 'partitions') AS partitions \gset
SELECT accum.register_clear('stock', true), accum.register_clear('hot', true);
SELECT register, pg_temp.total(register), accum.register_info(register) ->> 'movements_count' AS movements FROM accum.lines;
SELECT accum.stock_balance(), jsonb_array_length(accum.register_info('stock') -> 'partitions') = :partitions AS same_partitions;
SELECT DISTINCT status FROM accum.register_verify('stock');
-- An empty register needs no force, and is as good as new: documents are not known.
SELECT accum.register_clear('stock');
SELECT register, accum.register_post(register, accum.lines(), p_once => true), accum.register_unpost(register, 'd1') FROM accum.lines;
SELECT register, pg_temp.differences(register) FROM accum.lines;
-- A transaction that has written to it before.
BEGIN;
SELECT accum.register_post('stock', '{"recorder": "x", "period": "2025-01-01", "shop": 1, "n": 1}');
SELECT accum.register_clear('stock', true);
SELECT accum.register_post('stock', '{"recorder": "x", "period": "2025-01-01", "shop": 1, "n": 3}');
COMMIT;
SELECT accum.stock_balance(), pg_temp.differences('stock');

-- What was posted, and is yet to be added to balances, goes as well.
BEGIN;
SET LOCAL pg_accumulator.coalesce = on;
SELECT accum.register_post('stock', '{"recorder": "y", "period": "2025-01-01", "shop": 1, "n": 1}');
SELECT accum.register_clear('stock', true);
SELECT accum.register_post('stock', '{"recorder": "y", "period": "2025-01-01", "shop": 1, "n": 4}');
COMMIT;
SELECT accum.stock_balance(), pg_temp.differences('stock');

-- Triggers of the owner's fire, and what refers to movements is in the way.
CREATE FUNCTION accum.told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'truncated %', TG_TABLE_NAME; RETURN NULL; END $$;
CREATE TRIGGER told AFTER TRUNCATE ON accum.stock_movements FOR EACH STATEMENT EXECUTE FUNCTION accum.told();
SELECT accum.register_clear('stock', true);
RESET ROLE;
DROP TRIGGER told ON accum.stock_movements;
CREATE TABLE checked (id uuid, recorded_at timestamptz, period timestamptz, FOREIGN KEY (period, recorded_at, id) REFERENCES accum.stock_movements (period, recorded_at, id));
SELECT pg_temp.try_code($$SELECT accum.register_clear('stock', true)$$);
DROP TABLE checked;
SELECT accum.register_drop('stock', true), accum.register_drop('hot', true);
DROP FUNCTION accum.told(), accum.lines();
DROP VIEW accum.lines;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_owner1;
DROP ROLE regress_accum_owner1, regress_accum_other;
