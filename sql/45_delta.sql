-- Deltas of registers with high_write, and folding them.

CREATE FUNCTION accum._delta_merge_register(p_name text, p_max_age interval DEFAULT '2 seconds', p_batch_size int DEFAULT 10000) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_delta_merge_register';
COMMENT ON FUNCTION accum._delta_merge_register(text, interval, int) IS
    'Fold at most p_batch_size deltas of a register that are at least p_max_age old into balance cache and totals; returns how many. Deltas that another session is folding are left to it; deltas of a cell whose sum does not fit its column stay pending, with a warning. 0 for a register without deltas. The caller needs INSERT on the movements table. Errors: 42704 when there is no such register, 22023 for a negative age or a batch size below 1.';

CREATE FUNCTION accum._delta_merge(p_max_age interval DEFAULT '2 seconds', p_batch_size int DEFAULT 10000) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_delta_merge';
COMMENT ON FUNCTION accum._delta_merge(interval, int) IS
    'Fold at most p_batch_size deltas, at least p_max_age old, of each register that the caller may INSERT into; returns how many in all. Errors: 22023 for a negative age or a batch size below 1.';

CREATE FUNCTION accum._force_delta_merge(p_max_age interval DEFAULT '0 seconds', p_batch_size int DEFAULT 1000000) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_delta_merge';
COMMENT ON FUNCTION accum._force_delta_merge(interval, int) IS
    'As _delta_merge, by default for all deltas whatever their age.';

CREATE FUNCTION accum._delta_flush_register(p_name text) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_delta_flush_register';
COMMENT ON FUNCTION accum._delta_flush_register(text) IS
    'Fold all deltas of a register; returns the number of cells that changed. The caller needs INSERT on the movements table. Errors: 42704 when there is no such register.';

CREATE FUNCTION accum._delta_count(p_name text) RETURNS bigint
    LANGUAGE C STABLE
    AS 'MODULE_PATHNAME', 'accum_delta_count';
COMMENT ON FUNCTION accum._delta_count(text) IS
    'How many deltas of a register are pending; 0 for a register without high_write. Needs SELECT on the table of deltas. Errors: 42704 when there is no such register.';
