-- Balance limits: what may be declared, when they are broken and what is told.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
SET search_path = public;
CREATE TYPE quality AS ENUM ('poor', 'good', 'now');
CREATE DOMAIN code AS text CHECK (VALUE <> '');
CREATE FUNCTION positive(numeric) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 > 0;

-- A definition with one limit.
CREATE FUNCTION pg_temp.create_with(limits jsonb, options text DEFAULT '') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT accum.register_create(''bad'',
        ''[{"name": "warehouse", "type": "int"}, {"name": "lot", "type": "text"}, {"name": "quality", "type": "public.quality"},
           {"name": "code", "type": "public.code"}, {"name": "made", "type": "date"}, {"name": "seen", "type": "timestamptz"}]'',
        ''[{"name": "quantity", "type": "integer"}, {"name": "amount", "type": "numeric(14,2)"}]'',
        attributes => ''{"note": "text"}'', limits => %L%s)', limits, options)) $$;
CREATE FUNCTION pg_temp.check_is(check_text text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text := pg_temp.create_with(jsonb_build_array(jsonb_build_object('name', 'x', 'check', check_text)));
BEGIN
    IF result LIKE 'ok%' THEN
        PERFORM accum.register_drop('bad');
    END IF;
    RETURN result;
END $$;

-- The shape of the argument.
SELECT pg_temp.create_with('"quantity >= 0"');
SELECT pg_temp.create_with('{"name": "x", "check": "quantity >= 0"}');
SELECT pg_temp.create_with('["quantity >= 0"]');
SELECT pg_temp.create_with('[["x", "quantity >= 0"]]');
SELECT pg_temp.create_with('[{"name": "x", "check": "true"}, {"name": "y"}]');
SELECT pg_temp.create_with('[{"check": "true"}]');
SELECT pg_temp.create_with('[{"name": "x", "check": "true", "everydate": true}]');
SELECT pg_temp.create_with('[{"name": "x", "check": "true", "every_date": "yes"}]');
SELECT pg_temp.create_with('[{"name": "x", "check": true}]');
SELECT pg_temp.create_with('[{"name": null, "check": "true"}]');
SELECT pg_temp.create_with('[{"name": "No", "check": "true"}]');
SELECT pg_temp.create_with(jsonb_build_array(jsonb_build_object('name', repeat('x', 56), 'check', 'true')));
SELECT pg_temp.create_with('[{"name": "x", "check": "true"}, {"name": "x", "check": "quantity > 0"}]');
SELECT pg_temp.create_with((SELECT jsonb_agg(jsonb_build_object('name', 'x' || i, 'check', 'true')) FROM generate_series(1, 101) AS i));
SELECT pg_temp.create_with('[{"name": "x", "check": "true"}]', ', high_write => true');
SELECT pg_temp.create_with('[{"name": "x", "check": "true"}]', ', kind => ''turnover''');
SELECT pg_temp.create_with('[{"name": "x", "check": "true", "every_date": true}]', ', totals_period => ''month''');
SELECT pg_temp.try($$SELECT accum.register_create_sql('bad', '{}', '{"quantity": "int"}', limits => '[{"name": "x", "check": "amount > 0"}]')$$);
SELECT accum.register_create_sql('good', '{}', '{"quantity": "int"}', limits => '[{"name": "x", "check": "quantity > 0"}]')
     = accum.register_create_sql('good', '{}', '{"quantity": "int"}');

-- No expression, or not one.
SELECT c, pg_temp.check_is(c) FROM unnest(ARRAY['', '   -- nothing', 'quantity >=', 'quantity >= 0 AND', 'quantity, amount', 'quantity >= 0; DROP TABLE x', '*', 'quantity >= 0 AS x',
    'quantity >= 0 FROM accum._registers', 'true WHERE true', 'true ORDER BY 1', 'true LIMIT 1', 'DISTINCT true', 'true) OR (true', '$1 > 0', 'DEFAULT']) AS c;
-- Not a boolean one, or not over the cell.
SELECT c, pg_temp.check_is(c) FROM unnest(ARRAY['quantity', '''yes''', 'price > 0', 'note = ''x''', 'version > 0', 'movements_count > 0', 'ctid IS NULL', 'inventory.quantity > 0', 'accum.bad_balance_cache.quantity > 0',
    'quantity > ''many''', 'quality = ''bad''', 'quantity / 0 > 1 / 0']) AS c;
-- Not of the cell alone.
SELECT c, pg_temp.check_is(c) FROM unnest(ARRAY['quantity > (SELECT 0)', 'EXISTS (SELECT FROM accum._registers)', 'quantity IN (SELECT 1)', 'sum(quantity) > 0', 'quantity > rank() OVER ()', 'quantity > generate_series(1, 2)',
    'quantity > random()', 'made < current_date', 'seen < now()', 'made < ''today''', 'seen > ''NOW''', 'made < date ''yesterday''', 'made = ANY (''{today}''::date[])', 'daterange(made, ''tomorrow'') IS NULL', 'seen::date = made', 'made::text > ''2026''',
    'quality::text = ''good''', 'to_char(quantity, ''9'') = ''1''', 'current_user = lot', 'current_setting(''x.y'') = lot']) AS c;
-- Nothing that others could have made.
SELECT c, pg_temp.check_is(c) FROM unnest(ARRAY['positive(quantity)', 'public.positive(quantity)', 'quality = ''good''::quality', 'quality = ''good''::public.quality', 'quality = public.quality(''good'')', 'code = ''a''::public.code',
    'quantity OPERATOR(public.>) 0', 'lot COLLATE public.mine > ''a''', 'quality = ANY (''{good}''::public.quality[])', 'xmlserialize(CONTENT ''x'' AS public.code) = lot', 'nosuchfunction(quantity)']) AS c;
CREATE FUNCTION public.to_int(quality) RETURNS integer LANGUAGE sql IMMUTABLE RETURN 1;
CREATE CAST (quality AS integer) WITH FUNCTION public.to_int AS IMPLICIT;
SELECT c, pg_temp.check_is(c) FROM unnest(ARRAY['quantity > quality', 'CAST(quality AS integer) > 0', 'abs(quality) > 0']) AS c;
DROP CAST (quality AS integer);
-- And what may be.
SELECT c, pg_temp.check_is(c) FROM unnest(ARRAY['quantity >= 0', 'quantity >= 0 or warehouse = 99', 'QUANTITY BETWEEN -5 AND 5 -- a comment', '"quantity" > 0', 'quality <> ''now''', 'quality IN (''good'', ''poor'')', 'code <> ''now''', 'made > ''2026-01-31''',
    'seen > ''2026-01-31 12:00''', 'lot LIKE ''a%'' COLLATE "C"', 'pg_catalog.abs(quantity) OPERATOR(pg_catalog.<) 1000::bigint', 'CASE WHEN amount > 0 THEN quantity > 0 ELSE quantity <= 0 END', 'lot IS NOT NULL', 'GREATEST(quantity, amount) > 0', 'null']) AS c;

-- An operator that search_path puts first is not taken.
CREATE SCHEMA trap;
CREATE FUNCTION trap.never(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN false;
CREATE OPERATOR trap.>= (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.never);
SET search_path = trap, pg_catalog;
SELECT accum.register_create('inventory', '[{"name": "warehouse", "type": "int"}, {"name": "quality", "type": "public.quality"}]',
    '[{"name": "quantity", "type": "integer"}, {"name": "amount", "type": "numeric(14,2)"}]',
    limits => '[{"name": "no_overdraft", "check": "quantity >= 0 or warehouse = 99"}, {"name": "worth", "check": "amount <= 1000 or quality <> ''good''"}]');
SELECT jsonb_pretty(accum.register_info('inventory') -> 'limits');
CREATE FUNCTION pg_temp.line(warehouse int, quantity int, amount numeric DEFAULT 0, day date DEFAULT '2026-03-10', quality text DEFAULT 'good') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('recorder', 'd', 'period', day, 'warehouse', warehouse, 'quality', quality, 'quantity', quantity, 'amount', amount) $$;
CREATE FUNCTION pg_temp.post(VARIADIC lines jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT accum.register_post(''inventory'', %L)', to_jsonb(lines))) $$;
CREATE FUNCTION pg_temp.repost(recorder text, VARIADIC lines jsonb[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT accum.register_repost(''inventory'', %L, %L)', recorder,
        (SELECT jsonb_agg(l - 'recorder') FROM unnest(lines) AS l))) $$;
SELECT pg_temp.post(pg_temp.line(1, 5, 2.5));
SELECT pg_temp.state('inventory') AS state \gset
SELECT pg_temp.post(pg_temp.line(1, -6));
SELECT pg_temp.post(pg_temp.line(1, 0, 997.51));
SELECT pg_temp.post(pg_temp.line(2, -1));
SELECT pg_temp.post(pg_temp.line(1, 10), pg_temp.line(2, -1));
-- All of these change nothing.
SELECT pg_temp.state('inventory') = :'state' AS unchanged;
SET search_path = public;
-- Whatever the way.
SELECT pg_temp.try($$INSERT INTO accum.inventory_movements (recorder, period, warehouse, quality, quantity) VALUES ('e', '2026-03-10', 1, 'good', -6)$$);
SELECT pg_temp.try($$INSERT INTO accum.inventory_movements (recorder, period, warehouse, quality, quantity) SELECT 'e', '2026-03-10', 1, 'good', -1 FROM generate_series(1, 6)$$);
SELECT pg_temp.post(pg_temp.line(1, -1), pg_temp.line(1, 3));
SELECT pg_temp.try($$DELETE FROM accum.inventory_movements WHERE quantity > 0$$);
-- An error has the limit's name, and that of the table.
DO $$
DECLARE
    relation text;
    name text;
BEGIN
    PERFORM accum.register_post('inventory', pg_temp.line(1, -6));
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS relation = TABLE_NAME, name = CONSTRAINT_NAME;
    RAISE WARNING '%, %', relation, name;
END $$;
-- Where it does not apply, and a movement of the future counts.
SELECT pg_temp.post(pg_temp.line(99, -1000), pg_temp.line(1, 0, 5000, quality => 'poor'));
SELECT pg_temp.post(pg_temp.line(3, 10, day => '2999-01-01'));
SELECT pg_temp.post(pg_temp.line(3, -10));
-- A check that is null holds.
SELECT pg_temp.post(pg_temp.line(4, 1, 5000, quality => null)), pg_temp.post(pg_temp.line(null, -1, 7));
-- The order within a call does not count, nor what is between the old rows and the new ones.
SELECT pg_temp.post(pg_temp.line(5, -3), pg_temp.line(5, 3));
SELECT pg_temp.repost('r', pg_temp.line(6, 5), pg_temp.line(6, -5));
SELECT pg_temp.repost('r', pg_temp.line(6, 2), pg_temp.line(6, -2));
SELECT pg_temp.repost('r', pg_temp.line(6, 2), pg_temp.line(6, -3));
SELECT pg_temp.repost('r', pg_temp.line(6, 2), pg_temp.line(1, -6));
-- A document that others have drawn on cannot go, and what has come to nothing may.
SELECT pg_temp.repost('s', pg_temp.line(7, 5));
SELECT pg_temp.repost('t', pg_temp.line(7, -5));
SELECT pg_temp.try($$SELECT accum.register_unpost('inventory', 's')$$);
SELECT pg_temp.try($$SELECT accum.register_unpost('inventory', ARRAY['s', 't'])$$);
SELECT pg_temp.differences('inventory');

-- Other limits: those that are there are looked at, and all or nothing is changed.
SELECT pg_temp.try($$SELECT accum.register_alter('inventory', limits => '[{"name": "enough", "check": "quantity >= 0"}]')$$);
SELECT pg_temp.try($$SELECT accum.register_alter('inventory', limits => '[{"name": "enough", "check": "warehouse >= 0 and nothing"}]')$$);
SELECT pg_temp.try($$SELECT accum.register_alter('inventory', add_dimensions => '{"lot": "text"}', limits => '[{"name": "has_lot", "check": "lot is not null"}]')$$);
SELECT accum.register_info('inventory') -> 'limits' @> '[{"name": "worth"}, {"name": "no_overdraft"}]' AND NOT accum.register_info('inventory') -> 'dimensions' ? 'lot';
SELECT pg_temp.try($$SELECT accum.register_alter('inventory', high_write => true)$$);
SELECT pg_temp.try($$SELECT accum.register_alter('inventory', high_write => true, limits => '[{"name": "x", "check": "true"}]')$$);
SELECT pg_temp.try($$SELECT accum.register_alter('inventory', limits => '{}')$$);
SELECT accum.register_alter('inventory');
SELECT accum.register_alter('inventory', limits => NULL);
SELECT pg_temp.post(pg_temp.line(1, -6));
-- New columns may be used at once; a cell is one of them, too.
SELECT accum.register_alter('inventory', add_dimensions => '{"lot": "text"}', add_resources => '{"weight": "double precision"}',
    limits => '[{"name": "weighs", "check": "weight >= 0 or lot is null"}]');
SELECT pg_temp.try($$SELECT accum.register_post('inventory', '{"recorder": "d", "period": "2026-03-10", "warehouse": 1, "quality": "good", "lot": "L", "weight": -0.5}')$$);
SELECT pg_temp.try($$SELECT accum.register_post('inventory', '{"recorder": "d", "period": "2026-03-10", "warehouse": 1, "quality": "good", "lot": null, "weight": -0.5, "quantity": -100}')$$);
SELECT accum.register_alter('inventory', add_resources => '{"pieces": "smallint"}');
SELECT pg_temp.try($$SELECT accum.register_post('inventory', '{"recorder": "d", "period": "2026-03-10", "warehouse": 1, "quality": "good", "lot": "L", "weight": -0.5}')$$);
-- Not while movements are being written: they would not be looked at.
CREATE FUNCTION pg_temp.alter_limits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM accum.register_alter('inventory', limits => '[{"name": "none", "check": "quantity = 0"}]'); RETURN NEW; END $$;
CREATE TRIGGER alter_limits BEFORE INSERT ON accum.inventory_movements FOR EACH ROW EXECUTE FUNCTION pg_temp.alter_limits();
SELECT pg_temp.try($$SELECT accum.register_post('inventory', '{"recorder": "d", "period": "2026-03-10", "warehouse": 1, "quality": "good", "lot": "L", "weight": 1}')$$);
DROP TRIGGER alter_limits ON accum.inventory_movements;
-- No limits, and high_write; then back.  A limit that is there need not hold everywhere to stay.
SELECT accum.register_alter('inventory', high_write => true, limits => '[]');
SELECT accum.register_info('inventory') -> 'limits';
SELECT accum.register_post('inventory', '{"recorder": "d", "period": "2026-03-10", "warehouse": 8, "quality": "good", "lot": "L", "pieces": -1}');
SELECT pg_temp.try($$SELECT accum.register_alter('inventory', limits => '[{"name": "x", "check": "true"}]')$$);
SELECT pg_temp.try($$SELECT accum.register_alter('inventory', high_write => false, limits => '[{"name": "x", "check": "pieces >= 0"}]')$$);
SELECT accum.register_alter('inventory', high_write => false, limits => '[{"name": "x", "check": "pieces > -2"}]');
SELECT pg_temp.try($$SELECT accum.register_post('inventory', '{"recorder": "d", "period": "2026-03-10", "warehouse": 8, "quality": "good", "lot": "L", "pieces": -1}')$$);
SELECT pg_temp.differences('inventory');
-- A delta that is too large for its column on the way to a balance that is not.
SELECT accum.register_alter('inventory', limits => '[{"name": "much", "check": "pieces < -20000 or pieces > 20000 or lot is distinct from ''M''"}]');
SELECT pg_temp.try($$SELECT accum.register_post('inventory', '{"recorder": "m", "period": "2026-03-10", "warehouse": 8, "quality": "good", "lot": "M", "pieces": 30000}')$$);
SELECT pg_temp.try($$SELECT accum.register_repost('inventory', 'm', '{"period": "2026-03-10", "warehouse": 8, "quality": "good", "lot": "M", "pieces": -30000}')$$);
SELECT pg_temp.try($$SELECT accum.register_repost('inventory', 'm', '{"period": "2026-03-10", "warehouse": 8, "quality": "good", "lot": "M", "pieces": 10000}')$$);
-- A check that fails by itself.
SELECT accum.register_alter('inventory', limits => '[{"name": "price", "check": "lot is distinct from ''P'' or amount / quantity > 1"}]');
DO $$
DECLARE
    context text;
BEGIN
    PERFORM accum.register_post('inventory', '{"recorder": "p", "period": "2026-03-10", "warehouse": 8, "quality": "good", "lot": "P", "amount": 5}');
EXCEPTION WHEN division_by_zero THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RAISE WARNING '%', split_part(context, E'\n', 1);
END $$;

-- What a check says does not depend on settings, nor on the names of types.
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Tokyo';
SET IntervalStyle = 'iso_8601';
SET escape_string_warning = off;
SET standard_conforming_strings = off;
SET transform_null_equals = on;
SELECT accum.register_create('settings', '{"at": "timestamptz", "quality": "public.quality"}', '{"n": "int"}', time_zone => 'Europe/Berlin',
    limits => '[{"name": "early", "check": "at < ''2026-03-02 00:00'' or quality = ''good''"}, {"name": "null", "check": "(n = null) is null"}, {"name": "backslash", "check": "length(''\\\\n'') = 2"}, {"name": "span", "check": "''1-2''::interval = ''14 months''"}]');
RESET DateStyle;
RESET TimeZone;
RESET standard_conforming_strings;
RESET transform_null_equals;
ALTER TYPE quality RENAME TO grade;
CREATE SCHEMA elsewhere;
ALTER TYPE grade SET SCHEMA elsewhere;
\c -
SET client_min_messages = warning;
SELECT accum.register_post('settings', '{"recorder": "a", "period": "2026-03-01", "at": "2026-03-01T22:59:59Z", "quality": "poor", "n": 1}');
\set VERBOSITY terse
SELECT accum.register_post('settings', '{"recorder": "a", "period": "2026-03-01", "at": "2026-03-01T23:00:00Z", "quality": "poor", "n": 1}');
SELECT accum.register_post('settings', '{"recorder": "a", "period": "2026-03-01", "at": "2026-03-01T23:00:00Z", "quality": "good", "n": 1}');
-- Labels of enums must not be renamed.  If it has been done, limits can be set anew.
ALTER TYPE elsewhere.grade RENAME VALUE 'good' TO 'fine';
\c -
SET client_min_messages = warning;
SELECT accum.register_unpost('settings', 'a');
SELECT accum.register_alter('settings', limits => '[{"name": "early", "check": "at < ''2026-03-02 00:00'' or quality = ''fine''"}]');
SELECT accum.register_unpost('settings', 'a');
SELECT accum.register_drop('settings', true), accum.register_drop('inventory', true);

\i :helpers
-- every_date: the end of no later day either.
SELECT accum.register_create('stock', '{"w": "int"}', '{"n": "int"}', time_zone => 'Europe/Berlin',
    limits => '[{"name": "in_stock", "check": "n >= 0", "every_date": true}, {"name": "room", "check": "n <= 100"}]');
CREATE FUNCTION pg_temp.stock(recorder text, VARIADIC lines text[]) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT accum.register_repost(''stock'', %L, %L)', recorder,
        (SELECT jsonb_agg(jsonb_build_object('period', split_part(l, '|', 1), 'w', split_part(l, '|', 2), 'n', split_part(l, '|', 3))) FROM unnest(lines) AS l))) $$;
SELECT pg_temp.stock('in', '2026-03-10|1|5'), pg_temp.stock('out', '2026-03-20|1|-5'), pg_temp.stock('in2', '2026-04-10|1|7');
SELECT pg_temp.state('stock') AS state \gset
SELECT pg_temp.stock('early', '2026-03-09|1|-1');
SELECT pg_temp.stock('late', '2026-03-15|1|-1');
SELECT pg_temp.stock('on_the_day', '2026-03-20|1|-1');
SELECT pg_temp.stock('today', '2026-04-10|1|-8');
SELECT pg_temp.stock('later', '2026-05-10|1|-8');
SELECT pg_temp.stock('in', '2026-03-21|1|5');
SELECT pg_temp.stock('in', '2026-03-20|1|4');
SELECT pg_temp.stock('in', '2026-03-10|2|5');
SELECT pg_temp.try($$SELECT accum.register_unpost('stock', 'in')$$);
SELECT pg_temp.try($$DELETE FROM accum.stock_movements WHERE n = 5$$);
SELECT pg_temp.stock('plain', '2026-03-01|1|99');
-- A preview tells it, for all limits and all cells.
CREATE FUNCTION pg_temp.foresee(recorder text, VARIADIC lines text[]) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', dimensions, before, after, broken_limits) FROM accum.register_preview('stock', recorder,
        (SELECT jsonb_agg(jsonb_build_object('recorder', 'new', 'period', split_part(l, '|', 1), 'w', split_part(l, '|', 2), 'n', split_part(l, '|', 3)) - CASE WHEN recorder IS NULL THEN '' ELSE 'recorder' END) FROM unnest(lines) AS l)) ORDER BY 1 $$;
SELECT pg_temp.foresee(NULL, '2026-03-15|1|-1', '2026-03-15|2|101', '2026-03-16|2|-1', '2026-03-17|3|-1');
SELECT pg_temp.foresee(NULL, '2026-03-19|2|-1', '2026-03-20|2|150');
SELECT pg_temp.foresee(NULL, '2026-04-09|1|-7', '2026-04-08|1|6');
SELECT pg_temp.foresee('in', '2026-03-20|1|5');
SELECT pg_temp.foresee('in', '2026-03-21|1|5');
SELECT pg_temp.foresee('in', '2026-03-10|2|5');
SELECT pg_temp.foresee('in', VARIADIC NULL);
SELECT pg_temp.state('stock') = :'state' AS unchanged;
-- Within a day the order does not count; a day is one of the register's calendar.
SELECT pg_temp.stock('in', '2026-03-20 23:59|1|5');
SELECT pg_temp.stock('out', '2026-03-20 22:59|1|-5'), pg_temp.stock('out', '2026-03-19T22:59Z|1|-5'), pg_temp.stock('out', '2026-03-19T23:00Z|1|-5');
-- A day in between, and one before all others; net differences only.
SELECT pg_temp.stock('between', '2026-03-25|1|3'), pg_temp.stock('between2', '2026-03-26|1|-3'), pg_temp.stock('before', '2026-01-01|1|2');
SELECT pg_temp.try($$SELECT accum.register_unpost('stock', 'between')$$), pg_temp.try($$SELECT accum.register_unpost('stock', ARRAY['between', 'between2'])$$);
-- A cell without movements has no balance.
SELECT accum.register_alter('stock', limits => '[{"name": "some", "check": "n > 0 or w <> 3", "every_date": true}]');
SELECT pg_temp.stock('some', '2026-03-10|3|5'), pg_temp.stock('some', '2026-04-10|3|5'), pg_temp.stock('none', '2026-04-09|3|0');
SELECT pg_temp.stock('none', '2026-04-11|3|-5');
SELECT pg_temp.try($$SELECT accum.register_unpost('stock', 'some')$$);
SELECT pg_temp.stock('some', '2026-04-10|3|0');
-- More cells than fit into work_mem.
SET work_mem = '64kB';
SELECT accum.register_create('many', '{"w": "int"}', '{"n": "int"}', partition_by => 'year',
    limits => '[{"name": "in_stock", "check": "n >= 0", "every_date": true}, {"name": "room", "check": "n <= 3"}]');
INSERT INTO accum.many_movements (recorder, period, w, n)
SELECT 'd', timestamptz '2026-02-01' + i * interval '1 day', w, 2 - i FROM generate_series(0, 2) AS i, generate_series(1, 3000) AS w;
SELECT pg_temp.try($$INSERT INTO accum.many_movements (recorder, period, w, n)
    SELECT 'e', timestamptz '2026-01-01' + i * interval '1 day', w, 1 - 2 * i - (w = 1234)::int FROM generate_series(0, 1) AS i, generate_series(1, 3000) AS w$$);
SELECT pg_temp.try($$INSERT INTO accum.many_movements (recorder, period, w, n)
    SELECT 'e', timestamptz '2026-01-01' + i * interval '1 day', w, 1 - i FROM generate_series(0, 2) AS i, generate_series(1, 3000) AS w WHERE i < 2 OR w <> 1234$$);
SELECT pg_temp.try($$INSERT INTO accum.many_movements (recorder, period, w, n)
    SELECT 'e', timestamptz '2026-01-01' + i * interval '1 day', w, 1 - i FROM generate_series(0, 2) AS i, generate_series(1, 3000) AS w$$);
SELECT pg_temp.differences('many');
SELECT accum.register_drop('many', true);
RESET work_mem;
-- Coalescing puts no limit off, whether it was there before the transaction or not.
BEGIN;
SET LOCAL pg_accumulator.coalesce = on;
SELECT accum.register_create('late', '{"w": "int"}', '{"n": "int"}');
SELECT accum.register_post('late', '{"recorder": "a", "period": "2026-03-10", "w": 1, "n": 5}');
SELECT pg_temp.try($$SELECT accum.register_alter('late', limits => '[{"name": "enough", "check": "n >= 6", "every_date": true}]')$$);
SELECT accum.register_alter('late', limits => '[{"name": "enough", "check": "n >= 0", "every_date": true}]');
SELECT pg_temp.try($$SELECT accum.register_post('late', '{"recorder": "b", "period": "2026-03-10", "w": 1, "n": -6}')$$), pg_temp.try($$SELECT accum.register_post('late', '{"recorder": "c", "period": "2026-03-09", "w": 1, "n": -1}')$$),
    pg_temp.try($$SELECT accum.register_post('late', '{"recorder": "d", "period": "2026-03-10", "w": 1, "n": -5}')$$);
COMMIT;
SELECT pg_temp.differences('late');
SELECT accum.register_drop('late', true);
-- Added to what breaks it in the past.
SELECT pg_temp.stock('a', '2026-01-10|4|5', '2026-01-11|4|-6', '2026-01-12|4|-6', '2026-01-13|4|7');
SELECT pg_temp.try($$SELECT accum.register_alter('stock', limits => '[{"name": "in_stock", "check": "n >= 0", "every_date": true}]')$$);
SELECT pg_temp.stock('a', '2026-01-10|4|5', '2026-01-12|4|-5');
SELECT accum.register_alter('stock', limits => '[{"name": "in_stock", "check": "n >= 0", "every_date": true}]');
SELECT pg_temp.stock('b', '2026-01-09|4|-1');
SELECT pg_temp.differences('stock');

-- The end of a day may not fit where the balance does.
SELECT accum.register_create('narrow', '{}', '{"n": "smallint"}', limits => '[{"name": "any", "check": "n <> 7", "every_date": true}]');
SELECT pg_temp.try($$SELECT accum.register_post('narrow', '[{"recorder": "a", "period": "2025-12-31", "n": 30000}, {"recorder": "b", "period": "2026-03-10", "n": -20000}]')$$);
SELECT pg_temp.try($$SELECT accum.register_post('narrow', '{"recorder": "c", "period": "2026-01-20", "n": 3000}')$$);
SELECT after, broken_limits FROM accum.register_preview('narrow', 'c', '{"period": "2026-01-20", "n": 3000}');
SELECT after, broken_limits FROM accum.register_preview('narrow', 'c', '{"period": "2026-05-20", "n": 30000}');
SELECT accum.register_drop('narrow', true);
-- Deltas that do not fit are no part of the balance that a limit would look at.
SELECT accum.register_create('left_over', '{}', '{"n": "smallint"}', high_write => true);
SELECT accum.register_post('left_over', '{"recorder": "a", "period": "2026-01-10", "n": 30000}'), accum.register_post('left_over', '{"recorder": "b", "period": "2026-01-10", "n": 30000}');
SET client_min_messages = error;
SELECT pg_temp.try($$SELECT accum.register_alter('left_over', high_write => false, limits => '[{"name": "x", "check": "n >= 0"}]')$$);
SELECT accum.register_alter('left_over', high_write => false);
SELECT pg_temp.try($$SELECT accum.register_alter('left_over', limits => '[{"name": "x", "check": "n >= 0"}]')$$);
SET client_min_messages = warning;
SELECT accum.register_unpost('left_over', 'a');
SELECT accum.register_alter('left_over', limits => '[{"name": "x", "check": "n >= 0"}]');
SELECT accum._delta_count('left_over'), pg_temp.differences('left_over');
SELECT accum.register_drop('left_over', true);

-- Repairing shows what is there, and what breaks a limit stays until it is corrected.
SET session_replication_role = replica;
INSERT INTO accum.stock_movements (recorder, period, movement_type, dim_hash, w, n)
SELECT 'r', '2026-01-12', 'regular', dim_hash, w, -1000 FROM accum.stock_balance_cache WHERE w = 1;
RESET session_replication_role;
SELECT accum.register_rebuild_cache('stock') > 0, accum.register_rebuild_totals('stock') > 0;
SELECT n FROM accum.stock_balances WHERE w = 1;
SELECT pg_temp.stock('c', '2026-05-10|1|10');
SELECT accum.register_alter('stock', limits => accum.register_info('stock') -> 'limits' || '[{"name": "other", "check": "n < 1000"}]');
SELECT pg_temp.stock('c', '2026-01-01|1|999');

-- Who may not read balances is told none: here who may only write, and who may only remove.
CREATE ROLE regress_limit_owner;
CREATE ROLE regress_limit_writer;
CREATE ROLE regress_limit_remover;
CREATE ROLE regress_limit_reader;
GRANT CREATE ON SCHEMA accum TO regress_limit_owner;
SET ROLE regress_limit_owner;
SELECT accum.register_create('private', '{"w": "int"}', '{"n": "int"}', limits => '[{"name": "plain", "check": "n >= 0"}, {"name": "dated", "check": "n >= 0 or w = 0", "every_date": true}]');
GRANT INSERT ON accum.private_movements TO regress_limit_writer;
GRANT DELETE ON accum.private_movements TO regress_limit_remover;
GRANT INSERT ON accum.private_movements TO regress_limit_reader;
GRANT SELECT ON accum.private_balance_cache TO regress_limit_reader;
SELECT accum.register_post('private', '[{"recorder": "a", "period": "2026-01-10", "w": 1, "n": 5}, {"recorder": "b", "period": "2026-01-11", "w": 1, "n": -1}]');
SELECT pg_temp.try($$SELECT accum.register_post('private', '{"recorder": "c", "period": "2026-01-10", "w": 1, "n": -5}')$$);
SET ROLE regress_limit_writer;
SELECT pg_temp.try($$SELECT accum.register_post('private', '{"recorder": "c", "period": "2026-01-10", "w": 1, "n": -5}')$$);
SELECT pg_temp.try($$SELECT accum.register_post('private', '{"recorder": "c", "period": "2026-01-09", "w": 1, "n": -1}')$$);
SELECT pg_temp.try($$INSERT INTO accum.private_movements (recorder, period, w, n) VALUES ('c', '2026-01-10', 1, -5)$$);
SELECT pg_temp.try($$SELECT accum.register_alter('private', limits => '[]')$$);
SET ROLE regress_limit_owner;
ALTER TABLE accum.private_movements ENABLE ROW LEVEL SECURITY;
CREATE POLICY receipts ON accum.private_movements USING (n > 0);
SET ROLE regress_limit_remover;
SELECT pg_temp.try($$DELETE FROM accum.private_movements$$);
SET ROLE regress_limit_owner;
ALTER TABLE accum.private_movements DISABLE ROW LEVEL SECURITY;
SET ROLE regress_limit_reader;
SELECT pg_temp.try($$SELECT accum.register_post('private', '{"recorder": "c", "period": "2026-01-10", "w": 1, "n": -5}')$$);
SELECT pg_temp.try($$SELECT accum.register_post('private', '{"recorder": "c", "period": "2026-01-09", "w": 1, "n": -1}')$$);
SET ROLE regress_limit_owner;
ALTER TABLE accum.private_balance_cache ENABLE ROW LEVEL SECURITY;
SET ROLE regress_limit_reader;
SELECT pg_temp.try($$SELECT accum.register_post('private', '{"recorder": "c", "period": "2026-01-10", "w": 1, "n": -5}')$$);
RESET ROLE;
GRANT SELECT ON accum.private_movements, accum.private_totals_year, accum.private_totals_month, accum.private_totals_day TO regress_limit_reader;
SET ROLE regress_limit_reader;
SELECT before, after, broken_limits FROM accum.register_preview('private', 'c', '{"period": "2026-01-10", "w": 1, "n": -5}');
SET ROLE regress_limit_owner;
SELECT before, after, broken_limits FROM accum.register_preview('private', 'c', '{"period": "2026-01-10", "w": 1, "n": -5}');
SELECT before, after, broken_limits FROM accum.register_preview('private', 'c', '{"period": "2026-01-09", "w": 1, "n": -1}');
-- Where the owner has altered a table, rows are written, but cells are not found.
ALTER TABLE accum.private_totals_day DROP CONSTRAINT private_totals_day_pkey;
ALTER TABLE accum.private_totals_day ADD UNIQUE (dim_hash, period);
SELECT pg_temp.try($$SELECT accum.register_post('private', '{"recorder": "c", "period": "2026-01-10", "w": 1, "n": 5}')$$);
SELECT accum.register_drop('private', true);
RESET ROLE;
SELECT accum.register_drop('stock', true);
REVOKE CREATE ON SCHEMA accum FROM regress_limit_owner;
DROP ROLE regress_limit_owner, regress_limit_writer, regress_limit_remover, regress_limit_reader;
DROP OPERATOR trap.>= (integer, integer);
DROP SCHEMA trap CASCADE;
DROP TYPE elsewhere.grade CASCADE;
DROP SCHEMA elsewhere;
DROP DOMAIN code;
DROP FUNCTION positive;
