//! Another module's repository, past its contract.

use authorization::postgres::PgMembershipRepository;

fn main() {}
