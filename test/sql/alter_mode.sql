-- register_alter(high_write): the mode of a register changes both ways, and every
-- answer stays what it was.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

-- Every answer that there is, and whether tables and movements agree.
CREATE FUNCTION pg_temp.answers(register text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text := '';
    part text;
    question text;
BEGIN
    FOREACH question IN ARRAY ARRAY['SELECT accum.%I()::text', 'SELECT accum.%1$I(''{"w": 1}'')::text', 'SELECT accum.%1$I(NULL, ''2001-02-03''::date)::text', 'SELECT accum.%1$I(''{"w": null}'', ''2001-02-03 10:00Z''::timestamptz)::text'] LOOP
        EXECUTE format(question, register || '_balance') INTO part;
        result := result || coalesce(part, '-');
    END LOOP;
    FOREACH question IN ARRAY ARRAY['accum.%1$I_turnover(group_by => ''["w"]'')', 'accum.%1$I_turnover(''2001-01-01''::date, ''2001-02-03''::date)', 'accum.%1$I_balances_at(''2001-02-03''::date)',
        'accum.%1$I_statement(''2001-01-01''::date, ''2001-12-31''::date, group_by => ''["w"]'')', '(SELECT w, q FROM accum.%1$I_balances)', 'accum.%1$I_movements()'] LOOP
        EXECUTE format('SELECT string_agg(t::text, '' '' ORDER BY t::text) FROM ' || question || ' AS t', register) INTO part;
        result := result || coalesce(part, '-');
    END LOOP;
    RETURN md5(result);
END $$;
CREATE FUNCTION pg_temp.good(register text) RETURNS text LANGUAGE sql AS $$
    SELECT format('high_write %s, pending %s, differences %s, bad %s', accum.register_info(register) ->> 'high_write', accum._delta_count(register), pg_temp.differences(register),
                  (SELECT count(*) FROM accum.register_verify(register) WHERE status <> 'OK')) $$;
CREATE FUNCTION pg_temp.movements(recorder text, n int) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_agg(jsonb_build_object('recorder', recorder, 'period', date '2001-01-01' + i * 17, 'w', nullif(i % 3, 2), 'q', i * 7 % 11 - 4)) FROM generate_series(1, n) AS i $$;

-- There and back, and there again.  A register that has never had deltas gets their table.
SELECT accum.register_create('mode', '{"w": "int"}', '{"q": "int"}');
SELECT accum.register_post('mode', pg_temp.movements('a', 9));
SELECT pg_temp.answers('mode') AS answers \gset
SELECT accum.register_alter('mode', high_write => true);
SELECT pg_temp.good('mode'), pg_temp.answers('mode') = :'answers';
SELECT register, merged_at IS NULL AS never FROM accum._delta_merges WHERE register = 'mode';
SELECT accum.register_post('mode', pg_temp.movements('b', 20)), accum.register_unpost('mode', 'a'), accum.register_repost('mode', 'c', pg_temp.movements('c', 3));
SELECT pg_temp.good('mode'), pg_temp.answers('mode') AS answers \gset
SELECT :'good';
SELECT accum.register_alter('mode', high_write => true);
SELECT pg_temp.good('mode'), pg_temp.answers('mode') = :'answers';
SELECT accum.register_alter('mode', high_write => false);
SELECT pg_temp.good('mode'), pg_temp.answers('mode') = :'answers';
SELECT merged_at IS NOT NULL AS folded FROM accum._delta_merges WHERE register = 'mode';
SELECT accum.register_unpost('mode', 'b'), accum.register_post('mode', pg_temp.movements('d', 5));
SELECT pg_temp.good('mode');
SELECT accum.register_alter('mode', high_write => false);
SELECT pg_temp.answers('mode') AS answers \gset
SELECT accum.register_alter('mode', high_write => true);
SELECT accum.register_post('mode', pg_temp.movements('e', 5)), accum.register_unpost('mode', 'e');
SELECT pg_temp.good('mode');
SELECT accum._delta_flush_register('mode'), pg_temp.answers('mode') = :'answers', pg_temp.good('mode');
SELECT accum.register_rebuild_totals('mode') > 0, accum.register_rebuild_cache('mode') > 0, pg_temp.good('mode');

-- What was altered is like what was created.
SELECT accum.register_create('mode_fresh', '{"w": "int"}', '{"q": "int"}', high_write => true);
CREATE FUNCTION pg_temp.objects(register text) RETURNS SETOF text LANGUAGE sql AS $$
    WITH relations AS (SELECT oid FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relkind IN ('r', 'p', 'v') AND relname ~ ('^' || register || '_(totals|balance|recorders|movements$)'))
    SELECT replace(o, register, 'REGISTER') FROM (
    SELECT format('%s %s %s %s %s %s', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN relations r ON r.oid = attrelid LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0 AND NOT attisdropped
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN relations r ON r.oid = indrelid
    UNION ALL SELECT pg_get_triggerdef(t.oid) || tgenabled::text FROM pg_trigger t JOIN relations r ON r.oid = tgrelid
    UNION ALL SELECT pg_get_viewdef(oid) FROM relations WHERE oid IN (SELECT ev_class FROM pg_rewrite)
    UNION ALL SELECT pg_get_functiondef(p.oid) || coalesce(obj_description(p.oid, 'pg_proc'), 'no comment') FROM pg_proc p WHERE pronamespace = 'accum'::regnamespace AND proname ~ ('^' || register || '_(balance|turnover|statement|movements)')
    UNION ALL SELECT format('%s %s %s', oid::regclass, obj_description(oid, 'pg_class'), (SELECT reloptions FROM pg_class c WHERE c.oid = relations.oid)) FROM relations) AS objects (o)
$$;
(SELECT 'fresh', * FROM pg_temp.objects('mode_fresh') EXCEPT ALL SELECT 'fresh', * FROM pg_temp.objects('mode')) UNION ALL
(SELECT 'altered', * FROM pg_temp.objects('mode') EXCEPT ALL SELECT 'altered', * FROM pg_temp.objects('mode_fresh'));
SELECT count(*) > 40 FROM pg_temp.objects('mode');
SELECT pg_temp.try('DELETE FROM accum.mode_balance_cache_delta');

-- Mode and columns at once, either way; the other kind.
SELECT accum.register_create('mode_flow', '{"w": "int"}', '{"q": "int"}', kind => 'turnover', totals_period => 'month');
SELECT accum.register_post('mode_flow', pg_temp.movements('a', 9));
SELECT accum.register_alter('mode_flow', '{"lot": "text"}', '{"m": "numeric(8,2)"}', high_write => true);
SELECT accum.register_post('mode_flow', '{"recorder": "b", "period": "2001-02-01", "w": 1, "lot": "L", "q": 1, "m": 2.5}');
SELECT pg_temp.good('mode_flow'), accum.mode_flow_turnover(group_by => '["lot"]');
SELECT accum.register_alter('mode_flow', '{"bin": "text"}', '{"k": "int"}', high_write => false);
SELECT accum.register_post('mode_flow', '{"recorder": "b", "period": "2001-02-01", "w": 1, "lot": "L", "bin": "B", "q": 1, "m": 2.5, "k": 1}');
SELECT pg_temp.good('mode_flow'), accum.mode_flow_turnover(group_by => '["lot", "bin"]');

-- In transactions that roll back, whole or to a savepoint.
SELECT pg_temp.state('mode_flow') AS state, md5(string_agg(o, '' ORDER BY o)) AS objects FROM pg_temp.objects('mode_flow') AS o \gset
BEGIN;
SELECT accum.register_alter('mode_flow', high_write => true);
SELECT accum.register_post('mode_flow', '{"recorder": "b", "period": "2001-02-01", "w": 1, "lot": "L", "bin": "B", "q": 1, "m": 2.5, "k": 1}');
SELECT pg_temp.good('mode_flow');
ROLLBACK;
SELECT pg_temp.good('mode_flow'), pg_temp.state('mode_flow') = :'state', (SELECT md5(string_agg(o, '' ORDER BY o)) = :'objects' FROM pg_temp.objects('mode_flow') AS o);
SELECT accum.register_create('mode_roll', '{"w": "int"}', '{"q": "int"}');
SELECT accum.register_post('mode_roll', pg_temp.movements('a', 9));
BEGIN;
SAVEPOINT s;
SELECT accum.register_alter('mode_roll', high_write => true);
SELECT accum.register_post('mode_roll', pg_temp.movements('b', 9));
SELECT pg_temp.good('mode_roll');
ROLLBACK TO s;
SELECT to_regclass('accum.mode_roll_balance_cache_delta'), accum.mode_roll_balance(), pg_temp.good('mode_roll');
SELECT accum.register_post('mode_roll', pg_temp.movements('c', 9));
SELECT pg_temp.good('mode_roll');
SELECT accum.register_alter('mode_roll', high_write => true);
SELECT accum.register_post('mode_roll', pg_temp.movements('d', 9));
SELECT pg_temp.good('mode_roll');
SAVEPOINT s;
SELECT accum.register_alter('mode_roll', high_write => false);
SELECT accum.register_post('mode_roll', pg_temp.movements('e', 9));
SELECT pg_temp.good('mode_roll');
ROLLBACK TO s;
SELECT accum.register_post('mode_roll', pg_temp.movements('f', 9));
SELECT pg_temp.good('mode_roll');
COMMIT;
SELECT pg_temp.good('mode_roll'), accum.mode_roll_balance(), (SELECT sum(q) FROM accum.mode_roll_movements);
SELECT accum.register_drop('mode_roll', true);
SELECT count(*) FROM accum._delta_merges WHERE register = 'mode_roll';
-- At the stricter levels; a post of the same transaction comes first.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT accum.register_post('mode', pg_temp.movements('ser', 9));
SELECT accum.register_alter('mode', high_write => false);
SELECT accum.register_post('mode', pg_temp.movements('ser', 9));
SELECT pg_temp.good('mode');
SELECT accum.register_alter('mode', high_write => true);
SELECT accum.register_post('mode', pg_temp.movements('ser', 9));
SELECT pg_temp.good('mode');
COMMIT;
SELECT pg_temp.good('mode');
-- With a cursor of the session on it; not in a read-only transaction.
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM accum.mode_movements;
FETCH 1 FROM c \g /dev/null
SELECT pg_temp.try_code($$SELECT accum.register_alter('mode', high_write => false)$$);
ROLLBACK;
BEGIN READ ONLY;
SELECT pg_temp.try($$SELECT accum.register_alter('mode', high_write => false)$$);
ROLLBACK;
SELECT pg_temp.good('mode');

-- Deltas that do not fit stay pending, and count, until something makes them fit.
SELECT accum.register_create('mode_small', '{"w": "int"}', '{"q": "smallint"}', high_write => true);
SELECT accum.register_post('mode_small', jsonb_build_object('recorder', 'r' || i, 'period', '2001-01-01', 'w', w, 'q', 30000)) FROM (VALUES (1, 1), (2, 1), (3, 2)) AS v (i, w);
SELECT accum.register_alter('mode_small', high_write => false);
SELECT pg_temp.good('mode_small'), accum.mode_small_balance('{"w": 1}'), accum.mode_small_turnover(), accum.mode_small_balance(NULL, '2001-01-01'::date);
-- Nothing is rebuilt meanwhile, in either mode; nothing has changed.
SELECT pg_temp.state('mode_small') AS state \gset
SELECT f, pg_temp.try(format('SELECT accum.%s', f)) FROM unnest('{register_rebuild_cache(''mode_small''),register_rebuild_totals(''mode_small'')}'::text[]) AS f;
SELECT accum.register_alter('mode_small', high_write => true);
SELECT f, pg_temp.try(format('SELECT accum.%s', f)) FROM unnest('{register_rebuild_cache(''mode_small''),register_rebuild_totals(''mode_small'')}'::text[]) AS f;
SELECT f, pg_temp.try(format(f, c.dim_hash)) FROM accum.mode_small_balance_cache c, unnest('{SELECT accum.register_rebuild_cache(''mode_small''\, %s)}'::text[]) AS f WHERE w = 2;
SELECT pg_temp.good('mode_small'), pg_temp.state('mode_small') = :'state';
SELECT accum.register_alter('mode_small', high_write => false);
SELECT pg_temp.try($$SELECT accum.register_post('mode_small', '{"recorder": "x", "period": "2001-01-01", "w": 2, "q": 30000}')$$);
SELECT accum.register_unpost('mode_small', 'r2'), pg_temp.good('mode_small'), accum.mode_small_balance();
SELECT accum._delta_flush_register('mode_small'), pg_temp.good('mode_small'), accum.mode_small_balance();
SELECT accum.register_rebuild_cache('mode_small'), accum.register_rebuild_totals('mode_small'), pg_temp.good('mode_small');

-- Sums that do not fit one derived table, but the one that is rebuilt.
SELECT accum.register_create('mode_ra', '{"w": "int"}', '{"q": "smallint"}', high_write => true), accum.register_create('mode_rb', '{"w": "int"}', '{"q": "smallint"}', high_write => true);
SELECT accum.register_post('mode_ra', jsonb_build_object('recorder', 'r' || i, 'period', '2001-01-01', 'w', 1, 'q', q)) FROM (VALUES (1, 30000), (2, -30000), (3, 30000)) AS v (i, q);
SELECT accum.register_post('mode_rb', jsonb_build_object('recorder', 'r' || i, 'period', make_date(2000 + i, 1, 1), 'w', 1, 'q', 30000)) FROM generate_series(1, 2) AS i;
SELECT pg_temp.state('mode_ra') AS state_a, pg_temp.state('mode_rb') AS state_b \gset
SELECT r, f, pg_temp.try(format('SELECT accum.%s(%L)', f, r)) FROM unnest('{mode_ra,mode_rb}'::text[]) AS r, unnest('{register_rebuild_cache,register_rebuild_totals}'::text[]) AS f;
SELECT accum.mode_ra_balance(), accum.mode_rb_balance(), accum.mode_ra_turnover(), accum.mode_rb_turnover(), pg_temp.good('mode_ra'), pg_temp.good('mode_rb');
SELECT pg_temp.state('mode_ra') = :'state_a', pg_temp.state('mode_rb') = :'state_b';

-- Who may.  The table of deltas is the owner's, and who may read totals reads it, too.
CREATE ROLE regress_accum_owner;
CREATE ROLE regress_accum_heir IN ROLE regress_accum_owner;
CREATE ROLE regress_accum_reader;
CREATE ROLE regress_accum_friend;
CREATE ROLE regress_accum_poster;
CREATE ROLE regress_accum_nobody;
GRANT CREATE ON SCHEMA accum TO regress_accum_owner, regress_accum_nobody;
SET ROLE regress_accum_owner;
SELECT accum.register_create('mode_role', '{"w": "int"}', '{"q": "int"}');
GRANT SELECT ON accum.mode_role_movements, accum.mode_role_balance_cache, accum.mode_role_totals_day, accum.mode_role_totals_month, accum.mode_role_balances TO regress_accum_reader;
GRANT SELECT ON accum.mode_role_totals_year TO regress_accum_reader WITH GRANT OPTION;
GRANT INSERT, DELETE, SELECT ON accum.mode_role_movements TO regress_accum_poster;
SET ROLE regress_accum_reader;
GRANT SELECT ON accum.mode_role_totals_year TO regress_accum_friend;
SET ROLE regress_accum_poster;
SELECT accum.register_post('mode_role', pg_temp.movements('a', 9));
SELECT pg_temp.try($$SELECT accum.register_alter('mode_role', high_write => true)$$);
SET ROLE regress_accum_nobody;
SELECT pg_temp.try($$SELECT accum.register_alter('mode_role', high_write => true)$$);
SET ROLE regress_accum_owner;
SELECT accum.register_alter('mode_role', high_write => true);
RESET ROLE;
CREATE FUNCTION pg_temp.rights() RETURNS TABLE (name name, owner regrole, acl text) LANGUAGE sql AS $$
    SELECT relname, relowner::regrole, (SELECT string_agg(regexp_replace(a::text, 'arwdDxtm?', 'all'), ', ' ORDER BY a::text) FROM unnest(relacl) AS a) FROM pg_class
    WHERE relnamespace = 'accum'::regnamespace AND relname ~ '^mode_role_(totals_year|balance_cache_delta)$' ORDER BY 1 $$;
SELECT * FROM pg_temp.rights();
SET ROLE regress_accum_poster;
SELECT accum.register_post('mode_role', pg_temp.movements('b', 9)), accum.register_unpost('mode_role', 'a');
SELECT pg_temp.try('SELECT accum.mode_role_balance()');
SET ROLE regress_accum_reader;
SELECT accum._delta_count('mode_role'), accum.mode_role_balance() = (SELECT jsonb_build_object('q', sum(q)) FROM accum.mode_role_movements), (SELECT sum(q) FROM accum.mode_role_balances) = (SELECT sum(q) FROM accum.mode_role_movements);
SELECT pg_temp.try($$SELECT accum.register_alter('mode_role', high_write => false)$$);
-- A member of the owner; the owner needs no right to create once the table is there.
RESET ROLE;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_owner;
SET ROLE regress_accum_heir;
SELECT accum.register_alter('mode_role', high_write => false);
SELECT pg_temp.good('mode_role');
SELECT accum.register_alter('mode_role', high_write => true);
RESET ROLE;
SELECT * FROM pg_temp.rights();
SET ROLE regress_accum_owner;
SELECT pg_temp.try_code($$SELECT accum.register_create('mode_role2', '{"w": "int"}', '{"q": "int"}')$$);
SELECT accum.register_alter('mode_role', high_write => false);
RESET ROLE;
-- A superuser or a member of the owner makes it the owner's; the owner must be able to create it.
GRANT CREATE ON SCHEMA accum TO regress_accum_owner;
SET ROLE regress_accum_owner;
SELECT accum.register_create('mode_owned' || i, '{"w": "int"}', '{"q": "int"}') FROM generate_series(1, 4) AS i;
SELECT accum.register_post('mode_owned' || i, pg_temp.movements('a', 9)) FROM generate_series(1, 4) AS i;
RESET ROLE;
ALTER TABLE accum.mode_owned3_totals_day ENABLE ROW LEVEL SECURITY;
SELECT accum.register_alter('mode_owned1', high_write => true), accum.register_alter('mode_owned3', high_write => true);
SET ROLE regress_accum_heir;
SELECT accum.register_alter('mode_owned2', high_write => true);
RESET ROLE;
REVOKE CREATE ON SCHEMA accum FROM regress_accum_owner;
SELECT pg_temp.state('mode_owned4') AS state \gset
SET ROLE regress_accum_heir;
SELECT pg_temp.try($$SELECT accum.register_alter('mode_owned4', high_write => true)$$);
SET ROLE regress_accum_owner;
SELECT pg_temp.try($$SELECT accum.register_alter('mode_owned4', high_write => true)$$);
RESET ROLE;
SELECT pg_temp.state('mode_owned4') = :'state';
SELECT relname, relowner::regrole, relacl FROM pg_class WHERE relname ~ '^mode_owned._balance_cache_delta$' ORDER BY 1;
SET ROLE regress_accum_owner;
SELECT accum.register_post('mode_owned' || i, pg_temp.movements('b', 9)), accum._delta_flush_register('mode_owned' || i), pg_temp.good('mode_owned' || i) FROM generate_series(1, 4) AS i;
RESET ROLE;

-- Row security on any of the tables: privileges are left to who knows the policies.
SET client_min_messages = notice;
\set VERBOSITY default
CREATE FUNCTION pg_temp.secured(register text, secured text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM accum.register_create(register, '{"w": "int"}', '{"q": "int"}');
    PERFORM accum.register_post(register, pg_temp.movements('a', 9));
    EXECUTE format('GRANT SELECT ON accum.%1$I_movements, accum.%1$I_balance_cache, accum.%1$I_totals_day, accum.%1$I_totals_month, accum.%1$I_totals_year TO regress_accum_reader', register);
    EXECUTE format('ALTER TABLE accum.%I ENABLE ROW LEVEL SECURITY', register || secured);
    EXECUTE format('CREATE POLICY one ON accum.%I FOR SELECT USING (w = 1)', register || secured);
    PERFORM accum.register_alter(register, high_write => true);
    RETURN (SELECT relacl FROM pg_class WHERE oid = format('accum.%I_balance_cache_delta', register)::regclass);
END $$;
SELECT pg_temp.secured('mode_rls' || i, t) FROM unnest('{_movements,_balance_cache,_totals_day,_totals_month,_totals_year}'::text[]) WITH ORDINALITY AS u (t, i);
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT accum.register_post('mode_rls2', pg_temp.movements('b', 9));
SET ROLE regress_accum_reader;
SELECT pg_temp.try('SELECT accum.mode_rls2_balance()');
RESET ROLE;
GRANT SELECT ON accum.mode_rls2_balance_cache_delta TO regress_accum_reader;
ALTER TABLE accum.mode_rls2_balance_cache_delta ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON accum.mode_rls2_balance_cache_delta FOR SELECT USING (w = 1);
SET ROLE regress_accum_reader;
SELECT accum.mode_rls2_balance() = (SELECT jsonb_build_object('q', sum(q)) FROM accum.mode_rls2_movements WHERE w = 1);
RESET ROLE;
SELECT pg_temp.good('mode_rls2');
SELECT accum.register_alter('mode_rls2', high_write => false);
SELECT pg_temp.good('mode_rls2');

SELECT accum.register_drop(name, true) FROM accum._registers WHERE name ~ '^mode';
REVOKE CREATE ON SCHEMA accum FROM regress_accum_nobody;
DROP ROLE regress_accum_heir, regress_accum_owner, regress_accum_reader, regress_accum_friend, regress_accum_poster, regress_accum_nobody;
