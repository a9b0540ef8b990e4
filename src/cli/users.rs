//! `tenantry users …`

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Subcommand;
use console::Term;
use kernel::{
    contracts::{AccountError, NewPassword, DisplayName, Email, Password},
    db::open_db,
};
use secrecy::ExposeSecret;

use super::{CliError, print};
use crate::{bootstrap::account_admin, config::AppConfig};

/// Longer lines aren't read to their end, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 16;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make somebody who can sign in; the password is read from standard input, in a terminal without being shown
    ///
    /// It has at least 12 characters and at most 1024 bytes. In a terminal it is asked for twice; elsewhere it is the
    /// first line that comes in. There is no option for it, since others on this machine can read what a command is
    /// called with.
    Create(CreateUserArgs),
}

#[derive(clap::Args)]
pub(super) struct CreateUserArgs {
    /// The address to sign in with
    #[arg(long)]
    email: Email,
    /// What others see; unset: what stands before the address's @
    #[arg(long)]
    name: Option<DisplayName>,
}

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), CliError> {
    let Command::Create(args) = command;
    let name = name(&args)?;
    // Nothing is open while somebody types.
    let password = password(&args.email)?;
    let db = open_db(config.db).await?;
    let outcome = match account_admin(&db) {
        Ok(accounts) => accounts.create(&args.email, &name, &password).await.map_err(describe),
        Err(error) => Err(error.into()),
    };
    db.close().await;
    let id = outcome?;
    print(format_args!("created {} ({id}), who can sign in now, and is a member nowhere yet", args.email));
    Ok(())
}

fn name(args: &CreateUserArgs) -> Result<DisplayName, CliError> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let before = args.email.as_str().split('@').next().unwrap_or_default();
    before.parse().map_err(|error| format!("say --name: {error}").into())
}

fn describe(error: AccountError) -> CliError {
    match error {
        AccountError::EmailTaken => {
            "somebody has this e-mail address already, deactivated or not; nothing was changed".into()
        }
        error => error.into(),
    }
}

/// Typed twice where nobody sees it, or one line that comes in.
fn password(email: &Email) -> Result<NewPassword, CliError> {
    if !io::stdin().is_terminal() {
        return Ok(first_line(io::stdin().lock())?.try_into()?);
    }
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err("there is no terminal on standard error to ask for the password: pipe it in".into());
    }
    let min_length = NewPassword::MIN_LENGTH;
    let first = prompt(&terminal, &format!("Password for {email}, at least {min_length} characters, which aren't shown: "))?;
    let first = NewPassword::try_from(first)?;
    let second = prompt(&terminal, "The same once more: ")?;
    if first.password().secret().expose_secret() != second.secret().expose_secret() {
        return Err("these were two different passwords; nothing was changed".into());
    }
    Ok(first)
}

fn prompt(mut terminal: &Term, words: &str) -> io::Result<Password> {
    write!(terminal, "{words}")?;
    terminal.flush()?;
    terminal.read_secure_line().map(Password::new)
}

fn first_line(input: impl BufRead) -> Result<Password, CliError> {
    let mut line = Vec::new();
    input.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
    let mut text = String::from_utf8(line).map_err(|_| "the password on standard input isn't UTF-8")?;
    let end = ["\r\n", "\n"].into_iter().find(|end| text.ends_with(end)).unwrap_or_default();
    text.truncate(text.len() - end.len());
    if text.is_empty() {
        return Err("no password came in: run this in a terminal, or pipe a line into it".into());
    }
    Ok(Password::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Result<String, String> {
        let line = first_line(input).map(|password| password.secret().expose_secret().to_owned());
        line.map_err(|error| error.to_string())
    }

    #[test]
    fn password_is_first_line() {
        for input in ["one two", "one two\n", "one two\r\n", "one two\nthree\n"] {
            assert_eq!(read(input.as_bytes()), Ok("one two".into()), "{input:?}");
        }
        assert_eq!(read(b" with spaces \n"), Ok(" with spaces ".into()));
    }

    #[test]
    fn empty_or_non_utf8_password_is_rejected() {
        for input in ["", "\n", "\r\n", "\nsecond"] {
            assert!(read(input.as_bytes()).unwrap_err().contains("no password came in"), "{input:?}");
        }
        assert!(read(b"caf\xe9 caf\xe9 caf\xe9\n").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn name_defaults_to_local_part() {
        let named = |email: &str, given: Option<&str>| {
            let given = given.map(|name| name.parse().unwrap());
            name(&CreateUserArgs { email: email.parse().unwrap(), name: given })
        };
        assert_eq!(named("carol@example.com", None).unwrap().as_str(), "carol");
        assert_eq!(named("carol@example.com", Some("Carol Clark")).unwrap().as_str(), "Carol Clark");
        let long = format!("{}@example.com", "a".repeat(201));
        assert!(named(&long, None).unwrap_err().to_string().starts_with("say --name"));
    }
}
