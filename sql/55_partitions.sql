-- Partitions of movements.

CREATE FUNCTION accum.register_create_partitions(p_name text, p_ahead interval DEFAULT '6 months') RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_create_partitions';
COMMENT ON FUNCTION accum.register_create_partitions(text, interval) IS
    'Make the partitions of a register that are missing: from the current one to that which now + p_ahead lies in, and one for each unit that the default partition has rows of; these are moved there, and no sum changes. Returns how many were made, at most 366; a NOTICE tells when others are left. The caller must own the register or have the right admin on it. Waits for locks as lock_timeout allows: movements is locked against everybody while rows are moved. Errors: 42704 when there is no register, 22023 when p_ahead is NULL or negative, 22008 when it is out of range, 55P03 when a lock was not to be had in time, 55006 when this session is using the default partition.';

CREATE FUNCTION accum.register_partitions(p_name text)
    RETURNS TABLE (partition_name text, from_date timestamptz, to_date timestamptz,
                   row_count bigint, total_size text, is_default boolean)
    LANGUAGE C STABLE
    AS 'MODULE_PATHNAME', 'accum_register_partitions';
COMMENT ON FUNCTION accum.register_partitions(text) IS
    'The partitions of a register, by time, the default one last. from_date is inclusive, to_date exclusive; both are NULL for the default partition. row_count: counted in partitions of up to 1,000 pages, the planner''s estimate in larger ones; NULL when the caller may not read movements. total_size: with indexes. Errors: 42704 when there is no register.';

CREATE FUNCTION accum.register_detach_partitions(p_name text, p_older_than interval DEFAULT '2 years') RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_detach_partitions';
COMMENT ON FUNCTION accum.register_detach_partitions(text, interval) IS
    'Archive the movements of a register that are older than p_older_than: their partitions become tables of their own, which may be dumped and dropped. What the default partition has of that time goes with them. Balances, totals and questions that totals answer stay as they are; movements before the horizon cannot be written, corrected or asked for any more. The horizon is the latest day before which all is older, and on which a partition and a unit of the finest totals begin. Returns how many partitions were detached, at most 366; 0 when there is nothing to do. The caller must own the register or, in one without history, have the right admin on it. Takes ACCESS EXCLUSIVE on movements and waits for it as lock_timeout allows. Errors: 42704 when there is no register, 22023 when p_older_than is NULL or negative, 22008 when it is out of range, 55000 when the totals of that time are not right, 22003 when deltas do not fit, 55P03 when a lock was not to be had in time, 55006 when this session is using movements.';

CREATE FUNCTION accum.register_drop_empty_partitions(p_name text) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_drop_empty_partitions';
COMMENT ON FUNCTION accum.register_drop_empty_partitions(text) IS
    'Drop the partitions of a register that have no movements and whose time is over; returns how many, at most 366. The caller must own the register or have the right admin on it. Takes ACCESS EXCLUSIVE on movements, if there are any to drop, and waits for it as lock_timeout allows. Errors: 42704 when there is no register, 55P03 when a lock was not to be had in time.';
