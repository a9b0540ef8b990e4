//! Invitations into a tenant.

use kernel::contracts::{
    AcceptError, Invitation, InvitationId, Invitations, MemberInvite, RoleId, InvitationWithToken, TenancyMode,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{PRIVILEGE_ESCALATION, me::UserTenantResponse, members::RoleSummaryResponse, pagination::PageQuery};
use crate::http::{
    extract::{Body, PathId, Query, Inject},
    validation::validate,
    access::{Access, SignedIn, Authorized},
    public_url::PublicUrls,
    problem::Problem,
    route::{Created, Json, NoContent, Routes},
};

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateInvitationRequest {
    /// Only who signs in with this address can accept.
    #[schema(example = "carol@example.com", max_length = 254)]
    email: String,
    /// What they are to be: a role of the tenant's that the caller may give.
    #[schema(example = "019a0000-0000-7002-8000-00000000acee")]
    role_id: Uuid,
}

/// What an invitation's link has.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptInvitationRequest {
    /// What stands behind `/join#`.
    #[schema(example = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s")]
    token: String,
}

/// An invitation and its link. Nobody is shown the link again.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedInvitationResponse {
    id: Uuid,
    #[schema(example = "carol@example.com")]
    email: String,
    role: RoleSummaryResponse,
    /// Who answers for it: a person.
    invited_by: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Until when it can be accepted: 7 days from now.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// To hand over to whom it is for.
    #[schema(example = "http://127.0.0.1:8080/join#-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s")]
    link: String,
}

/// An invitation that has been neither accepted nor revoked.
#[derive(Serialize, ToSchema)]
pub(super) struct InvitationResponse {
    id: Uuid,
    #[schema(example = "carol@example.com")]
    email: String,
    role: RoleSummaryResponse,
    /// Who answers for it: a person.
    invited_by: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Until when it can be accepted.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Whether it is too late for that.
    expired: bool,
}

/// A page of invitations.
#[derive(Serialize, ToSchema)]
pub(super) struct InvitationListResponse {
    /// By id: in the order in which they were made.
    invitations: Vec<InvitationResponse>,
    /// For the query parameter `cursor`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

const ALREADY_MEMBER: (u16, &str) = (409, "Somebody with this address is a member");
const SEAT_LIMIT_REACHED: (u16, &str) = (409, "No seat is left");

pub(super) fn register(routes: &mut Routes, tenancy: &TenancyMode) {
    let personal: &[(u16, &str)] = match tenancy {
        TenancyMode::Personal => &[(409, "Each person has a tenant of their own, and nobody else comes into it")],
        TenancyMode::Organization(_) | TenancyMode::Single(_) => &[],
    };
    let create_doc = routes.post("/v1/invitations", "Invite somebody into the tenant: a link to hand over", create);
    create_doc.problems(&[
        PRIVILEGE_ESCALATION,
        ALREADY_MEMBER,
        (409, "An invitation to this address is open"),
        SEAT_LIMIT_REACHED,
    ]);
    create_doc.problems(personal);
    routes.get("/v1/invitations", "List the invitations that nobody has accepted", list);
    let resend_doc = routes.post(
        "/v1/invitations/{id}/resend",
        "Send an invitation again: another link to hand over, and the one before opens nothing",
        resend,
    );
    resend_doc.problems(&[PRIVILEGE_ESCALATION, ALREADY_MEMBER, SEAT_LIMIT_REACHED]);
    resend_doc.problems(personal);
    routes.delete("/v1/invitations/{id}", "Revoke an invitation", revoke);
    routes.post("/v1/invitations/accept", "Accept an invitation: I am a member then", accept).problems(&[
        (404, "The invitation is unknown, used, revoked or expired, or somebody else's"),
        (409, "I am a member already"),
        SEAT_LIMIT_REACHED,
    ]);
}

pub(super) async fn create(
    Authorized(access, Body(request)): Authorized<Access<MemberInvite>, Body<CreateInvitationRequest>>,
    invitations: Inject<dyn Invitations>,
    public_urls: Inject<dyn PublicUrls>,
) -> Result<Created<CreatedInvitationResponse>, Problem> {
    let email = validate("/email", &request.email)?;
    let created = invitations.create(&access, &email, RoleId::from_uuid(request.role_id)).await?;
    Ok(Created { location: "/v1/invitations", body: CreatedInvitationResponse::new(created, &*public_urls) })
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
    // What is no token is refused like one that nobody was given.
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
