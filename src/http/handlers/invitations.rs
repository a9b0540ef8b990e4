//! Invitations to the tenant.

use kernel::contracts::{
    AcceptError, Invitation, InvitationId, InvitationWithToken, Invitations, MemberInvite, RoleId, TenancyMode,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{PRIVILEGE_ESCALATION, me::UserTenantResponse, members::RoleSummaryResponse, pagination::PageQuery};
use crate::http::{
    access::{Access, Authorized, SignedIn},
    extract::{Body, Inject, PathId, Query},
    problem::Problem,
    public_url::PublicUrls,
    route::{CreatedWithoutUrl, Json, NoContent, Routes},
    validation::validate,
};

/// A new invitation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateInvitationRequest {
    /// E-mail address of the invited user. Only the user with this address can accept.
    #[schema(example = "carol@example.com", max_length = 254)]
    email: String,
    /// Id of the role that the invited user gets. The caller must hold all of its permissions.
    #[schema(example = "019a0000-0000-7002-8000-00000000acee")]
    role_id: Uuid,
}

/// The token of an invitation link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptInvitationRequest {
    /// The part of the link after `/join#`.
    #[schema(example = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s")]
    token: String,
}

/// An invitation and its link. The link is shown only once.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedInvitationResponse {
    id: Uuid,
    #[schema(example = "carol@example.com")]
    email: String,
    role: RoleSummaryResponse,
    /// Id of the user who sent it last. When the invitation is accepted, this user must still be allowed to assign the
    /// role.
    invited_by: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the invitation expires: 7 days from now.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// The link to pass on to the invited user.
    #[schema(example = "http://127.0.0.1:8080/join#-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s")]
    link: String,
}

/// An invitation that is neither accepted nor revoked.
#[derive(Serialize, ToSchema)]
pub(super) struct InvitationResponse {
    id: Uuid,
    #[schema(example = "carol@example.com")]
    email: String,
    role: RoleSummaryResponse,
    /// Id of the user who sent it last. When the invitation is accepted, this user must still be allowed to assign the
    /// role.
    invited_by: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the invitation expires.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Whether the invitation has expired.
    expired: bool,
}

/// A page of invitations.
#[derive(Serialize, ToSchema)]
pub(super) struct InvitationListResponse {
    /// Ordered by id, which is the order of creation.
    invitations: Vec<InvitationResponse>,
    /// Value of the query parameter `cursor` for the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

const ALREADY_MEMBER: (u16, &str) = (409, "A user with this e-mail address is already a member");
const SEAT_LIMIT_REACHED: (u16, &str) = (409, "Seat limit reached");

pub(super) fn register(routes: &mut Routes, tenancy: &TenancyMode) {
    let invitations_disabled: &[(u16, &str)] = match tenancy {
        TenancyMode::Personal => &[(409, "Tenants are personal: their owner is the only member")],
        TenancyMode::Organization(_) | TenancyMode::Single(_) => &[],
    };
    routes
        .post("/v1/invitations", "Invite a user to the tenant; returns a link to pass on", create)
        .problems(&[
            PRIVILEGE_ESCALATION,
            ALREADY_MEMBER,
            (409, "An invitation for this e-mail address is already open"),
            SEAT_LIMIT_REACHED,
        ])
        .problems(invitations_disabled);
    routes.get("/v1/invitations", "List the tenant's open and expired invitations", list);
    routes
        .post("/v1/invitations/{id}/resend", "Resend an invitation; a new link replaces the old one", resend)
        .problems(&[PRIVILEGE_ESCALATION, ALREADY_MEMBER, SEAT_LIMIT_REACHED])
        .problems(invitations_disabled);
    routes.delete("/v1/invitations/{id}", "Revoke an invitation", revoke);
    routes.post("/v1/invitations/accept", "Accept an invitation", accept).problems(&[
        (404, "The invitation is unknown, used, revoked, expired or for another user"),
        (409, "The caller is already a member"),
        SEAT_LIMIT_REACHED,
    ]);
}

pub(super) async fn create(
    Authorized(access, Body(request)): Authorized<Access<MemberInvite>, Body<CreateInvitationRequest>>,
    invitations: Inject<dyn Invitations>,
    public_urls: Inject<dyn PublicUrls>,
) -> Result<CreatedWithoutUrl<CreatedInvitationResponse>, Problem> {
    let email = validate("/email", &request.email)?;
    let created = invitations.create(&access, &email, RoleId::from_uuid(request.role_id)).await?;
    Ok(CreatedWithoutUrl(CreatedInvitationResponse::new(created, &*public_urls)))
}

pub(super) async fn list(
    Authorized(access, Query(page)): Authorized<Access<MemberInvite>, Query<PageQuery>>,
    invitations: Inject<dyn Invitations>,
) -> Result<Json<InvitationListResponse>, Problem> {
    let after = page.cursor()?.map(InvitationId::from_uuid);
    let rows = invitations.list(&access, after, page.fetch_limit()).await?;
    let (invitations, next_cursor) = page.into_page(rows, |invitation| invitation.id.as_uuid());
    Ok(Json(InvitationListResponse { invitations, next_cursor }))
}

pub(super) async fn resend(
    Authorized(access, PathId(id)): Authorized<Access<MemberInvite>, PathId<InvitationId>>,
    invitations: Inject<dyn Invitations>,
    public_urls: Inject<dyn PublicUrls>,
) -> Result<Json<CreatedInvitationResponse>, Problem> {
    Ok(Json(CreatedInvitationResponse::new(invitations.resend(&access, id).await?, &*public_urls)))
}

pub(super) async fn revoke(
    Authorized(access, PathId(id)): Authorized<Access<MemberInvite>, PathId<InvitationId>>,
    invitations: Inject<dyn Invitations>,
) -> Result<NoContent, Problem> {
    invitations.revoke(&access, id).await?;
    Ok(NoContent)
}

pub(super) async fn accept(
    Authorized(me, Body(request)): Authorized<SignedIn, Body<AcceptInvitationRequest>>,
    invitations: Inject<dyn Invitations>,
) -> Result<Json<UserTenantResponse>, Problem> {
    // A malformed token gets the same response as an unknown one.
    let token = request.token.parse().map_err(|_| AcceptError::NotFound)?;
    Ok(Json(invitations.accept(&me, &token).await?.into()))
}

impl CreatedInvitationResponse {
    fn new(InvitationWithToken { invitation, token }: InvitationWithToken, public_urls: &dyn PublicUrls) -> Self {
        let link = public_urls.invitation_url(&token);
        let InvitationResponse { id, email, role, invited_by, created_at, expires_at, expired: _ } = invitation.into();
        Self { id, email, role, invited_by, created_at, expires_at, link }
    }
}

impl From<Invitation> for InvitationResponse {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, email, role, invited_by, created_at, expires_at, expired } = invitation;
        let (id, email, invited_by) = (id.as_uuid(), email.to_string(), invited_by.as_uuid());
        Self { id, email, role: role.into(), invited_by, created_at, expires_at, expired }
    }
}
