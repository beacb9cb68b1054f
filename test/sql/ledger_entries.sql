-- Postings with several lines.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

SELECT accum.register_create('gl', '[{"name": "currency", "type": "text"}, {"name": "branch", "type": "int"}]',
    '[{"name": "amount", "type": "numeric(18,2)"}, {"name": "base", "type": "bigint"}, {"name": "quantity", "type": "int", "balanced": false}]',
    kind => 'ledger', attributes => '{"note": "text"}');
CREATE VIEW stored AS SELECT recorder, account_dr, subconto_dr, account_cr, subconto_cr, currency, branch, amount, base, quantity_dr, quantity_cr, note FROM accum.gl_movements ORDER BY id;

-- One debit, several credits, and the other way round; what stands beside the lines is of all.
SELECT accum.register_post('gl', '{"recorder": "one:many", "period": "2026-05-03", "currency": "EUR", "branch": 1, "note": "n", "entries": [
    {"account": "62", "subconto": {"customer": 1}, "debit": {"amount": 119, "base": 120, "quantity": 9}},
    {"account": "90", "subconto": {"item": "a"}, "credit": {"amount": "60", "base": 61, "quantity": 2}},
    {"account": "90", "subconto": {"item": "b"}, "credit": {"amount": 40, "base": 40, "quantity": 3}},
    {"account": "68", "credit": {"amount": 19, "base": 19}}]}');
SELECT accum.register_post('gl', '{"recorder": "many:one", "period": "2026-05-03", "currency": "EUR", "branch": null, "entries": [
    {"account": "20", "debit": {"amount": 1}}, {"account": "70", "credit": {"amount": 10}}, {"account": "25", "debit": {"amount": 9}}]}');
SELECT accum.register_post('gl', '{"recorder": "one:one", "period": "2026-05-03", "currency": "EUR", "branch": 1, "movement_type": "adjustment", "entries": [
    {"account": "20", "debit": {"amount": -1.005, "quantity": 5}}, {"account": "70", "credit": {"amount": -1.01, "quantity": 7}}]}');
SELECT * FROM stored;
SELECT movement_type FROM accum.gl_movements WHERE recorder = 'one:one';
SELECT accum.register_clear('gl', true);

-- Each combination of dimensions balances by itself; a line may have its own.
SELECT accum.register_post('gl', '[
    {"recorder": "mixed", "period": "2026-05-03", "account_dr": "1", "account_cr": "2", "currency": "CHF", "branch": 1, "amount": 5},
    {"recorder": "mixed", "period": "2026-05-03", "branch": 1, "entries": [
    {"account": "52", "currency": "EUR", "credit": {"amount": 100}}, {"account": "57", "currency": "EUR", "debit": {"amount": 100}},
    {"account": "52", "currency": "USD", "debit": {"amount": 110}}, {"account": "57", "currency": "USD", "credit": {"amount": 109}}, {"account": "91", "currency": "USD", "credit": {"amount": 1}},
    {"account": "1", "currency": null, "branch": null, "debit": {}}, {"account": "2", "currency": null, "branch": null, "credit": {}}]}]');
SELECT * FROM stored;
-- A posting without lines is a mistake, and takes nothing away.
SELECT t, pg_temp.try(t) FROM (VALUES
    ('SELECT accum.register_post(''gl'', ''{"recorder": "mixed", "period": "2026-05-03", "branch": 1, "currency": "CHF", "entries": []}'')'),
    ('SELECT accum.register_post(''gl'', ''[{"recorder": "mixed", "period": "2026-05-03", "account_dr": "1", "account_cr": "2", "currency": "CHF", "branch": 1}, {"entries": []}]'')'),
    ('SELECT accum.register_post(''gl'', ''{"recorder": "none", "period": "2026-05-03", "branch": 1, "currency": "CHF", "entries": []}'', p_once => true)'),
    ('SELECT accum.register_repost(''gl'', ''mixed'', ''{"recorder": "other", "bogus": 1, "entries": []}'')'),
    ('SELECT * FROM accum.register_preview(''gl'', ''mixed'', ''{"entries": []}'')')
) AS v (t);
SELECT count(*) FROM stored;
-- A repost keeps what is the same, a second post with p_once is none, a preview tells.
CREATE TEMP TABLE ids AS SELECT id FROM accum.gl_movements;
SELECT accum.register_repost('gl', 'mixed', '[{"period": "2026-05-03", "account_dr": "1", "account_cr": "2", "currency": "CHF", "branch": 1, "amount": 5}, {"period": "2026-05-03", "branch": 1, "entries": [
    {"account": "52", "currency": "EUR", "credit": {"amount": 100}}, {"account": "57", "currency": "EUR", "debit": {"amount": 100}}]}]');
SELECT count(*), count(i.id) FROM accum.gl_movements LEFT JOIN ids i USING (id);
SELECT accum.register_post('gl', '{"recorder": "once", "period": "2026-05-03", "currency": "EUR", "branch": 1, "entries": [{"account": "1", "debit": {"amount": 3}}, {"account": "2", "credit": {"amount": 1}}, {"account": "3", "credit": {"amount": 2}}]}', p_once => true);
SELECT accum.register_post('gl', '{"recorder": "once", "period": "2026-05-03", "currency": "EUR", "branch": 1, "entries": [{"account": "3", "credit": {"amount": 2}}, {"account": "2", "credit": {"amount": 1.00}}, {"account": "1", "debit": {"amount": 3}}]}', p_once => true);
SELECT accum.register_preview('gl', 'once', '{"period": "2026-05-03", "currency": "EUR", "branch": 1, "entries": [{"account": "1", "debit": {"amount": 4}}, {"account": "2", "credit": {"amount": 4}}]}');
SELECT count(*) FILTER (WHERE status <> 'OK'), accum.register_ledger_verify('gl') FROM accum.register_verify('gl');

-- What cannot be stored.
SELECT entries, pg_temp.try(format('SELECT accum.register_post(''gl'', %L)', '[{"recorder": "ok", "period": "2026-05-03", "currency": "EUR", "branch": 1, "account_dr": "1", "account_cr": "2"}, {"recorder": "bad", "period": "2026-05-03", "currency": "EUR", "branch": 1, ' || entries || '}]')) FROM (VALUES
    ('"entries": [{"account": "1", "debit": {"amount": 10}}, {"account": "2", "credit": {"amount": 9.99}}]'),
    ('"entries": [{"account": "1", "debit": {"amount": 10, "base": 1}}, {"account": "2", "credit": {"amount": 12}}]'),
    ('"entries": [{"account": "1", "debit": {"amount": 10}}, {"account": "2", "currency": "USD", "credit": {"amount": 10}}]'),
    ('"entries": [{"account": "1", "debit": {"amount": 5}}, {"account": "2", "debit": {"amount": 5}}, {"account": "3", "credit": {"amount": 4}}, {"account": "4", "credit": {"amount": 6}}]'),
    ('"entries": [{"account": "1", "debit": {"amount": 0}}]'),
    ('"entries": [{"account": "1", "debit": {"amount": 5}}, {"account": "2", "debit": {"amount": -5}}]'),
    ('"entries": {}'), ('"entries": 3'), ('"entries": [3]'), ('"entries": [{}]'),
    ('"entries": [{"debit": {"amount": 1}}]'),
    ('"entries": [{"account": "1", "debit": {"amount": 1}, "credit": {"amount": 1}}]'),
    ('"entries": [{"account": "1", "debit": 5}]'), ('"entries": [{"account": "1", "debit": [5]}]'),
    ('"entries": [{"account": "1", "debit": {"money": 5}}]'), ('"entries": [{"account": "1", "debit": {"amount": null}}]'),
    ('"entries": [{"account": "1", "debit": {"amount": "x"}}]'), ('"entries": [{"account": "1", "debit": {"amount": "NaN"}}]'),
    ('"entries": [{"account": "1", "note": "x", "debit": {"amount": 5}}]'),
    ('"entries": [{"account": "1", "branch": "x", "debit": {"amount": 5}}]'),
    ('"amount": 5, "entries": []'), ('"account_dr": "5", "entries": []'), ('"quantity_cr": 5, "entries": []'),
    ('"other": 5, "entries": [{"account": "1", "debit": {"amount": 1}}, {"account": "2", "credit": {"amount": 1}}]'),
    ('"entries": [{"account": "", "debit": {"amount": 1}}, {"account": "2", "credit": {"amount": 1}}]'),
    ('"entries": [{"account": "1", "subconto": [], "debit": {"amount": 1}}, {"account": "2", "credit": {"amount": 1}}]')
) AS v (entries);
SELECT pg_temp.try('SELECT accum.register_post(''gl'', ''{"recorder": "x", "period": "2026-05-03", "currency": "EUR", "entries": [{"account": "1", "debit": {"amount": 1}}, {"account": "2", "credit": {"amount": 1}}]}'')');
\set VERBOSITY default
\set SHOW_CONTEXT always
SELECT accum.register_post('gl', '{"recorder": "x", "period": "2026-05-03", "currency": "EUR", "branch": 1, "entries": [{"account": "1", "debit": {"amount": 1}}, {"account": "2", "credit": {"amount": "x"}}]}');
\set VERBOSITY terse
\set SHOW_CONTEXT never
SELECT pg_temp.try('SELECT accum.register_post(''gl'', ''[3]'')'), pg_temp.try('SELECT accum.register_post(''gl'', ''3'')');
SELECT count(*) FROM accum.gl_movements WHERE recorder IN ('ok', 'bad', 'x');

-- Random postings: what the lines say is what is stored.
SELECT setseed(0.5);
CREATE TEMP TABLE lines (document int, side int, account text, currency text, amount numeric, quantity int);
DO $$
DECLARE
    entries jsonb;
BEGIN
    FOR d IN 1..200 LOOP
        FOR c IN 1..1 + floor(random() * 2)::int LOOP
            INSERT INTO lines SELECT d, CASE WHEN random() < 0.5 THEN 2 ELSE 3 END, 'a' || floor(random() * 5), 'c' || c, floor(random() * 10000)::int / 100.0 - 10, floor(random() * 5) FROM generate_series(1, 1 + floor(random() * 4)::int);
            UPDATE lines SET side = (SELECT min(side) - 2 FROM lines WHERE document = d AND currency = 'c' || c) WHERE document = d AND currency = 'c' || c;
            INSERT INTO lines SELECT d, 1 - min(side), 'b', 'c' || c, sum(amount), 1 FROM lines WHERE document = d AND currency = 'c' || c;
        END LOOP;
        SELECT jsonb_agg(jsonb_build_object('account', account, 'currency', currency, CASE side WHEN 0 THEN 'debit' ELSE 'credit' END, jsonb_build_object('amount', amount, 'quantity', quantity)) ORDER BY random()) INTO entries FROM lines WHERE document = d;
        PERFORM accum.register_post('gl', jsonb_build_object('recorder', 'random' || d, 'period', '2026-05-03', 'branch', 7, 'entries', entries));
    END LOOP;
END $$;
SELECT count(*) FROM (
    SELECT account, currency, coalesce(sum(amount) FILTER (WHERE side = 0), 0), coalesce(sum(amount) FILTER (WHERE side = 1), 0), coalesce(sum(quantity) FILTER (WHERE side = 0), 0), coalesce(sum(quantity) FILTER (WHERE side = 1), 0) FROM lines GROUP BY 1, 2
    EXCEPT SELECT account, currency, amount_dr, amount_cr, quantity_dr, quantity_cr FROM accum.gl_balances WHERE branch = 7) d;
SELECT (SELECT count(*) FROM accum.gl_movements WHERE branch = 7) = (SELECT count(*) FROM lines WHERE account <> 'b'), accum.register_ledger_verify('gl');
DROP VIEW stored;
SELECT accum.register_drop('gl', true);
