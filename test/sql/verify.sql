--
-- register_verify finds every kind of damage, register_rebuild_* mends it.
--
SET TimeZone = 'UTC';
SELECT accum.register_create('books', '{"shop": "int", "item": "text"}',
    '[{"name": "qty", "type": "numeric(12,2)"}, {"name": "weight", "type": "double precision"}]',
    time_zone => 'Asia/Tokyo');
SELECT accum.register_create('flows', '{"shop": "int"}', '{"amount": "bigint"}', kind => 'turnover', totals_period => 'month');
INSERT INTO accum.books_movements (recorder, period, shop, item, qty, weight)
    SELECT 'd' || i % 40, timestamptz '2025-01-01 00:00+00' + i * interval '7 hours', nullif(i % 5, 0), 'i' || i % 3, i % 11 - 4, i / 7.0
    FROM generate_series(1, 1000) AS i;
INSERT INTO accum.flows_movements (recorder, period, shop, amount)
    SELECT 'd' || i, timestamptz '2025-01-01 00:00+00' + i * interval '7 hours', i % 5, i % 11 - 4
    FROM generate_series(1, 1000) AS i;
SELECT accum.register_unpost('books', 'd7');
SELECT check_type, dim_hash, period, expected, actual, status FROM accum.register_verify('books');
SELECT check_type, status FROM accum.register_verify('flows');

-- A verifier needs to read, no more; a rebuilder owns the register.
CREATE ROLE regress_accum_auditor;
SET ROLE regress_accum_auditor;
\set SHOW_CONTEXT never
SELECT accum.register_verify('books');
\set SHOW_CONTEXT errors
RESET ROLE;
GRANT SELECT ON accum.books_movements, accum.books_balance_cache, accum.books_totals_day,
    accum.books_totals_month, accum.books_totals_year TO regress_accum_auditor;
SET ROLE regress_accum_auditor;
SELECT DISTINCT status FROM accum.register_verify('books');
SELECT accum.register_rebuild_totals('books');
SELECT accum.register_rebuild_cache('books');
RESET ROLE;

-- Damage, past the guards, to totals without rows of the past.
SELECT accum.register_rebuild_totals('books') > 0 AS rebuilt;
CREATE TEMP TABLE before AS SELECT 'cache' AS t, to_jsonb(b) - 'version' AS r FROM accum.books_balance_cache b
    UNION ALL SELECT 'day', to_jsonb(b) FROM accum.books_totals_day b
    UNION ALL SELECT 'month', to_jsonb(b) FROM accum.books_totals_month b
    UNION ALL SELECT 'year', to_jsonb(b) FROM accum.books_totals_year b;
SET session_replication_role = replica;
UPDATE accum.books_balance_cache SET qty = qty + 1 WHERE shop = 2 AND item = 'i1';
DELETE FROM accum.books_balance_cache WHERE shop = 3 AND item = 'i2';
INSERT INTO accum.books_balance_cache (dim_hash, shop, item, qty, weight, version, movements_count)
    VALUES (4711, 99, 'ghost', 5, 0, 1, 1);
UPDATE accum.books_totals_day SET qty_receipt = qty_receipt + 1 WHERE period = '2025-03-03' AND shop = 1;
DELETE FROM accum.books_totals_month WHERE period = '2025-03-01' AND shop IS NULL AND item = 'i0';
UPDATE accum.books_totals_year SET movements_count = movements_count + 1 WHERE shop = 4 AND item = 'i0';
INSERT INTO accum.books_totals_year (dim_hash, period, shop, item, qty, qty_receipt, weight, weight_receipt, movements_count)
    VALUES (4711, '2024-01-01', 99, 'ghost', 0, 0, 0, 0, 2);
-- A rounding error of floating point is none.
UPDATE accum.books_totals_year SET weight = weight * (1 + 1e-14);
RESET session_replication_role;
-- Sums of floating point depend on the order of addition.
SELECT check_type, period, expected - '{weight,weight_receipt}'::text[] AS expected, actual - '{weight,weight_receipt}'::text[] AS actual, status
FROM accum.register_verify('books') ORDER BY check_type, status, period, expected ->> 'item', expected ->> 'shop';

-- One cell, then all.
SELECT accum.register_rebuild_cache('books', (SELECT dim_hash FROM accum.books_balance_cache WHERE shop = 2 AND item = 'i1'));
SELECT check_type, status FROM accum.register_verify('books') WHERE check_type = 'balance_cache' ORDER BY status;
SELECT accum.register_rebuild_cache('books') AS cells,
       accum.register_rebuild_totals('books') = (SELECT count(*) FROM before WHERE t <> 'cache') AS all_rows;
SELECT check_type, status FROM accum.register_verify('books');
-- Exactly what it was, but for the cell that was lost: what its last write was
-- is taken from its movements; and but for sums of floating point.
SELECT t, r ->> 'shop' AS shop, r ->> 'item' AS item
FROM (SELECT t, r - '{weight,weight_receipt}'::text[] AS r FROM before
      EXCEPT SELECT 'cache', to_jsonb(b) - '{version,weight}'::text[] FROM accum.books_balance_cache b
      EXCEPT SELECT 'day', to_jsonb(b) - '{weight,weight_receipt}'::text[] FROM accum.books_totals_day b
      EXCEPT SELECT 'month', to_jsonb(b) - '{weight,weight_receipt}'::text[] FROM accum.books_totals_month b
      EXCEPT SELECT 'year', to_jsonb(b) - '{weight,weight_receipt}'::text[] FROM accum.books_totals_year b) AS lost;

-- A cell that has dropped to zero is right as it is, and goes with a rebuild.
SELECT accum.register_post('books', '{"recorder": "z", "period": "2025-01-01", "shop": 50, "item": "z", "qty": 1}');
SELECT accum.register_unpost('books', 'z');
SELECT check_type, status FROM accum.register_verify('books');
SELECT count(*) FROM accum.books_balance_cache WHERE shop = 50;
SELECT accum.register_rebuild_cache('books') > 0 AS rebuilt;
SELECT count(*) FROM accum.books_balance_cache WHERE shop = 50;

-- A register without cache.
SELECT accum.register_rebuild_cache('flows'), accum.register_rebuild_totals('flows');
SELECT check_type, status FROM accum.register_verify('flows');

\set SHOW_CONTEXT never
SELECT accum.register_verify('nowhere');
SELECT accum.register_verify(NULL);
SELECT accum.register_drop('books', true), accum.register_drop('flows', true);

-- Dimensions may have the names that queries here give to rows.
SELECT accum.register_create('letters', (SELECT jsonb_object_agg(chr(i), 'int') FROM generate_series(97, 122) AS i), '{"nn": "int"}', high_write => true);
SELECT accum.register_post('letters', (SELECT jsonb_object_agg(chr(i), i) FROM generate_series(97, 122) AS i) || '{"recorder": "r", "period": "2020-01-01", "nn": 1}');
SELECT count(*), min(d ->> 'nn') FROM accum.register_reconcile('letters', 'count', '2020-06-30', (SELECT jsonb_object_agg(chr(i), i) FROM generate_series(97, 122) AS i) || '{"nn": 7}') AS d;
SET session_replication_role = replica;
UPDATE accum.letters_balance_cache SET nn = 5;
UPDATE accum.letters_totals_day SET nn = 5;
RESET session_replication_role;
SELECT check_type, period, expected - 'b' = expected AS no_b, expected -> 'x' AS x, expected -> 'nn' AS nn, actual -> 'nn' AS actual, status FROM accum.register_verify('letters');
SELECT accum.register_repair('letters');
SELECT DISTINCT status FROM accum.register_verify('letters');
UPDATE accum._register_seeds SET seed = seed # 1 WHERE name = 'letters';
SELECT check_type, expected -> 'x' AS x, status FROM accum.register_verify('letters') WHERE status <> 'OK';
SELECT accum.register_rebuild_cache('letters');
SELECT DISTINCT status FROM accum.register_verify('letters');
SELECT accum.register_drop('letters', true);
DROP ROLE regress_accum_auditor;
