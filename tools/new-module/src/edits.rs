//! What is new in files that are there already, and where. Where the line or the words aren't there any more, nothing is
//! written, and the message names this file.

/// Where something goes in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    /// Right behind these words, where they come first.
    After(&'static str),
    /// As a line of its own, above the first line that begins so.
    LineAbove(&'static str),
    /// As a line of its own in the list that begins under the line that is this one: in the order of the alphabet.
    SortedList(&'static str),
    /// Before this word, the first one behind those.
    Before(&'static str, &'static str),
    /// At the end.
    EndOfFile,
}

use Anchor::{After, Before, EndOfFile, LineAbove, SortedList};

/// Something new: the file, where in it, and what.
pub(crate) type Edit = (&'static str, Anchor, &'static str);

/// All of it, about gadgets. Imports and `mod`s are put in order by rustfmt afterwards.
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
    // The composition.
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
    // What requests may have of it.
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
        EndOfFile,
        "\nimpl From<GadgetsError> for Problem {\n    fn from(error: GadgetsError) -> Self {\n        match error {\n            \
         GadgetsError::NotFound => Self::not_found(),\n            GadgetsError::Db(error) => error.into(),\n        }\n    \
         }\n}",
    ),
    ("src/http/handlers/mod.rs", LineAbove("mod "), "mod gadgets;"),
    ("src/http/handlers/mod.rs", LineAbove("    health::register("), "    gadgets::register(&mut routes);"),
    // The demo data.
    ("seeds/Cargo.toml", SortedList("[dependencies]"), "gadgets.workspace = true"),
    ("seeds/src/lib.rs", LineAbove("use kernel::"), "use gadgets::seed::GadgetsSeed;"),
    (
        "seeds/src/lib.rs",
        LineAbove("    /// Whether this run gave Alice and Bob their passwords."),
        "    /// Something of the module `gadgets` for each.\n    pub gadgets: GadgetsSeed,",
    ),
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
    // What the tests that try every route send to the new ones.
    ("tests/e2e/main.rs", LineAbove("mod "), "mod gadgets;"),
    (
        "tests/e2e/authorization_matrix.rs",
        LineAbove("        // A list, or the one thing of its kind."),
        "        (\"post\", \"/v1/gadgets\") => (path.into(), body(r#\"{\"name\": \"X\"}\"#)),\n        \
         (\"get\", \"/v1/gadgets/{id}\") => (with_id(app.seed.gadgets.acme.id.to_string()), None),\n        \
         (\"patch\", \"/v1/gadgets/{id}\") => {\n            \
         (with_id(app.seed.gadgets.acme.id.to_string()), body(r#\"{\"name\": \"X\"}\"#))\n        }\n        \
         // There is none of this id.\n        \
         (\"delete\", \"/v1/gadgets/{id}\") => (with_id(acme.id.to_string()), None),",
    ),
    (
        "tests/e2e/fuzz_tenants/operations.rs",
        LineAbove("        // A list, or the one thing of its kind."),
        "        \"POST /v1/gadgets\" => (None, Some(r#\"{\"name\": \"{name}\"}\"#)),\n        \
         \"PATCH /v1/gadgets/{id}\" => (Some(Row(\"gadgets\")), Some(r#\"{\"name\": \"{name}\"}\"#)),\n        \
         \"GET /v1/gadgets/{id}\" | \"DELETE /v1/gadgets/{id}\" => (Some(Row(\"gadgets\")), None),",
    ),
    ("tests/arch-lint/src/snapshots/production_dependencies_snapshot.snap", SortedList("actix-codec"), "gadgets"),
    // The documents.
    ("ARCHITECTURE.md", LineAbove("| `kernel` |"), "| `gadgets` | `kernel` |"),
    ("ARCHITECTURE.md", Before("| `tenantry` |", "`seeds`"), "`gadgets`, "),
    ("ARCHITECTURE.md", Before("| `seeds` |", "`user`"), "`gadgets`, "),
    (
        "ARCHITECTURE.md",
        LineAbove("### `src`, the package `tenantry`"),
        "### `modules/gadgets`\n\nThe gadgets of a tenant: listed in pages, read, created, renamed and deleted by \
         `/v1/gadgets`, under `gadget:read`\nand `gadget:manage`. Its one table is bound to the tenant.\n",
    ),
    ("README.md", LineAbove("migrations/    "), "modules/gadgets/@PAD@the gadgets of a tenant"),
];
