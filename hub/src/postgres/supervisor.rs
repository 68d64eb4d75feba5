//! Keeps the server running until it is told to stop.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{State, launch::Launch, postmaster::Postmaster};

/// First and longest pause between two starts: a full disk does not become free by trying often.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Starts the server again whenever it ends by itself. Ends by stopping it.
pub(super) async fn supervise(
    launch: Launch,
    mut postmaster: Postmaster,
    seen: watch::Sender<State>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            how = postmaster.ended() => {
                seen.send_replace(State::Gone);
                tracing::error!(%how, "PostgreSQL ended under the hub, starting it again");
            }
            () = stop.cancelled() => {
                postmaster.stop().await;
                break;
            }
        }
        let Some(next) = restart(&launch, &stop).await else { break };
        postmaster = next;
        let pid = postmaster.pid().as_raw_pid();
        seen.send_replace(State::Ready { pid });
        tracing::info!(pid, "PostgreSQL runs again");
    }
    seen.send_replace(State::Stopped);
}

/// Tries until it runs, or until nobody wants it any more.
async fn restart(launch: &Launch, stop: &CancellationToken) -> Option<Postmaster> {
    let (mut pause, longest) = PAUSES;
    loop {
        // A start under way is not cut off: a server that nobody knows of would stay behind.
        match launch.adopt_or_start().await {
            Ok(postmaster) => return Some(postmaster),
            Err(error) => {
                let chain = crate::telemetry::chain(&error);
                tracing::warn!(error = chain, "PostgreSQL did not start, trying again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(longest),
            () = stop.cancelled() => return None,
        }
    }
}
