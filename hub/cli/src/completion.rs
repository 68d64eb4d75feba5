//! `meshfleet completion`: what makes a shell complete these commands. It asks no hub.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    args::Arguments,
    call::{Outcome, write_out},
    failure::Failure,
};

/// `completion SHELL`.
pub fn print(shell: Shell) -> Result<Outcome, Failure> {
    write_out(&script(shell))?;
    Ok(Outcome::Done)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "meshfleet", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_the_verbs() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for word in ["rollout", "unassign", "detailed-exitcode", "history"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
