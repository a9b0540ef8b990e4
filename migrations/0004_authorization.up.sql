-- Owner: authorization. Every table here is a tenant's: row-level security is forced, for the owner as well, and keys
-- carry tenant_id, so that a row can't point into another tenant.
--
-- Three policies a table:
--   tenant: the scope's rows, to read and to write;
--   own: a person's own rows across tenants, only to read, and only where no tenant is set. Written FOR ALL, it
--     would let a member make himself admin;
--   system: everything, for the system role.

CREATE TYPE tenant_status AS ENUM ('active', 'archived');
CREATE TYPE policy_effect AS ENUM ('allow', 'deny');

CREATE TABLE tenants (
  id uuid PRIMARY KEY,
  slug text NOT NULL UNIQUE
    CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) BETWEEN 3 AND 63)
    CHECK (slug !~ '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$')
    CHECK (slug NOT IN ('admin', 'api', 'app', 'auth', 'docs', 'health', 'help', 'login', 'mail', 'static', 'status',
      'support', 'system', 'tenantry', 'www')),
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
  status tenant_status NOT NULL DEFAULT 'active',
  -- Raised by every change to roles, policies, memberships or attributes, in its own transaction.
  policy_version bigint NOT NULL DEFAULT 1 CHECK (policy_version > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE roles (
  tenant_id uuid NOT NULL REFERENCES tenants,
  id uuid NOT NULL,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100 AND name = btrim(name)),
  -- The name as compared.
  name_key text NOT NULL CHECK (name_key = lower(name)),
  -- System roles come with each tenant from a template, and stay as they are.
  is_system boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name_key)
);

CREATE TABLE memberships (
  tenant_id uuid NOT NULL REFERENCES tenants,
  user_id uuid NOT NULL REFERENCES users,
  role_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id),
  FOREIGN KEY (tenant_id, role_id) REFERENCES roles ON DELETE RESTRICT
);
CREATE INDEX memberships_user ON memberships (user_id, tenant_id);
CREATE INDEX memberships_role ON memberships (tenant_id, role_id);

CREATE TABLE policies (
  tenant_id uuid NOT NULL REFERENCES tenants,
  id uuid NOT NULL,
  -- NULL: for every member.
  role_id uuid,
  effect policy_effect NOT NULL,
  resource text NOT NULL CHECK (resource = '*' OR resource ~ '^[a-z][a-z0-9_-]*$'),
  verbs text[] NOT NULL
    CHECK (cardinality(verbs) BETWEEN 1 AND 32 AND array_position(verbs, NULL) IS NULL)
    CHECK (NOT '*' = ANY (verbs) OR cardinality(verbs) = 1),
  condition jsonb CHECK (jsonb_typeof(condition) = 'object'),
  -- Template policies come with each tenant, and stay as they are.
  is_template boolean NOT NULL DEFAULT false,
  -- SHA-256 of the canonical form: no two policies of a tenant say the same.
  digest bytea NOT NULL CHECK (octet_length(digest) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, digest),
  FOREIGN KEY (tenant_id, role_id) REFERENCES roles ON DELETE RESTRICT
);
CREATE INDEX policies_role ON policies (tenant_id, role_id);

CREATE TABLE tenant_attributes (
  tenant_id uuid PRIMARY KEY REFERENCES tenants,
  plan text NOT NULL CHECK (plan <> ''),
  contract_type text NOT NULL CHECK (contract_type <> ''),
  features text[] NOT NULL DEFAULT '{}' CHECK (array_position(features, NULL) IS NULL),
  max_users integer NOT NULL CHECK (max_users > 0),
  policy_template_version integer NOT NULL CHECK (policy_template_version > 0)
);

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants TO tenantry_app
  USING (id = scope_tenant_id())
  WITH CHECK (id = scope_tenant_id());
CREATE POLICY own ON tenants FOR SELECT TO tenantry_app
  USING (scope_tenant_id() IS NULL AND id IN (SELECT tenant_id FROM memberships WHERE user_id = scope_user_id()));
CREATE POLICY system ON tenants TO tenantry_system USING (true) WITH CHECK (true);

ALTER TABLE roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON roles TO tenantry_app
  USING (tenant_id = scope_tenant_id())
  WITH CHECK (tenant_id = scope_tenant_id());
CREATE POLICY own ON roles FOR SELECT TO tenantry_app
  USING (scope_tenant_id() IS NULL AND tenant_id IN (SELECT tenant_id FROM memberships WHERE user_id = scope_user_id()));
CREATE POLICY system ON roles TO tenantry_system USING (true) WITH CHECK (true);

ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON memberships TO tenantry_app
  USING (tenant_id = scope_tenant_id())
  WITH CHECK (tenant_id = scope_tenant_id());
CREATE POLICY own ON memberships FOR SELECT TO tenantry_app
  USING (scope_tenant_id() IS NULL AND user_id = scope_user_id());
CREATE POLICY system ON memberships TO tenantry_system USING (true) WITH CHECK (true);

ALTER TABLE policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE policies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON policies TO tenantry_app
  USING (tenant_id = scope_tenant_id())
  WITH CHECK (tenant_id = scope_tenant_id());
CREATE POLICY own ON policies FOR SELECT TO tenantry_app
  USING (scope_tenant_id() IS NULL AND tenant_id IN (SELECT tenant_id FROM memberships WHERE user_id = scope_user_id()));
CREATE POLICY system ON policies TO tenantry_system USING (true) WITH CHECK (true);

ALTER TABLE tenant_attributes ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_attributes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenant_attributes TO tenantry_app
  USING (tenant_id = scope_tenant_id())
  WITH CHECK (tenant_id = scope_tenant_id());
CREATE POLICY own ON tenant_attributes FOR SELECT TO tenantry_app
  USING (scope_tenant_id() IS NULL AND tenant_id IN (SELECT tenant_id FROM memberships WHERE user_id = scope_user_id()));
CREATE POLICY system ON tenant_attributes TO tenantry_system USING (true) WITH CHECK (true);

GRANT SELECT ON tenants, tenant_attributes TO tenantry_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON roles, memberships, policies TO tenantry_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenants, roles, memberships, policies, tenant_attributes TO tenantry_system;
