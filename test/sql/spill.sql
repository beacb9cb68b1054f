-- What does not fit into work_mem goes to files, and these go when they are done with:
-- a file that is left would be told of by a warning.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

SELECT accum.register_create('spi', '{"w": "text"}', '{"q": "bigint"}', partition_by => 'year', attributes => '{"note": "text"}');
SELECT accum.register_create('spi_fast', '{"w": "text"}', '{"q": "bigint"}', partition_by => 'year', attributes => '{"note": "text"}', high_write => true);
CREATE FUNCTION lines(document text, n int) RETURNS jsonb LANGUAGE sql
    RETURN (SELECT jsonb_agg(jsonb_build_object('recorder', document || i % 7, 'period', timestamp '2001-01-01' + i % 300 * interval '1 day', 'w', 'cell ' || i % 1500, 'q', i, 'note', repeat('x', 50))) FROM generate_series(1, n) AS i);
CREATE FUNCTION balances(n int) RETURNS jsonb LANGUAGE sql
    RETURN (SELECT jsonb_agg(jsonb_build_object('w', 'cell ' || i, 'q', i)) FROM generate_series(1, n) AS i);
SET work_mem = '64kB';
SELECT register, what, pg_temp.try(regexp_replace(call, '\mR(?=[''_])', register, 'g')) FROM unnest('{spi,spi_fast}'::text[]) AS register CROSS JOIN (VALUES
    ('post', $$SELECT accum.register_post('R', lines('a', 5000))$$),
    ('once', $$SELECT accum.register_post('R', lines('once', 5000), p_once => true)$$),
    ('once again', $$SELECT accum.register_post('R', lines('once', 5000), p_once => true)$$),
    ('repost', $$SELECT accum.register_repost('R', 'a1', (SELECT jsonb_agg(l || '{"recorder": "a1"}') FROM jsonb_array_elements(lines('a', 4000)) AS l))$$),
    ('preview', $$SELECT count(*) FROM accum.register_preview('R', 'a1', (SELECT jsonb_agg(l || '{"recorder": "a1"}') FROM jsonb_array_elements(lines('b', 4000)) AS l))$$),
    ('preview of a post', $$SELECT count(*) FROM accum.register_preview('R', NULL, lines('c', 5000))$$),
    ('reconcile', $$SELECT count(*) FROM accum.register_reconcile('R', 'count', '2001-12-31', balances(1500))$$),
    ('balances', $$SELECT count(*) FROM accum.R_balances_at(date '2001-05-05')$$),
    ('statement', $$SELECT count(*) FROM accum.R_statement(date '2001-01-02', date '2001-12-05', group_by => '["w"]', unit => 'month')$$),
    ('turnover', $$SELECT count(*) FROM accum.R_turnover(date '2001-01-02', date '2001-12-05', group_by => '["w"]')$$),
    ('movements', $$SELECT count(*) FROM accum.R_movements()$$),
    ('insert', $$INSERT INTO accum.R_movements (recorder, period, w, q) SELECT 'direct', timestamp '2001-01-01' + i % 300 * interval '1 day', 'cell ' || i, i FROM generate_series(1, 5000) AS i$$),
    ('verify', $$SELECT DISTINCT status FROM accum.register_verify('R')$$),
    ('fold', $$SELECT accum._delta_flush_register('R') >= 0$$),
    ('rebuild', $$SELECT accum.register_rebuild_totals('R') > 0, accum.register_rebuild_cache('R') > 0$$),
    ('repair', $$SELECT accum.register_repair('R')$$),
    ('unpost', $$SELECT accum.register_unpost('R', 'a1')$$),
    ('unpost many', $$SELECT accum.register_unpost('R', ARRAY['a2', 'a3', 'once4', 'direct', 'count'])$$)) AS calls (what, call);
-- An error on the way leaves none either.
SELECT pg_temp.try_code($$SELECT accum.register_preview('spi', NULL, lines('c', 5000) || '{}')$$), pg_temp.try_code($$SELECT accum.register_post('spi', lines('c', 5000) || '{}')$$);
RESET work_mem;
SELECT pg_temp.differences('spi'), pg_temp.differences('spi_fast');
SELECT accum.register_drop('spi', true), accum.register_drop('spi_fast', true);
DROP FUNCTION lines, balances;
