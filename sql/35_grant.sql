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
