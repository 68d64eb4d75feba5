//! What a spoke found, read.

use hub_core::{
    delivery::Event,
    plan::{
        ObjectId,
        rights::{Held, MOST_NEEDS, Right, Verb},
    },
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
    let v1::ProbeAnswer { id, objects, rights } = message;
    let id = Uuid::parse_str(&id).map_err(|_| wrong("probe_answer.id", "is no id of a question"))?;
    at_most("probe_answer.objects", objects.len(), MOST_OBJECTS)?;
    let objects = objects.into_iter().map(found).collect::<Result<_, _>>()?;
    at_most("probe_answer.rights", rights.len(), MOST_NEEDS)?;
    let rights = rights.into_iter().map(right).collect::<Result<_, _>>()?;
    Ok(Event::ProbeAnswered { id, answer: Answer { objects, rights } })
}

fn right(message: v1::RightState) -> Result<Right, Error> {
    let v1::RightState { id, resource, lacks, error } = message;
    let read =
        |verb: &String| Verb::parse(verb).ok_or_else(|| wrong("probe_answer.rights.lacks", "is no verb"));
    let held = match (error.as_str(), resource.as_str()) {
        ("", "") => Held::NotServed,
        ("", resource) => Held::Lacks {
            resource: sentence(resource, LONGEST_NAME),
            verbs: lacks.iter().map(read).collect::<Result<_, _>>()?,
        },
        (error, _) => Held::Untold(sentence(error, LONGEST_MESSAGE)),
    };
    Ok(Right { id: place(id)?, held })
}

/// An id without a name is all of a kind.
fn place(message: Option<v1::ObjectId>) -> Result<ObjectId, Error> {
    let unnamed = message.as_ref().is_some_and(|id| id.name.is_empty());
    if !unnamed {
        return object_id(message);
    }
    let any = message.map(|id| v1::ObjectId { name: "any".to_owned(), ..id });
    Ok(ObjectId { name: String::new(), ..object_id(any)? })
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
