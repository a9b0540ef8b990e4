DROP TABLE billing_events, billing_accounts, subscriptions;
DROP TYPE subscription_status;
