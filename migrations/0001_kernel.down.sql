-- The roles are kept: they belong to the cluster, and other databases may use them.
REVOKE USAGE ON SCHEMA public FROM tenantry_app, tenantry_system;
DROP FUNCTION is_normalized_name, user_scope, tenant_scope, reject_standby, scope_user_id, scope_tenant_id;
