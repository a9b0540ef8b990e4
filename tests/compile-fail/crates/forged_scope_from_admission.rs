//! The second proof, by the kernel's own function: an admission can be written down by anybody.

use kernel::contracts::{Admission, TenantScope};

fn scope(admission: Admission) -> TenantScope {
    TenantScope::from_admission(admission)
}

fn main() {}
