//! `meshfleet rollout`: from a config to its clusters, wave by wave.

pub mod brake;
pub mod follow;
mod json;
mod show;

use jiff::Timestamp;
use proto::v1::{ListRolloutsRequest, Rollout, RolloutVerbRequest, ShowRolloutRequest, StartRolloutRequest};
use serde_json::json;

use crate::{
    args,
    call::{Call, Outcome, now},
    config,
    failure::Failure,
    hub::Hub,
    screen::{Piece, Screen, bad, faint, good, or_dash, plain, strong, warning},
    time, watch,
};

/// `rollout ...`.
pub async fn run(call: &Call, command: args::Rollout) -> Result<Outcome, Failure> {
    match command {
        args::Rollout::Start(start) => self::start(call, start).await,
        args::Rollout::Watch { number } => follow::to_the_end(call, number).await,
        args::Rollout::Show { number, watch: false } => {
            let rollout = find(&call.hub().await?, number).await?;
            answer(call, &rollout)?;
            Ok(Outcome::Done)
        }
        args::Rollout::Show { number, watch: true } => follow::shown(call, number).await,
        args::Rollout::List { watch: false } => {
            tell_list(call, &list(&call.hub().await?).await?)?;
            Ok(Outcome::Done)
        }
        args::Rollout::List { watch: true } => watch_list(call).await,
        args::Rollout::Pause(verb) => turn(call, Turn::Pause, verb).await,
        args::Rollout::Resume(verb) => turn(call, Turn::Resume, verb).await,
        args::Rollout::Abort(verb) => turn(call, Turn::Abort, verb).await,
    }
}

/// A rollout as it is named on the command line.
pub fn reference(number: u64) -> String {
    format!("rollout/{number}")
}

fn answer(call: &Call, rollout: &Rollout) -> Result<(), Failure> {
    let names = || vec![reference(rollout.number)];
    call.answer(|screen| show::draw(screen, rollout, now()), || json::rollout(rollout), names)
}

/// Begins a rollout, in the command's trace, which ends at the applied objects.
async fn start(call: &Call, arguments: args::Start) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = StartRolloutRequest {
        config: arguments.config.clone(),
        version: arguments.version.unwrap_or(0),
        strategy: arguments.strategy.clone().unwrap_or_default(),
        overwrite_drift: arguments.overwrite_drift,
        confirm_deletions: arguments.confirm_deletions.unwrap_or(0),
    };
    let number = match hub.rollouts().start(request).await {
        Ok(answer) => answer.into_inner().number,
        Err(status) => {
            let confirmed = |count| brake::start_command(&arguments, count);
            let look = format!("meshfleet plan {}", arguments.config);
            return brake::refused(call, hub.refused(&status), confirmed, &look);
        }
    };
    let started = |screen: &mut Screen| {
        let of = format!(" of {} ", config::reference(&arguments.config));
        screen.line(2, &[strong(reference(number)), plain(of), good("started")]);
    };
    let json = || json!({"number": number, "config": arguments.config, "traceId": call.trace.id()});
    call.event(started, json, || vec![reference(number)])?;
    begun(call, number, arguments.wait).await
}

/// A rollout that was begun is followed, or it is said how.
pub async fn begun(call: &Call, number: u64, wait: bool) -> Result<Outcome, Failure> {
    if wait {
        return follow::to_the_end(call, number).await;
    }
    call.remark(|screen| {
        screen.line(2, &[faint(format!("follow it with: meshfleet rollout watch {number}"))]);
        if screen.is_wide() {
            screen.line(2, &[faint(format!("trace {}", call.trace.id()))]);
        }
    });
    Ok(Outcome::Done)
}

/// What an operator does to a rollout under way.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Pause,
    Resume,
    Abort,
}

async fn turn(call: &Call, turn: Turn, verb: args::Verb) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = RolloutVerbRequest { number: verb.number, reason: verb.reason.unwrap_or_default() };
    let mut rollouts = hub.rollouts();
    let answer = match turn {
        Turn::Pause => rollouts.pause(request).await,
        Turn::Resume => rollouts.resume(request).await,
        Turn::Abort => rollouts.abort(request).await,
    };
    let rollout = answer.map_err(|status| hub.refused(&status))?.into_inner();
    let names = || vec![reference(rollout.number)];
    call.answer(|screen| show::draw_turned(screen, &rollout, now()), || json::rollout(&rollout), names)?;
    Ok(Outcome::Done)
}

/// One rollout as it is now.
pub async fn find(hub: &Hub, number: u64) -> Result<Rollout, Failure> {
    let answer = hub.rollouts().show(ShowRolloutRequest { number }).await;
    answer.map(tonic::Response::into_inner).map_err(|status| hub.refused(&status))
}

async fn list(hub: &Hub) -> Result<Vec<Rollout>, Failure> {
    let answer = hub.rollouts().list(ListRolloutsRequest {}).await.map_err(|status| hub.refused(&status))?;
    Ok(answer.into_inner().rollouts)
}

fn tell_list(call: &Call, rollouts: &[Rollout]) -> Result<(), Failure> {
    let json = || json!({"rollouts": rollouts.iter().map(json::rollout).collect::<Vec<_>>()});
    let names = || rollouts.iter().map(|rollout| reference(rollout.number)).collect();
    call.answer(|screen| draw_list(screen, rollouts, now()), json, names)
}

/// All rollouts, and then each that changes.
async fn watch_list(call: &Call) -> Result<Outcome, Failure> {
    let tell = |before: Option<&Vec<Rollout>>, after: &Vec<Rollout>| {
        match before {
            None => tell_list(call, after)?,
            Some(before) => follow::tell_list(call, before, after)?,
        }
        Ok(None)
    };
    watch::poll(call, list, tell).await
}

fn draw_list(screen: &mut Screen, rollouts: &[Rollout], now: Timestamp) {
    if rollouts.is_empty() {
        screen.line(2, &[plain("no rollouts yet: begin one with `meshfleet rollout start CONFIG`")]);
        return;
    }
    let (shown, more) = screen.fold(rollouts, 20);
    let row = |rollout: &Rollout| {
        let done = rollout.progress.map(|progress| format!("{}/{}", progress.succeeded, progress.total));
        vec![
            strong(rollout.number.to_string()),
            plain(of(rollout)),
            plain(or_dash(&rollout.strategy)),
            state(&rollout.state),
            plain(or_dash(&done.unwrap_or_default())),
            plain(format!("{} by {}", time::since(now, &rollout.started_at), or_dash(&rollout.started_by))),
            plain(or_dash(&time::spoken(now, &rollout.reason))),
        ]
    };
    let header = ["NUMBER", "CONFIG", "STRATEGY", "STATE", "DONE", "STARTED", "REASON"];
    screen.table(&header, &[6], &shown.iter().map(row).collect::<Vec<_>>());
    if more > 0 {
        screen.line(2, &[faint(format!("… {more} more, back to rollout/1"))]);
    }
}

/// What a rollout brings to its clusters: a version of a config, or nothing.
fn of(rollout: &Rollout) -> String {
    match rollout.kind.as_str() {
        "Unassign" => "removal".to_owned(),
        _ => format!("{} v{}", rollout.config, rollout.version),
    }
}

/// The state of a rollout or of one of its targets.
pub fn state(state: &str) -> Piece {
    match state {
        "Succeeded" => good(state),
        "Failed" | "TimedOut" | "Refused" => bad(state),
        "Blocked" | "Paused" | "Aborted" | "Left" => warning(state),
        "Pending" | "Skipped" => faint(state),
        _ => plain(state),
    }
}

#[cfg(test)]
pub mod tests;
