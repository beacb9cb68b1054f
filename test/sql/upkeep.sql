--
-- Derived rows and partitions that nobody needs any more.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
\set VERBOSITY default
RESET client_min_messages;
SET pg_accumulator.partitions_ahead = 0;
CREATE ROLE regress_accum_keeper;
GRANT CREATE ON SCHEMA accum TO regress_accum_keeper;
SET ROLE regress_accum_keeper;
SELECT accum.register_create('keep_b', '{"shop": "integer"}', '{"n": "integer", "w": "double precision"}');
SELECT accum.register_create('keep_h', '{"shop": "integer"}', '{"n": "integer", "w": "double precision"}', high_write => true, totals_period => 'month');
SELECT accum.register_create('keep_t', '{"shop": "integer"}', '{"n": "integer", "w": "double precision"}', kind => 'turnover');

-- Ten shops in twelve months; five of them are cancelled, and in others one month is.
CREATE PROCEDURE pg_temp.fill(register text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM accum.register_post(register, jsonb_agg(jsonb_build_object('recorder', format('d%s:%s', s, m), 'shop', s, 'n', s - m, 'w', 0.1 * m,
            'period', (date '2020-01-10' + m * interval '1 month')::date)))
    FROM generate_series(1, 10) AS s, generate_series(0, 11) AS m;
    PERFORM accum.register_unpost(register, array_agg(format('d%s:%s', s, m)))
    FROM generate_series(1, 10) AS s, generate_series(0, 11) AS m WHERE s <= 5 OR m = 3;
END $$;
CALL pg_temp.fill('keep_b');
CALL pg_temp.fill('keep_h');
CALL pg_temp.fill('keep_t');
SELECT r, accum.register_stats(r) -> 'unused_rows' AS unused FROM unnest('{keep_b,keep_h,keep_t}'::text[]) AS r;
SELECT * FROM accum.register_prune('keep_b');
SELECT * FROM accum.register_prune('keep_h');
-- The rows that tell whose hash it is stay for the shops that are left.
SELECT * FROM accum.register_prune('keep_t');
SELECT shop, min(period) < '0002-01-01' AS kept, max(movements_count) FROM accum.keep_t_totals_year GROUP BY shop ORDER BY shop;
SELECT r, accum.register_stats(r) -> 'unused_rows' AS unused FROM unnest('{keep_b,keep_h,keep_t}'::text[]) AS r;
SELECT r, pg_temp.differences(r), (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify(r)) FROM unnest('{keep_b,keep_h,keep_t}'::text[]) AS r;
SELECT count(*) FROM accum.keep_b_balances;
-- They come again.
SELECT accum.register_post(r, '{"recorder": "again", "period": "2020-01-10", "shop": 1, "n": 1, "w": 1}') FROM unnest('{keep_b,keep_h,keep_t}'::text[]) AS r;
SELECT r, pg_temp.differences(r), (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify(r)) FROM unnest('{keep_b,keep_h,keep_t}'::text[]) AS r;
SELECT sum(rows_removed) FROM accum.register_prune('keep_b');

-- A row that has a sum and no movements is wrong, and is not made to vanish.
RESET ROLE;
SET session_replication_role = replica;
INSERT INTO accum.keep_b_balance_cache (dim_hash, shop, n, w, version, movements_count) VALUES (1, 99, 5, 0, 1, 0), (2, 98, 0, 0.1, 1, 0);
RESET session_replication_role;
SET ROLE regress_accum_keeper;
SELECT * FROM accum.register_prune('keep_b') WHERE rows_removed > 0;
SELECT check_type, actual, status FROM accum.register_verify('keep_b') WHERE status <> 'OK';
SELECT accum.register_rebuild_cache('keep_b');

-- Partitions: those that are over and empty, not those to come.
SELECT accum.register_create_partitions('keep_b', '2 months') AS made;
SELECT count(*) FROM accum.register_partitions('keep_b') WHERE to_date < now();
SELECT accum.register_drop_empty_partitions('keep_b'), accum.register_drop_empty_partitions('keep_b') AS again;
SELECT partition_name, row_count FROM accum.register_partitions('keep_b') WHERE to_date < now() OR is_default;
SELECT count(*) FROM accum.register_partitions('keep_b') WHERE to_date > now();
SELECT accum.register_repost('keep_b', 'again', '{"period": "2020-04-10", "shop": 1, "n": 1, "w": 1}'), pg_temp.differences('keep_b');

-- What a transaction keeps to itself counts.
BEGIN;
SET LOCAL pg_accumulator.coalesce = on;
SELECT accum.register_post('keep_b', '{"recorder": "c", "period": "2020-05-10", "shop": 1, "n": 1, "w": 1}'), accum.register_unpost('keep_b', 'd6:4');
SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('keep_b');
SELECT accum.register_post('keep_b', '{"recorder": "c", "period": "2020-05-11", "shop": 1, "n": 2, "w": 1}'), accum.register_unpost('keep_b', 'd6:5');
SELECT sum(rows_removed) > 0 AS pruned FROM accum.register_prune('keep_b');
SELECT accum.register_post('keep_b', '{"recorder": "c", "period": "2020-05-12", "shop": 1, "n": 3, "w": 1}'), accum.register_unpost('keep_b', 'd6:6');
SELECT accum.register_rebuild_totals('keep_b') > 0, accum.register_rebuild_cache('keep_b');
SELECT accum.register_post('keep_b', '{"recorder": "c", "period": "2020-05-13", "shop": 1, "n": 4, "w": 1}'), accum.register_unpost('keep_b', 'd6:7');
SELECT accum.register_detach_partitions('keep_b', (now() - timestamptz '2020-08-01 12:00Z')::interval);
COMMIT;
SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('keep_b');
SELECT accum.keep_b_turnover(date '2020-05-01', date '2020-05-31', '{"shop": 1}');

-- Arguments and rights.
\set SHOW_CONTEXT never
SELECT accum.register_prune('nowhere');
SELECT accum.register_prune(NULL);
SELECT accum.register_drop_empty_partitions('nowhere');
SELECT accum.register_drop_empty_partitions(NULL);
BEGIN READ ONLY;
SELECT accum.register_prune('keep_b');
ROLLBACK;
BEGIN READ ONLY;
SELECT accum.register_drop_empty_partitions('keep_b');
ROLLBACK;
RESET ROLE;
CREATE ROLE regress_accum_clerk;
SET ROLE regress_accum_clerk;
SELECT accum.register_prune('keep_b');
SELECT accum.register_drop_empty_partitions('keep_b');
SELECT accum.register_stats('keep_b') -> 'unused_rows' AS unused;
RESET ROLE;
SELECT accum._unused_rows('accum.keep_b_movements', 'movements'), accum._unused_rows('accum.keep_b_movements', 'nothing'),
       accum._unused_rows('pg_class', 'totals_day');
-- Nobody is at work now; without shared memory nobody would be seen.
SELECT count(*) FROM accum.progress;
SELECT accum._progress_row();
SELECT accum.register_drop(r, true) FROM unnest('{keep_b,keep_h,keep_t}'::text[]) AS r;
DROP OWNED BY regress_accum_keeper, regress_accum_clerk;
DROP ROLE regress_accum_keeper, regress_accum_clerk;
