//! Lists come in pages.

use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::http::problem::Problem;

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
    cursor: Option<Uuid>,
}

fn default_limit() -> u16 {
    50
}

impl PageQuery {
    /// After which id the page begins.
    pub(super) fn cursor(&self) -> Result<Option<Uuid>, Problem> {
        if (1..=100).contains(&self.limit) {
            Ok(self.cursor)
        } else {
            Err(Problem::malformed("The query parameter limit goes from 1 to 100."))
        }
    }

    /// How many to ask for: one more than fits, to see whether there is another page.
    pub(super) fn fetch_limit(&self) -> u16 {
        self.limit + 1
    }

    /// What fits on the page, and the id that the next one begins after.
    pub(super) fn into_page<T, B: From<T>>(self, mut rows: Vec<T>, id: impl Fn(&T) -> Uuid) -> (Vec<B>, Option<Uuid>) {
        let limit = usize::from(self.limit);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(id);
        (rows.into_iter().map(Into::into).collect(), next)
    }
}
