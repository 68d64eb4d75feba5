//! What a spoke found, read.

use hub_core::{
    delivery::Event,
    probe::{Answer, Found, MOST_OBJECTS, Sight},
};
use proto::v1;
use uuid::Uuid;

use super::{Error, LONGEST_MESSAGE, LONGEST_NAME, LONGEST_PATH, at_most, object_id, sentence, wrong};

/// Managers of one object.
const MOST_MANAGERS: usize = 50;

/// Paths that differ in one object: a spoke names no more.
const MOST_PATHS: usize = 50;

pub(super) fn answer(message: v1::ProbeAnswer) -> Result<Event, Error> {
    let v1::ProbeAnswer { id, objects } = message;
    let id = Uuid::parse_str(&id).map_err(|_| wrong("probe_answer.id", "is no id of a question"))?;
    at_most("probe_answer.objects", objects.len(), MOST_OBJECTS)?;
    let objects = objects.into_iter().map(found).collect::<Result<_, _>>()?;
    Ok(Event::ProbeAnswered { id, answer: Answer { objects } })
}

fn found(message: v1::ProbedState) -> Result<Found, Error> {
    let v1::ProbedState { id, exists, uid: _, ours, managers, differs, error } = message;
    at_most("probe_answer.objects.managers", managers.len(), MOST_MANAGERS)?;
    at_most("probe_answer.objects.differs", differs.len(), MOST_PATHS)?;
    let texts = |texts: Vec<String>, longest| texts.iter().map(|text| sentence(text, longest)).collect();
    let sight = match (error.is_empty(), exists, ours) {
        (false, ..) => Sight::Untold(sentence(&error, LONGEST_MESSAGE)),
        (true, false, _) => Sight::Absent,
        (true, true, true) => Sight::Ours,
        (true, true, false) => {
            Sight::Foreign { managers: texts(managers, LONGEST_NAME), differs: texts(differs, LONGEST_PATH) }
        }
    };
    Ok(Found { id: object_id(id)?, sight })
}
