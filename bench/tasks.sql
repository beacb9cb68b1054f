-- What is posted, taken back and asked for, and the procedures that do it in each of
-- the three ways of bench/solutions.sql.
--
-- What is done by a procedure is measured; what is done by a function prepares it.

\set QUIET on
SET client_min_messages = warning;

-- All three get their movements from here, so that reading them costs the same.  A
-- cell is a number: its last digit is the warehouse, the rest the product.  The
-- plain table gets dim_hash with the rest; document is the movement for
-- register_post.
CREATE UNLOGGED TABLE bench.movement (
    n int PRIMARY KEY, batch int NOT NULL, recorder text NOT NULL, period timestamptz NOT NULL,
    dim_hash bigint NOT NULL, warehouse int NOT NULL, product int NOT NULL,
    quantity numeric(18,3) NOT NULL, amount bigint NOT NULL, document jsonb);
CREATE INDEX ON bench.movement (batch);
-- The movements of each batch, where wanted as one array.  External storage is not
-- compressed: a jsonb from here has been parsed and only needs to be read.
CREATE UNLOGGED TABLE bench.batch (n int PRIMARY KEY, recorder text NOT NULL, document jsonb);
ALTER TABLE bench.batch ALTER document SET STORAGE EXTERNAL;
CREATE SEQUENCE bench.tag;

-- Fill these tables: so many movements in so many cells; documents of so many
-- lines, which are spread over so many days; so many movements to a batch, all in one
-- by default, with arrays or without; with jsonb for each movement or without.
-- Documents are new ones at each call, cells and values the same.
CREATE FUNCTION bench.fill(movements int, cells int, lines int DEFAULT 1, days int DEFAULT 1,
    per_batch int DEFAULT NULL, arrays boolean DEFAULT false, documents boolean DEFAULT true)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    tag text := 'd' || nextval('bench.tag') || '-';
BEGIN
    TRUNCATE bench.movement, bench.batch;
    INSERT INTO bench.movement
        SELECT i, i / coalesce(per_batch, movements), tag || document, period, hashint8extended(cell, 0),
               cell % 10, cell / 10, quantity, amount,
               CASE WHEN documents THEN jsonb_build_object('recorder', tag || document,
                   'period', to_char(period AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                   'warehouse', cell % 10, 'product', cell / 10, 'quantity', quantity, 'amount', amount) END
        FROM generate_series(0, movements - 1) AS i, LATERAL (
            SELECT i / lines AS document,
                   timestamptz '2026-05-01 10:00+00' + i / lines % days * interval '1 day' AS period,
                   ((hashint4extended(i, 1) & 2147483647) % cells)::int AS cell,
                   (((hashint4extended(i, 2) & 2147483647) % 40000 - 15000) / 1000.0)::numeric(18,3) AS quantity,
                   ((hashint4extended(i, 3) & 2147483647) % 40000 - 15000)::bigint AS amount) AS m;
    INSERT INTO bench.batch
        SELECT batch, min(recorder), CASE WHEN arrays THEN jsonb_agg(document ORDER BY n) END
        FROM bench.movement GROUP BY batch;
    ANALYZE bench.movement, bench.batch;
END $$;

-- Correct the first line of each batch.
CREATE FUNCTION bench.correct() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bench.movement SET amount = amount + 1
        WHERE n IN (SELECT min(n) FROM bench.movement GROUP BY batch);
    UPDATE bench.batch
        SET document = jsonb_set(document, '{0,amount}', to_jsonb((document #>> '{0,amount}')::bigint + 1));
END $$;

-- Reduce each document to some of its keys, which makes it a question.
CREATE FUNCTION bench.ask(keys text[]) RETURNS void LANGUAGE sql AS $$
    UPDATE bench.movement SET document = (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(movement))
                                          WHERE key = ANY (keys));
$$;

-- A procedure that runs a statement for each row s of a table, one after the other
-- from low to high, and commits after so many.  There is no round trip to a client.
CREATE FUNCTION bench.procedure(name text, source regclass, statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format($procedure$
        CREATE PROCEDURE bench.%I(per_transaction int DEFAULT 1, low int DEFAULT 0, high int DEFAULT 2147483647)
        LANGUAGE plpgsql AS $body$
        DECLARE
            s %s;
            answer jsonb;
        BEGIN
            FOR s IN SELECT * FROM %2$s WHERE n BETWEEN low AND high ORDER BY n LOOP
                %s;
                IF s.n %% per_transaction = per_transaction - 1 THEN
                    COMMIT;
                END IF;
            END LOOP;
        END $body$ $procedure$, name, source, statement);
END $$;

SELECT bench.procedure(name, source, statement) FROM (VALUES
    -- a movement by a call of its own
    ('plain_post', 'bench.movement'::regclass,
     'INSERT INTO plain (recorder, period, dim_hash, warehouse, product, quantity, amount)
          VALUES (s.recorder, s.period, s.dim_hash, s.warehouse, s.product, s.quantity, s.amount)'),
    ('by_hand_post', 'bench.movement',
     'INSERT INTO by_hand.movements (recorder, period, warehouse, product, quantity, amount)
          VALUES (s.recorder, s.period, s.warehouse, s.product, s.quantity, s.amount)'),
    ('register_post', 'bench.movement',
     'PERFORM accum.register_post(''stock'', s.document)'),

    -- a batch of typed rows
    ('plain_insert', 'bench.batch',
     'INSERT INTO plain (recorder, period, dim_hash, warehouse, product, quantity, amount)
          SELECT recorder, period, dim_hash, warehouse, product, quantity, amount
          FROM bench.movement WHERE batch = s.n'),
    ('by_hand_insert', 'bench.batch',
     'INSERT INTO by_hand.movements (recorder, period, warehouse, product, quantity, amount)
          SELECT recorder, period, warehouse, product, quantity, amount
          FROM bench.movement WHERE batch = s.n'),
    ('register_insert', 'bench.batch',
     'INSERT INTO accum.stock_movements (recorder, period, warehouse, product, quantity, amount)
          SELECT recorder, period, warehouse, product, quantity, amount
          FROM bench.movement WHERE batch = s.n'),

    -- a batch as an array of JSON
    ('by_hand_json', 'bench.batch',
     'INSERT INTO by_hand.movements (recorder, period, warehouse, product, quantity, amount)
          SELECT * FROM jsonb_to_recordset(s.document)
              AS r (recorder text, period timestamptz, warehouse int, product int,
                    quantity numeric(18,3), amount bigint)'),
    ('register_json', 'bench.batch',
     'PERFORM accum.register_post(''stock'', s.document)'),

    -- a document of one movement is taken back
    ('plain_unpost', 'bench.movement', 'DELETE FROM plain WHERE recorder = s.recorder'),
    ('by_hand_unpost', 'bench.movement', 'DELETE FROM by_hand.movements WHERE recorder = s.recorder'),
    ('register_unpost', 'bench.movement', 'PERFORM accum.register_unpost(''stock'', s.recorder)'),

    -- a batch, which is one document, is replaced
    ('plain_repost', 'bench.batch',
     'DELETE FROM plain WHERE recorder = s.recorder;
      INSERT INTO plain (recorder, period, dim_hash, warehouse, product, quantity, amount)
          SELECT recorder, period, dim_hash, warehouse, product, quantity, amount
          FROM bench.movement WHERE batch = s.n'),
    ('by_hand_repost', 'bench.batch',
     'DELETE FROM by_hand.movements WHERE recorder = s.recorder;
      INSERT INTO by_hand.movements (recorder, period, warehouse, product, quantity, amount)
          SELECT recorder, period, warehouse, product, quantity, amount
          FROM bench.movement WHERE batch = s.n'),
    ('register_repost', 'bench.batch',
     'PERFORM accum.register_repost(''stock'', s.recorder, s.document)'),

    -- the balance of a cell, and of a product in all warehouses
    ('by_hand_cell', 'bench.movement',
     'SELECT jsonb_build_object(''quantity'', b.quantity, ''amount'', b.amount) INTO answer
          FROM by_hand.balance b WHERE b.warehouse = s.warehouse AND b.product = s.product'),
    ('by_hand_product', 'bench.movement',
     'SELECT jsonb_build_object(''quantity'', coalesce(sum(b.quantity), 0), ''amount'', coalesce(sum(b.amount), 0))
          INTO answer FROM by_hand.balance b WHERE b.product = s.product'),
    ('register_balance', 'bench.movement',
     'SELECT accum.stock_balance(s.document) INTO answer')
) AS p (name, source, statement) \g /dev/null

-- All three must have come to the same sums, or nothing of this counts.
CREATE FUNCTION bench.check() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    level text;
    wrong bigint;
BEGIN
    FOREACH level IN ARRAY ARRAY['totals_day', 'totals_month', 'totals_year'] LOOP
        EXECUTE format($query$
            SELECT count(*)
            FROM (SELECT * FROM by_hand.%1$I WHERE movements_count <> 0) h
                FULL JOIN (SELECT * FROM accum.%2$I WHERE movements_count <> 0) r
                USING (warehouse, product, period)
            WHERE (h.quantity, h.quantity_receipt, h.amount, h.amount_receipt, h.movements_count)
                IS DISTINCT FROM
                (r.quantity, r.quantity_receipt, r.amount, r.amount_receipt, r.movements_count)$query$,
            level, 'stock_' || level) INTO wrong;
        IF wrong > 0 THEN
            RAISE EXCEPTION '% rows of % differ between register and hand-written solution', wrong, level;
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
        RAISE EXCEPTION '% balances are not the sum of the plain table', wrong;
    END IF;
    IF EXISTS (SELECT FROM accum.register_verify('stock') WHERE status <> 'OK') THEN
        RAISE EXCEPTION 'register_verify has found errors';
    END IF;
END $$;
