--
-- Random documents posted, corrected and cancelled in registers with history and, the
-- same, in twins without: whatever is asked of both, the answers are the same.
--
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers
CREATE TEMP TABLE pair (n int PRIMARY KEY, options text);
INSERT INTO pair VALUES
    (1, ''),
    (2, ', time_zone => ''America/St_Johns'', partition_by => ''day'', recorder_type => ''varchar(9)'''),
    (3, ', time_zone => ''Asia/Tokyo'', partition_by => ''quarter'', totals_period => ''month'', year_start => 4, high_write => true'),
    (4, ', kind => ''turnover'', partition_by => ''year'', totals_period => ''day'', high_write => true');
SELECT format('SELECT accum.register_create(%L, ''[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}]'', ''{"q": "int", "a": "numeric(12,2)"}'', attributes => ''{"note": "text"}''%s%s)',
              name || n, options, CASE name WHEN 'kept' THEN ', history => true' ELSE '' END)
FROM pair, unnest('{kept,twin}'::text[]) AS name ORDER BY n, name
\gexec

CREATE FUNCTION pg_temp.lines(n int) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object(
        'period', timestamptz '2026-01-25 00:00Z' + floor(random() * random() * 60)::int * interval '1 day' + floor(random() * 3)::int * interval '11 hours 59 minutes',
        'w', nullif(floor(random() * 4)::int, 0), 'p', (ARRAY['a', 'b', NULL])[1 + floor(random() * 3)::int],
        'q', floor(random() * 7)::int - 3, 'a', round((random() * 9 - 4)::numeric, 1),
        'note', CASE WHEN random() < 0.3 THEN 'x' END)), '[]')
    FROM generate_series(1, n) $$;
-- What a document has now, with a line less, more or changed.
CREATE FUNCTION pg_temp.corrected(name text, document text) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    result jsonb;
BEGIN
    EXECUTE format('SELECT coalesce(jsonb_agg(m - ''{id,dim_hash,recorded_at,movement_type,reverses,reverses_period}''::text[] || CASE WHEN random() < 0.2 THEN ''{"q": 1}'' ELSE ''{}'' END::jsonb ORDER BY m ->> ''id'') FILTER (WHERE random() < 0.9), ''[]'') FROM accum.%I($1) AS m', name || '_movements')
    INTO result USING document;
    RETURN result || pg_temp.lines(floor(random() * 2)::int);
END $$;
CREATE TEMP TABLE done (what text, result text);
-- One random act on both registers of a pair.
CREATE FUNCTION pg_temp.act(n int) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    document text := 'd' || floor(random() * 25);
    other text := 'd' || floor(random() * 25);
    what text := (ARRAY['post', 'post', 'post', 'repost', 'correct', 'correct', 'unpost', 'unpost many', 'once', 'insert', 'undone', 'fold', 'reconcile'])[1 + floor(random() * 13)::int];
    data jsonb := pg_temp.lines(floor(random() * random() * 9)::int);
    kept text;
    twin text;
    statement text;
BEGIN
    statement := CASE what
        WHEN 'post' THEN format('SELECT accum.register_post(%%L, %L)', (SELECT coalesce(jsonb_agg(m || jsonb_build_object('recorder', CASE WHEN random() < 0.8 THEN document ELSE other END)), '[]') FROM jsonb_array_elements(data) AS m))
        WHEN 'repost' THEN format('SELECT accum.register_repost(%%L, %L, %L)', document, data)
        WHEN 'correct' THEN format('SELECT accum.register_repost(%%L, %L, %L)', document, pg_temp.corrected('twin' || n, document))
        WHEN 'unpost' THEN format('SELECT accum.register_unpost(%%L, %L)', document)
        WHEN 'unpost many' THEN format('SELECT accum.register_unpost(%%L, %L::text[])', ARRAY[document, other, document])
        WHEN 'once' THEN format('SELECT accum.register_post(%%L, %L, true)', (SELECT coalesce(jsonb_agg(m || jsonb_build_object('recorder', document)), '[]') FROM jsonb_array_elements(pg_temp.corrected('twin' || n, document)) AS m))
        WHEN 'insert' THEN format('INSERT INTO accum.%%s_movements (recorder, period, w, p, q, a) SELECT %L, v.* FROM jsonb_to_recordset(%L) AS v (period timestamptz, w int, p text, q int, a numeric)', document, data)
        WHEN 'reconcile' THEN format('SELECT count(*) FROM accum.register_reconcile(%%L, %L, %L, %L, ''{"w": 1}'')', document, timestamptz '2026-02-01' + floor(random() * 20)::int * interval '1 day', '[{"w": 1, "p": "a", "q": 3}]')
        WHEN 'fold' THEN 'SELECT accum._delta_merge_register(%L, ''0'', 20) * 0' END;
    IF what = 'undone' THEN
        BEGIN
            PERFORM pg_temp.act(n), pg_temp.act(n);
            RAISE EXCEPTION 'undone';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
        RETURN;
    END IF;
    kept := pg_temp.try(format(statement, 'kept' || n));
    twin := pg_temp.try(format(statement, 'twin' || n));
    IF replace(kept, 'kept', 'twin') <> twin AND left(kept, 5) <> '23505' THEN
        RAISE WARNING '% % but %', what, kept, twin;
    END IF;
    INSERT INTO done VALUES (what, left(kept, 3));
END $$;

-- Each of them put the same way: what tables and functions of one register say.
CREATE FUNCTION pg_temp.says(name text, seed float8) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    reg accum._registers;
    role text;
    moment timestamptz;
    later timestamptz;
    filter jsonb;
BEGIN
    SELECT * INTO reg FROM accum._registers r WHERE r.name = says.name;
    PERFORM accum._delta_flush_register(name);
    PERFORM setseed(seed);
    FOR role IN SELECT r.role FROM accum._register_relations r WHERE r.register = name AND r.role ~ '^totals|cache$' ORDER BY 1 LOOP
        RETURN QUERY EXECUTE format('SELECT %L || (to_jsonb(t) - ''{dim_hash,last_movement_at,last_movement_id,version}''::text[])::text FROM accum.%I t WHERE movements_count <> 0 ORDER BY 1', role || ' ', name || '_' || role);
    END LOOP;
    IF reg.kind = 'balance' THEN
        RETURN QUERY EXECUTE format('SELECT (to_jsonb(b) - ''last_movement_at'' - ''dim_hash'')::text FROM accum.%I b ORDER BY 1', name || '_balances');
    END IF;
    FOR i IN 1..60 LOOP
        moment := timestamptz '2026-01-20' + floor(random() * 65)::int * interval '1 day' + floor(random() * 25)::int * interval '1 hour';
        later := moment + floor(random() * 300)::int * interval '1 hour';
        filter := (ARRAY['{}', '{"w": 1}', '{"w": null}', '{"p": "a"}', '{"w": 2, "p": "b"}', '{"w": 3, "p": null}'])[1 + floor(random() * 6)::int];
        RETURN QUERY EXECUTE format('SELECT concat_ws('' '', ''turnover'', t) FROM accum.%I($1, $2, $3, ''["p", "w"]'') AS t', name || '_turnover') USING moment, later, filter;
        RETURN QUERY EXECUTE format('SELECT concat_ws('' '', ''turnover'', t) FROM accum.%I($1, $2, $3) AS t', name || '_turnover') USING moment, later, filter;
        RETURN QUERY EXECUTE format('SELECT concat_ws('' '', ''statement'', t) FROM accum.%I($1, $2, $3, ''["w"]'', ''month'', $4) AS t', name || '_statement') USING moment, later, filter, i % 2 = 0;
        CONTINUE WHEN reg.kind <> 'balance';
        RETURN QUERY EXECUTE format('SELECT concat_ws('' '', ''balance'', accum.%I($1, $2))', name || '_balance') USING filter, moment;
        RETURN QUERY EXECUTE format('SELECT concat_ws('' '', ''at'', b) FROM accum.%I($1) AS b ORDER BY 1', name || '_balances_at') USING moment;
    END LOOP;
END $$;
-- The same, as numbers: 0 is 0.00.
CREATE FUNCTION pg_temp.all_said(name text, seed float8, beginning text DEFAULT '') RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(regexp_replace(s, '\.00\M', '', 'g') ORDER BY i) FROM pg_temp.says(name, seed) WITH ORDINALITY AS t (s, i) WHERE s ~ ('^' || beginning) $$;
CREATE FUNCTION pg_temp.same(n int, seed float8, beginning text DEFAULT '') RETURNS boolean LANGUAGE sql AS $$
    SELECT pg_temp.all_said('kept' || n, seed, beginning) = pg_temp.all_said('twin' || n, seed, beginning) $$;

SELECT setseed(0.5);
SELECT format('SELECT pg_temp.act(%s); SELECT pg_temp.act(%s)', 1 + i % 4, 1 + i % 4) AS statement FROM generate_series(1, 240) AS i
\set ECHO none
\o /dev/null
\gexec
\o
\set ECHO all
DO $$ BEGIN FOR i IN 1..160 LOOP PERFORM pg_temp.act(1 + i % 4); END LOOP; END $$;
SELECT count(DISTINCT what), count(*) FILTER (WHERE result = 'ok:') > 400 FROM done;
SELECT n, pg_temp.differences('kept' || n), pg_temp.differences('twin' || n) FROM pair ORDER BY n;
SELECT n, pg_temp.same(n, n / 10.0), cardinality(pg_temp.all_said('kept' || n, n / 10.0)) > 150 FROM pair ORDER BY n;
SELECT n, string_agg(DISTINCT status, ' ') FROM pair, accum.register_verify('kept' || n) GROUP BY n ORDER BY n;
-- Nothing was removed, and what is in force is what the twin has.
SELECT (SELECT count(*) FROM accum.kept1_movements) > 1.5 * (SELECT count(*) FROM accum.twin1_movements);
CREATE FUNCTION pg_temp.in_force(name text) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$ BEGIN
    RETURN QUERY EXECUTE format('SELECT m - ''{id,dim_hash,recorded_at,reverses,reverses_period}''::text[] FROM accum.%I(%s) AS m', name || '_movements', CASE WHEN name ~ 'kept' THEN 'only_active => true' END);
END $$;
SELECT n, (SELECT count(*) FROM ((SELECT * FROM pg_temp.in_force('kept' || n) EXCEPT ALL SELECT * FROM pg_temp.in_force('twin' || n)) UNION ALL (SELECT * FROM pg_temp.in_force('twin' || n) EXCEPT ALL SELECT * FROM pg_temp.in_force('kept' || n))) x) FROM pair ORDER BY n;
-- Unused rows go, and all are made anew; answers stay the same.
SELECT n, (SELECT sum(rows_removed) > 0 FROM accum.register_prune('kept' || n)), accum.register_rebuild_totals('kept' || n) > 0, accum.register_rebuild_cache('kept' || n) > 0, accum.register_repair('kept' || n) FROM pair ORDER BY n;
SELECT n, pg_temp.same(n, n / 20.0) FROM pair ORDER BY n;

-- Reversals dated elsewhere are, but for receipts and expenses, documents that take back others.
CREATE FUNCTION pg_temp.cancel(n int, document text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    taken_back jsonb;
    moment timestamptz;
BEGIN
    EXECUTE format('SELECT max(period) + floor(random() * 30) * interval ''1 day'', jsonb_agg(jsonb_build_object(''recorder'', ''back '' || recorder, ''w'', w, ''p'', p, ''q'', -q, ''a'', -a)) FROM accum.%I WHERE recorder = $1', 'twin' || n || '_movements')
    INTO moment, taken_back USING document;
    IF taken_back IS NULL THEN
        RETURN;
    END IF;
    PERFORM accum.register_post('twin' || n, (SELECT jsonb_agg(m || jsonb_build_object('period', moment)) FROM jsonb_array_elements(taken_back) AS m));
    PERFORM accum.register_unpost('kept' || n, document, moment);
END $$;
SELECT count(pg_temp.cancel(n, 'd' || i)) FROM generate_series(0, 24, 3) AS i, unnest('{1,2,3}'::int[]) AS n;
SELECT n, pg_temp.differences('kept' || n), (SELECT string_agg(DISTINCT status, ' ') FROM accum.register_verify('kept' || n)) FROM pair ORDER BY n;
SELECT n, pg_temp.same(n, 0.3, '(balance |at)'), cardinality(pg_temp.all_said('kept' || n, 0.3, '(balance |at)')) > 100 FROM pair WHERE n < 4 ORDER BY n;
SELECT accum.register_drop(name || n, true) FROM pair, unnest('{kept,twin}'::text[]) AS name;
