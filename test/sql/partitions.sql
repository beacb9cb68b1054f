--
-- Partitions on request, and rows that move to them out of the default one.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
\set VERBOSITY default
RESET client_min_messages;
SET pg_accumulator.partitions_ahead = 0;
CREATE ROLE regress_accum_keeper;
CREATE ROLE regress_accum_clerk;
GRANT CREATE ON SCHEMA accum TO regress_accum_keeper;
GRANT CREATE ON SCHEMA public TO regress_accum_keeper;
SET ROLE regress_accum_keeper;

-- Four registers, one for each unit, in a zone that is ahead of UTC.
SELECT accum.register_create('part_' || unit, '{"shop": "integer"}', '{"n": "integer"}',
    partition_by => unit, time_zone => 'Asia/Tokyo', attributes => '{"note": "text"}',
    high_write => unit = 'quarter')
FROM unnest('{day,month,quarter,year}'::text[]) AS unit;
-- The partition of today is the first of them; it has no name that a test could know.
SELECT r.name, count(*), bool_and(p.row_count = 0 AND p.total_size <> ''), bool_or(p.is_default),
       bool_or(p.from_date <= now() AND p.to_date > now()) AS current
FROM accum._registers r, accum.register_partitions(r.name) p
WHERE r.name LIKE 'part\_%' GROUP BY r.name ORDER BY r.name;

-- Rows of 2019 and 2020 go to the default partition, some of them toasted.
CREATE PROCEDURE pg_temp.fill(register text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO accum.%I (recorder, period, shop, n, note)
        SELECT ''d'' || i / 3, timestamptz ''2019-11-29 15:00+09'' + i * interval ''5 hours'', i %% 5, i %% 11 - 4,
               CASE WHEN i %% 20 = 0 THEN (SELECT string_agg(md5((i * j)::text), '''') FROM generate_series(1, 200) AS j) END
        FROM generate_series(1, 300) AS i', register || '_movements');
END $$;
SELECT format('CALL pg_temp.fill(%L)', name) FROM accum._registers WHERE name LIKE 'part\_%' ORDER BY name \gexec
CREATE TEMP TABLE before AS
    SELECT 'part_day' AS register, m.* FROM accum.part_day_movements m
    UNION ALL SELECT 'part_month', m.* FROM accum.part_month_movements m
    UNION ALL SELECT 'part_quarter', m.* FROM accum.part_quarter_movements m
    UNION ALL SELECT 'part_year', m.* FROM accum.part_year_movements m;
CREATE TEMP TABLE derived AS
    SELECT 'part_month cache' AS t, to_jsonb(c) AS r FROM accum.part_month_balance_cache c
    UNION ALL SELECT 'part_month day', to_jsonb(t) FROM accum.part_month_totals_day t
    UNION ALL SELECT 'part_month map', to_jsonb(m) FROM accum.part_month_recorders m
    UNION ALL SELECT 'part_quarter delta', to_jsonb(d) FROM accum.part_quarter_balance_cache_delta d;

-- A post to a month that has rows in the default partition goes there as well, and
-- keeps nobody from the other rows.
BEGIN;
SELECT accum.register_post('part_month', (SELECT jsonb_build_object('recorder', 'late', 'period', period, 'shop', 1, 'n', 1)
                                          FROM accum.part_month_movements_default ORDER BY period LIMIT 1));
SELECT mode FROM pg_locks
WHERE pid = pg_backend_pid() AND relation = 'accum.part_month_movements_default'::regclass ORDER BY mode;
ROLLBACK;

-- Today's partitions are there; with no time ahead only rows ask for others.
SELECT name, accum.register_create_partitions(name, '0') FROM accum._registers WHERE name LIKE 'part\_%' ORDER BY name;
SELECT partition_name, from_date, to_date, row_count FROM accum.register_partitions('part_month')
WHERE from_date < '2021-01-01' OR is_default;
SELECT partition_name, from_date, to_date, row_count FROM accum.register_partitions('part_quarter')
WHERE from_date < '2021-01-01' OR is_default;
SELECT partition_name, from_date, to_date, row_count FROM accum.register_partitions('part_year')
WHERE from_date < '2021-01-01' OR is_default;
SELECT count(*), min(from_date), max(to_date), sum(row_count) FROM accum.register_partitions('part_day')
WHERE from_date < '2021-01-01' OR is_default;

-- Every row is there as it was, and where it belongs; nothing derived has changed.
SELECT register, count(*) FROM before GROUP BY register ORDER BY register;
SELECT count(*) FROM (
    SELECT register, id, recorded_at, recorder, period, movement_type, dim_hash, shop, n, note FROM before
    EXCEPT ALL (
        SELECT 'part_day', m.* FROM accum.part_day_movements m UNION ALL SELECT 'part_month', m.* FROM accum.part_month_movements m
        UNION ALL SELECT 'part_quarter', m.* FROM accum.part_quarter_movements m
        UNION ALL SELECT 'part_year', m.* FROM accum.part_year_movements m)) AS lost;
SELECT count(*) FROM (SELECT * FROM derived EXCEPT (
    SELECT 'part_month cache' AS t, to_jsonb(c) AS r FROM accum.part_month_balance_cache c
    UNION ALL SELECT 'part_month day', to_jsonb(t) FROM accum.part_month_totals_day t
    UNION ALL SELECT 'part_month map', to_jsonb(m) FROM accum.part_month_recorders m
    UNION ALL SELECT 'part_quarter delta', to_jsonb(d) FROM accum.part_quarter_balance_cache_delta d)) AS changed;
SELECT name, pg_temp.differences(name) FROM accum._registers WHERE name LIKE 'part\_%' ORDER BY name;
SELECT DISTINCT r.name, v.status FROM accum._registers r, accum.register_verify(r.name) v
WHERE r.name LIKE 'part\_%' ORDER BY 1;
SELECT tableoid::regclass FROM accum.part_month_movements WHERE recorder = 'd99';
SELECT accum.register_unpost('part_month', 'd99'), accum.register_unpost('part_day', ARRAY['d1', 'd50']);
SELECT accum.register_repost('part_quarter', 'd50', '{"period": "2020-01-31", "shop": 1, "n": 3, "note": null}');
SELECT name, pg_temp.differences(name), accum.register_create_partitions(name, '0')
FROM accum._registers WHERE name LIKE 'part\_%' ORDER BY name;

-- Nobody writes to a partition that was made so but through movements.
DELETE FROM accum.part_month_movements_2020_01;

-- Ahead: in so many partitions lie the next days, and only once.
SELECT accum.register_create_partitions('part_day', '30 days'), accum.register_create_partitions('part_day', '30 days');
SELECT count(*) >= 6 AS months FROM accum.register_partitions('part_month') WHERE from_date > now();
SELECT accum.register_create_partitions('part_month') BETWEEN 6 AND 7 AS months;
SELECT count(*) >= 6 AS months FROM accum.register_partitions('part_month') WHERE from_date > now();
-- One call has a limit, and says so.
SELECT accum.register_create_partitions('part_day', '3 years');
SELECT accum.register_create_partitions('part_day', '380 days') BETWEEN 0 AND 366 AS rest;

-- A partition of one's own with columns in another order, and a default one too.
SELECT accum.register_create('part_own', '{"shop": "integer"}', '{"n": "integer"}');
ALTER TABLE accum.part_own_movements DETACH PARTITION accum.part_own_movements_default;
DROP TABLE accum.part_own_movements_default;
CREATE TABLE accum.part_own_movements_default (n integer NOT NULL DEFAULT 0, shop integer, dropped text, dim_hash bigint NOT NULL,
    movement_type text NOT NULL, period timestamptz NOT NULL, recorder text NOT NULL,
    recorded_at timestamptz NOT NULL, id uuid NOT NULL);
ALTER TABLE accum.part_own_movements_default DROP COLUMN dropped;
CREATE TRIGGER accum_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON accum.part_own_movements_default
    FOR EACH STATEMENT EXECUTE FUNCTION accum._guard_partition();
ALTER TABLE accum.part_own_movements ATTACH PARTITION accum.part_own_movements_default DEFAULT;
INSERT INTO accum.part_own_movements (recorder, period, shop, n) VALUES ('a', '2018-05-05', 1, 5), ('b', '2018-05-06', NULL, 7);
SELECT accum.register_create_partitions('part_own', '0');
SELECT tableoid::regclass, recorder, period, shop, n FROM accum.part_own_movements;
SELECT pg_temp.differences('part_own');

-- What has the name of a partition and is none is in the way of its rows only.
CREATE TABLE accum.part_own_movements_2018_07 (n integer);
INSERT INTO accum.part_own_movements (recorder, period, shop, n) VALUES ('c', '2018-07-05', 1, 5), ('d', '2018-08-06', NULL, 7);
SELECT accum.register_create_partitions('part_own', '0');
SELECT tableoid::regclass, recorder FROM accum.part_own_movements ORDER BY period;
DROP TABLE accum.part_own_movements_2018_07;
SELECT accum.register_create_partitions('part_own', '0');
SELECT tableoid::regclass, recorder FROM accum.part_own_movements ORDER BY period;

-- A foreign key that is checked at commit would not see the row that has moved.
CREATE TABLE public.regress_accum_shops (shop integer PRIMARY KEY);
INSERT INTO public.regress_accum_shops VALUES (1);
ALTER TABLE accum.part_own_movements ADD FOREIGN KEY (shop) REFERENCES public.regress_accum_shops DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO accum.part_own_movements (recorder, period, shop, n) VALUES ('e', '2017-07-05', 9, 5);
SELECT accum.register_create_partitions('part_own', '0');
ROLLBACK;
BEGIN;
INSERT INTO accum.part_own_movements (recorder, period, shop, n) VALUES ('e', '2017-07-05', 1, 5);
COMMIT;
SELECT accum.register_create_partitions('part_own', '0');
DELETE FROM public.regress_accum_shops;
SELECT accum.register_unpost('part_own', ARRAY['a', 'c', 'e']);
SELECT pg_temp.differences('part_own');

ALTER TABLE accum.part_own_movements DROP CONSTRAINT part_own_movements_shop_fkey;

-- In one transaction with the posts that need it, and rolled back.
BEGIN;
INSERT INTO accum.part_own_movements (recorder, period, n) VALUES ('f', '2016-07-05', 5);
SELECT accum.register_create_partitions('part_own', '0');
SELECT tableoid::regclass, recorder FROM accum.part_own_movements WHERE recorder = 'f';
ROLLBACK;
SELECT count(*), pg_temp.differences('part_own') FROM accum.part_own_movements;
-- Under a snapshot that is older than the row.
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO accum.part_own_movements (recorder, period, n) VALUES ('f', '2016-07-05', 5);
SELECT accum.register_create_partitions('part_own', '0');
SELECT tableoid::regclass, recorder FROM accum.part_own_movements WHERE recorder = 'f';
SELECT accum.register_unpost('part_own', 'f');
COMMIT;
SELECT count(*), pg_temp.differences('part_own') FROM accum.part_own_movements;

-- Arguments and rights.
\set SHOW_CONTEXT never
SELECT accum.register_create_partitions('nowhere');
SELECT accum.register_create_partitions(NULL);
SELECT accum.register_create_partitions('part_own', NULL);
SELECT accum.register_create_partitions('part_own', '-1 day');
SELECT accum.register_create_partitions('part_own', '9000 years');
SELECT accum.register_partitions('nowhere');
SELECT accum.register_partitions(NULL);
BEGIN READ ONLY;
SELECT accum.register_create_partitions('part_own');
ROLLBACK;
SET ROLE regress_accum_clerk;
SELECT accum.register_create_partitions('part_own');
SELECT partition_name, row_count, is_default FROM accum.register_partitions('part_own') WHERE from_date < '2020-01-01' OR is_default;
RESET ROLE;
GRANT SELECT ON accum.part_own_movements TO regress_accum_clerk;
SET ROLE regress_accum_clerk;
SELECT partition_name, row_count, is_default FROM accum.register_partitions('part_own') WHERE from_date < '2020-01-01' OR is_default;
RESET ROLE;
-- What a superuser makes is the owner's.
SELECT accum.register_create_partitions('part_own', '40 days') > 0 AS made;
SELECT DISTINCT relowner::regrole FROM pg_class WHERE relname LIKE 'part\_own\_movements\_2%';

SELECT accum.register_drop(name, true) FROM accum._registers WHERE name LIKE 'part\_%';
DROP TABLE public.regress_accum_shops;
DROP OWNED BY regress_accum_keeper, regress_accum_clerk;
DROP ROLE regress_accum_keeper, regress_accum_clerk;
