//! What the hub does by itself. Each task looks at the database, lets the core decide, and writes, in one transaction; a
//! signal or a tick makes it look again, and the tick is the only retry.
//!
//! A database that is gone is a state here, not an end: a task says so once, looks less often, and goes on when it is
//! back.

mod heartbeat;
mod plan;
mod rollout;
mod unreadable;
mod wake;

use std::time::Duration;

use tokio::{sync::watch, task::JoinSet, time};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use crate::{
    app::{App, Error, Kind},
    clock::{Clock, SystemClock},
    metrics::{METRICS, TaskName},
    telemetry::chain,
};

/// Longest pause of a task that fails: short enough that a hub is at work soon after its database is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Starts all tasks; they end soon after `stop`.
pub fn spawn(tasks: &mut JoinSet<()>, app: &App, stop: &CancellationToken) {
    let rollout = rollout::RolloutTask::new(app.clone());
    let listen = app.signals.rollouts.listen();
    run(tasks, Rhythm { name: "rollout", every: Duration::from_secs(1), listen }, stop, rollout);
    let plan = plan::PlanTask::new(app.clone());
    let listen = app.signals.plans.listen();
    run(tasks, Rhythm { name: "plan", every: Duration::from_secs(5), listen }, stop, plan);
    let wake = wake::WakeTask::new(app.clone());
    run(tasks, Rhythm::steady("wake", Duration::from_secs(2)), stop, wake);
    let heartbeat = heartbeat::HeartbeatTask::new(app.clone());
    let listen = app.signals.sessions.listen();
    run(tasks, Rhythm { name: "heartbeat", every: Duration::from_secs(1), listen }, stop, heartbeat);
}

/// The looks of all tasks, made one by one: for who counts what each costs.
pub struct Looks {
    rollout: rollout::RolloutTask,
    plan: plan::PlanTask,
    wake: wake::WakeTask,
    heartbeat: heartbeat::HeartbeatTask,
}

impl Looks {
    /// The tasks of a hub that runs none by itself.
    #[must_use]
    pub fn new(app: &App) -> Self {
        Self {
            rollout: rollout::RolloutTask::new(app.clone()),
            plan: plan::PlanTask::new(app.clone()),
            wake: wake::WakeTask::new(app.clone()),
            heartbeat: heartbeat::HeartbeatTask::new(app.clone()),
        }
    }

    /// One step of each live rollout.
    pub async fn rollout(&mut self) -> Result<(), Error> {
        self.rollout.look().await
    }

    /// Plans the clusters whose inputs changed.
    pub async fn plan(&mut self) -> Result<(), Error> {
        self.plan.look().await
    }

    /// Wakes the sessions that missed something.
    pub async fn wake(&mut self) -> Result<(), Error> {
        self.wake.look().await
    }

    /// Stores which spokes were heard, and ends the sessions that are none any more.
    pub async fn heartbeat(&mut self) -> Result<(), Error> {
        self.heartbeat.look().await
    }
}

/// Something that is looked at again and again. It takes no input: it reads everything anew.
trait Task: Send + 'static {
    /// One look.
    fn look(&mut self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// When a task looks.
struct Rhythm {
    name: &'static str,
    every: Duration,
    listen: watch::Receiver<()>,
}

impl Rhythm {
    /// At every tick only.
    fn steady(name: &'static str, every: Duration) -> Self {
        let (_, listen) = watch::channel(());
        Self { name, every, listen }
    }
}

fn run(tasks: &mut JoinSet<()>, mut rhythm: Rhythm, stop: &CancellationToken, mut task: impl Task) {
    let stop = stop.clone();
    let look_on = async move {
        let mut health = Health::default();
        while !stop.is_cancelled() {
            rhythm.listen.mark_unchanged();
            let span = info_span!("task", task.name = rhythm.name);
            let result = task.look().instrument(span.clone()).await;
            count(rhythm.name, &result);
            span.in_scope(|| health.note(result));
            tokio::select! {
                () = stop.cancelled() => return,
                () = time::sleep(health.pause(rhythm.every)) => {}
                // A signal does not shorten the pause of a task that fails, nor does one that nobody sends any more.
                Ok(()) = rhythm.listen.changed(), if health.failures == 0 => {}
            }
        }
    };
    tasks.spawn(look_on);
}

fn count(task: &'static str, result: &Result<(), Error>) {
    let (failures, task) = (&METRICS.task_failures, TaskName { task });
    match result {
        // Both are there from the first look on.
        Ok(()) => drop(failures.get_or_create(&task)),
        Err(_) => drop(failures.get_or_create(&task).inc()),
    }
    if result.is_ok() {
        METRICS.task_success.get_or_create(&task).set(SystemClock.now().as_second());
    }
}

/// How a task fares.
#[derive(Default)]
struct Health {
    failures: u32,
}

impl Health {
    /// Logs only when it changes: a database that is away for an hour is one line, not thousands.
    fn note(&mut self, result: Result<(), Error>) {
        match result {
            Ok(()) if self.failures == 0 => {}
            Ok(()) => {
                info!("works again after {} failures", self.failures);
                self.failures = 0;
            }
            Err(error) => {
                if self.failures == 0 {
                    log(&error);
                }
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    fn pause(&self, every: Duration) -> Duration {
        let doublings = self.failures.min(8);
        if doublings == 0 { every } else { (every * 2_u32.pow(doublings)).min(LONGEST_PAUSE).max(every) }
    }
}

fn log(error: &Error) {
    let chain = chain(error);
    match error.kind() {
        Kind::Unavailable => warn!(error = chain, "the database is gone; it is tried again until it is back"),
        Kind::NotFound | Kind::Refused | Kind::Internal => {
            error!(error = chain, "a task failed; it is tried again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_fails_looks_less_often_and_never_stops() {
        let second = Duration::from_secs(1);
        let pause = |failures| Health { failures }.pause(second).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 100].map(pause), [1, 2, 4, 8, 10, 10]);
        assert_eq!(Health { failures: 1 }.pause(Duration::from_secs(60)), Duration::from_secs(60));
    }
}
