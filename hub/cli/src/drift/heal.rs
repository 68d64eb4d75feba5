//! `meshfleet drift heal`: has a spoke put one difference right, and says what came of it.

use jiff::Timestamp;
use proto::v1::{HealDriftRequest, HealDriftResponse, HealResult};

use super::{LONGEST_VALUE, class, json, leaves_no_trace, who};
use crate::{
    args::Heal,
    call::{Call, Outcome, now},
    cluster::reference,
    failure::Failure,
    plan::named,
    screen::{Piece, Screen, bad, cut, faint, good, plain, strong, warning},
};

/// `drift heal CLUSTER ITEM`. What was not healed is a failure, with the reason.
pub async fn heal(call: &Call, arguments: Heal) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let Heal { cluster, item, dry_run, reason } = arguments;
    let request =
        HealDriftRequest { cluster: cluster.clone(), item, dry_run, reason: reason.unwrap_or_default() };
    let answer = hub.drift().heal(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    call.answer(
        |screen| draw(screen, (&cluster, item), &answer, now()),
        || json::answer(&cluster, item, &answer),
        || vec![reference(&cluster)],
    )?;
    Ok(match answer.result() {
        HealResult::Healed | HealResult::WouldHeal => Outcome::Done,
        HealResult::Unspecified
        | HealResult::Begun
        | HealResult::Moved
        | HealResult::Failed
        | HealResult::Held => Outcome::Failed,
    })
}

pub(super) fn draw(
    screen: &mut Screen,
    (cluster, number): (&str, u64),
    answer: &HealDriftResponse,
    now: Timestamp,
) {
    if let Some(item) = &answer.item {
        screen.line(2, &[strong(cluster), plain("  "), strong(named(item.id.as_ref()))]);
        let path = if item.path.is_empty() { "the object" } else { &item.path };
        let what = [plain("  "), faint(format!("#{number}  ")), plain(path), plain("  ")];
        screen.line(6, &[&what[..], &[class(item.class()), plain(who(item, now))]].concat());
        if leaves_no_trace(item) {
            screen.line(4, &[plain("    "), faint("by whom, only the API server's audit log can say")]);
        }
    }
    let mut value = |title: &str, json: &str, tone: fn(String) -> Piece| {
        if !json.is_empty() {
            screen.line(15, &[faint(format!("    {title:<9}")), tone(cut(json, LONGEST_VALUE))]);
        }
    };
    value("before", &answer.before, bad);
    value("after", &answer.after, good);
    screen.blank();
    draw_result(screen, (cluster, number), answer);
}

fn draw_result(screen: &mut Screen, (cluster, number): (&str, u64), answer: &HealDriftResponse) {
    let because = match answer.message.as_str() {
        "" => String::new(),
        message => format!(": {message}"),
    };
    let look = format!("meshfleet drift report {cluster}");
    match answer.result() {
        HealResult::Healed => screen.line(2, &[good("healed"), plain(because)]),
        HealResult::WouldHeal => {
            screen.line(2, &[good("it would be healed"), plain(because), plain("; nothing was written")]);
            screen.command(format!("meshfleet drift heal {cluster} {number}"));
        }
        HealResult::Moved => {
            screen.line(2, &[warning("nothing was written"), plain(because)]);
            screen.command(look);
        }
        HealResult::Held => {
            screen.line(2, &[warning("not healed"), plain(because)]);
            screen.command(format!("meshfleet status {cluster}"));
        }
        HealResult::Failed | HealResult::Begun | HealResult::Unspecified => {
            screen.line(2, &[bad("not healed"), plain(because)]);
            screen.command(look);
        }
    }
}
