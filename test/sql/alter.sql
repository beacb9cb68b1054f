-- register_alter: new dimensions, resources and attributes.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

CREATE FUNCTION pg_temp.verified(register text) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify(register) $$;
CREATE FUNCTION pg_temp.names(columns jsonb) RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg((c ->> 'name') || ' ' || (c ->> 'type') || coalesce(' required ' || (c ->> 'required'), ''), ', ' ORDER BY i) FROM jsonb_array_elements(columns) WITH ORDINALITY AS t (c, i) $$;
CREATE FUNCTION pg_temp.definition(register text, OUT dimensions text, OUT resources text, OUT attributes text) LANGUAGE sql AS
    $$ SELECT pg_temp.names(dimensions), pg_temp.names(resources), pg_temp.names(attributes) FROM accum._registers WHERE name = register $$;
CREATE FUNCTION pg_temp.columns(register text) RETURNS TABLE (relation name, columns text) LANGUAGE sql AS $$
    SELECT relname, string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_get_expr(adbin, adrelid)), ', ' ORDER BY attnum)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'accum'::regnamespace AND relname ~ ('^' || register || '_(movements(_default)?|recorders|totals_.*|balance_cache|balances)$') AND relkind IN ('r', 'p', 'v')
      AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id', 'recorded_at', 'period', 'movement_type', 'version')
    GROUP BY 1 ORDER BY 1;
$$;

-- A register with some history: NULLs, and a cell that has come to nothing.
SELECT accum.register_create('alt', '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}]', '{"q": "numeric(12,2)"}', attributes => '{"note": "text"}', partition_by => 'year');
SELECT accum.register_post('alt', '[
    {"recorder": "a", "period": "2020-01-05", "w": 1, "p": "x", "q": 10, "note": "first"}, {"recorder": "a", "period": "2020-01-05 12:00", "w": 2, "p": null, "q": 5},
    {"recorder": "b", "period": "2020-03-07", "w": null, "p": "x", "q": 2.5}, {"recorder": "b", "period": "2021-03-07", "w": null, "p": null, "q": 1},
    {"recorder": "c", "period": "2021-05-01", "w": 1, "p": "x", "q": -3}, {"recorder": "gone", "period": "2021-06-01", "w": 9, "p": "y", "q": 4}]');
SELECT accum.register_unpost('alt', 'gone');
CREATE TEMP TABLE before AS SELECT id, dim_hash, w, p, q, note FROM accum.alt_movements;
CREATE TEMP TABLE cells AS SELECT dim_hash, w, p, q, last_movement_at, last_movement_id, version, movements_count FROM accum.alt_balance_cache;
CREATE TEMP TABLE turnovers AS SELECT accum.alt_turnover(group_by => '["w", "p"]') AS t;
-- Statements that this session has prepared, and run, before.
PREPARE post (int) AS SELECT accum.register_post('alt', jsonb_build_object('recorder', 'prepared', 'period', '2021-07-01', 'w', 1, 'p', 'x', 'q', $1));
PREPARE ins (int) AS INSERT INTO accum.alt_movements (recorder, period, w, p, q) VALUES ('inserted', '2021-07-02', 1, 'x', $1);
PREPARE balance AS SELECT accum.alt_balance('{"w": 1}');
PREPARE all_columns AS SELECT * FROM accum.alt_balances;
PREPARE some_columns AS SELECT w, p, q FROM accum.alt_balances ORDER BY q;
EXECUTE post(100);
EXECUTE ins(100);
EXECUTE balance;
EXECUTE some_columns;
SELECT accum.register_unpost('alt', '{prepared,inserted}'::text[]);
DELETE FROM cells;
INSERT INTO cells SELECT dim_hash, w, p, q, last_movement_at, last_movement_id, version, movements_count FROM accum.alt_balance_cache;

-- A dimension: NULL in what is there, and nothing else is different.
SELECT accum.register_alter('alt', add_dimensions => '{"lot": "varchar(10)"}');
SELECT * FROM pg_temp.definition('alt');
SELECT created_at < updated_at FROM accum._registers WHERE name = 'alt';
SELECT accum.register_info('alt') -> 'dimensions', dimensions FROM accum.register_list() WHERE name = 'alt';
SELECT * FROM pg_temp.columns('alt');
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'accum.alt_balance_cache'::regclass ORDER BY 1;
SELECT count(*) FILTER (WHERE lot IS NULL), count(*) FROM accum.alt_movements;
SELECT count(*) FROM (TABLE before EXCEPT ALL SELECT id, dim_hash, w, p, q, note FROM accum.alt_movements) AS x;
SELECT count(*) FROM (TABLE cells EXCEPT ALL SELECT dim_hash, w, p, q, last_movement_at, last_movement_id, version, movements_count FROM accum.alt_balance_cache) AS x;
SELECT count(*) FROM (TABLE turnovers EXCEPT ALL SELECT accum.alt_turnover(group_by => '["w", "p"]')) AS x;
SELECT pg_temp.verified('alt'), pg_temp.differences('alt');

-- Posting needs the new key; null is the cell that was there.
SELECT pg_temp.try($$SELECT accum.register_post('alt', '{"recorder": "d", "period": "2021-07-01", "w": 1, "p": "x", "q": 1}')$$);
SELECT pg_temp.try($$SELECT accum.register_repost('alt', 'c', '{"period": "2021-07-01", "w": 1, "p": "x", "q": 1}')$$);
SELECT pg_temp.try($$SELECT accum.register_post('alt', '{"recorder": "d", "period": "2021-07-01", "w": 1, "p": "x", "lot": "12345678901", "q": 1}')$$);
SELECT count(*) FROM accum.alt_balance_cache;
SELECT accum.register_post('alt', '{"recorder": "d", "period": "2021-07-01", "w": 1, "p": "x", "lot": null, "q": 1}');
SELECT count(*) FROM accum.alt_balance_cache;
SELECT accum.register_post('alt', '[{"recorder": "d", "period": "2021-07-01", "w": 1, "p": "x", "lot": "L1", "q": 20}, {"recorder": "d", "period": "2021-07-02", "w": null, "p": null, "lot": "L1", "q": 30}]');
SELECT w, p, lot, q, last_movement_at IS NOT NULL FROM accum.alt_balances ORDER BY w, p, lot;
SELECT accum.register_repost('alt', 'c', '{"period": "2021-05-01", "w": 1, "p": "x", "lot": "L1", "q": -3}');
SELECT accum.register_unpost('alt', 'b');
SELECT pg_temp.verified('alt'), pg_temp.differences('alt');

-- Reading by it.
SELECT accum.alt_balance('{"lot": null}'), accum.alt_balance('{"lot": "L1"}'), accum.alt_balance('{"lot": "L1", "w": 1, "p": "x"}'), accum.alt_balance();
SELECT accum.alt_balance('{"lot": "L1"}', '2021-07-01'::date), accum.alt_balance('{"lot": null}', '2020-12-31'::date);
SELECT accum.alt_turnover('2021-01-01'::date, '2021-12-31'::date, group_by => '["lot"]');
SELECT unit_start, lot, "grouping", q_opening, q_receipt, q_expense, q_closing FROM accum.alt_statement('2020-01-01'::date, '2021-12-31'::date, group_by => '["lot"]', unit => 'year');
SELECT movement - '{id,recorded_at,dim_hash}'::text[] FROM accum.alt_movements(dimensions => '{"lot": "L1"}') AS movement;
SELECT count(*) FROM accum.alt_movements(dimensions => '{"lot": null, "w": 1}');
SELECT * FROM accum.alt_balances_at('2021-07-01'::date) ORDER BY w, p, lot;
SELECT pg_temp.try($$SELECT accum.alt_balance('{"lots": 1}')$$);

-- Direct statements, with the new column and without.
INSERT INTO accum.alt_movements (recorder, period, w, p, q) VALUES ('e', '2021-08-01', 1, 'x', 1);
INSERT INTO accum.alt_movements (recorder, period, lot, q) VALUES ('e', '2021-08-01', 'L2', 2);
COPY accum.alt_movements (recorder, period, w, q) FROM stdin;
f	2021-08-02	1	7
\.
COPY accum.alt_movements (recorder, period, lot, q, w) FROM stdin;
f	2021-08-02	L2	8	\N
\.
EXECUTE ins(1);
SELECT pg_temp.try('EXECUTE post(1)');
EXECUTE balance;
EXECUTE some_columns;
SELECT pg_temp.try('EXECUTE all_columns');
-- A partition that is made now.
SELECT accum.register_post('alt', '{"recorder": "g", "period": "1999-07-01", "w": 1, "p": "x", "lot": "L1", "q": 9}');
SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'accum.alt_movements_1999'::regclass AND attnum > 0;
SELECT pg_temp.verified('alt'), pg_temp.differences('alt');

-- A resource: zero.  An attribute: NULL.  Neither makes new cells.
SELECT accum.register_alter('alt', add_resources => '[{"name": "z", "type": "bigint"}, {"name": "amount", "type": "numeric(14,4)"}]');
SELECT accum.register_alter('alt', add_attributes => '{"line": "int", "doc": "jsonb"}');
SELECT * FROM pg_temp.definition('alt');
SELECT * FROM pg_temp.columns('alt');
SELECT DISTINCT z, amount, line, doc FROM accum.alt_movements;
SELECT DISTINCT z, amount FROM accum.alt_balance_cache;
SELECT DISTINCT z, z_receipt, amount, amount_receipt FROM accum.alt_totals_month;
SELECT count(*) FROM pg_attribute WHERE attrelid = 'accum.alt_movements'::regclass AND attname IN ('z', 'amount') AND atthasdef;
SELECT pg_temp.verified('alt'), pg_temp.differences('alt');
SELECT accum.register_post('alt', '[{"recorder": "h", "period": "2021-09-01", "w": 1, "p": "x", "lot": "L1", "q": 1, "amount": 12.5, "z": 3, "line": 1, "doc": {"a": 1}}, {"recorder": "h", "period": "2021-09-01", "w": 1, "p": "x", "lot": "L1", "amount": -2}]');
EXECUTE ins(1);
SELECT accum.alt_balance('{"lot": "L1"}');
SELECT accum.alt_turnover('2021-09-01'::date, '2021-09-01'::date);
SELECT movement - '{id,recorded_at,dim_hash}'::text[] FROM accum.alt_movements('h') AS movement ORDER BY movement -> 'amount';
SELECT w, lot, q_closing, z_closing, amount_receipt, amount_expense, amount_closing FROM accum.alt_statement('2021-09-01'::date, '2021-09-01'::date, group_by => '["w", "lot"]');
SELECT * FROM accum.alt_balances_at('2021-09-01'::date) WHERE w = 1 ORDER BY w, p, lot;
SELECT w, p, lot, q, z, amount FROM accum.alt_balances WHERE w = 1 ORDER BY w, p, lot;
SELECT pg_temp.verified('alt'), pg_temp.differences('alt');
SELECT accum.register_rebuild_totals('alt') > 0, accum.register_rebuild_cache('alt') > 0, pg_temp.verified('alt'), pg_temp.differences('alt');

-- Everything at once, after what was altered already; types of users.
CREATE TYPE alt_colour AS ENUM ('red', 'green');
CREATE DOMAIN alt_domain AS text DEFAULT 'by default' CHECK (value <> '');
SELECT accum.register_alter('alt', '[{"name": "colour", "type": "alt_colour"}, {"name": "born", "type": "date", "required": false}, {"name": "domain", "type": "alt_domain"}]',
    '{"weight": "float8"}', add_attributes => '{"by_default": "alt_domain"}');
SELECT * FROM pg_temp.definition('alt');
SELECT DISTINCT colour, born, domain, by_default, weight FROM accum.alt_movements;
SELECT DISTINCT colour, born, domain, weight FROM accum.alt_balance_cache;
SELECT columns FROM pg_temp.columns('alt') WHERE relation = 'alt_movements';
SELECT pg_temp.verified('alt'), pg_temp.differences('alt');
SELECT accum.register_post('alt', '{"recorder": "i", "period": "2021-09-01", "w": 1, "p": "x", "lot": null, "colour": "green", "born": "2021-01-01", "domain": null, "q": 1, "weight": 0.5}');
INSERT INTO accum.alt_movements (recorder, period, w, p, q) VALUES ('j', '2021-08-01', 1, 'x', 1);
SELECT colour, born, domain, by_default, weight FROM accum.alt_movements WHERE recorder IN ('i', 'j') ORDER BY recorder;
SELECT accum.alt_balance('{"colour": "green"}'), accum.alt_balance('{"colour": null, "domain": "by default"}');
SELECT pg_temp.verified('alt'), pg_temp.differences('alt');

-- What was altered is like what was created: the same functions and views, and
-- but for their order the same columns, indexes and triggers.
CREATE FUNCTION pg_temp.objects(register text) RETURNS SETOF text LANGUAGE sql AS $$
    WITH relations AS (SELECT oid FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relkind IN ('r', 'p', 'v') AND relname ~ ('^' || register || '_') AND relname !~ '_movements_[0-9]')
    SELECT replace(o, register, 'REGISTER') FROM (
    SELECT format('%s %s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN relations r ON r.oid = attrelid LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0 AND NOT attisdropped
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN relations r ON r.oid = indrelid
    UNION ALL SELECT pg_get_triggerdef(t.oid) || tgenabled::text FROM pg_trigger t JOIN relations r ON r.oid = tgrelid
    UNION ALL SELECT pg_get_viewdef(oid) FROM relations WHERE oid IN (SELECT ev_class FROM pg_rewrite)
    UNION ALL SELECT pg_get_functiondef(p.oid) || p.proowner::regrole || coalesce(obj_description(p.oid, 'pg_proc'), 'no comment') FROM pg_proc p WHERE pronamespace = 'accum'::regnamespace AND proname ~ ('^' || register || '_')
    UNION ALL SELECT format('%s %s', oid::regclass, obj_description(oid, 'pg_class')) FROM relations
    UNION ALL SELECT dimensions::text || resources || attributes FROM accum._registers WHERE name = register) AS objects (o);
$$;
SELECT accum.register_create('alt_fresh', '{"a": "int", "b": "text", "c": "alt_domain"}', '{"m": "int", "n": "numeric(8,3)"}', attributes => '{"x": "text", "y": "alt_domain"}', recorder_type => 'varchar(30)');
SELECT accum.register_create('alt_later', '{"a": "int"}', '{"m": "int"}', attributes => '{"x": "text"}', recorder_type => 'varchar(30)');
SELECT accum.register_alter('alt_later', '{"b": "text", "c": "alt_domain"}', '{"n": "numeric(8,3)"}', add_attributes => '{"y": "alt_domain"}');
(SELECT 'fresh', * FROM pg_temp.objects('alt_fresh') EXCEPT ALL SELECT 'fresh', * FROM pg_temp.objects('alt_later')) UNION ALL
(SELECT 'later', * FROM pg_temp.objects('alt_later') EXCEPT ALL SELECT 'later', * FROM pg_temp.objects('alt_fresh'));
SELECT count(*) > 40 FROM pg_temp.objects('alt_later');
-- The same for the other kind, and from no dimension at all.
SELECT accum.register_create('alt_turn1', '{"a": "int"}', '{"m": "real", "n": "smallint"}', kind => 'turnover', totals_period => 'month');
SELECT accum.register_create('alt_turn2', '{}', '{"m": "real"}', kind => 'turnover', totals_period => 'month');
SELECT accum.register_post('alt_turn2', '{"recorder": "a", "period": "2001-01-01", "m": 1.5}');
SELECT accum.register_alter('alt_turn2', '{"a": "int"}', '{"n": "smallint"}');
(SELECT 'fresh', * FROM pg_temp.objects('alt_turn1') EXCEPT ALL SELECT 'fresh', * FROM pg_temp.objects('alt_turn2')) UNION ALL
(SELECT 'later', * FROM pg_temp.objects('alt_turn2') EXCEPT ALL SELECT 'later', * FROM pg_temp.objects('alt_turn1'));
SELECT accum.register_post('alt_turn2', '[{"recorder": "a", "period": "2001-01-01", "a": 1, "m": 1.5}, {"recorder": "a", "period": "2001-01-01", "a": null, "n": 2}]');
SELECT accum.alt_turn2_turnover(group_by => '["a"]');
SELECT pg_temp.verified('alt_turn2'), pg_temp.differences('alt_turn2');

-- Required: only where there are no movements, but not even then NULLs of old.
SELECT accum.register_create('alt_req', '{"a": "int"}', '{"q": "int"}');
SELECT accum.register_post('alt_req', '{"recorder": "a", "period": "2001-01-01", "a": 1, "q": 1}');
SELECT pg_temp.try($$SELECT accum.register_alter('alt_req', '[{"name": "b", "type": "int"}, {"name": "c", "type": "int", "required": true}]')$$);
SELECT accum.register_unpost('alt_req', 'a');
SELECT count(*) FROM accum.alt_req_balance_cache;
SELECT accum.register_alter('alt_req', '[{"name": "b", "type": "int"}, {"name": "c", "type": "int", "required": true}]');
SELECT count(*) FROM accum.alt_req_balance_cache;
SELECT * FROM pg_temp.definition('alt_req');
SELECT relation, columns ~ 'c integer NOT NULL' FROM pg_temp.columns('alt_req');
SELECT pg_temp.try($$SELECT accum.register_post('alt_req', '{"recorder": "a", "period": "2001-01-01", "a": 1, "b": 1, "c": null, "q": 1}')$$);
SELECT pg_temp.try($$INSERT INTO accum.alt_req_movements (recorder, period, q) VALUES ('a', '2001-01-01', 1)$$);
SELECT accum.register_post('alt_req', '{"recorder": "a", "period": "2001-01-01", "a": 1, "b": null, "c": 1, "q": 1}');
SELECT pg_temp.verified('alt_req'), pg_temp.differences('alt_req');

-- Arguments.  Nothing to do is done at once.
SELECT pg_temp.state('alt') AS state, md5(string_agg(o, '' ORDER BY o)) AS objects FROM pg_temp.objects('alt') AS o \gset
SELECT pg_temp.try(format('SELECT accum.register_alter(%s)', a)) FROM unnest(ARRAY['NULL', '''nothing''', '''alt''', '''alt'', NULL, NULL, NULL, NULL', '''alt'', ''{}''', '''alt'', ''[]'', ''{}'', add_attributes => ''[]''',
    '''alt'', high_write => false', '''nothing'', ''{}''']) AS a;
SELECT a, pg_temp.try(format('SELECT accum.register_alter(''alt'', %s)', a)) FROM unnest(ARRAY['''5''', '''null''', '''["x"]''', '''[{"name": "x"}]''', '''[{"name": "ok", "type": "int"}, {"name": "x", "typ": "int"}]''', '''{"x": 5}''', '''{"x": "nothing"}''',
    '''{"x": "json"}''', '''{"x": "regclass"}''', '''{"X": "int"}''', '''{"period": "int"}''', '''{"x": "int; DROP TABLE accum._registers"}''', 'add_resources => ''{"x": "text"}''', 'add_resources => ''[{"name": "x", "type": "int", "required": true}]''',
    'add_resources => ''7''', 'add_attributes => ''{"x": "record"}''', 'add_attributes => ''{"id": "int"}''']) AS a;
SELECT a, pg_temp.try(format('SELECT accum.register_alter(''alt'', %s)', a)) FROM unnest(ARRAY['''{"w": "int"}''', '''{"q": "int"}''', '''{"note": "int"}''', '''{"lot": "int"}''', '''{"q_receipt": "int"}''', '''{"q_dr": "int"}''', '''{"x": "int"}'', ''{"x": "int"}''',
    '''[{"name": "x", "type": "int"}, {"name": "x", "type": "int"}]''', '''{"x_cr": "int"}'', ''{"x": "int"}''', 'add_resources => ''{"w": "int"}''', 'add_resources => ''{"q": "int"}''', 'add_attributes => ''{"note": "int"}''', 'add_attributes => ''{"weight_closing": "int"}''']) AS a;
SELECT pg_temp.try(format('SELECT accum.register_alter(''alt'', %L)', (SELECT jsonb_object_agg('d' || i, 'int') FROM generate_series(1, 195) i)));
SELECT pg_temp.try(format('SELECT accum.register_alter(''alt'', add_attributes => %L)', (SELECT jsonb_object_agg('d' || i, 'int') FROM generate_series(1, 201) i)));
SELECT pg_temp.state('alt') = :'state', md5(string_agg(o, '' ORDER BY o)) = :'objects' FROM pg_temp.objects('alt') AS o;
-- What only the tables can tell.
CREATE DOMAIN alt_not_null AS int NOT NULL;
SELECT pg_temp.try_code($$SELECT accum.register_alter('alt', '{"x": "alt_not_null"}')$$);
ALTER TABLE accum.alt_movements ADD COLUMN mine int;
SELECT pg_temp.try_code($$SELECT accum.register_alter('alt', '{"mine": "int"}')$$);
ALTER TABLE accum.alt_movements DROP COLUMN mine;
SELECT pg_temp.state('alt') = :'state', md5(string_agg(o, '' ORDER BY o)) = :'objects' FROM pg_temp.objects('alt') AS o;
-- A type is looked up once; what it is called later does not matter.
CREATE SCHEMA alt_other;
CREATE TYPE alt_other.alt_shape AS ENUM ('round');
SET search_path = alt_other, public;
SELECT accum.register_alter('alt_later', '{"shape": "alt_shape"}');
RESET search_path;
SELECT dimensions FROM pg_temp.definition('alt_later');
ALTER TYPE alt_other.alt_shape RENAME TO alt_form;
SELECT accum.register_alter('alt_later', '{"other": "int"}');
SELECT accum.register_post('alt_later', '{"recorder": "a", "period": "2001-01-01", "a": 1, "b": "b", "c": "c", "shape": "round", "other": 1, "m": 1}');
SELECT accum.alt_later_balance('{"shape": "round"}'), count(*) FROM accum.alt_later_movements(dimensions => '{"shape": "round"}');

-- Transactions and savepoints.
BEGIN;
SELECT accum.register_post('alt_req', '{"recorder": "t", "period": "2001-01-01", "a": 1, "b": null, "c": 1, "q": 1}');
SAVEPOINT s;
SELECT accum.register_alter('alt_req', '{"d": "text"}', '{"r": "int"}');
SELECT accum.register_post('alt_req', '{"recorder": "t", "period": "2001-01-01", "a": 1, "b": null, "c": 1, "d": "d", "q": 1, "r": 1}');
SELECT accum.alt_req_balance('{"d": "d"}'), pg_temp.verified('alt_req'), pg_temp.differences('alt_req');
ROLLBACK TO s;
SELECT pg_temp.try($$SELECT accum.alt_req_balance('{"d": "d"}')$$);
SELECT accum.register_post('alt_req', '{"recorder": "t", "period": "2001-01-01", "a": 1, "b": null, "c": 1, "q": 1}');
SELECT accum.register_alter('alt_req', '{"d": "int"}');
SELECT accum.register_post('alt_req', '{"recorder": "t", "period": "2001-01-01", "a": 1, "b": null, "c": 1, "d": 1, "q": 1}');
SELECT accum.alt_req_balance('{"d": 1}'), pg_temp.verified('alt_req'), pg_temp.differences('alt_req');
ROLLBACK;
SELECT dimensions, resources FROM pg_temp.definition('alt_req');
SELECT accum.register_post('alt_req', '{"recorder": "t", "period": "2001-01-01", "a": 1, "b": null, "c": 1, "q": 1}');
SELECT a, b, c, q FROM accum.alt_req_balances;
SELECT pg_temp.verified('alt_req'), pg_temp.differences('alt_req');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM accum.alt_req_movements;
SELECT accum.register_alter('alt_req', '{"d": "int"}');
SELECT accum.register_post('alt_req', '{"recorder": "t", "period": "2001-01-01", "a": 1, "b": null, "c": 1, "d": 1, "q": 1}');
COMMIT;
SELECT accum.alt_req_balance('{"d": 1}'), pg_temp.verified('alt_req'), pg_temp.differences('alt_req');
-- Created and altered, twice, in one transaction.
BEGIN;
SELECT accum.register_create('alt_once', '{"a": "int"}', '{"q": "int"}');
SELECT accum.register_post('alt_once', '{"recorder": "a", "period": "2001-01-01", "a": 1, "q": 1}');
SELECT accum.register_alter('alt_once', '{"b": "int"}');
SELECT accum.register_alter('alt_once', '{"c": "int"}', '{"r": "int"}');
SELECT accum.register_post('alt_once', '{"recorder": "a", "period": "2001-01-01", "a": 1, "b": null, "c": null, "q": 1, "r": 1}');
COMMIT;
SELECT a, b, c, q, r FROM accum.alt_once_balances;
SELECT pg_temp.verified('alt_once'), pg_temp.differences('alt_once');
-- Not in the middle of a statement on the register.
CREATE FUNCTION pg_temp.alter_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM accum.register_alter('alt_req', '{"e": "int"}'); RETURN NULL; END $$;
CREATE TRIGGER alter_it AFTER INSERT ON accum.alt_req_movements FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.alter_it();
SELECT pg_temp.try_code($$INSERT INTO accum.alt_req_movements (recorder, period, c, q) VALUES ('a', '2001-01-01', 1, 1)$$);
DROP TRIGGER alter_it ON accum.alt_req_movements;
SELECT pg_temp.verified('alt_req'), pg_temp.differences('alt_req');

-- Rights: the owner's, who is nobody special, and CREATE on the schema.
CREATE ROLE regress_accum_owner;
CREATE ROLE regress_accum_heir IN ROLE regress_accum_owner;
CREATE ROLE regress_accum_reader;
CREATE ROLE regress_accum_friend;
CREATE ROLE regress_accum_nobody;
GRANT CREATE ON SCHEMA accum TO regress_accum_owner, regress_accum_nobody;
SET ROLE regress_accum_owner;
SELECT accum.register_create('alt_rol', '{"w": "int"}', '{"q": "smallint"}', partition_by => 'year');
SELECT accum.register_post('alt_rol', '{"recorder": "a", "period": "2001-01-01", "w": 1, "q": 1}');
GRANT SELECT ON accum.alt_rol_movements, accum.alt_rol_balance_cache, accum.alt_rol_totals_day, accum.alt_rol_totals_month, accum.alt_rol_totals_year TO regress_accum_reader;
GRANT SELECT ON accum.alt_rol_balances TO regress_accum_reader WITH GRANT OPTION;
GRANT SELECT (w, q) ON accum.alt_rol_balances TO regress_accum_nobody;
REVOKE ALL ON FUNCTION accum.alt_rol_balances_at(date), accum.alt_rol_movements FROM PUBLIC;
GRANT EXECUTE ON FUNCTION accum.alt_rol_balances_at(date), accum.alt_rol_movements TO regress_accum_reader WITH GRANT OPTION;
SET ROLE regress_accum_reader;
GRANT SELECT ON accum.alt_rol_balances TO regress_accum_friend;
GRANT EXECUTE ON FUNCTION accum.alt_rol_balances_at(date), accum.alt_rol_movements TO regress_accum_friend;
SET ROLE regress_accum_nobody;
SELECT pg_temp.try($$SELECT accum.register_alter('alt_rol', '{"x": "int"}')$$);
SELECT pg_temp.try($$SELECT accum.register_alter('alt_rol')$$);
RESET ROLE;
CREATE FUNCTION pg_temp.rights() RETURNS TABLE (object text, owner regrole, acl text) LANGUAGE sql AS $$
    SELECT p.oid::regprocedure::text, proowner::regrole, proacl::text FROM pg_proc p WHERE pronamespace = 'accum'::regnamespace AND proname ~ '^alt_rol_'
    UNION ALL SELECT c.oid::regclass::text, relowner::regrole, (SELECT string_agg(regexp_replace(a::text, 'arwdDxtm?', 'all'), ',' ORDER BY a::text) FROM unnest(relacl) AS a) FROM pg_class c WHERE relnamespace = 'accum'::regnamespace AND relname ~ '^alt_rol_' AND relname !~ '_[0-9]{4}' AND relkind IN ('r', 'p', 'v')
    UNION ALL SELECT attname, NULL, attacl::text FROM pg_attribute WHERE attrelid = 'accum.alt_rol_balances'::regclass AND attacl IS NOT NULL
    UNION ALL SELECT pg_describe_object(classid, CASE classid WHEN 'pg_proc'::regclass THEN 'accum.alt_rol_balances_at(date)'::regprocedure::oid ELSE 'accum.alt_rol_balances'::regclass END, objsubid) || ' depends', refobjid::regrole, deptype::text
        FROM pg_shdepend WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND refclassid = 'pg_authid'::regclass AND objid IN ('accum.alt_rol_balances'::regclass, 'accum.alt_rol_balances_at(date)'::regprocedure)
$$;
CREATE TEMP TABLE rights AS SELECT * FROM pg_temp.rights();
SELECT * FROM rights WHERE acl IS NOT NULL AND object !~ 'alt_rol_(movements$|totals|recorders|balance_cache)' ORDER BY 1, 2, 3;
-- New functions would be born with these.
ALTER DEFAULT PRIVILEGES FOR ROLE regress_accum_owner, postgres GRANT ALL ON FUNCTIONS TO regress_accum_nobody;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_accum_owner, postgres GRANT ALL ON TABLES TO regress_accum_nobody;
SET ROLE regress_accum_owner;
SELECT accum.register_alter('alt_rol', '{"x": "int"}', '{"r": "int"}', add_attributes => '{"n": "text"}');
SELECT accum.register_post('alt_rol', '{"recorder": "a", "period": "2001-01-01", "w": 1, "x": 2, "q": 1, "r": 5}');
SELECT pg_temp.verified('alt_rol'), pg_temp.differences('alt_rol');
RESET ROLE;
(TABLE rights EXCEPT SELECT * FROM pg_temp.rights()) UNION ALL (SELECT * FROM pg_temp.rights() EXCEPT TABLE rights);
-- A superuser, or a member of the owner, leaves all to the owner.
SELECT accum.register_alter('alt_rol', '{"y": "int"}');
SET ROLE regress_accum_heir;
SELECT accum.register_alter('alt_rol', add_resources => '{"s": "int"}');
RESET ROLE;
(TABLE rights EXCEPT SELECT * FROM pg_temp.rights()) UNION ALL (SELECT * FROM pg_temp.rights() EXCEPT TABLE rights);
SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname ~ '^alt_rol_';
ALTER DEFAULT PRIVILEGES FOR ROLE regress_accum_owner, postgres REVOKE ALL ON FUNCTIONS FROM regress_accum_nobody;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_accum_owner, postgres REVOKE ALL ON TABLES FROM regress_accum_nobody;
SET ROLE regress_accum_friend;
SELECT pg_temp.try('SELECT count(*) FROM accum.alt_rol_balances');
SET ROLE regress_accum_reader;
SELECT w, x, y, q, r, s FROM accum.alt_rol_balances ORDER BY x;
SELECT count(*) FROM accum.alt_rol_movements(dimensions => '{"x": 2, "y": null}');
SET ROLE regress_accum_nobody;
SELECT s, pg_temp.try(s) FROM unnest('{SELECT count(x) FROM accum.alt_rol_balances,SELECT * FROM accum.alt_rol_balances_at(now()::date),SELECT * FROM accum.alt_rol_movements()}'::text[]) AS s;
RESET ROLE;
-- Without CREATE on the schema there are no new functions; attributes need none.
REVOKE CREATE ON SCHEMA accum FROM regress_accum_owner;
SET ROLE regress_accum_owner;
SELECT pg_temp.try($$SELECT accum.register_alter('alt_rol', '{"z": "int"}')$$);
SELECT accum.register_alter('alt_rol', add_attributes => '{"z": "int"}');
RESET ROLE;
SELECT * FROM pg_temp.definition('alt_rol');
-- Nothing of the caller's runs as anybody else, nor is any name misunderstood.
GRANT CREATE ON SCHEMA accum TO regress_accum_owner;
CREATE SCHEMA regress_accum_evil AUTHORIZATION regress_accum_owner;
SET ROLE regress_accum_owner;
CREATE DOMAIN regress_accum_evil.text AS int;
CREATE DOMAIN regress_accum_evil.date AS int;
CREATE DOMAIN regress_accum_evil.jsonb AS int;
CREATE FUNCTION regress_accum_evil.concat(jsonb, jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil as %', current_user; END $$;
CREATE OPERATOR regress_accum_evil.|| (FUNCTION = regress_accum_evil.concat, LEFTARG = jsonb, RIGHTARG = jsonb);
CREATE TEMP TABLE alt_rol_movements (x int);
SET search_path = regress_accum_evil, pg_temp, pg_catalog, public;
SELECT accum.register_alter('alt_rol', '{"own": "text", "its": "pg_catalog.text"}');
RESET search_path;
SELECT dimensions FROM pg_temp.definition('alt_rol');
RESET ROLE;
DROP TABLE pg_temp.alt_rol_movements;
SELECT accum.register_drop('alt_rol', true);
DROP SCHEMA regress_accum_evil CASCADE;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_owner, regress_accum_nobody;
DROP ROLE regress_accum_owner, regress_accum_heir, regress_accum_reader, regress_accum_friend, regress_accum_nobody;

-- What users have built stands in the way where its columns would change.
CREATE VIEW alt_view AS SELECT w, q FROM accum.alt_balances;
SELECT pg_temp.try_code($$SELECT accum.register_alter('alt', '{"x": "int"}')$$);
SELECT pg_temp.try_code($$SELECT accum.register_alter('alt', add_resources => '{"x": "int"}')$$);
SELECT accum.register_alter('alt', add_attributes => '{"attribute": "int"}');
DROP VIEW alt_view;
CREATE VIEW alt_view AS SELECT w, q_closing FROM accum.alt_statement('2021-01-01'::date, '2021-12-31'::date);
SELECT pg_temp.try_code($$SELECT accum.register_alter('alt', '{"x": "int"}')$$);
DROP VIEW alt_view;
CREATE VIEW alt_view AS SELECT movement, accum.alt_balance('{"w": 1}') AS balance FROM accum.alt_movements('h') AS movement, accum.alt_turnover() AS turnover;
CREATE VIEW alt_view_2 AS SELECT w, q FROM accum.alt_balance_cache JOIN accum.alt_totals_day USING (dim_hash, w, q);
SELECT accum.register_alter('alt', '{"x": "int"}');
SELECT count(*), min(balance ->> 'q') FROM alt_view;
DROP VIEW alt_view, alt_view_2;
-- What users have dropped comes back.
DROP FUNCTION accum.alt_balances_at(date);
DROP VIEW accum.alt_balances;
DROP FUNCTION accum.alt_movements;
SELECT accum.register_alter('alt', '{"y": "int"}');
SELECT count(*) > 0 FROM accum.alt_balances_at('2021-12-31'::date);
SELECT count(*) > 0 FROM accum.alt_balances;
SELECT count(*) FILTER (WHERE m ->> 'lot' IS NULL) > 0, count(*) FILTER (WHERE m ->> 'y' IS NOT NULL) FROM accum.alt_movements(dimensions => '{"y": null}') AS m;
SELECT pg_temp.verified('alt'), pg_temp.differences('alt');

-- Dropping what was altered.
SELECT accum.register_drop(name, true) FROM accum._registers WHERE name ~ '^alt';
SELECT count(*) FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname ~ '^alt';
SELECT count(*) FROM pg_proc WHERE pronamespace = 'accum'::regnamespace AND proname ~ '^alt';
