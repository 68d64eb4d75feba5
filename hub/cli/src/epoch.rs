//! `meshfleet hub epoch`: which life of the hub this is, and beginning a new one.

use proto::v1::{EpochRequest, EpochResponse, NewEpochRequest, NewEpochResponse};
use serde_json::json;

use crate::{
    args,
    call::{Call, Outcome},
    failure::Failure,
    screen::{Screen, faint, good, plain, strong},
};

/// `hub epoch [new]`.
pub async fn run(call: &Call, verb: Option<args::EpochVerb>) -> Result<Outcome, Failure> {
    match verb {
        None => show(call).await,
        Some(args::EpochVerb::New) => begin(call).await,
    }
}

async fn show(call: &Call) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let answer = hub.hub().epoch(EpochRequest {}).await.map_err(|status| hub.refused(&status))?;
    let answer = answer.into_inner();
    let json = || json!({"epoch": answer.epoch, "caFingerprint": answer.ca_fingerprint});
    call.answer(|screen| draw(screen, &answer), json, || vec![answer.epoch.to_string()])?;
    Ok(Outcome::Done)
}

async fn begin(call: &Call) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let answer = hub.hub().new_epoch(NewEpochRequest {}).await.map_err(|status| hub.refused(&status))?;
    let answer = answer.into_inner();
    let json = || json!({"epoch": answer.epoch, "former": answer.former});
    call.answer(|screen| draw_begun(screen, &answer), json, || vec![answer.epoch.to_string()])?;
    Ok(Outcome::Done)
}

fn draw(screen: &mut Screen, answer: &EpochResponse) {
    let EpochResponse { epoch, ca_fingerprint } = answer;
    screen.line(2, &[plain("epoch "), strong(epoch.to_string())]);
    screen.line(2, &[plain("CA "), plain(ca_fingerprint)]);
}

fn draw_begun(screen: &mut Screen, answer: &NewEpochResponse) {
    let NewEpochResponse { epoch, former } = answer;
    let was = faint(format!(" (it was {former})"));
    screen.line(2, &[plain("epoch "), strong(epoch.to_string()), plain(" "), good("begun"), was]);
    let text = "A hub of a former epoch, such as one on an old copy of this database, is refused by each spoke from the \
                spoke's next target on. Nothing else changes.";
    screen.line(2, &[plain(text)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

    #[test]
    fn an_epoch_says_what_it_is_for() {
        let answer = EpochResponse { epoch: 2, ca_fingerprint: "0f".repeat(32) };
        insta::assert_snapshot!(golden(80, |screen| draw(screen, &answer)));
        let answer = NewEpochResponse { epoch: 3, former: 2 };
        insta::assert_snapshot!(golden(80, |screen| draw_begun(screen, &answer)));
    }
}
