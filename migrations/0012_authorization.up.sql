-- Owner: authorization. Whose own a tenant is, in the tenancy mode `personal`; at most one a person. The application can't
-- write it: its rights to change tenants are column by column.

-- In the new column there is nothing to check yet: the locks last as long as reading the table does.
-- squawk-ignore adding-foreign-key-constraint, disallowed-unique-constraint
ALTER TABLE tenants ADD COLUMN personal_user_id uuid UNIQUE REFERENCES users;
