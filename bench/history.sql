-- Two registers of ten years with the same probe cell, one of them a hundredth
-- of the other, a plain table with the movements of the large one, and questions.
--
-- Variables: movements (of the large register).

\set QUIET on
SET client_min_messages = warning;

SELECT accum.register_create(name, '{"warehouse": "int", "product": "int"}',
           '{"quantity": "numeric(18,3)", "amount": "bigint"}', partition_by => 'year')
FROM unnest(ARRAY['large', 'small']) AS name \g /dev/null

-- A post makes the partitions of the ten years.
SELECT accum.register_post(name, (SELECT jsonb_agg(jsonb_build_object(
           'recorder', 'probe', 'period', 2016 + y || '-06-01', 'warehouse', 1, 'product', 1, 'quantity', 1))
       FROM generate_series(0, 9) AS y))
FROM unnest(ARRAY['large', 'small']) AS name \g /dev/null

-- Movements evenly over ten years.  As in a real shop (the Online Retail data
-- set: 42,000 lines a month of 2,700 stock codes) an assortment is on sale for
-- some months: of 10 warehouses by 10,000 products some 3,000 cells move in a
-- month, a few of them much more than others.
SELECT setseed(0.5) \g /dev/null
CREATE UNLOGGED TABLE source AS
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
INSERT INTO plain (recorder, period, warehouse, product, quantity, amount) SELECT * FROM source;
CREATE INDEX ON plain (period);
CREATE INDEX ON plain (warehouse, product, period);
CREATE INDEX ON plain (warehouse, period);
INSERT INTO accum.large_movements (recorder, period, warehouse, product, quantity, amount)
    SELECT * FROM source;
INSERT INTO accum.small_movements (recorder, period, warehouse, product, quantity, amount)
    SELECT * FROM source TABLESAMPLE BERNOULLI (1) REPEATABLE (1);
DROP TABLE source;

-- The probe cell moves every day, at noon.
SELECT format($$INSERT INTO accum.%I (recorder, period, warehouse, product, quantity, amount)
                    SELECT 'probe', timestamptz '2016-01-01 12:00+00' + i * interval '1 day', 99, 99, 1, 1
                    FROM generate_series(0, 3652) AS i$$, name)
FROM unnest(ARRAY['large_movements', 'small_movements']) AS name \gexec

-- Cells, instants and months at random.
CREATE TABLE bench.question (n int PRIMARY KEY, cell jsonb NOT NULL, instant timestamptz NOT NULL, month date NOT NULL);
INSERT INTO bench.question
    SELECT i, jsonb_build_object('warehouse', floor(random() * 10)::int, 'product', floor(random() * 10000)::int),
           timestamptz '2016-01-01 00:00+00' + random() * interval '3652 days',
           date '2016-01-01' + floor(random() * 120) * interval '1 month'
    FROM generate_series(0, 9999) AS i;

SELECT bench.procedure(name, 'bench.question', statement) FROM (VALUES
    ('now', 'SELECT accum.large_balance(s.cell) INTO answer'),
    ('instant', 'SELECT accum.large_balance(s.cell, s.instant) INTO answer'),
    ('probe_small', 'SELECT accum.small_balance(''{"warehouse": 99, "product": 99}'', s.instant) INTO answer'),
    ('probe_large', 'SELECT accum.large_balance(''{"warehouse": 99, "product": 99}'', s.instant) INTO answer'),
    ('month_by_hand',
     'PERFORM warehouse, sum(quantity), sum(amount) FROM plain
      WHERE period >= s.month::timestamp AT TIME ZONE ''UTC''
          AND period < (s.month + interval ''1 month'') AT TIME ZONE ''UTC''
      GROUP BY warehouse'),
    ('month_register',
     'PERFORM accum.large_turnover(s.month, (s.month + interval ''1 month'')::date - 1, group_by => ''["warehouse"]'')')
) AS p (name, statement) \g /dev/null

VACUUM ANALYZE;
CHECKPOINT;
