-- Partitions of movements.

CREATE FUNCTION accum.register_create_partitions(p_name text, p_ahead interval DEFAULT '6 months') RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_create_partitions';
COMMENT ON FUNCTION accum.register_create_partitions(text, interval) IS
    'Make the partitions of a register that are missing: from the current one to that which now + p_ahead lies in, and one for each unit that the default partition has rows of; these are moved there, and no sum changes. Returns how many were made, at most 366; a NOTICE tells when others are left. The caller must own the register. Waits for locks as lock_timeout allows: movements is locked against everybody while rows are moved. Errors: 42704 when there is no register, 22023 when p_ahead is NULL or negative, 22008 when it is out of range, 55P03 when a lock was not to be had in time, 55006 when this session is using the default partition.';

CREATE FUNCTION accum.register_partitions(p_name text)
    RETURNS TABLE (partition_name text, from_date timestamptz, to_date timestamptz,
                   row_count bigint, total_size text, is_default boolean)
    LANGUAGE C STABLE
    AS 'MODULE_PATHNAME', 'accum_register_partitions';
COMMENT ON FUNCTION accum.register_partitions(text) IS
    'The partitions of a register, by time, the default one last. from_date is inclusive, to_date exclusive; both are NULL for the default partition. row_count: counted in partitions of up to 1,000 pages, the planner''s estimate in larger ones; NULL when the caller may not read movements. total_size: with indexes. Errors: 42704 when there is no register.';
