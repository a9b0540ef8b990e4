-- Owner: audit. Who changed what. Rows can only be added.

CREATE TABLE audit_events (
  tenant_id uuid NOT NULL REFERENCES tenants,
  id uuid NOT NULL,
  -- One line of JSON. It is stored as text, so that it isn't reformatted.
  record text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  event_type text NOT NULL GENERATED ALWAYS AS (record::jsonb ->> 'type') STORED,
  user_id uuid GENERATED ALWAYS AS ((record::jsonb #>> '{caller,id}')::uuid) STORED,
  target_id uuid NOT NULL GENERATED ALWAYS AS ((record::jsonb #>> '{target,id}')::uuid) STORED,
  PRIMARY KEY (tenant_id, id),
  CHECK ((record::jsonb ->> 'tenant')::uuid IS NOT DISTINCT FROM tenant_id
    AND (record::jsonb ->> 'id')::uuid IS NOT DISTINCT FROM id)
);
CREATE INDEX audit_events_event_type_idx ON audit_events (tenant_id, event_type, id);
CREATE INDEX audit_events_user_id_idx ON audit_events (tenant_id, user_id, id);
CREATE INDEX audit_events_target_id_idx ON audit_events (tenant_id, target_id, id);

ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_events TO tenantry_app
  USING (tenant_id = (SELECT scope_tenant_id()))
  WITH CHECK (tenant_id = (SELECT scope_tenant_id()));
CREATE POLICY system ON audit_events TO tenantry_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT (tenant_id, id, record) ON audit_events TO tenantry_app, tenantry_system;

-- Events of accounts, profiles and sign-ins, which belong to no tenant.
CREATE TABLE deployment_audit_events (
  id uuid PRIMARY KEY,
  record text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT statement_timestamp(),
  CHECK ((record::jsonb ->> 'id')::uuid IS NOT DISTINCT FROM id AND record::jsonb ->> 'tenant' IS NULL)
);

ALTER TABLE deployment_audit_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE deployment_audit_events FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON deployment_audit_events TO tenantry_system USING (true) WITH CHECK (true);

GRANT SELECT, INSERT (id, record) ON deployment_audit_events TO tenantry_system;

CREATE FUNCTION reject_audit_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'records of the audit log can''t be changed or deleted';
END
$$;

-- Row-level security doesn't apply to superusers. ALWAYS: also if session_replication_role is replica.
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION reject_audit_change();
ALTER TABLE audit_events ENABLE ALWAYS TRIGGER immutable;
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON deployment_audit_events
  FOR EACH STATEMENT EXECUTE FUNCTION reject_audit_change();
ALTER TABLE deployment_audit_events ENABLE ALWAYS TRIGGER immutable;

-- The module db calls these before COMMIT.
CREATE FUNCTION record_audit_events(records text[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO audit_events (tenant_id, id, record)
  SELECT (e.record::jsonb ->> 'tenant')::uuid, (e.record::jsonb ->> 'id')::uuid, e.record
  FROM unnest(records) AS e (record);
END
$$;

CREATE FUNCTION record_deployment_audit_events(records text[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO deployment_audit_events (id, record)
  SELECT (e.record::jsonb ->> 'id')::uuid, e.record
  FROM unnest(records) AS e (record);
END
$$;
