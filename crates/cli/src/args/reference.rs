//! What can be typed to have the command line described for shells and for `man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples, for one user:
  mkdir -p ~/.local/share/bash-completion/completions
  polykad completions bash > ~/.local/share/bash-completion/completions/polykad
  polykad completions zsh > ~/.zfunc/_polykad
  polykad completions fish > ~/.config/fish/completions/polykad.fish

The Debian package brings them along. For zsh, ~/.zfunc must be on `fpath`.")]
pub(crate) struct CompletionsOptions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  polykad man ~/.local/share/man/man1
  man polykad")]
pub(crate) struct ManOptions {
    /// The folder, made if missing; pages in it are replaced
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}
