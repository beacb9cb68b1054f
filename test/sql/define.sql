-- Defining registers: register_create, register_create_sql, register_drop,
-- register_list, register_info.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

-- The simplest register, with every default.
SELECT accum.register_create('def_plain', '{"warehouse": "int"}', '{"quantity": "numeric(12,2)"}');
SELECT name, kind, dimensions, resources, attributes, totals_period, partition_by,
       high_write, recorder_type, time_zone, year_start, created_at = updated_at
FROM accum._registers WHERE name = 'def_plain';
SELECT role, relation FROM accum._register_relations WHERE register = 'def_plain' ORDER BY role;
SELECT column_name, data_type, is_nullable,
       CASE WHEN column_name NOT IN ('dim_hash') THEN column_default END
FROM information_schema.columns
WHERE table_schema = 'accum' AND table_name = 'def_plain_movements' ORDER BY ordinal_position;
SELECT table_name, string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position)
FROM information_schema.columns
WHERE table_schema = 'accum' AND table_name ~ '^def_plain_(totals|balance|recorders)'
GROUP BY 1 ORDER BY 1;
SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid IN (SELECT relation FROM accum._register_relations WHERE register = 'def_plain')
  AND contype = 'p' ORDER BY conrelid::regclass::text;
SELECT p.oid::regprocedure, p.prorettype::regtype, p.proretset, l.lanname, p.prosecdef, p.proconfig
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = 'accum'::regnamespace AND p.proname IN ('def_plain_movements')
ORDER BY 1;
SELECT pg_get_function_arguments('accum.def_plain_movements'::regproc);

-- register_info: its keys, and what does not depend on today.
SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(accum.register_info('def_plain')) AS k;
SELECT jsonb_pretty(accum.register_info('def_plain') - 'created_at' - 'partitions');
SELECT accum.register_info('def_plain') -> 'partitions' -> 0 ?& '{name,range}',
       jsonb_array_length(accum.register_info('def_plain') -> 'partitions'),
       accum.register_info('def_plain') -> 'partitions' @> '[{"name": "def_plain_movements_default", "range": "DEFAULT"}]';
SELECT name, kind, dimensions, resources, movements_count, created_at = (accum.register_info('def_plain') ->> 'created_at')::timestamptz
FROM accum.register_list() WHERE name = 'def_plain';
SELECT accum.register_post('def_plain', '[{"recorder": "a", "period": "2026-01-01", "warehouse": 1, "quantity": 2},
                                          {"recorder": "a", "period": "2030-01-01", "warehouse": 1, "quantity": 2}]');
SELECT movements_count, accum.register_info('def_plain') -> 'movements_count'
FROM accum.register_list() WHERE name = 'def_plain';

-- Every name, option and form of columns.
SELECT accum.register_create('def_full',
    '[{"name": "zeta", "type": "int", "required": true}, {"type": "text", "name": "alpha"}, {"name": "mid", "type": "int", "required": false}]',
    '[{"name": "y", "type": "numeric(18,4)"}, {"name": "x", "type": "bigint"}]',
    kind => 'turnover', totals_period => 'month', partition_by => 'quarter', high_write => false,
    recorder_type => 'varchar(20)', time_zone => 'europe/london',
    attributes => '[{"name": "note", "type": "text"}, {"name": "line", "type": "integer"}]', year_start => 4);
SELECT dimensions, resources, attributes, kind, totals_period, partition_by, recorder_type, time_zone, year_start
FROM accum._registers WHERE name = 'def_full';
SELECT jsonb_pretty(accum.register_info('def_full') - 'created_at' - 'partitions');
SELECT column_name, is_nullable, data_type FROM information_schema.columns
WHERE table_schema = 'accum' AND table_name = 'def_full_movements' ORDER BY ordinal_position;
SELECT to_regprocedure('accum.def_full_balance(jsonb, timestamptz)') IS NULL,
       to_regclass('accum.def_full_balance_cache') IS NULL;

-- All totals_period and partition_by: which tables there are and how partitions
-- are called.
SELECT accum.register_create(format('def_%s_%s', t, p), '{}', '{"q": "int"}', totals_period => t, partition_by => p)
FROM unnest('{day,month,year}'::text[]) t, unnest('{day,month,quarter,year}'::text[]) p;
SELECT register, string_agg(role, ' ' ORDER BY role) FROM accum._register_relations
WHERE register ~ '^def_(day|month|year)_(day|year)$' GROUP BY 1 ORDER BY 1;
SELECT accum.register_post(format('def_%s_%s', t, p), '{"recorder": "a", "period": "2001-05-17", "q": 1}')
FROM unnest('{day,month,year}'::text[]) t, unnest('{day,month,quarter,year}'::text[]) p;
SELECT inhrelid::regclass, pg_get_expr(relpartbound, c.oid)
FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent::regclass::text ~ '^accum.def_(day|month|year)_' AND c.relkind = 'r' AND relname ~ '_2001' ORDER BY 1::text;
SELECT sum(pg_temp.differences(name)) FROM accum._registers WHERE name ~ '^def_';

-- As many partitions ahead as are wanted.
SET pg_accumulator.partitions_ahead = 0;
SELECT accum.register_create('def_ahead0', '{}', '{"q": "int"}');
SET pg_accumulator.partitions_ahead = 24;
SELECT accum.register_create('def_ahead24', '{}', '{"q": "int"}', partition_by => 'day');
RESET pg_accumulator.partitions_ahead;
SELECT r, jsonb_array_length(accum.register_info(r) -> 'partitions') FROM unnest('{def_ahead0,def_ahead24}'::text[]) r;
SET pg_accumulator.partitions_ahead = 25;

-- Names of registers: 42 bytes are allowed, and enough for the longest partition.
SELECT accum.register_create('def_' || repeat('x', 38), '{}', '{"q": "int"}', partition_by => 'day');
SELECT max(length(c.relname)) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
WHERE inhparent = ('accum.def_' || repeat('x', 38) || '_movements')::regclass;
SELECT name, pg_temp.try(format('SELECT accum.register_create(%L, ''{}'', ''{"q": "int"}'')', name))
FROM unnest(ARRAY[NULL, '', 'def_' || repeat('x', 39), 'Def', '1def', '_def', 'def-x', 'def x', 'def.x', 'déf',
                  'def"; DROP TABLE accum._registers; --', 'def''', E'def\n', 'def$']) AS name;
SELECT pg_temp.try($$SELECT accum.register_create('def_plain', '{}', '{"q": "int"}')$$);

-- Names of columns: words of SQL are fine, 55 bytes too.
SELECT accum.register_create('def_words',
    '{"select": "int", "user": "text", "from_date": "int", "t": "int", "d": "int", "m": "int", "s": "int", "unit": "int", "fill": "int", "group_by": "int", "excluded": "int", "dimensions": "int", "accum_batch": "int", "accum_delta": "int"}',
    '{"sum": "int", "order": "numeric", "table": "bigint"}', attributes => '{"where": "text", "new": "int"}');
SELECT accum.register_post('def_words', '{"recorder": "a", "period": "2001-01-01", "select": 1, "user": "me", "from_date": 2, "t": 3, "d": 4, "m": 6, "s": 5, "unit": 1, "fill": 1, "group_by": 1,
    "excluded": 6, "dimensions": 7, "accum_batch": 8, "accum_delta": 9, "sum": 10, "order": 1.5, "table": 7, "where": "here", "new": 1}');
SELECT accum.register_repost('def_words', 'a', '{"period": "2001-01-01", "select": 1, "user": "me", "from_date": 2, "t": 3, "d": 4, "m": 6, "s": 5, "unit": 1, "fill": 1, "group_by": 1,
    "excluded": 6, "dimensions": 7, "accum_batch": 8, "accum_delta": 9, "sum": 11, "order": 2.5, "table": 8, "where": "there", "new": 1}');
SELECT accum.def_words_balance('{"select": 1, "user": "me", "s": 5, "accum_delta": 9}');
SELECT movement - 'id' - 'dim_hash' - 'recorded_at' FROM accum.def_words_movements(dimensions => '{"select": 1, "accum_batch": 8}') AS f (movement);
SELECT pg_temp.differences('def_words');
SELECT accum.register_create('def_long', jsonb_build_object(repeat('d', 55), 'int'), jsonb_build_object(repeat('r', 55), 'int'));
SELECT accum.register_post('def_long', jsonb_build_object('recorder', 'a', 'period', '2001-01-01', repeat('d', 55), 1, repeat('r', 55), 5));
SELECT pg_temp.differences('def_long');
SELECT name, pg_temp.try(format('SELECT accum.register_create(''def_bad'', %L, ''{"q": "int"}'')', jsonb_build_object(name, 'int')))
FROM unnest(ARRAY['', 'User', 'a b', 'a"b', '1a', '_a', 'ä', repeat('d', 56), 'id', 'recorded_at', 'recorder', 'period',
                  'movement_type', 'dim_hash', 'movements_count', 'last_movement_at', 'last_movement_id', 'version', 'ctid', 'xmin',
                  'tableoid', 'x" int); DROP TABLE accum._registers; --']) AS name;
SELECT name, pg_temp.try(format('SELECT accum.register_create(''def_bad'', ''{}'', %L)', jsonb_build_object(name, 'int')))
FROM unnest(ARRAY['Q', 'period', repeat('r', 56)]) AS name;
SELECT name, pg_temp.try(format('SELECT accum.register_create(''def_bad'', ''{}'', ''{"q": "int"}'', attributes => %L)', jsonb_build_object(name, 'int')))
FROM unnest(ARRAY['Note', 'id', repeat('r', 56)]) AS name;

-- No name twice, and none that a resource's generated columns have.
SELECT pg_temp.try(format('SELECT accum.register_create(''def_bad'', %L, %L, attributes => %L)', d, r, a))
FROM (VALUES ('[{"name": "a", "type": "int"}, {"name": "a", "type": "text"}]', '{"q": "int"}', NULL),
             ('{"a": "int"}', '{"a": "int"}', NULL),
             ('{"a": "int"}', '{"q": "int"}', '{"a": "int"}'),
             ('{}', '{"q": "int"}', '{"q": "int"}'),
             ('{}', '[{"name": "q", "type": "int"}, {"name": "q", "type": "int"}]', NULL),
             ('{"q_receipt": "int"}', '{"q": "int"}', NULL),
             ('{"q_dr": "int"}', '{"q": "int"}', NULL),
             ('{"q_cr": "int"}', '{"q": "int"}', NULL),
             ('{}', '{"q": "int", "q_receipt": "int"}', NULL),
             ('{}', '{"q": "int"}', '{"q_receipt": "text"}')) AS v (d, r, a);

-- Shapes of columns.
SELECT j, pg_temp.try(format('SELECT accum.register_create(''def_bad'', %L, ''{"q": "int"}'')', j))
FROM unnest(ARRAY[NULL, 'null', '5', '"w"', 'true', '["w"]', '[5]', '[null]', '[["w", "int"]]', '[{}]', '[{"name": "w"}]',
                  '[{"type": "int"}]', '[{"name": "w", "type": 5}]', '[{"name": 5, "type": "int"}]',
                  '[{"name": "w", "type": "int", "required": "yes"}]', '[{"name": "w", "type": "int", "requird": true}]',
                  '[{"name": "ok", "type": "int"}, {"name": "w"}]', '{"w": 5}', '{"w": null}', '{"w": {"type": "int"}}', '{"w": ["int"]}',
                  '{"w": ""}', '{"w": "  "}']) AS j;
SELECT j, pg_temp.try(format('SELECT accum.register_create(''def_bad'', ''{}'', %L)', j))
FROM unnest(ARRAY[NULL, '{}', '[]', 'null', '[{"name": "q", "type": "int", "required": true}]']) AS j;
SELECT j, pg_temp.try(format('SELECT accum.register_create(''def_bad'', ''{}'', ''{"q": "int"}'', attributes => %L)', j))
FROM unnest(ARRAY['null', '5', '[5]', '[{"name": "n", "type": "text", "required": true}]']) AS j;
SELECT pg_temp.try(format('SELECT accum.register_create(''def_bad'', %L, ''{"q": "int"}'')',
    (SELECT jsonb_object_agg('d' || i, 'int') FROM generate_series(1, 201) i)));

-- Types come from PostgreSQL's own parser.
CREATE TYPE def_colour AS ENUM ('red', 'green');
CREATE TYPE def_pair AS (a int, b int);
CREATE DOMAIN def_domain AS text CHECK (value <> '');
CREATE DOMAIN def_colours AS def_colour[];
CREATE COLLATION def_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN def_ci_text AS text COLLATE def_ci;
SELECT j, pg_temp.try(format('SELECT accum.register_create(''def_bad'', %L, ''{"q": "int"}'')', jsonb_build_object('w', j)))
FROM unnest(ARRAY['nothing', 'int; DROP TABLE accum._registers', 'int) ; --', 'int NOT NULL', 'int DEFAULT 5', 'setof int', 'text COLLATE "C"',
                  'varchar(0)', 'varchar(x)', 'numeric(2000)', 'int(5)', 'serial', 'def_colour%TYPE', 'pg_class.relname%TYPE', 'public.nothing', '"int"']) AS j;
SELECT j, pg_temp.try(format('SELECT accum.register_create(''def_bad'', %L, ''{"q": "int"}'')', jsonb_build_object('w', j)))
FROM unnest(ARRAY['regclass', 'regproc', 'regtype', 'regrole', 'regclass[]', 'json', 'xml', 'point', 'money', 'bit(3)', 'def_pair', 'def_pair[]', 'def_colour[]',
                  'def_colours', 'def_ci_text', 'def_ci_text[]', 'pg_class', 'record', 'anyelement', 'void', 'trigger', 'cstring', 'unknown', 'tsvector', 'xid']) AS j;
SELECT j, pg_temp.try(format('SELECT accum.register_create(''def_bad'', ''{}'', %L)', jsonb_build_object('q', j)))
FROM unnest(ARRAY['text', 'money', 'interval', 'boolean', 'numeric[]', 'int4range', 'oid', 'def_domain', 'nothing', 'def_pair', 'numeric(5,2) NOT NULL']) AS j;
SELECT j, pg_temp.try(format('SELECT accum.register_create(''def_bad'', ''{}'', ''{"q": "int"}'', attributes => %L)', jsonb_build_object('n', j)))
FROM unnest(ARRAY['nothing', 'record', 'anyelement', 'cstring', 'unknown', 'void']) AS j;
-- How types are kept: resolved, and with their schema unless built in.
SELECT accum.register_create('def_types',
    '[{"name": "a", "type": "INT4"}, {"name": "b", "type": "Character Varying (5)"}, {"name": "c", "type": "char(3)"}, {"name": "d", "type": "decimal(6,2)"},
      {"name": "e", "type": "timestamp with time zone"}, {"name": "f", "type": "timestamptz(0)"}, {"name": "g", "type": "def_colour"}, {"name": "h", "type": "public.def_domain"},
      {"name": "i", "type": "int[]"}, {"name": "j", "type": "int4range"}, {"name": "k", "type": "name"}, {"name": "l", "type": "bpchar"},
      {"name": "m", "type": "\"char\""}, {"name": "n", "type": "float"}, {"name": "o", "type": "bool"}, {"name": "p", "type": "interval day to second"}]',
    '[{"name": "ra", "type": "int8"}, {"name": "rb", "type": "dec(10,3)"}, {"name": "rc", "type": "float(10)"}, {"name": "rd", "type": "float8"}, {"name": "re", "type": "int2"}, {"name": "rf", "type": "numeric"}]',
    attributes => '[{"name": "aa", "type": "json"}, {"name": "ab", "type": "def_pair"}, {"name": "ac", "type": "regclass"}, {"name": "ad", "type": "point"}, {"name": "ae", "type": "def_colour[]"}]');
SELECT c ->> 'name', c ->> 'type' FROM accum._registers, jsonb_array_elements(dimensions || resources || attributes) c WHERE name = 'def_types';
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'accum.def_types_totals_year'::regclass AND attnum > 0 ORDER BY attnum;
-- A type is looked up once, by whoever creates the register.
CREATE SCHEMA def_other;
CREATE TYPE def_other.def_shape AS ENUM ('round');
SELECT pg_temp.try($$SELECT accum.register_create('def_bad', '{"w": "def_shape"}', '{"q": "int"}')$$);
SET search_path = def_other, public;
SELECT accum.register_create('def_path', '{"w": "def_shape"}', '{"q": "int"}');
RESET search_path;
SELECT dimensions FROM accum._registers WHERE name = 'def_path';
SELECT accum.register_post('def_path', '{"recorder": "a", "period": "2001-01-01", "w": "round", "q": 1}');
SELECT accum.def_path_balance('{"w": "round"}');

-- Options.
SELECT o, pg_temp.try(format('SELECT accum.register_create(''def_bad'', ''{}'', ''{"q": "int"}'', %s)', o))
FROM unnest(ARRAY['kind => ''Balance''', 'kind => NULL', 'kind => ''''', 'totals_period => ''week''', 'totals_period => ''quarter''', 'totals_period => NULL', 'totals_period => ''DAY''',
                  'partition_by => ''week''', 'partition_by => ''hour''', 'partition_by => NULL',
                  'recorder_type => ''numeric''', 'recorder_type => ''smallint''', 'recorder_type => ''nothing''', 'recorder_type => ''text[]''', 'recorder_type => ''char(5)''', 'recorder_type => NULL',
                  'recorder_type => ''text); DROP TABLE accum._registers; --''',
                  'time_zone => ''Mars/Olympus''', 'time_zone => ''''', 'time_zone => NULL', 'time_zone => ''right/UTC''',
                  'year_start => 0', 'year_start => 13', 'year_start => NULL']) AS o;
SELECT accum.register_create('def_rec_' || left(t, 3), '{}', '{"q": "int"}', recorder_type => t) FROM unnest('{text,uuid,int8,int4,varchar}'::text[]) t WHERE t <> 'int4';
SELECT accum.register_create('def_rec_i4', '{}', '{"q": "int"}', recorder_type => 'integer');
SELECT name, recorder_type FROM accum._registers WHERE name ~ '^def_rec' ORDER BY 1;

-- After so many errors nothing is left of def_bad.
SELECT count(*) FROM accum._registers WHERE name = 'def_bad';
SELECT count(*) FROM accum._register_relations WHERE register = 'def_bad';
SELECT count(*) FROM pg_class WHERE relname LIKE 'def_bad%';
SELECT count(*) FROM pg_proc WHERE proname LIKE 'def_bad%';
-- A table of this name in the way: the whole call fails.
CREATE TABLE accum.def_bad_totals_day (x int);
SELECT pg_temp.try($$SELECT accum.register_create('def_bad', '{}', '{"q": "int"}')$$);
SELECT count(*) FROM accum._registers WHERE name = 'def_bad';
SELECT count(*) FROM pg_class WHERE relname LIKE 'def_bad%' AND relkind IN ('r', 'p');
DROP TABLE accum.def_bad_totals_day;

-- Names that look alike do not meet.
SELECT accum.register_create(name, '{"w": "int"}', '{"q": "int"}')
FROM unnest('{a,a_movements,a_movements_2026,a_movements_default,a_balance,a_balance_cache,a_totals,register}'::text[]) AS name;
SELECT accum.register_post(name, jsonb_build_object('recorder', 'a', 'period', '2026-05-01', 'w', 1, 'q', n))
FROM unnest('{a,a_movements,a_movements_2026,a_movements_default,a_balance,a_balance_cache,a_totals,register}'::text[]) WITH ORDINALITY AS u (name, n);
SELECT accum.a_balance(), accum.a_movements_balance(), accum.a_movements_2026_balance(), accum.a_movements_default_balance(),
       accum.a_balance_balance(), accum.a_balance_cache_balance(), accum.a_totals_balance(), accum.register_balance();
SELECT accum.register_drop('a', true);
SELECT accum.register_info('a_movements') -> 'tables' ->> 'movements', accum.a_movements_balance(), accum.a_balance_balance();
SELECT accum.register_drop(name, true) FROM unnest('{a_movements,a_movements_2026,a_movements_default,a_balance,a_balance_cache,a_totals,register}'::text[]) AS name;
SELECT count(*) FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname ~ '^a_';

-- What a rolled-back transaction or savepoint created is gone, also for the
-- session that has used it.
BEGIN;
SELECT accum.register_create('def_gone', '{"w": "int"}', '{"q": "int"}');
SELECT accum.register_post('def_gone', '{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 1}');
ROLLBACK;
SELECT accum.register_post('def_gone', '{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 1}');
BEGIN;
SAVEPOINT s;
SELECT accum.register_create('def_gone', '{"w": "int"}', '{"q": "int"}');
SELECT accum.register_post('def_gone', '{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 1}');
ROLLBACK TO s;
SELECT pg_temp.try($$SELECT accum.register_unpost('def_gone', 'a')$$);
SELECT accum.register_create('def_gone', '{"w": "text"}', '{"q": "bigint"}', kind => 'turnover');
SELECT accum.register_post('def_gone', '{"recorder": "a", "period": "2001-01-01", "w": "one", "q": 1}');
COMMIT;
SELECT pg_temp.differences('def_gone');
-- Drop, rolled back; drop and create again with another definition.
BEGIN;
SELECT accum.register_drop('def_gone', true);
SELECT pg_temp.try($$SELECT accum.register_post('def_gone', '[]')$$);
ROLLBACK;
SELECT accum.register_post('def_gone', '{"recorder": "b", "period": "2001-01-01", "w": "one", "q": 1}');
SELECT pg_temp.differences('def_gone');
BEGIN;
SELECT accum.register_drop('def_gone', true);
SELECT accum.register_create('def_gone', '{"w": "int"}', '{"q": "smallint"}');
SELECT accum.register_post('def_gone', '{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 1}');
SELECT accum.def_gone_balance('{"w": 1}');
COMMIT;
SELECT accum.def_gone_balance('{"w": 1}'), accum.register_unpost('def_gone', 'a'), pg_temp.differences('def_gone');

-- Dropping.
SELECT pg_temp.try($$SELECT accum.register_drop('nothing')$$);
SELECT pg_temp.try($$SELECT accum.register_drop(NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_drop('def_plain')$$);
SELECT pg_temp.try($$SELECT accum.register_drop('def_plain', NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_drop('DEF_PLAIN', true)$$);
CREATE VIEW def_view AS SELECT warehouse, quantity FROM accum.def_plain_balance_cache;
CREATE VIEW def_view_2 AS SELECT accum.def_plain_balance() AS balance;
SELECT pg_temp.try_code($$SELECT accum.register_drop('def_plain', true)$$);
DROP VIEW def_view;
SELECT pg_temp.try_code($$SELECT accum.register_drop('def_plain', true)$$);
DROP VIEW def_view_2;
SELECT quantity, movements_count FROM accum.def_plain_balance_cache;
SELECT accum.register_drop('def_plain', true);
SELECT accum.register_drop('def_ahead24');
SELECT pg_temp.try($$SELECT accum.register_info('def_plain')$$);
SELECT pg_temp.try($$SELECT accum.register_info(NULL)$$);
SELECT pg_temp.try($$SELECT accum.register_info('')$$);
SELECT pg_temp.try(format('SELECT accum.register_info(%L)', repeat('x', 100)));
SELECT count(*) FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname ~ '^def_(plain|ahead24)';
SELECT count(*) FROM pg_proc WHERE pronamespace = 'accum'::regnamespace AND proname ~ '^def_(plain|ahead24)';
SELECT count(*) FROM accum._register_seeds WHERE name ~ '^def_(plain|ahead24)';

-- Relations of a register do not go by themselves.
SELECT r, pg_temp.try(format('DROP TABLE accum.def_words_%s CASCADE', r)) FROM unnest('{movements,totals_day,balance_cache,recorders}'::text[]) AS r;
SELECT accum.register_post('def_words', '[]'), pg_temp.differences('def_words');

-- The extension does not go while there are registers.
SELECT pg_temp.try_code('DROP EXTENSION pg_accumulator');

-- Every object of the extension and of a register says what it is.
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
  AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_accumulator')
  AND classid NOT IN ('pg_type'::regclass) AND obj_description(objid, classid::regclass::name) IS NULL
ORDER BY 1;
SELECT relation FROM accum._register_relations WHERE register = 'def_words' AND obj_description(relation, 'pg_class') IS NULL;
SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'accum'::regnamespace AND proname ~ '^def_words_'
  AND obj_description(oid, 'pg_proc') IS NULL;

-- The registry refuses what a definition may not be, whoever writes it.
SELECT pg_temp.try_code(format('UPDATE accum._registers SET %s WHERE name = ''def_words''', s))
FROM unnest(ARRAY['kind = ''x''', 'totals_period = ''week''', 'partition_by = ''week''', 'name = ''A''', 'year_start = 13']) AS s;
SELECT name FROM accum.register_list() WHERE name ~ '^def_' ORDER BY 1;
