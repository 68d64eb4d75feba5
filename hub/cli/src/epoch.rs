//! `meshfleet hub epoch`: which life of the hub this is, and beginning a new one.

use proto::v1::{EpochRequest, NewEpochRequest, NewEpochResponse};
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
    let epoch = answer.into_inner().epoch;
    call.answer(|screen| draw(screen, epoch), || json!({"epoch": epoch}), || vec![epoch.to_string()])?;
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

fn draw(screen: &mut Screen, epoch: u64) {
    screen.line(2, &[plain("epoch "), strong(epoch.to_string())]);
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
        insta::assert_snapshot!(golden(80, |screen| draw(screen, 2)));
        let answer = NewEpochResponse { epoch: 3, former: 2 };
        insta::assert_snapshot!(golden(80, |screen| draw_begun(screen, &answer)));
    }
}
