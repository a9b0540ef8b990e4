-- Owner: user. Users belong to no tenant; memberships link users and tenants.
--
-- Row-level security policies:
--   self: the user in scope;
--   member: the members of the tenant in scope, created with the table of memberships;
--   system: all rows, for tenantry_system.

CREATE TABLE users (
  id uuid PRIMARY KEY,
  -- Stored in the form that is compared, so that the unique index serves lookups. Columns that are compared have the
  -- collation "C", so that equality and lower() are the same in every database; lower() then changes only ASCII.
  email text COLLATE "C" NOT NULL UNIQUE
    CHECK (email = lower(email) AND email ~ '^[!-?A-~]+@[a-z0-9.-]+$' AND octet_length(email) <= 254),
  display_name text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 200 AND is_normalized_name(display_name)),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deactivated_at timestamptz
);

-- The columns that other modules' statements may read. This view is part of the module's api; the table is not.
CREATE VIEW user_profiles WITH (security_invoker = true) AS
SELECT id, email, display_name, deactivated_at IS NULL AS active
FROM users;

ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY self ON users FOR SELECT TO tenantry_app USING (id = (SELECT scope_user_id()));
CREATE POLICY system ON users TO tenantry_system USING (true) WITH CHECK (true);

GRANT SELECT ON users, user_profiles TO tenantry_app;
GRANT SELECT, INSERT, UPDATE ON users TO tenantry_system;
GRANT SELECT ON user_profiles TO tenantry_system;
