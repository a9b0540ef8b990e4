DROP FUNCTION record_audit_events(text[]);
DROP FUNCTION record_deployment_audit_events(text[]);
DROP TABLE audit_events;
DROP TABLE deployment_audit_events;
DROP FUNCTION reject_audit_change();
