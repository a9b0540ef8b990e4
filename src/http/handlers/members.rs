//! The members of a tenant.

use kernel::contracts::{Member, Members, RoleSummary, UserId, UserRead};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::{
    extract::{Query, Scoped},
    guard::{Access, AccessTo, Then},
    problem::Problem,
    route::Json,
};

/// A page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// How many at the most, 1 to 100.
    #[serde(default = "default_limit")]
    #[param(default = 50, minimum = 1, maximum = 100)]
    limit: u16,
    /// The `next_cursor` of the page before.
    pub(super) cursor: Option<Uuid>,
}

impl PageQuery {
    /// How many at the most.
    pub(super) fn limit(&self) -> Result<u16, Problem> {
        let fits = (1..=100).contains(&self.limit);
        fits.then_some(self.limit).ok_or_else(|| Problem::malformed("The query parameter limit goes from 1 to 100."))
    }
}

fn default_limit() -> u16 {
    50
}

/// A member of the tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberBody {
    id: Uuid,
    #[schema(example = "alice@example.com")]
    email: String,
    #[schema(example = "Alice Adams")]
    display_name: String,
    role: RoleBody,
    #[serde(with = "time::serde::rfc3339")]
    member_since: OffsetDateTime,
    /// Whether the person can sign in.
    active: bool,
}

/// A role in the tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleBody {
    id: Uuid,
    #[schema(example = "admin")]
    name: String,
}

/// A page of members.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberPage {
    /// By id: in the order in which the people came.
    members: Vec<MemberBody>,
    /// For the query parameter `cursor`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

pub(super) async fn list(
    Then(access, Query(page)): Then<Access<UserRead>, Query<PageQuery>>,
    members: Scoped<dyn Members>,
) -> Result<Json<MemberPage>, Problem> {
    let limit = page.limit()?;
    // One more than asked for, to see whether there is another page.
    let mut found = members.list(&access, page.cursor.map(UserId::from_uuid), limit + 1).await?;
    let more = found.len() > usize::from(limit);
    found.truncate(limit.into());
    let next_cursor = found.last().filter(|_| more).map(|member| member.person.id.as_uuid());
    Ok(Json(MemberPage { members: found.into_iter().map(Into::into).collect(), next_cursor }))
}

pub(super) async fn show(
    access: AccessTo<UserRead, UserId>,
    members: Scoped<dyn Members>,
) -> Result<Json<MemberBody>, Problem> {
    Ok(Json(members.get(&access, access.id).await?.into()))
}

impl From<Member> for MemberBody {
    fn from(Member { person, role, since }: Member) -> Self {
        Self {
            id: person.id.as_uuid(),
            email: person.email.to_string(),
            display_name: person.display_name,
            role: role.into(),
            member_since: since,
            active: person.active,
        }
    }
}

impl From<RoleSummary> for RoleBody {
    fn from(RoleSummary { id, name }: RoleSummary) -> Self {
        Self { id: id.as_uuid(), name }
    }
}
