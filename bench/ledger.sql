-- Four solutions of one task, for bench/ledger: transfers between accounts.

\set QUIET on
SET client_min_messages = warning;
SET pg_accumulator.partitions_ahead = 0;

SELECT accum.register_create(name, '{"currency": "text"}', '{"amount": "numeric(18,2)"}', kind => 'ledger', high_write => high_write)
FROM (VALUES ('standard', false), ('high_write', true)) AS ledgers (name, high_write) \g /dev/null

-- All accounts are there, and so is the partition.
SELECT accum.register_post(name, jsonb_agg(jsonb_build_object('recorder', 'first', 'period', '2026-05-17 10:00+00', 'currency', 'EUR',
    'account_dr', 'a' || i, 'account_cr', 'a' || i)))
FROM (VALUES ('standard'), ('high_write')) AS ledgers (name), generate_series(1, 1000) AS i GROUP BY name \g /dev/null
SELECT accum._delta_flush_register('high_write') \g /dev/null

CREATE TABLE plain (LIKE accum.standard_movements INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)
    PARTITION BY RANGE (period);
CREATE TABLE plain_2026_05 PARTITION OF plain FOR VALUES FROM ('2026-05-01 00:00+00') TO ('2026-06-01 00:00+00');

CREATE TABLE posting (LIKE plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES) PARTITION BY RANGE (period);
CREATE TABLE posting_2026_05 PARTITION OF posting FOR VALUES FROM ('2026-05-01 00:00+00') TO ('2026-06-01 00:00+00');
CREATE TABLE account (account text, currency text, debit numeric(18,2) NOT NULL DEFAULT 0,
    credit numeric(18,2) NOT NULL DEFAULT 0, PRIMARY KEY (account, currency)) WITH (fillfactor = 50);
INSERT INTO account (account, currency) SELECT 'a' || i, 'EUR' FROM generate_series(1, 1000) AS i;

CREATE FUNCTION bench.plain(n bigint, dr int, cr int, amount numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO plain (recorder, period, dim_hash_dr, dim_hash_cr, account_dr, account_cr, currency, amount)
    VALUES ('d' || n, '2026-05-17 10:00+00', dr, cr, 'a' || dr, 'a' || cr, 'EUR', plain.amount);
END $$;
CREATE FUNCTION bench.by_hand(n bigint, dr int, cr int, amount numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- In one order, whoever pays whom: otherwise two transfers can wait for each other.
    PERFORM FROM account a WHERE a.account IN ('a' || dr, 'a' || cr) AND a.currency = 'EUR' ORDER BY a.account FOR NO KEY UPDATE;
    INSERT INTO posting (recorder, period, dim_hash_dr, dim_hash_cr, account_dr, account_cr, currency, amount)
    VALUES ('d' || n, '2026-05-17 10:00+00', dr, cr, 'a' || dr, 'a' || cr, 'EUR', by_hand.amount);
    UPDATE account a SET debit = debit + by_hand.amount WHERE a.account = 'a' || dr AND a.currency = 'EUR';
    UPDATE account a SET credit = credit + by_hand.amount WHERE a.account = 'a' || cr AND a.currency = 'EUR';
END $$;
CREATE FUNCTION bench.register(n bigint, dr int, cr int, amount numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM accum.register_post('standard', jsonb_build_object('recorder', 'd' || n, 'period', '2026-05-17T10:00:00Z',
        'account_dr', 'a' || dr, 'account_cr', 'a' || cr, 'currency', 'EUR', 'amount', amount));
END $$;
CREATE FUNCTION bench.high_write(n bigint, dr int, cr int, amount numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM accum.register_post('high_write', jsonb_build_object('recorder', 'd' || n, 'period', '2026-05-17T10:00:00Z',
        'account_dr', 'a' || dr, 'account_cr', 'a' || cr, 'currency', 'EUR', 'amount', amount));
END $$;

-- The same transfers in each way.
CREATE UNLOGGED TABLE bench.transfer (n int PRIMARY KEY, dr int, cr int);
INSERT INTO bench.transfer
    SELECT i, 1 + (hashint4extended(i, 1) & 2147483647) % 1000, 1 + (hashint4extended(i, 2) & 2147483647) % 1000 FROM generate_series(1, 5000) AS i;
SELECT bench.procedure('transfer_' || way, 'bench.transfer', format('PERFORM bench.%I(s.n, s.dr, s.cr, 100)', way))
FROM unnest(ARRAY['plain', 'by_hand', 'register', 'high_write']) AS way \g /dev/null

-- Is what each has made of its postings right?
CREATE FUNCTION bench.ledgers_agree() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    ASSERT accum.register_ledger_verify('standard') AND accum.register_ledger_verify('high_write');
    ASSERT NOT EXISTS (SELECT FROM accum.register_verify('standard') WHERE status <> 'OK');
    ASSERT NOT EXISTS (SELECT FROM accum.register_verify('high_write') WHERE status <> 'OK');
    ASSERT (SELECT sum(debit) FROM account) = (SELECT sum(amount) FROM posting);
END $$;
