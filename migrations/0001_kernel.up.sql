-- Owner: kernel. What row-level security is told by a transaction's settings, and who may enter the schema.

-- Unset reads as NULL before the first transaction that sets it, and as '' after: both mean no tenant, so no rows.
CREATE FUNCTION scope_tenant_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.tenant_id', true), '')::uuid;

CREATE FUNCTION scope_user_id() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.user_id', true), '')::uuid;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO tenantry_app, tenantry_system;
