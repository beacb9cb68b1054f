-- Registers for bench/contention: two to post to, with a plain table like their
-- movements, and two to read, of which one has deltas pending.
--
-- Variables: movements (of each register to read), deltas.

\set QUIET on
SET client_min_messages = warning;

SELECT accum.register_create(name, '{"warehouse": "int", "product": "int"}',
           '{"quantity": "numeric(18,3)", "amount": "bigint"}', high_write => high_write)
FROM (VALUES ('standard', false), ('high_write', true), ('settled', true), ('pending', true))
     AS registers (name, high_write) \g /dev/null

-- The cell that everybody posts to is there, and so is its partition.
SELECT accum.register_post(name, '{"recorder": "first", "period": "2026-05-17 10:00+00",
           "warehouse": 1, "product": 1, "quantity": 1, "amount": 100}')
FROM unnest(ARRAY['standard', 'high_write']) AS name \g /dev/null

-- A table with the columns, indexes and partitions of movements.
CREATE TABLE plain (LIKE accum.standard_movements
        INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)
    PARTITION BY RANGE (period);
SELECT format('CREATE TABLE %s PARTITION OF plain %s',
              replace(c.relname, 'standard_movements', 'plain'), pg_get_expr(c.relpartbound, c.oid))
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'accum.standard_movements'::regclass \gexec

-- 100 warehouses by 100 products, on ten days.
CREATE TABLE source AS
    SELECT 'd' || i / 25 AS recorder,
           timestamptz '2026-05-01 12:00+00' + i % 10 * interval '1 day' AS period,
           (i / 10 / 100) % 100 AS warehouse, (i / 10) % 100 AS product,
           1 + i % 20 AS quantity, i % 100 AS amount
    FROM generate_series(0, :movements - 1) AS i;
INSERT INTO accum.settled_movements (recorder, period, warehouse, product, quantity, amount)
    SELECT * FROM source;
INSERT INTO accum.pending_movements (recorder, period, warehouse, product, quantity, amount)
    SELECT * FROM source;
SELECT accum._force_delta_merge() \g /dev/null
VACUUM ANALYZE;

-- A delta for each of 20 days of the cells of the other 50 warehouses.
TRUNCATE source;
INSERT INTO source
    SELECT 'e' || i / 25, timestamptz '2026-05-05 12:00+00' + i % 20 * interval '1 day',
           50 + (i / 20 / 100) % 50, (i / 20) % 100, 1, 1
    FROM generate_series(0, :deltas - 1) AS i;
INSERT INTO accum.settled_movements (recorder, period, warehouse, product, quantity, amount)
    SELECT * FROM source;
INSERT INTO accum.pending_movements (recorder, period, warehouse, product, quantity, amount)
    SELECT * FROM source;
SELECT accum._delta_flush_register('settled') \g /dev/null
DROP TABLE source;

-- Questions about the first 50 warehouses, and about everything.
CREATE TABLE bench.question (n int PRIMARY KEY, warehouse int NOT NULL, cell jsonb NOT NULL, dimensions jsonb NOT NULL);
INSERT INTO bench.question
    SELECT i, warehouse, jsonb_build_object('warehouse', warehouse, 'product', i * 7 % 100),
           jsonb_build_object('warehouse', warehouse)
    FROM generate_series(0, 9999) AS i, LATERAL (SELECT i * 11 % 50 AS warehouse) AS w;
SELECT bench.procedure(register || name, 'bench.question', format(statement, register))
FROM unnest(ARRAY['settled', 'pending']) AS register, (VALUES
    ('_cell', 'SELECT accum.%s_balance(s.cell) INTO answer'),
    ('_warehouse', 'SELECT accum.%s_balance(s.dimensions) INTO answer'),
    ('_everything', 'SELECT accum.%s_balance() INTO answer'),
    ('_view', 'PERFORM * FROM accum.%s_balances LIMIT 50'),
    ('_view_of_one', 'PERFORM * FROM accum.%s_balances WHERE warehouse = s.warehouse LIMIT 50')
) AS p (name, statement) \g /dev/null
VACUUM ANALYZE;
CHECKPOINT;
