REVOKE UPDATE (slug, name, status, updated_at) ON tenants FROM tenantry_app;
