-- Owner: user. People as other modules' statements may see them: this view is a contract, the table isn't.

CREATE VIEW people WITH (security_invoker = true) AS
SELECT id, email, display_name, deactivated_at IS NULL AS active
FROM users;

GRANT SELECT ON people TO tenantry_app, tenantry_system;
