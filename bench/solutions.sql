-- Three solutions of one task, empty: keep the balances and the turnovers by day,
-- month and year of the goods in 10 warehouses.
--
--   plain     a table with the columns, partitions and indexes of movements, and
--             nothing that is derived from them
--   by_hand   tables and triggers, as one would write them for this one register
--   register  pg_accumulator
--
-- Can be run again, to begin with nothing.

\set QUIET on
SET client_min_messages = warning;
SELECT accum.register_drop(name, true) FROM accum._registers WHERE name = 'stock' \g /dev/null
DROP TABLE IF EXISTS plain;
DROP SCHEMA IF EXISTS by_hand CASCADE;

-- Partitions of the present month and of the one that is posted to, and no others: a
-- DELETE by recorder looks into each.
SET pg_accumulator.partitions_ahead = 0;
SELECT accum.register_create('stock',
    '[{"name": "warehouse", "type": "int"}, {"name": "product", "type": "int"}]',
    '[{"name": "quantity", "type": "numeric(18,3)"}, {"name": "amount", "type": "bigint"}]') \g /dev/null
-- A post makes the partition.
SELECT accum.register_post('stock', '{"recorder": "first", "period": "2026-05-01 10:00+00",
    "warehouse": 0, "product": 0}') \g /dev/null
SELECT accum.register_unpost('stock', 'first') \g /dev/null

CREATE TABLE plain (LIKE accum.stock_movements
        INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)
    PARTITION BY RANGE (period);
\ir by_hand.sql

SELECT format('CREATE TABLE %1$s%2$s PARTITION OF %1$s %3$s', parent, substr(c.relname, length('stock_movements') + 1),
              pg_get_expr(c.relpartbound, c.oid))
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
    unnest(ARRAY['plain', 'by_hand.movements']) AS parent
WHERE i.inhparent = 'accum.stock_movements'::regclass \gexec
