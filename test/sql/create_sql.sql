-- register_create_sql: the text, word for word, and that it makes what
-- register_create makes.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

SELECT accum.register_create_sql('golden', '[{"name": "warehouse", "type": "int", "required": true}, {"name": "select", "type": "varchar(20)"}]', '{"qty": "numeric(12,3)"}',
    kind => 'turnover', totals_period => 'year', partition_by => 'quarter', recorder_type => 'uuid', time_zone => 'Europe/London', attributes => '{"note": "text"}', year_start => 4);

-- It complains as register_create does, and creates nothing.
SELECT pg_temp.try($$SELECT accum.register_create_sql('Golden', '{}', '{"q": "int"}')$$);
SELECT pg_temp.try($$SELECT accum.register_create_sql('golden', '{"a": "json"}', '{"q": "int"}')$$);
SELECT count(*) FROM pg_class WHERE relname ~ '^golden';

-- What there is in the catalogs for a register, without the first partitions.
CREATE FUNCTION pg_temp.objects(register text) RETURNS SETOF text LANGUAGE sql AS $$
    WITH relations AS (SELECT oid, relname FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relkind IN ('r', 'p', 'v') AND relname ~ ('^' || register || '_') AND relname !~ '_movements_[0-9]')
    SELECT format('%s %s %s', c.oid::regclass, c.relkind, c.reloptions) FROM pg_class c JOIN relations r USING (oid)
    UNION ALL SELECT format('%s.%s %s %s %s %s', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN relations r ON r.oid = attrelid LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0
    UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(c.oid)) FROM pg_constraint c JOIN relations r ON r.oid = conrelid
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN relations r ON r.oid = indrelid
    UNION ALL SELECT pg_get_triggerdef(t.oid) || tgenabled::text FROM pg_trigger t JOIN relations r ON r.oid = tgrelid
    UNION ALL SELECT pg_get_viewdef(oid) FROM relations WHERE oid IN (SELECT ev_class FROM pg_rewrite)
    UNION ALL SELECT pg_get_functiondef(p.oid) || coalesce(obj_description(p.oid, 'pg_proc'), 'no comment') FROM pg_proc p WHERE pronamespace = 'accum'::regnamespace AND proname ~ ('^' || register || '_')
    UNION ALL SELECT format('%s %s', oid::regclass, obj_description(oid, 'pg_class')) FROM relations;
$$;
CREATE TEMP TABLE shapes (name text, arguments text);
INSERT INTO shapes VALUES ('golden1', $$'{"w": "int", "p": "text"}', '{"q": "numeric(12,2)", "b": "bigint"}'$$), ('golden2', $$'{}', '{"q": "float8"}', kind => 'turnover', totals_period => 'month', partition_by => 'day'$$),
    ('golden3', $$'[{"name": "d", "type": "timestamptz", "required": true}]', '{"q": "smallint"}', totals_period => 'year', recorder_type => 'bigint', attributes => '{"note": "jsonb"}', year_start => 7, time_zone => 'Asia/Tokyo'$$);
CREATE TEMP TABLE made (name text, object text);
CREATE TEMP TABLE said (name text, object text);
DO $$
DECLARE
    s record;
    statements text;
BEGIN
    FOR s IN SELECT * FROM shapes LOOP
        EXECUTE format('SELECT accum.register_create_sql(%L, %s)', s.name, s.arguments) INTO statements;
        EXECUTE format('SELECT accum.register_create(%L, %s)', s.name, s.arguments);
        INSERT INTO made SELECT s.name, o FROM pg_temp.objects(s.name) AS o;
        PERFORM accum.register_drop(s.name);
        BEGIN
            EXECUTE statements;
            INSERT INTO said SELECT s.name, o FROM pg_temp.objects(s.name) AS o;
        END;
    END LOOP;
END $$;
SELECT name, count(*) > 40 FROM made GROUP BY 1 ORDER BY 1;
SELECT 'made only' AS side, * FROM (TABLE made EXCEPT TABLE said) AS x UNION ALL SELECT 'said only', * FROM (TABLE said EXCEPT TABLE made) AS y ORDER BY 1, 2, 3;
-- Clean up: these are no registers.
DO $$
DECLARE
    f text;
BEGIN
    FOR f IN SELECT format('DROP ROUTINE %s CASCADE', oid::regprocedure) FROM pg_proc WHERE pronamespace = 'accum'::regnamespace AND proname ~ '^golden[0-9]_' LOOP
        BEGIN
            EXECUTE f;
        EXCEPTION WHEN undefined_function THEN NULL;
        END;
    END LOOP;
    FOR f IN SELECT format('DROP %s IF EXISTS accum.%I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, relname) FROM pg_class WHERE relnamespace = 'accum'::regnamespace AND relkind IN ('r', 'p', 'v') AND relname ~ '^golden[0-9]_' LOOP
        EXECUTE f;
    END LOOP;
END $$;
SELECT count(*) FROM pg_class WHERE relname ~ '^golden';
