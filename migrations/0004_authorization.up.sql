-- Owner: authorization. Tenants, roles, memberships, policies, attributes and invitations.
--
-- Every table here belongs to a tenant. Row-level security is forced, so it applies to the owner as well. Keys include
-- tenant_id, so a row can't reference another tenant's row.
--
-- Row-level security policies:
--   tenant: the rows of the tenant in scope, read and write;
--   self: the tenants in which the user in scope is a member, their roles, and that user's memberships. Read-only, and
--     only while no tenant is in scope. If it were FOR ALL, a member could promote themselves to admin;
--   system: all rows, for tenantry_system.
-- The scope functions are called in a sub-select, so they run once per statement, not once per row. The policies of a
-- table are combined with OR. The coalesce in self makes that a filter: otherwise the planner would scan an index for each
-- policy, and a page of a list would read all rows of the tenant.

CREATE TYPE tenant_status AS ENUM ('active', 'archived');
CREATE TYPE policy_effect AS ENUM ('allow', 'deny');

CREATE TABLE tenants (
  id uuid PRIMARY KEY,
  slug text COLLATE "C" NOT NULL UNIQUE
    CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) BETWEEN 3 AND 63)
    CHECK (slug !~ '^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$')
    CHECK (slug NOT IN ('admin', 'api', 'app', 'auth', 'docs', 'health', 'help', 'login', 'mail', 'static', 'status',
      'support', 'system', 'tenantry', 'www')),
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200 AND is_normalized_name(name)),
  status tenant_status NOT NULL DEFAULT 'active',
  -- Renewed by every change to policies, tenant attributes, the slug or the owner, in the transaction of that change. It is
  -- random, since a number would repeat after a failover or restore that loses commits.
  policy_version uuid NOT NULL DEFAULT gen_random_uuid(),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  -- The owner of a personal tenant (tenancy mode `personal`); a user owns at most one. tenantry_app can't write it.
  personal_user_id uuid UNIQUE REFERENCES users,
  -- The user who created the tenant, for the limit per user; NULL if the operator did. tenantry_app can't write it.
  created_by uuid REFERENCES users
);
CREATE INDEX tenants_created_by ON tenants (created_by);

-- Slugs that tenants released. For 90 days, only the tenant that released a slug can use it, so that links and clients
-- that still name it don't reach another tenant. Only the trigger record_released_slug uses this table: no role has a
-- privilege on it, so it has no row-level security either. That would hide the slugs of other tenants.
CREATE TABLE released_slugs (
  slug text COLLATE "C" PRIMARY KEY,
  released_by uuid NOT NULL REFERENCES tenants,
  released_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX released_slugs_released_by ON released_slugs (released_by);

CREATE TABLE roles (
  tenant_id uuid NOT NULL REFERENCES tenants,
  id uuid NOT NULL,
  name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100 AND is_normalized_name(name)),
  -- The form of the name that is compared: NFKC with case folding, without invisible characters. The program sets it,
  -- since PostgreSQL has no case folding.
  name_key text COLLATE "C" NOT NULL
    CHECK (name_key = lower(name_key) AND name_key IS NFKC NORMALIZED AND char_length(name_key) BETWEEN 1 AND 300),
  -- System roles are created from a template and can't be changed.
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
  -- NULL: a tenant-wide policy, which applies to every member.
  role_id uuid,
  effect policy_effect NOT NULL,
  resource text NOT NULL CHECK (resource = '*' OR resource ~ '^[a-z][a-z0-9_-]*$'),
  verbs text[] NOT NULL
    CHECK (cardinality(verbs) BETWEEN 1 AND 32 AND array_position(verbs, NULL) IS NULL)
    CHECK (NOT '*' = ANY (verbs) OR cardinality(verbs) = 1),
  condition jsonb CHECK (jsonb_typeof(condition) = 'object'),
  -- Template policies are created with the tenant and can't be changed.
  is_template boolean NOT NULL DEFAULT false,
  -- SHA-256 of the canonical form: a tenant has no two equal policies.
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
  -- Maximum number of members, open invitations included.
  seat_limit integer NOT NULL CHECK (seat_limit > 0),
  policy_template_version integer NOT NULL CHECK (policy_template_version > 0)
);

-- Open and expired invitations. A row is deleted when its invitation is accepted or revoked, so it can't be used twice.
-- An expired one is kept and listed as expired until it is revoked, resent or replaced.
CREATE TABLE invitations (
  tenant_id uuid NOT NULL REFERENCES tenants,
  id uuid NOT NULL,
  -- The invited address, normalized as in users.
  email text COLLATE "C" NOT NULL
    CHECK (email = lower(email) AND email ~ '^[!-?A-~]+@[a-z0-9.-]+$' AND octet_length(email) <= 254),
  role_id uuid NOT NULL,
  -- The inviter. Acceptance checks again that this member may assign the role.
  invited_by uuid NOT NULL REFERENCES users,
  -- SHA-256 of the token. The token itself is only in the link.
  token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, email),
  FOREIGN KEY (tenant_id, role_id) REFERENCES roles ON DELETE RESTRICT
);
CREATE INDEX invitations_role ON invitations (tenant_id, role_id);

-- The tenants in which the user in scope is a member. NULL if there are none.
CREATE FUNCTION scope_user_tenants() RETURNS uuid[]
LANGUAGE sql STABLE
RETURN (SELECT array_agg(tenant_id) FROM memberships WHERE user_id = scope_user_id());

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants TO tenantry_app
  USING (id = (SELECT scope_tenant_id()))
  WITH CHECK (id = (SELECT scope_tenant_id()));
CREATE POLICY self ON tenants FOR SELECT TO tenantry_app
  USING (coalesce(id = ANY ((SELECT scope_user_tenants())::uuid[]), false));
CREATE POLICY system ON tenants TO tenantry_system USING (true) WITH CHECK (true);

ALTER TABLE roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE roles FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON roles TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY self ON roles FOR SELECT TO tenantry_app
  USING (coalesce(tenant_id = ANY ((SELECT scope_user_tenants())::uuid[]), false));
CREATE POLICY system ON roles TO tenantry_system USING (true) WITH CHECK (true);

ALTER TABLE memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON memberships TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY self ON memberships FOR SELECT TO tenantry_app
  USING (coalesce(user_id = (SELECT scope_user_id()), false));
CREATE POLICY system ON memberships TO tenantry_system USING (true) WITH CHECK (true);

-- As EXISTS, the planner could read all members of the tenant first.
CREATE POLICY member ON users FOR SELECT TO tenantry_app
  USING ((SELECT true FROM memberships AS m WHERE m.tenant_id = (SELECT scope_tenant_id()) AND m.user_id = users.id));

ALTER TABLE policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE policies FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON policies TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY system ON policies TO tenantry_system USING (true) WITH CHECK (true);

ALTER TABLE tenant_attributes ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_attributes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenant_attributes TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY system ON tenant_attributes TO tenantry_system USING (true) WITH CHECK (true);

-- No policy `self`: an invited user learns of the invitation by its link.
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invitations TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY system ON invitations TO tenantry_system USING (true) WITH CHECK (true);

GRANT SELECT ON tenants, tenant_attributes TO tenantry_app;
-- Members may rename and archive their tenant where its policies allow it, and renew its policy version. Only
-- tenantry_system can change the plan, the creator and the owner of a personal tenant.
GRANT UPDATE (slug, name, status, updated_at, policy_version) ON tenants TO tenantry_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON roles, memberships, policies TO tenantry_app;
GRANT SELECT, INSERT, DELETE ON invitations TO tenantry_app;
-- Resending changes the token, the expiry and the inviter. Address and role are immutable.
GRANT UPDATE (invited_by, token_hash, expires_at) ON invitations TO tenantry_app;
GRANT SELECT, INSERT, UPDATE ON tenants, tenant_attributes TO tenantry_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON roles, memberships, policies TO tenantry_system;
GRANT SELECT, INSERT, DELETE ON invitations TO tenantry_system;

-- Records the slug that a tenant releases, and rejects one that another tenant released within 90 days. It runs after
-- the unique index has waited for concurrent changes of the same slug, and therefore sees what they have recorded.
CREATE FUNCTION record_released_slug() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  reserved_since CONSTANT timestamptz := now() - interval '90 days';
BEGIN
  IF EXISTS (SELECT FROM released_slugs
             WHERE slug = NEW.slug AND released_by <> NEW.id AND released_at > reserved_since) THEN
    RAISE unique_violation USING
      MESSAGE = 'another tenant released this slug within the last 90 days; choose a different one',
      CONSTRAINT = 'tenants_slug_reserved';
  END IF;
  DELETE FROM released_slugs
  WHERE slug = NEW.slug OR (released_by = NEW.id AND released_at <= reserved_since);
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO released_slugs (slug, released_by) VALUES (OLD.slug, OLD.id);
    -- Otherwise a tenant could reserve any number of slugs.
    IF (SELECT count(*) FROM released_slugs WHERE released_by = NEW.id) > 10 THEN
      RAISE check_violation USING
        MESSAGE = 'the tenant released 10 slugs within the last 90 days; keep the slug or reclaim a released one',
        CONSTRAINT = 'tenants_slug_changes';
    END IF;
  END IF;
  RETURN NULL;
END
$$;
-- A trigger runs it without this privilege. With it, a role could attach the function to its own table.
REVOKE EXECUTE ON FUNCTION record_released_slug() FROM PUBLIC;

CREATE TRIGGER tenants_inserted AFTER INSERT ON tenants
  FOR EACH ROW EXECUTE FUNCTION record_released_slug();
CREATE TRIGGER tenants_slug_updated AFTER UPDATE OF slug ON tenants
  FOR EACH ROW WHEN (OLD.slug IS DISTINCT FROM NEW.slug) EXECUTE FUNCTION record_released_slug();

-- Every cached admission and compiled policy set contains the tenant's policy_version; a different version makes it
-- outdated. These triggers renew it in the transaction that changes policies, attributes, or what requests find the
-- tenant by.
CREATE FUNCTION renew_policy_version_of_tenant() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  NEW.policy_version := gen_random_uuid();
  RETURN NEW;
END
$$;

CREATE TRIGGER tenants_renamed BEFORE UPDATE OF slug, personal_user_id ON tenants
  FOR EACH ROW WHEN ((OLD.slug, OLD.personal_user_id) IS DISTINCT FROM (NEW.slug, NEW.personal_user_id))
  EXECUTE FUNCTION renew_policy_version_of_tenant();

CREATE FUNCTION renew_policy_version() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tenants
  SET policy_version = gen_random_uuid()
  WHERE id IN (SELECT tenant_id FROM changed);
  RETURN NULL;
END
$$;

CREATE TRIGGER policies_inserted AFTER INSERT ON policies
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION renew_policy_version();
CREATE TRIGGER policies_updated AFTER UPDATE ON policies
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION renew_policy_version();
CREATE TRIGGER policies_deleted AFTER DELETE ON policies
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION renew_policy_version();

CREATE TRIGGER tenant_attributes_inserted AFTER INSERT ON tenant_attributes
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION renew_policy_version();
CREATE TRIGGER tenant_attributes_updated AFTER UPDATE ON tenant_attributes
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION renew_policy_version();
CREATE TRIGGER tenant_attributes_deleted AFTER DELETE ON tenant_attributes
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION renew_policy_version();

-- Sets the tenant's scope, like tenant_scope, and compares the admission of a read with the tables. For a read (GET or
-- HEAD), `admission` has the tenant, the user, the member's role and the policy version, cached or just read. For other
-- requests, it has only the tenant.
-- STABLE, so that its query sees the snapshot of the statement that calls it: the rows that the statement reads are
-- those of a moment at which the caller was admitted. SQLSTATE TN001: decide the request again.
CREATE FUNCTION admitted_scope(admission uuid[]) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
  tenant CONSTANT uuid := tenant_scope(admission[1]);
BEGIN
  IF cardinality(admission) <> 1 AND NOT EXISTS (
    SELECT
    FROM memberships AS m
    JOIN tenants AS t ON t.id = m.tenant_id
    JOIN user_profiles AS p ON p.id = m.user_id
    WHERE m.tenant_id = tenant AND m.user_id = admission[2] AND m.role_id = admission[3]
      AND t.policy_version = admission[4] AND t.status = 'active' AND p.active
  ) THEN
    RAISE SQLSTATE 'TN001' USING MESSAGE = 'the admission is outdated';
  END IF;
  RETURN tenant;
END
$$;
