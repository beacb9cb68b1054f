-- A warehouse in one page: goods come in, goods go out, last month is corrected,
-- a document is cancelled, and at every step all balances are right at once.
--
-- "make demo" plays this file on a private server.  On a server of your own,
-- with the extension installed and in a database without it:
--
--     psql --echo-queries --set=ON_ERROR_STOP=1 --file=examples/warehouse.sql
--
-- All dates are fixed, so the output is the same on every day.

\set QUIET on
\pset footer off
SET TimeZone = 'UTC';

\echo
\echo '=== 1. A register is what you declare: what to count, and by what ==='
\echo
\echo 'Dimensions tell balances apart, resources are added up.  From this one call come the'
\echo 'table of movements, the tables with the sums, and the functions that read them.'
\echo

CREATE EXTENSION pg_accumulator;

SELECT accum.register_create('inventory',
    dimensions => '[{"name": "warehouse", "type": "text"}, {"name": "product", "type": "text"}]',
    resources  => '[{"name": "quantity", "type": "integer"},
                    {"name": "amount", "type": "numeric(14,2)"}]');

\echo '=== 2. Goods come in ==='
\echo
\echo 'A movement says which document it belongs to (the recorder), when it counts (the period),'
\echo 'where, and how much.  All movements of one call are stored, or none.'
\echo

SELECT accum.register_post('inventory', '[
    {"recorder": "purchase:7001", "period": "2026-04-03 09:30", "warehouse": "north",
     "product": "bolt", "quantity": 1000, "amount": 250.00},
    {"recorder": "purchase:7001", "period": "2026-04-03 09:30", "warehouse": "north",
     "product": "nut", "quantity": 1000, "amount": 120.00},
    {"recorder": "purchase:7002", "period": "2026-05-04 11:00", "warehouse": "south",
     "product": "bolt", "quantity": 500, "amount": 130.00}]') AS movements_stored;

\echo '=== 3. What is there? ==='
\echo
\echo 'Each combination of warehouse and product has its balance, ready to be read ...'
\echo

SELECT warehouse, product, quantity, amount
FROM accum.inventory_balances
ORDER BY warehouse, product;

\echo '... one by one, or summed over what you leave out, as JSON for an application.'
\echo

SELECT accum.inventory_balance('{"warehouse": "north", "product": "bolt"}') AS bolts_in_north,
       accum.inventory_balance('{"product": "bolt"}') AS all_bolts;

\echo '=== 4. Goods go out: receipts are positive, expenses negative ==='
\echo

SELECT accum.register_post('inventory', '[
    {"recorder": "shipment:88", "period": "2026-05-12 15:20", "warehouse": "north",
     "product": "bolt", "quantity": -400, "amount": -100.00},
    {"recorder": "shipment:88", "period": "2026-05-12 15:20", "warehouse": "north",
     "product": "nut", "quantity": -400, "amount": -48.00}]') AS movements_stored;

\echo 'The statement of account of April and May:'
\echo

SELECT to_char(unit_start, 'YYYY-MM') AS month, product, quantity_opening AS opening,
       quantity_receipt AS received, quantity_expense AS shipped, quantity_closing AS closing
FROM accum.inventory_statement(date '2026-04-01', date '2026-05-31',
                               group_by => '["product"]', unit => 'month');

\echo '=== 5. It is May, and the invoice of April was wrong ==='
\echo
\echo 'Only 900 bolts had come.  Posting the document again replaces what it said ...'
\echo

SELECT accum.register_repost('inventory', 'purchase:7001', '[
    {"period": "2026-04-03 09:30", "warehouse": "north",
     "product": "bolt", "quantity": 900, "amount": 225.00},
    {"period": "2026-04-03 09:30", "warehouse": "north",
     "product": "nut", "quantity": 1000, "amount": 120.00}]') AS movements_of_the_document;

\echo '... in its own month.  The end of April and everything after it follow at once:'
\echo

SELECT to_char(unit_start, 'YYYY-MM') AS month, product, quantity_opening AS opening,
       quantity_receipt AS received, quantity_expense AS shipped, quantity_closing AS closing
FROM accum.inventory_statement(date '2026-04-01', date '2026-05-31',
                               dimensions => '{"product": "bolt"}',
                               group_by => '["product"]', unit => 'month');

SELECT accum.inventory_balance('{"product": "bolt"}', date '2026-04-30') AS bolts_end_of_april,
       accum.inventory_balance('{"product": "bolt"}') AS bolts_now;

\echo '=== 6. The customer cancels ==='
\echo
\echo 'Removing a document takes back everything it did.'
\echo

SELECT accum.register_unpost('inventory', 'shipment:88') AS movements_removed;

SELECT warehouse, product, quantity, amount
FROM accum.inventory_balances
ORDER BY warehouse, product;

\echo '=== 7. Movements are an ordinary table, transactions are ordinary transactions ==='
\echo
\echo 'INSERT, COPY and DELETE do the same as the functions.  Half of the southern stock goes north:'
\echo

BEGIN;

INSERT INTO accum.inventory_movements (recorder, period, warehouse, product, quantity, amount)
SELECT 'transfer:3', '2026-05-15 08:00', side.warehouse, stock.product,
       side.sign * stock.quantity / 2, side.sign * stock.amount / 2
FROM accum.inventory_balances AS stock,
     (VALUES ('south', -1), ('north', 1)) AS side (warehouse, sign)
WHERE stock.warehouse = 'south';

SELECT accum.inventory_balance('{"warehouse": "south"}') AS south_before_commit;

COMMIT;

\echo
\echo '=== 8. Is it right? ==='
\echo
\echo 'Balances are what the movements add up to, always.  Here are both side by side.'
\echo

SELECT warehouse, product, balance.quantity AS balance, movements.quantity AS added_up,
       balance.quantity = movements.quantity AND balance.amount = movements.amount AS equal
FROM accum.inventory_balances AS balance
     JOIN (SELECT warehouse, product, sum(quantity) AS quantity, sum(amount) AS amount
           FROM accum.inventory_movements
           GROUP BY warehouse, product) AS movements USING (warehouse, product)
ORDER BY warehouse, product;

\echo 'The register can also check itself: every stored sum, by day, month and year as well.'
\echo

SELECT check_type, status FROM accum.register_verify('inventory');

\echo 'What all this rests on is in docs/concepts.md, every function in docs/reference.md.'
