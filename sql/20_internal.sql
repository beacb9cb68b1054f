-- What the generated objects of registers call.  Not for direct use, though
-- harmless: each checks what it is given and runs with the caller's rights.

CREATE FUNCTION accum._movement_id() RETURNS uuid
    LANGUAGE C VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'accum_movement_id';
COMMENT ON FUNCTION accum._movement_id() IS
    'A new time-ordered identifier (UUID version 7), greater than all before it in this session. Default of movements.id.';

CREATE FUNCTION accum._movement_prepare() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'accum_movement_prepare';
COMMENT ON FUNCTION accum._movement_prepare() IS
    'BEFORE INSERT row trigger on movements: checks the row and computes dim_hash.';

CREATE FUNCTION accum._movements_changed() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'accum_movements_changed';
COMMENT ON FUNCTION accum._movements_changed() IS
    'AFTER INSERT or DELETE statement trigger on movements: brings the derived tables up to date.';

CREATE FUNCTION accum._guard_movements() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'accum_guard_movements';
COMMENT ON FUNCTION accum._guard_movements() IS
    'Statement trigger on movements: refuses UPDATE and TRUNCATE.';

CREATE FUNCTION accum._guard_partition() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'accum_guard_partition';
COMMENT ON FUNCTION accum._guard_partition() IS
    'Statement trigger on partitions of movements: refuses DML that does not go through movements.';

CREATE FUNCTION accum._guard_derived() RETURNS trigger
    LANGUAGE C AS 'MODULE_PATHNAME', 'accum_guard_derived';
COMMENT ON FUNCTION accum._guard_derived() IS
    'Statement trigger on derived tables: refuses all DML but the engine''s own.';

CREATE FUNCTION accum._chart_changes() RETURNS trigger
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_chart_changes';
COMMENT ON FUNCTION accum._chart_changes() IS
    'BEFORE and AFTER statement trigger on charts of accounts: refuses TRUNCATE, waits for transactions that have posted, checks dimensions, and has sessions read the chart anew.';

CREATE FUNCTION accum._note_row(dim_hash bigint) RETURNS bigint
    LANGUAGE C VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'accum_note_row';
COMMENT ON FUNCTION accum._note_row(bigint) IS
    'Returns its argument; lets an error in a statement of the engine name the cell it came to.';

CREATE FUNCTION accum._balance(movements regclass, dimensions jsonb, before timestamptz,
                               known_at timestamptz DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE C STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_balance';
COMMENT ON FUNCTION accum._balance(regclass, jsonb, timestamptz, timestamptz) IS
    'Body of <register>_balance; movements is the register''s movements table; NULL for before is the balance of all movements; known_at: of those recorded up to then, NULL for those of today.';

CREATE FUNCTION accum._turnover(movements regclass, from_date timestamptz, before timestamptz,
                                dimensions jsonb, group_by jsonb, known_at timestamptz DEFAULT NULL)
    RETURNS SETOF jsonb
    LANGUAGE C STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_turnover';
COMMENT ON FUNCTION accum._turnover(regclass, timestamptz, timestamptz, jsonb, jsonb, timestamptz) IS
    'Body of <register>_turnover: sums over [from_date, before); NULL is open; known_at as in _balance.';

CREATE FUNCTION accum._statement(movements regclass, from_date timestamptz, before timestamptz,
                                 dimensions jsonb, group_by jsonb, unit text, fill boolean)
    RETURNS SETOF record
    LANGUAGE C STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_statement';
COMMENT ON FUNCTION accum._statement(regclass, timestamptz, timestamptz, jsonb, jsonb, text, boolean) IS
    'Body of <register>_statement, over [from_date, before); NULL is open.';

-- The next ones depend on their arguments and on a register's definition only,
-- so a constant argument is worked out once, when a query is planned.

CREATE FUNCTION accum._filter_valid(movements regclass, dimensions jsonb) RETURNS boolean
    LANGUAGE C IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_filter_valid';
COMMENT ON FUNCTION accum._filter_valid(regclass, jsonb) IS
    'True when dimensions is an object of dimensions of the register and values of their types, or NULL; an error otherwise.';

CREATE FUNCTION accum._filter_text(movements regclass, dimensions jsonb, dimension text) RETURNS text
    LANGUAGE C IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_filter_text';
COMMENT ON FUNCTION accum._filter_text(regclass, jsonb, text) IS
    'The value of a dimension in dimensions, as text of the dimension''s type; NULL when there is none or it is null.';

CREATE FUNCTION accum._bound_after(movements regclass, bound timestamptz) RETURNS timestamptz
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_bound_after';
COMMENT ON FUNCTION accum._bound_after(regclass, timestamptz) IS
    'The first instant after an inclusive upper bound: the end of the day for a midnight of the register''s time zone, else one microsecond later.';

CREATE FUNCTION accum._bound_after(movements regclass, bound date) RETURNS timestamptz
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_bound_after_date';
COMMENT ON FUNCTION accum._bound_after(regclass, date) IS
    'The first instant after a day of the register''s calendar.';

CREATE FUNCTION accum._day_start(movements regclass, day date) RETURNS timestamptz
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_day_start';
COMMENT ON FUNCTION accum._day_start(regclass, date) IS
    'The first instant of a day of the register''s calendar.';

CREATE FUNCTION accum._history_day(movements regclass, before timestamptz, unit text) RETURNS date
    LANGUAGE C IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_history_day';
COMMENT ON FUNCTION accum._history_day(regclass, timestamptz, text) IS
    'The first day of the unit that an instant lies in; infinity for NULL.';

CREATE FUNCTION accum._detail_from(movements regclass, from_date timestamptz, before timestamptz) RETURNS timestamptz
    LANGUAGE C STABLE
    AS 'MODULE_PATHNAME', 'accum_detail_from';
COMMENT ON FUNCTION accum._detail_from(regclass, timestamptz, timestamptz) IS
    'from_date, or -infinity for NULL, for a question that reads the movements of [from_date, before). Errors: 55000 where some of them are archived, 40001 where some have moved to another partition since the snapshot was taken.';

CREATE FUNCTION accum._unit_start(movements regclass, day date, unit text) RETURNS date
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_unit_start_date';
COMMENT ON FUNCTION accum._unit_start(regclass, date, text) IS
    'The first day of the calendar unit of the register that holds a day.';

CREATE FUNCTION accum._unit_start(movements regclass, period timestamptz, unit text) RETURNS date
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'accum_unit_start_instant';
COMMENT ON FUNCTION accum._unit_start(regclass, timestamptz, text) IS
    'The first day of the calendar unit of the register that holds a period.';

CREATE FUNCTION accum._cells_with_deltas(movements regclass, cells bigint[]) RETURNS bigint[]
    LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100
    AS 'MODULE_PATHNAME', 'accum_cells_with_deltas';
COMMENT ON FUNCTION accum._cells_with_deltas(regclass, bigint[]) IS
    'Of cells, by dim_hash, those that may have deltas which are not folded; all of them for who may not see all deltas, and at SERIALIZABLE. NULL for NULL. Errors: 22004 where one is NULL, 42704 for what is not the movements table of a register.';

CREATE FUNCTION accum._movements_count(p_name text) RETURNS bigint
    LANGUAGE C STABLE STRICT
    AS 'MODULE_PATHNAME', 'accum_movements_count';
COMMENT ON FUNCTION accum._movements_count(text) IS
    'How many movements a register has, from its year totals; NULL when the caller may not read them.';

CREATE FUNCTION accum._register_movements(p_name text) RETURNS regclass
    LANGUAGE C STABLE
    AS 'MODULE_PATHNAME', 'accum_register_movements';
COMMENT ON FUNCTION accum._register_movements(text) IS
    'The movements table of a register; 42704 when there is no such register.';

CREATE FUNCTION accum._columns_object(columns jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
RETURN (SELECT coalesce(jsonb_object_agg(c ->> 'name', c ->> 'type'), '{}')
        FROM jsonb_array_elements(columns) AS c);
COMMENT ON FUNCTION accum._columns_object(jsonb) IS
    'Columns as the registry keeps them, an array of {"name", "type"}, as an object {name: type}.';

CREATE FUNCTION accum._unused_rows(movements regclass, role text) RETURNS bigint
    LANGUAGE C VOLATILE STRICT
    AS 'MODULE_PATHNAME', 'accum_unused_rows';
COMMENT ON FUNCTION accum._unused_rows(regclass, text) IS
    'Rows of a derived table that have no movements: counted up to 100,000 rows, estimated from a sample of pages above; NULL when the register has no such table or the caller may not read it.';

CREATE FUNCTION accum._row_count(relation regclass) RETURNS bigint
    LANGUAGE C STABLE STRICT
    AS 'MODULE_PATHNAME', 'accum_row_count';
COMMENT ON FUNCTION accum._row_count(regclass) IS
    'Rows of a table: counted up to 1,000 pages, the planner''s estimate above; NULL when the caller may not read it.';
