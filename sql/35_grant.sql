-- Rights on registers.

CREATE FUNCTION accum.register_grant(p_name text, p_role text, p_right text) RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_grant';
COMMENT ON FUNCTION accum.register_grant(text, text, text) IS
    'Give a role, or public, a right on a register: read (SELECT on its tables and its view), post (SELECT, INSERT and DELETE on movements: post, cancel and correct documents) or admin (TRUNCATE on movements: close and reopen, rebuild, repair, prune, partitions). Rights are given one by one; none includes another. Partitions made later need no grant. The caller must own the register. Errors: 42704 when there is no such register or role, 22023 for another right and for NULL, 42501 for others than the owner.';

CREATE FUNCTION accum.register_revoke(p_name text, p_role text, p_right text) RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_revoke';
COMMENT ON FUNCTION accum.register_revoke(text, text, text) IS
    'Take from a role, or public, a right on a register that register_grant has given. SELECT on movements stays when the role has the other one of read and post. What the role has through others that it belongs to, or through public, it keeps. The caller must own the register. Errors as register_grant.';

CREATE FUNCTION accum.register_secure(p_name text, p_dimension text, p_using text) RETURNS void
    LANGUAGE C VOLATILE
    AS 'MODULE_PATHNAME', 'accum_register_secure';
COMMENT ON FUNCTION accum.register_secure(text, text, text) IS
    'Keep rows and documents of a register apart by a dimension, which is required from then on: all its tables get row security with one policy, accum_secure, and a document is known by its recorder and the value of the dimension. p_using: a boolean SQL expression, as of CREATE POLICY, that names the dimension and no other column, or a constant; a role sees and writes what makes it true. Calling again replaces; NULL for p_using takes row security away, and p_dimension is then not looked at. The caller must own the register, which is locked against readers, too. Errors: 42704 when there is none, 22023 for NULL in the other arguments, for a dimension that does not exist, is NULL in some movement or has a type of which equal values may differ, for an expression that is not one, names another column or not the dimension, 42601 and the like for what PostgreSQL cannot parse, 0A000 when movements are archived, 42501 for others than the owner.';
