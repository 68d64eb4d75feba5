//! The proof, read back from all API servers and their audit logs: what a platform needs is there and nowhere else, and
//! who made it.

mod ledger;
mod payments;

use anyhow::{Result, bail};

use crate::{say, stage::Stage};

/// Checks every claim, prints each, and fails if one does not hold.
pub async fn variants(stage: &Stage) -> Result<()> {
    say::step(7, "Proof: read back from all API servers and from their audit logs");
    let mut claims = payments::on_all(stage).await?;
    claims.extend(ledger::on_rosa(&stage.old).await?);
    for claim in &claims {
        say::claim(claim.holds, &claim.text);
    }
    match claims.iter().filter(|claim| !claim.holds).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} claims do not hold", claims.len()),
    }
}
