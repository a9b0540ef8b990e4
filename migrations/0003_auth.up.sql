-- Owner: auth. Credentials and sessions belong to users, not to tenants. The application's role has no access to them:
-- they are read and written by tenantry_system, for a stated reason.

-- The user's accounts at external identity providers.
CREATE TABLE auth_identities (
  provider text NOT NULL CHECK (provider <> ''),
  subject text NOT NULL CHECK (subject <> ''),
  user_id uuid NOT NULL REFERENCES users,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, subject)
);
CREATE INDEX auth_identities_user ON auth_identities (user_id);

CREATE TABLE auth_credentials (
  user_id uuid PRIMARY KEY REFERENCES users,
  -- A PHC string: algorithm, parameters, salt and hash.
  password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE auth_sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users,
  refresh_token_hash bytea NOT NULL UNIQUE CHECK (octet_length(refresh_token_hash) = 32),
  -- The token family: all sessions that were refreshed from one sign-in. Reuse of a refresh token revokes its family.
  token_family uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
  revoked_at timestamptz
);
CREATE INDEX auth_sessions_user ON auth_sessions (user_id);
CREATE INDEX auth_sessions_token_family ON auth_sessions (token_family);

GRANT SELECT, INSERT, UPDATE, DELETE ON auth_identities, auth_credentials, auth_sessions TO tenantry_system;
