-- Owner: gadgets. The gadgets of a tenant.

CREATE TABLE gadgets (
  tenant_id uuid NOT NULL REFERENCES tenants,
  id uuid NOT NULL,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200 AND is_normalized_name(name)),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

ALTER TABLE gadgets ENABLE ROW LEVEL SECURITY;
ALTER TABLE gadgets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON gadgets TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY system ON gadgets TO tenantry_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON gadgets TO tenantry_app;
GRANT UPDATE (name, updated_at) ON gadgets TO tenantry_app;
GRANT SELECT, INSERT ON gadgets TO tenantry_system;
