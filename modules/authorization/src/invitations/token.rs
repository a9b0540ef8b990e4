//! Generation and hashing of invitation tokens.

use authorization_api::{InvitationToken, InvitationsError};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};

/// The SHA-256 of a token. A token has 32 random bytes and can't be guessed, so neither a salt nor a slow hash is needed.
///
/// Only the database compares hashes: `==` would take longer the more bytes are equal.
#[derive(Clone, Copy)]
pub(crate) struct TokenHash([u8; 32]);

impl TokenHash {
    /// Returns the bytes, for a statement.
    pub(crate) fn expose_hash(&self) -> &[u8] {
        &self.0
    }
}

/// Returns the hash that is stored instead of the token.
pub(crate) fn hash_token(token: &InvitationToken) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.secret()).as_ref());
    TokenHash(hash)
}

/// Generates a random token. Returns it with its hash.
pub(crate) fn generate_token() -> Result<(InvitationToken, TokenHash), InvitationsError> {
    let mut bytes = [0; InvitationToken::LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_| InvitationsError::TokenGeneration)?;
    let token = InvitationToken::from_bytes(bytes);
    let hash = hash_token(&token);
    Ok((token, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_hash_is_sha256() {
        // Computed with sha256sum.
        let hex: String =
            hash_token(&InvitationToken::from_bytes([0; 32])).0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
    }

    #[test]
    fn tokens_are_unique() {
        let ((one, one_hash), (other, other_hash)) = (generate_token().unwrap(), generate_token().unwrap());
        assert_ne!(one.secret(), other.secret());
        assert_ne!(one_hash.0, other_hash.0);
    }
}
