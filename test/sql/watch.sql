--
-- Watching registers, on a server without shared_preload_libraries.
--
SELECT name, setting, unit, short_desc FROM accum._config WHERE name !~ 'sql_writes' ORDER BY name COLLATE "C";
-- This one is on where the tests are run the other way.
SELECT name, unit, short_desc FROM accum._config WHERE name ~ 'sql_writes';
-- The view knows the settings also where nothing else has loaded the library.
\c -
SELECT count(*) > 0 AS settings FROM accum._config;
SELECT * FROM accum._maintenance_status();

SELECT accum.register_create('watch', '{"item": "int"}', '{"qty": "int"}');
SELECT accum.register_post('watch', '{"recorder": "a", "period": "2020-01-01", "item": 1, "qty": 1}');
\pset null '(null)'
\x on
SELECT * FROM accum.stat_registers WHERE name = 'watch';
\x off
SELECT accum._is_setting('pg_accumulator.x') AS yes, accum._is_setting('pg_accumulatorx') AS no,
       accum._is_setting(NULL) AS unknown;
SELECT posts FROM accum._register_counters(NULL);
SELECT * FROM accum._register_pending(NULL);
SELECT accum.stat_registers_reset();

-- Everybody may look; who may reset is a matter of grants.
CREATE ROLE regress_accum_watch;
SET ROLE regress_accum_watch;
SELECT count(*) FROM accum.stat_registers WHERE name = 'watch';
SELECT count(*) > 0 AS settings FROM accum._config;
SELECT * FROM accum._maintenance_status();
SELECT accum.stat_registers_reset();
RESET ROLE;
GRANT EXECUTE ON FUNCTION accum.stat_registers_reset() TO regress_accum_watch;
SET ROLE regress_accum_watch;
SELECT accum.stat_registers_reset();
RESET ROLE;
REVOKE EXECUTE ON FUNCTION accum.stat_registers_reset() FROM regress_accum_watch;
DROP ROLE regress_accum_watch;

-- Settings are checked.
\set SHOW_CONTEXT never
SET pg_accumulator.maintenance_interval = '1s';
SET pg_accumulator.background_workers = 0;
SET pg_accumulator.no_such_setting = 1;
SELECT accum.register_drop('watch', true);
