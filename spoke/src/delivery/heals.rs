//! What a session has to do with heals: wishes go in and answers come out, and entries of the journal are told until the hub
//! has them.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use crate::{
    agent::Drift,
    heal::{ASKED_WITHIN, Answer, Ask, Heard, Outcome, Question},
};

/// Wishes that may be under way in one session.
const MOST_WISHES: usize = 8;

/// Heals of one session.
pub(super) struct Heals {
    asks: mpsc::Sender<Ask>,
    heard: watch::Sender<Heard>,
    waiting: JoinSet<Answer>,
    /// What was told last.
    told: Option<Arc<Drift>>,
    /// Up to which entry all were told with their outcomes, by the report that told it.
    ended: BTreeMap<u64, u64>,
}

impl Heals {
    /// A session begins: what differs is observed anew from now on.
    pub(super) fn begin(asks: mpsc::Sender<Ask>, heard: watch::Sender<Heard>) -> Self {
        heard.send_modify(|heard| heard.attached_at = Some(Instant::now()));
        Self { asks, heard, waiting: JoinSet::new(), told: None, ended: BTreeMap::new() }
    }

    /// Passes a wish on. Its answer comes out of [`Heals::answered`].
    pub(super) fn ask(&mut self, question: Question) {
        let id = question.id.clone();
        let held = move |why: &str| Answer::not_done(&id, Outcome::Held, why);
        if self.waiting.len() >= MOST_WISHES {
            self.waiting.spawn(std::future::ready(held("the spoke has its hands full: ask again")));
            return;
        }
        let (answer, answered) = oneshot::channel();
        let ask = Ask { question, by: Instant::now() + ASKED_WITHIN, answer };
        let asks = self.asks.clone();
        self.waiting.spawn(async move {
            // The agent drops what it cannot keep: when it takes up a newer target.
            let _ = asks.send(ask).await;
            answered.await.unwrap_or_else(|_| held("a newer target came meanwhile: ask again"))
        });
    }

    /// The next answer; never, while none is awaited.
    pub(super) async fn answered(&mut self) -> Answer {
        loop {
            match self.waiting.join_next().await {
                Some(Ok(answer)) => return answer,
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Whether a level says something that this session has not told. That entries went, because the hub has them, is none.
    pub(super) fn is_news(&self, drift: &Drift) -> bool {
        self.told.as_ref().is_none_or(|told| {
            told.generation != drift.generation
                || told.items != drift.items
                || drift.heals.iter().any(|entry| !told.heals.contains(entry))
        })
    }

    /// This level is told with this report.
    pub(super) fn told(&mut self, sequence: u64, drift: &Arc<Drift>) {
        let ended = drift.heals.iter().take_while(|entry| entry.outcome != Outcome::Begun);
        if let Some(last) = ended.last() {
            self.ended.insert(sequence, last.number);
        }
        self.told = Some(Arc::clone(drift));
    }

    /// The hub stored a report, and entries up to this one. An entry that was told without its outcome is not through.
    pub(super) fn stored(&mut self, sequence: u64, heals_through: u64) {
        let later = self.ended.split_off(&(sequence + 1));
        let ended = std::mem::replace(&mut self.ended, later).into_values().max();
        let Some(through) = ended.map(|ended| ended.min(heals_through)) else { return };
        self.heard.send_if_modified(|heard| {
            let moved = through > heard.stored_through;
            heard.stored_through = heard.stored_through.max(through);
            moved
        });
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        heal::{Draft, Journal},
        samples,
    };

    fn session() -> (Heals, watch::Receiver<Heard>, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(1);
        let (heard, hears) = watch::channel(Heard::default());
        (Heals::begin(asks, heard), hears, asked)
    }

    fn level(journal: &Journal) -> Arc<Drift> {
        Arc::new(Drift { generation: 1, items: Vec::new(), heals: journal.unstored().cloned().collect() })
    }

    #[test]
    fn an_entry_is_through_once_its_outcome_is_stored() {
        let (mut heals, hears, _asked) = session();
        let mut journal = Journal::new(Timestamp::UNIX_EPOCH);
        let item = samples::overwritten("x", &json!("2"));
        let draft = [Draft { item: &item, asked_by: "" }];
        let first = journal.begin(1, &draft, Timestamp::UNIX_EPOCH).unwrap();
        let begun = level(&journal);
        assert!(heals.is_news(&begun));
        heals.told(1, &begun);
        assert!(!heals.is_news(&begun));
        heals.stored(1, first[0]);
        assert_eq!(hears.borrow().stored_through, 0, "its outcome would never be told");

        journal.end(&first, (Outcome::Healed, true), "");
        let ended = level(&journal);
        assert!(heals.is_news(&ended));
        heals.told(2, &ended);
        let second = journal.begin(1, &draft, Timestamp::UNIX_EPOCH).unwrap();
        heals.told(3, &level(&journal));
        heals.stored(2, first[0]);
        assert_eq!(hears.borrow().stored_through, first[0]);
        heals.stored(3, second[0]);
        assert_eq!(hears.borrow().stored_through, first[0]);
        journal.stored(first[0]);
        assert!(!heals.is_news(&level(&journal)), "that an entry went is no news");
    }

    #[tokio::test]
    async fn a_wish_that_the_agent_dropped_is_answered() {
        let (mut heals, _hears, mut asked) = session();
        let item = samples::overwritten("x", &json!("2"));
        let question = Question {
            id: "q".to_owned(),
            generation: 1,
            object: item.id.clone(),
            uid: item.uid.clone(),
            path: item.path.clone(),
            class: item.class,
            found: item.found_digest(),
            dry_run: false,
        };
        heals.ask(question);
        drop(asked.recv().await);
        let answer = heals.answered().await;
        assert_eq!((answer.id.as_str(), answer.outcome), ("q", Outcome::Held));
    }
}
