//! The members of a tenant: memberships are this module's, people are the user module's.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use kernel::{
    contracts::{Member, Members, MembersError, Permit, User, UserId, UserRead, UserRepository},
    db::{Database, TenantTx},
};
use shaku::Component;

use crate::postgres::{MembershipRepository, MembershipRow};

/// The use cases behind `GET /v1/members` and `GET /v1/users/{id}`.
#[derive(Component)]
#[shaku(interface = Members)]
pub(crate) struct TenantMembers {
    #[shaku(inject)]
    database: Arc<dyn Database>,
    #[shaku(inject)]
    memberships: Arc<dyn MembershipRepository>,
    #[shaku(inject)]
    users: Arc<dyn UserRepository>,
}

#[async_trait]
impl Members for TenantMembers {
    async fn list(
        &self,
        permit: &Permit<UserRead>,
        after: Option<UserId>,
        limit: u16,
    ) -> Result<Vec<Member>, MembersError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        let page = self.memberships.page(&mut tx, after, limit).await?;
        self.with_people(&mut tx, page).await
    }

    async fn get(&self, permit: &Permit<UserRead>, user: UserId) -> Result<Member, MembersError> {
        let mut tx = self.database.begin(permit.scope()).await?;
        let membership = self.memberships.find(&mut tx, user).await?.ok_or(MembersError::NotFound)?;
        let members = self.with_people(&mut tx, vec![membership]).await?;
        members.into_iter().next().ok_or(MembersError::NotFound)
    }
}

impl TenantMembers {
    /// One query for all the people of a page; the page's order stays.
    async fn with_people(&self, tx: &mut TenantTx, page: Vec<MembershipRow>) -> Result<Vec<Member>, MembersError> {
        let ids: Vec<UserId> = page.iter().map(|row| row.user).collect();
        let people = self.users.find_many(tx, &ids).await?;
        let mut people: HashMap<UserId, User> = people.into_iter().map(|user| (user.id, user)).collect();
        let member = |row: MembershipRow| {
            let user = people.remove(&row.user)?;
            Some(Member { user, role: row.role, since: row.since })
        };
        Ok(page.into_iter().filter_map(member).collect())
    }
}
