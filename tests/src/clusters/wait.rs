//! Waiting for the world: the only place in `clusters` that polls.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Short enough not to be felt, long enough not to load two cores.
const BETWEEN_PROBES: Duration = Duration::from_millis(50);

/// Probes until there is an answer or the deadline has passed.
///
/// An error of the probe means "not yet": what is waited for is usually a
/// server that does not answer so far. The last one is told if time runs out.
pub async fn until<T, Probe, Answer>(what: &str, within: Duration, mut probe: Probe) -> Result<T>
where
    Probe: FnMut() -> Answer,
    Answer: Future<Output = Result<Option<T>>>,
{
    let give_up_at = Instant::now() + within;
    loop {
        let outcome = probe().await;
        if let Ok(Some(answer)) = outcome {
            return Ok(answer);
        }
        if Instant::now() >= give_up_at {
            match outcome {
                Err(error) => return Err(error.context(format!("waited {within:?} for {what}"))),
                Ok(_) => bail!("waited {within:?} for {what}"),
            }
        }
        sleep(BETWEEN_PROBES).await;
    }
}
