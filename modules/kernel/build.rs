//! cargo doesn't notice a new migration file by itself: `sqlx::migrate!` reads a folder outside this crate.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
