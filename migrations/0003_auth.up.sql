-- Owner: auth. Nothing here belongs to a tenant, and nothing here is for the application's ordinary role: credentials
-- are reached by the system role alone, for a stated reason.

-- Who a person is at an external identity provider.
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
  -- All sessions that came from one sign-in, by refreshing: a refresh token that is used twice ends its family.
  family uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
  revoked_at timestamptz
);
CREATE INDEX auth_sessions_user ON auth_sessions (user_id);
CREATE INDEX auth_sessions_family ON auth_sessions (family);

GRANT SELECT, INSERT, UPDATE, DELETE ON auth_identities, auth_credentials, auth_sessions TO tenantry_system;
