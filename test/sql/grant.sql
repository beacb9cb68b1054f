-- register_grant and register_revoke: what they give, take, leave and refuse.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

CREATE ROLE regress_accum_owner;
CREATE ROLE regress_accum_clerk;
CREATE ROLE "regress_accum ""odd""; DROP TABLE x --";
GRANT CREATE ON SCHEMA accum TO regress_accum_owner;
-- What others than the owner may do with the relations of a register.
CREATE FUNCTION pg_temp.granted(register text) RETURNS TABLE (relation text, grantee text, privileges text, grantors text)
LANGUAGE sql AS $$
    SELECT c.relname, coalesce(r.rolname, 'PUBLIC'), string_agg(DISTINCT a.privilege_type, ' ' ORDER BY a.privilege_type), string_agg(DISTINCT a.grantor::regrole::text, ' ')
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.relnamespace = 'accum'::regnamespace AND c.relname ~ ('^' || register || '_(movements|balance|totals|recorders)') AND a.grantee <> c.relowner
    GROUP BY 1, 2 ORDER BY 1, 2;
$$;
SET ROLE regress_accum_owner;
SELECT accum.register_create('gra', '{"w": "int"}', '{"q": "int"}', partition_by => 'year');
SELECT accum.register_create('gra_turns', '{"w": "int"}', '{"q": "int"}', kind => 'turnover', totals_period => 'month', high_write => true);

-- Nothing is granted by default, PUBLIC included.
SELECT * FROM pg_temp.granted('gra');

-- Each right by itself.
SELECT accum.register_grant('gra', 'regress_accum_clerk', 'read');
SELECT * FROM pg_temp.granted('gra');
SELECT accum.register_revoke('gra', 'regress_accum_clerk', 'read');
SELECT * FROM pg_temp.granted('gra');
SELECT accum.register_grant('gra', 'regress_accum_clerk', 'post');
SELECT * FROM pg_temp.granted('gra');
SELECT accum.register_revoke('gra', 'regress_accum_clerk', 'post');
SELECT accum.register_grant('gra', 'regress_accum_clerk', 'admin');
SELECT * FROM pg_temp.granted('gra');
SELECT accum.register_revoke('gra', 'regress_accum_clerk', 'admin');
SELECT * FROM pg_temp.granted('gra');

-- What read and post share stays as long as there is one of them.
SELECT accum.register_grant('gra', 'regress_accum_clerk', r) FROM unnest('{read,post,admin,read}'::text[]) AS r;
SELECT accum.register_revoke('gra', 'regress_accum_clerk', 'read');
SELECT * FROM pg_temp.granted('gra');
SELECT accum.register_grant('gra', 'regress_accum_clerk', 'read'), accum.register_revoke('gra', 'regress_accum_clerk', 'post');
SELECT * FROM pg_temp.granted('gra') WHERE relation = 'gra_movements';
SELECT accum.register_revoke('gra', 'regress_accum_clerk', r) FROM unnest('{admin,read,post}'::text[]) AS r;
SELECT * FROM pg_temp.granted('gra');

-- PUBLIC, and a role whose name must be quoted; registers without balances.
SELECT accum.register_grant('gra_turns', 'public', 'read'), accum.register_grant('gra_turns', 'regress_accum "odd"; DROP TABLE x --', 'post');
SELECT * FROM pg_temp.granted('gra_turns');
SELECT accum.register_revoke('gra_turns', 'public', 'read'), accum.register_revoke('gra_turns', 'regress_accum "odd"; DROP TABLE x --', 'post');
SELECT * FROM pg_temp.granted('gra_turns');

-- Partitions that are made later, deltas that come later, and what is altered.
SELECT accum.register_grant('gra', 'regress_accum_clerk', r) FROM unnest('{read,post,admin}'::text[]) AS r;
SET ROLE regress_accum_clerk;
SELECT accum.register_post('gra', '{"recorder": "a", "period": "1999-05-01", "w": 1, "q": 5}');
SELECT accum.register_create_partitions('gra') > 0;
RESET ROLE;
SELECT pg_temp.differences('gra');
SELECT relname, relowner::regrole, relacl FROM pg_class WHERE relname = 'gra_movements_1999';
SET ROLE regress_accum_clerk;
SELECT accum.gra_balance(), accum.gra_balance(at_date => date '1999-05-01'), count(*) FROM accum.gra_movements WHERE period < '2000-01-01';
SET ROLE regress_accum_owner;
SELECT accum.register_alter('gra', add_dimensions => '{"x": "int"}', high_write => true);
SELECT * FROM pg_temp.granted('gra');
SET ROLE regress_accum_clerk;
SELECT accum.register_post('gra', '{"recorder": "b", "period": "1998-05-01", "w": 1, "x": 1, "q": 5}');
SELECT accum.gra_balance(), count(*) FROM accum.gra_balances;
SELECT accum.register_close('gra', '1998-12-31');
SELECT pg_temp.try($$SELECT accum.register_unpost('gra', 'b')$$);
SELECT closed_by, through FROM accum.register_closings WHERE register = 'gra';
SELECT accum.register_reopen('gra', '1990-01-01');
-- The privilege behind the right admin empties nothing.
SELECT pg_temp.try($$TRUNCATE accum.gra_movements$$);
SELECT pg_temp.try($$SELECT accum.register_clear('gra', true)$$);

-- Rights that came from others are theirs to take.
RESET ROLE;
GRANT SELECT ON accum.gra_movements TO regress_accum_clerk WITH GRANT OPTION;
SET ROLE regress_accum_clerk;
GRANT SELECT ON accum.gra_movements TO "regress_accum ""odd""; DROP TABLE x --";
SET ROLE regress_accum_owner;
SELECT accum.register_revoke('gra', 'regress_accum_clerk', 'post');
SELECT pg_temp.try_code($$SELECT accum.register_revoke('gra', 'regress_accum_clerk', 'read')$$);
SELECT * FROM pg_temp.granted('gra') WHERE relation = 'gra_movements';
REVOKE SELECT ON accum.gra_movements FROM regress_accum_clerk CASCADE;
-- An owner who has dropped the view can grant as well.
DROP VIEW accum.gra_balances;
SELECT accum.register_grant('gra', 'regress_accum_clerk', 'read');
SELECT * FROM pg_temp.granted('gra');

-- Errors.
SELECT s, pg_temp.try(s) FROM unnest(ARRAY[
    $$SELECT accum.register_grant('nothing', 'regress_accum_clerk', 'read')$$,
    $$SELECT accum.register_grant('gra', 'regress_accum_nobody', 'read')$$,
    $$SELECT accum.register_grant('gra', 'PUBLIC', 'read')$$,
    $$SELECT accum.register_grant('gra', '', 'read')$$,
    $$SELECT accum.register_grant('gra', 'regress_accum_clerk', 'Read')$$,
    $$SELECT accum.register_grant('gra', 'regress_accum_clerk', 'read, post')$$,
    $$SELECT accum.register_revoke('gra', 'regress_accum_clerk', '')$$,
    $$SELECT accum.register_grant(NULL, 'regress_accum_clerk', 'read')$$,
    $$SELECT accum.register_grant('gra', NULL, 'read')$$,
    $$SELECT accum.register_revoke('gra', 'regress_accum_clerk', NULL)$$]) AS s;
SET ROLE regress_accum_clerk;
SELECT pg_temp.try($$SELECT accum.register_grant('gra', 'regress_accum_clerk', 'post')$$);
SELECT pg_temp.try($$SELECT accum.register_revoke('gra', 'regress_accum_owner', 'post')$$);
RESET ROLE;
BEGIN READ ONLY;
SELECT pg_temp.try($$SELECT accum.register_grant('gra', 'regress_accum_clerk', 'post')$$);
SELECT pg_temp.try($$SELECT accum.register_revoke('gra', 'regress_accum_clerk', 'post')$$);
COMMIT;
-- A superuser grants in the owner's name.
SELECT accum.register_grant('gra', 'regress_accum_clerk', 'post');
SELECT * FROM pg_temp.granted('gra') WHERE relation = 'gra_movements';
SELECT pg_temp.differences('gra');
SELECT accum.register_drop('gra', true), accum.register_drop('gra_turns', true);
REVOKE CREATE ON SCHEMA accum FROM regress_accum_owner;
DROP ROLE regress_accum_owner, regress_accum_clerk, "regress_accum ""odd""; DROP TABLE x --";
