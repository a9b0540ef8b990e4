//! A repository of another module, bypassing its contract.

use authorization::postgres::PgMembershipRepository;

fn main() {}
