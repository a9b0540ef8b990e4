//! The members of a tenant.

use authorization_api::{Member as TenantMember, MemberRemove, MemberUpdate, Members, MembersError, UserRead};
use kernel::{RoleId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::pagination::PageQuery;
use crate::http::{
    access::{Access, AccessTo, Authorized, Member},
    extract::{Body, Inject, Query},
    problem::{
        Problem,
        types::{LAST_ADMIN, PRIVILEGE_ESCALATION},
    },
    route::{Json, NoContent, Routes},
};

/// Changes to a membership.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateMemberRequest {
    /// Id of the new role, one of `GET /v1/roles`. The caller must have each permission that the
    /// member gains or loses.
    #[schema(value_type = Uuid, example = "019a0000-0000-7002-8000-00000000acee")]
    role_id: RoleId,
}

/// A page of members.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberListResponse {
    /// Ordered by id, which is the order in which the users were created.
    members: Vec<TenantMember>,
    /// Value of the query parameter `cursor` for the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

pub(super) fn register(routes: &mut Routes) {
    routes.get("/v1/members", "List the tenant's members", list);
    routes.get("/v1/members/{id}", "Read a member", show);
    routes
        .patch(
            "/v1/members/{id}",
            "Change a member's role; neither role may exceed the caller's permissions",
            update_role,
        )
        .problems(&[PRIVILEGE_ESCALATION, LAST_ADMIN]);
    routes
        .delete(
            "/v1/members/{id}",
            "Remove a member, whose permissions must not exceed the caller's, from the tenant",
            remove,
        )
        .problems(&[PRIVILEGE_ESCALATION, LAST_ADMIN]);
    routes.post("/v1/tenant/leave", "Leave the tenant", leave).problems(&[LAST_ADMIN]);
}

async fn list(
    Authorized(access, Query(page)): Authorized<Access<UserRead>, Query<PageQuery>>,
    members: Inject<dyn Members>,
) -> Result<Json<MemberListResponse>, Problem> {
    let rows = members.list(&access, page.cursor()?.map(UserId::from_uuid), page.fetch_limit()).await?;
    let (members, next_cursor) = page.into_page(rows, |member| member.id.as_uuid());
    Ok(Json(MemberListResponse { members, next_cursor }))
}

async fn show(access: AccessTo<UserRead, UserId>, members: Inject<dyn Members>) -> Result<Json<TenantMember>, Problem> {
    Ok(Json(members.get(&access, access.id).await?))
}

async fn update_role(
    Authorized(access, Body(request)): Authorized<AccessTo<MemberUpdate, UserId>, Body<UpdateMemberRequest>>,
    members: Inject<dyn Members>,
) -> Result<Json<TenantMember>, Problem> {
    Ok(Json(members.update_role(&access, access.id, request.role_id).await?))
}

async fn remove(access: AccessTo<MemberRemove, UserId>, members: Inject<dyn Members>) -> Result<NoContent, Problem> {
    members.remove(&access, access.id).await?;
    Ok(NoContent)
}

async fn leave(member: Member, members: Inject<dyn Members>) -> Result<NoContent, Problem> {
    members.leave(&member).await?;
    Ok(NoContent)
}

impl From<MembersError> for Problem {
    fn from(error: MembersError) -> Self {
        match error {
            MembersError::NotFound => Self::not_found(),
            MembersError::RoleNotFound => role_not_found(),
            MembersError::Change(error) => error.into(),
            MembersError::Db(error) => error.into(),
        }
    }
}

/// The role in the body doesn't exist.
pub(super) fn role_not_found() -> Problem {
    Problem::invalid_body_at("/role_id", "Role not found in this tenant. GET /v1/roles lists the roles.")
}
