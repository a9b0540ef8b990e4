-- Owner: kernel. Scopes that a single statement opens for itself; they close with it. Written so that they are inlined.

CREATE FUNCTION tenant_scope(tenant uuid) RETURNS uuid
LANGUAGE sql VOLATILE
RETURN set_config('app.tenant_id', tenant::text, true)::uuid;

CREATE FUNCTION own_scope(person uuid) RETURNS uuid
LANGUAGE sql VOLATILE
RETURN set_config('app.user_id', person::text, true)::uuid;
