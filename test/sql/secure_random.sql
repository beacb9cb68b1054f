--
-- Random documents of tenants of one secured register, under names that they have in
-- common.  Each tenant has a register of its own as well, where it does the same: it
-- gets the same answers from both, and they are sums over its movements.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE ROLE regress_accum_tenants;
CREATE TEMP TABLE kind (n int PRIMARY KEY, options text);
INSERT INTO kind VALUES
    (1, ''),
    (2, ', high_write => true, time_zone => ''Asia/Tokyo'', partition_by => ''quarter'', totals_period => ''month'', year_start => 4'),
    (3, ', history => true, time_zone => ''America/St_Johns'', partition_by => ''day'', recorder_type => ''varchar(9)'''),
    (4, ', kind => ''turnover'', partition_by => ''year'', history => true, high_write => true');
SELECT format('SELECT accum.register_create(%L, ''[{"name": "tenant", "type": "int", "required": true}, {"name": "item", "type": "text"}]'', ''{"q": "int"}''%s)', name || n, options)
FROM kind, unnest('{shared,own1_,own2_,own3_}'::text[]) AS name ORDER BY n, name
\gexec
SELECT count(accum.register_grant(name || n, 'regress_accum_tenants', r)) AS granted
FROM kind, unnest('{shared,own1_,own2_,own3_}'::text[]) AS name, unnest('{read,post}'::text[]) AS r;

CREATE TEMP TABLE done (what text, result text);
GRANT SELECT, INSERT ON done, kind TO regress_accum_tenants;
CREATE FUNCTION pg_temp.lines(tenant int, n int) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'period', timestamptz '2026-01-25 00:00Z' + floor(random() * random() * 60)::int * interval '1 day' + floor(random() * 3)::int * interval '11 hours 59 minutes',
        'tenant', tenant, 'item', (ARRAY['a', 'b', NULL])[1 + floor(random() * 3)::int], 'q', floor(random() * 7)::int - 3)), '[]')
    FROM generate_series(1, n) $$;
-- What a document has now, with a line less or changed, and one more.
CREATE FUNCTION pg_temp.corrected(register text, tenant int, document text) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    result jsonb;
BEGIN
    EXECUTE format('SELECT coalesce(jsonb_agg(m - ''{id,dim_hash,recorded_at,movement_type,reverses,reverses_period}''::text[] || CASE WHEN random() < 0.2 THEN ''{"q": 1}'' ELSE ''{}'' END::jsonb ORDER BY m ->> ''id'') FILTER (WHERE random() < 0.9), ''[]'') FROM accum.%I($1) AS m', register || '_movements')
    INTO result USING document;
    RETURN result || pg_temp.lines(tenant, CASE WHEN result = '[]' THEN 1 ELSE floor(random() * 2)::int END);
END $$;
-- One random act of a tenant, in both registers.
CREATE FUNCTION pg_temp.act(n int, tenant int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    own text := format('own%s_%s', tenant, n);
    shared text := 'shared' || n;
    document text := 'd' || floor(random() * 12);
    other text := 'd' || floor(random() * 12);
    what text := (ARRAY['post', 'post', 'post', 'repost', 'correct', 'correct', 'unpost', 'unpost many', 'once', 'insert', 'delete', 'undone', 'fold', 'reconcile'])[1 + floor(random() * 14)::int];
    data jsonb := pg_temp.lines(tenant, 1 + floor(random() * random() * 9)::int);
    one text;
    two text;
    statement text;
BEGIN
    statement := CASE what
        WHEN 'post' THEN format('SELECT accum.register_post(%%L, %L)', (SELECT jsonb_agg(m || jsonb_build_object('recorder', CASE WHEN random() < 0.8 THEN document ELSE other END)) FROM jsonb_array_elements(data) AS m))
        WHEN 'repost' THEN format('SELECT accum.register_repost(%%L, %L, %L)', document, data)
        WHEN 'correct' THEN format('SELECT accum.register_repost(%%L, %L, %L)', document, pg_temp.corrected(own, tenant, document))
        WHEN 'unpost' THEN format('SELECT accum.register_unpost(%%L, %L)', document)
        WHEN 'unpost many' THEN format('SELECT accum.register_unpost(%%L, %L::text[])', ARRAY[document, other, document])
        WHEN 'once' THEN format('SELECT accum.register_post(%%L, %L, true)', (SELECT jsonb_agg(m || jsonb_build_object('recorder', document)) FROM jsonb_array_elements(pg_temp.corrected(own, tenant, document)) AS m))
        WHEN 'insert' THEN format('INSERT INTO accum.%%s_movements (recorder, period, tenant, item, q) SELECT %L, v.* FROM jsonb_to_recordset(%L) AS v (period timestamptz, tenant int, item text, q int)', document, data)
        WHEN 'delete' THEN format('DELETE FROM accum.%%s_movements WHERE recorder IN (%L, %L) AND q > 1', document, other)
        WHEN 'reconcile' THEN format('SELECT count(*) FROM accum.register_reconcile(%%L, %L, %L, %L, ''{"item": "a"}'')', 'count' || floor(random() * 3), timestamptz '2026-02-01' + floor(random() * 20)::int * interval '1 day', format('[{"tenant": %s, "item": "a", "q": 3}]', tenant))
        WHEN 'fold' THEN 'SELECT accum._delta_merge_register(%L, ''0'', 20) * 0' END;
    IF what = 'undone' THEN
        BEGIN
            PERFORM pg_temp.act(n, tenant), pg_temp.act(n, tenant);
            RAISE EXCEPTION 'undone';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
        RETURN;
    END IF;
    -- Details are for who sees all movements, which a tenant does in its own register only.
    one := split_part(pg_temp.try(format(statement, own)), E'\n', 1);
    two := split_part(pg_temp.try(format(statement, shared)), E'\n', 1);
    IF replace(two, shared, own) <> one THEN
        RAISE WARNING 'tenant %, %: % but %', tenant, statement, one, two;
    END IF;
    INSERT INTO done VALUES (what, left(one, 3));
END $$;
CREATE FUNCTION pg_temp.acts(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. n LOOP
        PERFORM set_config('app.tenant', (1 + i % 3)::text, false);
        PERFORM pg_temp.act(k, 1 + i % 3) FROM generate_series(1, 4) AS k;
    END LOOP;
END $$;

-- What tables and functions of a register say to who is asking.
CREATE FUNCTION pg_temp.says(register text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    reg accum._registers;
    question text;
    answer text;
    own text := '''{id,recorded_at,dim_hash,reverses,version,last_movement_id,last_movement_at}''::text[]';
    questions text[] := ARRAY['%1$s_turnover(date ''2026-01-20'', date ''2026-02-20'', group_by => ''["item", "tenant"]'')',
        '%1$s_turnover(date ''2026-02-05'')', '%1$s_statement(date ''2026-01-28'', date ''2026-03-20'', unit => ''day'')',
        '%1$s_movements()', '%1$s_movements(''d1'')', '%1$s_movements'];
BEGIN
    SELECT * INTO reg FROM accum._registers WHERE name = register;
    FOR question IN
        SELECT format('SELECT jsonb_agg(to_jsonb(t) - %1$s ORDER BY to_jsonb(t) - %1$s) FROM %2$s t WHERE movements_count <> 0', own, r.relation)
        FROM accum._register_relations r WHERE r.register = says.register AND r.role ~ 'cache$|totals' AND NOT reg.high_write ORDER BY r.role
    LOOP
        EXECUTE question INTO answer;
        RETURN NEXT answer;
    END LOOP;
    IF reg.kind = 'balance' THEN
        questions := questions || ARRAY['%1$s_balance()', '%1$s_balance(''{"item": "a"}'')',
            '%1$s_balance(at_date => timestamptz ''2026-02-03 11:59Z'')', '%1$s_balances', '%1$s_balances_at(date ''2026-02-05'')'];
    END IF;
    FOREACH question IN ARRAY questions LOOP
        EXECUTE 'SELECT jsonb_agg(t ORDER BY t) FROM (SELECT CASE WHEN t ? ''t'' THEN t -> ''t'' ELSE t END - ' || own
            || ' AS t FROM (SELECT to_jsonb(t) AS t FROM accum.' || format(question, register) || ' AS t) AS r) AS r' INTO answer;
        RETURN NEXT answer;
    END LOOP;
END $$;
-- How often two registers say other things to a tenant.
CREATE FUNCTION pg_temp.contradictions(k int, t int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant', t::text, false);
    RETURN (SELECT format('%s of %s', count(*) FILTER (WHERE one IS DISTINCT FROM two), count(*))
            FROM ROWS FROM (pg_temp.says(format('own%s_%s', t, k)), pg_temp.says('shared' || k)) AS s (one, two));
END $$;
-- What a tenant is told of each item, and what who sees all adds up for it.
CREATE FUNCTION pg_temp.turnovers(register text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT string_agg(concat(t ->> ''item'', '' '', t ->> ''q''), '', '' ORDER BY t ->> ''item'') FROM accum.%I(group_by => ''["item"]'') AS t WHERE t ->> ''q'' <> ''0''', register || '_turnover') INTO result;
    RETURN coalesce(result, 'nothing');
END $$;
CREATE FUNCTION pg_temp.sums(register text, tenant int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('SELECT string_agg(concat(item, '' '', q), '', '' ORDER BY item) FROM (SELECT item, sum(q) AS q FROM accum.%I WHERE tenant = $1 GROUP BY item HAVING sum(q) <> 0) AS s', register || '_movements') INTO result USING tenant;
    RETURN coalesce(result, 'nothing');
END $$;

-- Something is there before the register is secured, each document of one tenant.
SELECT setseed(0.26);
SELECT count(accum.register_post(register, d)) AS posted
FROM kind, generate_series(1, 3) AS t,
     LATERAL (SELECT jsonb_agg(m || jsonb_build_object('recorder', 'd' || t)) AS d FROM jsonb_array_elements(pg_temp.lines(t, 3)) AS m) AS l,
     LATERAL unnest(ARRAY['shared' || n, format('own%s_%s', t, n)]) AS register;
SELECT count(accum.register_secure('shared' || n, 'tenant', 'tenant = current_setting(''app.tenant'')::int')) AS secured FROM kind;
SET ROLE regress_accum_tenants;
SELECT pg_temp.acts(300);
RESET ROLE;
-- Another expression, the same meaning; and what is there is kept.
SELECT count(accum.register_secure('shared' || n, 'tenant', 'EXISTS (SELECT WHERE current_setting(''app.tenant'')::int = tenant)')) AS secured FROM kind;
SET ROLE regress_accum_tenants;
SELECT pg_temp.acts(300);

-- To each tenant the register is its own.
SELECT what, result, count(*) > 3 AS some FROM done WHERE result = 'ok:' GROUP BY 1, 2 ORDER BY 1;
SELECT k, t, pg_temp.contradictions(k, t) FROM generate_series(1, 4) AS k, generate_series(1, 3) AS t ORDER BY 1, 2;
CREATE TEMP TABLE told (k int, t int, turnovers text);
GRANT SELECT ON told TO PUBLIC;
DO $$ BEGIN
    FOR t IN 1 .. 3 LOOP
        PERFORM set_config('app.tenant', t::text, false);
        INSERT INTO told SELECT k, t, pg_temp.turnovers('shared' || k) FROM generate_series(1, 4) AS k;
    END LOOP;
END $$;
RESET ROLE;
SELECT count(*), count(*) FILTER (WHERE turnovers = pg_temp.sums('shared' || k, t)) AS right, count(DISTINCT turnovers) > 6 AS various FROM told;
SELECT n, pg_temp.differences('shared' || n) FROM kind ORDER BY n;
-- The map knows every document, and of whom it is.
SELECT format('SELECT count(*) FROM accum.shared%1$s_movements m WHERE NOT EXISTS (SELECT FROM accum.shared%1$s_recorders r WHERE r.recorder = m.recorder AND r.scope = m.tenant AND r.unit_start = date_trunc(%2$L, pg_temp.local_day(m.period, %3$L)::timestamp)::date)', n, g.partition_by, g.time_zone)
FROM kind JOIN accum._registers g ON g.name = 'shared' || n ORDER BY n
\gexec

SELECT count(accum.register_drop(name || n, true)) AS dropped FROM kind, unnest('{shared,own1_,own2_,own3_}'::text[]) AS name;
DROP TABLE told, done, kind;
DROP ROLE regress_accum_tenants;
