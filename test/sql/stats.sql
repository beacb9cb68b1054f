--
-- register_stats: exact for small registers, cheap for large ones.
--
SELECT accum.register_create('stats_day', '{"item": "int"}', '{"qty": "int"}');
SELECT accum.register_create('stats_year', '{"item": "int"}', '{"qty": "int"}',
                             kind => 'turnover', totals_period => 'year');
SELECT accum.register_post('stats_day', '[
    {"recorder": "a", "period": "2020-01-01", "item": 1, "qty": 1},
    {"recorder": "a", "period": "2020-01-02", "item": 1, "qty": 1},
    {"recorder": "a", "period": "2020-02-01", "item": 2, "qty": 1}]');
SELECT accum.register_stats('stats_day') - 'table_sizes' - 'partitions_count';
SELECT accum.register_stats('stats_year') - 'table_sizes' - 'partitions_count';
-- Current and next partitions, that of 2020-01 and 2020-02, the default one.
SELECT (accum.register_stats('stats_day') ->> 'partitions_count')::int
       - current_setting('pg_accumulator.partitions_ahead')::int;
SELECT key, value::bigint > 0 AS has_size
FROM jsonb_each(accum.register_stats('stats_day') -> 'table_sizes') ORDER BY key;

-- Rows of cells without movements stay; movements are counted, not rows.
SELECT accum.register_unpost('stats_day', 'a');
SELECT accum.register_stats('stats_day') -> 'movements_count' AS movements,
       accum.register_stats('stats_day') -> 'cache_rows' AS cells;
SELECT name, kind, dimensions, resources, movements_count FROM accum.register_list() WHERE name LIKE 'stats%';

-- A large table is estimated: close, but nobody promises the exact number.
INSERT INTO accum.stats_day_movements (recorder, period, item, qty)
    SELECT 'b', '2020-01-01', i, 1 FROM generate_series(1, 150000) AS i;
ANALYZE accum.stats_day_balance_cache;
SELECT (accum.register_stats('stats_day') ->> 'cache_rows')::bigint BETWEEN 145000 AND 155000 AS about_right,
       accum.register_stats('stats_day') ->> 'movements_count' AS movements;

-- Whoever may not read the tables learns no counts.
CREATE ROLE regress_accum_stats;
SET ROLE regress_accum_stats;
SELECT accum.register_stats('stats_day') -> 'movements_count' AS movements,
       accum.register_stats('stats_day') -> 'cache_rows' AS cells;
SELECT movements_count FROM accum.register_list() WHERE name LIKE 'stats%';
RESET ROLE;
DROP ROLE regress_accum_stats;

\set SHOW_CONTEXT never
SELECT accum.register_stats('nowhere');
SELECT accum.register_stats(NULL);
SELECT accum.register_drop('stats_day', true), accum.register_drop('stats_year');
