//! Questions that a session asked its spoke: each is asked once and answered once.

use std::collections::VecDeque;

use uuid::Uuid;

/// Questions of a session that can still be answered. One that nobody waits for any more may be answered late.
const REMEMBERED: usize = 8;

/// The questions of one sort.
#[derive(Debug, Default)]
pub(super) struct AskedQuestions {
    /// Those that were asked and not answered, newest last.
    open: VecDeque<Uuid>,
    /// The one that was asked last, answered or not.
    last: Option<Uuid>,
}

impl AskedQuestions {
    /// Whether this one is new, and is asked now. A level, like the target: the one that was asked last is not asked again.
    pub(super) fn ask(&mut self, id: Uuid) -> bool {
        if self.last == Some(id) {
            return false;
        }
        if self.open.len() == REMEMBERED {
            self.open.pop_front();
        }
        self.open.push_back(id);
        self.last = Some(id);
        true
    }

    /// Whether this one was open, and is answered now.
    pub(super) fn answer(&mut self, id: Uuid) -> bool {
        let open = self.open.iter().position(|open| *open == id);
        open.and_then(|index| self.open.remove(index)).is_some()
    }
}
