-- Dimensions and resources of every kind of type.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

CREATE TYPE types_colour AS ENUM ('red', 'green', 'blue');
CREATE DOMAIN types_code AS varchar(5) CHECK (value <> 'bad');
CREATE DOMAIN types_number AS int CHECK (value > 0);

-- Values that are equal are one cell, however they were written; all others,
-- and NULL, are cells of their own; each is found by its value.
CREATE FUNCTION pg_temp.cells(name text, type text, vals text[]) RETURNS TABLE (stored text, q int)
LANGUAGE plpgsql AS $$
DECLARE
    register text := 'types_' || name;
    wrong int;
BEGIN
    PERFORM accum.register_create(register, jsonb_build_object('v', type), '{"q": "int"}');
    PERFORM accum.register_post(register, (SELECT jsonb_agg(jsonb_build_object('recorder', 'r' || i, 'period', '2001-01-01', 'v', v, 'q', 1 << (i - 1)::int) ORDER BY i)
                                           FROM unnest(vals || NULL::text) WITH ORDINALITY AS u (v, i)));
    -- Reading by each spelling: the sum over all movements of equal value.
    EXECUTE format('SELECT count(*) FROM unnest($1 || NULL::text) AS u (v)
                    WHERE (accum.%1$I(jsonb_build_object(''v'', v)) ->> ''q'')::int IS DISTINCT FROM (SELECT sum(q) FROM accum.%2$I m WHERE m.v IS NOT DISTINCT FROM u.v::%3$s)
                       OR (SELECT sum((m ->> ''q'')::int) FROM accum.%2$I(dimensions => jsonb_build_object(''v'', v)) AS f (m)) IS DISTINCT FROM (SELECT sum(q) FROM accum.%2$I m WHERE m.v IS NOT DISTINCT FROM u.v::%3$s)',
                   register || '_balance', register || '_movements', type) INTO wrong USING vals;
    IF wrong > 0 OR pg_temp.differences(register) > 0 THEN
        RETURN QUERY SELECT format('%s: %s values not found, %s differences', name, wrong, pg_temp.differences(register)), wrong;
    END IF;
    RETURN QUERY EXECUTE format('SELECT v::text, q FROM accum.%I ORDER BY q', register || '_balance_cache');
    -- Cancelled by another session's words, nothing is left.
    PERFORM accum.register_unpost(register, (SELECT array_agg('r' || i) FROM generate_series(1, cardinality(vals) + 1) AS i));
    EXECUTE format('SELECT count(*) FROM accum.%I WHERE q <> 0 OR movements_count <> 0', register || '_balance_cache') INTO wrong;
    IF wrong > 0 OR pg_temp.differences(register) > 0 THEN
        RETURN QUERY SELECT name || ': not zero after unpost', wrong;
    END IF;
END $$;
SELECT * FROM pg_temp.cells('smallint', 'smallint', '{1,-32768," 1",32767}');
SELECT * FROM pg_temp.cells('int', 'int', '{1,01,+1,-1,0}');
SELECT * FROM pg_temp.cells('bigint', 'bigint', '{1,9223372036854775807,-9223372036854775808}');
SELECT * FROM pg_temp.cells('numeric', 'numeric', '{1,1.0,1.00,0,-0,1e-20,NaN,nan,12345678901234567890.123}');
SELECT * FROM pg_temp.cells('numeric2', 'numeric(6,2)', '{1,1.001,1.005,-0.001,0}');
SELECT * FROM pg_temp.cells('float', 'float8', '{0,-0,1,1.0,NaN,Infinity,-Infinity,1e-300}');
SELECT * FROM pg_temp.cells('real', 'real', '{0,-0,0.1,0.10000000149}');
SELECT * FROM pg_temp.cells('text', 'text', ARRAY['a', 'A', ' a', 'a ', 'NULL', '', '\N']);
SELECT * FROM pg_temp.cells('varchar', 'varchar(3)', ARRAY['a', 'a ', 'abc', 'abc   ']);
SELECT * FROM pg_temp.cells('char', 'char(3)', ARRAY['a', 'a ', 'a  ', ' a', '']);
SELECT * FROM pg_temp.cells('bpchar', 'bpchar', ARRAY['a', 'a ', ' a']);
SELECT * FROM pg_temp.cells('name', 'name', ARRAY['a', 'A']);
SELECT * FROM pg_temp.cells('uuid', 'uuid', ARRAY['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc999c0b4ef8bb6d6bb9bd380a11', '00000000-0000-0000-0000-000000000000']);
SELECT * FROM pg_temp.cells('bool', 'boolean', '{t,true,yes,1,f,no}');
SELECT * FROM pg_temp.cells('date', 'date', '{2001-02-03,20010203,"3 Feb 2001",infinity,-infinity,"0044-03-15 BC"}');
SELECT * FROM pg_temp.cells('stamp', 'timestamp', '{2001-02-03,"2001-02-03 00:00:00.0","2001-02-03 00:00:00.000001",infinity}');
SELECT * FROM pg_temp.cells('stamptz', 'timestamptz', '{"2001-02-03 00:00Z","2001-02-03 01:00+01","2001-02-02 19:00 America/New_York",infinity}');
SELECT * FROM pg_temp.cells('stamptz0', 'timestamptz(0)', '{"2001-02-03 00:00:00.4Z","2001-02-03 00:00Z","2001-02-03 00:00:00.6Z"}');
SELECT * FROM pg_temp.cells('time', 'time', '{12:00,"12:00:00",24:00,00:00}');
SELECT * FROM pg_temp.cells('interval', 'interval', '{"1 day","24 hours","1 month","30 days"}');
SELECT * FROM pg_temp.cells('inet', 'inet', '{10.0.0.1,10.0.0.1/32,10.0.0.1/24,::1}');
SELECT * FROM pg_temp.cells('cidr', 'cidr', '{10,10.0.0.0/8,10.0.0.0/24}');
SELECT * FROM pg_temp.cells('mac', 'macaddr', '{08:00:2b:01:02:03,08002b010203}');
SELECT * FROM pg_temp.cells('bytea', 'bytea', ARRAY['\x00ff', '\000\377', '\x']);
SELECT * FROM pg_temp.cells('oid', 'oid', '{1,4294967295}');
SELECT * FROM pg_temp.cells('char1', '"char"', '{a,b}');
SELECT * FROM pg_temp.cells('lsn', 'pg_lsn', '{0/0,00/00,A/1}');
SELECT * FROM pg_temp.cells('enum', 'types_colour', '{red,blue}');
SELECT * FROM pg_temp.cells('code', 'types_code', '{a,b,aaaaa}');
SELECT * FROM pg_temp.cells('positive', 'types_number', '{1,01,2}');
SELECT * FROM pg_temp.cells('array', 'int[]', ARRAY['{1,2}', '{1, 2}', '{2,1}', '{}', '{NULL}']);
SELECT * FROM pg_temp.cells('texts', 'text[]', ARRAY['{a,b}', '{"a,b"}', '{NULL}', '{"NULL"}']);
SELECT * FROM pg_temp.cells('range', 'int4range', ARRAY['[1,3]', '[1,4)', '(0,4)', 'empty', '(,)', '[1,3)']);
SELECT * FROM pg_temp.cells('numrange', 'numrange', ARRAY['[1,3]', '[1.0,3.00]', '[1,3)']);

-- Declared lengths and checks of dimensions hold.
SELECT t, v, pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'types_' || t, jsonb_build_object('recorder', 'a', 'period', '2001-01-01', 'v', v)))
FROM (VALUES ('varchar', 'abcd'), ('char', 'abcd'), ('code', 'bad'), ('code', 'aaaaaa'), ('positive', '0'), ('numeric2', '12345'), ('enum', 'yellow'), ('inet', '10.0.0'), ('array', '{x}'), ('range', '[3,1]'), ('bool', '2'), ('uuid', 'x')) AS v (t, v);
SELECT pg_temp.try($$INSERT INTO accum.types_code_movements (recorder, period, v) VALUES ('a', '2001-01-01', 'bad')$$);
-- JSON's own types meet the column's.
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'types_' || t, ('{"recorder": "a", "period": "2001-01-01", "q": 1, "v": ' || v || '}')))
FROM (VALUES ('bool', 'true'), ('bool', '1'), ('text', '5'), ('text', 'true'), ('text', '1.50'), ('numeric', '1.5'), ('int', '5.0'), ('int', '5.5'), ('date', '20010203'), ('positive', '5.0'), ('positive', '0'), ('float', '1e2'), ('array', '[1,2]'), ('inet', '5')) AS v (t, v);
SELECT v, q FROM accum.types_text_balance_cache WHERE q <> 0 ORDER BY v COLLATE "C";
-- jsonb as a dimension takes any JSON; arrays and objects cannot be asked for.
SELECT accum.register_create('types_jsonb', '{"v": "jsonb"}', '{"q": "int"}');
SELECT accum.register_post('types_jsonb', '[{"recorder": "a", "period": "2001-01-01", "v": {"b": 1, "a": [1]}, "q": 1}, {"recorder": "a", "period": "2001-01-01", "v": {"a": [1.0], "b": 1.00}, "q": 2},
    {"recorder": "a", "period": "2001-01-01", "v": "x", "q": 4}, {"recorder": "a", "period": "2001-01-01", "v": 5, "q": 8}, {"recorder": "a", "period": "2001-01-01", "v": "5", "q": 16}, {"recorder": "a", "period": "2001-01-01", "v": null, "q": 32}]');
SELECT v, q FROM accum.types_jsonb_balance_cache ORDER BY q;
SELECT accum.types_jsonb_balance('{"v": "x"}'), accum.types_jsonb_balance('{"v": 5}'), accum.types_jsonb_balance('{"v": null}'), pg_temp.differences('types_jsonb');

-- An enum is hashed by its label: renaming one is a change of values.
SELECT accum.register_post('types_enum', '{"recorder": "a", "period": "2001-01-01", "v": "green", "q": 5}');
ALTER TYPE types_colour ADD VALUE 'violet' BEFORE 'red';
SELECT accum.register_post('types_enum', '[{"recorder": "a", "period": "2001-01-01", "v": "violet", "q": 6}, {"recorder": "a", "period": "2001-01-01", "v": "green", "q": 1}]');
SELECT v, q FROM accum.types_enum_balance_cache WHERE q <> 0 ORDER BY v;
SELECT accum.types_enum_balance('{"v": "violet"}'), pg_temp.differences('types_enum');

-- No dimensions at all, and many.
SELECT accum.register_create('types_none', '{}', '{"q": "int"}');
SELECT accum.register_post('types_none', '[{"recorder": "a", "period": "2001-01-01", "q": 5}, {"recorder": "b", "period": "2001-01-02", "q": 6}]');
SELECT accum.types_none_balance(), accum.types_none_balance('{}'), pg_temp.differences('types_none');
SELECT accum.register_create('types_many', (SELECT jsonb_agg(jsonb_build_object('name', 'd' || i, 'type', (ARRAY['int', 'text', 'date'])[1 + i % 3]) ORDER BY i) FROM generate_series(1, 40) AS i), '{"q": "int"}');
CREATE FUNCTION pg_temp.many(i int, j int, with_nulls boolean) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg('d' || d, CASE WHEN NOT with_nulls OR (d + i) % 7 <> 0 THEN to_jsonb((ARRAY['5', 'x', '2001-01-01'])[1 + d % 3]) END) || jsonb_build_object('d3', i, 'd39', j) FROM generate_series(1, 40) AS d;
$$;
SELECT accum.register_post('types_many', (SELECT jsonb_agg(pg_temp.many(i, j, n) || jsonb_build_object('recorder', 'a', 'period', '2001-01-01', 'q', 1)) FROM generate_series(1, 10) i, generate_series(1, 10) j, unnest('{t,f}'::boolean[]) n));
SELECT count(*), pg_temp.differences('types_many') FROM accum.types_many_balance_cache;
SELECT sum((accum.types_many_balance(pg_temp.many(i, j, n)) ->> 'q')::int) FROM generate_series(1, 10) i, generate_series(1, 10) j, unnest('{t,f}'::boolean[]) n;
SELECT accum.types_many_balance('{"d3": 1}'), accum.types_many_balance('{"d7": null}'), accum.types_many_balance(pg_temp.many(1, 1, true) - 'd40');

-- Resources: the sum of each fits its type, or nothing is stored.
SELECT accum.register_create('types_sums', '{"w": "int"}', '{"s": "smallint", "i": "int", "b": "bigint", "n": "numeric(5,2)", "u": "numeric", "r": "real", "f": "float8"}');
SELECT accum.register_post('types_sums', '{"recorder": "a", "period": "2001-01-01", "w": 1, "s": 32000, "i": 2147483000, "b": 9223372036854775000, "n": 999.00, "u": 1e500, "r": 3e38, "f": 1.7e308}');
SELECT pg_temp.state('types_sums') AS state \gset
SELECT r, v, pg_temp.try(format('SELECT accum.register_post(''types_sums'', %L)', jsonb_build_object('recorder', 'b', 'period', '2002-02-02', 'w', 1, r, v)))
FROM (VALUES ('s', '1000'), ('i', '1000'), ('b', '1000'), ('n', '1.00'), ('r', '3e38'), ('f', '1.7e308')) AS v (r, v);
-- Two that do not fit together.
SELECT r, v, pg_temp.try(format('SELECT accum.register_post(''types_sums'', jsonb_build_array(%1$L::jsonb, %1$L::jsonb))', jsonb_build_object('recorder', 'b', 'period', '2001-01-01', 'w', 2, r, v)))
FROM (VALUES ('s', '-32000'), ('i', '-2147483000'), ('b', '-9223372036854775000'), ('n', '-999.00'), ('r', '-3e38'), ('f', '-1.7e308')) AS v (r, v);
SELECT r, pg_temp.try(format('INSERT INTO accum.types_sums_movements (recorder, period, w, %I) VALUES (''b'', ''2001-01-01'', 1, %s)', r, v))
FROM (VALUES ('s', '1000'), ('i', '1000'), ('b', '1000'), ('n', '1.00')) AS v (r, v);
SELECT pg_temp.state('types_sums') = :'state';
-- The cell in DETAIL, with several dimensions and NULL.
SELECT accum.register_create('types_sums_cell', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}, {"name": "d", "type": "date"}]', '{"s": "smallint"}');
SELECT pg_temp.try($$SELECT accum.register_post('types_sums_cell', '[{"recorder": "a", "period": "2001-01-01", "w": 1, "p": "it''s", "d": "2001-02-03", "s": 1}, {"recorder": "a", "period": "2001-01-01", "w": null, "p": "x, y", "d": null, "s": 30000}, {"recorder": "a", "period": "2001-01-01", "w": null, "p": "x, y", "d": null, "s": 30000}]')$$);
-- Receipts do not fit though the balance does: totals keep them, so it is an error.
SELECT pg_temp.try($$SELECT accum.register_post('types_sums_cell', '[{"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "d": null, "s": 30000}, {"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "d": null, "s": -30000}, {"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "d": null, "s": 30000}]')$$);
SELECT count(*) FROM accum.types_sums_cell_movements;
-- A removal can overflow, too.
SELECT accum.register_post('types_sums_cell', '{"recorder": "a", "period": "2001-01-01", "w": 1, "p": null, "d": null, "s": -30000}');
SELECT accum.register_post('types_sums_cell', '{"recorder": "b", "period": "2001-01-01", "w": 1, "p": null, "d": null, "s": 30000}');
SELECT accum.register_post('types_sums_cell', '{"recorder": "c", "period": "2001-01-01", "w": 1, "p": null, "d": null, "s": -30000}');
SELECT pg_temp.try($$SELECT accum.register_unpost('types_sums_cell', 'b')$$);
SELECT accum.types_sums_cell_balance('{"w": 1}'), pg_temp.differences('types_sums_cell');
SELECT accum.register_unpost('types_sums_cell', '{a,b}'::text[]);
SELECT accum.types_sums_cell_balance('{"w": 1}'), pg_temp.differences('types_sums_cell');

-- Partial sums that do not fit are no matter when the sum does.
SELECT accum.register_create('types_partial', '{"w": "int"}', '{"s": "smallint", "i": "int", "b": "bigint", "n": "numeric(5,2)"}', totals_period => 'year');
SELECT accum.register_post('types_partial', (SELECT jsonb_agg(jsonb_build_object('recorder', 'a', 'period', '2001-01-01', 'w', 1, 's', sign * s, 'i', sign * i, 'b', sign * b, 'n', sign * n) ORDER BY o)
    FROM (VALUES (1, -1), (2, -1), (3, -1), (4, 1), (5, -1)) AS o (o, sign), (VALUES (16000, 1000000000, 4000000000000000000, 400.00)) AS v (s, i, b, n) WHERE o < 5));
SELECT accum.types_partial_balance(), pg_temp.differences('types_partial');
SELECT accum.register_unpost('types_partial', 'a');
SELECT accum.register_post('types_partial', (SELECT jsonb_agg(jsonb_build_object('recorder', 'a', 'period', '2001-01-01', 'w', 1, 's', sign * s, 'i', sign * i, 'b', sign * b, 'n', sign * n) ORDER BY o)
    FROM (VALUES (1, -1), (2, 1)) AS o (o, sign), (VALUES (32767, 2147483647, 9223372036854775807, 999.99)) AS v (s, i, b, n)));
SELECT accum.types_partial_balance(), pg_temp.differences('types_partial');
SELECT accum.register_post('types_partial', '[{"recorder": "b", "period": "2001-01-01", "w": 2, "s": -32768, "i": -2147483648, "b": -9223372036854775808, "n": -999.99}, {"recorder": "b", "period": "2001-01-01", "w": 2, "s": 1, "i": 1, "b": 1, "n": 0.01}]');
SELECT accum.types_partial_balance('{"w": 2}'), pg_temp.differences('types_partial');
SELECT accum.register_unpost('types_partial', '{a,b}'::text[]);
SELECT accum.types_partial_balance(), pg_temp.differences('types_partial');

-- Scales: what is declared stays, and unconstrained numeric keeps what comes.
SELECT accum.register_create('types_scales', '{"w": "int"}', '{"n": "numeric(12,3)", "z": "numeric(5,0)", "u": "numeric", "m": "numeric(3,-2)", "r": "real", "f": "float8"}');
SELECT accum.types_scales_balance(), accum.types_scales_balance('{"w": 1}');
SELECT accum.register_post('types_scales', '[{"recorder": "a", "period": "2001-01-01", "w": 1, "n": 1.5, "z": 2.5, "u": 1.10, "m": 12345, "r": 0.5, "f": 0.25}, {"recorder": "a", "period": "2001-01-01", "w": 1, "n": "0.0005", "z": 0.4, "u": "2.200", "m": 150, "r": 0.25, "f": 1e100}]');
SELECT accum.types_scales_balance(), accum.types_scales_balance('{"w": 1}');
SELECT n, z, u, m, r, f FROM accum.types_scales_totals_month;
SELECT n_receipt, z_receipt, u_receipt, m_receipt, r_receipt, f_receipt FROM accum.types_scales_totals_year;
SELECT accum.register_unpost('types_scales', 'a');
SELECT accum.types_scales_balance();

-- A delta larger than its type, that leads from one value of the type to another.
SELECT accum.register_create('wide_delta', '{"w": "int"}', '{"s": "smallint", "n": "numeric(4,1)"}');
SELECT accum.register_post('wide_delta', '[
    {"recorder": "1", "period": "2026-01-01", "w": 1, "s": 30000, "n": 999.9}]');
SELECT accum.register_post('wide_delta', '[
    {"recorder": "2", "period": "2026-01-01", "w": 1, "s": -20000, "n": -900.3},
    {"recorder": "3", "period": "2026-01-01", "w": 1, "s": -20000, "n": -900.4}]');
SELECT accum.wide_delta_balance();
SELECT accum.register_unpost('wide_delta', '{2,3}'::text[]);
SELECT accum.wide_delta_balance();
SELECT check_type, status FROM accum.register_verify('wide_delta');
SELECT s, n, movements_count FROM accum.wide_delta_balance_cache;
SELECT accum.register_drop('wide_delta', true);
