-- Days, months and years are those of the register's time zone, whatever the
-- session's.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

-- Registers of several zones and fiscal years with movements each half hour
-- around every change of the clock that is special, and around new year.
CREATE TEMP TABLE zones (i int, zone text, year_start int, kind text, totals_period text, partition_by text);
INSERT INTO zones VALUES
    (1, 'UTC', 1, 'balance', 'day', 'month'), (2, 'UTC', 4, 'turnover', 'month', 'year'), (3, 'Europe/London', 4, 'balance', 'day', 'month'), (4, 'America/New_York', 1, 'balance', 'day', 'day'),
    (5, 'Asia/Tokyo', 1, 'turnover', 'day', 'quarter'), (6, 'America/Sao_Paulo', 7, 'balance', 'day', 'month'), (7, 'Pacific/Apia', 1, 'balance', 'day', 'day'), (8, 'America/St_Johns', 1, 'balance', 'day', 'month'),
    (9, 'Asia/Kolkata', 4, 'balance', 'month', 'quarter'), (10, 'Australia/Lord_Howe', 7, 'balance', 'day', 'quarter'), (11, 'Africa/Cairo', 12, 'balance', 'year', 'day'), (12, 'Atlantic/Azores', 1, 'balance', 'day', 'month');
CREATE TEMP TABLE edges (at timestamptz);
INSERT INTO edges VALUES ('2017-10-15 03:00Z'), ('2018-02-18 02:30Z'), ('2026-03-29 01:00Z'), ('2026-10-25 01:00Z'), ('2026-03-08 07:00Z'), ('2026-11-01 06:00Z'),
    ('2011-12-30 10:00Z'), ('2006-04-02 03:31Z'), ('2006-10-29 02:31Z'), ('2025-12-31 23:59Z'), ('2026-03-31 18:30Z'), ('2026-07-01 00:00Z'), ('2024-02-29 12:00Z'), ('1900-01-01 00:00Z'), ('0001-06-01 00:00Z'), ('9999-06-01 00:00Z');
SELECT accum.register_create('cal' || i, '{"w": "int"}', '{"q": "numeric(12,3)", "n": "int"}', kind => kind, totals_period => totals_period, partition_by => partition_by, time_zone => zone, year_start => year_start) FROM zones;
CREATE FUNCTION pg_temp.document(n int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('recorder', 'd' || n, 'period', to_char((at + h * interval '30 minutes 0.000001 seconds' - interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'),
                                        'w', h % 3, 'q', (h * 7919 + n) % 1000 / 8.0 - 60, 'n', h % 5 - 2))
    FROM edges, generate_series(0, 96) AS h WHERE h % 4 = n % 4
$$;
-- Post under one time zone ...
SET TimeZone = 'Asia/Tokyo';
SELECT sum(accum.register_post('cal' || i, pg_temp.document(n))) FROM zones, generate_series(1, 2) AS n;
-- ... under another, by SQL and by JSON ...
SET TimeZone = 'America/New_York';
SELECT sum(accum.register_post('cal' || i, pg_temp.document(n))) FROM zones, generate_series(3, 4) AS n;
INSERT INTO accum.cal6_movements (recorder, period, w, q) SELECT 'direct', at + h * interval '1 minute', 1, h FROM edges, generate_series(-90, 90) AS h;
INSERT INTO accum.cal7_movements (recorder, period, w, q) SELECT 'direct', at + h * interval '30 minutes', 1, h FROM edges, generate_series(-60, 60) AS h;
INSERT INTO accum.cal8_movements (recorder, period, w, q) SELECT 'direct', at + h * interval '30 seconds', 1, h FROM edges, generate_series(-300, 300) AS h;
SET TimeZone = 'UTC';
SELECT i, zone, pg_temp.differences('cal' || i) FROM zones ORDER BY i;
-- What the days are called.
SELECT period, sum(movements_count) FROM accum.cal7_totals_day WHERE period BETWEEN '2011-12-28' AND '2012-01-02' GROUP BY 1 ORDER BY 1;
SELECT period, sum(movements_count) FROM accum.cal6_totals_day WHERE period BETWEEN '2017-10-13' AND '2017-10-16' OR period BETWEEN '2018-02-16' AND '2018-02-20' GROUP BY 1 ORDER BY 1;
SELECT period, sum(movements_count) FROM accum.cal8_totals_day WHERE period BETWEEN '2006-10-27' AND '2006-10-31' GROUP BY 1 ORDER BY 1;
SELECT period, sum(movements_count) FROM accum.cal3_totals_year GROUP BY 1 ORDER BY 1;
SELECT period, sum(movements_count) FROM accum.cal11_totals_year GROUP BY 1 ORDER BY 1;
-- ... cancel and correct under others, and nothing is left.
SET TimeZone = 'Pacific/Apia';
SELECT sum(accum.register_unpost('cal' || i, 'd1')) FROM zones;
SELECT sum(accum.register_repost('cal' || i, 'd2', (SELECT jsonb_agg(m - 'recorder') FROM jsonb_array_elements(pg_temp.document(2)) WITH ORDINALITY AS u (m, o) WHERE o % 2 = 0))) FROM zones;
SET TimeZone = 'UTC';
SELECT sum(pg_temp.differences('cal' || i)) FROM zones;
SET TimeZone = 'America/St_Johns';
SELECT sum(accum.register_unpost('cal' || i, '{d1,d2,d3,d4,direct}'::text[])) FROM zones;
SET TimeZone = 'UTC';
SELECT sum(pg_temp.differences('cal' || i)) FROM zones;
CREATE TEMP TABLE left_over (n bigint);
DO $$
DECLARE
    t regclass;
    n bigint;
BEGIN
    FOR t IN SELECT relation FROM accum._register_relations WHERE register ~ '^cal[0-9]+$' AND role NOT IN ('recorders', 'movements') LOOP
        EXECUTE format('SELECT count(*) FROM %s WHERE q <> 0 OR n <> 0 OR movements_count <> 0', t) INTO n;
        INSERT INTO left_over VALUES (n);
    END LOOP;
END $$;
SELECT sum(n), count(*) FROM left_over;
SELECT sum((accum.register_info('cal' || i) ->> 'movements_count')::int) FROM zones;

-- A correction from one local day to another within the month, in a zone where
-- UTC sees another month.
SELECT accum.register_create('cal_edge', '{}', '{"q": "int"}', time_zone => 'Asia/Tokyo');
SELECT accum.register_post('cal_edge', '{"recorder": "a", "period": "2001-02-01 00:00", "q": 1}');
SELECT accum.register_repost('cal_edge', 'a', '{"period": "2001-02-01 08:59:59", "q": 1}');
SELECT period, q FROM accum.cal_edge_totals_month;
SELECT accum.register_repost('cal_edge', 'a', '{"period": "2001-01-31 23:59:59.999999", "q": 1}');
SELECT period, q, movements_count FROM accum.cal_edge_totals_month ORDER BY 1;
SELECT pg_temp.differences('cal_edge');
-- Partitions begin at the register's midnight.
SET TimeZone = 'America/New_York';
SELECT accum.register_post('cal_edge', '{"recorder": "a", "period": "2001-03-31 23:59", "q": 1}');
SET TimeZone = 'UTC';
SELECT c.relname, pg_get_expr(relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'accum.cal_edge_movements'::regclass AND relname ~ '_2001_' ORDER BY 1;
