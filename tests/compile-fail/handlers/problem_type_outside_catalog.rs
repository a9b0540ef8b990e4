//! A problem type that isn't in the catalog, so that no document lists it.

use actix_web::http::StatusCode;

use crate::http::problem::{Problem, types::ProblemType};

pub(super) fn frozen() -> Problem {
    let frozen = ProblemType { status: StatusCode::CONFLICT, name: "frozen", title: "Frozen", about: "Thaw it." };
    frozen.into()
}
