//! `--watch`: looks once a second and says what changed.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    call::{Call, Outcome},
    failure::Failure,
    hub::Hub,
    screen::{Piece, Screen, faint, plain, warning},
};

/// How often the hub is asked. A person sees no difference below it, and the hub does not feel it.
const EVERY: Duration = Duration::from_secs(1);

/// Looks, and has each look told beside the one before, until that is the end. A hub that is away is waited for: what
/// goes on there goes on, and interrupting this command does not stop it.
pub async fn poll<T>(
    call: &Call,
    look: impl AsyncFn(&Hub) -> Result<T, Failure>,
    mut tell: impl FnMut(Option<&T>, &T) -> Result<Option<Outcome>, Failure>,
) -> Result<Outcome, Failure> {
    let mut hub = Some(call.hub().await?);
    let mut seen = None;
    let mut away = false;
    loop {
        let connected = match hub.take() {
            Some(connected) => Ok(connected),
            None => call.hub().await,
        };
        let looked = match connected {
            // After a failure the next look connects anew.
            Ok(connected) => look(&connected).await.inspect(|_| hub = Some(connected)),
            Err(failure) => Err(failure),
        };
        match looked {
            Ok(found) => {
                away = false;
                if let Some(outcome) = tell(seen.as_ref(), &found)? {
                    return Ok(outcome);
                }
                seen = Some(found);
            }
            Err(failure) if failure.passes() => {
                if !away {
                    call.remark(|screen| draw_away(screen, &failure));
                }
                away = true;
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn draw_away(screen: &mut Screen, failure: &Failure) {
    let pieces = [warning("the hub is away"), plain(format!(" ({}); waiting for it", failure.chain()))];
    screen.line(2, &pieces);
}

/// The time of day before something that changed. Later lines of it hang by [`HANG`].
pub fn clock(now: Timestamp) -> Piece {
    faint(now.strftime("%H:%M:%SZ  ").to_string())
}

/// How wide a [`clock`] is.
pub const HANG: usize = 11;
