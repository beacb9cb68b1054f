-- Closed periods.

CREATE TABLE accum._register_closings (
    register    text COLLATE "C" NOT NULL,
    through     date NOT NULL,
    dimensions  jsonb NOT NULL,
    closed_at   timestamptz NOT NULL,
    closed_by   text NOT NULL,
    reopened_at timestamptz,
    reopened_by text
);
COMMENT ON TABLE accum._register_closings IS
    'What register_close and register_reopen have done: each closing, of all cells ({}) or of some, is in force until it was reopened. What a reopening leaves closed is a row of its own, with the time and the role of the closing.';
CREATE INDEX ON accum._register_closings (register);
SELECT pg_catalog.pg_extension_config_dump('accum._register_closings', '');

-- Values of dimensions are for those who may see all movements of the register;
-- so the view, unlike others, reads its table with its owner's rights.
CREATE VIEW accum.register_closings WITH (security_barrier = true) AS
    SELECT c.register, c.through, nullif(c.dimensions, '{}') AS dimensions,
           c.closed_at, c.closed_by, c.reopened_at, c.reopened_by
    FROM accum._register_closings c
         JOIN accum._register_relations m ON m.register = c.register AND m.role = 'movements'
    WHERE c.dimensions = '{}'
          OR (has_table_privilege(m.relation, 'SELECT') AND NOT row_security_active(m.relation));
COMMENT ON VIEW accum.register_closings IS
    'Closed periods of registers, those that were reopened (reopened_at is not NULL) included. through: the last closed day. dimensions: the cells; NULL is the whole register. Closings of some cells are shown to whoever may read the register''s movements, if no row security applies there.';
GRANT SELECT ON accum.register_closings TO PUBLIC;

CREATE FUNCTION accum.register_close(p_name text, p_through date, p_dimensions jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_close';
COMMENT ON FUNCTION accum.register_close(text, date, jsonb) IS
    'Close a register: from now on no movement dated on or before p_through, a day of the register''s calendar, is written or removed. p_dimensions: of the cells with these values only; NULL and {}: of all. Waits for transactions that have written to the register. The caller must own it or have the right admin on it. Errors: 42704 unknown register, 22023 for NULL or -infinity as p_through and for what are no dimensions of the register, 42501 for others.';

CREATE FUNCTION accum.register_reopen(p_name text, p_from date, p_dimensions jsonb DEFAULT NULL)
    RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_reopen';
COMMENT ON FUNCTION accum.register_reopen(text, date, jsonb) IS
    'Open a register again from the day p_from on; -infinity opens all. p_dimensions NULL: whatever is closed there; otherwise only the closings of exactly these dimensions, {} being those of the whole register. The caller must own the register or have the right admin on it. Errors as register_close, 22023 for infinity as p_from.';
