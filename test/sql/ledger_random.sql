-- Random postings in ledgers, written, corrected and taken back in every way: what is
-- derived from them, and what reads it, is what sums over movements are.
\getenv inputdir PG_ABS_SRCDIR
\set helpers :inputdir '/sql/helpers.psql'
\i :helpers

SELECT accum.register_create('ledger1', '[{"name": "currency", "type": "text"}, {"name": "branch", "type": "int"}]',
    '[{"name": "amount", "type": "numeric(18,2)"}, {"name": "base", "type": "numeric"}, {"name": "quantity", "type": "int", "balanced": false}]',
    kind => 'ledger', attributes => '{"note": "text"}');
SELECT accum.register_create('ledger2', '[{"name": "currency", "type": "text"}, {"name": "branch", "type": "int"}]',
    '[{"name": "amount", "type": "bigint"}, {"name": "base", "type": "numeric"}, {"name": "quantity", "type": "numeric(12,3)", "balanced": false}]',
    kind => 'ledger', high_write => true, totals_period => 'month', partition_by => 'quarter', time_zone => 'America/Sao_Paulo', year_start => 4, attributes => '{"note": "text"}');
SELECT accum.register_create('ledger3', '[{"name": "currency", "type": "text"}, {"name": "branch", "type": "int"}]',
    '[{"name": "amount", "type": "numeric(18,2)"}, {"name": "base", "type": "int"}, {"name": "quantity", "type": "bigint", "balanced": false}]',
    kind => 'ledger', totals_period => 'year', partition_by => 'year', time_zone => 'Asia/Tokyo', recorder_type => 'varchar(20)', attributes => '{"note": "text"}');
SELECT accum.register_create('ledger4', '[{"name": "currency", "type": "text"}, {"name": "branch", "type": "int"}]',
    '[{"name": "amount", "type": "numeric(18,2)"}, {"name": "base", "type": "smallint"}, {"name": "quantity", "type": "int", "balanced": false}]',
    kind => 'ledger', high_write => true, time_zone => 'America/St_Johns', attributes => '{"note": "text"}');

CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;
CREATE FUNCTION pg_temp.period() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    day text := (date '2018-01-25' + floor(random() * random() * 500)::int)::text;
BEGIN
    RETURN CASE floor(random() * 10)
        WHEN 0 THEN day WHEN 1 THEN day || ' 23:59:59.999999' WHEN 2 THEN day || ' 00:00+00' WHEN 3 THEN '2018-02-18 00:30' WHEN 4 THEN '1990-12-31 23:00'
        ELSE day || ' ' || floor(random() * 24)::int || ':' || floor(random() * 60)::int || pg_temp.pick('', '+03', ' America/New_York') END;
END $$;
CREATE FUNCTION pg_temp.account() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT pg_temp.pick('10', '50', '51', '60', '60.01', '60.02', '60.02.1', '62', '62.01', '601', '90.1') $$;
CREATE FUNCTION pg_temp.subconto() RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT pg_temp.pick('{}', '{}', '{"customer": 1}', '{"customer": 1.0}', '{"customer": 2, "contract": "A"}', '{"contract": "A", "customer": 2}', '{"customer": 2, "contract": "B"}', '{"customer": "2"}', '{"item": null}')::jsonb $$;
CREATE FUNCTION pg_temp.movement() RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    result jsonb := jsonb_build_object('period', pg_temp.period(), 'account_dr', pg_temp.account(), 'account_cr', pg_temp.account(),
        'currency', pg_temp.pick('EUR', 'USD', 'CHF', NULL), 'branch', nullif(floor(random() * 3)::int, 0),
        'amount', floor(random() * 1000)::int - 100);
BEGIN
    IF random() < 0.7 THEN result := result || jsonb_build_object('subconto_dr', pg_temp.subconto()); END IF;
    IF random() < 0.7 THEN result := result || jsonb_build_object('subconto_cr', pg_temp.subconto()); END IF;
    IF random() < 0.5 THEN result := result || jsonb_build_object('base', floor(random() * 7)::int - 1); END IF;
    IF random() < 0.3 THEN result := result || jsonb_build_object('quantity_dr', floor(random() * 5)::int); END IF;
    IF random() < 0.3 THEN result := result || jsonb_build_object('quantity_cr', floor(random() * 5)::int); END IF;
    IF random() < 0.2 THEN result := result || jsonb_build_object('note', pg_temp.pick('x', 'y', NULL)); END IF;
    RETURN result;
END $$;
CREATE FUNCTION pg_temp.document(lines int) RETURNS jsonb LANGUAGE sql VOLATILE AS $$ SELECT coalesce(jsonb_agg(pg_temp.movement()), '[]') FROM generate_series(1, lines) $$;

-- One random act on a ledger.
CREATE FUNCTION pg_temp.act(r int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    register text := 'ledger' || r;
    rec text := 'doc' || floor(random() * 40);
    data jsonb := pg_temp.document(floor(random() * random() * 12)::int);
    what text := pg_temp.pick('post', 'post', 'post', 'repost', 'repost', 'correct', 'unpost', 'unpost many', 'insert', 'delete', 'undone', 'coalesce');
BEGIN
    IF r IN (2, 4) AND random() < 0.2 THEN what := 'fold'; END IF;
    CASE what
    WHEN 'post' THEN
        PERFORM accum.register_post(register, (SELECT coalesce(jsonb_agg(m || jsonb_build_object('recorder', rec)), '[]') FROM jsonb_array_elements(data) AS m));
    WHEN 'coalesce' THEN
        SET LOCAL pg_accumulator.coalesce = on;
        PERFORM accum.register_post(register, m || jsonb_build_object('recorder', rec)) FROM jsonb_array_elements(data) AS m;
        SET LOCAL pg_accumulator.coalesce = off;
    WHEN 'repost' THEN
        PERFORM accum.register_repost(register, rec, data);
    WHEN 'correct' THEN
        EXECUTE format('SELECT coalesce(jsonb_agg(m - ''id'' - ''dim_hash_dr'' - ''dim_hash_cr'' - ''recorded_at'' - ''movement_type'' || CASE WHEN random() < 0.2 THEN ''{"amount": 1, "account_cr": "51"}'' ELSE ''{}'' END::jsonb) FILTER (WHERE random() < 0.9), ''[]'') FROM accum.%I($1) AS f (m)', register || '_movements')
        INTO data USING rec;
        PERFORM accum.register_repost(register, rec, data || pg_temp.document(floor(random() * 2)::int));
    WHEN 'unpost' THEN
        PERFORM accum.register_unpost(register, rec);
    WHEN 'unpost many' THEN
        PERFORM accum.register_unpost(register, ARRAY[rec, 'doc' || floor(random() * 40)]);
    WHEN 'insert' THEN
        EXECUTE format('INSERT INTO accum.%I (recorder, period, account_dr, account_cr, subconto_cr, currency, amount) SELECT $1, v.period, v.account_dr, v.account_cr, coalesce(v.subconto_cr, ''{}''), v.currency, v.amount FROM jsonb_to_recordset($2) AS v (period timestamptz, account_dr text, account_cr text, subconto_cr jsonb, currency text, amount numeric)',
                       register || '_movements') USING rec, data;
    WHEN 'delete' THEN
        EXECUTE format('DELETE FROM accum.%I WHERE recorder = $1 AND account_dr < ''60''', register || '_movements') USING rec;
    WHEN 'undone' THEN
        BEGIN
            PERFORM accum.register_repost(register, rec, data);
            RAISE EXCEPTION 'undo';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    WHEN 'fold' THEN
        PERFORM accum._delta_merge_register(register, '0 seconds', 1 + floor(random() * 20)::int);
    END CASE;
    RETURN what;
END $$;

-- The oracle: each side of each movement.
CREATE FUNCTION pg_temp.entries(register text) RETURNS TABLE (period timestamptz, account text, subconto jsonb, currency text, branch int,
    amount_dr numeric, amount_cr numeric, base_dr numeric, base_cr numeric, quantity_dr numeric, quantity_cr numeric, corr_account text, recorded_at timestamptz, id uuid, side int)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT period, account_dr, subconto_dr, currency, branch, amount::numeric, 0::numeric, base::numeric, 0::numeric, quantity_dr::numeric, 0::numeric, account_cr, recorded_at, id, 0 FROM accum.%1$I
        UNION ALL SELECT period, account_cr, subconto_cr, currency, branch, 0::numeric, amount::numeric, 0::numeric, base::numeric, 0::numeric, quantity_cr::numeric, account_dr, recorded_at, id, 1 FROM accum.%1$I', register || '_movements');
END $$;

SELECT setseed(0.42);
CREATE TEMP TABLE done (what text);
DO $$
BEGIN
    FOR i IN 1..1200 LOOP
        INSERT INTO done VALUES (pg_temp.act(1 + i % 4));
    END LOOP;
END $$;
SELECT count(*) > 20 FROM done GROUP BY what ORDER BY what;
SELECT name, count(*) FILTER (WHERE status <> 'OK'), accum.register_ledger_verify(name)
FROM accum._registers, accum.register_verify(name) WHERE name LIKE 'ledger_' GROUP BY name ORDER BY name;

-- Cells now, and at random moments: rows that differ from the oracle's.
CREATE FUNCTION pg_temp.differences(register text, source text, before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('WITH a AS (SELECT account, subconto, currency, branch, amount_dr::numeric, amount_cr::numeric, base_dr::numeric, base_cr::numeric, quantity_dr::numeric, quantity_cr::numeric FROM %s),
        e AS (SELECT account, subconto, currency, branch, sum(amount_dr), sum(amount_cr), sum(base_dr), sum(base_cr), sum(quantity_dr), sum(quantity_cr)
              FROM pg_temp.entries($1) WHERE $2 IS NULL OR period < $2 GROUP BY 1, 2, 3, 4)
        SELECT (SELECT count(*) FROM (SELECT * FROM a EXCEPT ALL SELECT * FROM e) x) + (SELECT count(*) FROM (SELECT * FROM e EXCEPT ALL SELECT * FROM a) x)', source)
    INTO n USING register, before;
    RETURN n;
END $$;
SELECT r, (SELECT count(*) > 100 FROM pg_temp.entries(r)), pg_temp.differences(r, 'accum.' || r || '_balances', NULL)
FROM (SELECT 'ledger' || i AS r FROM generate_series(1, 4) AS i) AS registers;
CREATE TEMP TABLE moments AS
    SELECT '2018-01-01'::timestamptz + random() * random() * interval '700 days' AS at FROM generate_series(1, 20)
    UNION ALL SELECT '2018-01-01'::timestamptz + floor(random() * 500) * interval '1 day' + interval '3 hours' FROM generate_series(1, 10)
    UNION ALL VALUES ('2019-01-01'::timestamptz), ('1991-01-01'), ('1980-01-01'), ('2018-04-01 03:00');
SELECT r, sum(pg_temp.differences(r, format('accum.%I(%L::timestamptz)', r || '_balances_at', at), accum._bound_after(('accum.' || r || '_movements')::regclass, at)))
FROM (SELECT 'ledger' || i AS r FROM generate_series(1, 4) AS i) AS registers, moments GROUP BY r ORDER BY r;

-- Turnovers by some of the dimensions, between random moments.
CREATE FUNCTION pg_temp.turnover_differs(register text, from_at timestamptz, to_at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    result boolean;
BEGIN
    EXECUTE format('SELECT (SELECT jsonb_agg(t ORDER BY t) FROM accum.%I($2, $3, ''{"subconto": {"customer": 1}}'', ''["currency", "account"]'') AS t)
        IS DISTINCT FROM (SELECT jsonb_agg(to_jsonb(e) ORDER BY to_jsonb(e)) FROM (
            SELECT currency, account, sum(amount_dr) AS amount_dr, sum(amount_cr) AS amount_cr, sum(base_dr) AS base_dr, sum(base_cr) AS base_cr, sum(quantity_dr) AS quantity_dr, sum(quantity_cr) AS quantity_cr
            FROM pg_temp.entries($1) WHERE subconto = ''{"customer": 1}'' AND period >= $2 AND period < accum._bound_after(%L::regclass, $3) GROUP BY 1, 2) e)',
        register || '_turnover', 'accum.' || register || '_movements') INTO result USING register, from_at, to_at;
    RETURN result;
END $$;
SELECT r, count(*) FILTER (WHERE pg_temp.turnover_differs(r, least(a.at, b.at), greatest(a.at, b.at)))
FROM (SELECT 'ledger' || i AS r FROM generate_series(1, 4) AS i) AS registers, moments a, moments b
WHERE abs(hashtext(a.at::text || b.at::text)) % 20 = 0 GROUP BY r ORDER BY r;

-- What only ledgers have: rows that differ from the oracle's, for one question after the other.
CREATE FUNCTION pg_temp.rows_differ(answer text, expected text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('WITH a AS (%s), e AS (%s) SELECT (SELECT count(*) FROM (SELECT * FROM a EXCEPT ALL SELECT * FROM e) x) + (SELECT count(*) FROM (SELECT * FROM e EXCEPT ALL SELECT * FROM a) x)', answer, expected) INTO n;
    RETURN n;
END $$;
CREATE FUNCTION pg_temp.below(account text, top text) RETURNS boolean LANGUAGE sql AS $$ SELECT top IS NULL OR account = top OR account LIKE top || '.%' $$;
CREATE TEMP TABLE questions AS
    SELECT row_number() OVER () AS n, r, least(a.at, b.at) AS from_at, greatest(a.at, b.at) AS to_at,
        nullif(pg_temp.pick('60', '60.02', '62', '62.01', '51', '6', ''), '') AS account,
        pg_temp.pick('{}', '{"customer": 2}', '{"customer": 1.0}', '{"contract": "A", "customer": 2}')::jsonb AS subconto,
        pg_temp.pick('{}', '{"currency": "EUR"}', '{"currency": null}', '{"branch": 1, "currency": "USD"}')::jsonb AS dimensions,
        nullif(floor(random() * 4)::int, 3) AS level
    FROM (SELECT 'ledger' || i AS r FROM generate_series(1, 4) AS i) AS registers, moments a, moments b
    WHERE abs(hashtext(a.at::text || b.at::text || r)) % 70 = 0;
SELECT count(*) > 30 FROM questions;
-- The oracle, restricted to a question.
CREATE FUNCTION pg_temp.asked(q questions, before timestamptz) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT e.*, e.period < q.from_at FROM pg_temp.entries(q.r) AS e
    WHERE (before IS NULL OR e.period < before)
        AND (NOT q.dimensions ? 'currency' OR e.currency IS NOT DISTINCT FROM q.dimensions ->> 'currency')
        AND (NOT q.dimensions ? 'branch' OR e.branch = (q.dimensions ->> 'branch')::int) $$;
CREATE FUNCTION pg_temp.answer(q questions, what text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before timestamptz := accum._bound_after(('accum.' || q.r || '_movements')::regclass, q.to_at);
    entries text := format('pg_temp.asked((SELECT q FROM questions q WHERE n = %s), %L) AS e (period timestamptz, account text, subconto jsonb, currency text, branch int, amount_dr numeric, amount_cr numeric, base_dr numeric, base_cr numeric, quantity_dr numeric, quantity_cr numeric, corr_account text, recorded_at timestamptz, id uuid, side int, is_opening boolean)', q.n, before);
BEGIN
    CASE what
    WHEN 'balance' THEN
        RETURN pg_temp.rows_differ(format('SELECT accum.%I(%L, %L, %L, %L::timestamptz) AS j', q.r || '_balance', q.account, q.subconto, q.dimensions, q.to_at),
            format('SELECT jsonb_build_object(''amount_dr'', coalesce(sum(amount_dr), 0), ''amount_cr'', coalesce(sum(amount_cr), 0), ''amount_balance'', coalesce(sum(amount_dr - amount_cr), 0),
                ''base_dr'', coalesce(sum(base_dr), 0), ''base_cr'', coalesce(sum(base_cr), 0), ''base_balance'', coalesce(sum(base_dr - base_cr), 0),
                ''quantity_dr'', coalesce(sum(quantity_dr), 0), ''quantity_cr'', coalesce(sum(quantity_cr), 0), ''quantity_balance'', coalesce(sum(quantity_dr - quantity_cr), 0))
                FROM %s WHERE pg_temp.below(account, %L) AND subconto @> %L', entries, q.account, q.subconto));
    WHEN 'trial_balance' THEN
        RETURN pg_temp.rows_differ(format('SELECT account, currency, branch, amount_opening_dr::numeric, amount_opening_cr::numeric, amount_turnover_dr::numeric, amount_turnover_cr::numeric, amount_closing_dr::numeric, amount_closing_cr::numeric,
                base_turnover_dr::numeric, quantity_opening_cr::numeric, quantity_turnover_cr::numeric, quantity_closing_dr::numeric FROM accum.%I(%L::timestamptz, %L::timestamptz, %L, %L)', q.r || '_trial_balance', q.from_at, q.to_at, q.dimensions, q.level),
            format('SELECT array_to_string((string_to_array(account, ''.''))[1:coalesce(%L, 9)], ''.''), currency, branch,
                sum(greatest(o, 0)), sum(greatest(-o, 0)), sum(tdr), sum(tcr), sum(greatest(o + tdr - tcr, 0)), sum(greatest(-o - tdr + tcr, 0)), sum(bdr), sum(greatest(-qo, 0)), sum(qcr), sum(greatest(qo + qdr - qcr, 0))
                FROM (SELECT account, subconto, currency, branch, sum(CASE WHEN is_opening THEN amount_dr - amount_cr ELSE 0 END) AS o,
                        sum(CASE WHEN is_opening THEN 0 ELSE amount_dr END) AS tdr, sum(CASE WHEN is_opening THEN 0 ELSE amount_cr END) AS tcr,
                        sum(CASE WHEN is_opening THEN base_dr - base_cr ELSE 0 END) AS bo,
                        sum(CASE WHEN is_opening THEN 0 ELSE base_dr END) AS bdr, sum(CASE WHEN is_opening THEN 0 ELSE base_cr END) AS bcr,
                        sum(CASE WHEN is_opening THEN quantity_dr - quantity_cr ELSE 0 END) AS qo,
                        sum(CASE WHEN is_opening THEN 0 ELSE quantity_dr END) AS qdr, sum(CASE WHEN is_opening THEN 0 ELSE quantity_cr END) AS qcr
                      FROM %s GROUP BY 1, 2, 3, 4) c
                GROUP BY 1, 2, 3 HAVING bool_or(o <> 0 OR tdr <> 0 OR tcr <> 0 OR o + tdr - tcr <> 0 OR bo <> 0 OR bdr <> 0 OR bcr <> 0 OR qo <> 0 OR qdr <> 0 OR qcr <> 0)', q.level, entries));
    WHEN 'account_statement' THEN
        RETURN pg_temp.rows_differ(format('SELECT account, subconto, corr_account, currency, branch, period, id, amount_dr::numeric, amount_cr::numeric, quantity_cr::numeric,
                amount_balance::numeric FROM accum.%I(%L, %L::timestamptz, %L::timestamptz, %L, %L)', q.r || '_account_statement', q.account, q.from_at, q.to_at, q.subconto, q.dimensions),
            format('SELECT account, subconto, corr_account, currency, branch, period, id, amount_dr, amount_cr, quantity_cr, b FROM (
                SELECT e.*, sum(amount_dr - amount_cr) OVER (PARTITION BY currency, branch ORDER BY period, recorded_at, id, side) AS b FROM %s WHERE pg_temp.below(account, %L) AND subconto @> %L) e WHERE NOT is_opening', entries, q.account, q.subconto));
    WHEN 'correspondence' THEN
        RETURN pg_temp.rows_differ(format('SELECT account_dr, account_cr, currency, branch, amount::numeric, base::numeric, quantity_dr::numeric FROM accum.%I(%L::timestamptz, %L::timestamptz, %L)', q.r || '_correspondence', q.from_at, q.to_at, q.dimensions),
            format('SELECT account_dr, account_cr, currency, branch, sum(amount)::numeric, sum(base)::numeric, sum(quantity_dr)::numeric FROM accum.%I WHERE period >= %L AND period < %L AND (%L OR currency IS NOT DISTINCT FROM %L) AND (%L OR branch = %L) GROUP BY 1, 2, 3, 4',
                q.r || '_movements', q.from_at, before, NOT q.dimensions ? 'currency', q.dimensions ->> 'currency', NOT q.dimensions ? 'branch', coalesce(q.dimensions ->> 'branch', '0')));
    END CASE;
END $$;
SELECT what, q.r, sum(pg_temp.answer(q, what)) FROM questions q, (VALUES ('balance'), ('trial_balance'), ('account_statement'), ('correspondence')) AS w (what)
GROUP BY 1, 2 ORDER BY 1, 2;
-- Debits are credits, and a day of the register's calendar is what its instants are.
SELECT r, bool_and(t.ok), count(*) > 3 FROM questions q,
    LATERAL (SELECT sum(amount_turnover_dr) = sum(amount_turnover_cr) AND sum(amount_opening_dr) = sum(amount_opening_cr) AND sum(amount_closing_dr) = sum(amount_closing_cr) AS ok
             FROM accum.ledger1_trial_balance(from_at, to_at, dimensions) GROUP BY currency, branch) AS t WHERE r = 'ledger1' GROUP BY r;
SELECT count(*) FROM (SELECT * FROM accum.ledger2_trial_balance('2018-02-18'::date, '2018-03-17'::date) EXCEPT ALL
    SELECT * FROM accum.ledger2_trial_balance('2018-02-18 00:00-03'::timestamptz, '2018-03-17 23:59:59.999999-03'::timestamptz)) d;
SELECT count(*) FROM (SELECT * FROM accum.ledger2_account_statement('60', '2018-02-18'::date, '2018-03-17'::date) EXCEPT ALL
    SELECT * FROM accum.ledger2_account_statement('60', '2018-02-18 00:00-03'::timestamptz, '2018-03-17 00:00-03'::timestamptz)) d;
SELECT accum.ledger2_balance('60', NULL, NULL, '2018-03-17'::date) = accum.ledger2_balance('60', at_date => '2018-03-17 23:59:59.999999-03'),
    accum.ledger2_balance('60') = accum.ledger2_balance('60', at_date => 'infinity'), accum.ledger4_balance() = accum.ledger4_balance(at_date => '2100-01-01');

-- Rebuilt, they stay what they are.
SELECT accum.register_rebuild_totals(name) > 0, accum.register_rebuild_cache(name) > 0 FROM accum._registers WHERE name LIKE 'ledger_' ORDER BY name;
SELECT count(*) FILTER (WHERE status <> 'OK'), bool_and(accum.register_ledger_verify(name)) FROM accum._registers, accum.register_verify(name) WHERE name LIKE 'ledger_';
SELECT sum(pg_temp.differences(r, 'accum.' || r || '_balances', NULL)) FROM (SELECT 'ledger' || i AS r FROM generate_series(1, 4) AS i) AS registers;
-- Documents taken back, nothing is left.
SELECT accum.register_unpost(name, ARRAY(SELECT 'doc' || i FROM generate_series(0, 39) AS i)) > 0 FROM accum._registers WHERE name LIKE 'ledger_' ORDER BY name;
SELECT accum.register_ledger_verify(name), (SELECT movements_count FROM accum.register_list() l WHERE l.name = r.name) FROM accum._registers r WHERE name LIKE 'ledger_' ORDER BY name;
SELECT accum.register_drop(name, true) FROM accum._registers WHERE name LIKE 'ledger_' ORDER BY name;
