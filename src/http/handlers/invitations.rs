//! Invitations to the tenant.

use authorization_api::{
    AcceptError, Invitation, InvitationId, InvitationWithToken, Invitations, InvitationsError, MemberInvite, UserTenant,
};
use kernel::{RoleId, TenancyMode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{members::role_not_found, pagination::PageQuery};
use crate::http::{
    access::{Access, Authorized, SignedIn},
    extract::{Body, Inject, PathId, Query},
    problem::{
        Problem, ProblemType,
        types::{
            ALREADY_INVITED, ALREADY_MEMBER, INVITATION_NOT_FOUND, INVITATIONS_DISABLED, PRIVILEGE_ESCALATION,
            SEAT_LIMIT_REACHED,
        },
    },
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
    /// Id of the role that the invited user gets. The caller must have all of its permissions.
    #[schema(value_type = Uuid, example = "019a0000-0000-7002-8000-00000000acee")]
    role_id: RoleId,
}

/// The token of an invitation link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcceptInvitationRequest {
    /// The part of the link after `/join#`.
    #[schema(example = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s", pattern = "^[A-Za-z0-9_-]{43}$")]
    token: String,
}

/// An invitation with its link, which is returned only once.
#[derive(Serialize, ToSchema)]
pub(super) struct InvitationLinkResponse {
    #[serde(flatten)]
    invitation: Invitation,
    /// The link to pass on to the invited user.
    #[schema(example = "http://127.0.0.1:8080/join#-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s")]
    link: String,
}

/// A page of invitations.
#[derive(Serialize, ToSchema)]
pub(super) struct InvitationListResponse {
    /// Ordered by id, which is the order of creation.
    invitations: Vec<Invitation>,
    /// Value of the query parameter `cursor` for the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

pub(super) fn register(routes: &mut Routes, tenancy: &TenancyMode) {
    let invitations_disabled: &[ProblemType] = match tenancy {
        TenancyMode::Personal => &[INVITATIONS_DISABLED],
        TenancyMode::Organization(_) | TenancyMode::Single(_) => &[],
    };
    routes
        .post("/v1/invitations", "Invite a user to the tenant; returns a link to pass on", create)
        .problems(&[PRIVILEGE_ESCALATION, ALREADY_MEMBER, ALREADY_INVITED, SEAT_LIMIT_REACHED])
        .problems(invitations_disabled);
    routes.get("/v1/invitations", "List the tenant's open and expired invitations", list);
    routes
        .post("/v1/invitations/{id}/resend", "Resend an invitation; a new link replaces the old one", resend)
        .problems(&[PRIVILEGE_ESCALATION, ALREADY_MEMBER, SEAT_LIMIT_REACHED])
        .problems(invitations_disabled);
    routes.delete("/v1/invitations/{id}", "Revoke an invitation", revoke).problems(&[PRIVILEGE_ESCALATION]);
    routes.post("/v1/invitations/accept", "Accept an invitation", accept).problems(&[
        INVITATION_NOT_FOUND,
        ALREADY_MEMBER,
        SEAT_LIMIT_REACHED,
    ]);
}

pub(super) async fn create(
    Authorized(access, Body(request)): Authorized<Access<MemberInvite>, Body<CreateInvitationRequest>>,
    invitations: Inject<dyn Invitations>,
    public_urls: Inject<dyn PublicUrls>,
) -> Result<CreatedWithoutUrl<InvitationLinkResponse>, Problem> {
    let email = validate("/email", &request.email)?;
    let created = invitations.create(&access, &email, request.role_id).await?;
    Ok(CreatedWithoutUrl(InvitationLinkResponse::new(created, &*public_urls)))
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
) -> Result<Json<InvitationLinkResponse>, Problem> {
    Ok(Json(InvitationLinkResponse::new(invitations.resend(&access, id).await?, &*public_urls)))
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
) -> Result<Json<UserTenant>, Problem> {
    // A malformed token gets the same response as an unknown one.
    let token = request.token.parse().map_err(|_| AcceptError::NotFound)?;
    Ok(Json(invitations.accept(&me, &token).await?))
}

impl InvitationLinkResponse {
    fn new(InvitationWithToken { invitation, token }: InvitationWithToken, public_urls: &dyn PublicUrls) -> Self {
        Self { invitation, link: public_urls.invitation_url(&token) }
    }
}

impl From<InvitationsError> for Problem {
    fn from(error: InvitationsError) -> Self {
        match error {
            InvitationsError::NotFound => Self::not_found(),
            InvitationsError::RoleNotFound => role_not_found(),
            InvitationsError::AlreadyMember => {
                Self::new(ALREADY_MEMBER, "A user with this e-mail address is already a member.")
                    .with_field_error("/email", "Already a member.")
            }
            InvitationsError::AlreadyInvited => {
                Self::from(ALREADY_INVITED).with_field_error("/email", "Already invited.")
            }
            InvitationsError::SeatLimitReached => Self::new(
                SEAT_LIMIT_REACHED,
                "Members and open invitations use all seats of this tenant. Remove a member, revoke an invitation or \
                 change the plan.",
            ),
            InvitationsError::PersonalMode => INVITATIONS_DISABLED.into(),
            InvitationsError::TokenGeneration => Self::internal(error),
            InvitationsError::Change(error) => error.into(),
            InvitationsError::Db(error) => error.into(),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::NotFound => INVITATION_NOT_FOUND.into(),
            AcceptError::AlreadyMember => Self::new(ALREADY_MEMBER, "You are already a member of this tenant."),
            AcceptError::SeatLimitReached => Self::new(
                SEAT_LIMIT_REACHED,
                "Members use all seats of this tenant. Ask an admin to remove a member or change the plan.",
            ),
            AcceptError::Db(error) => error.into(),
        }
    }
}
