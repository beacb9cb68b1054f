-- Charts of accounts: what a strict one refuses, and what reads an account's type and name.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

SELECT t, pg_temp.try(t) FROM (VALUES
    ('SELECT accum.register_create(''bad'', ''{}'', ''{"amount": "int"}'', chart => ''strict'')'),
    ('SELECT accum.register_create(''bad'', ''{}'', ''{"amount": "int"}'', kind => ''ledger'', chart => ''lax'')'),
    ('SELECT accum.register_create(''bad'', ''{"account_name": "text"}'', ''{"amount": "int"}'', kind => ''ledger'', chart => ''open'')')
) AS v (t);
SELECT accum.register_create('gl', '{"currency": "text", "branch": "int"}', '{"amount": "numeric(18,2)"}', kind => 'ledger', chart => 'strict');
SELECT accum.register_info('gl') -> 'chart', accum.register_info('gl') -> 'tables' -> 'accounts';
SELECT chart FROM accum._registers WHERE name = 'gl';

SELECT t, pg_temp.try(t) FROM (VALUES
    ('INSERT INTO accum.gl_accounts (account, name) VALUES (''62.01'', ''no account above'')'),
    ('INSERT INTO accum.gl_accounts (account) VALUES ('''')'),
    ('INSERT INTO accum.gl_accounts (account, type) VALUES (''1'', ''other'')'),
    ('INSERT INTO accum.gl_accounts (account, dimensions) VALUES (''1'', ''{"city": 1}'')'),
    ('INSERT INTO accum.gl_accounts (account, dimensions) VALUES (''1'', ''{"branch": "x"}'')'),
    ('INSERT INTO accum.gl_accounts (account, dimensions) VALUES (''1'', ''[]'')'),
    ('INSERT INTO accum.gl_accounts (account, name, type, dimensions) VALUES (''51'', ''Bank'', ''active'', ''{}''), (''62'', ''Customers'', ''active_passive'', ''{}''), (''62.01'', ''Invoices'', ''active_passive'', ''{}''), (''62.01.1'', ''At home'', ''active_passive'', ''{"currency": "EUR"}''), (''62.02'', ''Prepayments'', ''active_passive'', ''{"branch": null}''), (''90'', ''Sales'', ''passive'', ''{}''), (''80'', ''Old'', ''passive'', ''{}'')'),
    ('DELETE FROM accum.gl_accounts WHERE account = ''62.01'''),
    ('TRUNCATE accum.gl_accounts')
) AS v (t);
SELECT * FROM accum.gl_accounts ORDER BY account;

CREATE FUNCTION pg_temp.post(dr text, cr text, rest text DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT accum.register_post(''gl'', %L)', jsonb_build_object('recorder', 'd', 'period', '2026-05-03', 'account_dr', dr, 'account_cr', cr, 'currency', 'EUR', 'branch', 1, 'amount', 10) || rest::jsonb)) $$;
SELECT dr, cr, rest, pg_temp.post(dr, cr, rest) FROM (VALUES
    ('51', '90', '{}'), ('62.01.1', '90', '{}'), ('51', '62.02', '{"branch": null}'),
    ('99', '90', '{}'), ('51', '99', '{}'), ('62', '90', '{}'), ('51', '62.01', '{}'),
    ('62.01.1', '90', '{"currency": "USD"}'), ('51', '62.02', '{}'), ('51', '62.02', '{"currency": null, "branch": null}')
) AS v (dr, cr, rest);
SELECT t, pg_temp.try(t) FROM (VALUES
    ('SELECT accum.register_preview(''gl'', NULL, ''{"recorder": "i", "period": "2026-05-03", "account_dr": "51", "account_cr": "99", "currency": null, "branch": null, "amount": 1}'')'),
    ('SELECT count(*) FROM accum.register_preview(''gl'', NULL, ''{"recorder": "i", "period": "2026-05-03", "account_dr": "51", "account_cr": "90", "currency": null, "branch": null, "amount": 1}'')'),
    ('SELECT accum.register_preview(''gl'', ''d'', ''{"period": "2026-05-03", "account_dr": "62", "account_cr": "90", "currency": null, "branch": null, "amount": 1}'')'),
    ('INSERT INTO accum.gl_movements (recorder, period, account_dr, account_cr, amount) VALUES (''i'', ''2026-05-03'', ''51'', ''99'', 1)'),
    ('INSERT INTO accum.gl_movements (recorder, period, account_dr, account_cr, amount) VALUES (''i'', ''2026-05-03'', ''51'', ''90'', 1)'),
    ('SELECT accum.register_repost(''gl'', ''i'', ''{"period": "2026-05-03", "account_dr": "62", "account_cr": "90", "currency": null, "branch": null, "amount": 1}'')')
) AS v (t);

-- Programs are told by the fields of the error what has refused a posting.
UPDATE accum.gl_accounts SET closed = true WHERE account = '80';
SELECT dr, pg_temp.try_fields(format('SELECT accum.register_post(''gl'', %L)', jsonb_build_object('recorder', 'd', 'period', '2026-05-03', 'account_dr', dr, 'account_cr', '90', 'currency', 'USD', 'branch', 1, 'amount', 10)))
FROM (VALUES ('99'), ('62'), ('80'), ('62.01.1')) AS v (dr);
UPDATE accum.gl_accounts SET closed = false WHERE account = '80';

-- Types decide on which side a balance is shown, and its sign.
SELECT account, account_name, currency, branch, amount_closing_dr, amount_closing_cr FROM accum.gl_trial_balance(NULL::date, NULL);
SELECT account, account_name, amount_closing_dr, amount_closing_cr FROM accum.gl_trial_balance(NULL::date, NULL, '{"branch": 1}', 1);
SELECT accum.gl_balance('90'), accum.gl_balance('51'), accum.gl_balance('62'), accum.gl_balance();
UPDATE accum.gl_accounts SET type = 'active' WHERE account = '90';
SELECT account, account_name, amount_closing_dr, amount_closing_cr FROM accum.gl_trial_balance(NULL::date, NULL, '{"branch": 1}');
UPDATE accum.gl_accounts SET type = 'passive' WHERE account = '90';

-- An account that is closed, or has others below it now, takes nothing new; what it has stays.
UPDATE accum.gl_accounts SET closed = true WHERE account = '90';
SELECT pg_temp.post('51', '90');
SELECT accum.register_repost('gl', 'd', (SELECT jsonb_agg(m - 'id' - 'recorded_at' - 'dim_hash_dr' - 'dim_hash_cr' - 'movement_type') FROM accum.gl_movements('d') AS m));
SELECT pg_temp.try('SELECT accum.register_repost(''gl'', ''d'', ''{"period": "2026-05-03", "account_dr": "51", "account_cr": "90", "currency": "EUR", "branch": 1, "amount": 11}'')');
UPDATE accum.gl_accounts SET closed = false WHERE account = '90';
SELECT pg_temp.post('51', '90');
BEGIN;
INSERT INTO accum.gl_accounts (account) VALUES ('90.01');
SELECT pg_temp.post('51', '90');
SELECT pg_temp.post('51', '90.01');
ROLLBACK;
SELECT pg_temp.post('51', '90');
SELECT pg_temp.post('51', '90.01');
SELECT accum.register_unpost('gl', 'i');

-- A trigger that changes the chart is obeyed within the same call, also when that knows an older one.
CREATE FUNCTION accum.chart_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO accum.gl_accounts (account) VALUES (NEW.account_dr) ON CONFLICT DO NOTHING;
    UPDATE accum.gl_accounts SET closed = true WHERE account = NEW.account_cr AND account = '80';
    RETURN NEW;
END $$;
CREATE TRIGGER chart_trigger BEFORE INSERT ON accum.gl_movements FOR EACH ROW EXECUTE FUNCTION accum.chart_trigger();
BEGIN;
SELECT pg_temp.post('51', '90');
SELECT accum.register_repost('gl', 'd', '{"period": "2026-05-03", "account_dr": "71", "account_cr": "90", "currency": "EUR", "branch": 1, "amount": 1}') > 0;
SELECT pg_temp.try('SELECT accum.register_repost(''gl'', ''d'', ''{"period": "2026-05-03", "account_dr": "71", "account_cr": "80", "currency": "EUR", "branch": 1, "amount": 1}'')');
ROLLBACK;
DROP TRIGGER chart_trigger ON accum.gl_movements;
DROP FUNCTION accum.chart_trigger();

-- Who posts need not read the chart, and is not told what it says.
CREATE ROLE regress_chart_clerk;
SELECT accum.register_grant('gl', 'regress_chart_clerk', 'post');
SET ROLE regress_chart_clerk;
SELECT pg_temp.post('51', '90');
SELECT pg_temp.post('62.01.1', '90', '{"currency": "USD"}');
SELECT pg_temp.try('SELECT * FROM accum.gl_accounts');
RESET ROLE;
SELECT accum.register_grant('gl', 'regress_chart_clerk', 'read');
SET ROLE regress_chart_clerk;
SELECT pg_temp.post('62.01.1', '90', '{"currency": "USD"}');
SELECT count(*) FROM accum.gl_trial_balance(NULL::date, NULL);
SELECT pg_temp.try('INSERT INTO accum.gl_accounts (account) VALUES (''x'')');
RESET ROLE;

-- The functions of charts are of use for charts only.
CREATE TABLE other (i int);
CREATE TRIGGER other BEFORE INSERT ON other FOR EACH STATEMENT EXECUTE FUNCTION accum._chart_changes();
SELECT pg_temp.try('INSERT INTO other VALUES (1)');
DROP TRIGGER other ON other;
CREATE TRIGGER other BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION accum._chart_changes();
SELECT pg_temp.try('INSERT INTO other VALUES (1)');
DROP TABLE other;
CREATE TRIGGER other AFTER UPDATE ON accum.gl_accounts FOR EACH STATEMENT EXECUTE FUNCTION accum._chart_changes();
SELECT pg_temp.try('UPDATE accum.gl_accounts SET name = ''x''');
DROP TRIGGER other ON accum.gl_accounts;
SELECT pg_temp.try('DROP TABLE accum.gl_accounts CASCADE');

-- An open chart has names and types, and refuses nothing.
SELECT accum.register_create('free', '{}', '{"amount": "int"}', kind => 'ledger', chart => 'open', high_write => true);
INSERT INTO accum.free_accounts (account, name, type, closed) VALUES ('1', 'One', 'active', true);
SELECT accum.register_post('free', '{"recorder": "d", "period": "2026-05-03", "account_dr": "1", "account_cr": "2", "amount": 5}');
SELECT account, account_name, amount_closing_dr, amount_closing_cr FROM accum.free_trial_balance(NULL::date, NULL);
-- What is wrong with new rows is found, however they come.
SELECT t, pg_temp.try(t) FROM (VALUES
    ('INSERT INTO accum.free_accounts (account, dimensions) SELECT i::text, CASE i WHEN 9 THEN ''{"x": 1}'' ELSE ''{}'' END::jsonb FROM generate_series(2, 9) AS i'),
    ('INSERT INTO accum.free_accounts (account) VALUES (''1'') ON CONFLICT (account) DO UPDATE SET dimensions = ''{"x": 1}'''),
    ('MERGE INTO accum.free_accounts a USING (VALUES (''1''), (''2'')) AS v (account) ON a.account = v.account WHEN MATCHED THEN UPDATE SET dimensions = ''{"x": 1}'' WHEN NOT MATCHED THEN INSERT (account) VALUES (v.account)'),
    ('UPDATE accum.free_accounts SET dimensions = ''{"x": 1}'' WHERE false'),
    ('UPDATE accum.free_accounts SET dimensions = ''{"x": 1}''')
) AS v (t);
SELECT account FROM accum.free_accounts;
-- A statement that changes no account leaves what sessions know of the register, and none reads all accounts.
CREATE FUNCTION pg_temp.read(relation text) RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_all_tables WHERE relid = relation::regclass $$;
BEGIN;
INSERT INTO accum.free_accounts (account) VALUES ('1') ON CONFLICT DO NOTHING;
SELECT pg_temp.read('accum._registers') AS known \gset
INSERT INTO accum.free_accounts (account) VALUES ('1') ON CONFLICT DO NOTHING;
UPDATE accum.free_accounts SET closed = true WHERE account = '2';
SELECT pg_temp.read('accum._registers') = :known AS still_known;
INSERT INTO accum.free_accounts (account) SELECT i FROM generate_series(2, 101) AS i;
INSERT INTO accum.free_accounts (account) VALUES ('102');
SELECT pg_temp.read('accum._registers') > :known AS read_anew, pg_temp.read('accum.free_accounts') < 10 AS little_read;
ROLLBACK;
-- Clearing leaves the chart, dropping does not.
SELECT accum.register_clear('free', true);
SELECT count(*) FROM accum.free_accounts;
SELECT accum.register_alter('free', add_dimensions => '{"d": "int"}');
SELECT accum.register_drop('free'), accum.register_drop('gl', true);
SELECT count(*) FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname ~ '^(gl|free)_';
DROP OWNED BY regress_chart_clerk;
DROP ROLE regress_chart_clerk;
