//! The operations of the fuzz test: every route of the OpenAPI document that requires a signed-in user.

use crate::{
    client::{Response, TestApp},
    fuzz_tenants::model::Ids,
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

/// A route with a template of its requests.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) method: String,
    path: String,
    class: String,
    body: Option<&'static str>,
    pub(super) slots: Vec<Slot>,
}

/// Returns the slot of `{id}` in the path and the body template of a route. `None`: the route is unknown.
fn request_template(name: &str) -> Option<(Option<Slot>, Option<&'static str>)> {
    use Slot::{Role, Row, User};
    Some(match name {
        "PATCH /v1/me" => (None, Some(r#"{"display_name": "{name}"}"#)),
        "POST /v1/tenants" | "PATCH /v1/tenant" | "POST /v1/roles" => (None, Some(r#"{"name": "{name}"}"#)),
        "POST /v1/tenant/archive" | "POST /v1/tenant/restore" | "POST /v1/tenant/leave" => (None, None),
        "GET /v1/members/{id}" | "DELETE /v1/members/{id}" => (Some(User), None),
        "PATCH /v1/members/{id}" => (Some(User), Some(r#"{"role_id": "{role}"}"#)),
        "PATCH /v1/roles/{id}" => (Some(Role), Some(r#"{"name": "{name}"}"#)),
        "DELETE /v1/roles/{id}" => (Some(Role), None),
        "POST /v1/policies" => (
            None,
            Some(
                r#"{"role_id": "{role}", "effect": "allow", "resource": "*", "verbs": ["read"], "condition": {"feature": "{name}"}}"#,
            ),
        ),
        "GET /v1/policies/{id}" | "DELETE /v1/policies/{id}" => (Some(Row("policies")), None),
        "PATCH /v1/policies/{id}" => (Some(Row("policies")), Some(r#"{"condition": {"feature": "{name}"}}"#)),
        "POST /v1/invitations" => (None, Some(r#"{"email": "{email}", "role_id": "{role}"}"#)),
        "POST /v1/invitations/{id}/resend" | "DELETE /v1/invitations/{id}" => (Some(Row("invitations")), None),
        "POST /v1/invitations/accept" => (None, Some(r#"{"token": "{token}"}"#)),
        "POST /v1/authorization/check" => (None, Some(r#"{"checks": [{"permission": "user:read"}]}"#)),
        // Lists and singletons.
        get if get.starts_with("GET ") && !get.contains('{') => (None, None),
        _ => return None,
    })
}

/// Returns every operation of the document that isn't public.
pub(super) fn operations(app: &TestApp) -> Vec<Operation> {
    let document = app.anonymous().get("/openapi.json").json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let class = operation["x-access-class"].as_str().unwrap();
            if class == "public" {
                continue;
            }
            let (method, path) = (method.to_uppercase(), path.clone());
            let name = format!("{method} {path}");
            let (id, body) =
                request_template(&name).unwrap_or_else(|| panic!("{name} is unknown: add it to `request_template`"));
            let in_body =
                [(Slot::Role, "{role}"), (Slot::Token, "{token}"), (Slot::Email, "{email}"), (Slot::Name, "{name}")];
            let in_body = in_body.iter().filter(|(_, text)| body.is_some_and(|body| body.contains(text)));
            let slots = id.into_iter().chain(in_body.map(|(slot, _)| *slot)).collect();
            operations.push(Operation { name, method, path, class: class.into(), body, slots });
        }
    }
    operations
}

impl Operation {
    /// Whether it acts in the tenant of the request header.
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
        let is_row = |slot: &&Slot| matches!(slot, Slot::User | Slot::Row(_));
        let in_path = ids.keys().find(is_row).or(Some(&Slot::Role)).and_then(|slot| ids.get(slot));
        let path = in_path.map_or_else(|| self.path.clone(), |id| self.path.replace("{id}", id));
        let body = self.body.map(|body| {
            let texts =
                [("{role}", Slot::Role), ("{token}", Slot::Token), ("{email}", Slot::Email), ("{name}", Slot::Name)];
            let replace = |body: String, (text, slot): (&str, Slot)| match ids.get(&slot) {
                Some(id) => body.replace(text, id),
                None => body,
            };
            texts.into_iter().fold(body.to_owned(), replace)
        });
        (path, body)
    }
}
