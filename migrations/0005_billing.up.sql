-- Owner: billing. Subscriptions belong to tenants.

CREATE TYPE subscription_status AS ENUM ('trialing', 'active', 'past_due', 'canceled');

CREATE TABLE subscriptions (
  tenant_id uuid NOT NULL REFERENCES tenants,
  id uuid NOT NULL,
  provider text NOT NULL CHECK (provider <> ''),
  status subscription_status NOT NULL,
  plan text NOT NULL CHECK (plan <> ''),
  current_period_end timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);

ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON subscriptions TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY system ON subscriptions TO tenantry_system USING (true) WITH CHECK (true);

GRANT SELECT ON subscriptions TO tenantry_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON subscriptions TO tenantry_system;
