//! `tenantry routes`

use super::output::{print, table};
use crate::http::{self, RouteInfo};

pub(super) fn show() {
    print(table(&["method", "path", "who may call", "permission", "summary"], http::routes().into_iter().map(row)));
}

fn row(RouteInfo { method, path, class, permission, summary, .. }: RouteInfo) -> Vec<String> {
    let permission = permission.map(|permission| permission.name).unwrap_or_default();
    vec![method, path.into(), class.into(), permission.into(), summary]
}
