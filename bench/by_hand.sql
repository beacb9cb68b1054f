-- The task of the register by hand: the same sums by cell and day, month and year,
-- and the current balance.
--
-- It is meant to be as good as triggers and SQL can be for this one register.  Keys
-- are the dimensions themselves.  Triggers are of statements, so that many rows are
-- grouped before anything is written; a single row, the most frequent case, is not
-- grouped but written as it is.  Rows are written table by table and in the order of
-- keys, so that sessions do not deadlock.  Rows have room on their page for a new
-- version (fill factor), and no index on what changes.

CREATE SCHEMA by_hand;

CREATE TABLE by_hand.movements (
    id uuid NOT NULL DEFAULT accum._movement_id(),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    recorder text NOT NULL,
    period timestamptz NOT NULL,
    movement_type text NOT NULL DEFAULT 'regular',
    warehouse int NOT NULL,
    product int NOT NULL,
    quantity numeric(18,3) NOT NULL DEFAULT 0,
    amount bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (period, recorded_at, id)
) PARTITION BY RANGE (period);
CREATE INDEX ON by_hand.movements (recorder);
CREATE INDEX ON by_hand.movements (warehouse, product, period);

CREATE TABLE by_hand.totals_day (
    warehouse int,
    product int,
    period date,
    quantity numeric(18,3) NOT NULL,
    quantity_receipt numeric(18,3) NOT NULL,
    amount bigint NOT NULL,
    amount_receipt bigint NOT NULL,
    movements_count bigint NOT NULL,
    PRIMARY KEY (warehouse, product, period)
) WITH (fillfactor = 70);
CREATE INDEX ON by_hand.totals_day (period);
CREATE TABLE by_hand.totals_month (LIKE by_hand.totals_day INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE by_hand.totals_year (LIKE by_hand.totals_day INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE by_hand.balance (
    warehouse int,
    product int,
    quantity numeric(18,3) NOT NULL,
    amount bigint NOT NULL,
    last_movement_at timestamptz,
    movements_count bigint NOT NULL,
    PRIMARY KEY (warehouse, product)
) WITH (fillfactor = 70);
CREATE INDEX ON by_hand.balance (product);

-- Both branches are one statement, which is cheaper than four, and write the tables in
-- one order: PostgreSQL runs the main INSERT first, then those of WITH from the last one.
CREATE FUNCTION by_hand.movements_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign int := CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END;
    m by_hand.movements;
    receipt_quantity numeric;
    receipt_amount bigint;
    changed_rows int := 0;
BEGIN
    FOR m IN SELECT * FROM changed LIMIT 2 LOOP
        changed_rows := changed_rows + 1;
    END LOOP;
    IF changed_rows = 1 THEN
        receipt_quantity := greatest(m.quantity, 0);
        receipt_amount := greatest(m.amount, 0);
        IF sign < 0 THEN
            m.quantity := -m.quantity;
            receipt_quantity := -receipt_quantity;
            m.amount := -m.amount;
            receipt_amount := -receipt_amount;
        END IF;
        WITH balance AS (
            INSERT INTO by_hand.balance AS t
                VALUES (m.warehouse, m.product, m.quantity, m.amount, m.recorded_at, sign)
                ON CONFLICT (warehouse, product) DO UPDATE SET
                    quantity = t.quantity + excluded.quantity,
                    amount = t.amount + excluded.amount,
                    last_movement_at = greatest(t.last_movement_at, excluded.last_movement_at),
                    movements_count = t.movements_count + excluded.movements_count
        ), year AS (
            INSERT INTO by_hand.totals_year AS t
                VALUES (m.warehouse, m.product, date_trunc('year', m.period AT TIME ZONE 'UTC')::date,
                        m.quantity, receipt_quantity, m.amount, receipt_amount, sign)
                ON CONFLICT (warehouse, product, period) DO UPDATE SET
                    quantity = t.quantity + excluded.quantity,
                    quantity_receipt = t.quantity_receipt + excluded.quantity_receipt,
                    amount = t.amount + excluded.amount,
                    amount_receipt = t.amount_receipt + excluded.amount_receipt,
                    movements_count = t.movements_count + excluded.movements_count
        ), month AS (
            INSERT INTO by_hand.totals_month AS t
                VALUES (m.warehouse, m.product, date_trunc('month', m.period AT TIME ZONE 'UTC')::date,
                        m.quantity, receipt_quantity, m.amount, receipt_amount, sign)
                ON CONFLICT (warehouse, product, period) DO UPDATE SET
                    quantity = t.quantity + excluded.quantity,
                    quantity_receipt = t.quantity_receipt + excluded.quantity_receipt,
                    amount = t.amount + excluded.amount,
                    amount_receipt = t.amount_receipt + excluded.amount_receipt,
                    movements_count = t.movements_count + excluded.movements_count
        )
        INSERT INTO by_hand.totals_day AS t
            VALUES (m.warehouse, m.product, date_trunc('day', m.period AT TIME ZONE 'UTC')::date,
                    m.quantity, receipt_quantity, m.amount, receipt_amount, sign)
            ON CONFLICT (warehouse, product, period) DO UPDATE SET
                quantity = t.quantity + excluded.quantity,
                quantity_receipt = t.quantity_receipt + excluded.quantity_receipt,
                amount = t.amount + excluded.amount,
                amount_receipt = t.amount_receipt + excluded.amount_receipt,
                movements_count = t.movements_count + excluded.movements_count;
    ELSIF changed_rows > 1 THEN
        WITH by_day AS MATERIALIZED (
            SELECT warehouse, product, (period AT TIME ZONE 'UTC')::date AS period,
                   sign * sum(quantity) AS quantity, sign * sum(greatest(quantity, 0)) AS quantity_receipt,
                   sign * sum(amount) AS amount, sign * sum(greatest(amount, 0)) AS amount_receipt,
                   sign * count(*) AS movements_count, max(recorded_at) AS last_movement_at
            FROM changed GROUP BY 1, 2, 3
        ), balance AS (
            INSERT INTO by_hand.balance AS t
                SELECT warehouse, product, sum(quantity), sum(amount), max(last_movement_at),
                       sum(movements_count)
                FROM by_day GROUP BY warehouse, product ORDER BY warehouse, product
                ON CONFLICT (warehouse, product) DO UPDATE SET
                    quantity = t.quantity + excluded.quantity,
                    amount = t.amount + excluded.amount,
                    last_movement_at = greatest(t.last_movement_at, excluded.last_movement_at),
                    movements_count = t.movements_count + excluded.movements_count
        ), year AS (
            INSERT INTO by_hand.totals_year AS t
                SELECT warehouse, product, date_trunc('year', period)::date AS unit,
                       sum(quantity), sum(quantity_receipt),
                       sum(amount), sum(amount_receipt), sum(movements_count)
                FROM by_day GROUP BY warehouse, product, unit ORDER BY warehouse, product, unit
                ON CONFLICT (warehouse, product, period) DO UPDATE SET
                    quantity = t.quantity + excluded.quantity,
                    quantity_receipt = t.quantity_receipt + excluded.quantity_receipt,
                    amount = t.amount + excluded.amount,
                    amount_receipt = t.amount_receipt + excluded.amount_receipt,
                    movements_count = t.movements_count + excluded.movements_count
        ), month AS (
            INSERT INTO by_hand.totals_month AS t
                SELECT warehouse, product, date_trunc('month', period)::date AS unit,
                       sum(quantity), sum(quantity_receipt),
                       sum(amount), sum(amount_receipt), sum(movements_count)
                FROM by_day GROUP BY warehouse, product, unit ORDER BY warehouse, product, unit
                ON CONFLICT (warehouse, product, period) DO UPDATE SET
                    quantity = t.quantity + excluded.quantity,
                    quantity_receipt = t.quantity_receipt + excluded.quantity_receipt,
                    amount = t.amount + excluded.amount,
                    amount_receipt = t.amount_receipt + excluded.amount_receipt,
                    movements_count = t.movements_count + excluded.movements_count
        )
        INSERT INTO by_hand.totals_day AS t
            SELECT warehouse, product, period, quantity, quantity_receipt,
                   amount, amount_receipt, movements_count
            FROM by_day ORDER BY warehouse, product, period
            ON CONFLICT (warehouse, product, period) DO UPDATE SET
                quantity = t.quantity + excluded.quantity,
                quantity_receipt = t.quantity_receipt + excluded.quantity_receipt,
                amount = t.amount + excluded.amount,
                amount_receipt = t.amount_receipt + excluded.amount_receipt,
                movements_count = t.movements_count + excluded.movements_count;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER inserted AFTER INSERT ON by_hand.movements
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION by_hand.movements_changed();
CREATE TRIGGER deleted AFTER DELETE ON by_hand.movements
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION by_hand.movements_changed();
