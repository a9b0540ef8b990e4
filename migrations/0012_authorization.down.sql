ALTER TABLE tenants DROP COLUMN personal_user_id;
