-- Three solutions of one task, with the same movements, and what measures them.
--
--   plain     a table with the columns, partitions and indexes of movements, and
--             nothing that is derived from them
--   by_hand   tables and triggers as one would write them for this one register
--   register  pg_accumulator
--
-- Goods are kept in 10 warehouses.  A cell has a number: the warehouse is its last
-- digit, the product is the rest.

\set QUIET on
SET client_min_messages = warning;
-- Partitions of the month that is posted to and of the present one, and no others:
-- a DELETE by recorder looks into each.
SET pg_accumulator.partitions_ahead = 0;
CREATE EXTENSION IF NOT EXISTS pg_accumulator;
CREATE SCHEMA IF NOT EXISTS bench;

SELECT accum.register_create('stock',
    '[{"name": "warehouse", "type": "int"}, {"name": "product", "type": "int"}]',
    '[{"name": "quantity", "type": "numeric(18,3)"}, {"name": "amount", "type": "bigint"}]') \g /dev/null
-- A post makes the partition.
SELECT accum.register_post('stock', '{"recorder": "first", "period": "2026-05-01 10:00+00",
    "warehouse": 0, "product": 0, "quantity": 1, "amount": 1}') \g /dev/null
SELECT accum.register_unpost('stock', 'first') \g /dev/null

CREATE TABLE plain (LIKE accum.stock_movements
        INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)
    PARTITION BY RANGE (period);
SELECT format('CREATE TABLE %s PARTITION OF plain %s',
              replace(c.relname, 'stock_movements', 'plain'), pg_get_expr(c.relpartbound, c.oid))
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'accum.stock_movements'::regclass \gexec

\ir by_hand.sql

-- What is posted.  All three get their rows from here, so that reading them costs
-- the same.  dim_hash is what the plain table has in its place.
CREATE SEQUENCE bench.document;
CREATE UNLOGGED TABLE bench.source (
    n int PRIMARY KEY, batch int NOT NULL, recorder text NOT NULL, period timestamptz NOT NULL,
    dim_hash bigint NOT NULL, warehouse int NOT NULL, product int NOT NULL,
    quantity numeric(18,3) NOT NULL, amount bigint NOT NULL, document jsonb NOT NULL);
CREATE INDEX ON bench.source (batch);
-- One array for each batch.  External storage is not compressed: what is measured
-- begins with a jsonb that only has to be read.
CREATE UNLOGGED TABLE bench.batch (batch int PRIMARY KEY, recorder text NOT NULL, document jsonb NOT NULL);
ALTER TABLE bench.batch ALTER document SET STORAGE EXTERNAL;

-- Replace what is in source: so many movements in so many cells, documents of so
-- many lines, each document of one day of so many days, so many movements a batch.
-- Documents are new ones each time, cells and values the same.
CREATE PROCEDURE bench.fill(movements int, cells int, lines int DEFAULT 1, days int DEFAULT 1,
    batch int DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    tag text := 'd' || nextval('bench.document') || '-';
BEGIN
    TRUNCATE bench.source;
    INSERT INTO bench.source
        SELECT i, i / coalesce(fill.batch, movements), tag || i / lines,
               timestamptz '2026-05-01 10:00+00' + i / lines % days * interval '1 day',
               hashint8extended(cell, 0), cell % 10, cell / 10, quantity, amount,
               jsonb_build_object('recorder', tag || i / lines,
                   'period', to_char(timestamp '2026-05-01 10:00' + i / lines % days * interval '1 day',
                                     'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                   'warehouse', cell % 10, 'product', cell / 10, 'quantity', quantity, 'amount', amount)
        FROM (SELECT i, ((hashint4extended(i, 1) & 2147483647) % cells)::int AS cell,
                     (((hashint4extended(i, 2) & 2147483647) % 40000 - 15000) / 1000.0)::numeric(18,3) AS quantity,
                     ((hashint4extended(i, 3) & 2147483647) % 40000 - 15000)::bigint AS amount
              FROM generate_series(0, movements - 1) AS i) AS movement;
    TRUNCATE bench.batch;
    INSERT INTO bench.batch
        SELECT s.batch, min(recorder), jsonb_agg(document ORDER BY n) FROM bench.source s
        WHERE fill.batch IS NOT NULL GROUP BY s.batch;
    ANALYZE bench.source, bench.batch;
END $$;

-- Each movement of source by a call of its own, so many to a transaction.
CREATE PROCEDURE bench.plain_post(per_transaction int, low int DEFAULT 0, high int DEFAULT 2147483647)
LANGUAGE plpgsql AS $$
DECLARE
    s bench.source;
BEGIN
    FOR s IN SELECT * FROM bench.source WHERE n BETWEEN low AND high ORDER BY n LOOP
        INSERT INTO plain (recorder, period, dim_hash, warehouse, product, quantity, amount)
            VALUES (s.recorder, s.period, s.dim_hash, s.warehouse, s.product, s.quantity, s.amount);
        IF s.n % per_transaction = per_transaction - 1 THEN COMMIT; END IF;
    END LOOP;
END $$;
CREATE PROCEDURE bench.by_hand_post(per_transaction int, low int DEFAULT 0, high int DEFAULT 2147483647)
LANGUAGE plpgsql AS $$
DECLARE
    s bench.source;
BEGIN
    FOR s IN SELECT * FROM bench.source WHERE n BETWEEN low AND high ORDER BY n LOOP
        INSERT INTO by_hand.movements (recorder, period, warehouse, product, quantity, amount)
            VALUES (s.recorder, s.period, s.warehouse, s.product, s.quantity, s.amount);
        IF s.n % per_transaction = per_transaction - 1 THEN COMMIT; END IF;
    END LOOP;
END $$;
CREATE PROCEDURE bench.register_post(per_transaction int, low int DEFAULT 0, high int DEFAULT 2147483647)
LANGUAGE plpgsql AS $$
DECLARE
    s bench.source;
BEGIN
    FOR s IN SELECT * FROM bench.source WHERE n BETWEEN low AND high ORDER BY n LOOP
        PERFORM accum.register_post('stock', s.document);
        IF s.n % per_transaction = per_transaction - 1 THEN COMMIT; END IF;
    END LOOP;
END $$;

-- Each batch by one statement with typed rows, and a transaction of its own.
CREATE PROCEDURE bench.plain_insert() LANGUAGE plpgsql AS $$
BEGIN
    FOR b IN 0 .. (SELECT max(batch) FROM bench.source) LOOP
        INSERT INTO plain (recorder, period, dim_hash, warehouse, product, quantity, amount)
            SELECT recorder, period, dim_hash, warehouse, product, quantity, amount
            FROM bench.source WHERE batch = b;
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE bench.by_hand_insert() LANGUAGE plpgsql AS $$
BEGIN
    FOR b IN 0 .. (SELECT max(batch) FROM bench.source) LOOP
        INSERT INTO by_hand.movements (recorder, period, warehouse, product, quantity, amount)
            SELECT recorder, period, warehouse, product, quantity, amount
            FROM bench.source WHERE batch = b;
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE bench.register_insert() LANGUAGE plpgsql AS $$
BEGIN
    FOR b IN 0 .. (SELECT max(batch) FROM bench.source) LOOP
        INSERT INTO accum.stock_movements (recorder, period, warehouse, product, quantity, amount)
            SELECT recorder, period, warehouse, product, quantity, amount
            FROM bench.source WHERE batch = b;
        COMMIT;
    END LOOP;
END $$;

-- Each batch as one array of JSON.  The plain table gets typed rows: what it takes
-- to read JSON is on the others' account.
CREATE PROCEDURE bench.plain_json() LANGUAGE plpgsql AS $$
BEGIN
    CALL bench.plain_insert();
END $$;
CREATE PROCEDURE bench.by_hand_json() LANGUAGE plpgsql AS $$
DECLARE
    b bench.batch;
BEGIN
    FOR b IN SELECT * FROM bench.batch ORDER BY batch LOOP
        INSERT INTO by_hand.movements (recorder, period, warehouse, product, quantity, amount)
            SELECT * FROM jsonb_to_recordset(b.document)
                AS r (recorder text, period timestamptz, warehouse int, product int,
                      quantity numeric(18,3), amount bigint);
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE bench.register_json() LANGUAGE plpgsql AS $$
DECLARE
    b bench.batch;
BEGIN
    FOR b IN SELECT * FROM bench.batch ORDER BY batch LOOP
        PERFORM accum.register_post('stock', b.document);
        COMMIT;
    END LOOP;
END $$;

-- Take back each document of source, so many to a transaction.
CREATE PROCEDURE bench.plain_unpost(per_transaction int) LANGUAGE plpgsql AS $$
DECLARE
    s bench.source;
BEGIN
    FOR s IN SELECT * FROM bench.source ORDER BY n LOOP
        DELETE FROM plain WHERE recorder = s.recorder;
        IF s.n % per_transaction = per_transaction - 1 THEN COMMIT; END IF;
    END LOOP;
END $$;
CREATE PROCEDURE bench.by_hand_unpost(per_transaction int) LANGUAGE plpgsql AS $$
DECLARE
    s bench.source;
BEGIN
    FOR s IN SELECT * FROM bench.source ORDER BY n LOOP
        DELETE FROM by_hand.movements WHERE recorder = s.recorder;
        IF s.n % per_transaction = per_transaction - 1 THEN COMMIT; END IF;
    END LOOP;
END $$;
CREATE PROCEDURE bench.register_unpost(per_transaction int) LANGUAGE plpgsql AS $$
DECLARE
    s bench.source;
BEGIN
    FOR s IN SELECT * FROM bench.source ORDER BY n LOOP
        PERFORM accum.register_unpost('stock', s.recorder);
        IF s.n % per_transaction = per_transaction - 1 THEN COMMIT; END IF;
    END LOOP;
END $$;

-- Replace each batch, which is one document, by what is in source.
CREATE PROCEDURE bench.plain_repost() LANGUAGE plpgsql AS $$
DECLARE
    b bench.batch;
BEGIN
    FOR b IN SELECT * FROM bench.batch ORDER BY batch LOOP
        DELETE FROM plain WHERE recorder = b.recorder;
        INSERT INTO plain (recorder, period, dim_hash, warehouse, product, quantity, amount)
            SELECT recorder, period, dim_hash, warehouse, product, quantity, amount
            FROM bench.source WHERE batch = b.batch;
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE bench.by_hand_repost() LANGUAGE plpgsql AS $$
DECLARE
    b bench.batch;
BEGIN
    FOR b IN SELECT * FROM bench.batch ORDER BY batch LOOP
        DELETE FROM by_hand.movements WHERE recorder = b.recorder;
        INSERT INTO by_hand.movements (recorder, period, warehouse, product, quantity, amount)
            SELECT recorder, period, warehouse, product, quantity, amount
            FROM bench.source WHERE batch = b.batch;
        COMMIT;
    END LOOP;
END $$;
CREATE PROCEDURE bench.register_repost() LANGUAGE plpgsql AS $$
DECLARE
    b bench.batch;
BEGIN
    FOR b IN SELECT * FROM bench.batch ORDER BY batch LOOP
        PERFORM accum.register_repost('stock', b.recorder, b.document);
        COMMIT;
    END LOOP;
END $$;
-- Add to the amount of the first line of each batch.
CREATE PROCEDURE bench.change() LANGUAGE sql AS $$
    UPDATE bench.source SET amount = amount + 1
        WHERE n IN (SELECT min(n) FROM bench.source GROUP BY batch);
    UPDATE bench.batch
        SET document = jsonb_set(document, '{0,amount}', to_jsonb((document #>> '{0,amount}')::bigint + 1));
$$;

-- The balance of the cell, or of the product, of each movement of source.
CREATE PROCEDURE bench.by_hand_balance() LANGUAGE plpgsql AS $$
DECLARE
    s bench.source;
    answer jsonb;
BEGIN
    FOR s IN SELECT * FROM bench.source ORDER BY n LOOP
        SELECT jsonb_build_object('quantity', b.quantity, 'amount', b.amount) INTO answer
            FROM by_hand.balance b WHERE b.warehouse = s.warehouse AND b.product = s.product;
    END LOOP;
END $$;
CREATE PROCEDURE bench.register_balance() LANGUAGE plpgsql AS $$
DECLARE
    s bench.source;
    answer jsonb;
BEGIN
    FOR s IN SELECT * FROM bench.source ORDER BY n LOOP
        SELECT accum.stock_balance(s.document) INTO answer;
    END LOOP;
END $$;
-- The document becomes the question.
CREATE PROCEDURE bench.ask(dimensions text[]) LANGUAGE sql AS $$
    UPDATE bench.source SET document = (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(source))
                                        WHERE key = ANY (dimensions));
$$;
CREATE PROCEDURE bench.by_hand_product() LANGUAGE plpgsql AS $$
DECLARE
    s bench.source;
    answer jsonb;
BEGIN
    FOR s IN SELECT * FROM bench.source ORDER BY n LOOP
        SELECT jsonb_build_object('quantity', coalesce(sum(b.quantity), 0), 'amount', coalesce(sum(b.amount), 0))
            INTO answer FROM by_hand.balance b WHERE b.product = s.product;
    END LOOP;
END $$;
CREATE PROCEDURE bench.register_product() LANGUAGE plpgsql AS $$
BEGIN
    CALL bench.register_balance();
END $$;

-- All three must have come to the same sums, or nothing of this counts.
CREATE FUNCTION bench.check() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    derived text;
    wrong bigint;
BEGIN
    FOREACH derived IN ARRAY ARRAY['totals_day', 'totals_month', 'totals_year'] LOOP
        EXECUTE format($query$
            SELECT count(*)
            FROM (SELECT * FROM by_hand.%1$I WHERE movements_count <> 0) h
                FULL JOIN (SELECT * FROM accum.%2$I WHERE movements_count <> 0) r
                USING (warehouse, product, period)
            WHERE (h.quantity, h.quantity_receipt, h.amount, h.amount_receipt, h.movements_count)
                IS DISTINCT FROM
                (r.quantity, r.quantity_receipt, r.amount, r.amount_receipt, r.movements_count)$query$,
            derived, 'stock_' || derived) INTO wrong;
        IF wrong > 0 THEN
            RAISE EXCEPTION '% rows of % differ', wrong, derived;
        END IF;
    END LOOP;
    SELECT count(*) INTO wrong
        FROM (SELECT warehouse, product, sum(quantity) AS quantity, sum(amount) AS amount, count(*) AS movements_count
              FROM plain GROUP BY warehouse, product) p
            FULL JOIN (SELECT * FROM by_hand.balance WHERE movements_count <> 0) h USING (warehouse, product)
            FULL JOIN (SELECT * FROM accum.stock_balance_cache WHERE movements_count <> 0) r USING (warehouse, product)
        WHERE (p.quantity, p.amount, p.movements_count) IS DISTINCT FROM (h.quantity, h.amount, h.movements_count)
            OR (p.quantity, p.amount, p.movements_count) IS DISTINCT FROM (r.quantity, r.amount, r.movements_count);
    IF wrong > 0 THEN
        RAISE EXCEPTION '% balances differ', wrong;
    END IF;
    IF EXISTS (SELECT FROM accum.register_verify('stock') WHERE status <> 'OK') THEN
        RAISE EXCEPTION 'register_verify found errors';
    END IF;
END $$;
