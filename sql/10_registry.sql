-- The registry: what registers there are.  Everybody may read it, as everybody
-- may read the catalogs; rows are written by the C functions only, after they
-- have checked the caller's rights.

GRANT USAGE ON SCHEMA accum TO PUBLIC;
COMMENT ON SCHEMA accum IS
    'Accumulation registers: the functions of pg_accumulator and the relations of all registers.';

CREATE TABLE accum._registers (
    name          text COLLATE "C" PRIMARY KEY
                  CHECK (name ~ '^[a-z][a-z0-9_]*$' AND octet_length(name) <= 42),
    kind          text NOT NULL CHECK (kind IN ('balance', 'turnover', 'ledger')),
    dimensions    jsonb NOT NULL,
    resources     jsonb NOT NULL,
    attributes    jsonb NOT NULL DEFAULT '[]',
    totals_period text NOT NULL CHECK (totals_period IN ('day', 'month', 'year')),
    partition_by  text NOT NULL CHECK (partition_by IN ('day', 'month', 'quarter', 'year')),
    high_write    boolean NOT NULL DEFAULT false,
    recorder_type text NOT NULL,
    time_zone     text NOT NULL,
    year_start    integer NOT NULL DEFAULT 1 CHECK (year_start BETWEEN 1 AND 12),
    limits        jsonb NOT NULL DEFAULT '[]',
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    archived_before    date,
    archived_movements bigint NOT NULL DEFAULT 0,
    history       boolean NOT NULL DEFAULT false,
    archived_at   timestamptz,
    chart         text CHECK (chart IS NULL OR (chart IN ('open', 'strict') AND kind = 'ledger')),
    secured       text
);
COMMENT ON TABLE accum._registers IS
    'The registers of this database, one row each. dimensions, resources and attributes are arrays of {"name", "type"} in column order, a resource of a ledger may have "balanced": false; limits is an array of {"name", "check", "every_date"}. archived_before: the first day that is not archived, NULL when nothing is; archived_movements: how many movements before it there were; archived_at: when that day was moved last. history: movements are never removed, reversals are added. chart: whether a ledger''s chart of accounts is strict, NULL when it has none. secured: the dimension by which register_secure keeps documents and rows apart, NULL when it does not.';
GRANT SELECT ON accum._registers TO PUBLIC;

CREATE TABLE accum._register_relations (
    relation regclass PRIMARY KEY,
    register text COLLATE "C" NOT NULL,
    role     text COLLATE "C" NOT NULL,
    UNIQUE (register, role)
);
COMMENT ON TABLE accum._register_relations IS
    'The relations of each register by role: movements, recorders, accounts, balance_cache_delta, balance_cache, totals_year, totals_month, totals_day.';
GRANT SELECT ON accum._register_relations TO PUBLIC;

CREATE TABLE accum._register_seeds (
    name text COLLATE "C" PRIMARY KEY,
    seed bigint NOT NULL
);
COMMENT ON TABLE accum._register_seeds IS
    'The secret that each register''s cells are hashed with. Not for reading: who knows it can choose dimension values that collide.';

CREATE TABLE accum._delta_merges (
    register  text COLLATE "C" PRIMARY KEY,
    merged_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE accum._delta_merges IS
    'When deltas of a register that has or had high_write were folded last; NULL when they never were.';
GRANT SELECT ON accum._delta_merges TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('accum._registers', '');
SELECT pg_catalog.pg_extension_config_dump('accum._register_relations', '');
SELECT pg_catalog.pg_extension_config_dump('accum._register_seeds', '');
SELECT pg_catalog.pg_extension_config_dump('accum._delta_merges', '');
