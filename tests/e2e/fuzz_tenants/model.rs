//! The users and tenants of the fuzz test, and snapshots of the database.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{
    IdSource,
    operations::{Operation, Slot},
};
use crate::client::{Client, Response, TestApp};

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
    /// Every invitation that was created: e-mail address and token.
    invitation_tokens: Vec<(String, String)>,
    runtime: Runtime,
    database: PgConnection,
    /// Selects every row that belongs to a tenant: tenant, table, row.
    rows_query: String,
}

/// The tenant data in the database at one moment.
pub(super) struct Snapshot {
    /// By tenant, a hash of all its rows.
    pub(super) tenants: BTreeMap<String, u64>,
    /// Tenant and user.
    pub(super) members: BTreeSet<(String, String)>,
    /// By tenant and table, the ids of its rows.
    ids: BTreeMap<(String, String), Vec<String>>,
    /// By tenant, all its rows as text.
    text: BTreeMap<String, String>,
    /// By tenant, its id and slug and the ids of its rows.
    identifiers: BTreeMap<String, BTreeSet<String>>,
}

const USER_COUNT: usize = 8;

impl Model {
    pub(super) fn new(app: TestApp, seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut database = runtime.block_on(PgConnection::connect(app.database_url())).unwrap();
        let rows_query = runtime.block_on(tenant_rows_query(&mut database));
        let emails = (0..USER_COUNT - 2).map(|number| format!("person-{number}@example.com"));
        let emails = emails.chain(["alice@example.com".to_owned(), "bob@example.com".to_owned()]);
        let mut users = Vec::new();
        for email in emails {
            let client = app.user(&email);
            let id = client.get("/v1/me").json()["id"].as_str().unwrap().to_owned();
            users.push(User { id, email, client });
        }
        let mut model = Self {
            app,
            rng: Rng::with_seed(seed),
            users,
            invitation_tokens: Vec::new(),
            runtime,
            database,
            rows_query,
        };
        model.populate();
        model
    }

    /// Creates two more tenants and raises the seat limits, so that users can be members of several tenants.
    fn populate(&mut self) {
        for (user, name) in [(0, "Initech"), (1, "Hooli")] {
            let response = self.users[user].client.post("/v1/tenants", &format!(r#"{{"name": "{name}"}}"#));
            assert_eq!(response.status, 201, "{response}");
        }
        self.app.sql("UPDATE tenant_attributes SET seat_limit = 1000");
    }

    /// Restores archived tenants and adds members again, so that later steps have data to find.
    pub(super) fn repopulate(&mut self) {
        self.app.sql(
            "UPDATE tenants SET status = 'active';
             INSERT INTO memberships (tenant_id, user_id, role_id)
             SELECT r.tenant_id, u.id, r.id
             FROM roles AS r JOIN users AS u ON (hashtext(u.email || r.tenant_id::text) % 2) = 0
             WHERE r.name = (CASE WHEN hashtext(u.email || r.tenant_id::text) % 4 = 0 THEN 'member' ELSE 'admin' END)
             ON CONFLICT DO NOTHING",
        );
    }

    /// Picks a tenant of the user in three of four cases, else any tenant.
    pub(super) fn pick_tenant(&mut self, user: &User, now: &Snapshot) -> String {
        let own = now.members.iter().filter(|(_, member)| *member == user.id).map(|(tenant, _)| tenant.clone());
        let own = self.rng.choice(own.collect::<Vec<_>>()).filter(|_| self.rng.u8(..4) > 0);
        own.unwrap_or_else(|| self.rng.choice(now.tenants.keys().cloned().collect::<Vec<_>>()).unwrap_or_default())
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
        let mut ids = Ids::new();
        for slot in &operation.slots {
            let table = match slot {
                Slot::User => "memberships",
                Slot::Role => "roles",
                Slot::Row(table) => table,
                Slot::Token => {
                    let fits = |email: &str| (email == caller.email) == (id_source == IdSource::Own);
                    let tokens =
                        self.invitation_tokens.iter().filter(|(email, _)| fits(email)).map(|(_, token)| token.clone());
                    // One of the two newest, because most older ones have been used.
                    let token = self.rng.choice(tokens.rev().take(2).collect::<Vec<_>>());
                    ids.insert(*slot, token.unwrap_or_else(|| "A".repeat(43)));
                    continue;
                }
                Slot::Email => {
                    let user = self.rng.usize(..self.users.len());
                    // Sometimes an address without an account, because most tenants have the users as members already.
                    let known = (self.rng.u8(..4) > 0).then(|| self.users[user].email.clone());
                    let email = known.unwrap_or_else(|| format!("unknown-{:x}@example.com", self.rng.u64(..)));
                    ids.insert(*slot, email);
                    continue;
                }
                Slot::Name => {
                    ids.insert(*slot, format!("name-{:x}", self.rng.u64(..)));
                    continue;
                }
            };
            let is_candidate = |owner: &str| match id_source {
                IdSource::Own => owner == tenant,
                IdSource::Foreign => owner != tenant,
            };
            let own_ids = now.ids_of(tenant, table);
            let all = now
                .ids
                .iter()
                .filter(|((owner, id_table), _)| *id_table == table && is_candidate(owner))
                .flat_map(|(_, ids)| ids);
            // A user who is a member of this tenant, too, isn't a foreign id.
            let candidates = all.filter(|id| id_source == IdSource::Own || !own_ids.contains(id));
            let id = self.rng.choice(candidates.cloned().collect::<Vec<_>>());
            ids.insert(*slot, id.unwrap_or_else(|| Uuid::from_u128(self.rng.u128(..)).to_string()));
        }
        ids
    }

    /// Records the token if the response is a created invitation.
    pub(super) fn record_invitation_token(&mut self, response: &Response) {
        let json: serde_json::Value = serde_json::from_str(&response.body).unwrap_or_default();
        let token = json["link"].as_str().and_then(|link| link.split_once('#'));
        if let (Some((_, token)), Some(email)) = (token, json["email"].as_str()) {
            self.invitation_tokens.push((email.into(), token.into()));
        }
    }

    pub(super) fn snapshot(&mut self) -> Snapshot {
        let rows: Vec<(Uuid, String, serde_json::Value)> = {
            let query = sqlx::query_as(AssertSqlSafe(self.rows_query.clone()));
            self.runtime.block_on(query.fetch_all(&mut self.database)).unwrap()
        };
        let mut snapshot = Snapshot {
            tenants: BTreeMap::new(),
            members: BTreeSet::new(),
            ids: BTreeMap::new(),
            text: BTreeMap::new(),
            identifiers: BTreeMap::new(),
        };
        for (tenant, table, row) in rows {
            let tenant = tenant.to_string();
            let text = |name: &str| row[name].as_str().map(ToOwned::to_owned);
            let id = if table == "memberships" { text("user_id") } else { text("id") };
            if let Some(id) = id.clone() {
                snapshot.ids.entry((tenant.clone(), table.clone())).or_default().push(id);
            }
            if let ("memberships", Some(user)) = (table.as_str(), id.clone()) {
                snapshot.members.insert((tenant.clone(), user));
            }
            let identifiers = snapshot.identifiers.entry(tenant.clone()).or_default();
            identifiers.insert(tenant.clone());
            identifiers.extend(id);
            if table == "tenants" {
                identifiers.extend(text("slug"));
            }
            let all = snapshot.text.entry(tenant).or_default();
            all.push_str(&format!("{table}{row}\n"));
        }
        snapshot.tenants = snapshot.text.iter().map(|(tenant, text)| (tenant.clone(), digest(text))).collect();
        snapshot
    }
}

impl Snapshot {
    fn ids_of(&self, tenant: &str, table: &str) -> &[String] {
        self.ids.get(&(tenant.to_owned(), table.to_owned())).map_or(&[], Vec::as_slice)
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
        let is_own = |other: &str| {
            other == tenant || (!in_tenant && self.members.contains(&(other.to_owned(), user.id.clone())))
        };
        let foreign =
            self.identifiers.iter().filter(|(other, _)| !is_own(other)).flat_map(|(_, identifiers)| identifiers);
        let mut leaked =
            foreign.map(String::as_str).filter(|identifier| *identifier != user.id && response.contains(identifier));
        // An identifier may occur in own data as well, for example a user who is a member of both tenants.
        leaked.find(|identifier| !self.text.iter().any(|(other, text)| is_own(other) && text.contains(identifier)))
    }
}

fn digest(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Builds a query of all rows with a tenant id, from the tables that the catalog lists.
async fn tenant_rows_query(database: &mut PgConnection) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text
         FROM pg_class AS c
         JOIN pg_attribute AS a ON a.attrelid = c.oid
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND a.attname = 'tenant_id'
         ORDER BY 1",
    )
    .fetch_all(database)
    .await
    .unwrap();
    assert!(tables.len() >= 5, "{tables:?}");
    let mut selects: Vec<String> = tables
        .iter()
        .map(|table| {
            format!("SELECT t.tenant_id, '{table}', to_jsonb(t) FROM {table} AS t WHERE t.tenant_id IS NOT NULL")
        })
        .collect();
    selects.push("SELECT t.id, 'tenants', to_jsonb(t) FROM tenants AS t".into());
    format!(
        "SELECT * FROM ({}) AS rows (tenant_id, table_name, row_data) ORDER BY 1, 2, 3",
        selects.join(" UNION ALL ")
    )
}
