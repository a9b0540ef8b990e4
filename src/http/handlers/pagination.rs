//! Keyset pagination by id.

use serde::{Deserialize, Deserializer, de::Error};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::http::problem::Problem;

/// The query parameters of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// Maximum number of items on the page, 1 to 100.
    #[serde(default = "default_limit")]
    #[param(default = 50, minimum = 1, maximum = 100)]
    pub(super) limit: u16,
    /// `next_cursor` of the previous page.
    #[serde(default, deserialize_with = "uuid")]
    #[param(value_type = Option<Uuid>)]
    pub(super) cursor: Option<Uuid>,
}

/// Deserializes a UUID. The type's own implementation accepts other forms as well.
pub(super) fn uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uuid>, D::Error> {
    let text = String::deserialize(deserializer)?;
    kernel::parse_uuid(&text).map(Some).map_err(D::Error::custom)
}

pub(super) fn default_limit() -> u16 {
    50
}

impl PageQuery {
    /// Returns the id after which the page starts.
    pub(super) fn cursor(&self) -> Result<Option<Uuid>, Problem> {
        if (1..=100).contains(&self.limit) {
            Ok(self.cursor)
        } else {
            Err(Problem::malformed("The query parameter limit must be between 1 and 100."))
        }
    }

    /// Returns how many rows to fetch: one more than the page holds, to detect whether another page follows.
    pub(super) fn fetch_limit(&self) -> u16 {
        self.limit + 1
    }

    /// Returns the page's items and, unless it is the last page, the cursor for the next one.
    pub(super) fn into_page<T>(self, mut rows: Vec<T>, id: impl Fn(&T) -> Uuid) -> (Vec<T>, Option<Uuid>) {
        let limit = usize::from(self.limit);
        let has_next = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_next).map(id);
        (rows, next)
    }
}
