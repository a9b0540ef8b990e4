ALTER POLICY tenant ON tenants
  USING (id = scope_tenant_id())
  WITH CHECK (id = scope_tenant_id());
ALTER POLICY own ON tenants
  USING (scope_tenant_id() IS NULL AND id IN (SELECT tenant_id FROM memberships WHERE user_id = scope_user_id()));
ALTER POLICY tenant ON roles
  USING (tenant_id = scope_tenant_id())
  WITH CHECK (tenant_id = scope_tenant_id());
ALTER POLICY own ON roles
  USING (scope_tenant_id() IS NULL AND tenant_id IN (SELECT tenant_id FROM memberships WHERE user_id = scope_user_id()));
ALTER POLICY tenant ON memberships
  USING (tenant_id = scope_tenant_id())
  WITH CHECK (tenant_id = scope_tenant_id());
ALTER POLICY own ON memberships
  USING (scope_tenant_id() IS NULL AND user_id = scope_user_id());
ALTER POLICY tenant ON policies
  USING (tenant_id = scope_tenant_id())
  WITH CHECK (tenant_id = scope_tenant_id());
ALTER POLICY own ON policies
  USING (scope_tenant_id() IS NULL AND tenant_id IN (SELECT tenant_id FROM memberships WHERE user_id = scope_user_id()));
ALTER POLICY tenant ON tenant_attributes
  USING (tenant_id = scope_tenant_id())
  WITH CHECK (tenant_id = scope_tenant_id());
ALTER POLICY own ON tenant_attributes
  USING (scope_tenant_id() IS NULL AND tenant_id IN (SELECT tenant_id FROM memberships WHERE user_id = scope_user_id()));
