//! Key files: who signs mutable items.
//!
//! The format, also in `docs/mainline.md`: text; lines that begin with `#` and empty lines are
//! comments; one line is the secret Ed25519 seed (RFC 8032, section 5.1.5) as 64 hexadecimal
//! digits. Files are made with mode 0600 and never overwritten.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use ed25519_dalek::SigningKey;

use crate::failure::Failure;
use crate::output::hex_bytes;
use crate::parse::unhex;

/// Longer than any key file with its comments: what is longer is another file.
const MAX_BYTES: u64 = 4096;

/// Makes a new key and its file.
pub(crate) fn create(path: &Path) -> Result<SigningKey, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::failed(format!("the system gives no random bytes: {error}")))?;
    let key = SigningKey::from_bytes(&seed);
    let text = format!(
        "# A Polykad key: a secret Ed25519 seed (RFC 8032). Who has it can sign in your name.\n\
         # public key: {}\n{}\n",
        hex_bytes(key.verifying_key().as_bytes()),
        hex_bytes(&seed)
    );
    write_new(path, &text).map_err(|error| {
        let name = path.display();
        let kind = error.kind();
        Failure::wrong_use(if kind == io::ErrorKind::AlreadyExists {
            format!(
                "{name} exists already and is left as it is: choose another name, or delete it if \
                 nothing signed with it matters"
            )
        } else if kind == io::ErrorKind::NotFound {
            format!("cannot make {name}: create its folder first")
        } else {
            format!("cannot make {name}: {error}")
        })
    })?;
    Ok(key)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Reads a key.
pub(crate) fn read(path: &Path) -> Result<SigningKey, Failure> {
    let name = path.display();
    let length = fs::metadata(path).map(|metadata| metadata.len());
    let text = match length {
        Ok(length) if length > MAX_BYTES => Err(Failure::wrong_use(format!(
            "{name} is no key file, it has {length} bytes: make one with `polykad mainline keygen`"
        ))),
        Ok(_) => fs::read_to_string(path).map_err(|error| unreadable(path, &error)),
        Err(error) => Err(unreadable(path, &error)),
    }?;
    decode(&text).ok_or_else(|| {
        Failure::wrong_use(format!(
            "{name} is no key file: it holds one line of 64 hexadecimal digits, beside lines that \
             begin with '#'; make one with `polykad mainline keygen`"
        ))
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let name = path.display();
    Failure::wrong_use(if error.kind() == io::ErrorKind::NotFound {
        format!("there is no key file {name}: make it with `polykad mainline keygen {name}`")
    } else {
        format!("cannot read the key file {name}: {error}")
    })
}

fn decode(text: &str) -> Option<SigningKey> {
    let mut lines = text.lines().map(str::trim);
    let mut lines = lines.by_ref().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let seed: [u8; 32] = unhex(lines.next()?)?.try_into().ok()?;
    lines.next().is_none().then(|| SigningKey::from_bytes(&seed))
}

#[cfg(test)]
mod tests;
