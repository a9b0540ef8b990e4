//! A repository of another module, bypassing its api.

use authorization::members::store::PgMembershipRepository;

fn main() {}
