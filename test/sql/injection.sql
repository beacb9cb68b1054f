-- Values that pretend to be SQL, in every argument that is text or JSON.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

-- Whatever runs as SQL draws from this sequence, and what it draws no rollback takes back.
CREATE SEQUENCE injected;
CREATE FUNCTION injected() RETURNS boolean LANGUAGE sql RETURN nextval('injected') > 0;
GRANT ALL ON SEQUENCE injected TO PUBLIC;

CREATE TABLE payloads (payload text);
INSERT INTO payloads VALUES
    ($$'; SELECT public.injected(); --$$), ($$' || public.injected() || '$$), ($$') OR public.injected() OR ('$$),
    ($$\'; SELECT public.injected(); --$$), ($$"; SELECT public.injected(); --$$), ($$x"); SELECT public.injected(); --$$),
    ($$public.injected()$$), ($$(SELECT public.injected())$$), ($$1 OR public.injected()$$), ($$int; SELECT public.injected()$$),
    ($$text DEFAULT public.injected()$$), ($$inj_movements; SELECT public.injected()$$), ($$$1; SELECT public.injected() $$),
    ('$a$ $' || '$; SELECT public.injected(); --'), (E'\n; SELECT public.injected();\n--'), ('%s%n%I%L%1$s'), (repeat('"''', 200)), ('*/ SELECT public.injected(); /*'),
    (E'\u2019; SELECT public.injected() --'), ($$accum.inj_movements WHERE public.injected()$$);

CREATE FUNCTION prepare() RETURNS void LANGUAGE sql AS $$
    SELECT accum.register_create('inj', '[{"name": "w", "type": "text", "required": true}, {"name": "d", "type": "date"}]', '{"q": "numeric(12,2)"}', attributes => '{"note": "text"}', partition_by => 'year', high_write => true);
    SELECT accum.register_post('inj', '[{"recorder": "a", "period": "2001-02-03", "w": "x", "d": null, "q": 5, "note": "n"}, {"recorder": "b", "period": "2001-02-03", "w": "y", "d": "2001-01-01", "q": 7}]');
$$;
SELECT prepare();

-- What a function is called with otherwise, by the name of the parameter.
CREATE TABLE samples (parameter text PRIMARY KEY, sample text);
INSERT INTO samples VALUES
    ('name', '''inj'''), ('p_name', '''inj'''), ('p_register', '''inj'''), ('register', '''inj'''), ('kind', '''balance'''),
    ('chart', '''strict'''), ('totals_period', '''day'''), ('partition_by', '''year'''), ('recorder_type', '''text'''), ('time_zone', '''UTC'''), ('unit', '''day'''),
    ('role', '''balance_cache'''), ('dimension', '''w'''), ('p_role', 'current_user::text'), ('p_right', '''read'''), ('p_dimension', '''w'''), ('p_using', '''w = current_user'''), ('p_recorder', '''a'''), ('p_recorders', '''{a,b}''::text[]'),
    ('dimensions', '''{"w": "x"}''::jsonb'), ('p_dimensions', '''{"w": "x"}''::jsonb'), ('group_by', '''["w"]''::jsonb'), ('columns', '''[{"name": "w", "type": "text"}]''::jsonb'),
    ('p_data', '''{"recorder": "a", "period": "2001-02-04", "w": "x", "d": null, "q": 1}''::jsonb'),
    ('p_desired', '''[{"w": "x", "d": null, "q": 3}]''::jsonb'), ('resources', '''{"q": "integer"}''::jsonb'), ('attributes', '''{"more": "text"}''::jsonb'),
    ('limits', '''[{"name": "enough", "check": "q >= 0"}]''::jsonb'), ('add_dimensions', '''{"e": "text"}''::jsonb'), ('add_resources', '''{"r": "integer"}''::jsonb'), ('add_attributes', '''{"remark": "text"}''::jsonb');

-- The arguments of all functions there are, those of the register included.
CREATE VIEW arguments AS
    SELECT p.oid AS function, i AS position, p.proargnames[i] AS name, t::regtype AS type
    FROM pg_proc p CROSS JOIN LATERAL unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a (t, i)
    WHERE p.pronamespace = 'accum'::regnamespace;
-- A new parameter of these types needs a sample here.
SELECT DISTINCT a.name, a.type FROM arguments a WHERE a.type IN ('text'::regtype, 'name'::regtype, 'cstring'::regtype, 'jsonb'::regtype, 'json'::regtype, 'text[]'::regtype)
    AND NOT EXISTS (SELECT FROM samples s WHERE s.parameter = a.name);

-- A payload as a value of a type, in every place that it could have.
CREATE FUNCTION disguises(type regtype, payload text, sample text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    j jsonb;
    key text;
    parts jsonb;
BEGIN
    IF type = 'text[]'::regtype THEN
        RETURN NEXT format('ARRAY[%L]', payload);
        RETURN NEXT format('ARRAY[''a'', %L]', payload);
    ELSIF type NOT IN ('jsonb'::regtype, 'json'::regtype) THEN
        RETURN NEXT quote_literal(payload);
    ELSE
        EXECUTE 'SELECT ' || sample INTO j;
        parts := CASE jsonb_typeof(j) WHEN 'array' THEN j -> 0 ELSE j END;
        RETURN NEXT format('%L::jsonb', to_jsonb(payload));
        RETURN NEXT format('%L::jsonb', jsonb_build_array(payload));
        RETURN NEXT format('%L::jsonb', jsonb_build_object(payload, payload));
        RETURN NEXT format('%L::jsonb', jsonb_build_object(payload, 'text'));
        RETURN NEXT format('%L::jsonb', jsonb_build_object('e', payload));
        IF jsonb_typeof(parts) = 'object' THEN
            FOR key IN SELECT jsonb_object_keys(parts) LOOP
                RETURN NEXT format('%L::jsonb', jsonb_build_array(jsonb_set(parts, ARRAY[key], to_jsonb(payload))));
                RETURN NEXT format('%L::jsonb', jsonb_set(parts, ARRAY[key], to_jsonb(payload)));
                RETURN NEXT format('%L::jsonb', jsonb_set(parts - key, ARRAY[payload], parts -> key));
            END LOOP;
            RETURN NEXT format('%L::jsonb', jsonb_build_array(jsonb_build_object('name', payload, 'type', 'text')));
            RETURN NEXT format('%L::jsonb', jsonb_build_array(jsonb_build_object('name', 'e', 'type', payload)));
        END IF;
    END IF;
END $$;

-- A call with one argument in disguise: those before it are samples or null, those
-- behind it are left to their defaults where there are some.
CREATE FUNCTION calls(payload text) RETURNS TABLE (function regprocedure, call text) LANGUAGE sql AS $$
    SELECT f.oid, format('SELECT * FROM accum.%I(%s)', f.proname,
               (SELECT string_agg(CASE WHEN b.position = a.position THEN d ELSE coalesce(s.sample,
                           CASE WHEN b.type = 'regclass'::regtype THEN '''accum.inj_movements''::regclass'
                                WHEN b.type = 'boolean'::regtype THEN 'true'
                                WHEN b.type = 'interval'::regtype THEN '''1 day''::interval'
                                WHEN b.type = 'integer'::regtype THEN '1'
                                WHEN b.type = 'date'::regtype THEN '''2001-02-03''::date'
                                WHEN b.type = 'timestamptz'::regtype THEN '''2001-02-03''::timestamptz' END,
                           format('NULL::%s', b.type)) END, ', ' ORDER BY b.position)
                FROM arguments b LEFT JOIN samples s ON s.parameter = b.name
                WHERE b.function = a.function AND b.position <= greatest(a.position, f.pronargs - f.pronargdefaults)))
           -- These functions return records whose columns the caller names.
           || CASE WHEN f.proname = '_statement' THEN ' AS t (a text)' ELSE '' END
    FROM arguments a JOIN pg_proc f ON f.oid = a.function
         LEFT JOIN samples s ON s.parameter = a.name
         CROSS JOIN LATERAL disguises(a.type, payload, s.sample) AS d
    WHERE s.parameter IS NOT NULL AND f.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype);
$$;

-- Try one, and take back what it did; returns the SQLSTATE.
CREATE FUNCTION attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
    RAISE EXCEPTION USING ERRCODE = 'AC000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;

-- One that runs would be noticed.
SELECT attempt('SELECT public.injected()');
SELECT is_called FROM injected;
ALTER SEQUENCE injected RESTART;
SELECT is_called FROM injected;
CREATE TABLE attempts AS SELECT c.function, c.call, attempt(c.call) AS outcome FROM payloads p CROSS JOIN LATERAL calls(p.payload) AS c;
-- Many have been made, with every function that has such an argument; none ran, and
-- none came where only errors of ours would lead.
SELECT count(*) > 5000 AS many, count(*) FILTER (WHERE outcome = 'AC000') > 100 AS accepted, count(*) FILTER (WHERE outcome = '22023') > 1000 AS refused FROM attempts;
SELECT a.function::regprocedure, a.name FROM arguments a JOIN pg_proc p ON p.oid = a.function
    WHERE a.type IN ('text'::regtype, 'name'::regtype, 'jsonb'::regtype, 'text[]'::regtype) AND NOT EXISTS (SELECT FROM attempts t WHERE t.function = a.function);
SELECT is_called FROM injected;
SELECT call, outcome FROM attempts WHERE outcome LIKE 'XX%' OR outcome LIKE '58%' ORDER BY call LIMIT 5;
-- Syntax errors are those of a type's name, of a limit and of a policy, which are read as such.
SELECT DISTINCT function FROM attempts WHERE outcome = '42601' AND function::text !~ '^accum\.register_(create|create_sql|alter|secure)\(' ORDER BY 1;
SELECT pg_temp.differences('inj');

-- What is stored is stored as it is, and found again.
SELECT accum.register_post('inj', (SELECT jsonb_agg(jsonb_build_object('recorder', payload, 'period', '2002-01-01', 'w', payload, 'd', null, 'q', 1, 'note', payload)) FROM payloads));
SELECT count(*), bool_and(note = recorder AND w = recorder) FROM accum.inj_movements m JOIN payloads p ON p.payload = m.recorder;
SELECT bool_and((accum.inj_balance(jsonb_build_object('w', payload)) ->> 'q')::numeric = 1) FROM payloads;
SELECT bool_and((SELECT count(*) FROM accum.inj_movements(payload, dimensions => jsonb_build_object('w', payload))) = 1) FROM payloads;
SELECT bool_and((SELECT t ->> 'q' FROM accum.inj_turnover(date '2002-01-01', date '2002-01-01', jsonb_build_object('w', payload), '["w"]') AS t) = '1.00') FROM payloads;
SELECT bool_and(accum.register_repost('inj', payload, jsonb_build_object('period', '2003-01-01', 'w', payload, 'd', null, 'q', 2)) = 1) FROM payloads;
SELECT count(*) FROM payloads CROSS JOIN LATERAL (SELECT accum.register_close('inj', '1999-12-31', jsonb_build_object('w', payload))) AS closed;
SELECT count(*) FROM accum.register_closings JOIN payloads ON dimensions ->> 'w' = payload WHERE register = 'inj';
SELECT accum._delta_flush_register('inj') > 0, pg_temp.differences('inj');
SELECT DISTINCT status FROM accum.register_verify('inj');
SELECT accum.register_rebuild_totals('inj') > 0, accum.register_rebuild_cache('inj') > 0;
SELECT accum.register_unpost('inj', (SELECT array_agg(payload) FROM payloads));
SELECT pg_temp.differences('inj');
SELECT is_called FROM injected;
SELECT accum.register_drop('inj', true);
DROP VIEW arguments;
DROP TABLE attempts, samples, payloads;
DROP FUNCTION prepare, disguises, calls, attempt, injected;
DROP SEQUENCE injected;
