-- Owner: authorization. What decisions follow from raises its tenant's policy_version in the same transaction, whoever
-- changes it: programs keep policies compiled under that number.

-- The application may raise the number of the tenant in scope, and change nothing else of it.
GRANT UPDATE (policy_version) ON tenants TO tenantry_app;

CREATE FUNCTION raise_policy_version() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE tenants
  SET policy_version = policy_version + 1
  WHERE id IN (SELECT tenant_id FROM changed);
  RETURN NULL;
END
$$;

CREATE TRIGGER policies_inserted AFTER INSERT ON policies
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_policy_version();
CREATE TRIGGER policies_updated AFTER UPDATE ON policies
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_policy_version();
CREATE TRIGGER policies_deleted AFTER DELETE ON policies
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_policy_version();

CREATE TRIGGER tenant_attributes_inserted AFTER INSERT ON tenant_attributes
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_policy_version();
CREATE TRIGGER tenant_attributes_updated AFTER UPDATE ON tenant_attributes
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_policy_version();
CREATE TRIGGER tenant_attributes_deleted AFTER DELETE ON tenant_attributes
  REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION raise_policy_version();
