-- Owner: user. People belong to no tenant, so there is no row-level security here; a membership ties the two.

CREATE TABLE users (
  id uuid PRIMARY KEY,
  -- Stored as compared: under row-level security lower(email) = … can't be an index condition.
  email text NOT NULL UNIQUE
    CHECK (email = lower(email) AND email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND octet_length(email) <= 254),
  display_name text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 200),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deactivated_at timestamptz
);

GRANT SELECT ON users TO tenantry_app;
GRANT SELECT, INSERT, UPDATE ON users TO tenantry_system;
