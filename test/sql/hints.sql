-- Sessions look for rows where they found them before; whatever has moved them meanwhile,
-- sums stay right.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

SELECT accum.register_create('hint', '{"w": "int"}', '{"q": "int"}');
CREATE FUNCTION hint_add(first int, last int) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT sum(accum.register_post('hint', jsonb_build_object('recorder', 'd' || w, 'period', '2020-01-01', 'w', w, 'q', 1))) FROM generate_series(first, last) AS w $$;
SELECT hint_add(1, 50), hint_add(1, 50);
VACUUM accum.hint_balance_cache, accum.hint_totals_day, accum.hint_totals_month, accum.hint_totals_year;
SELECT hint_add(1, 50);
VACUUM FULL accum.hint_balance_cache, accum.hint_totals_day, accum.hint_totals_month, accum.hint_totals_year;
SELECT hint_add(1, 50);
CLUSTER accum.hint_balance_cache USING hint_balance_cache_pkey;
SELECT hint_add(1, 50), pg_temp.differences('hint');
REINDEX TABLE accum.hint_totals_day;
SELECT hint_add(1, 50);
ALTER TABLE accum.hint_totals_month SET UNLOGGED;
SELECT hint_add(1, 50);
ALTER TABLE accum.hint_totals_month SET LOGGED;
SELECT hint_add(1, 50), pg_temp.differences('hint');
-- Statistics make a session read the register again; what it remembers of rows stays.
ANALYZE accum.hint_movements, accum.hint_balance_cache;
SELECT hint_add(1, 50), pg_temp.differences('hint');
-- Rows of a transaction, or a subtransaction, that is rolled back.
BEGIN;
SELECT hint_add(51, 60), hint_add(51, 60);
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT hint_add(56, 65), hint_add(1, 65);
ROLLBACK TO s;
SELECT hint_add(51, 65), hint_add(1, 65);
COMMIT;
SELECT hint_add(1, 65), pg_temp.differences('hint');
-- Made anew, and that undone.
BEGIN;
SELECT accum.register_rebuild_totals('hint'), accum.register_rebuild_cache('hint');
SELECT hint_add(1, 65);
ROLLBACK;
SELECT hint_add(1, 65), pg_temp.differences('hint');
SELECT accum.register_rebuild_totals('hint'), accum.register_rebuild_cache('hint');
SELECT hint_add(1, 65), pg_temp.differences('hint');
-- More cells than a session remembers, and tables cut short under it.
SELECT hint_add(1, 2500), hint_add(1, 2500), pg_temp.differences('hint');
SELECT accum.register_unpost('hint', array_agg('d' || w)) FROM generate_series(11, 2500) AS w;
SET session_replication_role = replica;
DELETE FROM accum.hint_balance_cache WHERE movements_count = 0;
DELETE FROM accum.hint_totals_day WHERE movements_count = 0;
DELETE FROM accum.hint_totals_month WHERE movements_count = 0;
DELETE FROM accum.hint_totals_year WHERE movements_count = 0;
RESET session_replication_role;
VACUUM accum.hint_balance_cache, accum.hint_totals_day, accum.hint_totals_month, accum.hint_totals_year;
SELECT hint_add(1, 2500), hint_add(1, 2500), pg_temp.differences('hint');
-- Moved between the posts of one session, and between those of one transaction.
DO $$ BEGIN
    FOR i IN 1..60 LOOP
        PERFORM hint_add(1, 3);
        IF i % 10 = 0 THEN EXECUTE 'CLUSTER accum.hint_totals_day USING hint_totals_day_pkey'; END IF;
        IF i % 3 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$;
SELECT accum.hint_balance('{"w": 1}') = (SELECT jsonb_build_object('q', sum(q)) FROM accum.hint_movements WHERE w = 1), pg_temp.differences('hint');
SELECT DISTINCT status FROM accum.register_verify('hint');
SELECT accum.register_drop('hint', force => true);
DROP FUNCTION hint_add;
