//! Password hashing with argon2id: 19 MiB, 2 passes, 1 lane, as recommended by OWASP's Password Storage Cheat Sheet.
//!
//! A fixed number of slots computes hashes, each in memory that it reuses. The number of callers that wait for a slot is
//! limited, in total and for each client. So a flood of sign-ins takes no more memory than a few, and the time that a
//! caller waits is bounded. One client can't stop the sign-ins of others.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        phc::{self, Output, Salt},
        try_generate_salt,
    },
};
use auth_api::Password;
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;

use crate::hashing_queue::{HashingQueue, Place};

/// Maximum number of slots. There is one for each core up to this number.
const MAX_SLOTS: usize = 4;

/// Maximum number of callers that wait for a slot, for each slot. Hashing for all of them takes about a second.
const MAX_WAITING_PER_SLOT: usize = 32;

/// Maximum memory in KiB that a stored hash may require. The program's own hashes require 19 MiB; imported ones may
/// require more.
const MAX_MEMORY_KIB: u32 = 128 * 1024;

/// Maximum passes over the memory that a stored hash may require. They determine how long it occupies a slot.
const MAX_PASSES: u32 = 10;

/// A stored hash: a PHC string. Has no `Debug`, so that it isn't logged by accident.
#[derive(Clone)]
pub(crate) struct PasswordHash(String);

impl PasswordHash {
    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the text, for a statement or to verify a password.
    pub(crate) fn expose_hash(&self) -> &str {
        &self.0
    }
}

/// Reasons why a password isn't hashed or verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashingError {
    /// The queue is full, or this client's share of it.
    #[error("too many passwords are waiting to be hashed; try again in a moment")]
    Overloaded,
    /// No randomness is available, or the stored hash is corrupt or requires more than [`MAX_MEMORY_KIB`] or
    /// [`MAX_PASSES`].
    #[error("password hashing failed: {0}")]
    Failed(String),
}

impl HashingError {
    fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Hashes and verifies passwords on blocking threads, at most one per core and [`MAX_SLOTS`] at a time.
pub(crate) struct PasswordHasher {
    /// A place for each caller that computes a hash or waits for a slot.
    queue: HashingQueue,
    /// A permit for each slot.
    slots: Arc<Semaphore>,
    /// The memory of slots that are free. A slot without memory allocates it at its first hash.
    free_memory: Arc<Mutex<Vec<Memory>>>,
    /// How many hashes were computed.
    #[cfg(test)]
    pub(crate) computed: Arc<std::sync::atomic::AtomicUsize>,
}

/// The memory of a slot. It is reused, because an allocator may keep what is freed, separately for each thread.
#[derive(Default)]
struct Memory {
    blocks: Vec<Block>,
    /// How many hashes were computed in it.
    #[cfg(test)]
    computed: usize,
}

impl Default for PasswordHasher {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        Self::with_slots(cores.min(MAX_SLOTS))
    }
}

impl PasswordHasher {
    fn with_slots(slots: usize) -> Self {
        Self {
            queue: HashingQueue::new(slots * (1 + MAX_WAITING_PER_SLOT)),
            slots: Arc::new(Semaphore::new(slots)),
            free_memory: Arc::default(),
            #[cfg(test)]
            computed: Arc::default(),
        }
    }

    /// Reserves a place in the queue, for one hash. `client_addr` is the address of the client, if known.
    ///
    /// # Errors
    /// [`HashingError::Overloaded`] if the queue or the client's share of it is full.
    pub(crate) fn enqueue(&self, client_addr: Option<IpAddr>) -> Result<QueuePlace<'_>, HashingError> {
        let place = self.queue.enter(client_addr).ok_or(HashingError::Overloaded)?;
        Ok(QueuePlace { hasher: self, _place: place })
    }

    /// Hashes a password with a random salt, for the operator.
    pub(crate) async fn hash(&self, password: &Password) -> Result<PasswordHash, HashingError> {
        self.enqueue(None)?.hash(password).await
    }
}

/// A place in the queue. Dropping it leaves the queue.
pub(crate) struct QueuePlace<'a> {
    hasher: &'a PasswordHasher,
    _place: Place<'a>,
}

impl QueuePlace<'_> {
    async fn hash(self, password: &Password) -> Result<PasswordHash, HashingError> {
        let password = password.clone();
        self.run_blocking(move |memory| hash(&password, memory)).await
    }

    /// Returns whether the password matches the hash. `None` never matches but takes the same time, so that timing
    /// doesn't reveal whether a hash exists.
    pub(crate) async fn verify(self, password: &Password, hash: Option<PasswordHash>) -> Result<bool, HashingError> {
        let Some(hash) = hash else {
            // Hashing takes as long as verifying: both compute one hash.
            return self.hash(password).await.map(|_| false);
        };
        let password = password.clone();
        self.run_blocking(move |memory| verify(&password, &hash, memory)).await
    }

    async fn run_blocking<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Memory) -> Result<T, HashingError> + Send + 'static,
    ) -> Result<T, HashingError> {
        let PasswordHasher { slots, free_memory, .. } = self.hasher;
        let permit = Arc::clone(slots).acquire_owned().await.map_err(HashingError::failed)?;
        let free_memory = Arc::clone(free_memory);
        #[cfg(test)]
        let computed = Arc::clone(&self.hasher.computed);
        let task = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even if the request that waits for it is cancelled.
            let _permit = permit;
            let lock = || free_memory.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = lock().pop().unwrap_or_default();
            let result = work(&mut memory);
            #[cfg(test)]
            computed.fetch_add(std::mem::take(&mut memory.computed), std::sync::atomic::Ordering::Relaxed);
            // Returns what an imported hash required in addition.
            memory.blocks.truncate(Params::DEFAULT.block_count());
            memory.blocks.shrink_to_fit();
            lock().push(memory);
            result
        });
        task.await.map_err(HashingError::failed)?
    }
}

fn hash(password: &Password, memory: &mut Memory) -> Result<PasswordHash, HashingError> {
    let salt = try_generate_salt().map_err(HashingError::failed)?;
    let salt = Salt::new(&salt).map_err(HashingError::failed)?;
    let (algorithm, version, params) = (Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let hash = phc::PasswordHash {
        algorithm: algorithm.ident(),
        version: Some(version.into()),
        params: (&params).try_into().map_err(HashingError::failed)?,
        salt: Some(salt),
        hash: Some(compute(&Argon2::new(algorithm, version, params), password, &salt, memory)?),
    };
    Ok(PasswordHash(hash.to_string()))
}

/// The algorithm and the parameters are those of the hash, so hashes of earlier or other programs remain valid.
fn verify(password: &Password, hash: &PasswordHash, memory: &mut Memory) -> Result<bool, HashingError> {
    let hash = phc::PasswordHash::new(hash.expose_hash()).map_err(HashingError::failed)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Err(HashingError::failed("the stored hash is incomplete"));
    };
    let algorithm = hash.algorithm.as_str().try_into().map_err(HashingError::failed)?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).map_err(HashingError::failed)?;
    let params = (&hash).try_into().map_err(HashingError::failed)?;
    // `Output` is compared in constant time.
    Ok(compute(&Argon2::new(algorithm, version, params), password, salt, memory)? == *expected)
}

/// Computes a hash in `memory`, which grows if the parameters require more.
///
/// The memory isn't cleared: argon2 writes each block before it reads it.
fn compute(argon2: &Argon2, password: &Password, salt: &Salt, memory: &mut Memory) -> Result<Output, HashingError> {
    let params = argon2.params();
    for (required, maximum, unit) in [(params.m_cost(), MAX_MEMORY_KIB, "KiB"), (params.t_cost(), MAX_PASSES, "passes")]
    {
        if required > maximum {
            let problem = format!("the stored hash requires {required} {unit}; the maximum is {maximum}");
            return Err(HashingError::failed(problem));
        }
    }
    if memory.blocks.len() < params.block_count() {
        memory.blocks.resize(params.block_count(), Block::new());
    }
    let mut output = [0; Output::MAX_LENGTH];
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let output = output.get_mut(..length).ok_or_else(|| HashingError::failed("the stored hash is too long"))?;
    let password = password.secret().expose_secret().as_bytes();
    #[cfg(test)]
    {
        memory.computed += 1;
    }
    argon2.hash_password_into_with_memory(password, salt, output, &mut memory.blocks).map_err(HashingError::failed)?;
    Output::new(output).map_err(HashingError::failed)
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use argon2::{CustomizedPasswordHasher as _, PasswordVerifier as _};

    use super::*;

    /// The number of blocks that the program's own hashes require.
    const BLOCKS: usize = 19 * 1024;

    fn password() -> Password {
        Password::new("correct horse".into())
    }

    async fn verify(hasher: &PasswordHasher, password: &str, hash: &PasswordHash) -> Result<bool, HashingError> {
        hasher.enqueue(None)?.verify(&Password::new(password.into()), Some(hash.clone())).await
    }

    fn memory_sizes(hasher: &PasswordHasher) -> Vec<usize> {
        hasher.free_memory.lock().unwrap().iter().map(|memory| memory.blocks.len()).collect()
    }

    #[test]
    fn argon2_params_match_owasp() {
        let params = Params::DEFAULT;
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19 * 1024, 2, 1));
    }

    #[tokio::test]
    async fn verify_accepts_only_the_right_password() {
        let hasher = PasswordHasher::default();
        let hash = hasher.hash(&password()).await.unwrap();
        assert!(hash.expose_hash().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose_hash());
        assert!(verify(&hasher, "correct horse", &hash).await.unwrap());
        assert!(!verify(&hasher, "battery staple", &hash).await.unwrap());
        // The implementation of the trait allocates its own memory.
        Argon2::default().verify_password(b"correct horse", hash.expose_hash()).unwrap();
    }

    #[tokio::test]
    async fn hashes_are_salted() {
        let hasher = PasswordHasher::default();
        let (first, second) = (hasher.hash(&password()).await.unwrap(), hasher.hash(&password()).await.unwrap());
        assert_ne!(first.expose_hash(), second.expose_hash());
    }

    #[tokio::test]
    async fn missing_hash_never_matches() {
        let hasher = PasswordHasher::default();
        assert!(!hasher.enqueue(None).unwrap().verify(&password(), None).await.unwrap());
    }

    #[tokio::test]
    async fn corrupt_hash_is_an_error() {
        let hasher = PasswordHasher::default();
        for corrupt in [
            "",
            "$argon2id$corrupt",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
            "$scrypt$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ] {
            let outcome = verify(&hasher, "x", &PasswordHash::from_stored(corrupt.into())).await;
            assert!(matches!(outcome, Err(HashingError::Failed(_))), "{corrupt}: {outcome:?}");
        }
        let sizes = memory_sizes(&hasher);
        assert!(sizes.iter().all(|size| *size == 0), "{sizes:?}");
    }

    #[tokio::test]
    async fn stored_parameters_are_used_up_to_maximum() {
        let hasher = PasswordHasher::with_slots(1);
        // Test vectors of the reference implementation, from its file src/test.c.
        for (vector, blocks) in [
            ("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", 256),
            ("$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", 256),
            ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", BLOCKS),
        ] {
            let hash = PasswordHash::from_stored(vector.into());
            assert!(verify(&hasher, "password", &hash).await.unwrap(), "{vector}");
            assert!(!verify(&hasher, "passwort", &hash).await.unwrap(), "{vector}");
            // Of 64 MiB, only what the program's own hashes need is kept.
            assert_eq!(memory_sizes(&hasher), [blocks], "{vector}");
        }
        let params = Params::new(1024, 1, 1, Some(20)).unwrap();
        let other =
            Argon2::default().hash_password_customized(b"password", b"somesalt", Some("argon2i"), Some(16), params);
        let other = PasswordHash::from_stored(other.unwrap().to_string());
        assert!(verify(&hasher, "password", &other).await.unwrap(), "{}", other.expose_hash());

        for (parameters, problem) in [
            ("m=131073,t=2", "requires 131073 KiB; the maximum is 131072"),
            ("m=256,t=11", "requires 11 passes; the maximum is 10"),
        ] {
            let hash =
                format!("$argon2id$v=19${parameters},p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
            let rejected = verify(&hasher, "password", &PasswordHash::from_stored(hash)).await.unwrap_err();
            assert!(rejected.to_string().contains(problem), "{rejected}");
        }
    }

    #[tokio::test]
    async fn concurrent_hashes_reuse_slot_memory() {
        let hasher = Arc::new(PasswordHasher::with_slots(2));
        let tasks = (0..12).map(|number| {
            let hasher = Arc::clone(&hasher);
            tokio::spawn(async move {
                let (right, wrong) = (format!("password {number}"), format!("password {}", number + 1));
                let hash = hasher.hash(&Password::new(right.clone())).await.unwrap();
                assert!(verify(&hasher, &right, &hash).await.unwrap());
                assert!(!verify(&hasher, &wrong, &hash).await.unwrap());
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(memory_sizes(&hasher), [BLOCKS, BLOCKS]);
    }

    #[tokio::test]
    async fn full_queue_rejects_at_once() {
        let hasher = PasswordHasher::with_slots(2);
        let client = |number: u32| Some(IpAddr::V4(number.into()));
        let mut queued: Vec<_> = (0..66).map(|number| hasher.enqueue(client(number)).unwrap()).collect();
        assert!(matches!(hasher.enqueue(client(66)), Err(HashingError::Overloaded)));
        assert!(matches!(hasher.hash(&password()).await, Err(HashingError::Overloaded)));
        drop(queued.pop());
        hasher.hash(&password()).await.unwrap();
    }

    #[tokio::test]
    async fn cancelled_hash_returns_slot() {
        let hasher = PasswordHasher::with_slots(1);
        let mut context = Context::from_waker(Waker::noop());
        {
            let (password, other) = (password(), password());
            let (mut running, mut waiting) = (pin!(hasher.hash(&password)), pin!(hasher.hash(&other)));
            assert!(running.as_mut().poll(&mut context).is_pending());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            assert_eq!((hasher.slots.available_permits(), hasher.queue.taken_places()), (0, 2));
        }
        assert_eq!(hasher.queue.taken_places(), 0);
        // Waits until the running hash is done.
        hasher.hash(&password()).await.unwrap();
        assert_eq!(memory_sizes(&hasher), [BLOCKS]);
    }

    #[tokio::test]
    async fn panic_returns_slot() {
        let hasher = PasswordHasher::with_slots(1);
        let failed = hasher.enqueue(None).unwrap().run_blocking::<()>(|_| panic!("in a test")).await;
        assert!(matches!(failed, Err(HashingError::Failed(_))));
        hasher.hash(&password()).await.unwrap();
        assert_eq!(memory_sizes(&hasher), [BLOCKS]);
    }
}
