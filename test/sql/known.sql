--
-- Registers with history: what was known then.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE FUNCTION pg_temp.line(recorder text, period text, place text, n int) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('recorder', recorder, 'period', period, 'place', place, 'n', n) $$;
CREATE ROLE regress_accum_auditor;
SELECT accum.register_create('known', '{"place": "text", "lot": "int"}', '{"n": "integer", "worth": "numeric(12,2)"}', history => true, time_zone => 'Asia/Tokyo');
SELECT accum.register_create('plain', '{"place": "text"}', '{"n": "integer"}');
SELECT p.proname, pg_get_function_arguments(p.oid) FROM pg_proc p WHERE pronamespace = 'accum'::regnamespace AND proname IN ('known_balance', 'known_turnover') ORDER BY 1, 2;
SELECT pg_temp.try($$SELECT accum.plain_balance(known_at => now())$$);

-- Four states: nothing, two lines, one of them corrected, all cancelled at a later date.
SELECT clock_timestamp() AS t0 \gset
SELECT accum.register_post('known', jsonb_build_array(pg_temp.line('d', '2026-01-10', 'a', 10) || '{"lot": null, "worth": 1.5}', pg_temp.line('d', '2026-01-20', 'b', 5) || '{"lot": 1}'));
SELECT clock_timestamp() AS t1 \gset
SELECT accum.register_repost('known', 'd', jsonb_build_array(pg_temp.line('d', '2026-01-10', 'a', 10) || '{"lot": null, "worth": 1.5}', pg_temp.line('d', '2026-01-20', 'b', 7) || '{"lot": 1}'));
SELECT clock_timestamp() AS t2 \gset
SELECT accum.register_unpost('known', 'd', '2026-02-05');
SELECT clock_timestamp() AS t3 \gset
CREATE TEMP TABLE moment AS SELECT * FROM (VALUES (0, :'t0'::timestamptz), (1, :'t1'), (2, :'t2'), (3, :'t3'), (4, 'infinity'), (5, '-infinity')) AS t (i, at);
SELECT i, accum.known_balance(known_at => at), accum.known_balance('{"place": "a", "lot": null}', '2026-01-31', at), accum.known_balance('{"place": "b"}', date '2026-01-31', at) FROM moment ORDER BY i;
SELECT i, t FROM moment, accum.known_turnover(date '2026-01-15', date '2026-02-28', group_by => '["place", "lot"]', known_at => at) AS t ORDER BY i, t;
SELECT i, t FROM moment, accum.known_turnover('2026-01-09 15:00Z', '2026-01-09 15:00Z', '{"lot": null}', '"place"', at) AS t ORDER BY i;
SELECT i, t FROM moment, accum.known_turnover(known_at => at) AS t ORDER BY i;
-- NULL is now, and a call without it is what it was.
SELECT accum.known_balance('{}', '2026-01-31', NULL) = accum.known_balance('{}', '2026-01-31'), accum.known_balance() = accum.known_balance(known_at => now());
SELECT pg_temp.try($$SELECT accum.known_balance('{"shelf": 1}', known_at => now())$$);
SELECT pg_temp.try($$SELECT accum.known_turnover(group_by => '"shelf"', known_at => now())$$);
-- An answer of the time is the answer of then.
SELECT accum.register_known_until('known') AS until \gset
SELECT accum.known_balance(known_at => :'until') AS answer \gset
SELECT accum.register_post('known', pg_temp.line('e', '2026-01-10', 'a', 100) || '{"lot": 1}');
SELECT accum.known_balance(known_at => :'until') = :'answer', accum.known_balance() = :'answer';

-- All that a transaction writes was known at once; a savepoint that is rolled back leaves no trace.
BEGIN;
SELECT accum.register_post('known', pg_temp.line('f', '2026-03-01', 'f', 1) || '{"lot": 1}');
SAVEPOINT s;
SELECT accum.register_repost('known', 'f', pg_temp.line('f', '2026-03-01', 'f', 2) || '{"lot": 1}');
ROLLBACK TO s;
INSERT INTO accum.known_movements (recorder, period, place, n) VALUES ('g', '2026-03-02', 'f', 3);
SELECT accum.register_unpost('known', 'f');
COMMIT;
BEGIN;
SAVEPOINT s;
SELECT accum.register_post('known', pg_temp.line('h', '2026-03-01', 'h', 1) || '{"lot": 1}');
SELECT max(recorded_at) AS taken FROM accum.known_movements WHERE recorder = 'h' \gset
ROLLBACK TO s;
SELECT accum.register_post('known', pg_temp.line('h', '2026-03-01', 'h', 1) || '{"lot": 1}');
SELECT max(recorded_at) > :'taken' AND max(recorded_at) > now() FROM accum.known_movements WHERE recorder = 'h';
COMMIT;
SELECT count(DISTINCT recorded_at), count(*) FROM accum.known_movements WHERE recorder IN ('f', 'g');
-- Each register of a transaction by itself.
SELECT accum.register_create('known2', '{}', '{"n": "integer"}', history => true);
BEGIN;
SELECT accum.register_post('known2', '{"recorder": "a", "period": "2026-01-01", "n": 1}');
SELECT accum.register_post('known', pg_temp.line('i', '2026-03-01', 'i', 1) || '{"lot": 1}');
SELECT accum.register_post('known2', '{"recorder": "b", "period": "2026-01-01", "n": 1}');
SELECT count(DISTINCT a.recorded_at), bool_and(a.recorded_at < b.recorded_at) FROM accum.known2_movements a, accum.known_movements b WHERE b.recorder = 'i';
COMMIT;
SELECT accum.register_drop('known2', true);

-- When a movement was recorded, and which one it is, is not for the writer to say.
INSERT INTO accum.known_movements (id, recorded_at, recorder, period, place, n) VALUES ('00000000-0000-0000-0000-000000000001', '2000-01-01', 'j', '2026-03-01', 'j', 1), ('00000000-0000-0000-0000-000000000001', '2000-01-02', 'j', '2026-03-01', 'j', 2);
SELECT count(DISTINCT id), bool_or(id = '00000000-0000-0000-0000-000000000001'), min(recorded_at) > now() - interval '1 hour' FROM accum.known_movements WHERE recorder = 'j';
SELECT pg_temp.differences('known');

-- It is read from movements: that right is enough, and row security is obeyed.
SET ROLE regress_accum_auditor;
SELECT pg_temp.try(format('SELECT accum.known_balance(known_at => %L)', :'t2'));
SELECT pg_temp.try($$SELECT accum.register_known_until('known')$$);
RESET ROLE;
GRANT SELECT ON accum.known_movements TO regress_accum_auditor;
SET ROLE regress_accum_auditor;
SELECT accum.known_balance(known_at => :'t2'), accum.register_known_until('known') < clock_timestamp();
SELECT pg_temp.try_code('SELECT accum.known_balance()');
RESET ROLE;
CREATE POLICY few ON accum.known_movements USING (place = 'a');
ALTER TABLE accum.known_movements ENABLE ROW LEVEL SECURITY;
SET ROLE regress_accum_auditor;
SELECT accum.known_balance(known_at => :'t2'), accum.known_turnover(known_at => :'t2', group_by => '"place"');
RESET ROLE;
ALTER TABLE accum.known_movements DISABLE ROW LEVEL SECURITY;
DROP POLICY few ON accum.known_movements;

-- Up to when is what was known final?
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.try($$SELECT accum.register_known_until('known')$$);
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT pg_temp.try($$SELECT accum.register_known_until('known')$$);
COMMIT;
SELECT pg_temp.try($$SELECT accum.register_known_until(NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_known_until('nowhere')$$);
SELECT pg_temp.try($$SELECT accum.register_known_until('plain')$$);
BEGIN;
SELECT accum.register_known_until('known') < clock_timestamp();
SELECT accum.register_post('known', pg_temp.line('k', '2026-03-01', 'k', 1) || '{"lot": 1}');
SELECT pg_temp.try($$SELECT accum.register_known_until('known')$$);
ROLLBACK;
BEGIN READ ONLY;
SELECT accum.register_known_until('known') < clock_timestamp();
COMMIT;

-- Archived: of before that it cannot be told any more, of after it can.
SELECT clock_timestamp() AS t4 \gset
SELECT jsonb_agg(t) AS january FROM accum.known_turnover(date '2026-01-01', date '2026-01-31', group_by => '"place"') AS t \gset
SELECT accum.known_balance() AS balance \gset
SELECT accum.register_detach_partitions('known', now() - timestamptz '2026-02-01 12:00');
SELECT archived_at BETWEEN :'t4' AND clock_timestamp(), archived_before FROM accum._registers WHERE name = 'known';
CREATE FUNCTION pg_temp.masked(result text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(result, 'archived at .*, after', 'archived at ..., after') $$;
SELECT pg_temp.masked(pg_temp.try(format('SELECT accum.known_balance(known_at => %L)', :'t4')));
SELECT pg_temp.masked(pg_temp.try(format('SELECT accum.known_turnover(date ''2026-01-31'', date ''2026-02-28'', known_at => %L)', :'t4')));
SELECT pg_temp.try(format('SELECT accum.known_turnover(date ''2026-02-01'', date ''2026-02-28'', known_at => %L)', :'t4'));
SELECT pg_temp.try(format('SELECT accum.known_turnover(date ''2026-02-01'', date ''2026-02-28'', known_at => %L)', :'t2'));
SELECT clock_timestamp() AS t5 \gset
SELECT accum.register_post('known', pg_temp.line('l', '2026-03-01', 'l', 1000) || '{"lot": 1}');
SELECT accum.known_balance(known_at => :'t5') = :'balance', accum.known_balance(known_at => now()) = accum.known_balance(), accum.known_balance() = :'balance';
SELECT accum.known_balance('{"place": "b", "lot": 1}', date '2026-01-31', :'t5'), accum.known_balance('{"place": "b"}', date '2026-02-28', :'t5'), accum.known_balance('{"place": "a"}', date '2026-01-15', :'t5');
SELECT jsonb_agg(t) = :'january', jsonb_agg(t) FROM accum.known_turnover(date '2026-01-01', date '2026-01-31', group_by => '"place"', known_at => :'t5') AS t;
SELECT accum.known_turnover(date '2026-01-15', date '2026-03-31', group_by => '"place"', known_at => :'t5');
SELECT pg_temp.try(format('SELECT accum.known_balance(at_date => ''2026-01-15 12:00'', known_at => %L)', :'t5'));
SELECT accum.register_drop('known', true), accum.register_drop('plain', true);
DROP TABLE accum.known_movements_2026_01;
DROP ROLE regress_accum_auditor;
