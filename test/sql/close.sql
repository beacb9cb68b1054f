--
-- Closed periods: register_close, register_reopen.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE FUNCTION pg_temp.line(recorder text, period text, company int, account text, amount numeric) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('recorder', recorder, 'period', period, 'company', company, 'account', account, 'amount', amount) $$;
CREATE ROLE regress_accum_bookkeeper;
CREATE ROLE regress_accum_clerk;
CREATE ROLE regress_accum_typist;
GRANT CREATE ON SCHEMA accum TO regress_accum_bookkeeper;
SET ROLE regress_accum_bookkeeper;
SELECT accum.register_create('books', '[{"name": "company", "type": "int"}, {"name": "account", "type": "text"}]',
    '{"amount": "numeric(12,2)"}', attributes => '{"note": "text"}', time_zone => 'Asia/Tokyo');
GRANT SELECT, INSERT, DELETE ON accum.books_movements TO regress_accum_clerk;
GRANT INSERT ON accum.books_movements TO regress_accum_typist;
SELECT accum.register_post('books', (SELECT jsonb_agg(pg_temp.line('d' || i, '2026-0' || i || '-15', c, 'cash', i))
                                     FROM generate_series(1, 6) AS i, unnest(ARRAY[1, 2, NULL]) AS c));
-- A document that lies in two months, and one on either side of a midnight in Tokyo.
SELECT accum.register_post('books', jsonb_build_array(
    pg_temp.line('two', '2026-03-10', 1, 'cash', 10), pg_temp.line('two', '2026-04-10', 1, 'cash', 20)));
SELECT accum.register_post('books', jsonb_build_array(
    pg_temp.line('last', '2026-03-31 14:59:59.999999Z', 1, 'cash', 1), pg_temp.line('first', '2026-03-31 15:00Z', 1, 'cash', 1)));

-- Nothing is closed, and nobody but the owner may close.
SELECT count(*) FROM accum.register_closings;
SELECT accum.register_info('books') -> 'closed_through';
SET ROLE regress_accum_clerk;
SELECT pg_temp.try($$SELECT accum.register_close('books', '2026-03-31')$$);
SELECT pg_temp.try($$SELECT accum.register_reopen('books', '2026-03-31')$$);
SET ROLE regress_accum_bookkeeper;
SELECT pg_temp.try($$SELECT accum.register_close('nowhere', '2026-03-31')$$);
SELECT pg_temp.try($$SELECT accum.register_close(NULL, '2026-03-31')$$);
SELECT pg_temp.try($$SELECT accum.register_close('books', NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_close('books', '-infinity')$$);
SELECT pg_temp.try($$SELECT accum.register_close('books', '2026-03-31', '{"firm": 1}')$$);
SELECT pg_temp.try($$SELECT accum.register_close('books', '2026-03-31', '{"company": "one"}')$$);
SELECT pg_temp.try($$SELECT accum.register_close('books', '2026-03-31', '[]')$$);
SELECT pg_temp.try($$SELECT accum.register_reopen('books', NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_reopen('books', 'infinity')$$);
BEGIN READ ONLY;
SELECT pg_temp.try($$SELECT accum.register_close('books', '2026-03-31')$$);
SELECT pg_temp.try($$SELECT accum.register_reopen('books', '2026-03-31')$$);
ROLLBACK;

-- The whole register is closed, through a day of its own calendar.
SELECT accum.register_close('books', '2026-03-31');
SELECT accum.register_info('books') -> 'closed_through';
SELECT pg_temp.state('books') AS before \gset
SET ROLE regress_accum_clerk;
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', pg_temp.line('x', day, 1, 'cash', 1)))
FROM (VALUES ('2026-03-31 14:59:59.999999Z'), ('2026-03-31'), ('0001-01-01')) AS t (day);
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', jsonb_build_array(
    pg_temp.line('x', '2026-04-01', 1, 'cash', 1), pg_temp.line('x', '2026-03-01', 2, 'bank', 1))));
SELECT pg_temp.try($$SELECT accum.register_unpost('books', 'd3')$$);
SELECT pg_temp.try_fields($$SELECT accum.register_unpost('books', 'd3')$$);
SELECT pg_temp.try($$SELECT accum.register_unpost('books', ARRAY['d4', 'd5', 'd3'])$$);
SELECT pg_temp.try($$SELECT accum.register_repost('books', 'd2', '[]')$$);
SELECT pg_temp.try($$INSERT INTO accum.books_movements (recorder, period, company, account, amount)
    VALUES ('x', '2026-04-10 00:00Z', 1, 'cash', 1), ('x', '2026-03-31 14:00Z', 1, 'cash', 1)$$);
SELECT pg_temp.try($$DELETE FROM accum.books_movements WHERE recorder = 'last'$$);
SELECT pg_temp.try($$DELETE FROM accum.books_movements$$);
SELECT pg_temp.try($$MERGE INTO accum.books_movements m USING (VALUES ('d1')) AS v (recorder) ON m.recorder = v.recorder
    WHEN MATCHED THEN DELETE$$);
COPY accum.books_movements (recorder, period, company, account, amount) FROM stdin;
x	2026-03-31 14:00Z	1	cash	1
\.
-- Into the default partition, too.
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', pg_temp.line('x', '1999-01-01', 1, 'cash', 1)));
SET ROLE regress_accum_bookkeeper;
SELECT pg_temp.try($$DELETE FROM accum.books_movements WHERE recorder = 'd1'$$);
SELECT pg_temp.state('books') = :'before' AS nothing_changed;

-- What lies after it is open.  A repost may keep what is closed, not change it.
SET ROLE regress_accum_clerk;
SELECT accum.register_post('books', pg_temp.line('x', '2026-04-01', 1, 'cash', 1));
SELECT accum.register_unpost('books', 'first'), accum.register_unpost('books', 'x'), accum.register_unpost('books', 'unknown');
SELECT accum.register_repost('books', 'two', jsonb_build_array(
    pg_temp.line('two', '2026-03-10', 1, 'cash', 10), pg_temp.line('two', '2026-04-10', 1, 'cash', 30), pg_temp.line('two', '2026-05-10', 1, 'cash', 5)));
SELECT pg_temp.try(format('SELECT accum.register_repost(%L, %L, %L)', 'books', 'two', jsonb_build_array(
    pg_temp.line('two', '2026-03-10', 1, 'cash', 11), pg_temp.line('two', '2026-04-10', 1, 'cash', 30))));
SELECT pg_temp.try(format('SELECT accum.register_repost(%L, %L, %L)', 'books', 'two',
    pg_temp.line('two', '2026-03-10', 1, 'cash', 10) || '{"note": "an attribute is part of a movement"}'));

-- Closing again: later moves the day, earlier says that it is closed.
SET ROLE regress_accum_bookkeeper;
SET client_min_messages = notice;
SELECT accum.register_close('books', '2026-02-28');
SELECT accum.register_close('books', '2026-03-31', '{}');
SELECT accum.register_close('books', '2026-04-30');
SELECT accum.register_reopen('books', '2026-05-01');
SELECT pg_temp.try($$SELECT accum.register_unpost('books', 'd4')$$);

-- Reopening, from the first open day on.
SELECT accum.register_reopen('books', '2026-02-01');
SELECT accum.register_info('books') -> 'closed_through';
SELECT accum.register_unpost('books', 'd2'), accum.register_unpost('books', 'd3');
SELECT pg_temp.try($$SELECT accum.register_unpost('books', 'd1')$$);
SELECT accum.register_reopen('books', '2026-02-01');
SELECT through, dimensions, closed_by, reopened_by, closed_at <= clock_timestamp() AS closed, reopened_at > closed_at AS reopened
FROM accum.register_closings WHERE register = 'books' ORDER BY closed_at, through DESC;
-- What is left keeps the time it was closed at, and is one row.
SELECT count(DISTINCT closed_at) FROM accum.register_closings WHERE through IN ('2026-01-31', '2026-03-31');

-- Some cells.  A value is compared as its type compares; null is the cell of NULL.
SELECT accum.register_close('books', '2026-06-30', '{"company": "2"}');
SELECT accum.register_close('books', '2026-06-30', '{"company": 2}');
SELECT accum.register_close('books', '2026-05-31', '{"company": null, "account": "cash"}');
RESET client_min_messages;
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', pg_temp.line('y', '2026-05-20', c, a, 1)))
FROM (VALUES (1, 'cash'), (2, 'cash'), (2, 'bank'), (NULL, 'cash'), (NULL, 'bank'), (NULL, NULL)) AS t (c, a);
SELECT accum.register_info('books') -> 'closed_through';
-- A document is refused as a whole; a deletion of what is open passes.
SELECT pg_temp.try($$SELECT accum.register_unpost('books', 'd5')$$);
SELECT pg_temp.try($$DELETE FROM accum.books_movements WHERE recorder = 'd5' AND company = 1$$);
-- The earliest of two is not what counts.
SELECT pg_temp.try($$SELECT accum.register_close('books', '2026-07-31', '{"company": 2, "account": "cash"}')$$);
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', pg_temp.line('y', '2026-06-20', 2, 'cash', 1)));

-- Values of dimensions are for those who may see all movements.
SET ROLE regress_accum_typist;
SELECT through, dimensions FROM accum.register_closings WHERE reopened_at IS NULL ORDER BY through;
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', pg_temp.line('y', '2026-05-20', 2, 'cash', 1)));
SELECT pg_temp.try('SELECT * FROM accum._register_closings');
SELECT pg_temp.try('DELETE FROM accum.register_closings');
RESET ROLE;
GRANT DELETE ON accum.books_movements TO regress_accum_typist;
SET ROLE regress_accum_typist;
SELECT pg_temp.try('DELETE FROM accum.books_movements');
SET ROLE regress_accum_clerk;
SELECT through, dimensions FROM accum.register_closings WHERE reopened_at IS NULL ORDER BY through, dimensions;
SELECT pg_temp.try($$DELETE FROM accum.books_movements WHERE company = 2 AND period > '2026-05-01'$$);
RESET ROLE;
ALTER TABLE accum.books_movements ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON accum.books_movements USING (company = 2);
SET ROLE regress_accum_clerk;
SELECT through, dimensions FROM accum.register_closings WHERE reopened_at IS NULL ORDER BY through, dimensions;
SELECT pg_temp.try($$DELETE FROM accum.books_movements WHERE period > '2026-05-01'$$);
RESET ROLE;
ALTER TABLE accum.books_movements DISABLE ROW LEVEL SECURITY;

-- Reopening some cells, or whatever is closed.
SET ROLE regress_accum_bookkeeper;
SET client_min_messages = notice;
SELECT accum.register_reopen('books', '2026-01-01', '{"account": "cash"}');
SELECT accum.register_reopen('books', '2026-05-01', '{"account": "cash", "company": 2}');
SELECT accum.register_reopen('books', '2026-01-01', '{}');
SELECT through, dimensions FROM accum.register_closings WHERE reopened_at IS NULL ORDER BY through, dimensions;
SELECT accum.register_reopen('books', '2026-05-01');
SELECT through, dimensions FROM accum.register_closings WHERE reopened_at IS NULL ORDER BY through, dimensions;
SELECT accum.register_reopen('books', '-infinity');
SELECT count(*) FILTER (WHERE reopened_at IS NULL) AS in_force, count(*) > 5 AS history FROM accum.register_closings;
SELECT accum.register_unpost('books', ARRAY['d1', 'd4', 'd5', 'd6', 'two', 'last']);
SELECT accum.register_close('books', 'infinity');
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', pg_temp.line('z', '9999-12-31', 2, 'cash', 1)));
SELECT accum.register_reopen('books', '2026-01-01');
SELECT accum.register_post('books', pg_temp.line('z', '9999-12-31', 2, 'cash', 1));
RESET client_min_messages;

-- All of it is transactional.
BEGIN;
SELECT accum.register_close('books', '2026-12-31');
SAVEPOINT open;
SELECT accum.register_reopen('books', '2026-01-01');
SELECT accum.register_post('books', pg_temp.line('t', '2026-05-05', 1, 'cash', 1));
ROLLBACK TO open;
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', pg_temp.line('t', '2026-05-05', 1, 'cash', 1)));
ROLLBACK;
SELECT accum.register_info('books') -> 'closed_through';
SELECT accum.register_post('books', pg_temp.line('t', '2026-05-05', 1, 'cash', 1));
SELECT pg_temp.differences('books');

-- A trigger of the owner's that moves a movement into a closed period does not help.
SELECT accum.register_close('books', '2026-12-15');
CREATE FUNCTION accum.backdate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.period := NEW.period - interval '10 days'; RETURN NEW; END $$;
CREATE TRIGGER backdate BEFORE INSERT ON accum.books_movements FOR EACH ROW EXECUTE FUNCTION accum.backdate();
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', pg_temp.line('t', '2026-12-20', 1, 'cash', 1)));
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'books', pg_temp.line('t', '2026-12-28', 1, 'cash', 1)));
DROP TRIGGER backdate ON accum.books_movements;
DROP FUNCTION accum.backdate();

-- One that closes a period holds for the very document that is being changed.
CREATE FUNCTION accum.shut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM accum.register_close('books', '2026-12-31'); RETURN NEW; END $$;
BEGIN;
SELECT accum.register_post('books', pg_temp.line('shut', '2026-12-28', 1, 'cash', 1));
CREATE TRIGGER shut BEFORE INSERT ON accum.books_movements FOR EACH ROW EXECUTE FUNCTION accum.shut();
SELECT pg_temp.try(format('SELECT accum.register_repost(%L, %L, %L)', 'books', 'shut', pg_temp.line('shut', '2026-12-28', 1, 'cash', 2)));
ROLLBACK;
DROP FUNCTION accum.shut();

-- high_write, kind turnover, and register_alter with a new dimension.
SELECT accum.register_create('hot', '{"till": "int"}', '{"amount": "int"}', high_write => true, kind => 'turnover');
SELECT accum.register_post('hot', '{"recorder": "a", "period": "2026-01-05", "till": 1, "amount": 5}');
SELECT accum.register_close('hot', '2026-01-31', '{"till": 1}');
SELECT pg_temp.try($$SELECT accum.register_unpost('hot', 'a')$$);
SELECT accum.register_alter('hot', add_dimensions => '{"shop": "text"}');
SELECT pg_temp.try($$SELECT accum.register_post('hot', '{"recorder": "b", "period": "2026-01-05", "till": 1, "shop": "x", "amount": 5}')$$);
SELECT accum.register_post('hot', '{"recorder": "b", "period": "2026-01-05", "till": 2, "shop": "x", "amount": 5}');
-- Folds and rebuilds change no movement.
SELECT accum._delta_flush_register('hot'), accum.register_rebuild_totals('hot') > 0;
SELECT pg_temp.differences('hot');

-- A register of that name that comes later begins open.
SELECT accum.register_drop('hot', true);
SELECT count(*) FROM accum.register_closings WHERE register = 'hot';
SELECT accum.register_drop('books', true);
RESET ROLE;
SELECT count(*) FROM accum._register_closings;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_bookkeeper;
DROP ROLE regress_accum_bookkeeper, regress_accum_clerk, regress_accum_typist;
