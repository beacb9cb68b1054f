-- Documents in JSON: register_post, register_unpost, register_repost.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

CREATE TYPE post_colour AS ENUM ('red', 'green');
SELECT accum.register_create('post',
    '[{"name": "w", "type": "int", "required": true}, {"name": "p", "type": "text"}, {"name": "c", "type": "post_colour"}]',
    '[{"name": "n", "type": "numeric(12,2)"}, {"name": "i", "type": "int"}, {"name": "s", "type": "smallint"}, {"name": "b", "type": "bigint"},
      {"name": "u", "type": "numeric"}, {"name": "f", "type": "float8"}]',
    attributes => '[{"name": "note", "type": "text"}, {"name": "extra", "type": "jsonb"}, {"name": "line", "type": "int"}]', partition_by => 'year');

-- Post a movement with some keys replaced or left out, and say what came of it.
CREATE FUNCTION pg_temp.post(changes jsonb DEFAULT '{}', VARIADIC without text[] DEFAULT '{}') RETURNS text
LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT accum.register_post(''post'', %L)',
        ('{"recorder": "a", "period": "2001-01-01", "w": 1, "p": "x", "c": "red"}'::jsonb || changes) - without));
$$;
-- All movements without what no test can know.
CREATE FUNCTION pg_temp.movements(register text, recorder text DEFAULT NULL) RETURNS SETOF jsonb
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT m - ''id'' - ''dim_hash'' - ''recorded_at'' FROM accum.%I($1) AS f (m) ORDER BY m::text', register || '_movements') USING recorder;
END $$;

SELECT pg_temp.state('post') AS empty \gset

-- What p_data and p_register may be.
SELECT d, pg_temp.try(format('SELECT accum.register_post(''post'', %L)', d))
FROM unnest(ARRAY[NULL, 'null', '5', '"x"', 'true', '{}', '[]', '[[]]', '[{}]', '[5]', '["x"]', '[null]', '[[{"recorder": "a"}]]']) AS d;
SELECT pg_temp.try($$SELECT accum.register_post(NULL, '[]')$$);
SELECT pg_temp.try($$SELECT accum.register_post('nothing', '[]')$$);
SELECT pg_temp.try($$SELECT accum.register_post('POST', '[]')$$);
SELECT pg_temp.try($$SELECT accum.register_post('post; DROP TABLE x', '[]')$$);

-- Keys: which must be there, which may, and no others.
SELECT k, pg_temp.post('{}', k) FROM unnest('{recorder,period,w,p,c}'::text[]) AS k;
SELECT k, pg_temp.post(jsonb_build_object(k, 1)) FROM unnest(ARRAY['N', 'nn', '', 'id', 'dim_hash', 'recorded_at', 'ctid', 'Recorder', 'note ', 'movements_count', 'n"; --']) AS k;
SELECT pg_temp.try(format('SELECT accum.register_post(''post'', %L)',
    '[{"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "c": null},
      {"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "c": null, "quantity": 1}]'));
SELECT pg_temp.try(format('SELECT accum.register_post(''post'', %L)',
    '[{"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "c": null},
      {"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "c": null, "n": 1},
      {"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "c": null, "n": "1.5.5"}]'));
SELECT pg_temp.try(format('SELECT accum.register_post(''post'', %L)', '[{"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "c": null}, 5]'));

-- Values of resources.
SELECT v, pg_temp.post(('{"n": ' || v || '}')::jsonb)
FROM unnest(ARRAY['"abc"', '""', '" "', 'null', 'true', 'false', '"true"', '[]', '[1]', '{}', '{"a": 1}', '"NaN"', '"Infinity"', '"-inf"', '1e11', '99999999999.99', '9999999999.995', '"1 000"', '"1,5"', '"0x"']) AS v;
SELECT pg_temp.post('{"n": 1e400}') ~ '^22003 numeric field overflow';
SELECT v, pg_temp.post(('{"i": ' || v || '}')::jsonb)
FROM unnest(ARRAY['2147483648', '-2147483649', '"2147483648"', '1.5', '"1.5"', '"5.0"', '"abc"', '""', '1e10', '0.0000001', '"NaN"', 'true', 'null', '[1]']) AS v;
SELECT v, pg_temp.post(('{"s": ' || v || '}')::jsonb) FROM unnest(ARRAY['32768', '-32769', '"99999"', '0.5']) AS v;
SELECT v, pg_temp.post(('{"b": ' || v || '}')::jsonb) FROM unnest(ARRAY['9223372036854775808', '"-9223372036854775809"', '1e30', '1.1']) AS v;
SELECT v, pg_temp.post(('{"u": ' || v || '}')::jsonb) FROM unnest(ARRAY['"NaN"', '"Infinity"', '"-Infinity"', '"abc"']) AS v;
SELECT left(pg_temp.post('{"u": "1e200000"}'), 5);
SELECT v, pg_temp.post(('{"f": ' || v || '}')::jsonb) FROM unnest(ARRAY['"NaN"', '"Infinity"', '"-inf"', '"1e400"', '"abc"', 'null', 'true']) AS v;
-- Values of dimensions, attributes and the rest.
SELECT v, pg_temp.post(v::jsonb)
FROM unnest(ARRAY['{"w": null}', '{"w": "one"}', '{"w": 1.5}', '{"w": 3000000000}', '{"w": [1]}', '{"w": {"a": 1}}', '{"w": true}', '{"c": "blue"}', '{"c": ""}', '{"c": 1}', '{"p": ["x"]}', '{"p": {"x": 1}}',
                  '{"line": "x"}', '{"line": [1]}', '{"note": {"a": 1}}', '{"recorder": null}', '{"recorder": [1]}', '{"recorder": {}}',
                  '{"movement_type": "reversal"}', '{"movement_type": "Regular"}', '{"movement_type": ""}', '{"movement_type": null}', '{"movement_type": 1}', '{"movement_type": ["regular"]}']) AS v;
SELECT pg_temp.post(jsonb_build_object('p', repeat('x', 100000)));
SELECT pg_temp.post(jsonb_build_object('recorder', repeat('x', 10000)));
SELECT pg_temp.post(jsonb_build_object('p', repeat('x', 2001)));
SELECT substring(pg_temp.post(jsonb_build_object('n', repeat('é', 500))) FROM 'CONTEXT.*');
SELECT left(pg_temp.post('{"period": "2026-01-01 12:00 Mars/Olympus"}'), 5);
-- Periods.
SELECT v, pg_temp.post(jsonb_build_object('period', v::jsonb))
FROM unnest(ARRAY['null', '5', '20260101', 'true', '[]', '{}', '""', '"abc"', '"2026-02-30"', '"2026-01-01 25:00"', '"infinity"', '"-infinity"',
                  '"0001-12-31 23:59 BC"', '"10000-01-01"', '"294277-01-01"', '"4713-01-01 BC"']) AS v;

-- None of these has stored anything.
SELECT pg_temp.state('post') = :'empty', (SELECT count(*) FROM accum.post_movements), (SELECT count(*) FROM accum.post_recorders);

-- What is accepted, and what it is stored as.
SELECT pg_temp.post('{}');
SELECT pg_temp.post('{"recorder": "b", "n": 5, "i": 5.0, "s": "7", "b": 9223372036854775807, "u": "1.50", "f": "1e3"}');
SELECT pg_temp.post('{"recorder": "b", "n": "5.005", "i": "-2147483648", "s": -32768, "b": -9223372036854775807, "u": 1e30, "f": 0.1}');
SELECT pg_temp.post('{"recorder": "b", "n": -0.005, "i": " 12 ", "s": 1e2, "b": -1.0e0, "u": 0.000001}');
SELECT pg_temp.post('{"recorder": "c", "p": null, "c": null, "note": null, "extra": null, "line": null, "n": 9999999999.99}');
SELECT pg_temp.post('{"recorder": "c", "p": "", "note": 5, "extra": {"a": [1, null]}, "line": "3"}');
SELECT pg_temp.post('{"recorder": 17, "p": 1.50, "note": true, "extra": "text", "line": 3.0, "movement_type": "adjustment"}');
SELECT pg_temp.post('{"recorder": true, "p": false, "extra": [1], "movement_type": "regular"}');
SELECT pg_temp.movements('post');
SELECT accum.post_balance('{"w": 1, "p": "x", "c": "red"}'), accum.post_balance('{"p": null}'), accum.post_balance('{"p": ""}');
-- Rounding is that of an assignment in SQL.
CREATE TEMP TABLE assigned (v text, n numeric(12,2));
INSERT INTO assigned SELECT v, v::numeric FROM unnest('{0.004,0.005,0.0049999,-0.005,2.675,1e-9,123456.789}'::text[]) AS v;
SELECT accum.register_post('post', (SELECT jsonb_agg(jsonb_build_object('recorder', 'r', 'period', '2001-01-01', 'w', 9, 'p', v, 'c', NULL, 'n', v::numeric)) FROM assigned));
SELECT count(*), count(*) FILTER (WHERE m.n = a.n) FROM accum.post_movements m JOIN assigned a ON a.v = m.p WHERE m.w = 9;
-- Text of every kind is its own cell.
SELECT accum.register_post('post', (SELECT jsonb_agg(jsonb_build_object('recorder', 'texts', 'period', '2001-01-01', 'w', 2, 'p', p, 'c', NULL, 'i', i))
    FROM unnest(ARRAY['it''s', '"', 'a|b', '|', '\', '\n', E'\n', E'\t', '😀', 'é', E'e\u0301', 'É', ' ', '  ', 'NULL', 'null', '(null)', '', NULL, '{"a": 1}', '%s', '$1', '--', ';', repeat('x', 2000)]) WITH ORDINALITY AS t (p, i)));
SELECT count(*), count(DISTINCT dim_hash) FROM accum.post_balance_cache WHERE w = 2;
SELECT string_agg(accum.post_balance(jsonb_build_object('w', 2, 'p', p)) ->> 'i', ' ' ORDER BY i)
FROM unnest(ARRAY['it''s', '"', 'a|b', '|', '\', '\n', E'\n', E'\t', '😀', 'é', E'e\u0301', 'É', ' ', '  ', 'NULL', 'null', '(null)', '', NULL, '{"a": 1}', '%s', '$1', '--', ';', repeat('x', 2000)]) WITH ORDINALITY AS t (p, i);
SELECT accum.register_post('post', jsonb_build_object('recorder', repeat('r', 2000), 'period', '2001-01-01', 'w', 3, 'p', NULL, 'c', NULL)),
       accum.register_unpost('post', repeat('r', 2000));
-- (a|, b) and (a, |b), NULL and 'NULL'.
SELECT accum.register_create('post_pair', '[{"name": "a", "type": "text"}, {"name": "b", "type": "text"}]', '{"q": "int"}');
SELECT accum.register_post('post_pair', '[{"recorder": "1", "period": "2001-01-01", "a": "a|", "b": "b", "q": 1}, {"recorder": "1", "period": "2001-01-01", "a": "a", "b": "|b", "q": 2},
    {"recorder": "1", "period": "2001-01-01", "a": null, "b": "NULL", "q": 4}, {"recorder": "1", "period": "2001-01-01", "a": "NULL", "b": null, "q": 8},
    {"recorder": "1", "period": "2001-01-01", "a": null, "b": null, "q": 16}, {"recorder": "1", "period": "2001-01-01", "a": "b", "b": "a", "q": 32}, {"recorder": "1", "period": "2001-01-01", "a": "a", "b": "b", "q": 64}]');
SELECT a, b, q FROM accum.post_pair_balance_cache ORDER BY q;

-- Reading: what a filter may be.
SELECT f, pg_temp.try(format('SELECT accum.post_balance(%L)', f))
FROM unnest(ARRAY['null', '5', '[]', '[{"w": 1}]', '"w"', '{"W": 1}', '{"n": 1}', '{"recorder": "a"}', '{"w": [1]}', '{"w": {"a": 1}}', '{"w": "x"}', '{"w": 1.5}', '{"w": 3000000000}', '{"c": "blue"}']) AS f;
SELECT pg_temp.try(format('SELECT accum.post_movements(dimensions => %L)', f)) FROM unnest(ARRAY['5', '[]', '{"W": 1}', '{"w": [1]}', '{"w": "x"}']) AS f;
SELECT accum.post_balance('{"w": 77}'), accum.post_balance('{"w": "2", "p": "a|b"}') ->> 'i', accum.post_balance('{}') = accum.post_balance(), accum.post_balance(NULL) = accum.post_balance();
SELECT m ->> 'i' FROM accum.post_movements('texts', dimensions => '{"p": null}') AS f (m);
SELECT count(*) FROM accum.post_movements('texts', dimensions => '{"c": null, "w": 2}');
SELECT count(*) FROM accum.post_movements(from_date => '2001-01-01', to_date => '2001-01-01');
SELECT count(*) FROM accum.post_movements(from_date => '2001-01-01 00:00:00.000001');
SELECT count(*) FROM accum.post_movements(to_date => '2000-12-31');

-- Strings without an offset are local times of the register; with one, what they say.
SELECT accum.register_create('post_zone', '{"d": "date", "t": "timestamptz"}', '{"q": "int"}', time_zone => 'Asia/Tokyo', attributes => '{"seen": "timestamptz"}');
CREATE FUNCTION pg_temp.post_zone(rec text) RETURNS void LANGUAGE sql AS $$
    SELECT accum.register_post('post_zone', jsonb_build_array(
        jsonb_build_object('recorder', rec, 'period', '2026-03-29 02:30', 'd', '2026-03-29', 't', '2026-03-29T00:00', 'q', 1, 'seen', '2026-03-29'),
        jsonb_build_object('recorder', rec, 'period', '2026-03-29', 'd', '2026-03-29', 't', '2026-03-28 15:00Z', 'q', 10, 'seen', '2026-03-29 00:00+09'),
        jsonb_build_object('recorder', rec, 'period', '2026-03-29 00:00+00', 'd', '2026-03-29', 't', '2026-03-29 00:00 Asia/Tokyo', 'q', 100)));
$$;
SET TimeZone = 'America/New_York';
SELECT pg_temp.post_zone('1');
SET TimeZone = 'Pacific/Apia';
SELECT pg_temp.post_zone('1');
SET TimeZone = 'UTC';
SELECT pg_temp.post_zone('1');
SELECT period, t, seen, count(*), sum(q) FROM accum.post_zone_movements GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT count(*) FROM accum.post_zone_balance_cache;
SET TimeZone = 'America/New_York';
SELECT accum.post_zone_balance('{"t": "2026-03-29"}'), accum.post_zone_balance('{"t": "2026-03-28 15:00Z"}'), accum.post_zone_balance('{"t": "2026-03-28 11:00"}');
SELECT accum.register_repost('post_zone', '1', (SELECT jsonb_agg(jsonb_build_object('period', '2026-03-29 02:30', 'd', '2026-03-29', 't', '2026-03-29T00:00', 'q', 1, 'seen', '2026-03-29')) FROM generate_series(1, 3)));
SET TimeZone = 'UTC';
SELECT movement_type, count(*) FROM accum.post_zone_movements GROUP BY 1;
SELECT accum.post_zone_balance(), pg_temp.differences('post_zone');
-- So are those inside of ranges and arrays, and times of day.
SELECT accum.register_create('post_zone_in', '{"r": "tstzrange", "a": "timestamptz[]", "t": "timetz"}', '{"q": "int"}', time_zone => 'Asia/Tokyo');
SET TimeZone = 'America/New_York';
SELECT accum.register_post('post_zone_in', '{"recorder": "a", "period": "2001-01-01", "r": "[2001-01-01,2001-01-02)", "a": "{2001-01-01}", "t": "12:00", "q": 1}');
SET TimeZone = 'UTC';
SELECT accum.register_post('post_zone_in', '{"recorder": "a", "period": "2001-01-01", "r": "[2001-01-01,2001-01-02)", "a": "{2001-01-01}", "t": "12:00", "q": 1}');
SELECT r, a, t, q FROM accum.post_zone_in_balance_cache;
-- The ends of the calendar.
SELECT accum.register_create('post_ends_' || p, '{}', '{"q": "int"}', time_zone => 'Asia/Tokyo', partition_by => p) FROM unnest('{day,month,quarter,year}'::text[]) AS p;
SELECT accum.register_post('post_ends_' || p, '[{"recorder": "1", "period": "0001-01-01", "q": 1}, {"recorder": "1", "period": "9999-12-31 23:59:59.999999", "q": 2}]') FROM unnest('{day,month,quarter,year}'::text[]) AS p;
SELECT pg_temp.try(format('SELECT accum.register_post(''post_ends_day'', %L)', jsonb_build_object('recorder', '1', 'period', v))) FROM unnest(ARRAY['0001-12-31 23:59:59.999999 BC', '10000-01-01', '9999-12-31 15:00Z', '0001-12-31 14:00Z BC']) AS v;
SELECT period, q FROM accum.post_ends_day_totals_day ORDER BY 1;
SELECT sum(pg_temp.differences('post_ends_' || p)), sum(accum.register_unpost('post_ends_' || p, '1')) FROM unnest('{day,month,quarter,year}'::text[]) AS p;

-- One call may bring many movements, in more units than it makes partitions.
SELECT accum.register_create('post_many', '{"w": "int", "p": "text"}', '{"q": "numeric(18,3)"}', partition_by => 'day');
SELECT accum.register_post('post_many', (SELECT jsonb_agg(jsonb_build_object('recorder', 'post_doc' || i / 100, 'period', date '2001-01-01' + i % 50, 'w', i % 7, 'p', nullif(i % 11, 0)::text, 'q', i - 3000))
                                         FROM generate_series(1, 10000) AS i));
SELECT count(*), count(DISTINCT tableoid) FROM accum.post_many_movements;
SELECT pg_temp.differences('post_many'), accum.post_many_balance();
SELECT pg_temp.try(format('SELECT accum.register_post(''post_many'', %L)',
    (SELECT jsonb_agg(jsonb_build_object('recorder', 'x', 'period', '2001-01-01', 'w', 1, 'p', 'x', 'q', CASE WHEN i = 9999 THEN '1e' ELSE '1' END)) FROM generate_series(1, 10000) AS i)));
SELECT accum.register_unpost('post_many', 'x'), accum.register_unpost('post_many', 'doc50'), pg_temp.differences('post_many');
SELECT accum.register_unpost('post_many', (SELECT array_agg('post_doc' || i) FROM generate_series(0, 49) AS i)), pg_temp.differences('post_many');
SELECT accum.register_repost('post_many', 'doc60', (SELECT jsonb_agg(jsonb_build_object('period', date '2001-01-01' + i % 50, 'w', i % 7, 'p', nullif(i % 11, 0)::text, 'q', i - 3000 + (i = 6050)::int))
                                         FROM generate_series(6000, 6099) AS i));
SELECT movement_type, count(*) FROM accum.post_many_movements WHERE recorder = 'doc60' GROUP BY 1 ORDER BY 1;
SELECT pg_temp.differences('post_many'), accum.post_many_balance();

-- Unpost.
SELECT accum.register_create('post_doc', '{"w": "int", "p": "text"}', '{"q": "numeric(10,2)", "a": "int"}', attributes => '{"note": "text", "data": "json"}', partition_by => 'month');
SELECT accum.register_post('post_doc', '[{"recorder": "d1", "period": "2001-01-10", "w": 1, "p": "x", "q": 10, "a": 1}, {"recorder": "d1", "period": "2001-03-10", "w": 1, "p": null, "q": -4},
                                    {"recorder": "d2", "period": "2001-01-10", "w": 1, "p": "x", "q": 7}, {"recorder": "d3", "period": "2001-02-10", "w": 2, "p": "x", "q": 5}]');
SELECT pg_temp.try(s) FROM unnest(ARRAY[$$SELECT accum.register_unpost('nothing', 'd1')$$, $$SELECT accum.register_unpost(NULL, 'd1')$$, $$SELECT accum.register_unpost('post_doc', NULL::text)$$,
    $$SELECT accum.register_unpost('post_doc', NULL::text[])$$, $$SELECT accum.register_unpost('post_doc', '{d1,NULL}'::text[])$$]) AS s;
SELECT accum.register_unpost('post_doc', 'nobody'), accum.register_unpost('post_doc', ''), accum.register_unpost('post_doc', '{}'::text[]), accum.register_unpost('post_doc', '{nobody,no}'::text[]);
SELECT accum.register_unpost('post_doc', 'd1'), pg_temp.differences('post_doc');
SELECT accum.post_doc_balance();
SELECT accum.register_unpost('post_doc', 'd1'), accum.register_unpost('post_doc', '{d1,d2,d2,d3}'::text[]), pg_temp.differences('post_doc');
SELECT accum.post_doc_balance();
SELECT w, p, q, a, movements_count, last_movement_at IS NOT NULL, last_movement_id IS NOT NULL FROM accum.post_doc_balance_cache ORDER BY w, p;
SELECT count(*) FROM accum.post_doc_movements;
-- A document may come back under its name.
SELECT accum.register_post('post_doc', '{"recorder": "d1", "period": "2001-06-10", "w": 1, "p": "x", "q": 3}'), accum.register_unpost('post_doc', 'd1'), pg_temp.differences('post_doc');

-- Repost: unchanged rows stay as they are, only the difference is applied.
SELECT accum.register_post('post_doc', '[{"recorder": "d1", "period": "2001-01-10", "w": 1, "p": "x", "q": 10, "a": 1, "note": "one", "data": {"a": 1}},
                                    {"recorder": "d1", "period": "2001-01-10", "w": 1, "p": "x", "q": 10, "a": 1, "note": "one", "data": {"a": 1}},
                                    {"recorder": "d1", "period": "2001-01-11", "w": 1, "p": null, "q": 5}, {"recorder": "d1", "period": "2001-02-10", "w": 2, "p": "y", "q": 8},
                                    {"recorder": "d2", "period": "2001-01-10", "w": 1, "p": "x", "q": 100}]');
CREATE TEMP TABLE before AS SELECT * FROM accum.post_doc_movements;
CREATE TEMP TABLE cache_before AS SELECT * FROM accum.post_doc_balance_cache;
CREATE FUNCTION pg_temp.changes() RETURNS TABLE (what text, period timestamptz, w int, p text, q numeric, movement_type text, note text) LANGUAGE sql AS $$
    SELECT CASE WHEN b.id IS NULL THEN 'new' WHEN m.id IS NULL THEN 'gone' WHEN b.recorded_at = m.recorded_at THEN 'kept' ELSE 'touched' END,
           coalesce(m.period, b.period), coalesce(m.w, b.w), coalesce(m.p, b.p), coalesce(m.q, b.q), coalesce(m.movement_type, b.movement_type), coalesce(m.note, b.note)
    FROM (SELECT * FROM before WHERE recorder = 'd1') b FULL JOIN (SELECT * FROM accum.post_doc_movements WHERE recorder = 'd1') m ON m.id = b.id ORDER BY 1, 2, 3, 4, 5;
$$;
-- The same document in another order and with other spellings of its values.
SELECT accum.register_repost('post_doc', 'd1', '[{"recorder": "d1", "period": "2001-02-10 00:00+00", "w": "2", "p": "y", "q": 8.000}, {"period": "2001-01-11", "w": 1, "p": null, "q": "5", "a": 0},
    {"period": "2001-01-10", "w": 1, "p": "x", "q": 10, "a": 1, "note": "one", "data": {"a": 1}}, {"period": "2001-01-10", "w": 1, "p": "x", "q": 10.001, "a": "1", "note": "one", "data": {"a": 1}}]');
SELECT * FROM pg_temp.changes();
SELECT count(*) FROM (TABLE cache_before EXCEPT TABLE accum.post_doc_balance_cache) AS changed;
-- One of two equal rows goes, one amount changes, one note changes, one row is new.
SELECT accum.register_repost('post_doc', 'd1', '[{"period": "2001-01-10", "w": 1, "p": "x", "q": 10, "a": 1, "note": "one", "data": {"a": 1}}, {"period": "2001-01-11", "w": 1, "p": null, "q": 6},
    {"period": "2001-02-10", "w": 2, "p": "y", "q": 8, "note": "noted"}, {"period": "2001-04-01", "w": 3, "p": "z", "q": 1, "movement_type": "adjustment"}]');
SELECT * FROM pg_temp.changes();
SELECT pg_temp.differences('post_doc');
-- version counts changes of a cell: none for (2, y), whose sums and count stay.
SELECT c.w, c.p, c.q, c.version - coalesce(b.version, 0) AS versions, c.movements_count FROM accum.post_doc_balance_cache c LEFT JOIN cache_before b USING (dim_hash) ORDER BY 1, 2;
-- Moved within a month: day totals change, month and cache do not.
SELECT sum(version) AS versions FROM accum.post_doc_balance_cache \gset
SELECT accum.register_repost('post_doc', 'd2', '{"period": "2001-01-20", "w": 1, "p": "x", "q": 100}');
SELECT sum(version) - :versions FROM accum.post_doc_balance_cache;
SELECT period, q, movements_count FROM accum.post_doc_totals_day WHERE w = 1 AND p = 'x' AND period IN ('2001-01-10', '2001-01-20') ORDER BY 1;
SELECT pg_temp.differences('post_doc');
-- A movement's type may be asked for; what is asked for and there is kept.
SELECT accum.register_repost('post_doc', 'd2', '{"period": "2001-01-20", "w": 1, "p": "x", "q": 100, "movement_type": "regular"}');
SELECT movement_type FROM accum.post_doc_movements WHERE recorder = 'd2';
SELECT accum.register_repost('post_doc', 'd2', '{"period": "2001-01-20", "w": 1, "p": "x", "q": 100}');
SELECT movement_type FROM accum.post_doc_movements WHERE recorder = 'd2';
-- json attributes are compared as they are written.
SELECT accum.register_repost('post_doc', 'd2', '{"period": "2001-01-20", "w": 1, "p": "x", "q": 100, "data": [1, {"b": null}]}');
SELECT data FROM accum.post_doc_movements WHERE recorder = 'd2';
-- A document without movements, a new one, an empty one.
SELECT accum.register_repost('post_doc', 'new', '[{"period": "2001-01-20", "w": 9, "p": "x", "q": 100}, {"recorder": "new", "period": "2001-01-20", "w": 9, "p": "x", "q": -1}]');
SELECT q, movement_type FROM accum.post_doc_movements WHERE recorder = 'new' ORDER BY 1;
SELECT accum.register_repost('post_doc', 'new', '[]'), accum.register_repost('post_doc', 'unknown', '[]'), accum.register_unpost('post_doc', 'new'), accum.register_unpost('post_doc', 'unknown');
SELECT pg_temp.differences('post_doc');
-- Errors of repost leave everything as it was.
SELECT pg_temp.state('post_doc') AS state \gset
SELECT pg_temp.try(s) FROM unnest(ARRAY[
    $$SELECT accum.register_repost('nothing', 'd1', '[]')$$, $$SELECT accum.register_repost('post_doc', NULL, '[]')$$, $$SELECT accum.register_repost('post_doc', 'd1', NULL)$$, $$SELECT accum.register_repost('post_doc', 'd1', '5')$$,
    $$SELECT accum.register_repost('post_doc', 'd1', '[{"period": "2001-01-01", "w": 1, "p": null}, {"recorder": "d2", "period": "2001-01-01", "w": 1, "p": null}]')$$,
    $$SELECT accum.register_repost('post_doc', 'd1', '[{"recorder": null, "period": "2001-01-01", "w": 1, "p": null}]')$$,
    $$SELECT accum.register_repost('post_doc', 'd1', '[{"period": "2001-01-01", "w": 1, "p": null}, {"period": "2001-01-01", "w": 1, "p": null, "q": "x"}]')$$,
    $$SELECT accum.register_repost('post_doc', 'd1', '[{"period": "2001-01-01", "w": 1, "p": null, "qq": 1}]')$$,
    $$SELECT accum.register_repost('post_doc', 'd1', '[{"period": "2001-01-01", "w": 1}]')$$,
    $$SELECT accum.register_repost('post_doc', 'd1', '[{"w": 1, "p": "x"}]')$$,
    $$SELECT accum.register_repost('post_doc', 'd1', '[{"period": "2001-01-01", "w": 1, "p": null, "movement_type": "reversal"}]')$$,
    $$SELECT accum.register_repost('post_doc', 'd1', '[{"period": "2001-01-01", "w": 1, "p": "x", "a": 2000000000}, {"period": "2001-01-01", "w": 1, "p": "x", "a": 2000000000}]')$$]) AS s;
SELECT pg_temp.state('post_doc') = :'state';

-- Recorders of other types.
SELECT accum.register_create('post_rec_' || left(t, 4), '{}', '{"q": "int"}', recorder_type => t) FROM unnest('{uuid,bigint,integer,varchar(5)}'::text[]) AS t;
SELECT accum.register_post('post_rec_uuid', '{"recorder": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "period": "2001-01-01", "q": 1}'),
       accum.register_repost('post_rec_uuid', '{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}', '{"recorder": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "period": "2001-01-01", "q": 2}');
SELECT accum.post_rec_uuid_balance();
SELECT accum.register_unpost('post_rec_uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'), accum.register_unpost('post_rec_uuid', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12}'::text[]);
SELECT accum.register_post('post_rec_bigi', '[{"recorder": 9007199254740993, "period": "2001-01-01", "q": 1}, {"recorder": "9007199254740993", "period": "2001-01-01", "q": 1}, {"recorder": 9007199254740993.0, "period": "2001-01-01", "q": 1}]'),
       accum.register_unpost('post_rec_bigi', ' 9007199254740993'), accum.register_unpost('post_rec_bigi', '{1,2}'::text[]);
SELECT accum.register_post('post_rec_inte', '{"recorder": 5, "period": "2001-01-01", "q": 1}'), accum.register_repost('post_rec_inte', '5', '{"recorder": 5, "period": "2001-01-01", "q": 3}'), accum.register_unpost('post_rec_inte', '05');
SELECT accum.register_post('post_rec_varc', '{"recorder": "abcde", "period": "2001-01-01", "q": 1}'), accum.register_unpost('post_rec_varc', '{abcde,x}'::text[]);
SELECT pg_temp.try(s) FROM unnest(ARRAY[
    $$SELECT accum.register_post('post_rec_uuid', '{"recorder": "x", "period": "2001-01-01"}')$$, $$SELECT accum.register_post('post_rec_uuid', '{"recorder": 5, "period": "2001-01-01"}')$$,
    $$SELECT accum.register_post('post_rec_bigi', '{"recorder": 1.5, "period": "2001-01-01"}')$$, $$SELECT accum.register_post('post_rec_bigi', '{"recorder": "", "period": "2001-01-01"}')$$,
    $$SELECT accum.register_post('post_rec_inte', '{"recorder": 3000000000, "period": "2001-01-01"}')$$, $$SELECT accum.register_post('post_rec_varc', '{"recorder": "abcdef", "period": "2001-01-01"}')$$,
    $$SELECT accum.register_unpost('post_rec_uuid', 'x')$$, $$SELECT accum.register_unpost('post_rec_bigi', '{1,x}'::text[])$$, $$SELECT accum.register_repost('post_rec_inte', 'x', '[]')$$,
    $$SELECT accum.register_repost('post_rec_inte', '5', '{"recorder": 6, "period": "2001-01-01"}')$$]) AS s;
SELECT sum(pg_temp.differences(name)) FROM accum._registers WHERE name ~ '^post';
