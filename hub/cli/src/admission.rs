//! `meshfleet admission simulate`: would this pod be let in, and with what. It asks neither a hub nor a cluster: all that
//! decides about a pod stands in the files that it is given.

mod cases;

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use hub_admission::{
    Decision, MayUse, Mutation, Namespace, Question, Verdict, judge,
    look::{Became, Trial},
    manifest::{self, Made},
    usable::Subject,
};
use serde_json::{Map, Value, json};

use crate::{
    args::Simulate,
    call::{Call, Outcome},
    failure::Failure,
    screen::{Piece, Screen, bad, faint, good, padded, plain, strong},
};

/// `admission simulate`.
pub fn simulate(call: &Call, arguments: &Simulate) -> Result<Outcome, Failure> {
    if let Some(cases) = &arguments.cases {
        return cases::judge(call, cases, arguments.check);
    }
    let asked = Asked::read(arguments)?;
    let verdict = asked.judge();
    call.answer(
        |screen| draw(screen, &asked, &verdict),
        || to_json(&asked, &verdict),
        || vec![asked.made.by.clone()],
    )?;
    Ok(match verdict.decision {
        Decision::Admitted { .. } | Decision::Unjudged(_) => Outcome::Done,
        Decision::Refused(_) => Outcome::Failed,
    })
}

/// A pod, and all that decides about it.
struct Asked {
    made: Made,
    cluster: hub_admission::Cluster,
    namespace: Namespace,
    account: Subject,
    user: Subject,
    may_use: MayUse,
}

impl Asked {
    fn read(arguments: &Simulate) -> Result<Self, Failure> {
        let read = |path: &Option<std::path::PathBuf>| match path {
            Some(path) => documents(path).map(|documents| (path.display().to_string(), documents)),
            None => Err(missing()),
        };
        let (file, documents) = read(&arguments.file)?;
        let made = manifest::made(documents).map_err(|source| Failure::manifest(file, source))?;
        let (file, documents) = read(&arguments.sccs)?;
        let cluster = manifest::cluster(documents).map_err(|source| Failure::manifest(file, source))?;
        let (file, documents) = read(&arguments.namespace_file)?;
        let namespace = manifest::namespace(documents).map_err(|source| Failure::manifest(file, source))?;
        let account = Subject::service_account(&namespace.name, made.service_account());
        let name = arguments.user.as_deref().or(made.controller.as_deref()).unwrap_or("somebody");
        let user = Subject::user(name, arguments.groups.iter().cloned());
        let granted = MayUse {
            service_account: arguments.grants.iter().cloned().collect(),
            user: arguments.user_grants.iter().cloned().collect(),
        };
        let may_use = manifest::may_use(&cluster, &account, &user, granted);
        Ok(Self { made, cluster, namespace, account, user, may_use })
    }

    fn judge(&self) -> Verdict {
        let Self { made, cluster, namespace, may_use, .. } = self;
        judge(&Question { cluster, namespace, may_use, pod: &made.pod, injection: None })
    }
}

/// What clap lets nobody forget.
fn missing() -> Failure {
    Failure::Usage {
        message: "a pod, the cluster's SCCs and the namespace are needed".to_owned(),
        hint: "-f FILE --sccs FILE --namespace-file FILE".to_owned(),
    }
}

/// All documents of a file of YAML or JSON.
fn documents(path: &Path) -> Result<Vec<Value>, Failure> {
    let (name, text) = read(path)?;
    serde_saphyr::from_multiple(&text).map_err(|source| Failure::manifest(name, source))
}

/// A file, or standard input.
fn read(path: &Path) -> Result<(String, String), Failure> {
    let (name, text) = match path.to_str() {
        Some("-") => {
            let mut text = String::new();
            ("<stdin>".to_owned(), io::stdin().lock().read_to_string(&mut text).map(|_| text))
        }
        _ => (path.display().to_string(), fs::read_to_string(path)),
    };
    match text {
        Ok(text) => Ok((name, text)),
        Err(source) => Err(Failure::File { name, source }),
    }
}

fn draw(screen: &mut Screen, asked: &Asked, verdict: &Verdict) {
    screen.line(2, &[strong(&asked.made.by), plain("  in namespace "), plain(&asked.namespace.name)]);
    screen.field(2, "account", &[plain(&asked.account.name)]);
    screen.field(2, "creator", &[plain(&asked.user.name)]);
    screen.blank();
    screen.line(9, &decided(&verdict.decision));
    let filled = filled(&verdict.mutation);
    if !filled.is_empty() {
        screen.blank();
        screen.line(2, &[faint("filled in")]);
    }
    for (field, value) in filled {
        screen.line(4, &[plain("  "), plain(format!("{field} = {value}"))]);
    }
    let trials = verdict.deciding_look();
    if !trials.is_empty() {
        screen.blank();
        screen.line(2, &[faint("tried, in this order")]);
    }
    let width = trials.iter().map(|trial| trial.scc.chars().count()).max().unwrap_or(0) + 2;
    trials.iter().for_each(|trial| draw_trial(screen, trial, width));
}

fn decided(decision: &Decision) -> [Piece; 2] {
    match decision {
        Decision::Unjudged(why) => [good("ADMITTED "), plain(format!("unlooked at: {why}"))],
        Decision::Admitted { scc, through } => {
            let through = match through {
                hub_admission::Through::ServiceAccount => "its service account",
                hub_admission::Through::User => "its creator",
            };
            [good("ADMITTED "), plain(format!("under {scc}, through {through}"))]
        }
        Decision::Refused(why) => [bad("REFUSED  "), plain(why.to_string())],
    }
}

fn draw_trial(screen: &mut Screen, trial: &Trial, width: usize) {
    let became = match &trial.became {
        Became::NotUsable => faint("may not be used"),
        Became::TooRestrictive(_) => bad("does not allow it"),
        Became::WouldChange => bad("would have to change it"),
        Became::Taken(_) => good("taken"),
    };
    let [name, gap] = padded(strong(&*trial.scc), width);
    screen.line(4, &[plain("  "), name, gap, became]);
    for violation in violations(trial) {
        screen.line(6, &[plain("    "), plain(violation)]);
    }
}

fn violations(trial: &Trial) -> Vec<String> {
    match &trial.became {
        Became::TooRestrictive(violations) => violations.iter().map(ToString::to_string).collect(),
        Became::NotUsable | Became::WouldChange | Became::Taken(_) => Vec::new(),
    }
}

/// Each field that was filled in, with its value.
fn filled(mutation: &Mutation) -> Vec<(String, String)> {
    let fields = |place: String, fields: &Map<String, Value>| {
        let line = |(field, value): (&String, &Value)| (format!("{place}.{field}"), value.to_string());
        fields.iter().map(line).collect::<Vec<_>>()
    };
    let mut lines = fields("spec.securityContext".to_owned(), &mutation.pod);
    for (list, containers) in
        [("init container", &mutation.init_containers), ("container", &mutation.containers)]
    {
        lines.extend(
            containers.iter().flat_map(|(name, of)| fields(format!("{list} {name} securityContext"), of)),
        );
    }
    let annotation =
        |(key, value): (&String, &Option<String>)| (format!("annotation {key}"), json!(value).to_string());
    lines.extend(mutation.annotations.iter().map(annotation));
    lines
}

fn to_json(asked: &Asked, verdict: &Verdict) -> Value {
    let answer = hub_admission::case::Answer::new(&asked.made.by, verdict);
    let tried = verdict.deciding_look().iter();
    let trial = |trial: &Trial| {
        let became = match &trial.became {
            Became::NotUsable => "NotUsable",
            Became::TooRestrictive(_) => "TooRestrictive",
            Became::WouldChange => "WouldChange",
            Became::Taken(_) => "Taken",
        };
        json!({"scc": &*trial.scc, "became": became, "violations": violations(trial)})
    };
    json!({
        "id": answer.id,
        "admitted": answer.admitted,
        "scc": answer.scc,
        "subject": answer.subject,
        "mutated": answer.mutated,
        "reason": reason(&verdict.decision),
        "tried": tried.map(trial).collect::<Vec<_>>(),
    })
}

fn reason(decision: &Decision) -> Option<String> {
    match decision {
        Decision::Unjudged(why) => Some(why.to_string()),
        Decision::Refused(why) => Some(why.to_string()),
        Decision::Admitted { .. } => None,
    }
}

#[cfg(test)]
mod tests;
