-- Writing documents.

CREATE FUNCTION accum.register_post(p_register text, p_data jsonb, p_once boolean DEFAULT false)
    RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_post';
COMMENT ON FUNCTION accum.register_post(text, jsonb, boolean) IS
    'Store movements, one JSON object or an array of them, all or nothing; returns their number. Keys: recorder, period, every dimension (null is the cell without one), resources (absent: 0), movement_type. p_once (NULL: false): documents that are known already are not posted again if they have exactly these movements, attributes aside, and their movements count as stored; 23505 if they have others. Errors: 42704 unknown register, 22023 wrong keys or shape, the types'' own errors for values, each naming movement, key and value; 55000 for a closed period; 42501 without INSERT on the movements table.';

CREATE FUNCTION accum.register_unpost(p_register text, p_recorder text,
                                      p_at timestamptz DEFAULT NULL)
    RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_unpost';
COMMENT ON FUNCTION accum.register_unpost(text, text, timestamptz) IS
    'Remove all movements of a document, or, in a register with history, reverse them; returns their number, 0 for an unknown one. p_at: with history only, the moment that the reversals are dated; NULL: as what they reverse. Errors: 42704 unknown register, 22023 for p_at without history or earlier than what is reversed, 55000 for a closed period, 42501 without SELECT and DELETE, with history INSERT, on the movements table.';

CREATE FUNCTION accum.register_unpost(p_register text, p_recorders text[],
                                      p_at timestamptz DEFAULT NULL)
    RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_unpost_many';
COMMENT ON FUNCTION accum.register_unpost(text, text[], timestamptz) IS
    'The same for many documents; returns the number of all their movements. NULL elements are refused.';

CREATE FUNCTION accum.register_repost(p_register text, p_recorder text, p_data jsonb) RETURNS int
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_repost';
COMMENT ON FUNCTION accum.register_repost(text, text, jsonb) IS
    'Make a document consist of the movements in p_data; returns their number. Rows that stay the same stay as they are, new ones are of movement_type adjustment, and derived tables change by the net difference. An empty array removes the document. Errors as register_post, and 22023 for a recorder key that is not p_recorder.';

CREATE FUNCTION accum.register_reconcile(p_register text, p_recorder text, p_period timestamptz,
                                         p_desired jsonb, p_dimensions jsonb DEFAULT NULL)
    RETURNS SETOF jsonb
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_reconcile';
COMMENT ON FUNCTION accum.register_reconcile(text, text, timestamptz, jsonb, jsonb) IS
    'Make balances at p_period what was counted: the document p_recorder becomes the differences, and they are returned. p_period: an instant; midnight of the register''s time zone is the end of that day, and differences are dated its last microsecond. p_desired: the keys of register_post without period; a resource that is absent was not counted and stays as it is. p_dimensions: cells with these values that were not counted become zero; {}: all cells; NULL: none but those counted. Writers wait until the transaction ends. Errors: those of register_repost, 22023 for a cell that is counted twice or lies outside p_dimensions, 42809 for a register without balances.';

CREATE FUNCTION accum.register_preview(p_register text, p_recorder text, p_data jsonb)
    RETURNS TABLE (dimensions jsonb, before jsonb, after jsonb, broken_limits text[], closed boolean)
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_preview';
COMMENT ON FUNCTION accum.register_preview(text, text, jsonb) IS
    'What register_repost of p_recorder with p_data would change, without doing it: one row for each cell, with its balance of all movements before and after, the limits that it would break (NULL for who may not read all balances), and whether a movement that it would write or remove lies in a closed period. p_recorder NULL: register_post of p_data; p_data NULL: register_unpost. Needs SELECT on movements and derived tables. Errors of keys, values and accounts of a strict chart as register_post, 22023 when both are NULL.';
