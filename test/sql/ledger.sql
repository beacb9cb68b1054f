-- Ledgers: movements with two sides.  What is derived from them is compared with
-- sums over movements.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

-- Definition.
SELECT accum.register_create('gl', '{"currency": "text"}',
    '[{"name": "amount", "type": "numeric(18,2)"}, {"name": "quantity", "type": "int", "balanced": false}]',
    kind => 'ledger', attributes => '{"note": "text"}', time_zone => 'Europe/Berlin');
SELECT attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid)
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'accum.gl_movements'::regclass AND attnum > 0 ORDER BY attnum;
SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'accum.gl_balance_cache'::regclass AND attnum > 0;
SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'accum.gl_totals_day'::regclass AND attnum > 0;
SELECT jsonb_pretty(accum.register_info('gl') - 'created_at' - 'partitions' - 'tables');
SELECT dimensions, resources FROM accum._registers WHERE name = 'gl';

SELECT t, pg_temp.try(t) FROM (VALUES
    ('SELECT accum.register_create(''bad'', ''{"account": "text"}'', ''{"amount": "numeric"}'', kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', ''{}'', ''{"amount": "int"}'', kind => ''ledger'', history => true)'),
    ('SELECT accum.register_create(''bad'', ''{"subconto_cr": "text"}'', ''{"amount": "numeric"}'', kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', ''{}'', ''{"dim_hash_dr": "numeric"}'', kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', ''{}'', ''{"amount": "real"}'', kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', ''{}'', ''{"amount": "double precision"}'', kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', ''{}'', ''[{"name": "amount", "type": "int", "balanced": false}]'')'),
    ('SELECT accum.register_create(''bad'', ''[{"name": "w", "type": "int", "balanced": false}]'', ''{"amount": "int"}'', kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', ''{}'', ''[{"name": "amount", "type": "int", "balanced": 1}]'', kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', ''{"corr_account": "text"}'', ''{"amount": "int"}'', kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', ''{"amount_turnover_dr": "text"}'', ''{"amount": "int"}'', kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', ''{}'', jsonb_build_object(repeat(''a'', 52), ''int''), kind => ''ledger'')'),
    ('SELECT accum.register_create(''bad'', (SELECT jsonb_object_agg(''d'' || i, ''int'') FROM generate_series(1, 99) AS i), ''{"amount": "int"}'', kind => ''ledger'')')
) AS v (t);

-- Movements, in every way to write them.
SELECT accum.register_post('gl', '[
    {"recorder": "invoice:1", "period": "2026-05-03", "account_dr": "62.01", "subconto_dr": {"customer": 412, "contract": "A"},
     "account_cr": "90.01", "currency": "EUR", "amount": 100.50, "quantity_cr": 5},
    {"recorder": "payment:1", "period": "2026-05-04 10:00", "account_dr": "51", "account_cr": "62.01",
     "subconto_cr": {"contract": "A", "customer": 412.0}, "currency": "EUR", "amount": "40", "note": "half"}]');
INSERT INTO accum.gl_movements (recorder, period, account_dr, account_cr, subconto_cr, currency, amount, dim_hash_dr)
VALUES ('payment:2', '2026-05-04 12:00', '51', '62.01', '{"customer": 4.12e2, "contract": "A"}', 'EUR', 10, 5);
COPY accum.gl_movements (recorder, period, account_dr, account_cr, subconto_cr, currency, amount) FROM stdin;
payment:3	2026-05-05 12:00	51	62.01	{"contract": "A", "customer": 412}	EUR	0.5
\.
SELECT account, subconto, currency, amount_dr, amount_cr, quantity_dr, quantity_cr FROM accum.gl_balances ORDER BY 1, 2;
SELECT account, period, amount_dr, amount_cr, quantity_dr, quantity_cr, movements_count FROM accum.gl_totals_day ORDER BY 1, 2;
SELECT * FROM accum.gl_get_balance('62.01');
SELECT * FROM accum.gl_get_balance('62.01', '{"contract": "A", "customer": 412}', 'EUR');
SELECT * FROM accum.gl_get_balance('62.01', p_currency => 'USD');
SELECT * FROM accum.gl_get_balance('62');
SELECT account, amount_dr, amount_cr, quantity_dr, quantity_cr FROM accum.gl_balances_at('2026-05-04'::date) ORDER BY 1;
SELECT account, amount_dr, amount_cr FROM accum.gl_balances_at('2026-05-04 11:00+02'::timestamptz) ORDER BY 1;
SELECT * FROM accum.gl_turnover('2026-05-04'::date, NULL, group_by => '["account", "subconto"]');
SELECT accum.gl_turnover(dimensions => '{"subconto": {"customer": 412, "contract": "A"}, "account": "62.01", "currency": "EUR"}');
SELECT m ->> 'recorder' FROM accum.gl_movements() AS m;
SELECT m ->> 'recorder' FROM accum.gl_movements(dimensions => '{"account": "90.01"}') AS m;
SELECT m ->> 'recorder' FROM accum.gl_movements(dimensions => '{"account": "62.01", "subconto": {}}') AS m;
SELECT m ->> 'recorder' FROM accum.gl_movements(dimensions => '{"account": "51", "subconto": {}, "currency": "EUR"}') AS m;
SELECT accum.gl_balance();
SELECT accum.gl_balance('62');
SELECT accum.gl_balance('62.01', '{"customer": 412}', '{"currency": "EUR"}', '2026-05-04 11:00+02');
SELECT accum.gl_balance('62.01', '{"customer": 413}');
SELECT accum.gl_balance('6', NULL, NULL, '2026-05-04'::date);
SELECT accum.gl_balance(dimensions => '{"account": "51", "subconto": {}}');
SELECT * FROM accum.gl_trial_balance('2026-05-04'::date, '2026-05-31'::date);
SELECT account, amount_opening_dr, amount_opening_cr, amount_turnover_dr, amount_turnover_cr, amount_closing_dr, amount_closing_cr FROM accum.gl_trial_balance('2026-05-04'::timestamptz, NULL, '{"currency": "EUR"}', 1);
SELECT account, amount_opening_dr, amount_opening_cr, amount_turnover_dr, amount_turnover_cr, amount_closing_dr, amount_closing_cr FROM accum.gl_trial_balance(NULL::date, NULL, level => 0);
SELECT count(*) FROM accum.gl_trial_balance('2026-05-04'::date, '2026-05-01'::date);
SELECT period, recorder, account, subconto, corr_account, corr_subconto, currency, amount_dr, amount_cr, amount_balance FROM accum.gl_account_statement('62', '2026-05-04'::date, '2026-05-31'::date);
SELECT recorder, account, corr_account, quantity_dr, quantity_cr, quantity_balance FROM accum.gl_account_statement('90', NULL::date, NULL::date, '{}');
SELECT * FROM accum.gl_correspondence();
SELECT * FROM accum.gl_correspondence('2026-05-04'::date, '2026-05-04'::date, '{"account": "51"}');
SELECT accum.register_repost('gl', 'payment:1', '{"period": "2026-05-04 10:00", "account_dr": "50", "account_cr": "62.01", "subconto_cr": {"customer": 412, "contract": "A"}, "currency": "EUR", "amount": 41}');
SELECT accum.register_unpost('gl', 'payment:2');
DELETE FROM accum.gl_movements WHERE recorder = 'payment:3';
SELECT account, subconto, currency, amount_dr, amount_cr FROM accum.gl_balances ORDER BY 1, 2;
SELECT movements_count FROM accum.register_list() WHERE name = 'gl';
SELECT accum.register_stats('gl') -> 'movements_count', accum.register_stats('gl') -> 'cache_rows';
SELECT check_type, status FROM accum.register_verify('gl');
SELECT accum.register_ledger_verify('gl');

-- Which subcontos are one cell: those that are equal as jsonb.
SELECT accum.register_create('same', '{}', '{"n": "bigint"}', kind => 'ledger');
SELECT accum.register_post('same', (SELECT jsonb_agg(jsonb_build_object('recorder', 'd', 'period', '2026-05-03', 'account_dr', 'a', 'subconto_dr', s::jsonb, 'account_cr', 'b', 'n', 1))
    FROM (VALUES ('{"a": 1, "b": 2}'), ('{"b": 2.00, "a": 1.0}'), ('{"a": 1e0, "b": 2, "a": 1}'), ('{"a": 1, "b": "2"}'),
                 ('{"a": 1}'), ('{"a": 1, "b": null}'), ('{"a": true}'), ('{"a": "1"}'), ('{}'), ('{"A": 1}'), ('{"a": 1.5}')) AS v (s)));
SELECT subconto, n_dr FROM accum.same_balances WHERE account = 'a' ORDER BY 1, 2;
-- Both sides of a movement may be one cell.
SELECT accum.register_post('same', '{"recorder": "self", "period": "2026-05-03", "account_dr": "c", "account_cr": "c", "n": 7}');
SELECT account, n_dr, n_cr, movements_count FROM accum.same_totals_year WHERE account = 'c';
SELECT accum.register_stats('same') -> 'movements_count';
SELECT check_type, status FROM accum.register_verify('same');

-- What is wrong with a movement.
SELECT left(t, 70), pg_temp.try('SELECT accum.register_post(''gl'', ''{"recorder": "x", "period": "2026-05-03", "currency": "EUR", ' || t || '}'')') FROM (VALUES
    ('"account_cr": "2"'), ('"account_dr": "1"'), ('"account_dr": "", "account_cr": "2"'),
    ('"account_dr": null, "account_cr": "2"'), ('"account_dr": "1", "account_cr": "2", "subconto_dr": null'),
    ('"account_dr": "1", "account_cr": "2", "subconto_cr": [1]'), ('"account_dr": "1", "account_cr": "2", "subconto_cr": "{}"'),
    ('"account_dr": "1", "account_cr": "2", "subconto_cr": {"a": {}}'), ('"account_dr": "1", "account_cr": "2", "subconto_cr": {"a": [1]}'),
    ('"account_dr": "1", "account_cr": "2", "account": "3"'), ('"account_dr": "1", "account_cr": "2", "quantity": 3'),
    ('"account_dr": "1", "account_cr": "2", "amount": "NaN"'), ('"account_dr": "1", "account_cr": "2", "amount": true'),
    ('"account_dr": "1", "account_cr": "2", "subconto_dr": {"a": "' || repeat('x', 2000) || '"}')
) AS v (t);
SELECT left(t, 70), pg_temp.try('INSERT INTO accum.gl_movements (recorder, period, account_dr, subconto_dr, account_cr, amount) VALUES (''x'', ''2026-05-03'', ' || t || ')') FROM (VALUES
    ('NULL, ''{}'', ''2'', 1'), (''''', ''{}'', ''2'', 1'), ('''1'', NULL, ''2'', 1'), ('''1'', ''[]'', ''2'', 1'), ('''1'', ''{"a": []}'', ''2'', 1'), ('''1'', ''3'', ''2'', 1'), ('''1'', ''{}'', ''2'', ''NaN'''), ('''1'', ''{}'', repeat(''x'', 2001), 1')
) AS v (t);
SELECT t, pg_temp.try(t) FROM (VALUES
    ('SELECT accum.gl_turnover(group_by => ''["account_dr"]'')'),
    ('SELECT accum.gl_turnover(dimensions => ''{"currency": {}}'')'),
    ('SELECT accum.gl_balance(dimensions => ''{"amount": 1}'')'),
    ('SELECT count(*) FROM accum.gl_trial_balance(''2026-05-01''::date, NULL, ''{"x": 1}'')'),
    ('SELECT count(*) FROM accum.gl_account_statement(''51'', ''2026-05-01''::date, NULL, NULL, ''[]'')'),
    ('SELECT count(*) FROM accum.gl_correspondence(dimensions => ''{"account_dr": "1"}'')'),
    ('UPDATE accum.gl_movements SET amount = 1'),
    ('DELETE FROM accum.gl_balance_cache'),
    ('SELECT accum.register_ledger_verify(''nothing'')'),
    ('SELECT accum.register_reconcile(''gl'', ''count'', ''2026-05-03'', ''[]'')'),
    ('SELECT count(*) FROM accum._statement(''accum.gl_movements'', NULL, NULL, NULL, NULL, NULL, false) AS (unit_start date)')
) AS v (t);
SELECT accum.register_create('stock', '{"w": "int"}', '{"n": "int"}');
SELECT pg_temp.try('SELECT accum.register_ledger_verify(''stock'')');

-- What else works as in other registers.
SELECT accum.register_post('gl', '{"recorder": "once", "period": "2026-05-06", "account_dr": "1", "subconto_dr": {"a": 1, "b": 2}, "account_cr": "2", "currency": null, "amount": 3}', p_once => true);
SELECT accum.register_post('gl', '{"recorder": "once", "period": "2026-05-06", "account_dr": "1", "subconto_dr": {"b": 2.0, "a": 1}, "account_cr": "2", "currency": null, "amount": 3}', p_once => true);
SELECT pg_temp.try('SELECT accum.register_post(''gl'', ''{"recorder": "once", "period": "2026-05-06", "account_dr": "1", "subconto_dr": {"b": 2.0, "a": 1}, "account_cr": "2", "currency": null, "amount": 4}'', p_once => true)');
SELECT accum.register_preview('gl', 'once', '{"period": "2026-05-06", "account_dr": "1", "subconto_dr": {"a": 1, "b": 2}, "account_cr": "3", "currency": null, "amount": 3}');
SELECT accum.register_close('gl', '2026-05-31', '{"account": "62.01"}');
SELECT pg_temp.try('SELECT accum.register_post(''gl'', ''{"recorder": "late", "period": "2026-05-31", "account_dr": "51", "account_cr": "62.01", "currency": "EUR"}'')');
SELECT pg_temp.try('SELECT accum.register_post(''gl'', ''{"recorder": "late", "period": "2026-05-31", "account_dr": "62.01", "account_cr": "90", "currency": "EUR"}'')');
SELECT pg_temp.try('SELECT accum.register_unpost(''gl'', ''invoice:1'')');
SELECT pg_temp.try('SELECT accum.register_post(''gl'', ''{"recorder": "late", "period": "2026-05-31", "account_dr": "51", "account_cr": "90", "currency": "EUR"}'')');
SELECT accum.register_reopen('gl', '-infinity', '{"account": "62.01"}');

-- Limits are of each side's cell.
SELECT accum.register_alter('gl', limits => '[{"name": "no_overdraft", "check": "account <> ''51'' OR amount_dr >= amount_cr"}]');
SELECT pg_temp.try('SELECT accum.register_post(''gl'', ''{"recorder": "spend", "period": "2026-05-07", "account_dr": "60", "account_cr": "51", "currency": "EUR", "amount": 1000}'')');
SELECT pg_temp.try('SELECT accum.register_post(''gl'', ''{"recorder": "spend", "period": "2026-05-07", "account_dr": "51", "account_cr": "60", "currency": "EUR", "amount": 1000}'')');
SELECT pg_temp.try('SELECT accum.register_unpost(''gl'', ''spend'')');
SELECT accum.register_alter('gl', limits => '[]');

-- Columns added, mode changed, deltas folded.
SELECT accum.register_alter('gl', add_dimensions => '{"branch": "int"}', add_resources => '[{"name": "base", "type": "numeric"}, {"name": "pieces", "type": "int", "balanced": false}]', high_write => true);
SELECT accum.register_post('gl', '{"recorder": "wide", "period": "2026-05-08", "account_dr": "10", "account_cr": "60", "currency": "EUR", "amount": 7, "base": 8, "pieces_dr": 9, "branch": 1}');
SELECT account, branch, amount_dr, amount_cr, base_dr, base_cr, pieces_dr, pieces_cr FROM accum.gl_balances WHERE branch = 1 ORDER BY 1;
SELECT count(*) FROM accum.gl_get_balance('10', p_branch => 1);
SELECT accum.register_ledger_verify('gl');
SELECT accum._delta_flush_register('gl');
SELECT account, branch, amount_dr, amount_cr, base_dr, base_cr, pieces_dr, pieces_cr FROM accum.gl_balances WHERE branch = 1 ORDER BY 1;
SELECT check_type, status FROM accum.register_verify('gl');
SELECT accum.register_alter('gl', high_write => false);

-- What verify finds, and what mends it.
SET session_replication_role = replica;
UPDATE accum.gl_balance_cache SET amount_dr = amount_dr + 1 WHERE account = '10';
SET session_replication_role = origin;
SELECT check_type, status, expected ->> 'amount_dr', actual ->> 'amount_dr' FROM accum.register_verify('gl');
SELECT accum.register_ledger_verify('gl');
SELECT accum.register_repair('gl');
SELECT accum.register_ledger_verify('gl');
SET session_replication_role = replica;
UPDATE accum.gl_totals_month SET base_cr = base_cr + 1 WHERE account = '60';
SET session_replication_role = origin;
SELECT accum.register_ledger_verify('gl');
SELECT accum.register_rebuild_totals('gl') > 0, accum.register_rebuild_cache('gl') > 0;
SELECT accum.register_ledger_verify('gl');
-- A posting lost on both sides leaves debits equal to credits.
SET session_replication_role = replica;
DELETE FROM accum.gl_movements WHERE recorder = 'wide';
SET session_replication_role = origin;
SELECT accum.register_ledger_verify('gl');
SELECT accum.register_repair('gl');
SELECT accum.register_ledger_verify('gl');
-- What is unbalanced may differ.
SELECT sum(quantity_dr), sum(quantity_cr) FROM accum.gl_balances;

-- An account's customers are not set off against one another.
SELECT accum.register_post('gl', '[
    {"recorder": "set off", "period": "2026-07-01", "account_dr": "62.02", "subconto_dr": {"customer": 1}, "account_cr": "90", "currency": "CHF", "branch": 5, "amount": 100},
    {"recorder": "set off", "period": "2026-07-01", "account_dr": "51", "account_cr": "62.02", "subconto_cr": {"customer": 2}, "currency": "CHF", "branch": 5, "amount": 30},
    {"recorder": "set off", "period": "2026-07-02", "account_dr": "62.02", "subconto_dr": {"customer": 3}, "account_cr": "62.02", "subconto_cr": {"customer": 1}, "currency": "CHF", "branch": 5, "amount": 20}]');
SELECT account, amount_closing_dr, amount_closing_cr FROM accum.gl_trial_balance('2026-07-01'::date, '2026-07-31'::date, '{"branch": 5}');
SELECT period, account, subconto, corr_account, corr_subconto, amount_dr, amount_cr, amount_balance FROM accum.gl_account_statement('62', '2026-07-01'::date, '2026-07-31'::date, NULL, '{"branch": 5}');

-- Archived postings still count, but cannot be shown.
SELECT accum.register_post('gl', '{"recorder": "old", "period": "2020-01-15", "account_dr": "51", "account_cr": "80", "currency": "EUR", "branch": null, "amount": 1000}');
SELECT accum.register_detach_partitions('gl', (now() - timestamptz '2022-01-01 12:00+01')::interval);
SELECT movements_count FROM accum.register_list() WHERE name = 'gl';
SELECT accum.register_info('gl') -> 'archived_movements';
SELECT accum.gl_balance('80'), accum.gl_balance('80', at_date => '2020-01-31 23:00+00');
SELECT account, amount_turnover_dr, amount_turnover_cr FROM accum.gl_trial_balance('2020-01-01'::date, '2020-12-31'::date);
SELECT pg_temp.try('SELECT count(*) FROM accum.gl_account_statement(''51'', NULL::date, NULL)');
SELECT pg_temp.try('SELECT count(*) FROM accum.gl_correspondence()');
SELECT pg_temp.try('SELECT accum.gl_balance(''80'', at_date => ''2020-01-15 10:00'')');
SELECT recorder, amount_balance FROM accum.gl_account_statement('90', '2026-01-01'::date, NULL, NULL, '{"currency": "EUR"}');
SELECT count(*) FILTER (WHERE status <> 'OK'), accum.register_ledger_verify('gl') FROM accum.register_verify('gl');

-- An ordinary role.
CREATE ROLE regress_ledger_clerk;
GRANT INSERT, SELECT, DELETE ON accum.gl_movements TO regress_ledger_clerk;
SET ROLE regress_ledger_clerk;
SELECT accum.register_post('gl', '{"recorder": "clerk", "period": "2026-05-09", "account_dr": "71", "account_cr": "50", "currency": "EUR", "amount": 7, "branch": 1}');
SELECT pg_temp.try('SELECT * FROM accum.gl_get_balance(''71'')');
SELECT pg_temp.try('SELECT accum.register_ledger_verify(''gl'')');
RESET ROLE;
GRANT SELECT ON accum.gl_balances, accum.gl_balance_cache, accum.gl_balance_cache_delta, accum.gl_totals_day, accum.gl_totals_month, accum.gl_totals_year TO regress_ledger_clerk;
SET ROLE regress_ledger_clerk;
SELECT * FROM accum.gl_get_balance('71');
SELECT accum.register_ledger_verify('gl');
SELECT accum.register_unpost('gl', 'clerk');
RESET ROLE;

SELECT pg_temp.try('SELECT accum.register_clear(''gl'', true)');
SELECT accum.register_clear('same', true);
SELECT count(*) FROM accum.same_balance_cache;
SELECT accum.register_drop('gl', true), accum.register_drop('same'), accum.register_drop('stock');
DROP TABLE accum.gl_movements_2020_01;
SELECT count(*) FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname LIKE 'gl\_%';
SELECT count(*) FROM pg_proc WHERE pronamespace = 'accum'::regnamespace AND proname LIKE 'gl\_%';
DROP OWNED BY regress_ledger_clerk;
DROP ROLE regress_ledger_clerk;

-- A ledger of the greatest width can be made, written and read, and gets no wider.
SELECT accum.register_create('wide', (SELECT jsonb_object_agg('d' || i, 'int') FROM generate_series(1, 97) AS i), '{"amount": "int"}', kind => 'ledger');
SELECT accum.register_alter('wide', add_dimensions => '{"d98": "int"}');
SELECT pg_temp.try('SELECT accum.register_alter(''wide'', add_dimensions => ''{"d99": "int"}'')');
SELECT accum.register_post('wide', (SELECT jsonb_object_agg('d' || i, i) FROM generate_series(1, 98) AS i) || '{"recorder": "d", "period": "2026-05-03", "account_dr": "1", "account_cr": "2", "amount": 5}');
SELECT * FROM accum.wide_get_balance('1', p_d98 => 98);
SELECT accum.register_drop('wide', true);

-- Whatever name there is in the SQL of a ledger, or in a posting, is refused as that of a
-- dimension, or is one like any other; the same for attributes.
CREATE TEMP TABLE words AS
    SELECT w[1] AS word FROM regexp_matches(accum.register_create_sql('names', '{"d": "text"}', '{"amount": "numeric(18,2)"}', kind => 'ledger', chart => 'strict', high_write => true), '\m[a-z][a-z0-9_]*\M', 'g') AS w
    UNION SELECT unnest('{entries,debit,credit}'::text[]);
CREATE FUNCTION pg_temp.refusal(dimension jsonb, attribute jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT nullif(pg_temp.try(format('SELECT accum.register_create_sql(''names'', %L, ''{"amount": "numeric(18,2)"}'', kind => ''ledger'', chart => ''strict'', attributes => %L) IS NULL', dimension, attribute)), 'ok: false') $$;
ALTER TABLE words ADD refused text;
UPDATE words SET refused = pg_temp.refusal(jsonb_build_object(word, 'text'), '{}');
SELECT word, split_part(refused, E'\n', 1) FROM words WHERE refused IS NOT NULL ORDER BY word COLLATE "C";
SELECT word FROM words WHERE (refused IS NULL) <> (pg_temp.refusal('{}', jsonb_build_object(word, 'text')) IS NULL);
DO $$
DECLARE
    batch record;
    columns jsonb;
    posting jsonb;
    answers bigint;
BEGIN
    FOR batch IN SELECT is_dimension, array_agg(word) AS words
        FROM (SELECT word, (row_number() OVER (ORDER BY word COLLATE "C") - 1) / 95 AS n FROM words WHERE refused IS NULL) AS w,
            unnest('{true,false}'::boolean[]) AS is_dimension
        GROUP BY is_dimension, n
    LOOP
        SELECT jsonb_object_agg(word, 'text') INTO columns FROM unnest(batch.words) AS word;
        PERFORM accum.register_create('names', CASE WHEN batch.is_dimension THEN columns ELSE '{}' END, '{"amount": "numeric(18,2)"}',
            kind => 'ledger', chart => 'open', attributes => CASE WHEN batch.is_dimension THEN '{}' ELSE columns END);
        posting := columns || '{"recorder": "d", "period": "2026-05-03"}';
        PERFORM accum.register_post('names', posting || '{"account_dr": "1", "account_cr": "2", "amount": 5}');
        PERFORM accum.register_repost('names', 'd', posting || '{"entries": [{"account": "1", "debit": {"amount": 6}}, {"account": "2", "credit": {"amount": 6}}]}');
        SELECT (SELECT count(*) FROM accum.names_balances WHERE abs(amount_dr - amount_cr) = 6)
            + (SELECT count(*) FROM accum.names_balances_at(date '2026-05-03'))
            + (SELECT count(*) FROM accum.names_get_balance('1') WHERE balance = 6)
            + (SELECT count(*) FROM accum.names_trial_balance(date '2026-05-01', '2026-05-31', CASE WHEN batch.is_dimension THEN columns END))
            + (SELECT count(*) FROM accum.names_account_statement('1', date '2026-05-01', '2026-05-31', dimensions => CASE WHEN batch.is_dimension THEN columns END))
            + (SELECT count(*) FROM accum.names_correspondence(date '2026-05-01', '2026-05-31'))
            + (SELECT count(*) FROM accum.names_movements('d'))
            + (SELECT count(*) FROM accum.register_verify('names') WHERE status <> 'OK')
        INTO answers;
        IF answers <> 10 OR (accum.names_balance('1') ->> 'amount_balance')::numeric <> 6 THEN
            RAISE EXCEPTION 'wrong answers: %', answers;
        END IF;
        PERFORM accum.register_drop('names', true);
    END LOOP;
END $$;
