-- Owner: auth. Credentials belong to users, not to tenants. The application's role has no access to them: they are read
-- and written by tenantry_system, for a stated reason.

CREATE TABLE auth_credentials (
  user_id uuid PRIMARY KEY REFERENCES users,
  -- A PHC string: algorithm, parameters, salt and hash.
  password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
  updated_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT, UPDATE, DELETE ON auth_credentials TO tenantry_system;
