-- citext compares without regard to case, and so do cells.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
SELECT NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'citext') AS skip \gset
\if :skip
\quit
\endif
CREATE EXTENSION citext;
SELECT accum.register_create('citext_cases', '{"v": "citext"}', '{"q": "int"}', attributes => '{"note": "citext"}');
SELECT accum.register_post('citext_cases', '[{"recorder": "a", "period": "2001-01-01", "v": "Abc", "q": 1}, {"recorder": "a", "period": "2001-01-01", "v": "aBC", "q": 2}, {"recorder": "a", "period": "2001-01-01", "v": "abd", "q": 4}]');
SELECT v, q FROM accum.citext_cases_balance_cache ORDER BY q;
SELECT accum.citext_cases_balance('{"v": "ABC"}'), pg_temp.differences('citext_cases');
SELECT count(*) FROM accum.citext_cases_movements(dimensions => '{"v": "ABC"}');
SELECT accum.register_repost('citext_cases', 'a', '[{"period": "2001-01-01", "v": "ABC", "q": 1}, {"period": "2001-01-01", "v": "ABC", "q": 3}]');
SELECT accum.citext_cases_balance('{"v": "abc"}'), accum.citext_cases_balance('{"v": "ABD"}'), pg_temp.differences('citext_cases');
SELECT pg_temp.try('SELECT accum.register_secure(''citext_cases'', ''v'', ''v = current_user'')');
SELECT accum.register_unpost('citext_cases', 'a');
SELECT accum.citext_cases_balance(), pg_temp.differences('citext_cases');
