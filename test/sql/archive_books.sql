--
-- Retries, counts and repairs of registers whose old movements are archived.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
SET pg_accumulator.partitions_ahead = 0;
CREATE FUNCTION pg_temp.line(recorder text, period text, place text, n int) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('recorder', recorder, 'period', period, 'place', place, 'n', n) $$;
CREATE TEMP TABLE register (name text, options text);
INSERT INTO register VALUES ('arch', ''), ('arch_hw', ', high_write => true'), ('arch_kept', ', history => true, totals_period => ''month'''), ('arch_flow', ', kind => ''turnover''');
SELECT format('SELECT accum.register_create(%L, ''{"place": "text"}'', ''{"n": "int"}''%s)', name, options) FROM register \gexec
SELECT name, accum.register_post(name, (SELECT jsonb_agg(pg_temp.line('d' || i % 40, (date '2021-01-05' + i * 4)::text, 'p' || i % 3, i % 9 - 2)) FROM generate_series(1, 120) AS i)) FROM register ORDER BY 1;
SELECT name, accum.register_post(name, jsonb_build_array(pg_temp.line('old', '2021-02-01', 'p1', 5), pg_temp.line('new', '2022-02-01', 'p1', 5), pg_temp.line('both', '2021-03-01', 'p1', 1), pg_temp.line('both', '2022-03-01', 'p1', 1)), true) FROM register ORDER BY 1;
CREATE FUNCTION pg_temp.answers(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
    part text;
BEGIN
    EXECUTE format('SELECT string_agg(t::text, ''|'' ORDER BY t) FROM accum.%I(date ''2021-01-01'', date ''2022-12-31'', group_by => ''"place"'', unit => ''month'') AS t', name || '_statement') INTO result;
    IF to_regclass('accum.' || name || '_balances') IS NOT NULL THEN
        EXECUTE format('SELECT string_agg(place || n, ''|'' ORDER BY place) FROM accum.%I', name || '_balances') INTO part;
    END IF;
    RETURN md5(concat_ws('|', result, part));
END $$;
CREATE TEMP TABLE said AS SELECT name, pg_temp.answers(name) AS answers FROM register;
SELECT name, accum.register_detach_partitions(name, now() - timestamptz '2022-01-01 12:00') FROM register ORDER BY 1;
SELECT name, archived_before, archived_movements FROM accum._registers WHERE name ~ '^arch' ORDER BY 1;
SELECT bool_and(answers = pg_temp.answers(name)) FROM said;

-- A retry of what is archived is refused, as it cannot be compared; others are retries.
SELECT pg_temp.try($$SELECT accum.register_post('arch', pg_temp.line('old', '2021-02-01', 'p1', 5), true)$$);
SELECT pg_temp.try($$SELECT accum.register_post('arch', pg_temp.line('old', '2022-02-01', 'p1', 5), true)$$);
SELECT pg_temp.try($$SELECT accum.register_post('arch', pg_temp.line('both', '2022-03-01', 'p1', 1), true)$$);
SELECT pg_temp.try($$SELECT accum.register_post('arch', jsonb_build_array(pg_temp.line('new', '2022-02-01', 'p1', 5), pg_temp.line('both', '2022-03-01', 'p1', 1)), true)$$);
SELECT name, accum.register_post(name, pg_temp.line('new', '2022-02-01', 'p1', 5), true) FROM register ORDER BY 1;
SELECT pg_temp.try($$SELECT accum.register_post('arch', pg_temp.line('new', '2022-02-01', 'p1', 6), true)$$);
SELECT bool_and(answers = pg_temp.answers(name)) FROM said;

-- A count of archived time is refused, one of later counts on what is archived.
SELECT name, pg_temp.try(format($$SELECT count(*) FROM accum.register_reconcile(%L, 'count', '2021-06-30 00:00 UTC', '{"place": "p1", "n": 7}')$$, name)) FROM register ORDER BY 1;
SELECT name, pg_temp.try(format($$SELECT count(*) FROM accum.register_reconcile(%L, 'count', '2021-06-30 00:00 UTC', '[]', '{}')$$, name)) FROM register ORDER BY 1;
SELECT name, pg_temp.try(format($$SELECT count(*) FROM accum.register_reconcile(%L, 'count', '2021-12-31 00:00 UTC', '[]', '{"place": "p2"}')$$, name)) FROM register ORDER BY 1;
SELECT pg_temp.try($$SELECT count(*) FROM accum.register_reconcile('arch', 'both', '2022-06-30 00:00 UTC', '{"place": "p1", "n": 7}')$$);
SELECT bool_and(answers = pg_temp.answers(name)) FROM said;
SELECT name, accum.register_reconcile(name, 'count', '2022-06-30 00:00 UTC', '{"place": "p1", "n": 7}', '{}') ->> 'n' FROM register WHERE name <> 'arch_flow' ORDER BY 1, 2;
SELECT name, accum.register_reconcile(name, 'count', '2022-01-01 00:00 UTC', '[{"place": "p1", "n": 8}, {"place": "p2", "n": 0}]') ->> 'n' FROM register WHERE name <> 'arch_flow' ORDER BY 1, 2;
SELECT accum.arch_balance('{"place": "p1"}', date '2022-01-01'), accum.arch_hw_balance('{"place": "p1"}', date '2022-01-01'), accum.arch_kept_balance('{"place": "p1"}', '2022-01-01 23:59:59.999999Z');
SELECT name, accum.register_unpost(name, 'count') FROM register ORDER BY 1;
SELECT bool_and(answers = pg_temp.answers(name)) FROM said;

-- What is wrong is mended from what is archived where there are no movements any more.
CREATE FUNCTION pg_temp.spoil(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('accum.' || name || '_balance_cache') IS NOT NULL THEN
        EXECUTE format('UPDATE accum.%I SET n = n + 1 WHERE place = ''p1''; DELETE FROM accum.%1$I WHERE place = ''p2''', name || '_balance_cache');
    END IF;
    EXECUTE format('UPDATE accum.%I SET n_receipt = n_receipt + 3, movements_count = 0 WHERE period = ''2021-01-01'' AND place = ''p0''', name || '_totals_year');
    EXECUTE format('DELETE FROM accum.%I WHERE period = ''2022-02-01'' AND place = ''p1''', name || '_totals_month');
    IF name <> 'arch_kept' THEN
        EXECUTE format('UPDATE accum.%I SET n = 77 WHERE period = ''2021-05-01'' AND place = ''p2''', name || '_totals_month');
        EXECUTE format('INSERT INTO accum.%I SELECT 5, ''2022-05-05'', ''p9'', 4, 4, 1', name || '_totals_day');
    END IF;
END $$;
SELECT accum.register_post('arch_hw', pg_temp.line('late', '2022-07-01', 'p2', 9)), accum._delta_count('arch_hw') > 0;
UPDATE said SET answers = pg_temp.answers(name);
SET session_replication_role = replica;
SELECT pg_temp.spoil(name) FROM register;
RESET session_replication_role;
SELECT name, check_type, period, status FROM register, accum.register_verify(name) ORDER BY 1, 2, 3, 4;
SELECT name, accum.register_repair(name) FROM register ORDER BY 1;
SELECT name, string_agg(DISTINCT status, ' ') FROM register, accum.register_verify(name) GROUP BY 1 ORDER BY 1;
SELECT bool_and(answers = pg_temp.answers(name)) FROM said;
-- The finest totals of archived time are what is known of it: they are not found wrong.
SET session_replication_role = replica;
UPDATE accum.arch_totals_day SET n = n + 1 WHERE period = (SELECT min(period) FROM accum.arch_totals_day WHERE place = 'p1') AND place = 'p1';
RESET session_replication_role;
SELECT check_type, period, status FROM accum.register_verify('arch') ORDER BY 1, 2;
SELECT accum.register_repair('arch');
SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('arch');
SELECT accum.register_drop(name, true) FROM register;
DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT oid FROM pg_class WHERE relname ~ '^arch.*_movements_2021_' AND relkind = 'r' LOOP
        EXECUTE format('DROP TABLE %s', partition);
    END LOOP;
END $$;
