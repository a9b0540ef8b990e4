-- Owner: billing. Subscriptions belong to tenants. Accounts and events map a provider's webhook to its tenant. Only
-- tenantry_system reads them, before the tenant is known.

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

CREATE TABLE billing_accounts (
  provider text NOT NULL CHECK (provider <> ''),
  provider_subscription_id text NOT NULL CHECK (provider_subscription_id <> ''),
  tenant_id uuid NOT NULL,
  subscription_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, provider_subscription_id),
  FOREIGN KEY (tenant_id, subscription_id) REFERENCES subscriptions
);
CREATE INDEX billing_accounts_subscription ON billing_accounts (tenant_id, subscription_id);

-- Processed events: a provider delivers each event at least once.
CREATE TABLE billing_events (
  provider text NOT NULL CHECK (provider <> ''),
  event_id text NOT NULL CHECK (event_id <> ''),
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, event_id)
);

ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscriptions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON subscriptions TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY system ON subscriptions TO tenantry_system USING (true) WITH CHECK (true);

-- The table has tenant_id, so row-level security is forced here too. tenantry_app has neither a policy nor a grant.
ALTER TABLE billing_accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE billing_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON billing_accounts TO tenantry_system USING (true) WITH CHECK (true);

GRANT SELECT ON subscriptions TO tenantry_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON subscriptions, billing_accounts, billing_events TO tenantry_system;
