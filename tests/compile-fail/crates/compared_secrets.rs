//! Passwords, tokens and keys are compared with `==`, which takes longer the more bytes are equal.

use auth::SigningKey;
use auth_api::{AccessToken, Password};
use authorization_api::InvitationToken;

fn passwords(one: &Password, other: &Password) -> bool {
    one == other
}

fn invitations(one: &InvitationToken, other: &InvitationToken) -> bool {
    one == other
}

fn access_tokens(one: &AccessToken, other: &AccessToken) -> bool {
    one.token == other.token
}

fn keys(one: &SigningKey, other: &SigningKey) -> bool {
    one == other
}

fn main() {}
