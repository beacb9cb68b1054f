-- Two registers of ten years with the same probe cell, one of them a hundredth
-- of the other, and a plain table with the movements of the large one.
--
-- Variables: movements (of the large register).

\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_accumulator;

SELECT accum.register_create('large', '{"warehouse": "int", "product": "int"}',
                             '{"quantity": "numeric(18,3)", "amount": "bigint"}', partition_by => 'year') \g /dev/null
SELECT accum.register_create('small', '{"warehouse": "int", "product": "int"}',
                             '{"quantity": "numeric(18,3)", "amount": "bigint"}', partition_by => 'year') \g /dev/null

-- A post makes the partitions of the ten years.
SELECT accum.register_post(r, (SELECT jsonb_agg(jsonb_build_object(
           'recorder', 'probe', 'period', 2016 + y || '-06-01', 'warehouse', 1, 'product', 1, 'quantity', 1))
       FROM generate_series(0, 9) AS y))
FROM unnest(ARRAY['large', 'small']) AS r \g /dev/null

-- The probe cell moves every day, at noon.
INSERT INTO accum.large_movements (recorder, period, warehouse, product, quantity, amount)
    SELECT 'probe', timestamptz '2016-01-01 12:00+00' + i * interval '1 day', 99, 99, 1, 1
    FROM generate_series(0, 3652) AS i;
INSERT INTO accum.small_movements (recorder, period, warehouse, product, quantity, amount)
    SELECT recorder, period, warehouse, product, quantity, amount FROM accum.large_movements WHERE warehouse = 99;

-- Movements evenly over ten years.  As in a real shop (the Online Retail data
-- set: 42,000 lines a month of 2,700 stock codes) an assortment is on sale for
-- some months: of 10 warehouses by 10,000 products some 3,000 cells move in a
-- month, a few of them much more than others.
CREATE TABLE source AS
    SELECT 'd' || i / 25 AS recorder,
           timestamptz '2016-01-01 00:00+00' + i * (interval '3652 days' / :movements) AS period,
           floor(random() * 10)::int AS warehouse,
           floor(i * 9700.0 / :movements + 300 * power(random(), 2))::int AS product,
           round((random() * 20 - 8)::numeric, 3) AS quantity, i % 100 AS amount
    FROM generate_series(1, :movements::bigint) AS i;

CREATE TABLE plain (
    id uuid NOT NULL DEFAULT gen_random_uuid(), recorded_at timestamptz NOT NULL DEFAULT now(),
    recorder text NOT NULL, period timestamptz NOT NULL, movement_type text NOT NULL DEFAULT 'regular',
    warehouse int, product int, quantity numeric(18,3) NOT NULL, amount bigint NOT NULL);

\set QUIET off
\timing on
\echo 'plain table, INSERT ... SELECT:'
INSERT INTO plain (recorder, period, warehouse, product, quantity, amount) SELECT * FROM source;
\echo 'register, INSERT ... SELECT:'
INSERT INTO accum.large_movements (recorder, period, warehouse, product, quantity, amount) SELECT * FROM source;
\timing off
\set QUIET on
INSERT INTO accum.small_movements (recorder, period, warehouse, product, quantity, amount)
    SELECT * FROM source TABLESAMPLE BERNOULLI (1) REPEATABLE (1);

CREATE INDEX ON plain (period);
CREATE INDEX ON plain (warehouse, product, period);
CREATE INDEX ON plain (warehouse, period);
DROP TABLE source;
VACUUM ANALYZE;
CHECKPOINT;
