-- A year of a real shop: 541,909 lines of 25,900 invoices, in one register.
--
-- The data is the Online Retail data set of the UCI Machine Learning Repository
-- (D. Chen, CC BY 4.0), as CSV with a header, compressed with gzip.  In a database
-- that does not have the extension yet:
--
--     psql --set=ON_ERROR_STOP=1 --set=path=online-retail.csv.gz --file=examples/retail.sql

\set QUIET on
\pset footer off
\pset null '(null)'
SET client_min_messages = warning;

\echo
\echo '=== 1. The lines as they come ==='
\echo

CREATE TABLE retail (
    invoice      text,
    stock_code   text,
    description  text,
    quantity     bigint,
    invoice_date timestamp,         -- the shop's clock: London, no zone
    unit_price   numeric,
    customer     numeric,           -- like 17850.0, or nothing
    country      text,
    amount       numeric(18, 2) GENERATED ALWAYS AS (quantity * unit_price) STORED
);

\setenv RETAIL_PATH :path
\copy retail (invoice, stock_code, description, quantity, invoice_date, unit_price, customer, country) FROM PROGRAM 'gzip -dc "$RETAIL_PATH"' WITH (FORMAT csv, HEADER)
ANALYZE retail;

SELECT count(*) AS lines, count(DISTINCT invoice) AS invoices,
       count(*) FILTER (WHERE customer IS NULL) AS lines_without_customer,
       min(invoice_date), max(invoice_date)
FROM retail;

\echo '=== 2. A register of sales, in the calendar of the shop ==='
\echo

CREATE EXTENSION pg_accumulator;

SELECT accum.register_create('sales',
    dimensions => '[{"name": "stock_code", "type": "text"},
                    {"name": "country", "type": "text"},
                    {"name": "customer", "type": "integer"}]',
    resources  => '[{"name": "quantity", "type": "bigint"},
                    {"name": "amount", "type": "numeric(18,2)"}]',
    time_zone  => 'Europe/London');

\echo '=== 3. Every line is a movement, every invoice a document ==='
\echo
\echo 'First into a table without a register, for comparison; then into the register.'
\echo

CREATE TABLE retail_plain (recorder text, period timestamptz, stock_code text, country text,
                           customer integer, quantity bigint, amount numeric(18, 2));

\timing on
\echo 'Plain table:'
INSERT INTO retail_plain
SELECT invoice, invoice_date AT TIME ZONE 'Europe/London', stock_code, country,
       customer::integer, quantity, amount
FROM retail;

\echo 'Register:'
INSERT INTO accum.sales_movements (recorder, period, stock_code, country, customer, quantity, amount)
SELECT invoice, invoice_date AT TIME ZONE 'Europe/London', stock_code, country,
       customer::integer, quantity, amount
FROM retail;
\timing off

\echo
\echo '=== 4. What it answers, from sums that are there already ==='
\echo

SELECT accum.sales_balance('{"stock_code": "85123A"}') AS white_hearts,
       accum.sales_balance('{"stock_code": "85123A", "country": "France"}') AS to_france,
       accum.sales_balance('{"stock_code": "85123A", "customer": null}') AS without_customer;

\echo 'Months: what went out and what came back.'
\echo

SELECT to_char(period, 'YYYY-MM') AS month, sum(amount_receipt) AS sold,
       sum(amount_receipt - amount) AS taken_back, sum(amount) AS net
FROM accum.sales_totals_month
GROUP BY period
ORDER BY period;

\echo '=== 5. A cancelled invoice ==='
\echo

SELECT accum.register_unpost('sales', '536365') AS lines_removed;

SELECT accum.sales_balance('{"stock_code": "85123A"}') AS white_hearts;

\echo 'And again, from the lines.'
\echo

SELECT accum.register_post('sales', jsonb_agg(jsonb_build_object(
           'recorder', invoice, 'period', to_char(invoice_date, 'YYYY-MM-DD HH24:MI:SS'),
           'stock_code', stock_code, 'country', country, 'customer', customer::integer,
           'quantity', quantity, 'amount', amount))) AS lines_stored
FROM retail
WHERE invoice = '536365';

SELECT accum.sales_balance('{"stock_code": "85123A"}') AS white_hearts;
