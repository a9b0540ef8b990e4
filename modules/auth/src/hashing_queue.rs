//! Bounds the callers that hash a password or wait for it, in total and for each client.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// One client may take the number of places divided by this. So a client that takes all it can leaves most to others.
const SHARES: usize = 4;

/// A fixed number of places, of which each client may take a share.
pub(crate) struct HashingQueue {
    places: usize,
    /// The number of places that each client has taken. A client without any takes no memory.
    taken: Mutex<HashMap<Client, usize>>,
}

/// An IPv4 address, or an IPv6 network of 64 bits, from which one client may choose any address. `None` stands for all
/// clients whose address is unknown: if each had its own share, a client could hide its address to take all places.
type Client = Option<IpAddr>;

/// A place in the queue. Dropping it leaves the queue.
pub(crate) struct Place<'a> {
    queue: &'a HashingQueue,
    client: Client,
}

impl HashingQueue {
    pub(crate) fn new(places: usize) -> Self {
        Self { places, taken: Mutex::default() }
    }

    /// Takes a place for a client with this address. Returns `None` if the queue or the client's share is full.
    pub(crate) fn enter(&self, client_addr: Option<IpAddr>) -> Option<Place<'_>> {
        let client = client_addr.map(client_network);
        let mut taken = self.lock();
        let by_client = taken.get(&client).copied().unwrap_or_default();
        if by_client >= self.places / SHARES || taken.values().sum::<usize>() >= self.places {
            return None;
        }
        taken.insert(client, by_client + 1);
        Some(Place { queue: self, client })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        // No operation under the lock leaves the map inconsistent.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.queue.lock();
        match taken.get_mut(&self.client) {
            Some(count @ 2..) => *count -= 1,
            _ => drop(taken.remove(&self.client)),
        }
    }
}

fn client_network(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HashingQueue {
        pub(crate) fn taken_places(&self) -> usize {
            self.lock().values().sum()
        }
    }

    /// Takes places for a client until it is rejected.
    fn fill<'a>(queue: &'a HashingQueue, client: &str) -> Vec<Place<'a>> {
        let client = client.parse().ok();
        std::iter::from_fn(|| queue.enter(client)).collect()
    }

    #[test]
    fn client_takes_at_most_its_share() {
        let queue = HashingQueue::new(33);
        for client in ["192.0.2.1", "2001:db8::1", "unknown"] {
            assert_eq!(fill(&queue, client).len(), 8, "{client}");
        }
        let mut places = fill(&queue, "192.0.2.1");
        drop(places.pop());
        assert_eq!(fill(&queue, "192.0.2.1").len(), 1);
        let others: Vec<_> = ["192.0.2.2", "2001:db8::1", "unknown"].map(|client| fill(&queue, client)).into();
        assert!(others.iter().all(|places| places.len() == 8));
        // 31 of 33 places are taken.
        assert_eq!(fill(&queue, "192.0.2.3").len(), 2);
    }

    #[test]
    fn addresses_of_one_client_share_places() {
        for (one, other, shared) in [
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("unknown", "0.0.0.0", false),
            ("unknown", "::", false),
        ] {
            let queue = HashingQueue::new(100);
            let _places = fill(&queue, one);
            assert_eq!(fill(&queue, other).is_empty(), shared, "{one}, {other}");
        }
    }

    #[test]
    fn clients_without_places_take_no_memory() {
        let queue = HashingQueue::new(33);
        drop(["192.0.2.1", "192.0.2.2", "unknown"].map(|client| fill(&queue, client)));
        assert!(queue.lock().is_empty());
    }
}
