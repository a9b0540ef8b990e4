DROP FUNCTION own_scope, tenant_scope;
