//! Invitations into a tenant.

use kernel::contracts::{
    AcceptError, Invitation, InvitationId, Invitations, MemberInvite, RoleId, SentInvitation, Tenancy,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{GRANT_REFUSED, me::TenantBody, members::RoleBody, page::PageQuery};
use crate::http::{
    extract::{Body, PathId, Query, Scoped},
    fields::field,
    guard::{Access, SignedIn, Then},
    links::Links,
    problem::Problem,
    route::{Created, Json, NoContent, Routes},
};

/// Whom to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InvitationRequest {
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
pub(super) struct AcceptRequest {
    /// What stands behind `/join#`.
    #[schema(example = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s")]
    token: String,
}

/// An invitation and its link. Nobody is shown the link again.
#[derive(Serialize, ToSchema)]
pub(super) struct SentInvitationBody {
    id: Uuid,
    #[schema(example = "carol@example.com")]
    email: String,
    role: RoleBody,
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
pub(super) struct InvitationBody {
    id: Uuid,
    #[schema(example = "carol@example.com")]
    email: String,
    role: RoleBody,
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
pub(super) struct InvitationPage {
    /// By id: in the order in which they were made.
    invitations: Vec<InvitationBody>,
    /// For the query parameter `cursor`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

const ADDRESS_OF_A_MEMBER: (u16, &str) = (409, "Somebody with this address is a member");
const NO_SEAT_LEFT: (u16, &str) = (409, "No seat is left");

pub(super) fn register(routes: &mut Routes, tenancy: &Tenancy) {
    let personal: &[(u16, &str)] = match tenancy {
        Tenancy::Personal => &[(409, "Each person has a tenant of their own, and nobody else comes into it")],
        Tenancy::Organization(_) | Tenancy::Single(_) => &[],
    };
    let invited = routes.post("/v1/invitations", "Invite somebody into the tenant: a link to hand over", invite);
    invited.problems(&[
        GRANT_REFUSED,
        ADDRESS_OF_A_MEMBER,
        (409, "An invitation to this address is open"),
        NO_SEAT_LEFT,
    ]);
    invited.problems(personal);
    routes.get("/v1/invitations", "List the invitations that nobody has accepted", list);
    let resent = routes.post(
        "/v1/invitations/{id}/resend",
        "Send an invitation again: another link to hand over, and the one before opens nothing",
        resend,
    );
    resent.problems(&[GRANT_REFUSED, ADDRESS_OF_A_MEMBER, NO_SEAT_LEFT]);
    resent.problems(personal);
    routes.delete("/v1/invitations/{id}", "Revoke an invitation", revoke);
    routes.post("/v1/invitations/accept", "Accept an invitation: I am a member then", accept).problems(&[
        (404, "The invitation is unknown, used, revoked or expired, or somebody else's"),
        (409, "I am a member already"),
        NO_SEAT_LEFT,
    ]);
}

pub(super) async fn invite(
    Then(access, Body(request)): Then<Access<MemberInvite>, Body<InvitationRequest>>,
    invitations: Scoped<dyn Invitations>,
    links: Scoped<dyn Links>,
) -> Result<Created<SentInvitationBody>, Problem> {
    let email = field("/email", &request.email)?;
    let sent = invitations.invite(&access, &email, RoleId::from_uuid(request.role_id)).await?;
    Ok(Created { location: "/v1/invitations", body: SentInvitationBody::new(sent, &*links) })
}

pub(super) async fn list(
    Then(access, Query(page)): Then<Access<MemberInvite>, Query<PageQuery>>,
    invitations: Scoped<dyn Invitations>,
) -> Result<Json<InvitationPage>, Problem> {
    let after = page.cursor()?.map(InvitationId::from_uuid);
    let found = invitations.list(&access, after, page.one_more()).await?;
    let (invitations, next_cursor) = page.cut(found, |invitation| invitation.id.as_uuid());
    Ok(Json(InvitationPage { invitations, next_cursor }))
}

pub(super) async fn resend(
    Then(access, PathId(id)): Then<Access<MemberInvite>, PathId<InvitationId>>,
    invitations: Scoped<dyn Invitations>,
    links: Scoped<dyn Links>,
) -> Result<Json<SentInvitationBody>, Problem> {
    Ok(Json(SentInvitationBody::new(invitations.resend(&access, id).await?, &*links)))
}

pub(super) async fn revoke(
    Then(access, PathId(id)): Then<Access<MemberInvite>, PathId<InvitationId>>,
    invitations: Scoped<dyn Invitations>,
) -> Result<NoContent, Problem> {
    invitations.revoke(&access, id).await?;
    Ok(NoContent)
}

pub(super) async fn accept(
    Then(me, Body(request)): Then<SignedIn, Body<AcceptRequest>>,
    invitations: Scoped<dyn Invitations>,
) -> Result<Json<TenantBody>, Problem> {
    // What is no token is refused like one that nobody was given.
    let token = request.token.parse().map_err(|_| AcceptError::NotFound)?;
    Ok(Json(invitations.accept(&me, &token).await?.into()))
}

impl SentInvitationBody {
    fn new(SentInvitation { invitation, token }: SentInvitation, links: &dyn Links) -> Self {
        let link = links.join(&token);
        let InvitationBody { id, email, role, invited_by, created_at, expires_at, expired: _ } = invitation.into();
        Self { id, email, role, invited_by, created_at, expires_at, link }
    }
}

impl From<Invitation> for InvitationBody {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, email, role, invited_by, created_at, expires_at, expired } = invitation;
        let (id, email, invited_by) = (id.as_uuid(), email.to_string(), invited_by.as_uuid());
        Self { id, email, role: role.into(), invited_by, created_at, expires_at, expired }
    }
}
