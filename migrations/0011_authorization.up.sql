-- Owner: authorization. Invitations: how people come into a tenant. A row is there for as long as the invitation is: one
-- that is accepted or revoked is deleted, so it can't be used twice. One that has expired stays, and is shown as expired,
-- until it is revoked, sent again or replaced.

CREATE TABLE invitations (
  tenant_id uuid NOT NULL REFERENCES tenants,
  id uuid NOT NULL,
  -- Whom it is for, in the one form in which people's addresses are stored.
  email text NOT NULL
    CHECK (email = lower(email) AND email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND octet_length(email) <= 254),
  role_id uuid NOT NULL,
  -- Who answers for it. Asked again when it is accepted: may they still give this role?
  invited_by uuid NOT NULL REFERENCES users,
  -- SHA-256 of the token. The token itself is in the link alone.
  token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, email),
  FOREIGN KEY (tenant_id, role_id) REFERENCES roles ON DELETE RESTRICT
);
CREATE INDEX invitations_role ON invitations (tenant_id, role_id);

-- No policy for a person's own rows: who is invited learns of it by the link.
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invitations TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY system ON invitations TO tenantry_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON invitations TO tenantry_app;
-- Sending again: another token, another end, and whoever does it answers for it. Whom it is for and as what stays.
GRANT UPDATE (invited_by, token_hash, expires_at) ON invitations TO tenantry_app;
GRANT SELECT, INSERT, DELETE ON invitations TO tenantry_system;
