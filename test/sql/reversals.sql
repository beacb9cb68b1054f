--
-- Registers with history: what is posted stays, and reversals are added.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE FUNCTION pg_temp.line(recorder text, period text, place text, n int, worth numeric DEFAULT 0) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('recorder', recorder, 'period', period, 'place', place, 'n', n, 'worth', worth) $$;
CREATE ROLE regress_accum_keeper;
CREATE ROLE regress_accum_clerk;
GRANT CREATE ON SCHEMA accum TO regress_accum_keeper;
SET ROLE regress_accum_keeper;
SELECT accum.register_create('kept', '{"place": "text"}', '[{"name": "n", "type": "integer"}, {"name": "worth", "type": "numeric(12,2)"}]',
    attributes => '{"note": "text"}', history => true);
SELECT accum.register_info('kept') -> 'history';
SELECT column_name, data_type, is_nullable FROM information_schema.columns
WHERE table_schema = 'accum' AND table_name = 'kept_movements' ORDER BY ordinal_position;
SELECT pg_get_function_arguments('accum.kept_movements'::regproc);
CREATE FUNCTION pg_temp.rows() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', m.recorder, m.movement_type, to_char(m.period, 'MM-DD'), m.place, m.n, m.worth, m.note, 'reverses ' || o.recorder || to_char(o.period, ' MM-DD ') || o.n)
    FROM accum.kept_movements m LEFT JOIN accum.kept_movements o ON o.id = m.reverses AND o.period = m.reverses_period ORDER BY m.id $$;
CREATE FUNCTION pg_temp.totals() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', to_char(period, 'MM-DD'), place, n, n_receipt, worth, worth_receipt, movements_count) FROM accum.kept_totals_day WHERE movements_count <> 0 OR n <> 0 ORDER BY period, place $$;

-- A repost reverses what changes and keeps the rest; the same again writes nothing.
SELECT accum.register_post('kept', jsonb_build_array(pg_temp.line('d', '2026-01-10', 'a', 10, 5) || '{"note": "first"}', pg_temp.line('d', '2026-01-11', 'b', -3, -1), pg_temp.line('e', '2026-01-11', 'b', 4, 1)));
SELECT accum.register_repost('kept', 'd', jsonb_build_array(pg_temp.line('d', '2026-01-10', 'a', 10, 5) || '{"note": "first"}', pg_temp.line('d', '2026-01-11', 'b', -2, -1)));
SELECT pg_temp.rows();
SELECT pg_temp.totals();
SELECT pg_temp.differences('kept');
SELECT md5(string_agg(m::text, '|' ORDER BY id)) AS before FROM accum.kept_movements m \gset
SELECT accum.register_repost('kept', 'd', jsonb_build_array(pg_temp.line('d', '2026-01-11', 'b', -2, -1), pg_temp.line('d', '2026-01-10', 'a', 10, 5) || '{"note": "first"}'));
SELECT md5(string_agg(m::text, '|' ORDER BY id)) = :'before' FROM accum.kept_movements m;

-- All movements, or those in force only.
SELECT m ->> 'recorder', m ->> 'movement_type', m ->> 'n', m ? 'reverses' FROM accum.kept_movements('d') AS m;
SELECT m ->> 'recorder', m ->> 'movement_type', m ->> 'n' FROM accum.kept_movements('d', only_active => true) AS m;
SELECT count(*) FROM accum.kept_movements('d', '2026-01-11', '2026-01-11', '{"place": "b"}', true);
SELECT count(*) FROM accum.kept_movements('d', only_active => NULL);
-- Sums do not depend on which are shown.
SELECT sum((m ->> 'n')::int) = (SELECT sum((m ->> 'n')::int) FROM accum.kept_movements(only_active => true) AS m) FROM accum.kept_movements() AS m;

-- An unpost; after it totals are as if the document had never been.
SELECT accum.register_unpost('kept', 'd');
SELECT accum.register_unpost('kept', 'd'), accum.register_unpost('kept', 'unknown'), accum.register_repost('kept', 'd', '[]');
SELECT pg_temp.rows() OFFSET 5;
SELECT pg_temp.totals();
SELECT place, n FROM accum.kept_balances;
SELECT accum.register_info('kept') -> 'movements_count', count(*) FROM accum.kept_movements;
SELECT * FROM accum.kept_movements('d', only_active => true);
SELECT pg_temp.differences('kept'), string_agg(DISTINCT status, ' ') FROM accum.register_verify('kept');
-- It may come again, and be one of many that go.
SELECT accum.register_post('kept', pg_temp.line('d', '2026-01-10', 'a', 10, 5));
SELECT accum.register_unpost('kept', ARRAY['d', 'e', 'd', 'unknown']);
SELECT pg_temp.totals();
SELECT * FROM accum.register_prune('kept') WHERE rows_removed > 0 ORDER BY 1;
SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('kept');
SELECT accum.register_rebuild_totals('kept'), accum.register_rebuild_cache('kept'), accum.register_repair('kept');
SELECT pg_temp.differences('kept'), string_agg(DISTINCT status, ' ') FROM accum.register_verify('kept');

-- Nobody removes or changes what is there, its owner included, nor writes reversals.
SELECT pg_temp.try('DELETE FROM accum.kept_movements');
SELECT pg_temp.try('DELETE FROM accum.kept_movements WHERE false');
SELECT pg_temp.try('UPDATE accum.kept_movements SET n = 0');
SELECT pg_temp.try('TRUNCATE accum.kept_movements');
SELECT pg_temp.try('DELETE FROM accum.kept_movements_default');
SELECT pg_temp.try($$SELECT accum.register_clear('kept', true)$$);
SELECT pg_temp.try($$INSERT INTO accum.kept_movements (recorder, period, place, movement_type) VALUES ('x', '2026-01-01', 'a', 'reversal')$$);
SELECT pg_temp.try($$INSERT INTO accum.kept_movements (recorder, period, place, movement_type, reverses, reverses_period) SELECT recorder, period, place, 'reversal', id, period FROM accum.kept_movements LIMIT 1$$);
SELECT pg_temp.try($$INSERT INTO accum.kept_movements (recorder, period, place, reverses) VALUES ('x', '2026-01-01', 'a', gen_random_uuid())$$);
SELECT pg_temp.try($$INSERT INTO accum.kept_movements (recorder, period, place, reverses_period) VALUES ('x', '2026-01-01', 'a', '2026-01-01')$$);
SELECT pg_temp.try($$SELECT accum.register_post('kept', '{"recorder": "x", "period": "2026-01-01", "place": "a", "movement_type": "reversal"}')$$);
SELECT pg_temp.try($$SELECT accum.register_post('kept', '{"recorder": "x", "period": "2026-01-01", "place": "a", "reverses": null}')$$);
-- What could not be reversed does not come in.
SELECT pg_temp.try($$SELECT accum.register_post('kept', '{"recorder": "x", "period": "2026-01-01", "place": "a", "n": -2147483648}')$$);
SELECT pg_temp.try($$INSERT INTO accum.kept_movements (recorder, period, place, n) VALUES ('x', '2026-01-01', 'a', -2147483648)$$);
SELECT pg_temp.try($$INSERT INTO accum.kept_movements (recorder, period, place, n) VALUES ('x', '2026-01-01', 'a', -2147483647) RETURNING n$$);
SELECT accum.register_unpost('kept', 'x');
-- Direct statements that only add are welcome.
INSERT INTO accum.kept_movements (recorder, period, place, n) VALUES ('direct', '2026-01-20', 'a', 7), ('direct', '2026-01-21', 'a', 8);
COPY accum.kept_movements (recorder, period, place, n) FROM stdin;
direct	2026-01-22	a	9
\.
SELECT accum.register_unpost('kept', 'direct');
SELECT pg_temp.totals(), pg_temp.differences('kept');
-- The names of its columns are reserved.
SELECT pg_temp.try($$SELECT accum.register_create('bad', '{"reverses": "uuid"}', '{"n": "int"}')$$);
SELECT pg_temp.try($$SELECT accum.register_create('bad', '{}', '{"n": "int"}', attributes => '{"reverses_period": "date"}')$$);
-- NULL is false.
SELECT accum.register_create_sql('a', '{}', '{"n": "int"}', history => NULL) = accum.register_create_sql('a', '{}', '{"n": "int"}');

-- Rights: INSERT and SELECT are enough, DELETE is of no use.
GRANT SELECT, DELETE ON accum.kept_movements TO regress_accum_clerk;
SET ROLE regress_accum_clerk;
SELECT pg_temp.try($$SELECT accum.register_unpost('kept', 'd')$$);
SELECT pg_temp.try($$SELECT accum.register_repost('kept', 'd', '[]')$$);
SET ROLE regress_accum_keeper;
REVOKE DELETE ON accum.kept_movements FROM regress_accum_clerk;
GRANT INSERT ON accum.kept_movements TO regress_accum_clerk;
SET ROLE regress_accum_clerk;
SELECT accum.register_repost('kept', 'clerk', pg_temp.line('clerk', '2026-01-10', 'c', 5)), accum.register_repost('kept', 'clerk', pg_temp.line('clerk', '2026-01-10', 'c', 6)), accum.register_unpost('kept', 'clerk');
SET ROLE regress_accum_keeper;
SELECT pg_temp.differences('kept');

-- Closed periods: a reversal is a movement like others, and may be dated elsewhere.
SELECT accum.register_post('kept', jsonb_build_array(pg_temp.line('f', '2026-01-15', 'f', 100, 9), pg_temp.line('f', '2026-02-15', 'f', -20, -1)));
SELECT accum.register_close('kept', '2026-01-31');
SELECT pg_temp.try($$SELECT accum.register_unpost('kept', 'f')$$);
SELECT pg_temp.try($$SELECT accum.register_repost('kept', 'f', '[]')$$);
SELECT pg_temp.try($$SELECT accum.register_unpost('kept', 'f', '2026-01-31')$$);
SELECT pg_temp.try($$SELECT accum.register_unpost('kept', 'f', '2026-02-10')$$);
SELECT pg_temp.try($$SELECT accum.register_unpost('kept', 'f', 'infinity')$$);
SELECT pg_temp.try($$SELECT accum.register_unpost('kept', 'f', '-infinity')$$);
SELECT accum.register_unpost('kept', 'f', '2026-03-01');
SELECT accum.register_unpost('kept', 'f', '2026-03-01'), accum.register_unpost('kept', 'f'), accum.register_unpost('kept', ARRAY['f'], '2026-04-01');
SELECT to_char(period, 'MM-DD'), movement_type, n, to_char(reverses_period, 'MM-DD') FROM accum.kept_movements WHERE recorder = 'f' ORDER BY id;
SELECT period, n, n_receipt, worth, worth_receipt, movements_count FROM accum.kept_totals_month WHERE place = 'f' ORDER BY 1;
SELECT accum.kept_balance('{"place": "f"}'), accum.kept_balance('{"place": "f"}', date '2026-01-31'), accum.kept_balance('{"place": "f"}', date '2026-02-28');
SELECT n_opening, n_receipt, n_expense, n_turnover, n_closing FROM accum.kept_statement(date '2026-03-01', date '2026-03-31', '{"place": "f"}');
SELECT * FROM accum.kept_turnover(timestamptz '2026-03-01 00:00', '2026-03-01 12:00', '{"place": "f"}', '"place"');
SELECT * FROM accum.kept_movements('f', only_active => true);
-- Dated as what it reverses, p_at makes no difference; a document that is kept can be posted anew.
SELECT accum.register_post('kept', pg_temp.line('f', '2026-03-05', 'f', 1));
SELECT accum.register_unpost('kept', 'f', '2026-03-05');
SELECT period, n, n_receipt, movements_count FROM accum.kept_totals_month WHERE place = 'f' ORDER BY 1;
SELECT pg_temp.differences('kept'), string_agg(DISTINCT status, ' ') FROM accum.register_verify('kept');
SELECT accum.register_reopen('kept', '-infinity');
-- The calls that there were before mean what they meant.
SELECT accum.register_create('plain', '{}', '{"n": "int"}');
SELECT accum.register_unpost('plain', '{a,b}'), accum.register_unpost('plain', '{a,b}'::text[]), accum.register_unpost(p_register => 'plain', p_recorder => 'a'), accum.register_unpost(p_register => 'plain', p_recorders => '{a}');
SELECT pg_temp.try($$SELECT accum.register_unpost('plain', 'a', '2026-01-01')$$);
SELECT pg_temp.try($$SELECT accum.register_unpost('plain', '{a}'::text[], '2026-01-01')$$);
SELECT accum.register_unpost('plain', 'a', NULL);
SELECT accum.register_drop('plain');

-- p_once compares with what is in force; what was cancelled stays known.
SELECT accum.register_post('kept', pg_temp.line('once', '2026-05-01', 'o', 1), true), accum.register_post('kept', pg_temp.line('once', '2026-05-01', 'o', 1), true);
SELECT accum.register_repost('kept', 'once', pg_temp.line('once', '2026-05-01', 'o', 2) || '{"movement_type": "regular"}');
SELECT accum.register_post('kept', pg_temp.line('once', '2026-05-01', 'o', 2), true);
SELECT pg_temp.try($$SELECT accum.register_post('kept', pg_temp.line('once', '2026-05-01', 'o', 1), true)$$);
SELECT accum.register_unpost('kept', 'once', '2026-06-01');
SELECT pg_temp.try($$SELECT accum.register_post('kept', pg_temp.line('once', '2026-05-01', 'o', 2), true)$$);

-- A preview tells the same cells, before and after.
SELECT accum.register_post('kept', jsonb_build_array(pg_temp.line('p', '2026-05-01', 'p', 5), pg_temp.line('p', '2026-05-01', 'q', 5)));
SELECT accum.register_repost('kept', 'p', jsonb_build_array(pg_temp.line('p', '2026-05-01', 'p', 6), pg_temp.line('p', '2026-05-01', 'q', 5)));
SELECT dimensions, before, after FROM accum.register_preview('kept', 'p', jsonb_build_array(pg_temp.line('p', '2026-05-01', 'p', 7), pg_temp.line('p', '2026-05-01', 'q', 5)));
SELECT dimensions, before, after FROM accum.register_preview('kept', 'p', NULL) ORDER BY 1;
SELECT accum.register_unpost('kept', 'p');
SELECT * FROM accum.register_preview('kept', 'p', NULL);

-- A count that is corrected.
SELECT * FROM accum.register_reconcile('kept', 'count', '2026-05-31 00:00 UTC', '{"place": "q", "n": 10}', '{}');
SELECT * FROM accum.register_reconcile('kept', 'count', '2026-05-31 00:00 UTC', '{"place": "q", "n": 11}', '{}');
SELECT accum.kept_balance('{"place": "q"}', date '2026-05-31'), count(*), sum(n) FROM accum.kept_movements WHERE recorder = 'count' AND place = 'q';
SELECT pg_temp.differences('kept');

-- Triggers of users see reversals, and may not change what they reverse.
RESET ROLE;
CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.note = 'refuse' THEN RETURN NULL; END IF;
    IF NEW.note = 'date' THEN NEW.period := NEW.period + interval '1 hour'; END IF;
    IF NEW.note = 'twice' THEN NEW.n := 2 * NEW.n; END IF;
    IF NEW.note = 'shout' THEN NEW.note := upper(NEW.note); END IF;
    IF NEW.note = 'sly' THEN
        INSERT INTO accum.kept_movements (recorder, period, place, n, movement_type) VALUES ('sly', NEW.period, 'a', 1, 'reversal');
    END IF;
    RETURN NEW; END $$;
SELECT accum.register_post('kept', (SELECT jsonb_agg(pg_temp.line(note, '2026-07-01', 't', 5) || jsonb_build_object('note', note)) FROM unnest('{refuse,date,twice,shout,sly}'::text[]) AS note));
SET ROLE regress_accum_keeper;
CREATE TRIGGER twice BEFORE INSERT ON accum.kept_movements FOR EACH ROW EXECUTE FUNCTION twice();
SELECT note, pg_temp.try(format('SELECT accum.register_unpost(''kept'', %L)', note)) FROM unnest('{refuse,date,twice,shout,sly}'::text[]) AS note;
SELECT pg_temp.differences('kept'), accum.kept_balance('{"place": "t"}');
DROP TRIGGER twice ON accum.kept_movements;
SELECT accum.register_unpost('kept', '{refuse,date,twice,shout,sly}'::text[]);
SELECT pg_temp.differences('kept'), accum.kept_balance('{"place": "t"}');

-- What came in with triggers switched off.
RESET ROLE;
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO accum.kept_movements (recorder, period, place, n) VALUES ('min', '2026-07-01', 'min', -2147483648);
INSERT INTO accum.kept_recorders VALUES ('min', '2026-07-01');
SET LOCAL session_replication_role = origin;
SELECT pg_temp.try($$SELECT accum.register_unpost('kept', 'min')$$);
ROLLBACK;
SET ROLE regress_accum_keeper;

-- A savepoint takes a reversal back; one transaction may post and cancel many times.
BEGIN;
SELECT accum.register_post('kept', pg_temp.line('s', '2026-08-01', 's', 5));
SAVEPOINT s;
SELECT accum.register_unpost('kept', 's');
ROLLBACK TO s;
SELECT accum.register_repost('kept', 's', pg_temp.line('s', '2026-08-01', 's', 6));
SELECT accum.register_unpost('kept', 's'), accum.register_unpost('kept', 's');
COMMIT;
SET pg_accumulator.coalesce = on;
BEGIN;
SELECT accum.register_post('kept', pg_temp.line('s', '2026-08-01', 's', 5));
SELECT accum.register_repost('kept', 's', pg_temp.line('s', '2026-08-02', 's', 6));
SELECT accum.kept_balance('{"place": "s"}');
SELECT accum.register_unpost('kept', 's', '2026-08-03');
COMMIT;
RESET pg_accumulator.coalesce;
SELECT pg_temp.differences('kept'), accum.kept_balance('{"place": "s"}');

-- More columns for a register that has reversals.
SELECT accum.register_post('kept', pg_temp.line('w', '2026-09-01', 'w', 5));
SELECT accum.register_alter('kept', '{"lot": "int"}', '{"weight": "float8"}', add_attributes => '{"by": "text"}');
SELECT accum.register_repost('kept', 'w', pg_temp.line('w', '2026-09-01', 'w', 5) || '{"lot": 7, "weight": 1.5, "by": "me"}');
SELECT accum.register_repost('kept', 'w', pg_temp.line('w', '2026-09-01', 'w', 5) || '{"lot": 7, "weight": 2.5, "by": "you"}');
SELECT place, lot, n, weight, "by", movement_type FROM accum.kept_movements WHERE recorder = 'w' ORDER BY id;
SELECT count(*) FROM accum.kept_movements('w', dimensions => '{"lot": null}', only_active => true);
SELECT accum.register_unpost('kept', 'w');
SELECT pg_temp.differences('kept'), string_agg(DISTINCT status, ' ') FROM accum.register_verify('kept');
SELECT pg_temp.try($$SELECT accum.register_drop('kept')$$);
SELECT accum.register_drop('kept', true);

-- Limits: of the balance and of the ends of days.  A cell whose documents are all cancelled
-- has no balance, however much is asked of one.
SELECT accum.register_create('bound', '{"place": "text"}', '{"n": "integer", "worth": "numeric"}', history => true,
    limits => '[{"name": "enough", "check": "n >= 5", "every_date": true}]');
SELECT accum.register_post('bound', jsonb_build_array(pg_temp.line('in', '2026-05-01', 'a', 20), pg_temp.line('out', '2026-05-03', 'a', -10)));
SELECT pg_temp.try($$SELECT accum.register_unpost('bound', 'in')$$);
SELECT pg_temp.try($$SELECT accum.register_repost('bound', 'in', pg_temp.line('in', '2026-05-01', 'a', 14))$$);
SELECT pg_temp.try($$SELECT accum.register_repost('bound', 'in', pg_temp.line('in', '2026-05-04', 'a', 20))$$);
SELECT broken_limits FROM accum.register_preview('bound', 'in', NULL);
SELECT accum.register_unpost('bound', '{in,out}'::text[]);
SELECT accum.register_post('bound', pg_temp.line('in', '2026-05-01', 'a', 20));
-- Dated elsewhere, both count: as a document that takes back another would.
SELECT pg_temp.try($$SELECT accum.register_unpost('bound', 'in', '2026-06-01')$$);
SELECT accum.register_unpost('bound', 'in');
SELECT pg_temp.differences('bound');
SELECT accum.register_drop('bound', true);

-- Other kinds of registers: high_write, turnover, coarse totals, real numbers; archived time.
SELECT accum.register_create('kept_hw', '{"place": "text"}', '{"n": "smallint", "worth": "numeric"}', history => true, high_write => true, recorder_type => 'varchar(20)', partition_by => 'day');
SELECT accum.register_create('kept_to', '{"place": "text"}', '{"n": "bigint", "worth": "real"}', kind => 'turnover', totals_period => 'month', history => true, high_write => true, partition_by => 'year', time_zone => 'Asia/Tokyo');
SELECT accum.register_create('kept_yr', '{"place": "text"}', '{"n": "integer", "worth": "double precision"}', totals_period => 'year', history => true, partition_by => 'quarter', year_start => 4);
SELECT r, accum.register_post(r, jsonb_agg(pg_temp.line('d' || i % 20, (date '2020-03-20' + i)::text, 'p' || i % 3, i % 7 - 3, i / 8.0))) FROM unnest('{kept_hw,kept_to,kept_yr}'::text[]) AS r, generate_series(1, 100) AS i GROUP BY r ORDER BY r;
SELECT r, accum.register_unpost(r, 'd1'), accum.register_unpost(r, '{d2,d3}'::text[], '2021-01-01'), accum.register_repost(r, 'd4', pg_temp.line('d4', '2020-05-20', 'p1', 5)) FROM unnest('{kept_hw,kept_to,kept_yr}'::text[]) AS r;
SELECT r, pg_temp.differences(r), string_agg(DISTINCT status, ' ') FROM unnest('{kept_hw,kept_to,kept_yr}'::text[]) AS r, accum.register_verify(r) GROUP BY r ORDER BY r;
SELECT pg_temp.try($$SELECT accum.register_post('kept_hw', '{"recorder": "x", "period": "2020-04-01", "place": "p1", "n": -32768}')$$);
SELECT accum._force_delta_merge() > 0;
SELECT accum.register_alter('kept_hw', high_write => false);
SELECT accum.register_unpost('kept_hw', 'd5'), accum.register_unpost('kept_to', 'd5', '2021-05-05'), accum.register_unpost('kept_yr', 'd5', '2021-05-05');
SELECT r, pg_temp.differences(r), string_agg(DISTINCT status, ' ') FROM unnest('{kept_hw,kept_to,kept_yr}'::text[]) AS r, accum.register_verify(r) GROUP BY r ORDER BY r;
-- What is archived can be reversed no more, wherever; what refers to it stays.
SELECT accum.register_detach_partitions('kept_yr', now() - timestamptz '2021-04-02');
SELECT accum.register_info('kept_yr') ->> 'archived_before', accum.register_info('kept_yr') ->> 'archived_movements', accum.register_info('kept_yr') ->> 'movements_count';
SELECT pg_temp.try($$SELECT accum.register_unpost('kept_yr', 'd6')$$);
SELECT pg_temp.try($$SELECT accum.register_unpost('kept_yr', 'd6', '2022-01-01')$$);
SELECT accum.register_post('kept_yr', pg_temp.line('new', '2022-01-01', 'p1', 5)), accum.register_repost('kept_yr', 'new', pg_temp.line('new', '2022-01-01', 'p1', 6));
SELECT pg_temp.try($$SELECT accum.register_unpost('kept_yr', 'new', '2021-01-01')$$);
SELECT count(*) FROM accum.kept_yr_movements(only_active => true);
SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('kept_yr');
SELECT accum.register_repair('kept_yr'), accum.register_rebuild_totals('kept_yr'), accum.register_rebuild_cache('kept_yr');
SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('kept_yr');
SELECT accum.register_drop(r, true) FROM unnest('{kept_hw,kept_to,kept_yr}'::text[]) AS r;
DROP TABLE accum.kept_yr_movements_2020_q1, accum.kept_yr_movements_2020_q2, accum.kept_yr_movements_2021_q1;

-- A default partition gives its reversals away with the rest.
SELECT accum.register_create('kept_default', '{"place": "text"}', '{"n": "integer", "worth": "numeric"}', history => true);
INSERT INTO accum.kept_default_movements (recorder, period, place, n) SELECT 'd' || i, date '2010-01-01' + i, 'a', i FROM generate_series(1, 60) AS i;
SELECT sum(accum.register_unpost('kept_default', 'd' || i)) FROM generate_series(1, 60, 7) AS i;
SELECT count(*) FILTER (WHERE movement_type = 'reversal') FROM accum.kept_default_movements_default;
SELECT accum.register_create_partitions('kept_default', '0');
SELECT count(*) FROM accum.kept_default_movements_default;
SELECT pg_temp.differences('kept_default'), sum(accum.register_unpost('kept_default', 'd' || i)) FROM generate_series(1, 60) AS i;
SELECT pg_temp.differences('kept_default'), accum.kept_default_balance();
SELECT accum.register_drop('kept_default', true);

-- What somebody may not see has been reversed all the same.
RESET ROLE;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := current_user; RETURN NEW; END $$;
SET ROLE regress_accum_keeper;
SELECT accum.register_create('secret', '{"place": "text"}', '{"n": "integer"}', attributes => '{"note": "text"}', history => true);
SELECT accum.register_grant('secret', 'regress_accum_clerk', 'post');
RESET ROLE;
CREATE TRIGGER a_stamp BEFORE INSERT ON accum.secret_movements FOR EACH ROW EXECUTE FUNCTION stamp();
SET ROLE regress_accum_keeper;
ALTER TABLE accum.secret_movements ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON accum.secret_movements TO regress_accum_clerk USING (note = current_user);
SET ROLE regress_accum_clerk;
SELECT accum.register_post('secret', '[{"recorder": "d", "period": "2026-05-01", "place": "x", "n": 100}, {"recorder": "d", "period": "2026-06-01", "place": "x", "n": 10}]');
SET ROLE regress_accum_keeper;
SELECT accum.register_repost('secret', 'd', '{"period": "2026-05-01", "place": "x", "n": 100, "note": "regress_accum_clerk"}');
SET ROLE regress_accum_clerk;
SELECT n, movement_type FROM accum.secret_movements ORDER BY period;
SELECT accum.register_unpost('secret', 'd'), accum.register_unpost('secret', 'd');
SET ROLE regress_accum_keeper;
SELECT n, movement_type, note FROM accum.secret_movements ORDER BY id;
SELECT accum.secret_balance(), pg_temp.differences('secret'), (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('secret'));
SELECT accum.register_drop('secret', true);

-- Nothing may come after a movement has been checked, on the table or on a partition.
RESET ROLE;
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.movement_type = 'reversal' THEN NEW.n := 2 * NEW.n; END IF;
    NEW.id := '00000000-0000-0000-0000-000000000000'; NEW.recorded_at := '2000-01-01';
    RETURN NEW; END $$;
SELECT accum.register_create('late', '{"place": "text"}', '{"n": "integer"}', history => true);
SELECT accum.register_post('late', '{"recorder": "d", "period": "2026-05-01", "place": "x", "n": 100}');
CREATE TRIGGER zzz BEFORE INSERT ON accum.late_movements FOR EACH ROW EXECUTE FUNCTION late();
SELECT pg_temp.try($$SELECT accum.register_unpost('late', 'd')$$);
SELECT pg_temp.try($$SELECT accum.register_post('late', '{"recorder": "e", "period": "2026-05-01", "place": "x", "n": 1}')$$);
SELECT pg_temp.try($$INSERT INTO accum.late_movements (recorder, period, place, n) VALUES ('e', '2026-05-01', 'x', 1)$$);
DROP TRIGGER zzz ON accum.late_movements;
CREATE TRIGGER zzz BEFORE INSERT ON accum.late_movements_2026_05 FOR EACH ROW EXECUTE FUNCTION late();
SELECT pg_temp.try($$SELECT accum.register_unpost('late', 'd')$$);
-- One that does not fire does no harm; nor does one that sorts before.
ALTER TABLE accum.late_movements_2026_05 ENABLE REPLICA TRIGGER zzz;
SELECT accum.register_unpost('late', 'd');
DROP TRIGGER zzz ON accum.late_movements_2026_05;
CREATE TRIGGER early BEFORE INSERT ON accum.late_movements FOR EACH ROW EXECUTE FUNCTION late();
CREATE TRIGGER zzz AFTER INSERT ON accum.late_movements FOR EACH ROW EXECUTE FUNCTION late();
SELECT accum.register_post('late', '{"recorder": "e", "period": "2026-05-01", "place": "x", "n": 1}');
SELECT recorder, n, movement_type, recorded_at > '2001-01-01', id > '00000000-0000-0000-0000-000000000000' FROM accum.late_movements ORDER BY id;
SELECT pg_temp.differences('late'), (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('late'));
SELECT accum.register_drop('late', true);
DROP FUNCTION late;
SET ROLE regress_accum_keeper;

-- A trigger may not take back what is just being taken back, of one document or of many.
RESET ROLE;
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF pg_trigger_depth() < 2 THEN PERFORM accum.register_unpost(TG_ARGV[0], CASE WHEN TG_OP = 'DELETE' THEN OLD.recorder ELSE NEW.recorder END); END IF;
    RETURN NEW; END $$;
SELECT accum.register_create('again', '{"place": "text"}', '{"n": "integer"}', history => true);
SELECT accum.register_post('again', (SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || i, 'period', '2026-05-01', 'place', 'x', 'n', 1)) FROM generate_series(1, 1001) AS i));
CREATE TRIGGER again BEFORE INSERT ON accum.again_movements FOR EACH ROW WHEN (NEW.movement_type = 'reversal') EXECUTE FUNCTION again('again');
SELECT pg_temp.try($$SELECT accum.register_unpost('again', 'd1')$$);
SELECT pg_temp.try($$SELECT accum.register_unpost('again', (SELECT array_agg('d' || i) FROM generate_series(1, 1001) AS i))$$);
SELECT pg_temp.try($$SELECT accum.register_repost('again', 'd1', '[]')$$);
SELECT count(*), sum(n), pg_temp.differences('again') FROM accum.again_movements;
-- What it takes back by way of trial, and of other documents, is fine.
DROP TRIGGER again ON accum.again_movements;
CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF pg_trigger_depth() < 2 THEN
        PERFORM accum.register_unpost('again', 'd2');
        BEGIN PERFORM accum.register_unpost('again', NEW.recorder); RAISE 'no'; EXCEPTION WHEN raise_exception THEN END;
    END IF;
    RETURN NEW; END $$;
CREATE TRIGGER other BEFORE INSERT ON accum.again_movements FOR EACH ROW WHEN (NEW.movement_type = 'reversal') EXECUTE FUNCTION other();
SELECT accum.register_unpost('again', 'd1');
SELECT recorder, count(*), sum(n) FROM accum.again_movements WHERE recorder IN ('d1', 'd2') GROUP BY 1 ORDER BY 1;
SELECT pg_temp.differences('again'), (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('again'));
SELECT accum.register_drop('again', true);
-- The same without history, where movements are removed.
SELECT accum.register_create('again', '{"place": "text"}', '{"n": "integer"}');
SELECT accum.register_post('again', '{"recorder": "d", "period": "2026-05-01", "place": "x", "n": 1}');
CREATE TRIGGER again AFTER DELETE ON accum.again_movements FOR EACH ROW EXECUTE FUNCTION again('again');
SELECT pg_temp.try($$SELECT accum.register_unpost('again', 'd')$$);
DROP TRIGGER again ON accum.again_movements;
SELECT accum.register_unpost('again', 'd');
SELECT accum.register_drop('again');
DROP FUNCTION again, other;
SET ROLE regress_accum_keeper;

-- What came in with triggers switched off: sums are what movements add up to, however many count.
SELECT accum.register_create('odd', '{"place": "text"}', '{"n": "integer", "f": "float8"}', history => true);
SELECT accum.register_post('odd', '{"recorder": "d", "period": "2026-05-01", "place": "x", "n": 100, "f": 0.1}'), accum.register_unpost('odd', 'd');
RESET ROLE;
SET session_replication_role = replica;
INSERT INTO accum.odd_movements (recorder, period, dim_hash, place, n, f, movement_type, reverses, reverses_period)
SELECT recorder, period, dim_hash, place, n, f, movement_type, reverses, reverses_period FROM accum.odd_movements WHERE reverses IS NOT NULL;
RESET session_replication_role;
SET ROLE regress_accum_keeper;
SELECT accum.register_post('odd', '{"recorder": "e", "period": "2026-05-01", "place": "x", "n": 50, "f": 0.1}');
SELECT check_type, status, expected - 'f', actual - 'f' FROM accum.register_verify('odd') ORDER BY check_type;
SELECT accum.register_repair('odd');
SELECT accum.odd_balance(), (SELECT sum(n) FROM accum.odd_movements), (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('odd'));
SELECT sum(rows_removed), accum.register_rebuild_cache('odd'), accum.register_rebuild_totals('odd') FROM accum.register_prune('odd');
SELECT accum.odd_balance(), (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('odd'));
SELECT accum.register_drop('odd', true);

DROP FUNCTION pg_temp.rows, pg_temp.totals;
RESET ROLE;
DROP FUNCTION twice, stamp;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_keeper;
DROP ROLE regress_accum_keeper;
DROP ROLE regress_accum_clerk;
