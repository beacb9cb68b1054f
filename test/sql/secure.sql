--
-- register_secure: rows and documents of tenants are kept apart.  What one of them does,
-- the others neither see nor notice; who sees several is told where that matters.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE ROLE regress_accum_landlord;
CREATE ROLE regress_accum_app;
GRANT CREATE ON SCHEMA accum TO regress_accum_landlord;
CREATE FUNCTION pg_temp.line(recorder text, period text, tenant int, item text, n int) RETURNS jsonb
LANGUAGE sql AS $$ SELECT jsonb_build_object('recorder', recorder, 'period', period, 'tenant', tenant, 'item', item, 'n', n) $$;
-- What movements a register holds, for who sees all.
CREATE FUNCTION pg_temp.all_of(register text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT string_agg(concat_ws('' '', recorder, tenant, item, n), '', '' ORDER BY recorder, tenant, item, n) FROM accum.%I', register || '_movements') INTO result;
    RETURN result;
END $$;

CREATE SCHEMA regress_accum_shadow AUTHORIZATION regress_accum_app;
GRANT pg_read_server_files TO regress_accum_app;
CREATE TYPE public.regress_accum_firm AS ENUM ('north', 'south');
CREATE DOMAIN public.regress_accum_some AS int;

-- The expression, and the dimension.
SET ROLE regress_accum_landlord;
SELECT accum.register_create('stock', '[{"name": "tenant", "type": "int", "required": true}, {"name": "item", "type": "text"}]',
    '{"n": "int"}', partition_by => 'year', attributes => '{"note": "text"}');
SELECT accum.register_grant('stock', 'regress_accum_app', r) FROM unnest('{read,post}'::text[]) AS r;
SELECT pg_temp.try($$SELECT accum.register_secure(NULL, 'tenant', 'true')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('nothing', 'tenant', 'true')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', NULL, 'true')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'n', 'true')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'tenant')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', '')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'tenant = 1, true')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'true FROM pg_class')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'true) WITH CHECK (true')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'true); DROP TABLE accum.stock_movements; --')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'tenant = $1')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'tenant = 1 AND count(*) > 0')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'item = current_user')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'dim_hash > 0')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'tableoid > 0')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'stock_movements IS NOT NULL')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'EXISTS (SELECT FROM pg_class WHERE relname = item)')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'nothing(tenant)')$$);
-- Nor one that does not look at the dimension, as where a subquery has taken its name.
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'current_user = session_user')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'EXISTS (SELECT FROM (VALUES (1)) AS m (tenant) WHERE m.tenant = tenant)')$$);
BEGIN;
SELECT accum.register_secure('stock', 'tenant', 'EXISTS (SELECT FROM (VALUES (1)) AS m (tenant) WHERE m.tenant = stock_movements.tenant)');
SELECT accum.register_secure('stock', 'tenant', 'false');
ROLLBACK;
SET ROLE regress_accum_app;
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'true')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', NULL, NULL)$$);
SET ROLE regress_accum_landlord;
BEGIN READ ONLY;
SELECT accum.register_secure('stock', NULL, NULL);
ROLLBACK;
-- Nothing of that was done; taking away what is not there does nothing.
SELECT accum.register_secure('stock', NULL, NULL);
SELECT count(*) FROM pg_policies WHERE schemaname = 'accum';
SELECT accum.register_info('stock') ? 'secured' AS secured;

-- Documents that are there before belong to who has their movements.
SELECT accum.register_post('stock', jsonb_build_array(
    pg_temp.line('both', '2026-05-04', 1, 'bolt', 1), pg_temp.line('both', '2026-05-04', 2, 'bolt', 2),
    pg_temp.line('both', '2025-05-04', 2, 'nut', 3), pg_temp.line('one', '2026-05-04', 1, 'nut', 4),
    pg_temp.line('gone', '2026-05-04', 1, 'nut', 4)));
SELECT accum.register_unpost('stock', 'gone');
SELECT accum.register_secure('stock', 'tenant', 'tenant = nullif(current_setting(''app.tenant'', true), '''')::int');
SELECT recorder, scope, unit_start, revision FROM accum.stock_recorders ORDER BY 1, 2, 3;
SELECT accum.register_info('stock') -> 'secured' AS secured;
SELECT tablename, permissive, roles, cmd, qual, with_check = qual AS same FROM pg_policies WHERE policyname = 'accum_secure' ORDER BY tablename COLLATE "C";
SELECT count(*) FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname LIKE 'stock%' AND relrowsecurity;

-- A tenant has the register to itself.
SET ROLE regress_accum_app;
SET app.tenant = 1;
SELECT accum.stock_balance() AS balance;
SELECT tenant, item, n FROM accum.stock_balances ORDER BY item;
SELECT count(*) FROM accum.stock_movements('both');
SELECT accum.stock_turnover(group_by => '["tenant", "item"]') AS turnover ORDER BY 1;
SELECT item, n_closing FROM accum.stock_statement(date '2026-01-01', date '2026-12-31') ORDER BY 1;
SELECT * FROM accum.stock_balances_at(date '2026-12-31') ORDER BY item;
SELECT * FROM accum.register_verify('stock');
SELECT accum.register_repost('stock', 'both', jsonb_build_array(pg_temp.line('both', '2026-05-05', 1, 'bolt', 10)));
SELECT accum.register_post('stock', pg_temp.line('new', '2026-05-05', 1, 'bolt', 5));
SELECT accum.register_post('stock', pg_temp.line('new', '2027-05-05', 1, 'bolt', 5), p_once => true);
SET app.tenant = 2;
SELECT accum.stock_balance() AS balance;
SELECT accum.register_unpost('stock', 'one') AS not_mine;
SELECT accum.register_unpost('stock', 'new') AS not_mine;
SELECT accum.register_post('stock', pg_temp.line('new', '2026-05-05', 2, 'bolt', 7), p_once => true);
SELECT accum.register_post('stock', pg_temp.line('new', '2026-05-05', 2, 'bolt', 7), p_once => true) AS again;
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L, p_once => true)', 'stock', pg_temp.line('new', '2026-05-05', 2, 'bolt', 8)));
SELECT accum.register_unpost('stock', '{both,one,new,gone}'::text[]);
SELECT accum.stock_balance() AS balance;
RESET app.tenant;
SELECT accum.register_unpost('stock', 'both') AS nobody;
SELECT count(*) AS nobody FROM accum.stock_movements;
SET ROLE regress_accum_landlord;
SELECT pg_temp.all_of('stock');

-- Movements of others are refused, whichever way they come, before anything else is
-- found out about them.
SET ROLE regress_accum_app;
SET app.tenant = 2;
SELECT pg_temp.try(format(statement, pg_temp.line(recorder, '2026-05-05', 1, 'bolt', 5) - strip)) AS result
FROM unnest('{one,unknown}'::text[]) AS recorder, (VALUES
    ('SELECT accum.register_post(''stock'', %L)', '{}'::text[]),
    ('SELECT accum.register_post(''stock'', %L, p_once => true)', '{}'),
    ('SELECT accum.register_repost(''stock'', ''' || 'one' || ''', %L)', '{recorder}'),
    ('SELECT count(*) FROM accum.register_preview(''stock'', NULL, %L)', '{}'),
    ('SELECT count(*) FROM accum.register_preview(''stock'', ''one'', %L)', '{recorder}'),
    ('SELECT count(*) FROM accum.register_reconcile(''stock'', ''one'', ''2026-05-05'', %L)', '{recorder,period}'),
    ('INSERT INTO accum.stock_movements (recorder, period, tenant, item, n) SELECT recorder, period, tenant, item, n FROM jsonb_to_record(%L) AS r (recorder text, period timestamptz, tenant int, item text, n int)', '{}')) AS s (statement, strip);
-- A partition that is missing would be made, and the document entered in the map first.
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'stock', pg_temp.line('one', '2044-05-05', 1, 'bolt', 5)));
SELECT pg_temp.try('COPY accum.stock_movements (recorder, period, tenant, item, n) FROM ''/dev/null''');
DELETE FROM accum.stock_movements;
DELETE FROM accum.stock_movements WHERE tenant = 1;
SELECT pg_temp.try('INSERT INTO accum.stock_movements (recorder, period, tenant, item, n) VALUES (''d'', ''2026-05-05'', 2, ''bolt'', 3)');
DELETE FROM accum.stock_movements WHERE recorder IN ('d', 'one');
SET ROLE regress_accum_landlord;
SELECT pg_temp.all_of('stock');
SELECT to_regclass('accum.stock_movements_2044') IS NULL AS no_partition;

-- What a tenant could still ask: counts, closings, previews, errors with sums in them.
SELECT accum.register_alter('stock', limits => '[{"name": "enough", "check": "n >= -100"}]');
SELECT accum.register_close('stock', '2026-03-31', '{"tenant": 1}');
SELECT accum.register_close('stock', '2026-02-28', '{"tenant": 2, "item": "gear"}');
SELECT accum.register_post('stock', jsonb_build_array(pg_temp.line('l', '2026-06-01', 2, 'bolt', 50), pg_temp.line('m', '2026-06-01', 1, 'bolt', 70)));
SELECT movements_count > 0 AS told FROM accum.register_list() WHERE name = 'stock';
SELECT count(*) FROM accum.register_closings WHERE register = 'stock';
SET ROLE regress_accum_app;
SELECT movements_count FROM accum.register_list() WHERE name = 'stock';
SELECT accum.register_info('stock') -> 'movements_count' AS movements_count;
SELECT key, value FROM jsonb_each(accum.register_stats('stock')) WHERE key ~ 'count|rows|pending' AND key <> 'partitions_count' ORDER BY 1;
SELECT bool_and(row_count IS NULL) AS untold FROM accum.register_partitions('stock');
SELECT count(*) FROM accum.register_closings WHERE register = 'stock';
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'stock', pg_temp.line('x', '2026-03-01', 1, 'bolt', 5)));
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'stock', pg_temp.line('x', '2026-02-01', 2, 'gear', 5)));
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'stock', pg_temp.line('x', '2026-06-01', 1, 'bolt', -500)));
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'stock', pg_temp.line('x', '2026-06-01', 2, 'bolt', -500)));
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'stock', pg_temp.line('x', '2026-06-01', 2, 'bolt', 2147483647)));
SELECT dimensions, before, after, broken_limits, closed FROM accum.register_preview('stock', 'l', jsonb_build_array(pg_temp.line('l', '2026-06-02', 2, 'bolt', 20)));
SELECT count(*) FROM accum.register_preview('stock', 'm', NULL);
SELECT dimensions, before, after FROM accum.register_preview('stock', 'l', NULL);
SELECT m - '{id,recorded_at,dim_hash}'::text[] AS counted FROM accum.register_reconcile('stock', 'm', '2026-06-03', '[{"tenant": 2, "item": "bolt", "n": 44}]', '{"item": "bolt"}') AS m;
SELECT accum.stock_balance('{"tenant": 1}') AS others, accum.stock_balance('{"tenant": 2}') AS own;
SELECT count(*) FROM accum.stock_balance_cache WHERE tenant <> 2;
SELECT pg_temp.try_code('SELECT * FROM accum.stock_recorders'), pg_temp.try_code('SELECT * FROM accum.stock_movements_default'), pg_temp.try_code('SELECT accum.register_repair(''stock'')');
-- A function of the tenant's own that would tell what it is given is asked after the policy.
CREATE TEMP TABLE heard (what text);
CREATE FUNCTION pg_temp.told(what text) RETURNS boolean LANGUAGE plpgsql COST 0.000001 AS $$ BEGIN INSERT INTO pg_temp.heard VALUES (what); RETURN true; END $$;
SELECT count(*) FROM accum.stock_movements WHERE pg_temp.told(tenant || ' ' || item || ' ' || n);
SELECT count(*) FROM accum.stock_balance_cache WHERE pg_temp.told('cache ' || tenant || ' ' || item || ' ' || n);
SELECT what FROM heard ORDER BY what COLLATE "C";
DROP TABLE heard;
-- Nor does an operator in the search_path change what the policy says of documents.
CREATE FUNCTION regress_accum_shadow.always(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR regress_accum_shadow.= (LEFTARG = int, RIGHTARG = int, PROCEDURE = regress_accum_shadow.always);
SET search_path = regress_accum_shadow, pg_catalog;
SELECT 1 = 2 AS shadowed;
SELECT accum.register_unpost('stock', 'one');
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L, true)', 'stock', pg_temp.line('one', '2026-05-04', 1, 'nut', 4)));
RESET search_path;
DROP SCHEMA regress_accum_shadow CASCADE;
SET row_security = off;
SELECT pg_temp.try('SELECT accum.register_unpost(''stock'', ''one'')');
SELECT pg_temp.try('SELECT accum.stock_balance()');
RESET row_security;
SET ROLE regress_accum_landlord;
SELECT pg_temp.all_of('stock');
SELECT accum.register_reopen('stock', '-infinity');

-- Who sees several tenants, the owner here, is asked which one was meant.
SELECT accum.register_post('stock', jsonb_build_array(pg_temp.line('p', '2026-06-01', 1, 'bolt', 1), pg_temp.line('p', '2026-06-01', 2, 'bolt', 2)), p_once => true);
SELECT accum.register_post('stock', jsonb_build_array(pg_temp.line('p', '2026-06-01', 2, 'bolt', 2), pg_temp.line('q', '2026-06-01', 2, 'bolt', 2), pg_temp.line('p', '2026-06-01', 1, 'bolt', 1)), p_once => true);
SELECT pg_temp.try('SELECT accum.register_unpost(''stock'', ''p'')');
SELECT pg_temp.try('SELECT accum.register_unpost(''stock'', ''{q,p}''::text[])');
SELECT pg_temp.try(format('SELECT accum.register_repost(%L, %L, %L)', 'stock', 'p', pg_temp.line('p', '2026-06-01', 1, 'bolt', 3)));
SELECT pg_temp.try('SELECT count(*) FROM accum.register_preview(''stock'', ''p'', NULL)');
SELECT pg_temp.try('SELECT count(*) FROM accum.register_reconcile(''stock'', ''p'', ''2026-06-03'', ''[{"tenant": 1, "item": "x", "n": 1}]'')');
SELECT count(*) FROM accum.stock_movements('p');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.try('SELECT accum.register_unpost(''stock'', ''p'')');
ROLLBACK;
-- One is left when the other has no movements any more.
SET ROLE regress_accum_app;
SELECT accum.register_unpost('stock', 'p');
SET ROLE regress_accum_landlord;
SELECT accum.register_repost('stock', 'p', pg_temp.line('p', '2026-06-01', 1, 'bolt', 3));
SELECT pg_temp.try(format('SELECT accum.register_repost(%L, %L, %L)', 'stock', 'p', jsonb_build_array(pg_temp.line('p', '2026-06-01', 1, 'bolt', 3), pg_temp.line('p', '2026-06-01', 2, 'bolt', 3))));
-- A repost by movements of another tenant moves the document, to whoever sees both.
SELECT accum.register_repost('stock', 'p', jsonb_build_array(pg_temp.line('p', '2026-06-01', 3, 'bolt', 3), pg_temp.line('p', '2026-06-02', 3, 'nut', 3)));
SELECT accum.register_repost('stock', 'q', pg_temp.line('q', '2026-06-01', 1, 'bolt', 2));
SELECT pg_temp.all_of('stock');
SELECT accum.register_unpost('stock', '{p,q,p}'::text[]);
SELECT accum.register_unpost('stock', 'p') AS nothing_left, accum.register_repost('stock', 'p', '[]') AS nor_here, accum.register_repost('stock', 'never', '[]') AS unknown;
SELECT pg_temp.all_of('stock'), pg_temp.differences('stock');

-- Who keeps the register in order does so for all tenants, whichever it sees.
SELECT accum.register_grant('stock', 'regress_accum_app', 'admin');
SELECT accum.register_post('stock', jsonb_build_array(pg_temp.line('far', '2050-06-01', 1, 'bolt', 1), pg_temp.line('far', '2050-06-01', 2, 'bolt', 2)));
SET ROLE regress_accum_app;
SELECT accum.register_rebuild_totals('stock') > 0 AS totals, accum.register_rebuild_cache('stock') > 0 AS cache, accum.register_repair('stock') AS repaired, accum.register_create_partitions('stock', '40 years') > 0 AS partitions;
SELECT accum.register_unpost('stock', 'far');
SELECT count(*) >= 0 AS pruned FROM accum.register_prune('stock');
SET ROLE regress_accum_landlord;
SELECT accum.register_unpost('stock', 'far'), accum.register_revoke('stock', 'regress_accum_app', 'admin');
SELECT pg_temp.all_of('stock'), pg_temp.differences('stock');

-- More documents than are locked one by one, of two tenants.
SELECT accum.register_post('stock', jsonb_agg(pg_temp.line('n' || i, '2026-07-01', t, 'many', i))) FROM generate_series(1, 1001) AS i, generate_series(1, 2) AS t;
SET ROLE regress_accum_app;
SELECT accum.register_unpost('stock', array_agg('n' || i)) FROM generate_series(1, 1200) AS i;
SET ROLE regress_accum_landlord;
SELECT count(*), sum(n) FROM accum.stock_movements WHERE item = 'many';
SELECT accum.register_unpost('stock', array_agg('n' || i)) FROM generate_series(1, 1200) AS i;
SELECT pg_temp.differences('stock');

-- Another expression; a table that comes later; a notice only where others have policies.
SELECT accum.register_secure('stock', 'tenant', 'tenant IN (SELECT t::int FROM unnest(string_to_array(current_setting(''app.tenants'', true), '','')) AS t)');
SELECT recorder, scope FROM accum.stock_recorders WHERE recorder = 'p' ORDER BY scope;
SET client_min_messages = notice;
SELECT accum.register_alter('stock', limits => '[]', high_write => true, add_resources => '{"m": "int"}');
SET client_min_messages = warning;
SELECT tablename, qual FROM pg_policies WHERE tablename = 'stock_balance_cache_delta';
SET ROLE regress_accum_app;
SET app.tenants = '1,3';
SELECT accum.register_post('stock', pg_temp.line('h', '2026-06-01', t, 'bolt', 5)) FROM unnest('{1,3}'::int[]) AS t;
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L)', 'stock', pg_temp.line('h', '2026-06-01', 2, 'bolt', 5)));
SELECT pg_temp.try('SELECT accum.register_unpost(''stock'', ''h'')');
SELECT tenant, item, n FROM accum.stock_balances ORDER BY 1, 2;
SET app.tenants = '3';
SELECT accum._delta_count('stock') AS own, accum._delta_flush_register('stock') AS folded;
SELECT accum.register_unpost('stock', 'h');
SET ROLE regress_accum_landlord;
SELECT pg_temp.all_of('stock'), pg_temp.differences('stock');

-- A policy that is gone shows nothing, and a register without it cannot get deltas.
DROP POLICY accum_secure ON accum.stock_movements;
SET ROLE regress_accum_app;
SET app.tenants = '1';
SELECT accum.register_unpost('stock', 'one') AS nothing;
SELECT pg_temp.try(format('SELECT accum.register_post(%L, %L, true)', 'stock', pg_temp.line('one', '2026-06-01', 1, 'bolt', 5)));
SET ROLE regress_accum_landlord;
SELECT accum.register_info('stock') -> 'secured' AS secured;
SELECT accum.register_secure('stock', 'tenant', 'tenant = 1');
SET ROLE regress_accum_app;
SELECT accum.register_unpost('stock', 'one');

-- Taken away, documents of one name are one.
SET ROLE regress_accum_landlord;
SELECT accum.register_post('stock', pg_temp.line('h', '2026-06-01', 2, 'bolt', 6));
SELECT accum.register_secure('stock', 'no dimension at all', NULL);
SELECT attname FROM pg_attribute WHERE attrelid = 'accum.stock_recorders'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT count(*) FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname LIKE 'stock%' AND relrowsecurity;
SELECT count(*) FROM pg_policies WHERE schemaname = 'accum';
SET ROLE regress_accum_app;
SELECT accum.register_unpost('stock', 'h');
SELECT accum.register_post('stock', pg_temp.line('h', '2026-06-01', 1, 'bolt', 5), p_once => true) AS new;
SET ROLE regress_accum_landlord;
SELECT pg_temp.all_of('stock'), pg_temp.differences('stock');

-- Policies that the owner has made stay, and so does row security.
CREATE POLICY own ON accum.stock_totals_year USING (tenant < 100);
ALTER TABLE accum.stock_totals_year ENABLE ROW LEVEL SECURITY;
SELECT accum.register_secure('stock', 'tenant', 'tenant = 1');
SELECT accum.register_secure('stock', NULL, NULL);
SELECT relname FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relname LIKE 'stock%' AND relrowsecurity;
DROP POLICY own ON accum.stock_totals_year;
ALTER TABLE accum.stock_totals_year DISABLE ROW LEVEL SECURITY;

-- Not from within a statement on the register.
CREATE FUNCTION pg_temp.secure_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM accum.register_secure('stock', 'tenant', 'true'); RETURN NULL; END $$;
CREATE TRIGGER secure_it AFTER INSERT ON accum.stock_movements FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.secure_it();
SELECT pg_temp.try_code(format('SELECT accum.register_post(%L, %L)', 'stock', pg_temp.line('t', '2026-06-01', 1, 'bolt', 5)));
DROP TRIGGER secure_it ON accum.stock_movements;

-- What is archived has no documents any more; a secured register archives each tenant's.
SELECT accum.register_secure('stock', 'tenant', 'tenant = nullif(current_setting(''app.tenant'', true), '''')::int');
SELECT accum.register_post('stock', jsonb_build_array(pg_temp.line('old', '2020-06-01', 1, 'bolt', 1), pg_temp.line('old', '2026-06-01', 1, 'bolt', 1), pg_temp.line('old', '2026-06-01', 2, 'bolt', 2)));
SELECT accum.register_detach_partitions('stock', '5 years') AS detached;
SET ROLE regress_accum_app;
SET app.tenant = 1;
SELECT pg_temp.try('SELECT accum.register_unpost(''stock'', ''old'')');
SELECT accum.register_preview('stock', 'old', NULL);
SET app.tenant = 2;
SELECT accum.register_unpost('stock', 'old');
SELECT count(*) FROM accum.register_preview('stock', 'old', NULL);
SET ROLE regress_accum_landlord;
SELECT accum.register_secure('stock', 'tenant', 'tenant = 2') AS same_dimension;
SELECT accum.register_secure('stock', NULL, NULL);
SELECT pg_temp.try($$SELECT accum.register_secure('stock', 'tenant', 'true')$$);
SELECT pg_temp.try('SELECT accum.register_unpost(''stock'', ''old'')');
SELECT accum.register_drop('stock', true);

-- Types: an enum, a text with quotes to think of, and a name that is a key word.
SELECT accum.register_create('firms', '[{"name": "user", "type": "regress_accum_firm", "required": true}, {"name": "owner", "type": "text", "required": true}]',
    '{"n": "int"}', partition_by => 'day', recorder_type => 'uuid', time_zone => 'America/Sao_Paulo');
SELECT accum.register_grant('firms', 'regress_accum_app', r) FROM unnest('{read,post}'::text[]) AS r;
SELECT accum.register_post('firms', (SELECT jsonb_agg(jsonb_build_object('recorder', '00000000-0000-0000-0000-00000000000' || i % 3, 'period', timestamptz '2018-02-17 20:00Z' + i * interval '3 hours', 'user', CASE WHEN i % 2 = 0 THEN 'north' ELSE 'south' END, 'owner', 'o''x', 'n', i)) FROM generate_series(1, 12) AS i));
SELECT accum.register_secure('firms', 'user', '"user"::text = current_setting(''app.firm'', true)');
SELECT count(*) AS lost FROM accum.firms_movements m WHERE NOT EXISTS (SELECT FROM accum.firms_recorders r WHERE r.recorder = m.recorder AND r.scope = m."user" AND r.unit_start = pg_temp.local_day(m.period, 'America/Sao_Paulo'));
SET ROLE regress_accum_app;
SET app.firm = 'south';
SELECT accum.register_unpost('firms', '00000000-0000-0000-0000-000000000001');
SELECT accum.register_repost('firms', '00000000-0000-0000-0000-000000000002', '[{"period": "2018-02-18", "user": "south", "owner": "y", "n": 1}]');
SELECT accum.firms_balance() AS south;
SET ROLE regress_accum_landlord;
SELECT accum.register_secure('firms', 'owner', 'owner = current_setting(''app.firm'', true)');
SELECT scope, count(*) FROM accum.firms_recorders GROUP BY 1 ORDER BY 1;
SET ROLE regress_accum_app;
SET app.firm = 'o''x';
SELECT accum.firms_balance() AS ox;
SELECT accum.register_unpost('firms', '00000000-0000-0000-0000-000000000002');
SET ROLE regress_accum_landlord;
SELECT pg_temp.differences('firms');
SELECT "user", owner, count(*) FROM accum.firms_movements GROUP BY 1, 2 ORDER BY 1, 2;
SELECT accum.register_clear('firms', true);
SELECT count(*) FROM accum.firms_recorders;
SELECT accum.register_drop('firms');

-- A dimension that is not required becomes so, unless there is something without it.
SELECT accum.register_create('later', '{"item": "text", "tenant": "int"}', '{"n": "int"}', high_write => true);
SELECT accum.register_post('later', '[{"recorder": "a", "period": "2026-05-01", "tenant": 1, "item": null, "n": 1}, {"recorder": "b", "period": "2026-05-01", "tenant": null, "item": "x", "n": 2}]');
SELECT pg_temp.try($$SELECT accum.register_secure('later', 'tenant', 'true')$$);
SELECT accum._delta_flush_register('later');
SELECT accum.register_post('later', '{"recorder": "b", "period": "2026-05-02", "tenant": null, "item": "x", "n": 3}');
SELECT accum.register_unpost('later', 'b');
SELECT accum.register_secure('later', 'tenant', 'tenant = nullif(current_setting(''app.tenant'', true), '''')::int');
SELECT dimensions FROM accum._registers WHERE name = 'later';
SELECT pg_temp.try('SELECT accum.register_post(''later'', ''{"recorder": "b", "period": "2026-05-01", "tenant": null, "item": "x", "n": 2}'')');
SELECT pg_temp.try_code('INSERT INTO accum.later_movements (recorder, period, item, n) VALUES (''b'', ''2026-05-01'', ''x'', 2)');
ALTER TABLE accum.later_movements ALTER tenant DROP NOT NULL;
SELECT pg_temp.try('INSERT INTO accum.later_movements (recorder, period, item, n) VALUES (''b'', ''2026-05-01'', ''x'', 2)');
ALTER TABLE accum.later_movements ALTER tenant SET NOT NULL;
SELECT accum.register_secure('later', NULL, NULL);
SELECT pg_temp.try_code('INSERT INTO accum.later_movements (recorder, period, item, n) VALUES (''b'', ''2026-05-01'', ''x'', 2)');
SELECT pg_temp.differences('later'), (SELECT count(*) FROM accum.later_balance_cache) AS cells;
SELECT accum.register_drop('later', true);

-- With history: reversals, and what was known when.
SELECT accum.register_create('kept', '[{"name": "tenant", "type": "int", "required": true}]', '{"n": "int"}', history => true);
SELECT accum.register_grant('kept', 'regress_accum_app', r) FROM unnest('{read,post}'::text[]) AS r;
SELECT accum.register_secure('kept', 'tenant', 'tenant = nullif(current_setting(''app.tenant'', true), '''')::int');
SET ROLE regress_accum_app;
SET app.tenant = 1;
SELECT accum.register_post('kept', '[{"recorder": "a", "period": "2026-05-01", "tenant": 1, "n": 1}]');
SET app.tenant = 2;
SELECT accum.register_unpost('kept', 'a') AS not_mine;
SELECT accum.register_post('kept', '[{"recorder": "a", "period": "2026-05-01", "tenant": 2, "n": 2}]', p_once => true);
SELECT accum.register_repost('kept', 'a', '[{"period": "2026-05-02", "tenant": 2, "n": 3}]');
SELECT accum.register_unpost('kept', 'a', '2026-06-01');
SELECT pg_temp.try('SELECT accum.register_post(''kept'', ''[{"recorder": "a", "period": "2026-05-01", "tenant": 2, "n": 2}]'', p_once => true)');
SELECT tenant, movement_type, n FROM accum.kept_movements ORDER BY recorded_at, id;
SET ROLE regress_accum_landlord;
SELECT accum.register_repost('kept', 'a', '[{"period": "2026-05-02", "tenant": 3, "n": 3}]') AS moved;
SELECT accum.register_unpost('kept', 'a') AS from_there;
SELECT tenant, movement_type, n FROM accum.kept_movements ORDER BY tenant, period, n;
SELECT pg_temp.differences('kept');
-- Deltas cannot get a policy that has gone, nor others that there are.
DROP POLICY accum_secure ON accum.kept_movements;
SELECT pg_temp.try('SELECT accum.register_alter(''kept'', high_write => true)');
SELECT accum.register_secure('kept', 'tenant', 'tenant < 3');
CREATE POLICY own ON accum.kept_totals_year AS RESTRICTIVE USING (tenant > 1);
SET client_min_messages = notice;
SELECT accum.register_alter('kept', high_write => true);
SET client_min_messages = warning;
SELECT policyname, qual FROM pg_policies WHERE tablename = 'kept_balance_cache_delta';
SELECT has_table_privilege('regress_accum_app', 'accum.kept_totals_year', 'SELECT') AS totals, has_table_privilege('regress_accum_app', 'accum.kept_balance_cache_delta', 'SELECT') AS deltas;
SELECT accum.register_drop('kept', true);

-- A ledger, where both sides of a movement are one tenant's.
SELECT accum.register_create('books', '[{"name": "tenant", "type": "int", "required": true}]', '{"amount": "numeric(12,2)"}', kind => 'ledger');
SELECT accum.register_grant('books', 'regress_accum_app', r) FROM unnest('{read,post}'::text[]) AS r;
SELECT pg_temp.try($$SELECT accum.register_secure('books', 'account', 'true')$$);
SELECT pg_temp.try($$SELECT accum.register_secure('books', 'account_dr', 'true')$$);
SELECT accum.register_secure('books', 'tenant', 'tenant = nullif(current_setting(''app.tenant'', true), '''')::int');
SET ROLE regress_accum_app;
SET app.tenant = 1;
SELECT accum.register_post('books', '[{"recorder": "a", "period": "2026-05-01", "tenant": 1, "account_dr": "50", "account_cr": "60", "amount": 10}]');
SET app.tenant = 2;
SELECT accum.register_post('books', '[{"recorder": "a", "period": "2026-05-01", "tenant": 2, "account_dr": "50", "account_cr": "60", "amount": 20}]');
SELECT accum.register_repost('books', 'a', '[{"period": "2026-05-01", "tenant": 2, "account_dr": "50", "account_cr": "61", "amount": 30}]');
SELECT account, tenant, amount_dr, amount_cr FROM accum.books_balances ORDER BY 1, 2;
SELECT accum.register_ledger_verify('books');
SELECT pg_temp.try('SELECT accum.register_post(''books'', ''[{"recorder": "a", "period": "2026-05-01", "tenant": 1, "account_dr": "50", "account_cr": "60", "amount": 20}]'')');
SET app.tenant = 1;
SELECT account, tenant, amount_dr, amount_cr FROM accum.books_balances ORDER BY 1, 2;
SELECT accum.register_unpost('books', 'a');
SET ROLE regress_accum_landlord;
SELECT recorder, tenant, account_cr, amount FROM accum.books_movements;
SELECT accum.register_drop('books', true);

-- Equal values that differ: whose they are would be told apart by the expression alone.
SELECT accum.register_create('vague', '{"n": "numeric", "f": "float8", "i": "interval"}', '{"q": "int"}');
SELECT d, pg_temp.try(format('SELECT accum.register_secure(%L, %L, %L)', 'vague', d, 'true')) FROM unnest('{n,f,i}'::text[]) AS d;
SELECT accum.register_drop('vague');
SELECT accum.register_create('exact', '{"e": "public.regress_accum_firm", "t": "text", "u": "uuid", "d": "date", "v": "varchar(9)", "s": "public.regress_accum_some"}', '{"q": "int"}');
SELECT d, pg_temp.try(format('SELECT accum.register_secure(%L, %L, %L)', 'exact', d, 'true')) FROM unnest('{e,t,u,d,v,s}'::text[]) AS d;
SELECT accum.register_drop('exact');

-- The policy sees what the statement itself has done, as a plain INSERT's does, and may lock.
SELECT accum.register_create('live', '[{"name": "tenant", "type": "int", "required": true}]', '{"n": "int"}');
SELECT accum.register_grant('live', 'regress_accum_app', r) FROM unnest('{read,post}'::text[]) AS r;
CREATE TABLE pg_temp.tenants (t int);
GRANT SELECT, INSERT, UPDATE ON pg_temp.tenants TO regress_accum_app;
CREATE FUNCTION pg_temp.add(tenant int) RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO pg_temp.tenants VALUES (tenant) RETURNING t';
SELECT accum.register_secure('live', 'tenant', 'tenant IN (SELECT t FROM pg_temp.tenants FOR SHARE)');
SET ROLE regress_accum_app;
SELECT pg_temp.add(t), accum.register_post('live', jsonb_build_object('recorder', 'd', 'period', '2026-05-04', 'tenant', t, 'n', 1), once) FROM (VALUES (1, false), (2, true)) AS v (t, once);
SELECT pg_temp.try('SELECT accum.register_post(''live'', ''{"recorder": "d", "period": "2026-05-04", "tenant": 3, "n": 1}'', true)');
SELECT pg_temp.add(3), accum.register_repost('live', 'e', '{"period": "2026-05-04", "tenant": 3, "n": 1}');
SELECT accum.register_unpost('live', 'e');
SET ROLE regress_accum_landlord;
SELECT accum.register_drop('live', true);
DROP TABLE pg_temp.tenants;

-- What the owner has made for the map runs as the owner, whoever calls.
SELECT accum.register_create('mine', '{"tenant": "int"}', '{"n": "int"}');
CREATE TABLE pg_temp.ran (what text, who text);
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO pg_temp.ran VALUES (concat_ws(' ', TG_WHEN, TG_OP, TG_TABLE_NAME), current_user);
    RETURN CASE TG_OP WHEN 'INSERT' THEN NEW WHEN 'DELETE' THEN OLD END;
END $$;
CREATE TRIGGER note BEFORE INSERT OR DELETE ON accum.mine_recorders FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
CREATE TRIGGER note_truncate BEFORE TRUNCATE ON accum.mine_recorders FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.note();
CREATE TRIGGER note_truncate BEFORE TRUNCATE ON accum.mine_movements FOR EACH STATEMENT EXECUTE FUNCTION pg_temp.note();
CREATE TRIGGER note BEFORE DELETE ON accum.mine_totals_year FOR EACH ROW EXECUTE FUNCTION pg_temp.note();
SELECT accum.register_post('mine', '[{"recorder": "d", "period": "2026-05-04", "tenant": 1, "n": 1}, {"recorder": "e", "period": "2026-05-04", "tenant": null, "n": 1}]');
SELECT accum.register_unpost('mine', 'e');
TRUNCATE pg_temp.ran;
RESET ROLE;
SELECT accum.register_secure('mine', 'tenant', 'tenant = 1');
SELECT accum.register_secure('mine', NULL, NULL);
SELECT accum.register_clear('mine', true);
SELECT what, who, count(*) FROM pg_temp.ran GROUP BY 1, 2 ORDER BY 1, 2;
SELECT accum.register_drop('mine');

DROP TYPE public.regress_accum_firm;
DROP DOMAIN public.regress_accum_some;
DROP OWNED BY regress_accum_landlord, regress_accum_app;
DROP ROLE regress_accum_landlord, regress_accum_app;
