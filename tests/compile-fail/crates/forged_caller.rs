//! The caller of a request, made from an id.

use std::sync::Arc;

use kernel::{Caller, RequestContext, UserId};

fn caller(user: UserId, request: &Arc<dyn RequestContext>) -> Caller {
    Caller::of_request(user, request)
}

fn main() {}
