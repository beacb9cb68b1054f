--
-- register_post with p_once: a document is posted once, however often it is tried.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE ROLE regress_accum_shop;
CREATE ROLE regress_accum_till;
CREATE FUNCTION pg_temp.line(recorder text, period text, till text, amount text) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('recorder', recorder, 'period', period, 'till', till, 'amount', amount) $$;
CREATE FUNCTION pg_temp.once(VARIADIC lines jsonb[]) RETURNS text
LANGUAGE sql AS $$ SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L, true)', 'sales', to_jsonb(lines))) $$;
GRANT CREATE ON SCHEMA accum TO regress_accum_shop;
SET ROLE regress_accum_shop;
SELECT accum.register_create('sales', '{"till": "text"}', '{"amount": "numeric(12,2)"}', attributes => '{"note": "text"}');
GRANT INSERT ON accum.sales_movements TO regress_accum_till;

-- The second try gives what the first one gave, and stores nothing.
SET ROLE regress_accum_till;
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5'), pg_temp.line('a', '2026-05-04 10:00', '1', '5'),
                    pg_temp.line('a', '2026-06-04 10:00', NULL, '-7.5'));
RESET ROLE;
SELECT pg_temp.state('sales') AS state \gset
SET ROLE regress_accum_till;
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5'), pg_temp.line('a', '2026-05-04 10:00', '1', '5'),
                    pg_temp.line('a', '2026-06-04 10:00', NULL, '-7.5'));
-- Order, spelling, what is rounded away and attributes make no difference.
SELECT pg_temp.once(pg_temp.line('a', '2026-06-04 12:00+02', NULL, '-7.500'), pg_temp.line('a', '2026-05-04 10:00', '1', '5.004') || '{"note": "x"}',
                    pg_temp.line('a', '2026-05-04 10:00', '1', '4.996') || '{"movement_type": "regular"}');
SELECT accum.register_post('sales', '[]', p_once => true);
RESET ROLE;
SELECT pg_temp.state('sales') = :'state' AS nothing_changed;

-- Another document under this name is an error; the difference is told to who may read.
SET ROLE regress_accum_shop;
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5'));
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5'), pg_temp.line('a', '2026-06-04 10:00', NULL, '-7.5'));
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5'), pg_temp.line('a', '2026-05-04 10:00', '1', '5'),
                    pg_temp.line('a', '2026-05-04 10:00', '1', '5'), pg_temp.line('a', '2026-06-04 10:00', NULL, '-7.5'));
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5'), pg_temp.line('a', '2026-05-04 10:00', '1', '5.01'),
                    pg_temp.line('a', '2026-06-04 10:00', NULL, '-7.5'));
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5'), pg_temp.line('a', '2026-05-04 10:00', '1', '5') || '{"movement_type": "adjustment"}',
                    pg_temp.line('a', '2026-06-04 10:00', NULL, '-7.5'));
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5'), pg_temp.line('a', '2026-05-04 10:00', '', '5'),
                    pg_temp.line('a', '2026-06-04 10:00', NULL, '-7.5'));
SET ROLE regress_accum_till;
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5.01'));
RESET ROLE;
GRANT SELECT ON accum.sales_movements TO regress_accum_till;
ALTER TABLE accum.sales_movements ENABLE ROW LEVEL SECURITY;
ALTER TABLE accum.sales_movements FORCE ROW LEVEL SECURITY;
CREATE POLICY nobody ON accum.sales_movements FOR SELECT USING (false);
CREATE POLICY anybody ON accum.sales_movements FOR INSERT WITH CHECK (true);
SET ROLE regress_accum_till;
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5.01'));
SELECT pg_temp.once(pg_temp.line('a', '2026-05-04 10:00', '1', '5'), pg_temp.line('a', '2026-05-04 10:00', '1', '5'),
                    pg_temp.line('a', '2026-06-04 10:00', NULL, '-7.5'));
RESET ROLE;
ALTER TABLE accum.sales_movements DISABLE ROW LEVEL SECURITY;
ALTER TABLE accum.sales_movements NO FORCE ROW LEVEL SECURITY;
SELECT pg_temp.state('sales') = :'state' AS nothing_changed;

-- Each document of a batch is decided by itself; their lines may be mixed.
SET ROLE regress_accum_shop;
SELECT pg_temp.once(pg_temp.line('b', '2026-05-05', '1', '1'), pg_temp.line('a', '2026-05-04 10:00', '1', '5'),
                    pg_temp.line('c', '2026-05-05', '2', '1'), pg_temp.line('a', '2026-05-04 10:00', '1', '5'),
                    pg_temp.line('b', '2026-07-05', '1', '1'), pg_temp.line('a', '2026-06-04 10:00', NULL, '-7.5'));
SELECT recorder, count(*) FROM accum.sales_movements GROUP BY 1 ORDER BY 1;
SELECT pg_temp.once(pg_temp.line('d', '2026-05-05', '1', '1'), pg_temp.line('b', '2026-05-05', '1', '2'), pg_temp.line('c', '2026-05-05', '2', '1'));
SELECT pg_temp.once(pg_temp.line('d', '2026-05-05', '1', '1'), pg_temp.line('b', '2026-05-05', '1', '1'), pg_temp.line('c', '2026-05-05', '2', '1'));
SELECT recorder, count(*) FROM accum.sales_movements GROUP BY 1 ORDER BY 1;

-- Without p_once everything is posted; p_once then finds more than it wants.
SELECT accum.register_post('sales', pg_temp.line('c', '2026-05-05', '2', '1'), p_once => NULL);
SELECT pg_temp.once(pg_temp.line('c', '2026-05-05', '2', '1'));
SELECT pg_temp.once(pg_temp.line('c', '2026-05-05', '2', '1'), pg_temp.line('c', '2026-05-05', '2', '1'));
-- A document that was posted without it is known, too.
SELECT accum.register_post('sales', pg_temp.line('plain', '2026-05-05', '2', '1'));
SELECT pg_temp.once(pg_temp.line('plain', '2026-05-05', '2', '1'));
INSERT INTO accum.sales_movements (recorder, period, till, amount) VALUES ('direct', '2026-05-06', '2', 1);
SELECT pg_temp.once(pg_temp.line('direct', '2026-05-06', '2', '1'));
SELECT pg_temp.once(pg_temp.line('direct', '2026-05-06', '2', '2'));

-- A document stays known after it was corrected or cancelled.
SELECT accum.register_repost('sales', 'b', pg_temp.line('b', '2026-05-05', '1', '3'));
SELECT pg_temp.once(pg_temp.line('b', '2026-05-05', '1', '1'), pg_temp.line('b', '2026-07-05', '1', '1'));
SELECT pg_temp.once(pg_temp.line('b', '2026-05-05', '1', '3') || '{"movement_type": "adjustment"}');
SELECT accum.register_unpost('sales', 'c');
SELECT pg_temp.once(pg_temp.line('c', '2026-05-05', '2', '1'));
SELECT accum.register_repost('sales', 'empty', '[]');
SELECT pg_temp.once(pg_temp.line('empty', '2026-05-05', '2', '1'));
DELETE FROM accum.sales_movements WHERE recorder = 'direct';
SELECT pg_temp.once(pg_temp.line('direct', '2026-05-06', '2', '1'));

-- What failed is not known; what is known may lie in a period that was closed since.
SELECT pg_temp.once(pg_temp.line('e', '2026-05-05', '2', '1e20'));
SELECT pg_temp.once(pg_temp.line('e', '2026-05-05', '2', '1'));
SELECT accum.register_close('sales', '2026-12-31');
SELECT pg_temp.once(pg_temp.line('e', '2026-05-05', '2', '1'));
SELECT pg_temp.once(pg_temp.line('f', '2026-05-05', '2', '1'));
SELECT accum.register_reopen('sales', '2026-01-01');
SELECT pg_temp.once(pg_temp.line('f', '2026-05-05', '2', '1'));
SELECT pg_temp.differences('sales');

-- Other types of recorders, high_write, dimensions without hash operator families of
-- their own; and many documents at once.
SELECT accum.register_create('many', '{"cell": "varchar(5)"}', '{"n": "double precision"}', recorder_type => 'bigint', high_write => true, partition_by => 'year');
SELECT accum.register_post('many', lines, true), accum.register_post('many', lines, true),
       accum.register_post('many', lines || '{"recorder": 100000, "period": "2026-01-01", "cell": "x"}', true),
       accum.register_post('many', lines, true)
FROM (SELECT jsonb_agg(jsonb_build_object('recorder', i % 3000, 'period', timestamp '2025-01-01' + i * interval '5 hours', 'cell', i % 7, 'n', i / 7.0))
      FROM generate_series(1, 9000) AS i) AS t (lines);
SELECT count(*), count(DISTINCT recorder) FROM accum.many_movements;
SELECT pg_temp.try_code($$SELECT accum.register_post('many', '{"recorder": 77, "period": "2026-01-01", "cell": "x"}', true)$$);
SELECT accum.register_create('ids', '{}', '{"n": "int"}', recorder_type => 'uuid');
SELECT accum.register_post('ids', '{"recorder": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "period": "2026-01-01", "n": 1}', true),
       accum.register_post('ids', '{"recorder": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "period": "2026-01-01", "n": 1}', true);
SELECT count(*) FROM accum.ids_movements;
SELECT accum.register_drop(r, true) FROM unnest('{sales,many,ids}'::text[]) AS r;
RESET ROLE;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_shop;
DROP ROLE regress_accum_shop, regress_accum_till;
