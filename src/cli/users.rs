//! `tenantry users …`

use std::io::{self, BufRead, IsTerminal, Write};

use auth_api::{AccountError, NewPassword, Password};
use clap::Subcommand;
use console::Term;
use db::open_db;
use kernel::Email;
use secrecy::ExposeSecret;
use user_api::DisplayName;

use super::output::{CliError, print};
use crate::{bootstrap::OperatorServices, config::AppConfig};

/// Maximum length of the line read from standard input. The rest of a longer line is ignored.
const MAX_LINE_BYTES: u64 = 1 << 16;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create a user who can sign in; reads the password from standard input
    ///
    /// The password has at least 12 characters, at most 1024 bytes and no invisible characters. In a terminal it is prompted for twice without
    /// echo; otherwise it is the first line of standard input, without a byte order mark. There is no option for it,
    /// because other users of this machine can read command lines.
    Create(CreateUserArgs),
}

#[derive(clap::Args)]
pub(super) struct CreateUserArgs {
    /// Address to sign in with
    #[arg(long)]
    email: Email,
    /// Display name [default: the part of the address before the @]
    #[arg(long)]
    name: Option<DisplayName>,
}

pub(super) async fn run(command: Command, config: AppConfig) -> Result<(), CliError> {
    let Command::Create(args) = command;
    let name = name(&args)?;
    // Prompt before opening the database, so that no connection is held while the operator types.
    let password = password(&args.email)?;
    let db = open_db(config.db).await?;
    let accounts = OperatorServices::new(&db, &config.tenancy).accounts;
    let outcome = accounts.create(&args.email, &name, &password).await.map_err(describe);
    db.close().await;
    let id = outcome?;
    print(format_args!("created {} ({id}); the user can sign in but is not a member of any tenant yet", args.email));
    Ok(())
}

fn name(args: &CreateUserArgs) -> Result<DisplayName, CliError> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let local_part = args.email.as_str().split('@').next().unwrap_or_default();
    local_part.parse().map_err(|error| format!("pass --name: {error}").into())
}

fn describe(error: AccountError) -> CliError {
    match error {
        AccountError::EmailTaken => {
            "this e-mail address is already in use, possibly by a deactivated user; nothing was changed".into()
        }
        error => error.into(),
    }
}

/// Prompts for the password twice without echo in a terminal; otherwise reads one line from standard input.
fn password(email: &Email) -> Result<NewPassword, CliError> {
    if !io::stdin().is_terminal() {
        return Ok(first_line(io::stdin().lock())?.try_into()?);
    }
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err("can't prompt: standard error is not a terminal; pipe the password into standard input".into());
    }
    let min_length = NewPassword::MIN_LENGTH;
    let first = prompt(&terminal, &format!("Password for {email}, at least {min_length} characters, not echoed: "))?;
    let first = NewPassword::try_from(first)?;
    let second = prompt(&terminal, "Repeat password: ")?;
    if first.password().secret().expose_secret() != second.secret().expose_secret() {
        return Err("passwords do not match; nothing was changed".into());
    }
    Ok(first)
}

fn prompt(mut terminal: &Term, text: &str) -> io::Result<Password> {
    write!(terminal, "{text}")?;
    terminal.flush()?;
    terminal.read_secure_line().map(Password::new)
}

fn first_line(input: impl BufRead) -> Result<Password, CliError> {
    let mut line = Vec::new();
    input.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
    // The byte order mark that some editors and shells write.
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line);
    let mut text =
        str::from_utf8(line).map_err(|_| "the password on standard input isn't UTF-8; convert it to UTF-8")?;
    let line_ending = ["\r\n", "\n"].into_iter().find(|ending| text.ends_with(ending)).unwrap_or_default();
    text = text.strip_suffix(line_ending).unwrap_or(text);
    if text.is_empty() {
        return Err("no password on standard input; run this command in a terminal or pipe the password into it".into());
    }
    Ok(Password::new(text.into()))
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
        assert_eq!(read("\u{feff}one two\r\n".as_bytes()), Ok("one two".into()));
        assert_eq!(read("one\u{feff} two\n".as_bytes()), Ok("one\u{feff} two".into()));
    }

    #[test]
    fn empty_or_non_utf8_password_is_rejected() {
        for input in ["", "\n", "\r\n", "\nsecond", "\u{feff}", "\u{feff}\n"] {
            assert!(read(input.as_bytes()).unwrap_err().contains("no password on standard input"), "{input:?}");
        }
        assert!(read(b"caf\xe9 caf\xe9 caf\xe9\n").unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn name_defaults_to_local_part() {
        let display_name = |email: &str, option: Option<&str>| {
            let option = option.map(|name| name.parse().unwrap());
            name(&CreateUserArgs { email: email.parse().unwrap(), name: option }).unwrap()
        };
        let longest = format!("{}@example.com", "a".repeat(64));
        assert_eq!(display_name("carol@example.com", None).as_str(), "carol");
        assert_eq!(display_name(&longest, None).as_str(), "a".repeat(64));
        assert_eq!(display_name("carol@example.com", Some("Carol Clark")).as_str(), "Carol Clark");
    }
}
