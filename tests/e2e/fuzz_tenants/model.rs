//! The users and tenants of the fuzz test, and snapshots of the database.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    IdSource,
    operations::{Operation, Slot},
};
use crate::{
    client::{Client, Response, TestApp},
    superuser_connection::DbConnection,
};

pub(super) type Ids = BTreeMap<Slot, String>;

#[derive(Clone)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) client: Client,
}

pub(super) struct Model {
    pub(super) app: TestApp,
    pub(super) rng: Rng,
    pub(super) users: Vec<User>,
    /// The number of successful steps by operation.
    pub(super) succeeded: BTreeMap<String, u64>,
    /// The number of steps that compared the response to foreign ids with the response to missing ids.
    pub(super) compared: u64,
    /// Every invitation that was created: e-mail address and token.
    invitation_tokens: Vec<(String, String)>,
    /// The data after the last step.
    pub(super) current: Snapshot,
    database: DbConnection,
    /// Selects every row that belongs to a tenant: tenant, table, row.
    rows_query: String,
}

/// The tenant data in the database at one moment.
#[derive(Default)]
pub(super) struct Snapshot {
    /// By tenant, all its rows as text.
    pub(super) tenants: BTreeMap<String, String>,
    /// By tenant and table, the ids of its rows. That of a membership is the user's.
    ids: BTreeMap<(String, String), Vec<String>>,
    /// By tenant, its id and slug and the ids of its rows.
    identifiers: BTreeMap<String, BTreeSet<String>>,
}

const USER_COUNT: usize = 8;

impl Model {
    pub(super) fn new(app: TestApp, seed: u64) -> Self {
        let mut database = app.database();
        let rows_query = tenant_rows_query(&mut database);
        let emails = (0..USER_COUNT - 2).map(|number| format!("person-{number}@example.com"));
        let emails = emails.chain(["alice@example.com".to_owned(), "bob@example.com".to_owned()]);
        let user = |email: String| {
            let client = app.user(&email);
            let id = client.get("/v1/me").json()["id"].as_str().unwrap().to_owned();
            User { id, email, client }
        };
        let users: Vec<User> = emails.map(user).collect();
        // Two more tenants.
        for (user, name) in [(0, "Initech"), (1, "Hooli")] {
            let response = users[user].client.post("/v1/tenants", json!({"name": name}));
            assert_eq!(response.status, 201, "{response}");
        }
        Self {
            app,
            rng: Rng::with_seed(seed),
            users,
            succeeded: BTreeMap::new(),
            compared: 0,
            invitation_tokens: Vec::new(),
            current: Snapshot::default(),
            database,
            rows_query,
        }
    }

    /// Restores archived tenants, adds members again, and gives every tenant enough seats to invite more, so that later
    /// steps have data to find.
    pub(super) fn repopulate(&mut self) {
        self.app.sql(
            "UPDATE tenants SET status = 'active';
             UPDATE tenant_attributes SET seat_limit = 1000;
             INSERT INTO memberships (tenant_id, user_id, role_id)
             SELECT r.tenant_id, u.id, r.id
             FROM roles AS r JOIN users AS u ON (hashtext(u.email || r.tenant_id::text) % 2) = 0
             WHERE r.name = (CASE WHEN hashtext(u.email || r.tenant_id::text) % 4 = 0 THEN 'member' ELSE 'admin' END)
             ON CONFLICT DO NOTHING",
        );
        self.current = self.snapshot();
    }

    /// Picks any user. For operations with an invitation's token, half of them are addressees of one of the newest
    /// invitations.
    pub(super) fn pick_user(&mut self, operation: &Operation) -> User {
        if operation.slots.contains(&Slot::Token) && self.rng.bool() {
            let user_of = |email: &String| self.users.iter().find(|user| user.email == *email);
            let addressees = self.invitation_tokens.iter().rev().filter_map(|(email, _)| user_of(email));
            if let Some(user) = self.rng.choice(addressees.take(2).collect::<Vec<_>>()) {
                return user.clone();
            }
        }
        let user = self.rng.usize(..self.users.len());
        self.users[user].clone()
    }

    /// Picks a tenant of the user in three of four cases, else any tenant. Two of three of the user's tenants have the rows
    /// that the operation needs, which may be few: most tenants have no invitations.
    pub(super) fn pick_tenant(&mut self, operation: &Operation, user: &User, now: &Snapshot) -> String {
        let has_rows = |tenant: &String| {
            operation.slots.iter().all(|slot| match slot {
                Slot::Row(table) => !now.ids_of(tenant, table).is_empty(),
                _ => true,
            })
        };
        let mut own: Vec<&String> = now.tenants.keys().filter(|tenant| now.is_member(tenant, user)).collect();
        if self.rng.u8(..3) > 0 && own.iter().any(|tenant| has_rows(tenant)) {
            own.retain(|tenant| has_rows(tenant));
        }
        let own = self.rng.choice(own).filter(|_| self.rng.u8(..4) > 0);
        own.or_else(|| self.rng.choice(now.tenants.keys().collect::<Vec<_>>())).cloned().unwrap_or_default()
    }

    /// Signs in all users again before their access tokens expire.
    pub(super) fn sign_in_all(&mut self) {
        for user in &mut self.users {
            user.client = self.app.user(&user.email);
        }
    }

    pub(super) fn unknown_tenant(&self) -> String {
        "019a0000-0000-7000-8000-0000000000ff".into()
    }

    /// Returns an id or token of this kind that doesn't exist. E-mail addresses and names are returned unchanged.
    pub(super) fn missing_id(&mut self, slot: Slot, id: &str) -> String {
        match slot {
            Slot::Email | Slot::Name => id.to_owned(),
            Slot::Token => "A".repeat(43),
            _ => Uuid::from_u128(self.rng.u128(..)).to_string(),
        }
    }

    /// Picks values for the slots of the operation, from this tenant or from other ones.
    pub(super) fn pick_ids(
        &mut self,
        operation: &Operation,
        now: &Snapshot,
        tenant: &str,
        id_source: IdSource,
        caller: &User,
    ) -> Ids {
        let mut pick = |slot: Slot| match slot {
            Slot::User => self.pick_row(now, "memberships", tenant, id_source),
            Slot::Role => self.pick_row(now, "roles", tenant, id_source),
            Slot::Row(table) => self.pick_row(now, table, tenant, id_source),
            Slot::Token => {
                let fits = |email: &str| (email == caller.email) == (id_source == IdSource::Own);
                let tokens = self.invitation_tokens.iter().filter(|(email, _)| fits(email)).map(|(_, token)| token);
                // One of the two newest, because most older ones have been used.
                let token = self.rng.choice(tokens.rev().take(2).collect::<Vec<_>>());
                token.cloned().unwrap_or_else(|| "A".repeat(43))
            }
            Slot::Email => {
                let user = self.rng.usize(..self.users.len());
                // Sometimes an address without an account, because most tenants have the users as members already.
                let known = (self.rng.u8(..4) > 0).then(|| self.users[user].email.clone());
                known.unwrap_or_else(|| format!("unknown-{:x}@example.com", self.rng.u64(..)))
            }
            Slot::Name => format!("name-{:x}", self.rng.u64(..)),
        };
        operation.slots.iter().map(|slot| (*slot, pick(*slot))).collect()
    }

    /// Picks the id of a row of this table. If there is none, the id is missing.
    fn pick_row(&mut self, now: &Snapshot, table: &str, tenant: &str, id_source: IdSource) -> String {
        let own_ids = now.ids_of(tenant, table);
        let candidates: Vec<&String> = match id_source {
            IdSource::Own => own_ids.iter().collect(),
            // A user who is a member of this tenant, too, isn't a foreign id.
            IdSource::Foreign => {
                let foreign = now.ids.iter().filter(|((owner, of), _)| of == table && owner != tenant);
                foreign.flat_map(|(_, ids)| ids).filter(|id| !own_ids.contains(id)).collect()
            }
        };
        let id = self.rng.choice(candidates).cloned();
        id.unwrap_or_else(|| Uuid::from_u128(self.rng.u128(..)).to_string())
    }

    /// Records the token if the response is a created invitation.
    pub(super) fn record_invitation_token(&mut self, response: &Response) {
        let json: Value = serde_json::from_str(&response.body).unwrap_or_default();
        let token = json["link"].as_str().and_then(|link| link.split_once('#'));
        if let (Some((_, token)), Some(email)) = (token, json["email"].as_str()) {
            self.invitation_tokens.push((email.into(), token.into()));
        }
    }

    pub(super) fn snapshot(&mut self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (tenant, table, row) in self.database.fetch_all::<(Uuid, String, Value)>(&self.rows_query) {
            let tenant = tenant.to_string();
            let text = |name: &str| row[name].as_str().map(ToOwned::to_owned);
            let identifiers = snapshot.identifiers.entry(tenant.clone()).or_default();
            identifiers.insert(tenant.clone());
            if table == "tenants" {
                identifiers.extend(text("slug"));
            }
            let rows = snapshot.tenants.entry(tenant.clone()).or_default();
            rows.push_str(&format!("{table}{row}\n"));
            if let Some(id) = text(if table == "memberships" { "user_id" } else { "id" }) {
                identifiers.insert(id.clone());
                snapshot.ids.entry((tenant, table)).or_default().push(id);
            }
        }
        snapshot
    }
}

impl Snapshot {
    fn ids_of(&self, tenant: &str, table: &str) -> &[String] {
        self.ids.get(&(tenant.to_owned(), table.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Returns the rows of the tenant, except its audit log.
    pub(super) fn rows_without_log(&self, tenant: &str) -> Vec<&str> {
        let rows = self.tenants.get(tenant).map_or("", String::as_str);
        rows.lines().filter(|row| !row.starts_with("audit_events{")).collect()
    }

    pub(super) fn audit_record_count(&self, tenant: &str) -> usize {
        self.ids_of(tenant, "audit_events").len()
    }

    pub(super) fn is_member(&self, tenant: &str, user: &User) -> bool {
        self.ids_of(tenant, "memberships").contains(&user.id)
    }

    /// Returns an identifier of another tenant that the response contains. Responses of routes without a tenant may
    /// contain all tenants of the user.
    pub(super) fn find_leak<'a>(
        &'a self,
        response: &str,
        tenant: &str,
        user: &'a User,
        in_tenant: bool,
    ) -> Option<&'a str> {
        let is_own = |other: &str| other == tenant || (!in_tenant && self.is_member(other, user));
        let foreign =
            self.identifiers.iter().filter(|(other, _)| !is_own(other)).flat_map(|(_, identifiers)| identifiers);
        let mut leaked =
            foreign.map(String::as_str).filter(|identifier| *identifier != user.id && response.contains(identifier));
        // An identifier may occur in own data as well, for example a user who is a member of both tenants.
        leaked.find(|identifier| !self.tenants.iter().any(|(other, text)| is_own(other) && text.contains(identifier)))
    }
}

/// Builds a query of all rows with a tenant id, from the tables that the catalog lists.
fn tenant_rows_query(database: &mut DbConnection) -> String {
    let tables: Vec<(String,)> = database.fetch_all(
        "SELECT c.relname::text
         FROM pg_class AS c
         JOIN pg_attribute AS a ON a.attrelid = c.oid
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND a.attname = 'tenant_id'
         ORDER BY 1",
    );
    assert!(tables.len() >= 5, "{tables:?}");
    let mut selects: Vec<String> = tables
        .iter()
        .map(|(table,)| {
            format!("SELECT t.tenant_id, '{table}', to_jsonb(t) FROM {table} AS t WHERE t.tenant_id IS NOT NULL")
        })
        .collect();
    selects.push("SELECT t.id, 'tenants', to_jsonb(t) FROM tenants AS t".into());
    format!(
        "SELECT * FROM ({}) AS rows (tenant_id, table_name, row_data) ORDER BY 1, 2, 3",
        selects.join(" UNION ALL ")
    )
}
