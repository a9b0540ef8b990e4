DROP TABLE tenant_attributes, policies, memberships, roles, tenants;
DROP TYPE policy_effect;
DROP TYPE tenant_status;
