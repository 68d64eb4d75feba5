//! Probes: asking spokes what exists in their clusters, and what they may do there. The hub that holds a spoke's session sends the question and stores
//! the answer; whoever asked waits for the row, wherever it is written.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use hub_core::{
    digest::Digest,
    fleet::ClusterId,
    probe::{Answer, Probe, Question},
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{App, Error};
use crate::store::{self, probes::Standing};

/// How long an answer is waited for: a spoke needs a dry run for each object, and another hub up to two seconds to see the
/// question.
pub const ANSWERED_WITHIN: Duration = Duration::from_secs(8);

/// The same question is not asked again for so long: a person who looks twice is not kept waiting.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// Questions that are open at once: each may be a mebibyte, and a preview of a fleet must not fill the database with them.
const OPEN_AT_ONCE: usize = 64;

/// How often the answers are looked for where no signal comes: another hub's cannot.
const POLL: Duration = Duration::from_millis(250);

/// From when on questions are still waited for.
#[must_use]
pub fn waited_for_since(now: Timestamp) -> Timestamp {
    now.saturating_sub(SignedDuration::try_from(ANSWERED_WITHIN).unwrap_or(SignedDuration::ZERO))
        .unwrap_or(Timestamp::MIN)
}

/// What is to be done about a question, as its cluster's row stands.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Done(Answer),
    Wait,
    Ask,
}

/// Pure. `since` is when its asker began: what came later is news to him in any case.
fn step(standing: Option<Standing>, question: Digest, (since, now): (Timestamp, Timestamp)) -> Step {
    let Some(standing) = standing else { return Step::Ask };
    let same = standing.question == question;
    match standing.answer {
        Some((answer, at)) if same && (at >= since || is_fresh(&answer, at, now)) => Step::Done(answer),
        Some(_) => Step::Ask,
        // Also another question: its asker still waits for the answer, and only for seconds.
        None if standing.asked_at > waited_for_since(now) => Step::Wait,
        None => Step::Ask,
    }
}

/// Whether an answer still holds. A right that is lacked is one that somebody is about to give.
fn is_fresh(answer: &Answer, at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at) < FRESH && !answer.lacks_rights()
}

/// Asks each spoke its question, some at a time, and waits for the answers until one deadline for all. A spoke without an
/// answer is left out.
pub async fn ask(
    app: &App,
    questions: Vec<(ClusterId, Question)>,
) -> Result<BTreeMap<ClusterId, Answer>, Error> {
    let (since, deadline) = (app.clock.now(), Instant::now() + ANSWERED_WITHIN);
    let mut answers = BTreeMap::new();
    let mut waiting: VecDeque<(ClusterId, Question)> = questions.into();
    let mut open: BTreeMap<ClusterId, Open> = BTreeMap::new();
    let mut answered = app.signals.probes.listen();
    loop {
        while open.len() < OPEN_AT_ONCE
            && let Some((cluster, question)) = waiting.pop_front()
        {
            open.insert(cluster, Open { digest: question.seal().1, question });
        }
        answered.mark_unchanged();
        let done = look(app, &open, since).await?;
        let some = !done.is_empty();
        for (cluster, answer) in done {
            open.remove(&cluster);
            answers.insert(cluster, answer);
        }
        if open.is_empty() && waiting.is_empty() || Instant::now() >= deadline {
            return Ok(answers);
        }
        if !some {
            // A lost signal costs one poll; that nobody sends any more cannot be.
            let _ = timeout_at(deadline.min(Instant::now() + POLL), answered.changed()).await;
        }
    }
}

/// A question that is waited for, with its digest: it is looked at often, and may be a mebibyte.
struct Open {
    question: Question,
    digest: Digest,
}

/// Reads what came, and asks what is not asked.
async fn look(
    app: &App,
    open: &BTreeMap<ClusterId, Open>,
    since: Timestamp,
) -> Result<Vec<(ClusterId, Answer)>, Error> {
    let ids: Vec<ClusterId> = open.keys().copied().collect();
    let now = app.clock.now();
    let mut tx = app.begin().await?;
    let standings = super::readable(store::probes::standings(&mut tx, &ids).await?);
    let mut standings: BTreeMap<_, _> =
        standings.into_iter().map(|standing| (standing.cluster, standing)).collect();
    let (mut done, mut asked) = (Vec::new(), Vec::new());
    for (cluster, Open { question, digest }) in open {
        match step(standings.remove(cluster), *digest, (since, now)) {
            Step::Done(answer) => done.push((*cluster, answer)),
            Step::Wait => {}
            Step::Ask => {
                let probe = Probe { id: Uuid::now_v7(), question: question.clone() };
                store::probes::ask(&mut tx, *cluster, &probe, now).await?;
                asked.push(*cluster);
            }
        }
    }
    if !asked.is_empty() {
        store::commit(tx).await?;
        asked.into_iter().for_each(|cluster| app.signals.wake_cluster(cluster));
    }
    Ok(done)
}

/// Which of some clusters' spokes said last that they lack a right.
pub async fn lacking(app: &App, clusters: &[ClusterId]) -> Result<BTreeSet<ClusterId>, Error> {
    let mut tx = app.begin().await?;
    let standings = super::readable(store::probes::standings(&mut tx, clusters).await?);
    let lacks =
        |standing: &Standing| standing.answer.as_ref().is_some_and(|(answer, _)| answer.lacks_rights());
    Ok(standings.iter().filter(|standing| lacks(standing)).map(|standing| standing.cluster).collect())
}

/// Stores what a spoke found in its own cluster. Safe to repeat; an answer that nobody waits for is dropped.
pub async fn answered(app: &App, cluster: ClusterId, id: Uuid, answer: &Answer) -> Result<(), Error> {
    let mut tx = app.begin().await?;
    if store::probes::answer(&mut tx, cluster, (id, answer), app.clock.now()).await? {
        store::commit(tx).await?;
        app.signals.probes.wake();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hub_core::plan::{
        ObjectId,
        rights::{Held, Right, Verb},
    };

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn standing(question: &[u8], asked: i64, answered: Option<i64>) -> Standing {
        let ago = |seconds| NOW - SignedDuration::from_secs(seconds);
        Standing {
            cluster: ClusterId(Uuid::nil()),
            question: Digest::of(question),
            asked_at: ago(asked),
            answer: answered
                .map(|seconds| (Answer { objects: Vec::new(), rights: Vec::new() }, ago(seconds))),
        }
    }

    #[test]
    fn a_question_is_asked_unless_its_answer_is_fresh_or_somebody_waits() {
        let done = Step::Done(Answer { objects: Vec::new(), rights: Vec::new() });
        for (standing, expected) in [
            (None, Step::Ask),
            (Some(standing(b"mine", 3, Some(1))), done),
            (Some(standing(b"mine", 70, Some(61))), Step::Ask),
            (Some(standing(b"mine", 3, None)), Step::Wait),
            (Some(standing(b"mine", 9, None)), Step::Ask),
            (Some(standing(b"other", 3, None)), Step::Wait),
            (Some(standing(b"other", 9, None)), Step::Ask),
            (Some(standing(b"other", 3, Some(1))), Step::Ask),
        ] {
            let told = format!("{standing:?}");
            assert_eq!(step(standing, Digest::of(b"mine"), (NOW, NOW)), expected, "{told}");
        }
    }

    #[test]
    fn a_right_that_was_lacked_is_asked_for_again_by_the_next_one() {
        let lacks = || {
            let verbs = [Verb::Bind].into();
            let held = Held::Lacks { resource: "roles".to_owned(), verbs };
            let id = ObjectId::new("", "v1", "Role", "", "x");
            Answer { objects: Vec::new(), rights: vec![Right { id, held }] }
        };
        let standing = || {
            let mut standing = standing(b"mine", 3, Some(1));
            standing.answer = standing.answer.map(|(_, at)| (lacks(), at));
            Some(standing)
        };
        let mine = Digest::of(b"mine");
        let began = |ago| NOW - SignedDuration::from_secs(ago);
        assert_eq!(step(standing(), mine, (began(0), NOW)), Step::Ask);
        assert_eq!(step(standing(), mine, (began(2), NOW)), Step::Done(lacks()), "it came since");
    }
}
