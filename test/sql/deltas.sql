-- Which of some cells have deltas.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

-- 10,000 cells; of 3,000 deltas are pending, of some of them many.  None has been folded.
SELECT accum.register_create('probed', '{"a": "int", "b": "int"}', '{"n": "int"}');
INSERT INTO accum.probed_movements (recorder, period, a, b, n)
    SELECT 'first', '2026-01-05', i / 100, i % 100, 1 FROM generate_series(0, 9999) AS i;
SELECT accum._cells_with_deltas('accum.probed_movements', '{1,2}');
SELECT accum.register_alter('probed', high_write => true);
SELECT accum._cells_with_deltas('accum.probed_movements', '{}'), accum._cells_with_deltas('accum.probed_movements', '{1,2}');
INSERT INTO accum.probed_movements (recorder, period, a, b, n)
    SELECT 'then', date '2026-01-05' + d, i / 100, i % 100, 1
    FROM generate_series(0, 2999) AS i, generate_series(0, CASE WHEN i % 500 = 0 THEN 400 ELSE 0 END) AS d;

-- Hashes of cells, hashes of none, and the ends of their range.
CREATE TEMP TABLE asked AS
    SELECT dim_hash FROM accum.probed_balance_cache
    UNION ALL SELECT dim_hash + 1 FROM accum.probed_balance_cache
    UNION ALL VALUES (-9223372036854775808), (9223372036854775807), (0);
CREATE FUNCTION pg_temp.wrong(share float8, OUT missing bigint, OUT too_many bigint) LANGUAGE sql AS $$
    WITH chosen AS (SELECT array_agg(dim_hash ORDER BY random()) AS cells FROM asked WHERE random() < share),
        found AS (SELECT unnest(accum._cells_with_deltas('accum.probed_movements', cells)) AS dim_hash FROM chosen),
        right_ones AS (SELECT unnest(cells) AS dim_hash FROM chosen
                       INTERSECT SELECT dim_hash FROM accum.probed_balance_cache_delta)
    SELECT (SELECT count(*) FROM (SELECT dim_hash FROM right_ones EXCEPT ALL SELECT dim_hash FROM found) AS m),
           (SELECT count(*) FROM (SELECT dim_hash FROM found EXCEPT ALL SELECT dim_hash FROM right_ones) AS t)
$$;
SELECT setseed(0.25);
SELECT sum(missing), sum(too_many), count(*) FROM generate_series(1, 40) AS i, pg_temp.wrong(i / 40.0);

-- Nearly empty pages.
ALTER INDEX accum.probed_balance_cache_delta_dim_hash_idx SET (fillfactor = 10);
REINDEX INDEX accum.probed_balance_cache_delta_dim_hash_idx;
SELECT sum(missing), sum(too_many), count(*) FROM generate_series(1, 40) AS i, pg_temp.wrong(i / 40.0);
-- What others may still see of what was folded stays for some time.
SELECT accum._delta_merge_register('probed', '0', 2000);
SELECT sum(missing), count(*) FROM generate_series(1, 40) AS i, pg_temp.wrong(i / 40.0);
CREATE FUNCTION pg_temp.balances_wrong() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM (SELECT a, sum(n) AS n FROM accum.probed_movements GROUP BY a) AS m
    WHERE accum.probed_balance(jsonb_build_object('a', a)) ->> 'n' IS DISTINCT FROM n::text
$$;
SELECT pg_temp.balances_wrong();

-- Looked up once, even where the deltas are so few that the planner reads them all.
SELECT accum.register_create('few', '{"a": "int", "b": "int"}', '{"n": "int"}', high_write => true);
INSERT INTO accum.few_movements (recorder, period, a, b, n) SELECT 'x', '2026-01-05', 1, i, i FROM generate_series(1, 50) AS i;
ANALYZE accum.few_balance_cache_delta;
BEGIN;
SET LOCAL track_functions = 'all';
SELECT accum.few_balance('{"a": 1}');
SELECT accum.few_turnover('2026-01-01', '2026-12-31', '{"a": 1}');
SELECT funcname, calls FROM pg_stat_xact_user_functions WHERE funcname = '_cells_with_deltas';
COMMIT;

-- Indexes that tell nothing.
DROP INDEX accum.probed_balance_cache_delta_dim_hash_idx;
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}')), pg_temp.balances_wrong();
CREATE INDEX ON accum.probed_balance_cache_delta (dim_hash DESC);
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}')), pg_temp.balances_wrong();
CREATE INDEX ON accum.probed_balance_cache_delta (dim_hash) WHERE n > 1;
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}')), pg_temp.balances_wrong();
DROP INDEX accum.probed_balance_cache_delta_dim_hash_idx;
CREATE INDEX ON accum.probed_balance_cache_delta (dim_hash) INCLUDE (n);
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}')), pg_temp.balances_wrong();


-- Tables that are not what they were.
CREATE TABLE probed_child () INHERITS (accum.probed_balance_cache_delta);
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}')), pg_temp.balances_wrong();
DROP TABLE probed_child;
ANALYZE accum.probed_balance_cache_delta;
ALTER TABLE accum.probed_balance_cache_delta ALTER COLUMN dim_hash DROP NOT NULL;
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}')), pg_temp.balances_wrong();
ALTER TABLE accum.probed_balance_cache_delta ALTER COLUMN dim_hash SET NOT NULL;
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}')), pg_temp.balances_wrong();
BEGIN;
CREATE INDEX ON accum.probed_balance_cache_delta ((dim_hash + 1));
ALTER TABLE accum.probed_balance_cache_delta RENAME dim_hash TO hash;
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}'));
SELECT accum.probed_balance('{"a": 1, "b": 1}');
ROLLBACK;

-- What this transaction has added, and taken back.
BEGIN;
SELECT accum.register_post('probed', '{"recorder": "own", "period": "2026-01-05", "a": 99, "b": 99, "n": 5}');
SELECT accum.probed_balance('{"a": 99}'), accum.probed_balance('{"a": 99, "b": 99}');
SAVEPOINT s;
SELECT accum.register_post('probed', '{"recorder": "own", "period": "2026-01-05", "a": 99, "b": 98, "n": 7}');
SELECT accum.probed_balance('{"a": 99}'), accum.probed_balance('{"b": 98, "a": 99}');
ROLLBACK TO s;
SELECT accum.probed_balance('{"a": 99}'), accum.probed_balance('{"b": 98, "a": 99}');
ROLLBACK;
SELECT accum.probed_balance('{"a": 99}'), accum.probed_balance('{"a": 99, "b": 99}');

-- SERIALIZABLE has to be told of all that was looked for.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}')), pg_temp.balances_wrong();
COMMIT;

-- Who may not see the deltas is told nothing of them.
CREATE ROLE regress_accum_probe;
SELECT accum.register_grant('probed', 'regress_accum_probe', 'read');
SET ROLE regress_accum_probe;
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}'));
RESET ROLE;
REVOKE SELECT ON accum.probed_balance_cache_delta FROM regress_accum_probe;
SET ROLE regress_accum_probe;
SELECT cardinality(accum._cells_with_deltas('accum.probed_movements', '{3,1,2}'));
SELECT accum.probed_balance('{"a": 1, "b": 1}');
RESET ROLE;

SELECT accum._cells_with_deltas('accum.probed_movements', '{1,NULL}');
SELECT accum._cells_with_deltas('accum.probed_movements', NULL);
SELECT accum._cells_with_deltas(0, '{1}');
SELECT accum.register_create('undelayed', '{"a": "int"}', '{"n": "int"}');
SELECT accum._cells_with_deltas('accum.undelayed_movements', '{1}');
SELECT accum.register_drop(name, true) FROM unnest(ARRAY['probed', 'undelayed', 'few']) AS name;
DROP ROLE regress_accum_probe;
