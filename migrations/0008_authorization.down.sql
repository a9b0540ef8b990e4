DROP TRIGGER tenant_attributes_deleted ON tenant_attributes;
DROP TRIGGER tenant_attributes_updated ON tenant_attributes;
DROP TRIGGER tenant_attributes_inserted ON tenant_attributes;
DROP TRIGGER policies_deleted ON policies;
DROP TRIGGER policies_updated ON policies;
DROP TRIGGER policies_inserted ON policies;
DROP FUNCTION raise_policy_version;
REVOKE UPDATE (policy_version) ON tenants FROM tenantry_app;
