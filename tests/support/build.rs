//! Hashes the sources that determine the contents of the template databases, besides the migrations. The names of the
//! templates contain the hash, so a change leads to new templates.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
};

fn main() -> io::Result<()> {
    let mut sources = vec!["../../seeds/src/lib.rs".into()];
    for file in [
        "authorization/src/templates/mod.rs",
        "authorization/src/tenants/provisioning.rs",
        "db/src/recorded_access.rs",
        "db/src/migrate.rs",
        "db/src/role_names.rs",
        "db/src/roles.rs",
    ] {
        sources.push(Path::new("../../modules").join(file));
    }
    for module in fs::read_dir("../../modules")? {
        sources.push(module?.path().join("src/seed.rs"));
    }
    sources.sort();
    let mut hasher = DefaultHasher::new();
    for source in sources.iter().filter(|source| source.exists()) {
        println!("cargo::rerun-if-changed={}", source.display());
        fs::read(source)?.hash(&mut hasher);
    }
    println!("cargo::rustc-env=TEMPLATE_SOURCES={:016x}", hasher.finish());
    Ok(())
}
