DROP POLICY member ON users;
DROP TABLE invitations, tenant_attributes, policies, memberships, roles, released_slugs, tenants;
DROP FUNCTION admitted_scope;
DROP FUNCTION record_released_slug;
DROP FUNCTION renew_policy_version_of_tenant;
DROP FUNCTION renew_policy_version;
DROP TYPE policy_effect;
DROP TYPE tenant_status;
