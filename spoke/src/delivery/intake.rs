//! Taking in an offered target: what is lacking is asked for, what comes is checked.
//!
//! Pure: messages in, one step out. A body that is known from the accepted target is not asked for again. Bodies that come
//! unasked, because the hub sends small ones with the header, are welcome if they were offered.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    document::Target,
    fence::{self, Content, Decision, Fence, Incomplete},
    floor::{MAX_OBJECTS, MAX_PLAN_BYTES},
    refusal::{Code, Refusal},
};

/// What is to be done next.
#[derive(Debug)]
pub enum Step {
    /// Wait for more.
    Nothing,
    /// Ask for these bodies.
    Want {
        /// Of which generation.
        generation: u64,
        /// Which.
        digests: Vec<Digest>,
    },
    /// Say again that the accepted target is accepted.
    Again(Fence),
    /// Let the agent decide on a whole target.
    Offer(Box<Content>),
    /// Say no.
    Refuse(Refusal),
}

/// What is known of the accepted target.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The fence; none before the first target.
    pub fence: Option<&'a Fence>,
    /// What it stands for; none if that was lost, then the same target is taken again.
    pub content: Option<&'a Content>,
}

/// A target on its way in.
#[derive(Debug)]
struct Pending {
    target: Vec<u8>,
    generation: u64,
    lacking: BTreeMap<Digest, Lacking>,
    have: BTreeMap<Digest, Vec<u8>>,
}

#[derive(Debug)]
struct Lacking {
    size: usize,
    bytes: Vec<u8>,
}

/// A target that a hub offers, as it comes.
#[derive(Debug, Default)]
pub struct Header {
    /// The target.
    pub target: Vec<u8>,
    /// What may be asked for, and how long it is.
    pub offers: BTreeMap<Digest, u64>,
    /// Bodies that came with it.
    pub bodies: Vec<(Digest, Vec<u8>)>,
}

/// A piece of a body.
#[derive(Debug)]
pub struct Piece {
    /// Of which body.
    pub digest: Digest,
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub data: Vec<u8>,
    /// Whether the body ends with it.
    pub last: bool,
}

/// Takes in one target at a time: a newer header replaces what was under way.
#[derive(Debug, Default)]
pub struct Intake {
    pending: Option<Pending>,
}

impl Intake {
    /// A header came.
    pub fn header(&mut self, cluster: &str, known: Known<'_>, header: Header) -> Step {
        let Header { target, offers, bodies } = header;
        self.pending = None;
        let read = match Target::read(&target) {
            Ok(read) => read,
            Err(error) => return Step::Refuse(Refusal::new(Code::Malformed, 0, crate::chain(&error))),
        };
        let digest = Digest::of(&target);
        match (fence::decide(known.fence, cluster, &read, digest), known) {
            (Err(refusal), _) => return Step::Refuse(refusal),
            (Ok(Decision::Again), Known { fence: Some(fence), content: Some(_) }) => {
                return Step::Again(*fence);
            }
            (Ok(Decision::Again | Decision::Accept), _) => {}
        }
        let pending =
            pending(target, &read, &offers, known.content).and_then(|pending| pending.with(bodies, &offers));
        match pending {
            Err(refusal) => Step::Refuse(refusal),
            Ok(pending) if pending.lacking.is_empty() => whole(pending),
            Ok(pending) => {
                let digests = pending.lacking.keys().copied().collect();
                self.pending = Some(pending);
                Step::Want { generation: read.generation, digests }
            }
        }
    }

    /// A piece of a body came.
    pub fn piece(&mut self, piece: Piece) -> Step {
        let Some(pending) = self.pending.as_mut() else { return Step::Nothing };
        if pending.have.contains_key(&piece.digest) {
            return Step::Nothing;
        }
        let generation = pending.generation;
        let wrong = |what: &str| {
            Step::Refuse(Refusal::new(Code::Malformed, generation, format!("body {}: {what}", piece.digest)))
        };
        let Some(lacking) = pending.lacking.get_mut(&piece.digest) else {
            self.pending = None;
            return wrong("it was not offered");
        };
        if piece.offset != lacking.bytes.len() as u64 || lacking.bytes.len() + piece.data.len() > lacking.size
        {
            self.pending = None;
            return wrong("its pieces do not fit together");
        }
        lacking.bytes.extend_from_slice(&piece.data);
        if !piece.last {
            return Step::Nothing;
        }
        let bytes = std::mem::take(&mut lacking.bytes);
        if Digest::of(&bytes) != piece.digest {
            self.pending = None;
            return wrong("its bytes are not its digest's");
        }
        pending.lacking.remove(&piece.digest);
        pending.have.insert(piece.digest, bytes);
        match self.pending.take() {
            Some(pending) if pending.lacking.is_empty() => whole(pending),
            unfinished => {
                self.pending = unfinished;
                Step::Nothing
            }
        }
    }
}

impl Pending {
    /// Takes in what came with the header.
    fn with(
        mut self,
        bodies: Vec<(Digest, Vec<u8>)>,
        offers: &BTreeMap<Digest, u64>,
    ) -> Result<Self, Refusal> {
        for (digest, data) in bodies {
            let wrong = match offers.get(&digest) {
                None => "it was not offered",
                Some(size) if *size != data.len() as u64 => "it is not as long as offered",
                Some(_) if Digest::of(&data) != digest => "its bytes are not its digest's",
                Some(_) => {
                    self.lacking.remove(&digest);
                    self.have.insert(digest, data);
                    continue;
                }
            };
            return Err(Refusal::new(Code::Malformed, self.generation, format!("body {digest}: {wrong}")));
        }
        Ok(self)
    }
}

fn pending(
    bytes: Vec<u8>,
    target: &Target,
    offers: &BTreeMap<Digest, u64>,
    accepted: Option<&Content>,
) -> Result<Pending, Refusal> {
    let refuse = |code, message: String| Err(Refusal::new(code, target.generation, message));
    // The plan document comes on top of its objects' bodies.
    if offers.len() > MAX_OBJECTS + 1 {
        return refuse(
            Code::Floor,
            format!("{} bodies offered, at most {MAX_OBJECTS} are taken", offers.len()),
        );
    }
    let total = offers.values().fold(0_u64, |sum, size| sum.saturating_add(*size));
    if total > 2 * MAX_PLAN_BYTES as u64 {
        return refuse(Code::Floor, format!("{total} bytes offered, at most {MAX_PLAN_BYTES} are taken"));
    }
    let mut pending = Pending {
        target: bytes,
        generation: target.generation,
        lacking: BTreeMap::new(),
        have: BTreeMap::new(),
    };
    for (digest, size) in offers {
        match accepted.and_then(|content| content.document(*digest)) {
            Some(known) => {
                pending.have.insert(*digest, known.to_vec());
            }
            None => {
                let size = usize::try_from(*size).unwrap_or(usize::MAX);
                pending.lacking.insert(*digest, Lacking { size, bytes: Vec::new() });
            }
        }
    }
    Ok(pending)
}

fn whole(pending: Pending) -> Step {
    let generation = pending.generation;
    match Content::assemble(pending.target, &pending.have) {
        Ok(content) => Step::Offer(Box::new(content)),
        Err(error) => Step::Refuse(Refusal::new(Code::Malformed, generation, incomplete(&error))),
    }
}

fn incomplete(error: &Incomplete) -> String {
    crate::chain(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::content;

    fn offers(content: &Content) -> BTreeMap<Digest, u64> {
        let plan = (content.target.plan, content.plan_bytes.len() as u64);
        let bodies = content.bodies.iter().map(|(digest, body)| (*digest, body.len() as u64));
        bodies.chain([plan]).collect()
    }

    fn bare(content: &Content) -> Header {
        Header { target: content.target_bytes.clone(), offers: offers(content), bodies: Vec::new() }
    }

    fn header(intake: &mut Intake, known: Known<'_>, content: &Content) -> Step {
        intake.header("c1", known, bare(content))
    }

    #[test]
    fn what_comes_with_the_header_is_not_asked_for() {
        let new = content(1, &["a".to_owned(), "b".to_owned()]);
        let mut bodies: Vec<(Digest, Vec<u8>)> =
            new.bodies.iter().map(|(digest, body)| (*digest, body.clone())).collect();
        bodies.push((new.target.plan, new.plan_bytes.clone()));
        let mut intake = Intake::default();
        let with = |bodies: &[(Digest, Vec<u8>)]| Header { bodies: bodies.to_vec(), ..bare(&new) };
        let Step::Want { digests, .. } = intake.header("c1", Known::default(), with(&bodies[..1])) else {
            panic!("nothing asked")
        };
        assert_eq!(digests.len(), 2, "only what is lacking");
        assert!(matches!(send(&mut intake, &new, &digests, 1000), Step::Offer(_)));
        let Step::Offer(offered) = intake.header("c1", Known::default(), with(&bodies)) else {
            panic!("nothing offered")
        };
        assert_eq!(*offered, new);
    }

    #[test]
    fn what_comes_with_the_header_must_be_what_was_offered() {
        let new = content(1, &["a".to_owned()]);
        let (digest, body) =
            new.bodies.first_key_value().map(|(digest, body)| (*digest, body.clone())).unwrap();
        let mut flipped = body.clone();
        flipped[0] ^= 1;
        let cases = [
            (Digest::of(b"foreign"), b"foreign".to_vec(), "not offered"),
            (digest, flipped, "other bytes"),
            (digest, body[1..].to_vec(), "too short"),
            (digest, Vec::new(), "nothing"),
        ];
        for (digest, data, case) in cases {
            let header = Header { bodies: vec![(digest, data)], ..bare(&new) };
            let Step::Refuse(refusal) = Intake::default().header("c1", Known::default(), header) else {
                panic!("{case} was not refused")
            };
            assert_eq!((refusal.code, refusal.generation), (Code::Malformed, 1), "{case}");
        }
    }

    /// Sends what was asked for in pieces of `size` bytes, and gives the last step.
    fn send(intake: &mut Intake, content: &Content, digests: &[Digest], size: usize) -> Step {
        let mut last = Step::Nothing;
        for digest in digests {
            let bytes = content.document(*digest).unwrap();
            let count = bytes.len().div_ceil(size);
            for (number, data) in bytes.chunks(size).enumerate() {
                let offset = (number * size) as u64;
                last = intake.piece(Piece {
                    digest: *digest,
                    offset,
                    data: data.to_vec(),
                    last: number + 1 == count,
                });
            }
        }
        last
    }

    fn fence(content: &Content) -> Fence {
        Fence { epoch: 1, generation: content.target.generation, target: content.digest, completed: 0 }
    }

    #[test]
    fn a_new_target_is_fetched_and_offered() {
        let new = content(1, &["a".to_owned(), "b".to_owned()]);
        let mut intake = Intake::default();
        let Step::Want { digests, .. } = header(&mut intake, Known::default(), &new) else {
            panic!("nothing asked")
        };
        assert_eq!(digests.len(), 3);
        let Step::Offer(offered) = send(&mut intake, &new, &digests, 7) else { panic!("nothing offered") };
        assert_eq!(*offered, new);
    }

    #[test]
    fn what_is_known_is_not_fetched_again() {
        let old = content(1, &["a".to_owned(), "b".to_owned()]);
        let new = content(2, &["a".to_owned(), "c".to_owned()]);
        let fence = fence(&old);
        let known = Known { fence: Some(&fence), content: Some(&old) };
        let mut intake = Intake::default();
        let Step::Want { digests, .. } = header(&mut intake, known, &new) else { panic!("nothing asked") };
        assert_eq!(digests.len(), 2, "the plan and the body that is new");
        assert!(matches!(send(&mut intake, &new, &digests, 1000), Step::Offer(_)));
        let retargeted = content(3, &["a".to_owned(), "b".to_owned()]);
        assert!(matches!(header(&mut intake, known, &retargeted), Step::Offer(_)), "all is known");
    }

    #[test]
    fn the_accepted_target_is_acknowledged_again_or_fetched_again_if_lost() {
        let old = content(1, &["a".to_owned()]);
        let fence = fence(&old);
        let mut intake = Intake::default();
        let known = Known { fence: Some(&fence), content: Some(&old) };
        assert!(matches!(header(&mut intake, known, &old), Step::Again(_)));
        let lost = Known { fence: Some(&fence), content: None };
        assert!(matches!(header(&mut intake, lost, &old), Step::Want { .. }));
    }

    #[test]
    fn bytes_that_are_not_what_was_offered_are_refused() {
        let new = content(1, &["a".to_owned()]);
        let piece = |digest, offset, data: &[u8], last| Piece { digest, offset, data: data.to_vec(), last };
        let body = *new.bodies.keys().next().unwrap();
        let cases = [
            piece(body, 0, b"other", true),
            piece(body, 5, b"x", false),
            piece(body, 0, &[0; 4096], false),
            piece(Digest::of(b"foreign"), 0, b"foreign", true),
        ];
        for case in cases {
            let mut intake = Intake::default();
            header(&mut intake, Known::default(), &new);
            let Step::Refuse(refusal) = intake.piece(case) else { panic!("not refused") };
            assert_eq!(refusal.code, Code::Malformed);
        }
    }

    #[test]
    fn an_unreadable_or_foreign_target_is_refused_before_anything_is_fetched() {
        let mut intake = Intake::default();
        let unreadable = Header { target: b"{".to_vec(), ..Header::default() };
        let step = intake.header("c1", Known::default(), unreadable);
        assert!(matches!(step, Step::Refuse(Refusal { code: Code::Malformed, .. })));
        let new = content(1, &[]);
        let step = intake.header("c2", Known::default(), bare(&new));
        assert!(matches!(step, Step::Refuse(Refusal { code: Code::WrongCluster, .. })));
        let step = intake.header("c1", Known::default(), Header { offers: BTreeMap::new(), ..bare(&new) });
        assert!(
            matches!(step, Step::Refuse(Refusal { code: Code::Malformed, .. })),
            "a plan that is not offered"
        );
    }
}
