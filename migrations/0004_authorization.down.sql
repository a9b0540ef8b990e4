DROP POLICY member ON users;
DROP TABLE invitations, tenant_attributes, policies, memberships, roles, tenants;
DROP FUNCTION bump_policy_version;
DROP TYPE policy_effect;
DROP TYPE tenant_status;
