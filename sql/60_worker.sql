-- Background workers, and watching registers.

CREATE FUNCTION accum._maintenance_status()
    RETURNS TABLE (pid int, worker_name text, state text, query text, started_at timestamptz)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT a.pid, a.backend_type, a.state, a.query, a.backend_start
    FROM pg_stat_activity a
    WHERE a.backend_type IN ('pg_accumulator launcher', 'pg_accumulator worker')
    ORDER BY a.backend_start;
END;
COMMENT ON FUNCTION accum._maintenance_status() IS
    'The launcher and the workers that are there now, of all databases; query says what they are doing. No rows for roles that may not see others'' activity (pg_read_all_stats), and none when pg_accumulator is not in shared_preload_libraries.';

CREATE FUNCTION accum._is_setting(name text) RETURNS boolean
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_is_setting';
COMMENT ON FUNCTION accum._is_setting(text) IS
    'True for the name of a setting of pg_accumulator; NULL for NULL. A query that calls it knows these settings.';

CREATE VIEW accum._config WITH (security_invoker = true) AS
    SELECT s.name, s.setting, s.unit, s.short_desc
    FROM pg_settings s
    WHERE accum._is_setting(s.name);
COMMENT ON VIEW accum._config IS
    'The settings of pg_accumulator as this session has them.';
GRANT SELECT ON accum._config TO PUBLIC;

CREATE FUNCTION accum._register_counters(
    movements regclass,
    OUT posts bigint, OUT unposts bigint, OUT reposts bigint,
    OUT movements_in bigint, OUT movements_out bigint, OUT derived_rows_written bigint,
    OUT deltas_folded bigint, OUT worker_errors bigint,
    OUT last_fold timestamptz, OUT stats_reset timestamptz)
    LANGUAGE C VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'accum_register_counters';
COMMENT ON FUNCTION accum._register_counters(regclass) IS
    'Counters of the register with this movements table, zero where nothing was counted; all NULL when pg_accumulator is not in shared_preload_libraries, or there is no room for more registers, or for NULL.';

CREATE FUNCTION accum._register_pending(
    movements regclass, OUT deltas bigint, OUT oldest_age interval)
    LANGUAGE C STABLE STRICT
    AS 'MODULE_PATHNAME', 'accum_register_pending';
COMMENT ON FUNCTION accum._register_pending(regclass) IS
    'How many deltas of the register with this movements table are to be folded, and how old the oldest is; NULL when the caller may not read them.';

CREATE VIEW accum.stat_registers WITH (security_invoker = true) AS
    SELECT r.name, c.posts, c.unposts, c.reposts, c.movements_in, c.movements_out,
           c.derived_rows_written, p.deltas AS deltas_pending, c.deltas_folded,
           p.oldest_age AS oldest_pending_age, c.last_fold, c.worker_errors, c.stats_reset
    FROM accum._registers r
         JOIN accum._register_relations m ON m.register = r.name AND m.role = 'movements'
         CROSS JOIN LATERAL accum._register_counters(m.relation) c
         CROSS JOIN LATERAL accum._register_pending(m.relation) p;
COMMENT ON VIEW accum.stat_registers IS
    'What was done to each register of this database since stats_reset. Counters are NULL when pg_accumulator is not in shared_preload_libraries; pending deltas are NULL for whoever may not read them.';
GRANT SELECT ON accum.stat_registers TO PUBLIC;

CREATE FUNCTION accum.stat_registers_reset() RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_stat_registers_reset';
COMMENT ON FUNCTION accum.stat_registers_reset() IS
    'Set the counters of this database''s registers to zero. EXECUTE must be granted to whoever is not superuser; without shared_preload_libraries it does nothing.';
REVOKE EXECUTE ON FUNCTION accum.stat_registers_reset() FROM PUBLIC;
