//! The operations of the fuzz test: every route of the OpenAPI document that requires a signed-in user.

use serde_json::{Value, json};

use crate::{
    client::{Response, TestApp},
    fuzz_tenants::model::Ids,
    sample_requests::{Fields, Route, routes},
};

/// A placeholder in a path or body. Each step picks a value for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    User,
    Role,
    /// The id of a row of this table.
    Row(&'static str),
    Token,
    /// An e-mail address, with or without an account.
    Email,
    /// A random name.
    Name,
}

/// The placeholders in bodies.
const PLACEHOLDERS: [(&str, Slot); 5] = [
    ("{user}", Slot::User),
    ("{role}", Slot::Role),
    ("{token}", Slot::Token),
    ("{email}", Slot::Email),
    ("{name}", Slot::Name),
];

/// A route with a template of its requests.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) method: String,
    path: String,
    class: String,
    /// The slot of `{id}` in the path.
    id: Option<Slot>,
    body: Option<String>,
    pub(super) slots: Vec<Slot>,
}

/// Returns the slot of an id in this collection. By default, the collection is named like its table.
fn slot_of(collection: &str) -> Slot {
    match collection {
        "members" => Slot::User,
        "roles" => Slot::Role,
        table => Slot::Row(table.to_owned().leak()),
    }
}

/// Returns the value of a body field with a placeholder. `None`: the example is sent.
fn field_template(field: &str, schema: &Value) -> Option<Value> {
    Some(match field {
        "owner" => "{user}".into(),
        "role_id" => "{role}".into(),
        "token" => "{token}".into(),
        "email" => "{email}".into(),
        "name" | "slug" | "display_name" => "{name}".into(),
        "condition" => json!({"feature": "{name}"}),
        _ => {
            assert!(schema["format"] != "uuid", "`{field}` is an id: add its placeholder to `field_template`");
            return None;
        }
    })
}

/// Returns every route that isn't public.
pub(super) fn operations(app: &TestApp) -> Vec<Operation> {
    let routes = routes(app).into_iter().filter(|route| route.class != "public");
    let operation = |route: Route| {
        let (id, body) = (route.collection().map(slot_of), route.body(Fields::All, &field_template));
        let in_body = PLACEHOLDERS.iter().filter(|(text, _)| body.as_ref().is_some_and(|body| body.contains(text)));
        let slots = id.into_iter().chain(in_body.map(|(_, slot)| *slot)).collect();
        Operation { name: route.name(), method: route.method, path: route.path, class: route.class, id, body, slots }
    };
    routes.map(operation).collect()
}

impl Operation {
    /// Returns whether it acts in the tenant of the request header.
    pub(super) fn is_tenant_scoped(&self) -> bool {
        self.class != "signed-in"
    }

    /// Returns the existing tenant that a successful operation may have changed.
    pub(super) fn changeable_tenant(&self, response: &Response, tenant: &str) -> Option<String> {
        match self.name.as_str() {
            _ if self.is_tenant_scoped() => Some(tenant.into()),
            "POST /v1/invitations/accept" if response.status == 200 => Some(response.json()["id"].as_str()?.into()),
            // A created tenant didn't exist before.
            _ => None,
        }
    }

    /// Fills the slots of the path and the body.
    pub(super) fn fill(&self, ids: &Ids) -> (String, Option<String>) {
        let id = self.id.and_then(|slot| ids.get(&slot));
        let path = id.map_or_else(|| self.path.clone(), |id| self.path.replace("{id}", id));
        let replace = |body: String, (text, slot): &(&str, Slot)| match ids.get(slot) {
            Some(id) => body.replace(text, id),
            None => body,
        };
        (path, self.body.clone().map(|body| PLACEHOLDERS.iter().fold(body, replace)))
    }
}
