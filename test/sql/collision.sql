-- Two different cells with one hash: the write is refused, nothing is stored,
-- and no read ever mixes them.  With so few bits of hash it happens at once.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

SELECT accum.register_create('col' || bits, '[{"name": "w", "type": "int"}, {"name": "p", "type": "text"}]', '{"q": "int"}') FROM generate_series(1, 4) AS bits;
SELECT accum.register_create('col_batch' || bits, '{"w": "int"}', '{"q": "int"}') FROM generate_series(1, 4) AS bits;

-- Post cells one by one.  Each is either stored, alone with its hash, or refused
-- with 23505; the cells that are there keep their balances.
CREATE FUNCTION pg_temp.one_by_one(bits int) RETURNS TABLE (stored_within_hashes boolean, refused_some boolean, wrong_codes bigint, wrong_state bigint, wrong_reads bigint, differences bigint)
LANGUAGE plpgsql AS $$
DECLARE
    register text := 'col' || bits;
    codes text[] := '{}';
    result text;
    before text;
    changed bigint := 0;
    wrong bigint := 0;
    sum_here bigint;
BEGIN
    PERFORM set_config('pg_accumulator.debug_hash_bits', bits::text, true);
    FOR i IN 1..60 LOOP
        before := pg_temp.state(register);
        IF i % 2 = 0 THEN
            result := pg_temp.try(format('SELECT accum.register_post(%L, %L)', register,
                jsonb_build_object('recorder', 'r' || i, 'period', '2001-01-01', 'w', nullif(i % 12, 3), 'p', nullif('p' || i % 5, 'p2'), 'q', i)));
        ELSE
            result := pg_temp.try(format('INSERT INTO accum.%I (recorder, period, w, p, q) VALUES (%L, ''2001-01-01'', %L, %L, %s)', register || '_movements', 'r' || i, nullif(i % 12, 3), nullif('p' || i % 5, 'p2'), i));
        END IF;
        IF result NOT LIKE 'ok: %' THEN
            codes := codes || left(result, 5);
            changed := changed + (pg_temp.state(register) <> before)::int;
        END IF;
    END LOOP;
    -- Point reads of every cell, stored or not, against movements.
    FOR i IN 0..11 LOOP
        FOR j IN 0..4 LOOP
            EXECUTE format('SELECT coalesce(sum(q), 0) FROM accum.%I WHERE w IS NOT DISTINCT FROM $1 AND p IS NOT DISTINCT FROM $2', register || '_movements')
            INTO sum_here USING nullif(i, 3), nullif('p' || j, 'p2');
            EXECUTE format('SELECT $3 + ((accum.%I(jsonb_build_object(''w'', $1, ''p'', $2)) ->> ''q'')::int <> $4)::int', register || '_balance')
            INTO wrong USING nullif(i, 3), nullif('p' || j, 'p2'), wrong, sum_here;
        END LOOP;
    END LOOP;
    RETURN QUERY EXECUTE format('SELECT count(*) BETWEEN 1 AND 1 << $1, cardinality($2) > 0, (SELECT count(*) FROM unnest($2) AS c WHERE c <> ''23505''), $3, $4, pg_temp.differences($5) FROM accum.%I', register || '_balance_cache')
        USING bits, codes, changed, wrong, register;
END $$;
SELECT bits, f.* FROM generate_series(1, 4) AS bits, pg_temp.one_by_one(bits) AS f;

-- Inside one statement: none of its rows is stored.
CREATE FUNCTION pg_temp.batch(bits int) RETURNS TABLE (code text, untouched boolean, differences bigint) LANGUAGE plpgsql AS $$
DECLARE
    register text := 'col_batch' || bits;
    before text := pg_temp.state(register);
BEGIN
    PERFORM set_config('pg_accumulator.debug_hash_bits', bits::text, true);
    RETURN QUERY SELECT pg_temp.try_code(s), pg_temp.state(register) = before, pg_temp.differences(register)
    FROM unnest(ARRAY[
        format('SELECT accum.register_post(%L, (SELECT jsonb_agg(jsonb_build_object(''recorder'', ''a'', ''period'', ''2001-01-01'', ''w'', i, ''q'', 1)) FROM generate_series(1, 17) AS i))', register),
        format('SELECT accum.register_post(%L, (SELECT jsonb_agg(jsonb_build_object(''recorder'', ''a'', ''period'', date ''2001-01-01'' + i, ''w'', i, ''q'', 1)) FROM generate_series(1, 17) AS i))', register),
        format('SELECT accum.register_repost(%L, ''a'', (SELECT jsonb_agg(jsonb_build_object(''period'', date ''2001-01-01'' + i * 400, ''w'', i, ''q'', 1)) FROM generate_series(1, 17) AS i))', register),
        format('INSERT INTO accum.%I (recorder, period, w, q) SELECT ''a'', date ''2001-01-01'' + i, i, 1 FROM generate_series(1, 17) AS i', register || '_movements')]) AS s;
END $$;
SELECT bits, f.* FROM generate_series(1, 4) AS bits, pg_temp.batch(bits) AS f;

-- Registers without a cache: cells whose movements are years apart meet, too.
SELECT accum.register_create('col_flow', '{"w": "int"}', '{"q": "int"}', kind => 'turnover'), accum.register_create('col_flow_hw', '{"w": "int"}', '{"q": "int"}', kind => 'turnover', totals_period => 'year', year_start => 4, high_write => true);
CREATE FUNCTION pg_temp.flow(register text) RETURNS TABLE (way text, stored bigint, codes text, changed bigint, differences bigint) LANGUAGE plpgsql AS $$
DECLARE
    before text;
    result text;
    movement text := 'jsonb_build_object(''recorder'', ''a'', ''period'', date ''0001-02-01'' + i * 4000, ''w'', i, ''q'', 1)';
    one_by_one text[];
BEGIN
    PERFORM set_config('pg_accumulator.debug_hash_bits', '2', true);
    one_by_one := ARRAY[
        'SELECT accum.register_post(%1$L, (SELECT %2$s FROM generate_series(%3$s, %3$s) AS i))',
        'INSERT INTO accum.%1$I_movements (recorder, period, w, q) SELECT ''a'', date ''0001-02-01'' + i * 4000, i, 1 FROM generate_series(%3$s, %3$s) AS i',
        'SELECT accum.register_repost(%1$L, ''a%3$s'', (SELECT jsonb_agg(%2$s - ''recorder'') FROM generate_series(%3$s, %3$s) AS i))'];
    FOR i IN 0..3 LOOP
        stored := 0;
        codes := '';
        changed := 0;
        FOR j IN 1..12 LOOP
            before := pg_temp.state(register);
            way := CASE WHEN i = 0 THEN 'in one statement' ELSE (ARRAY['post', 'insert', 'repost'])[i] END;
            IF i = 0 THEN
                result := pg_temp.try_code(format((ARRAY[
                    'SELECT accum.register_post(%1$L, (SELECT jsonb_agg(%2$s) FROM generate_series(1 + %3$s, 5 + %3$s) AS i))',
                    'INSERT INTO accum.%1$I_movements (recorder, period, w, q) SELECT ''a'', date ''0001-02-01'' + i * 4000, i, 1 FROM generate_series(%3$s, 4 + %3$s) AS i'])[1 + j % 2],
                    register, movement, j));
            ELSE
                result := pg_temp.try_code(format(one_by_one[i], register, movement, i * 20 + j));
            END IF;
            IF result LIKE 'ok: %' THEN
                stored := stored + 1;
            ELSE
                codes := codes || CASE WHEN codes LIKE '%' || result || '%' THEN '' ELSE result || ' ' END;
                changed := changed + (pg_temp.state(register) <> before)::int;
            END IF;
            IF j = 6 AND i = 1 THEN
                PERFORM accum._delta_flush_register(register);
            ELSIF j = 6 THEN
                PERFORM accum.register_rebuild_totals(register);
            END IF;
        END LOOP;
        differences := pg_temp.differences(register);
        RETURN NEXT;
    END LOOP;
END $$;
SELECT register, way, stored <= 4, codes, changed, differences FROM unnest('{col_flow,col_flow_hw}'::text[]) AS register, pg_temp.flow(register) AS f;
SET pg_accumulator.debug_hash_bits = 2;
SELECT register, accum._delta_flush_register(register) >= 0, accum._delta_count(register), pg_temp.differences(register), (SELECT count(*) FROM accum.register_verify(register) WHERE status <> 'OK') FROM unnest('{col_flow,col_flow_hw}'::text[]) AS register;
SELECT count(*) BETWEEN 1 AND 4 FROM (SELECT DISTINCT w FROM accum.col_flow_movements) AS cells;
SELECT count(*) BETWEEN 1 AND 4 FROM (SELECT DISTINCT w FROM accum.col_flow_hw_movements) AS cells;

-- The message.
SET pg_accumulator.debug_hash_bits = 1;
SELECT accum.register_create('col_text', '{"w": "int"}', '{"q": "int"}');
SELECT DISTINCT regexp_replace(r, 'w\) = \(\d+\)', 'w) = (N)') FROM (SELECT pg_temp.try(format('SELECT accum.register_post(''col_text'', ''{"recorder": "a", "period": "2001-01-01", "w": %s, "q": 1}'')', i)) AS r FROM generate_series(1, 20) AS i) AS posts WHERE r NOT LIKE 'ok%';
-- Cells that have dropped to zero hold their hash, too; unposting leaves others alone.
SELECT count(*) <= 2 FROM accum.col_text_balance_cache;
SELECT accum.register_unpost('col_text', 'a') > 0;
SELECT pg_temp.try_code('SELECT accum.register_post(''col_text'', (SELECT jsonb_agg(jsonb_build_object(''recorder'', ''a'', ''period'', ''2001-01-01'', ''w'', i, ''q'', 1)) FROM generate_series(100, 120) AS i))');
SELECT accum.col_text_balance(), pg_temp.differences('col_text');
RESET pg_accumulator.debug_hash_bits;
SET pg_accumulator.debug_hash_bits = 0;
SET pg_accumulator.debug_hash_bits = 65;
