--
-- The longest names, with registers of history and ledgers: an ordinary role posts and
-- cancels in other time zones, with NULL dimensions and savepoints.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
\set ledger 'l23456789_123456789_123456789_123456789_12'
\set shelf 'h23456789_123456789_123456789_123456789_12'
SELECT length(:'ledger'), length(:'shelf');
CREATE ROLE regress_accum_booker;
SELECT accum.register_create(:'ledger', '{"currency": "text"}', '{"amount": "numeric(18,2)"}',
    kind => 'ledger', chart => 'open', high_write => true, time_zone => 'Asia/Tokyo');
SELECT accum.register_create(:'shelf', '{"shop": "text"}', '{"quantity": "numeric(18,2)"}',
    history => true, partition_by => 'day', time_zone => 'Asia/Tokyo');
SELECT accum.register_grant(name, 'regress_accum_booker', r)
FROM unnest(ARRAY[:'ledger', :'shelf']) AS name, unnest('{read,post}'::text[]) AS r;
SELECT accum.register_create('l' || :'ledger', '{"currency": "text"}', '{"amount": "int"}', kind => 'ledger');

SET ROLE regress_accum_booker;
SET timezone = 'America/St_Johns';
SELECT accum.register_post(:'ledger', (SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || i / 100, 'period', '2026-05-01 23:30',
    'currency', CASE WHEN i % 3 > 0 THEN 'EUR' END, 'account_dr', '10.' || i % 50, 'subconto_dr', jsonb_build_object('customer', i % 7),
    'account_cr', '20', 'amount', i % 11)) FROM generate_series(1, 1000) AS i));
SELECT accum.register_post(:'shelf', (SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || i / 100, 'period', '2026-05-01 23:30',
    'shop', CASE WHEN i % 3 > 0 THEN 's' || i % 40 END, 'quantity', i % 11)) FROM generate_series(1, 1000) AS i));
BEGIN;
SAVEPOINT s;
SELECT accum.register_unpost(:'shelf', 'd1'), accum.register_unpost(:'ledger', 'd1');
ROLLBACK TO s;
COMMIT;
SET timezone = 'Asia/Kolkata';
SELECT accum.register_unpost(:'shelf', ARRAY(SELECT 'd' || i FROM generate_series(0, 4) AS i)),
       accum.register_unpost(:'ledger', ARRAY(SELECT 'd' || i FROM generate_series(0, 4) AS i));
SELECT format($$
    SELECT count(*), sum(amount_turnover_dr) AS debited, sum(amount_turnover_cr) AS credited,
           (SELECT sum(amount) FROM accum.%1$s_movements) AS movements
    FROM accum.%1$s_trial_balance(date '2026-05-01', date '2026-05-01')$$, :'ledger') \gexec
SELECT format($$
    SELECT accum.%1$s_balance('{"shop": null}', date '2026-05-01') AS without, accum.%1$s_balance() AS all,
           (SELECT sum(quantity) FROM accum.%1$s_movements) AS movements$$, :'shelf') \gexec
RESET ROLE;
RESET timezone;
SELECT accum.register_ledger_verify(:'ledger');
SELECT DISTINCT v.status FROM unnest(ARRAY[:'ledger', :'shelf']) AS name, accum.register_verify(name) AS v;
SELECT accum.register_drop(name, true) FROM unnest(ARRAY[:'ledger', :'shelf']) AS name;
DROP ROLE regress_accum_booker;
