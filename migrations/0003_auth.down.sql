DROP TABLE auth_sessions, auth_credentials, auth_identities;
