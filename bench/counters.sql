-- What a measurement reads before and after, where it is kept, and how it is reported.

CREATE SCHEMA IF NOT EXISTS bench;

-- Processor time of this backend in us; NULL where the system does not tell.  The
-- kernel brings the second file up to date when the first one is read.
CREATE FUNCTION bench.cpu_us() RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_read_file('/proc/self/stat', 0, 1, true);
    RETURN split_part(pg_read_file('/proc/self/schedstat', 0, 64, true), ' ', 1)::float8 / 1000;
END $$;

CREATE VIEW bench.counters AS
    SELECT extract(epoch FROM clock_timestamp())::float8 * 1000000 AS us, bench.cpu_us() AS cpu_us,
           pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS wal;
CREATE VIEW bench.pages AS
    SELECT blks_hit + blks_read AS pages FROM pg_stat_database WHERE datname = current_database();

-- Round 0 warms up and is not reported.  Numbers are of one operation.
CREATE UNLOGGED TABLE bench.measurement (
    n int GENERATED ALWAYS AS IDENTITY, task text NOT NULL, way text NOT NULL, round int NOT NULL,
    us float8 NOT NULL, cpu_us float8, wal float8, pages float8, instructions float8);
CREATE UNLOGGED TABLE bench.target (task text PRIMARY KEY, ratio text NOT NULL);
