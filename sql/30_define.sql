-- Defining registers.

CREATE FUNCTION accum.register_create(
    name text, dimensions jsonb, resources jsonb,
    kind text DEFAULT 'balance', totals_period text DEFAULT 'day',
    partition_by text DEFAULT 'month', high_write boolean DEFAULT false,
    recorder_type text DEFAULT 'text', time_zone text DEFAULT 'UTC',
    attributes jsonb DEFAULT NULL, year_start integer DEFAULT 1,
    limits jsonb DEFAULT NULL, history boolean DEFAULT false, chart text DEFAULT NULL)
    RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_create';
COMMENT ON FUNCTION accum.register_create(text, jsonb, jsonb, text, text, text, boolean, text, text, jsonb, integer, jsonb, boolean, text) IS
    'Create a register; the caller owns its tables and functions. name: lower-case letters, digits, underscores, at most 42 bytes. dimensions, resources, attributes: {name: type} or [{"name", "type"}]. kind: balance, turnover or ledger. totals_period: finest totals kept, day, month or year. partition_by: day, month, quarter or year. time_zone: calendar of totals, partitions and bounds. year_start: first month of a year. limits: [{"name", "check", "every_date"}], where check is an SQL expression over dimensions and resources that no new balance may make false; NULL is none. history: movements are never removed, unpost and repost add reversals (NULL: false). chart: open or strict gives a ledger a chart of accounts; NULL is none. Errors: 22023 for bad arguments, 42710 when the register exists, 42501 without CREATE on schema accum.';

CREATE FUNCTION accum.register_create_sql(
    name text, dimensions jsonb, resources jsonb,
    kind text DEFAULT 'balance', totals_period text DEFAULT 'day',
    partition_by text DEFAULT 'month', high_write boolean DEFAULT false,
    recorder_type text DEFAULT 'text', time_zone text DEFAULT 'UTC',
    attributes jsonb DEFAULT NULL, year_start integer DEFAULT 1,
    limits jsonb DEFAULT NULL, history boolean DEFAULT false, chart text DEFAULT NULL)
    RETURNS text
    LANGUAGE C STABLE
    AS 'MODULE_PATHNAME', 'accum_register_create_sql';
COMMENT ON FUNCTION accum.register_create_sql(text, jsonb, jsonb, text, text, text, boolean, text, text, jsonb, integer, jsonb, boolean, text) IS
    'The SQL that register_create with the same arguments would run, but for the registry''s rows and the first partitions.';

CREATE FUNCTION accum.register_alter(
    p_name text, add_dimensions jsonb DEFAULT NULL, add_resources jsonb DEFAULT NULL,
    high_write boolean DEFAULT NULL, add_attributes jsonb DEFAULT NULL,
    limits jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_alter';
COMMENT ON FUNCTION accum.register_alter(text, jsonb, jsonb, boolean, jsonb, jsonb) IS
    'Add dimensions, resources and attributes to a register, or change its mode or its limits; the caller must own it. add_dimensions, add_resources, add_attributes: {name: type} or [{"name", "type"}]; in movements that are there a new dimension or attribute is NULL, a new resource 0. limits: as in register_create, in the place of those that the register has; [] is none, NULL leaves them. Locks the register against readers, too. Errors: 42704 when there is none, 22023 for bad arguments and for a required dimension when the register holds movements, 2BP01 when other objects depend on what has a column for each dimension and resource, 23514 when a cell breaks a limit that is added.';

CREATE FUNCTION accum.register_clear(p_name text, force boolean DEFAULT false) RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_clear';
COMMENT ON FUNCTION accum.register_clear(text, boolean) IS
    'Empty a register: its movements, documents, balances and totals; the caller must own it. Locks the register against readers, too. Errors: 42704 when there is none, 55000 when it holds movements and force is not true (NULL: false), when any of it is closed, and when it was created with history.';

CREATE FUNCTION accum.register_drop(name text, force boolean DEFAULT false) RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_drop';
COMMENT ON FUNCTION accum.register_drop(text, boolean) IS
    'Drop a register with its tables and functions; the caller must own it. Errors: 42704 when there is none, 55000 when it holds movements and force is not true, 2BP01 when other objects depend on it.';

CREATE FUNCTION accum._guard_drop() RETURNS event_trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'accum_guard_drop';
COMMENT ON FUNCTION accum._guard_drop() IS
    'Event trigger: refuses to drop a relation of a register but through register_drop.';

CREATE EVENT TRIGGER accum_guard_drop ON sql_drop EXECUTE FUNCTION accum._guard_drop();
COMMENT ON EVENT TRIGGER accum_guard_drop IS
    'Keeps relations of registers from being dropped by themselves.';

CREATE FUNCTION accum.register_list()
    RETURNS TABLE (name text, kind text, dimensions int, resources int,
                   movements_count bigint, created_at timestamptz)
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT r.name, r.kind, jsonb_array_length(r.dimensions), jsonb_array_length(r.resources),
           accum._movements_count(r.name), r.created_at
    FROM accum._registers r
    ORDER BY r.name;
END;
COMMENT ON FUNCTION accum.register_list() IS
    'All registers by name. movements_count comes from year totals: exact, without a scan of movements; NULL for a register whose totals the caller may not read.';

CREATE FUNCTION accum.register_info(p_name text) RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'name', r.name,
        'kind', r.kind,
        'dimensions', accum._columns_object(r.dimensions),
        'resources', accum._columns_object(r.resources),
        'attributes', accum._columns_object(r.attributes),
        'totals_period', r.totals_period,
        'partition_by', r.partition_by,
        'high_write', r.high_write,
        'recorder_type', r.recorder_type,
        'time_zone', r.time_zone,
        'year_start', r.year_start,
        'limits', r.limits,
        'history', r.history,
        'closed_through', (SELECT max(c.through) FROM accum.register_closings c
                           WHERE c.register = r.name AND c.dimensions IS NULL AND c.reopened_at IS NULL),
        'created_at', r.created_at,
        'movements_count', accum._movements_count(r.name),
        'archived_before', r.archived_before,
        'archived_movements', r.archived_movements,
        'tables', (SELECT jsonb_object_agg(t.role, c.relname)
                   FROM accum._register_relations t JOIN pg_class c ON c.oid = t.relation
                   WHERE t.register = r.name),
        'partitions', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                  'name', c.relname,
                                  'range', pg_get_expr(c.relpartbound, c.oid)) ORDER BY c.relname), '[]')
                       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                       WHERE i.inhparent = m.relation))
        || CASE WHEN r.chart IS NULL THEN '{}' ELSE jsonb_build_object('chart', r.chart) END
        || CASE WHEN r.secured IS NULL THEN '{}' ELSE jsonb_build_object('secured', jsonb_build_object(
               'dimension', r.secured,
               'using', (SELECT pg_get_expr(p.polqual, p.polrelid) FROM pg_policy p
                         WHERE p.polrelid = m.relation AND p.polname = 'accum_secure'))) END
    FROM accum._register_movements(p_name) AS m (relation)
         JOIN accum._register_relations t ON t.relation = m.relation
         JOIN accum._registers r ON r.name = t.register;
END;
COMMENT ON FUNCTION accum.register_info(text) IS
    'What a register is: definition, the day through which all of it is closed, relations by role, partitions and their ranges, archived_before (the first day whose movements are not archived, null when none are) and archived_movements, and movements_count (NULL when the caller may not read its totals); chart of a ledger that has one, and of a secured register the dimension and the expression. Errors: 42704 when there is none.';

CREATE FUNCTION accum.register_stats(p_name text) RETURNS jsonb
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'movements_count', accum._movements_count(p_name),
        'partitions_count', (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = m.relation),
        'cache_rows', max(accum._row_count(t.relation)) FILTER (WHERE t.role = 'balance_cache'),
        'totals_day_rows', max(accum._row_count(t.relation)) FILTER (WHERE t.role = 'totals_day'),
        'totals_month_rows', max(accum._row_count(t.relation)) FILTER (WHERE t.role = 'totals_month'),
        'totals_year_rows', max(accum._row_count(t.relation)) FILTER (WHERE t.role = 'totals_year'),
        'unused_rows', jsonb_object_agg(t.role, accum._unused_rows(m.relation, t.role))
            FILTER (WHERE t.role LIKE 'totals_%' OR t.role = 'balance_cache'),
        'delta_buffer_pending', CASE WHEN bool_or(t.role = 'balance_cache_delta')
            THEN max(accum._row_count(t.relation)) FILTER (WHERE t.role = 'balance_cache_delta') ELSE 0 END,
        'last_delta_merge', (SELECT d.merged_at FROM accum._delta_merges d WHERE d.register = own.register),
        'table_sizes', jsonb_object_agg(t.role, s.bytes))
    FROM accum._register_movements(p_name) AS m (relation)
         JOIN accum._register_relations own ON own.relation = m.relation
         JOIN accum._register_relations t ON t.register = own.register
         CROSS JOIN LATERAL (SELECT coalesce(sum(pg_total_relation_size(i.inhrelid)), 0)::bigint
                                    + pg_total_relation_size(t.relation) AS bytes
                             FROM pg_inherits i WHERE i.inhparent = t.relation) s
    GROUP BY m.relation, own.register;
END;
COMMENT ON FUNCTION accum.register_stats(text) IS
    'Size of a register: movements_count (exact, from year totals), partitions_count (with the default one), rows of the derived tables (counted up to 1,000 pages, estimated above; NULL for a table that the register does not have or the caller may not read), unused_rows: how many of them have no movements, by role (estimated from a sample above 100,000 rows; see register_prune), deltas pending and when any were folded last (NULL: never), and table_sizes in bytes by role, indexes included. Errors: 42704 when there is none.';
