-- Owner: authorization. Within a SELECT the scope is read once a statement, not once a row.

ALTER POLICY tenant ON tenants
  USING (id = (SELECT scope_tenant_id()))
  WITH CHECK (id = (SELECT scope_tenant_id()));
ALTER POLICY own ON tenants
  USING ((SELECT scope_tenant_id()) IS NULL AND id IN (SELECT tenant_id FROM memberships WHERE user_id = (SELECT scope_user_id())));
ALTER POLICY tenant ON roles
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
ALTER POLICY own ON roles
  USING ((SELECT scope_tenant_id()) IS NULL AND tenant_id IN (SELECT tenant_id FROM memberships WHERE user_id = (SELECT scope_user_id())));
ALTER POLICY tenant ON memberships
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
ALTER POLICY own ON memberships
  USING ((SELECT scope_tenant_id()) IS NULL AND user_id = (SELECT scope_user_id()));
ALTER POLICY tenant ON policies
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
ALTER POLICY own ON policies
  USING ((SELECT scope_tenant_id()) IS NULL AND tenant_id IN (SELECT tenant_id FROM memberships WHERE user_id = (SELECT scope_user_id())));
ALTER POLICY tenant ON tenant_attributes
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
ALTER POLICY own ON tenant_attributes
  USING ((SELECT scope_tenant_id()) IS NULL AND tenant_id IN (SELECT tenant_id FROM memberships WHERE user_id = (SELECT scope_user_id())));
