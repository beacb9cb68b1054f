--
-- Registers whose seed is not the one that their movements were written with.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
SET pg_accumulator.partitions_ahead = 0;
-- One of each kind; dimensions may have names that verify itself might use.
SELECT accum.register_create('seed_books', '{"currency": "text"}', '[{"name": "amount", "type": "numeric(12,2)"}, {"name": "pieces", "type": "integer", "balanced": false}]', kind => 'ledger');
SELECT accum.register_create('seed_fast', '{"place": "text"}', '{"n": "integer"}', high_write => true);
SELECT accum.register_create('seed_flow', '{"place": "text"}', '{"n": "bigint"}', kind => 'turnover', totals_period => 'month', partition_by => 'quarter');
SELECT accum.register_create('seed_kept', '{"place": "text"}', '{"n": "smallint"}', history => true);
SELECT accum.register_create('seed_one', '{}', '{"n": "integer"}', partition_by => 'year');
SELECT accum.register_create('seed_plain', '{"place": "text", "check_type": "int", "cell_hash": "numeric"}', '[{"name": "n", "type": "integer"}, {"name": "weight", "type": "double precision"}]',
    attributes => '{"note": "text"}', time_zone => 'Asia/Tokyo');
CREATE FUNCTION seed_lines(recorder text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('recorder', recorder, 'period', date '2020-01-05' + i * 4, 'place', nullif(i % 3, 0), 'n', i % 9 - 2)) FROM generate_series(1, 60) AS i $$;
SELECT accum.register_post('seed_books', (SELECT jsonb_agg(l - '{place,n}'::text[] || jsonb_build_object('account_dr', 'a' || i % 3, 'account_cr', 'b' || i % 2, 'subconto_cr', jsonb_build_object('who', i % 2), 'currency', 'eur', 'amount', i, 'pieces_dr', 1, 'pieces_cr', 2)) FROM jsonb_array_elements(seed_lines('d')) WITH ORDINALITY AS t (l, i)));
SELECT r, accum.register_post(r, seed_lines('d')), accum.register_post(r, seed_lines('e')), accum.register_unpost(r, 'e') FROM unnest('{seed_fast,seed_flow,seed_kept}'::text[]) AS r;
SELECT accum.register_post('seed_one', (SELECT jsonb_agg(l - 'place') FROM jsonb_array_elements(seed_lines('d')) AS l));
SELECT accum.register_post('seed_plain', (SELECT jsonb_agg(l || jsonb_build_object('check_type', l -> 'n', 'cell_hash', '1.50', 'weight', 0.1, 'note', (SELECT string_agg(md5(l::text || i), '') FROM generate_series(1, 200) AS i))) FROM jsonb_array_elements(seed_lines('d')) AS l));
-- Some of it is archived, and some stands in the default partition.
SELECT r, accum._delta_flush_register(r) FROM unnest('{seed_fast}'::text[]) AS r;
SELECT r, accum.register_detach_partitions(r, now() - timestamptz '2020-04-01 12:00') FROM unnest('{seed_fast,seed_flow,seed_kept}'::text[]) AS r;
INSERT INTO accum.seed_plain_movements (recorder, period, place, n) VALUES ('late', '2031-01-01', 'far', 7);

-- All that registers hold, but for hashes, and rows without movements; those of floating
-- point may differ in the last digits.
CREATE FUNCTION seed_contents() RETURNS TABLE (relation text, said text) LANGUAGE plpgsql AS $$
BEGIN
    FOR relation IN SELECT r.relation FROM accum._register_relations AS r WHERE r.register ~ '^seed_' AND r.role <> 'balance_cache_delta' LOOP
        EXECUTE format($q$ SELECT md5(string_agg(j, '|' ORDER BY j)) FROM (SELECT (to_jsonb(t) - '{dim_hash,dim_hash_dr,dim_hash_cr,version,last_movement_at,last_movement_id,weight,weight_receipt}'::text[])::text AS j
            FROM %s t WHERE coalesce((to_jsonb(t) ->> 'movements_count')::int, 1) <> 0) AS rows $q$, relation) INTO said;
        RETURN NEXT;
    END LOOP;
END $$;
CREATE FUNCTION seed_states() RETURNS TABLE (register text, check_type text, status text, n bigint) LANGUAGE sql AS $$
    SELECT r.name, v.check_type, v.status, count(*)
    FROM (SELECT name FROM accum._registers WHERE name ~ '^seed_' ORDER BY name OFFSET 0) AS r, accum.register_verify(r.name) AS v
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 $$;
CREATE TABLE seed_before AS SELECT * FROM seed_contents();
SELECT count(*) FROM seed_before;
SELECT accum.register_post('seed_fast', seed_lines('f') #> '{59}');
SELECT DISTINCT status FROM seed_states();

-- Each gets another seed, as when it is restored without its own.
UPDATE accum._register_seeds SET seed = seed # 1 WHERE name ~ '^seed_';
\c -
\i :helpers
SET pg_accumulator.partitions_ahead = 0;
SET pg_accumulator.progress_interval = 0;
SELECT * FROM seed_states();
\set VERBOSITY default
SELECT check_type, dim_hash = (actual ->> 'dim_hash')::bigint AS told, period, expected - 'dim_hash' AS expected, actual - 'dim_hash' AS actual,
    (expected -> 'dim_hash') <> (actual -> 'dim_hash') AS other_hash, status
FROM accum.register_verify('seed_flow') ORDER BY check_type, actual ->> 'place', status;
\set VERBOSITY terse
SELECT check_type, actual - 'dim_hash' FROM accum.register_verify('seed_plain') WHERE status <> 'OK' ORDER BY actual ->> 'place', actual ->> 'check_type' LIMIT 3;

-- Everything can be done until then, but cells are two: that is what is wrong.
SELECT r, accum.register_post(r, '{"recorder": "more", "period": "2020-05-05", "place": "1", "n": 100}') FROM unnest('{seed_fast,seed_flow,seed_kept}'::text[]) AS r;
SELECT count(DISTINCT dim_hash), sum(n) FROM accum.seed_flow_totals_month WHERE place = '1' AND period = '2020-05-01';
SELECT r, accum.register_unpost(r, 'more') FROM unnest('{seed_fast,seed_flow}'::text[]) AS r;
SELECT count(*), count(DISTINCT dim_hash) FROM accum.seed_kept_movements WHERE place = '1' AND period >= '2020-05-01' AND period < '2020-06-01';
SELECT accum.register_unpost('seed_kept', 'more'), accum.register_unpost('seed_fast', 'f');

-- A rebuild, of the one or the other, or a repair makes everything right: movements, all
-- that is derived, what is archived, and what was pending.
CREATE FUNCTION seed_mended(how text, registers text) RETURNS TABLE (register text, rows int) LANGUAGE plpgsql AS $$
BEGIN
    FOR register IN SELECT name FROM accum._registers WHERE name ~ registers ORDER BY 1 LOOP
        EXECUTE format(how, register) INTO rows;
        RETURN NEXT;
    END LOOP;
END $$;
CREATE FUNCTION seed_differ() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT b.relation FROM seed_before AS b JOIN seed_contents() AS c USING (relation)
    WHERE b.said <> c.said AND b.relation NOT IN ('accum.seed_fast_recorders', 'accum.seed_flow_recorders', 'accum.seed_kept_recorders', 'accum.seed_kept_movements')
    UNION ALL SELECT name || ' ' || pg_temp.differences(name) FROM accum._registers WHERE name ~ '^seed_(books|one|plain)' AND kind <> 'ledger' ORDER BY 1 $$;
BEGIN;
SELECT * FROM seed_mended('SELECT accum.register_rebuild_totals(%L)', '^seed_');
SELECT DISTINCT status FROM seed_states();
SELECT seed_differ();
SELECT accum.register_ledger_verify('seed_books');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM accum.seed_plain_movements;
SELECT * FROM seed_mended('SELECT accum.register_rebuild_cache(%L)', '^seed_(books|fast|kept|one|plain)$');
SELECT register, check_type, status FROM seed_states() WHERE status <> 'OK' AND register <> 'seed_flow';
SELECT seed_differ();
ROLLBACK;
-- One cell cannot be mended alone.
BEGIN;
SELECT accum.register_rebuild_cache('seed_plain', (SELECT min(dim_hash) FROM accum.seed_plain_balance_cache)) = (SELECT count(*) FROM accum.seed_plain_balance_cache) AS all_of_them;
SELECT DISTINCT status FROM accum.register_verify('seed_plain');
ROLLBACK;
-- Whoever has the right admin may; movements stay guarded, and no trigger fires.
CREATE ROLE regress_accum_mender;
SELECT accum.register_grant('seed_kept', 'regress_accum_mender', 'admin');
CREATE FUNCTION seed_shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a movement was written'; END $$;
CREATE TRIGGER seed_shout AFTER INSERT OR UPDATE OR DELETE ON accum.seed_plain_movements FOR EACH ROW EXECUTE FUNCTION seed_shout();
SELECT id, period, note FROM accum.seed_plain_movements ORDER BY id LIMIT 1 \gset
BEGIN;
SET ROLE regress_accum_mender;
\set VERBOSITY default
SET client_min_messages = notice;
SELECT accum.register_repair('seed_kept') > 0 AS mended;
SET client_min_messages = warning;
\set VERBOSITY terse
RESET ROLE;
SELECT * FROM seed_mended('SELECT accum.register_repair(%L)', '^seed_(books|fast|flow|one|plain)$');
SELECT DISTINCT status FROM seed_states();
SELECT seed_differ();
SELECT pg_temp.try('UPDATE accum.seed_plain_movements SET dim_hash = 1');
SELECT note = :'note' FROM accum.seed_plain_movements WHERE id = :'id' AND period = :'period';
ROLLBACK;
DROP TRIGGER seed_shout ON accum.seed_plain_movements;

-- Movements copied from another register, past the triggers: those that it had are right.
SELECT * FROM seed_mended('SELECT accum.register_rebuild_totals(%L)', '^seed_');
CREATE TEMP TABLE hashes AS SELECT id, dim_hash FROM accum.seed_plain_movements;
SET session_replication_role = replica;
INSERT INTO accum.seed_plain_movements (id, recorded_at, recorder, period, movement_type, dim_hash, place, check_type, cell_hash, n, weight)
    SELECT gen_random_uuid(), recorded_at, 'copied', period, movement_type, dim_hash # 1, place, check_type, cell_hash, n, weight FROM accum.seed_plain_movements;
RESET session_replication_role;
SELECT check_type, status, count(*) FROM accum.register_verify('seed_plain') GROUP BY 1, 2 ORDER BY 1, 2;
SET client_min_messages = notice;
SELECT accum.register_rebuild_cache('seed_plain');
SET client_min_messages = warning;
SELECT DISTINCT status FROM accum.register_verify('seed_plain');
SELECT count(*) FILTER (WHERE m.dim_hash = h.dim_hash), count(*) FROM accum.seed_plain_movements AS m LEFT JOIN hashes AS h USING (id);
SELECT sum(n) FROM accum.seed_plain_movements WHERE place = '1' AND check_type = 2 GROUP BY place;
SELECT accum.seed_plain_balance('{"place": "1", "check_type": 2, "cell_hash": 1.5}') -> 'n' AS cell;

-- With history what is all reversed has a hash, too.
SET session_replication_role = replica;
UPDATE accum.seed_kept_movements SET dim_hash = dim_hash # 1 WHERE recorder = 'e';
RESET session_replication_role;
SELECT check_type, actual - 'dim_hash', status FROM accum.register_verify('seed_kept') ORDER BY check_type, actual ->> 'place';
SELECT accum.register_repair('seed_kept');
SELECT DISTINCT status FROM accum.register_verify('seed_kept');

-- Without a seed nothing works, until it gets one.
DELETE FROM accum._register_seeds WHERE name = 'seed_one';
\set VERBOSITY default
SELECT accum.register_verify('seed_one');
\set VERBOSITY terse
INSERT INTO accum._register_seeds VALUES ('seed_one', 4711);
SELECT check_type, status FROM accum.register_verify('seed_one');
SELECT accum.register_rebuild_totals('seed_one');
SELECT DISTINCT status FROM accum.register_verify('seed_one');

-- Labels of an enum that are renamed make other hashes.
CREATE TYPE seed_quality AS ENUM ('fair', 'good');
SELECT accum.register_create('seed_graded', '{"quality": "public.seed_quality"}', '{"n": "integer"}');
SELECT accum.register_post('seed_graded', '[{"recorder": "d", "period": "2020-01-05", "quality": "fair", "n": 1}, {"recorder": "d", "period": "2020-01-05", "quality": "good", "n": 2}]');
ALTER TYPE seed_quality RENAME VALUE 'fair' TO 'poor';
SELECT check_type, expected - 'dim_hash', status FROM accum.register_verify('seed_graded');
SELECT accum.register_rebuild_totals('seed_graded');
SELECT accum.register_post('seed_graded', '{"recorder": "d", "period": "2020-01-05", "quality": "poor", "n": 1}');
SELECT quality, n FROM accum.seed_graded_balances ORDER BY 1;
SELECT DISTINCT status FROM accum.register_verify('seed_graded');

SELECT accum.register_drop(name, true) FROM accum._registers WHERE name ~ '^seed_' ORDER BY name;
DROP TABLE seed_before;
DROP FUNCTION seed_lines, seed_contents, seed_states, seed_mended, seed_differ, seed_shout;
DROP TYPE seed_quality;
DROP ROLE regress_accum_mender;
