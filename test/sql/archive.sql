--
-- register_detach_partitions: old movements go, what is known of them stays.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
\set VERBOSITY default
RESET client_min_messages;
SET pg_accumulator.partitions_ahead = 0;
CREATE ROLE regress_accum_archivist;
GRANT CREATE ON SCHEMA accum TO regress_accum_archivist;
SET ROLE regress_accum_archivist;

-- Registers of every shape: finest totals, partitions, first month of the year, mode, kind.
CREATE TEMP TABLE shape (name text PRIMARY KEY, totals text, part text, year_start integer, kind text, high_write boolean);
INSERT INTO shape VALUES
    ('old_dd', 'day', 'day', 1, 'balance', false), ('old_dm', 'day', 'month', 1, 'balance', false),
    ('old_dq', 'day', 'quarter', 4, 'balance', true), ('old_dy', 'day', 'year', 1, 'turnover', false),
    ('old_md', 'month', 'day', 7, 'balance', false), ('old_mq', 'month', 'quarter', 1, 'turnover', true),
    ('old_ym', 'year', 'month', 4, 'balance', false), ('old_yq', 'year', 'quarter', 10, 'balance', true),
    ('old_yy', 'year', 'year', 1, 'balance', false);
SELECT name, accum.register_create(name, '{"shop": "integer", "item": "text"}', '{"n": "bigint", "amount": "numeric(12,2)"}',
    kind, totals, part, high_write, 'text', 'Asia/Tokyo', NULL, year_start) FROM shape ORDER BY name;

-- Documents of two lines, some of which are two years apart; cells that have dropped to zero.
CREATE PROCEDURE pg_temp.fill(register text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO accum.%I (recorder, period, shop, item, n, amount)
        SELECT ''d'' || i / 2, timestamptz ''2019-12-10 12:00+09'' + (i + CASE WHEN i %% 90 = 1 THEN 400 ELSE 0 END) * interval ''1 day 50 minutes'',
               nullif(i %% 4, 0), ''i'' || i %% 3, i %% 11 - 4, (i %% 1000) / 8.0
        FROM generate_series(1, 900) AS i', register || '_movements');
    EXECUTE format('INSERT INTO accum.%I (recorder, period, shop, item, n, amount)
        VALUES (''zero'', ''2020-02-01'', 77, ''z'', 5, 1), (''zero'', ''2020-03-01'', 77, ''z'', -5, -1),
               (''moved'', ''2020-02-02'', 78, ''m'', 1, 1)', register || '_movements');
    PERFORM accum.register_create_partitions(register, '0');
    PERFORM accum.register_repost(register, 'moved', '{"period": "2022-05-05", "shop": 78, "item": "m", "n": 2}');
END $$;
SELECT format('CALL pg_temp.fill(%L)', name) FROM shape ORDER BY name \gexec

-- What each register says, at the bounds of its finest totals.
CREATE FUNCTION pg_temp.answers(s shape) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    first date := (date '2019-01-01' + (s.year_start - 1) * interval '1 month');
BEGIN
    FOR i IN 0 .. 4 * CASE s.totals WHEN 'year' THEN 1 WHEN 'month' THEN 12 ELSE 60 END LOOP
        RETURN QUERY EXECUTE format('SELECT t::text FROM accum.%I(%L, %L::date, group_by => ''["item"]'') t', s.name || '_turnover', first,
            (first + i * CASE s.totals WHEN 'day' THEN '6 days' ELSE '1 ' || s.totals END::interval - interval '1 day')::date);
        CONTINUE WHEN s.kind = 'turnover';
        RETURN QUERY EXECUTE format('SELECT b::text FROM accum.%I(''{"shop": 1}'', %L::date) b UNION ALL SELECT t::text FROM accum.%I(%L::date) t ORDER BY 1',
            s.name || '_balance', (first + i * CASE s.totals WHEN 'day' THEN '6 days' ELSE '1 ' || s.totals END::interval - interval '1 day')::date,
            s.name || '_balances_at', (first + i * CASE s.totals WHEN 'day' THEN '6 days' ELSE '1 ' || s.totals END::interval - interval '1 day')::date);
    END LOOP;
    RETURN QUERY EXECUTE format('SELECT t::text FROM accum.%I(%L, %L::date, unit => %L, group_by => ''["shop"]'', fill => true) t',
        s.name || '_statement', first, first + 5 * 366 - 1 - (first + 5 * 366 - (first + interval '5 years')::date), s.totals);
    IF s.kind = 'balance' THEN
        RETURN QUERY EXECUTE format('SELECT (to_jsonb(b) - ''last_movement_at'')::text FROM accum.%I b ORDER BY 1', s.name || '_balances');
    END IF;
END $$;
CREATE TEMP TABLE said AS SELECT s.name, count(*), md5(string_agg(a, E'\n' ORDER BY i))
FROM shape s, pg_temp.answers(s) WITH ORDINALITY AS t (a, i) GROUP BY s.name;
CREATE TEMP TABLE counted AS SELECT name, (accum.register_info(name) ->> 'movements_count')::bigint AS movements FROM shape;

-- What is older than noon of 2021-08-20 in Tokyo.
SELECT set_config('archive.age', (now() - timestamptz '2021-08-20 12:00+09')::text, false) <> '' AS age;
SELECT name, accum.register_detach_partitions(name, current_setting('archive.age')::interval) AS detached FROM shape ORDER BY name;
SELECT name, archived_before FROM accum._registers JOIN shape USING (name) ORDER BY name;
-- Days come in a call with at most 366 partitions, as far as a unit of totals ends there.
SELECT name, accum.register_detach_partitions(name, current_setting('archive.age')::interval) AS detached FROM shape ORDER BY name;
SELECT name, accum.register_detach_partitions(name, current_setting('archive.age')::interval) AS detached FROM shape ORDER BY name;
SELECT name, archived_before, archived_movements FROM accum._registers JOIN shape USING (name) ORDER BY name;

-- Movements before that day are gone, and everything else is as it was.
SELECT s.name, c.movements = (i ->> 'movements_count')::bigint + (i ->> 'archived_movements')::bigint AS counted,
       (i ->> 'archived_movements')::int > 0 AS archived
FROM shape s JOIN counted c USING (name), accum.register_info(s.name) i ORDER BY s.name;
SELECT count(*), min(period) >= '2021-08-01 00:00+09' FROM accum.old_dm_movements;
SELECT name, (count(*), md5(string_agg(a, E'\n' ORDER BY i))) = (SELECT w.count, w.md5 FROM said w WHERE w.name = s.name) AS same
FROM shape s, pg_temp.answers(s) WITH ORDINALITY AS t (a, i) GROUP BY s.name ORDER BY s.name;
SELECT DISTINCT s.name, v.status FROM shape s, accum.register_verify(s.name) v ORDER BY 1;

-- A rebuild makes the same again.
SELECT name, accum.register_rebuild_totals(name) > 0 AS totals, accum.register_rebuild_cache(name) > 0 AS cache FROM shape ORDER BY name;
SELECT name, (count(*), md5(string_agg(a, E'\n' ORDER BY i))) = (SELECT w.count, w.md5 FROM said w WHERE w.name = s.name) AS same
FROM shape s, pg_temp.answers(s) WITH ORDINALITY AS t (a, i) GROUP BY s.name ORDER BY s.name;
SELECT DISTINCT s.name, v.status FROM shape s, accum.register_verify(s.name) v ORDER BY 1;
RESET ROLE;
-- Also where something was damaged; a cell that has archived movements only is one of them.
SET session_replication_role = replica;
DELETE FROM accum.old_dm_balance_cache WHERE shop = 77;
UPDATE accum.old_dm_balance_cache SET n = n + 1 WHERE shop = 1 AND item = 'i1';
DELETE FROM accum.old_dm_totals_month WHERE period = '2020-03-01';
UPDATE accum.old_dm_totals_year SET amount_receipt = 0 WHERE shop = 2 AND item = 'i2';
RESET session_replication_role;
SET ROLE regress_accum_archivist;
SELECT check_type, status, count(*) FROM accum.register_verify('old_dm') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT accum.register_rebuild_cache('old_dm', (SELECT dim_hash FROM accum.old_dm_totals_year WHERE shop = 77 LIMIT 1));
SELECT check_type, status, count(*) FROM accum.register_verify('old_dm') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT accum.register_rebuild_totals('old_dm') > 0 AS totals, accum.register_rebuild_cache('old_dm') AS cache;
SELECT name, (count(*), md5(string_agg(a, E'\n' ORDER BY i))) = (SELECT w.count, w.md5 FROM said w WHERE w.name = s.name) AS same
FROM shape s, pg_temp.answers(s) WITH ORDINALITY AS t (a, i) WHERE s.name = 'old_dm' GROUP BY s.name;

-- The detail of archived time is not there any more, and nobody is told otherwise.
SELECT accum.old_dm_balance('{"shop": 1, "item": "i1"}', '2021-05-05 12:00+09');
SELECT accum.old_dm_balance('{"shop": 1}', '2021-05-05 12:00+09');
SELECT accum.old_dm_balance('{"shop": 1}', '2021-07-31 23:59+09');
SELECT accum.old_dm_balance('{"shop": 1}', '2021-08-01 00:01+09') IS NOT NULL AS there;
SELECT accum.old_dm_turnover('2021-05-05 12:00+09', '2021-05-06 12:00+09');
SELECT accum.old_dm_turnover('2021-05-05 12:00+09', '2022-05-06 00:00+09');
SELECT accum.old_dm_turnover(date '2021-05-05', date '2021-05-06', group_by => '["item"]');
SELECT count(*) FROM accum.old_dm_statement(date '2021-07-01', date '2021-08-31', unit => 'week');
SELECT count(*) FROM accum.old_dm_statement('2021-07-01 03:00+09', '2021-08-31 00:00+09');
SELECT count(*) FROM accum.old_dm_balances_at('2021-05-05 12:00+09');
SELECT count(*) FROM accum.old_dm_balances_at('2021-08-01 12:00+09');
SELECT count(*) FROM accum.old_md_statement(date '2021-07-01', date '2021-08-31', unit => 'day');
SELECT accum.old_md_balance('{}', date '2021-05-05');
SELECT accum.old_md_balance('{}', date '2021-05-31') IS NOT NULL AS there;
SELECT accum.old_ym_turnover(date '2020-04-01', date '2021-02-28');
SELECT accum.old_dm_movements(to_date => '2021-05-05');
-- Prepared before, refused after: a plan does not outlive the horizon.
SELECT accum.register_create('old_plan', '{"shop": "integer"}', '{"n": "integer"}');
INSERT INTO accum.old_plan_movements (recorder, period, shop, n) VALUES ('a', '2020-05-05', 1, 5), ('b', '2024-05-05', 1, 7);
PREPARE ask AS SELECT * FROM accum.old_plan_balances_at('2020-05-05 12:00Z');
EXECUTE ask;
-- The default partition has the old movement, which goes to a partition first.
SELECT accum.register_detach_partitions('old_plan', current_setting('archive.age')::interval);
EXECUTE ask;
SELECT relname, obj_description(oid) FROM pg_class WHERE relname ~ '^old_plan_movements_\d{4}_\d\d$' AND NOT relispartition;
SELECT * FROM accum.old_plan_movements_2020_05 WHERE recorder <> 'a';
SELECT recorder, tableoid::regclass FROM accum.old_plan_movements;
SELECT pg_temp.try($$INSERT INTO accum.old_plan_movements (recorder, period, n) VALUES ('c', '2021-07-31', 1)$$);

-- Nothing is written there, and what is partly there cannot be corrected.
SELECT accum.register_post('old_dm', '{"recorder": "new", "period": "2021-07-31 23:59", "shop": 1, "item": "i1", "n": 1}');
SELECT accum.register_post('old_dm', '[{"recorder": "new", "period": "2021-08-01", "shop": 1, "item": "i1", "n": 1},
    {"recorder": "new", "period": "2020-01-01", "shop": 1, "item": "i1", "n": 1}]');
SELECT accum.register_repost('old_dm', 'new', '{"period": "2020-01-01", "shop": 1, "item": "i1", "n": 1}');
SELECT accum.register_repost('old_dm', 'd270', '[]');
SELECT accum.register_unpost('old_dm', 'd5');
SELECT accum.register_unpost('old_dm', ARRAY['d449', 'zero']);
INSERT INTO accum.old_dm_movements (recorder, period, shop, item, n) VALUES ('new', '2020-01-01', 1, 'i1', 1);
DELETE FROM accum.old_dm_movements WHERE period < '2021-07-31';
-- Programs are told the same by the fields of the error, whatever is refused.
SELECT t, pg_temp.try_fields(t) FROM (VALUES
    ($$SELECT accum.register_post('old_dm', '{"recorder": "new", "period": "2021-07-31 23:59", "shop": 1, "item": "i1", "n": 1}')$$),
    ($$SELECT accum.register_unpost('old_dm', 'd5')$$),
    ($$SELECT accum.old_dm_balance('{"shop": 1}', '2021-05-05 12:00+09')$$),
    ($$SELECT accum.old_dm_turnover('2021-05-05 12:00+09', '2021-05-06 12:00+09')$$)
) AS v (t);
-- One that had a movement there, but has it no more, can be corrected; so can a later one.
SELECT accum.register_repost('old_dm', 'moved', '{"period": "2022-05-06", "shop": 78, "item": "m", "n": 3}');
SELECT accum.register_unpost('old_dm', 'moved'), accum.register_unpost('old_dm', 'd449');
-- A later movement of an archived document can be deleted by itself.
SELECT count(*) FROM accum.old_dm_movements WHERE recorder = 'd270';
DELETE FROM accum.old_dm_movements WHERE recorder = 'd270';
SELECT accum.register_unpost('old_dm', 'd270');
SELECT accum.register_post('old_dm', '{"recorder": "zero", "period": "2022-01-01", "shop": 1, "item": "i1", "n": 1}');
SELECT DISTINCT status FROM accum.register_verify('old_dm');

-- The detached table belongs to whom it belonged to, and can go, or come back to be read.
SELECT count(*), count(DISTINCT relowner::regrole) FROM pg_class WHERE relname ~ '^old_dm_movements_2020_\d\d$' AND NOT relispartition;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'accum.old_dm_movements_2020_02'::regclass;
DELETE FROM accum.old_dm_movements_2020_02 WHERE recorder = 'd5';
DROP TABLE accum.old_dm_movements_2020_02;
CREATE TRIGGER accum_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON accum.old_dm_movements_2020_03
    FOR EACH STATEMENT EXECUTE FUNCTION accum._guard_partition();
ALTER TABLE accum.old_dm_movements ATTACH PARTITION accum.old_dm_movements_2020_03
    FOR VALUES FROM ('2020-03-01 00:00+09') TO ('2020-04-01 00:00+09');
SELECT count(*) > 0 AS there FROM accum.old_dm_movements WHERE period < '2020-04-01';
SELECT DISTINCT status FROM accum.register_verify('old_dm');
SELECT accum.register_rebuild_totals('old_dm') > 0, accum.register_rebuild_cache('old_dm') > 0;
SELECT DISTINCT status FROM accum.register_verify('old_dm');
DELETE FROM accum.old_dm_movements WHERE period < '2020-04-01';
SELECT accum.register_detach_partitions('old_dm', current_setting('archive.age')::interval);
SELECT DISTINCT status FROM accum.register_verify('old_dm');

-- Further on.
SELECT accum.register_detach_partitions('old_dm', (now() - timestamptz '2022-01-01 12:00+09')::interval);
SELECT archived_before FROM accum._registers WHERE name = 'old_dm';
SELECT DISTINCT status FROM accum.register_verify('old_dm');

-- Old partitions that no unit of totals ends with stay; so does what a partition of one's own straddles.
SELECT accum.register_detach_partitions('old_ym', (now() - timestamptz '2022-03-01 12:00+09')::interval);
SELECT accum.register_detach_partitions('old_ym', (now() - timestamptz '2022-04-01 12:00+09')::interval);
SELECT archived_before FROM accum._registers WHERE name = 'old_ym';
SELECT accum.register_create('old_odd', '{"shop": "integer"}', '{"n": "integer"}');
CREATE TABLE accum.old_odd_mine PARTITION OF accum.old_odd_movements FOR VALUES FROM ('2020-01-20') TO ('2020-03-10');
CREATE TRIGGER accum_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON accum.old_odd_mine
    FOR EACH STATEMENT EXECUTE FUNCTION accum._guard_partition();
INSERT INTO accum.old_odd_movements (recorder, period, shop, n) VALUES ('a', '2019-11-05', 1, 5), ('b', '2020-02-05', 1, 7);
SELECT accum.register_detach_partitions('old_odd', (now() - timestamptz '2020-03-01 12:00Z')::interval);
SELECT archived_before FROM accum._registers WHERE name = 'old_odd';
SELECT accum.register_detach_partitions('old_odd', (now() - timestamptz '2020-03-01 12:00Z')::interval);
SELECT archived_before FROM accum._registers WHERE name = 'old_odd';
SELECT accum.register_detach_partitions('old_odd', (now() - timestamptz '2020-05-01 12:00Z')::interval);
SELECT archived_before FROM accum._registers WHERE name = 'old_odd';
SELECT DISTINCT status FROM accum.register_verify('old_odd');
-- A table with the name of a partition is in the way of what the default one has.
CREATE TABLE accum.old_odd_movements_2020_07 (n integer);
INSERT INTO accum.old_odd_movements (recorder, period, shop, n) VALUES ('c', '2020-07-05', 1, 5), ('d', '2020-08-05', 1, 5);
SELECT accum.register_detach_partitions('old_odd', (now() - timestamptz '2021-05-01 12:00Z')::interval);
DROP TABLE accum.old_odd_movements_2020_07;
-- Sums that are wrong are not made the truth.
RESET ROLE;
SET session_replication_role = replica;
UPDATE accum.old_odd_totals_day SET n = n + 1 WHERE period = '2020-07-05';
RESET session_replication_role;
SET ROLE regress_accum_archivist;
SELECT accum.register_detach_partitions('old_odd', (now() - timestamptz '2021-05-01 12:00Z')::interval);
SELECT accum.register_rebuild_totals('old_odd');
SELECT accum.register_detach_partitions('old_odd', (now() - timestamptz '2021-05-01 12:00Z')::interval);
SELECT archived_before FROM accum._registers WHERE name = 'old_odd';
-- Deltas that do not fit are not forgotten.
SELECT accum.register_create('old_small', '{"shop": "integer"}', '{"n": "smallint"}', high_write => true);
SELECT accum.register_post('old_small', format('{"recorder": "%s", "period": "2020-01-0%s", "shop": 1, "n": 30000}', i, i)::jsonb) FROM generate_series(1, 2) AS i;
SELECT accum.register_detach_partitions('old_small', current_setting('archive.age')::interval);
SELECT accum.register_unpost('old_small', '1');
SELECT accum.register_detach_partitions('old_small', current_setting('archive.age')::interval);
SELECT accum.old_small_balance('{}', date '2020-01-02'), accum._delta_count('old_small'), accum.register_info('old_small') -> 'archived_movements' AS archived;

-- Another register goes on after a change: columns, mode.
SELECT accum.register_alter('old_dq', add_dimensions => '{"lot": "text"}', add_resources => '{"weight": "integer"}', high_write => false);
SELECT accum.register_post('old_dq', '{"recorder": "w", "period": "2022-05-05", "shop": 1, "item": "i1", "lot": null, "n": 1, "weight": 3}');
SELECT accum.old_dq_balance('{"lot": null, "shop": 1}', date '2020-12-31'), (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('old_dq'));
SELECT accum.register_rebuild_totals('old_dq') > 0 AS totals, (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('old_dq'));
SELECT accum.register_alter('old_small', add_dimensions => '[{"name": "lot", "type": "text", "required": true}]');
SELECT accum.register_drop('old_small');
-- The whole of it undone.
BEGIN;
SELECT accum.register_detach_partitions('old_yy', '0') > 0 AS detached;
ROLLBACK;
SELECT accum.register_info('old_yy') ->> 'archived_before', (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('old_yy'));

-- Arguments and rights.
\set SHOW_CONTEXT never
SELECT accum.register_detach_partitions('nowhere');
SELECT accum.register_detach_partitions(NULL);
SELECT accum.register_detach_partitions('old_yy', NULL);
SELECT accum.register_detach_partitions('old_yy', '-1 day');
SELECT accum.register_detach_partitions('old_yy', '4000 years');
SELECT accum.register_detach_partitions('old_yy', '1000 years');
BEGIN READ ONLY;
SELECT accum.register_detach_partitions('old_yy');
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM accum.old_yy_movements;
FETCH 1 FROM c \g /dev/null
SELECT accum.register_detach_partitions('old_yy', '1 year');
ROLLBACK;
RESET ROLE;
CREATE ROLE regress_accum_clerk;
SET ROLE regress_accum_clerk;
SELECT accum.register_detach_partitions('old_yy');
RESET ROLE;
SELECT accum.register_drop(name, true) FROM accum._registers WHERE name LIKE 'old\_%';
-- Many tables are left, more than one transaction can lock.
DO $$
DECLARE
    t regclass;
BEGIN
    FOR t IN SELECT oid FROM pg_class WHERE relname LIKE 'old\_%' AND relkind = 'r' LOOP
        EXECUTE format('DROP TABLE %s', t);
        COMMIT;
    END LOOP;
END $$;
SET client_min_messages = warning;
DROP OWNED BY regress_accum_archivist, regress_accum_clerk;
DROP ROLE regress_accum_archivist, regress_accum_clerk;
