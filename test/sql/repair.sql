--
-- register_repair mends what register_verify names, and nothing else.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE ROLE regress_accum_keeper;
-- With a cache; without one; with deltas, most of them folded and some pending.
SELECT accum.register_create('books', '{"shop": "int", "item": "text"}',
    '[{"name": "qty", "type": "numeric(12,2)"}, {"name": "pieces", "type": "int"}]', time_zone => 'Asia/Tokyo');
SELECT accum.register_create('flows', '{"shop": "int", "item": "text"}',
    '[{"name": "qty", "type": "bigint"}, {"name": "pieces", "type": "int"}]', kind => 'turnover', totals_period => 'month', year_start => 4);
SELECT accum.register_create('hot', '{"shop": "int", "item": "text"}',
    '[{"name": "qty", "type": "numeric"}, {"name": "pieces", "type": "int"}]', high_write => true);
CREATE FUNCTION pg_temp.fill(register_name text, first int, last int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO accum.%I (recorder, period, shop, item, qty, pieces)
        SELECT ''d'' || i %% 40, timestamptz ''2025-01-01 00:00Z'' + i * interval ''7 hours'', nullif(i %% 5, 0), nullif(''i'' || i %% 3, ''i0''), i %% 11 - 4, i %% 7 - 3
        FROM generate_series($1, $2) AS i', register_name || '_movements') USING first, last;
END $$;
SELECT pg_temp.fill('books', 1, 800), pg_temp.fill('flows', 1, 800), pg_temp.fill('hot', 1, 700);
SELECT accum._delta_flush_register('hot') > 0;
SELECT pg_temp.fill('hot', 701, 800);
SELECT accum.register_unpost('hot', 'd1'), accum.register_unpost('books', 'd1');
-- A cell that has come to nothing, and one that is known by deltas alone.
SELECT accum.register_post(r, '{"recorder": "gone", "period": "2025-03-01", "shop": 9, "item": "x", "qty": 1}'), accum.register_unpost(r, 'gone')
FROM unnest('{books,hot}'::text[]) AS r;
SELECT accum.register_post('hot', '{"recorder": "fresh", "period": "2025-03-01", "shop": 10, "item": "y", "qty": 1}');

-- Every row of the derived tables: where it is, and what it says.
CREATE FUNCTION pg_temp.rows(register_name text) RETURNS TABLE (role text, key text, place text, contents jsonb) LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT t.role, relation FROM accum._register_relations t WHERE register = register_name AND t.role NOT IN ('movements', 'recorders') LOOP
        RETURN QUERY EXECUTE format('SELECT %L, coalesce(j ->> ''id'', concat_ws('' '', j ->> ''dim_hash'', j ->> ''period'')), place, j - ''{version,last_movement_at,last_movement_id}''::text[]
            FROM (SELECT ctid || '' '' || xmin AS place, to_jsonb(t) AS j FROM %s t) x', r.role, r.relation);
    END LOOP;
END $$;
-- Damage some rows of a table in all ways there are; each with the key it has.
CREATE TEMP TABLE damage (register text, role text, key text);
CREATE FUNCTION pg_temp.damage(register_name text, table_role text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    relation regclass := (SELECT r.relation FROM accum._register_relations r WHERE register = register_name AND role = table_role);
    has_period boolean := table_role <> 'balance_cache';
    ways text[] := ARRAY['UPDATE %s SET qty = qty + 1', 'UPDATE %s SET pieces = pieces - 1, qty = -qty', 'UPDATE %s SET movements_count = movements_count + 1',
        'UPDATE %s SET movements_count = 0, qty = 0, pieces = 0', 'UPDATE %s SET shop = 77', 'UPDATE %s SET item = CASE WHEN item IS NULL THEN ''was null'' END', 'DELETE FROM %s']
        || CASE WHEN has_period THEN ARRAY['UPDATE %s SET qty_receipt = qty_receipt + 0.5 * 2', 'UPDATE %s SET period = period + 10000'] ELSE '{}' END;
    row record;
    n int := 0;
    key text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR row IN EXECUTE format('SELECT ctid AS place, to_jsonb(t) AS j FROM %s t WHERE movements_count > 1 AND qty <> 0
                               ORDER BY md5(dim_hash::text || %s) LIMIT 30', relation, CASE WHEN has_period THEN 'period' ELSE '''''' END) LOOP
        EXECUTE format(ways[1 + n % array_length(ways, 1)], relation) || ' WHERE ctid = $1' USING row.place;
        INSERT INTO damage VALUES (register_name, table_role, concat_ws(' ', row.j ->> 'dim_hash', row.j ->> 'period'));
        IF ways[1 + n % array_length(ways, 1)] ~ 'SET period' THEN
            INSERT INTO damage VALUES (register_name, table_role, concat_ws(' ', row.j ->> 'dim_hash', (row.j ->> 'period')::date + 10000));
        END IF;
        n := n + 1;
    END LOOP;
    -- Cells that never were.
    INSERT INTO damage SELECT register_name, table_role, concat_ws(' ', hash, CASE WHEN has_period THEN '2030-01-01' END) FROM unnest('{4711,4712}'::int[]) AS hash;
    EXECUTE format('INSERT INTO %s (dim_hash, shop, item, qty, pieces, movements_count%s) VALUES (4711, 99, ''ghost'', 5, 0, 1%s), (4712, 99, ''ghost'', 0, 0, 2%3$s)', relation,
        CASE WHEN has_period THEN ', period, qty_receipt, pieces_receipt' ELSE ', version' END, CASE WHEN has_period THEN ', date ''2030-01-01'', 5, 0' ELSE ', 1' END);
    RETURN n;
END $$;

-- One way of damage and of mending it, for each register.
CREATE FUNCTION pg_temp.try_repair(register_name text) RETURNS TABLE (what text, n bigint) LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM damage;
    CREATE TEMP TABLE before ON COMMIT DROP AS SELECT * FROM pg_temp.rows(register_name);
    what := 'rows damaged'; n := sum(pg_temp.damage(register_name, r.role)) FROM accum._register_relations r
        WHERE register = register_name AND r.role ~ '^(balance_cache|totals_.*)$' AND r.role <> 'balance_cache_delta'; RETURN NEXT;
    CREATE TEMP TABLE damaged ON COMMIT DROP AS SELECT * FROM pg_temp.rows(register_name);
    CREATE TEMP TABLE found ON COMMIT DROP AS
        SELECT DISTINCT check_type AS role, concat_ws(' ', dim_hash, period) AS key FROM accum.register_verify(register_name) WHERE status <> 'OK';
    what := 'not named by verify'; n := count(*) FROM (SELECT d.role, d.key FROM damage d EXCEPT TABLE found) x; RETURN NEXT;
    what := 'named by verify, but right'; n := count(*) FROM (TABLE found EXCEPT SELECT d.role, d.key FROM damage d) x; RETURN NEXT;
    what := 'levels'; n := count(DISTINCT role) FROM found; RETURN NEXT;
    what := 'repaired as many as named'; n := (accum.register_repair(register_name) = (SELECT count(*) FROM found))::int; RETURN NEXT;
    what := 'still wrong'; n := count(*) FROM accum.register_verify(register_name) WHERE status <> 'OK'; RETURN NEXT;
    what := 'differences'; n := pg_temp.differences(register_name); RETURN NEXT;
    -- Where deltas of a cell are pending a row of zeros may stay.
    what := 'rows that say something else'; n := count(*) FROM (
        (SELECT role, key, contents FROM before EXCEPT SELECT role, key, contents FROM pg_temp.rows(register_name))
        UNION ALL (SELECT role, key, contents FROM pg_temp.rows(register_name) EXCEPT SELECT role, key, contents FROM before)) x
        WHERE register_name <> 'hot' OR contents ->> 'movements_count' <> '0'; RETURN NEXT;
    what := 'others that were touched'; n := count(*) FROM damaged d
        WHERE (role, key) NOT IN (TABLE found) AND NOT EXISTS (SELECT FROM pg_temp.rows(register_name) a WHERE a.role = d.role AND a.key = d.key AND a.place = d.place); RETURN NEXT;
    what := 'many others'; n := ((SELECT count(*) FROM damaged d WHERE (role, key) NOT IN (TABLE found)) > 50)::int; RETURN NEXT;
END $$;
SELECT * FROM pg_temp.try_repair('books');
SELECT * FROM pg_temp.try_repair('flows');
SELECT * FROM pg_temp.try_repair('hot');
-- What was pending is folded to the same.
SELECT accum._delta_count('hot') > 100 AS pending, accum._delta_flush_register('hot') > 0 AS folded;
SELECT accum._delta_count('hot');
SELECT pg_temp.differences('hot');
SELECT status, count(*) FROM accum.register_verify('hot') GROUP BY 1;

-- Where nothing is wrong nothing is done.
SELECT accum.register_repair('books'), accum.register_repair('flows'), accum.register_repair('hot');
-- Movements that were removed behind the register's back, with deltas of theirs pending.
SELECT accum.register_post('hot', '[{"recorder": "lost", "period": "2025-03-01", "shop": 11, "item": "z", "qty": 4, "pieces": 1}, {"recorder": "lost", "period": "2025-03-01", "shop": 1, "item": "i1", "qty": 4}]');
SET session_replication_role = replica;
DELETE FROM accum.hot_movements WHERE recorder = 'lost';
RESET session_replication_role;
SELECT check_type, period, status FROM accum.register_verify('hot') ORDER BY 1, 2, 3;
SELECT accum.register_repair('hot');
SELECT DISTINCT status FROM accum.register_verify('hot');
SELECT accum._delta_flush_register('hot') > 0, pg_temp.differences('hot');
SELECT qty, movements_count FROM accum.hot_balance_cache WHERE shop = 11;

-- What is yet to be added to balances is not missing.
BEGIN;
SET LOCAL pg_accumulator.coalesce = on;
SELECT accum.register_post(r, '{"recorder": "late", "period": "2025-03-01", "shop": 1, "item": "i1", "qty": 4, "pieces": 1}') FROM unnest('{books,flows,hot}'::text[]) AS r;
SELECT accum.register_repair(r) FROM unnest('{books,flows,hot}'::text[]) AS r;
COMMIT;
SELECT pg_temp.differences(r) FROM unnest('{books,flows,hot}'::text[]) AS r;

-- For the owner; not in a read-only transaction.
SET ROLE regress_accum_keeper;
SELECT pg_temp.try($$SELECT accum.register_repair('books')$$);
RESET ROLE;
SELECT pg_temp.try($$SELECT accum.register_repair('nowhere')$$);
SELECT pg_temp.try($$SELECT accum.register_repair(NULL)$$);
BEGIN READ ONLY;
SELECT pg_temp.try($$SELECT accum.register_repair('books')$$);
ROLLBACK;
SELECT accum.register_drop(r, true) FROM unnest('{books,flows,hot}'::text[]) AS r;
DROP ROLE regress_accum_keeper;
