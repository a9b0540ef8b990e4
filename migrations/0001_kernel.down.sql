-- The roles stay: they belong to the cluster, and other databases may use them.
REVOKE USAGE ON SCHEMA public FROM tenantry_app, tenantry_system;
DROP FUNCTION scope_user_id();
DROP FUNCTION scope_tenant_id();
