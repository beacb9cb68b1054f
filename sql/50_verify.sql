-- Keeping derived tables right.

CREATE FUNCTION accum.register_verify(p_name text)
    RETURNS TABLE (check_type text, dim_hash bigint, period date, expected jsonb, actual jsonb, status text)
    LANGUAGE C STABLE
    AS 'MODULE_PATHNAME', 'accum_register_verify';
COMMENT ON FUNCTION accum.register_verify(text) IS
    'Compare each derived table with movements under one snapshot. One row with status OK for a table (check_type: balance_cache, totals_day, totals_month, totals_year) that is right, else its wrong rows: MISMATCH, MISSING_IN_CACHE, ORPHAN_IN_CACHE, MISSING_IN_TOTALS or ORPHAN_IN_TOTALS. Before them, with status WRONG_HASH and a warning, cells that stand under another hash than their own in movements or, where these are archived, in the finest totals. Needs SELECT on the register''s tables. Reads all movements.';

CREATE FUNCTION accum.register_ledger_verify(p_name text) RETURNS boolean
    LANGUAGE C STABLE
    AS 'MODULE_PATHNAME', 'accum_register_ledger_verify';
COMMENT ON FUNCTION accum.register_ledger_verify(text) IS
    'Are debits equal to credits in a ledger, for each combination of dimensions: in the balance cache, in each unit of each level of totals, and is what totals have debited what movements say? Of resources with "balanced": false nothing is asked. Under one snapshot. Needs SELECT on the register''s tables. Reads all movements. Errors: 42809 for a register of another kind.';

CREATE FUNCTION accum.register_repair(p_name text) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_repair';
COMMENT ON FUNCTION accum.register_repair(text) IS
    'Make the rows of derived tables that register_verify finds wrong what movements say, and leave all others and pending deltas alone; hashes of another seed are made anew, in movements too; returns how many rows were changed, added or removed. Writers wait, readers do not. The caller must own the register or have the right admin on it.';

CREATE FUNCTION accum.register_rebuild_totals(p_name text) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_rebuild_totals';
COMMENT ON FUNCTION accum.register_rebuild_totals(text) IS
    'Make all totals anew from movements; returns the number of rows. Where cells have hashes of another seed, these are made anew first, in movements too, and the balance cache as well. Writers wait, readers do not. The caller must own the register or have the right admin on it.';

CREATE FUNCTION accum.register_rebuild_cache(p_name text, p_dim_hash bigint DEFAULT NULL) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_rebuild_cache';
COMMENT ON FUNCTION accum.register_rebuild_cache(text, bigint) IS
    'Make the balance cache, or with p_dim_hash one cell of it, anew from movements; returns the number of cells. Rows of cells without movements go. Where cells have hashes of another seed, these are made anew first, in movements too, and all totals as well. Writers wait, readers do not. The caller must own the register or have the right admin on it.';

CREATE FUNCTION accum._progress_row() RETURNS boolean
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_progress_row';
COMMENT ON FUNCTION accum._progress_row() IS
    'True; queries that read all movements call it for each of them, so that progress can be told.';

CREATE FUNCTION accum._progress(
    OUT pid int, OUT register text, OUT command text, OUT phase text,
    OUT movements_done bigint, OUT movements_total bigint, OUT started_at timestamptz)
    RETURNS SETOF record
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_progress';
COMMENT ON FUNCTION accum._progress() IS
    'The rows of the view accum.progress; none when pg_accumulator is not in shared_preload_libraries.';

CREATE VIEW accum.progress WITH (security_invoker = true) AS
    SELECT p.pid, p.register, p.command, p.phase, p.movements_done, p.movements_total,
           round(100.0 * p.movements_done / nullif(p.movements_total, 0), 1) AS percent,
           round(p.movements_done / nullif(extract(epoch FROM clock_timestamp() - p.started_at), 0)) AS movements_per_second,
           p.started_at
    FROM accum._progress() p;
COMMENT ON VIEW accum.progress IS
    'What sessions of this database are verifying, rebuilding or archiving, and how far they have come: movements read of about so many, NULL to who may not read all movements, unless with the rights of pg_read_all_stats, and of work by who may not. Has no rows when pg_accumulator is not in shared_preload_libraries.';
GRANT SELECT ON accum.progress TO PUBLIC;

CREATE FUNCTION accum.register_prune(p_name text) RETURNS TABLE (table_name text, rows_removed bigint)
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_prune';
COMMENT ON FUNCTION accum.register_prune(text) IS
    'Remove rows of a register''s derived tables that have no movements any more; one row for each table says how many. Never removes a row with movements, or with a sum. Deltas are folded first. Writers wait, readers do not. The caller must own the register or have the right admin on it. Errors: 42704 when there is none, 22003 when deltas do not fit.';

CREATE FUNCTION accum.register_known_until(p_name text) RETURNS timestamptz
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_known_until';
COMMENT ON FUNCTION accum.register_known_until(text) IS
    'Wait for the transactions that are writing a register with history, and return a moment before the wait: up to it, answers to questions with known_at that later statements ask never change. Needs SELECT on movements. Errors: 42704 when there is no such register, 22023 when it was created without history, 25001 when the transaction has written to it itself or is REPEATABLE READ or SERIALIZABLE, 55P03 after lock_timeout, 25006 on a standby.';
