//! Rebuilds when a migration is added: `sqlx::migrate!` reads a folder outside this crate, which cargo doesn't watch.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
