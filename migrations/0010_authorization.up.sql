-- Owner: authorization. A tenant's members may change what it is called and archive it, where its policies let them.

-- Of the tenant in scope, by the policy `tenant`. What it pays for is none of it.
GRANT UPDATE (slug, name, status, updated_at) ON tenants TO tenantry_app;
