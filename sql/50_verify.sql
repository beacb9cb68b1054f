-- Keeping derived tables right.

CREATE FUNCTION accum.register_verify(p_name text)
    RETURNS TABLE (check_type text, dim_hash bigint, period date, expected jsonb, actual jsonb, status text)
    LANGUAGE C STABLE
    AS 'MODULE_PATHNAME', 'accum_register_verify';
COMMENT ON FUNCTION accum.register_verify(text) IS
    'Compare each derived table with movements under one snapshot. One row with status OK for a table (check_type: balance_cache, totals_day, totals_month, totals_year) that is right, else its wrong rows: MISMATCH, MISSING_IN_CACHE, ORPHAN_IN_CACHE, MISSING_IN_TOTALS or ORPHAN_IN_TOTALS. Needs SELECT on the register''s tables. Reads all movements.';

CREATE FUNCTION accum.register_repair(p_name text) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_repair';
COMMENT ON FUNCTION accum.register_repair(text) IS
    'Make the rows of derived tables that register_verify finds wrong what movements say, and leave all others and pending deltas alone; returns how many rows were changed, added or removed. Writers wait, readers do not. The caller must own the register.';

CREATE FUNCTION accum.register_rebuild_totals(p_name text) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_rebuild_totals';
COMMENT ON FUNCTION accum.register_rebuild_totals(text) IS
    'Make all totals anew from movements; returns the number of rows. Writers wait, readers do not. The caller must own the register.';

CREATE FUNCTION accum.register_rebuild_cache(p_name text, p_dim_hash bigint DEFAULT NULL) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_rebuild_cache';
COMMENT ON FUNCTION accum.register_rebuild_cache(text, bigint) IS
    'Make the balance cache, or with p_dim_hash one cell of it, anew from movements; returns the number of cells. Rows of cells without movements go. Writers wait, readers do not. The caller must own the register.';
