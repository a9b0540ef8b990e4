-- Owner: kernel. Functions that set and read the scope of row-level security, the form of names, and access to the schema.

-- The setting reads as NULL before the first transaction that sets it and as '' after that transaction ends. Both mean
-- that there is no scope: row-level security shows no rows.
CREATE FUNCTION scope_tenant_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.tenant_id', true), '')::uuid;

-- NULL while a tenant is in scope, so that statements on a tenant don't see the user's rows in other tenants.
CREATE FUNCTION scope_user_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN scope_tenant_id() IS NULL THEN nullif(current_setting('app.user_id', true), '')::uuid END;

-- A standby lags behind: it may still have a membership that was removed on the primary.
CREATE FUNCTION reject_standby() RETURNS uuid
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RAISE read_only_sql_transaction USING MESSAGE = 'the server is a standby';
END
$$;

-- Set a scope until the transaction ends; a single-statement read is a transaction. Written so that the planner inlines
-- them.
CREATE FUNCTION tenant_scope(tenant uuid) RETURNS uuid
LANGUAGE sql VOLATILE
RETURN CASE WHEN pg_is_in_recovery() THEN reject_standby() ELSE set_config('app.tenant_id', tenant::text, true)::uuid END;

CREATE FUNCTION user_scope(user_id uuid) RETURNS uuid
LANGUAGE sql VOLATILE
RETURN CASE WHEN pg_is_in_recovery() THEN reject_standby() ELSE set_config('app.user_id', user_id::text, true)::uuid END;

-- Whether a name is in NFC, without spaces at the ends and without the characters that hide or reorder text. The program
-- rejects more characters; which ones are unassigned depends on the version of Unicode.
CREATE FUNCTION is_normalized_name(name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN name IS NFC NORMALIZED AND name = btrim(name)
  AND name !~ '[\u0001-\u001F\u007F-\u009F\u00AD\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF]';

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO tenantry_app, tenantry_system;
