//! The insertions into existing files. If an anchor is missing, nothing is written, and the error message refers to
//! this file.

/// The position of an insertion.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    /// Directly after the first occurrence of this text.
    After(&'static str),
    /// As a separate line above the first line that starts with this text.
    LineAbove(&'static str),
    /// As a separate line, in alphabetical order, in the list below this line.
    SortedList(&'static str),
    /// Before the first occurrence of the second text after the first one.
    Before(&'static str, &'static str),
}

use Anchor::{After, Before, LineAbove, SortedList};

/// An insertion: the file, the position and the text.
pub(crate) type Edit = (&'static str, Anchor, &'static str);

/// All insertions, for the name `gadgets`. rustfmt sorts imports and `mod` items afterwards.
pub(crate) const EDITS: &[Edit] = &[
    ("Cargo.toml", SortedList("[workspace.dependencies]"), "gadgets = { path = \"modules/gadgets\" }"),
    ("Cargo.toml", SortedList("[dependencies]"), "gadgets.workspace = true"),
    // The contract.
    ("modules/kernel/src/contracts/mod.rs", LineAbove("mod "), "mod gadgets;"),
    (
        "modules/kernel/src/contracts/mod.rs",
        LineAbove("pub use "),
        "pub use gadgets::{\n    Gadget, GadgetId, GadgetManage, GadgetName, GadgetRead, Gadgets, GadgetsError, \
         GadgetsModule, InvalidGadgetName,\n};",
    ),
    // The composition root.
    ("src/bootstrap.rs", LineAbove("use kernel::"), "use gadgets::GadgetsModuleImpl;"),
    ("src/bootstrap.rs", After("contracts::{"), "Gadgets, GadgetsModule, "),
    ("src/bootstrap.rs", SortedList("pub trait AppModule:"), "    + HasComponent<dyn Gadgets>"),
    (
        "src/bootstrap.rs",
        LineAbove("        use ValueModule<TenancyMode> {"),
        "        use dyn GadgetsModule { components = [dyn Gadgets], providers = [] },",
    ),
    (
        "src/bootstrap.rs",
        LineAbove("    Arc::new(AppModuleImpl::builder("),
        "    let gadgets: Arc<dyn GadgetsModule> = Arc::new(GadgetsModuleImpl::builder(db.clone()).build());",
    ),
    ("src/bootstrap.rs", Before("Arc::new(AppModuleImpl::builder(", "tenancy"), "gadgets, "),
    // The request module, permissions, validation and error responses.
    ("src/http/module.rs", After("contracts::{"), "Gadgets, "),
    ("src/http/module.rs", SortedList("            components = ["), "                dyn Gadgets,"),
    ("src/http/module.rs", SortedList("handler_services! {"), "    dyn Gadgets,"),
    ("src/http/permissions.rs", After("use kernel::contracts::{"), "GadgetManage, GadgetRead, "),
    ("src/http/permissions.rs", SortedList("permissions! {"), "    GadgetManage,"),
    ("src/http/permissions.rs", SortedList("permissions! {"), "    GadgetRead,"),
    ("src/http/validation.rs", After("use kernel::contracts::{"), "GadgetName, "),
    (
        "src/http/validation.rs",
        LineAbove("impl Validated for TenantName {"),
        "impl Validated for GadgetName {\n    const EXPECTED: &'static str = \"A name is one line of 1 to 200 characters.\";\n}\n",
    ),
    ("src/http/problem/from_errors.rs", After("contracts::{"), "GadgetsError, "),
    (
        "src/http/problem/from_errors.rs",
        LineAbove("#[cfg(test)]"),
        "impl From<GadgetsError> for Problem {\n    fn from(error: GadgetsError) -> Self {\n        match error {\n            \
         GadgetsError::NotFound => Self::not_found(),\n            GadgetsError::Db(error) => error.into(),\n        }\n    \
         }\n}\n",
    ),
    ("src/http/handlers/mod.rs", LineAbove("mod "), "mod gadgets;"),
    ("src/http/handlers/mod.rs", LineAbove("    health::register("), "    gadgets::register(&mut routes);"),
    // The demo data.
    ("seeds/Cargo.toml", SortedList("[dependencies]"), "gadgets.workspace = true"),
    ("seeds/src/lib.rs", LineAbove("use kernel::"), "use gadgets::seed::GadgetsSeed;"),
    ("seeds/src/lib.rs", After("pub struct Seed {"), "\n    /// The demo gadgets.\n    pub gadgets: GadgetsSeed,"),
    (
        "seeds/src/lib.rs",
        LineAbove("    tx.commit()"),
        "    let gadgets = gadgets::seed::seed(&mut tx, tenants.acme.id, tenants.globex.id).await?;",
    ),
    ("seeds/src/lib.rs", Before("Ok(Seed {", "passwords"), "gadgets, "),
    ("seeds/src/lib.rs", Before("let Self {", "passwords"), "gadgets, "),
    (
        "seeds/src/lib.rs",
        LineAbove("        lines\n"),
        "        lines.push(line(\"gadgets\", \"Acme's gadget\", gadgets.acme.created));\n        \
         lines.push(line(\"gadgets\", \"Globex's gadget\", gadgets.globex.created));",
    ),
    (
        "tests/support/src/template_db.rs",
        LineAbove("    include_str!(\"../../../seeds/src/lib.rs\"),"),
        "    include_str!(\"../../../modules/gadgets/src/seed.rs\"),",
    ),
    // Requests for the tests that call every route.
    ("tests/e2e/main.rs", LineAbove("mod "), "mod gadgets;"),
    (
        "tests/e2e/authorization_matrix.rs",
        LineAbove("        // Lists and singletons."),
        "        (\"post\", \"/v1/gadgets\") => (path.into(), body(r#\"{\"name\": \"X\"}\"#)),\n        \
         (\"get\", \"/v1/gadgets/{id}\") => (with_id(app.seed.gadgets.acme.id.to_string()), None),\n        \
         (\"patch\", \"/v1/gadgets/{id}\") => {\n            \
         (with_id(app.seed.gadgets.acme.id.to_string()), body(r#\"{\"name\": \"X\"}\"#))\n        }\n        \
         // No gadget has this id.\n        \
         (\"delete\", \"/v1/gadgets/{id}\") => (with_id(acme.id.to_string()), None),",
    ),
    (
        "tests/e2e/fuzz_tenants/operations.rs",
        LineAbove("        // Lists and singletons."),
        "        \"POST /v1/gadgets\" => (None, Some(r#\"{\"name\": \"{name}\"}\"#)),\n        \
         \"PATCH /v1/gadgets/{id}\" => (Some(Row(\"gadgets\")), Some(r#\"{\"name\": \"{name}\"}\"#)),\n        \
         \"GET /v1/gadgets/{id}\" | \"DELETE /v1/gadgets/{id}\" => (Some(Row(\"gadgets\")), None),",
    ),
    ("tests/arch-lint/src/snapshots/production_dependencies_snapshot.snap", SortedList("actix-codec"), "gadgets"),
    // Documentation.
    ("ARCHITECTURE.md", LineAbove("| `kernel` |"), "| `gadgets` | `kernel` |"),
    ("ARCHITECTURE.md", Before("| `tenantry` |", "`seeds`"), "`gadgets`, "),
    ("ARCHITECTURE.md", Before("| `seeds` |", "`user`"), "`gadgets`, "),
    (
        "ARCHITECTURE.md",
        LineAbove("| `modules/embedded-postgres/`"),
        "| `modules/gadgets/` | The gadgets of a tenant. |",
    ),
];
