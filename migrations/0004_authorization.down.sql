DROP TABLE invitations, tenant_attributes, policies, memberships, roles, tenants;
DROP FUNCTION renew_policy_version;
DROP TYPE policy_effect;
DROP TYPE tenant_status;
