//! `meshfleet config`: mesh configs with all their versions, what holds for a cluster and from where, and how a mesh is
//! removed.

mod unassign;

use jiff::Timestamp;
use proto::v1::{
    Config, ConfigHistoryRequest, ConfigVersion, DiffConfigRequest, DiffConfigResponse, EffectiveLeaf,
    ListConfigsRequest, ShowConfigRequest, ShowConfigResponse,
};
use serde_json::{Value, json};

use crate::{
    args,
    call::{Call, Outcome, now, yaml},
    document::{
        self,
        diff::{changes_to_json, draw_changes},
    },
    failure::Failure,
    plan::json::value,
    screen::{Piece, Screen, Tone, counted, cut, faint, good, or_dash, plain, strong, warning},
    time,
};

/// Longest value that is shown, in characters: `-o json` has all of it.
const LONGEST_VALUE: usize = 200;

/// How many names stand in one cell of a table.
const MOST_NAMES: usize = 6;

/// `config ...`.
pub async fn run(call: &Call, command: args::Config) -> Result<Outcome, Failure> {
    match command {
        args::Config::List => list(call).await,
        args::Config::Show(show) => self::show(call, show).await,
        args::Config::History { name } => history(call, name).await,
        args::Config::Diff(diff) => self::diff(call, diff).await,
        args::Config::Unassign(unassign) => unassign::unassign(call, unassign).await,
    }
}

/// A config as it is named on the command line.
pub fn reference(name: &str) -> String {
    document::reference("MeshConfig", name)
}

async fn list(call: &Call) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let answer = hub.configs().list(ListConfigsRequest {}).await.map_err(|status| hub.refused(&status))?;
    let configs = answer.into_inner().configs;
    let json = || json!({"configs": configs.iter().map(to_json).collect::<Vec<_>>()});
    let names = || configs.iter().map(|config| reference(&config.name)).collect();
    call.answer(|screen| draw_list(screen, &configs, now()), json, names)?;
    Ok(Outcome::Done)
}

async fn show(call: &Call, arguments: args::ConfigShow) -> Result<Outcome, Failure> {
    let args::ConfigShow { name, version, effective: _, cluster } = arguments;
    let hub = call.hub().await?;
    let request = ShowConfigRequest {
        name: name.clone(),
        version: version.unwrap_or(0),
        cluster: cluster.clone().unwrap_or_default(),
    };
    let answer = hub.configs().show(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    let document = serde_json::from_str(&answer.document)
        .map_err(|source| Failure::NoJson { what: "a config", source })?;
    let names = || vec![reference(&name)];
    match &cluster {
        Some(cluster) => {
            let draw = |screen: &mut Screen| draw_effective(screen, &answer, cluster, now());
            call.answer(draw, || effective_to_json(&answer, cluster), names)?;
        }
        None => {
            let draw = |screen: &mut Screen| draw_version(screen, &answer, &document, now());
            call.documents(draw, std::slice::from_ref(&document), || document.clone(), names)?;
        }
    }
    Ok(Outcome::Done)
}

async fn history(call: &Call, name: String) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = ConfigHistoryRequest { name: name.clone() };
    let answer = hub.configs().history(request).await.map_err(|status| hub.refused(&status))?;
    let versions = answer.into_inner().versions;
    let json =
        || json!({"config": name, "versions": versions.iter().map(version_to_json).collect::<Vec<_>>()});
    let names = || versions.iter().map(|version| format!("v{}", version.version)).collect();
    call.answer(|screen| draw_history(screen, &name, &versions, now()), json, names)?;
    Ok(Outcome::Done)
}

async fn diff(call: &Call, arguments: args::ConfigDiff) -> Result<Outcome, Failure> {
    let args::ConfigDiff { name, from, to } = arguments;
    let hub = call.hub().await?;
    let request = DiffConfigRequest { name: name.clone(), from, to: to.unwrap_or(0) };
    let answer = hub.configs().diff(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    let json = || {
        let DiffConfigResponse { from, to, changes } = &answer;
        json!({"config": name, "from": from, "to": to, "changes": changes_to_json(changes)})
    };
    let paths = || answer.changes.iter().map(|change| change.path.clone()).collect();
    call.answer(|screen| draw_diff(screen, &name, &answer), json, paths)?;
    Ok(Outcome::Done)
}

fn draw_list(screen: &mut Screen, configs: &[Config], now: Timestamp) {
    if configs.is_empty() {
        screen.line(2, &[plain("no mesh configs yet: publish one with `meshfleet apply -f FILE`")]);
        return;
    }
    let rows: Vec<Vec<Piece>> = configs.iter().map(|config| list_row(screen, config, now)).collect();
    screen.table(&["NAME", "VERSION", "PUBLISHED", "RUNNING IT", "SELECTS"], &[2, 4], &rows);
}

fn list_row(screen: &mut Screen, config: &Config, now: Timestamp) -> Vec<Piece> {
    let Config { name, newest_version, selects, running_newest, published_by, published_at } = config;
    let all = *running_newest as usize >= selects.len();
    let running = match selects.len() {
        0 => "-".to_owned(),
        all => format!("{running_newest} of {all}"),
    };
    vec![
        strong(name),
        plain(format!("v{newest_version}")),
        plain(published(now, published_at, published_by)),
        if all { good(running) } else { warning(running) },
        match selects.as_slice() {
            [] => warning("no cluster"),
            names => faint(screen.names(names, MOST_NAMES)),
        },
    ]
}

fn published(now: Timestamp, at: &str, by: &str) -> String {
    match time::since(now, at).as_str() {
        "" => "-".to_owned(),
        when => format!("{when} by {}", or_dash(by)),
    }
}

fn draw_title(screen: &mut Screen, answer: &ShowConfigResponse, now: Timestamp) {
    let ShowConfigResponse { name, version, published_by, published_at, .. } = answer;
    let when = format!("  published {}", published(now, published_at, published_by));
    screen.line(2, &[strong(format!("{} v{version}", reference(name))), faint(when)]);
}

fn draw_version(screen: &mut Screen, answer: &ShowConfigResponse, document: &Value, now: Timestamp) {
    draw_title(screen, answer, now);
    screen.blank();
    screen.block(2, &yaml(document), Tone::Plain);
}

/// Every leaf that holds for a cluster, with its layer and where that was written. What is only a default stands at the
/// end: nobody wrote it.
fn draw_effective(screen: &mut Screen, answer: &ShowConfigResponse, cluster: &str, now: Timestamp) {
    draw_title(screen, answer, now);
    screen.line(2, &[plain("as it holds for "), strong(cluster)]);
    screen.blank();
    let (defaults, written): (Vec<_>, Vec<_>) =
        answer.leaves.iter().partition(|leaf| leaf.layer == "default");
    let rows: Vec<Vec<Piece>> = written.iter().chain(&defaults).map(|leaf| leaf_row(leaf)).collect();
    screen.columns(&["LAYER", "WRITTEN IN", "VALUE"], &rows);
    screen.blank();
    let layers = layers(&written);
    let sum = format!("{} from {}, {}", written.len(), layers, counted(defaults.len(), "default"));
    screen.line(2, &[plain(sum)]);
}

fn leaf_row(leaf: &EffectiveLeaf) -> Vec<Piece> {
    let EffectiveLeaf { path, value, layer, file, line } = leaf;
    let layer = if layer == "default" { faint(layer) } else { plain(layer) };
    vec![
        layer,
        faint(or_dash(&written_in(file, *line))),
        plain(format!("{path} = {}", cut(value, LONGEST_VALUE))),
    ]
}

fn layers(leaves: &[&EffectiveLeaf]) -> String {
    let mut layers: Vec<&str> = Vec::new();
    for leaf in leaves {
        if !layers.contains(&leaf.layer.as_str()) {
            layers.push(&leaf.layer);
        }
    }
    or_dash(&layers.join(", ")).to_owned()
}

/// Where a value was written; nothing where that is not known.
pub fn written_in(file: &str, line: u32) -> String {
    match (file, line) {
        ("", _) => String::new(),
        (file, 0) => file.to_owned(),
        (file, line) => format!("{file}:{line}"),
    }
}

fn draw_history(screen: &mut Screen, name: &str, versions: &[ConfigVersion], now: Timestamp) {
    let (shown, more) = screen.fold(versions, 20);
    let rows: Vec<Vec<Piece>> = shown.iter().map(|version| history_row(screen, version, now)).collect();
    screen.table(&["VERSION", "PUBLISHED", "CHANGES", "RUNNING IN"], &[1, 3], &rows);
    if more > 0 {
        screen.line(2, &[faint(format!("… {more} more, back to v1"))]);
    }
    if let [newest, before, ..] = versions {
        screen.blank();
        screen.line(2, &[faint("what the newest changed:")]);
        screen.command(format!("meshfleet config diff {name} {} {}", before.version, newest.version));
    }
}

fn history_row(screen: &mut Screen, version: &ConfigVersion, now: Timestamp) -> Vec<Piece> {
    let ConfigVersion { version, published_by, published_at, changes, clusters } = version;
    let changes = match (version, changes) {
        (1, _) => "first".to_owned(),
        (_, count) => counted(*count as usize, "value"),
    };
    vec![
        strong(format!("v{version}")),
        plain(published(now, published_at, published_by)),
        plain(changes),
        plain(or_dash(&screen.names(clusters, MOST_NAMES))),
    ]
}

fn draw_diff(screen: &mut Screen, name: &str, answer: &DiffConfigResponse) {
    let DiffConfigResponse { from, to, changes } = answer;
    let count = match changes.len() {
        0 => "say the same".to_owned(),
        count => format!("differ in {}", counted(count, "value")),
    };
    let title = format!("{} v{from} and v{to}", reference(name));
    screen.line(2, &[strong(title), plain(format!(" {count}"))]);
    draw_changes(screen, changes);
}

fn to_json(config: &Config) -> Value {
    let Config { name, newest_version, selects, running_newest, published_by, published_at } = config;
    json!({
        "name": name, "newestVersion": newest_version, "selects": selects, "runningNewest": running_newest,
        "publishedBy": published_by, "publishedAt": published_at,
    })
}

fn version_to_json(version: &ConfigVersion) -> Value {
    let ConfigVersion { version, published_by, published_at, changes, clusters } = version;
    json!({
        "version": version, "publishedBy": published_by, "publishedAt": published_at, "changes": changes,
        "clusters": clusters,
    })
}

fn effective_to_json(answer: &ShowConfigResponse, cluster: &str) -> Value {
    let ShowConfigResponse { name, version, document, leaves, published_by, published_at } = answer;
    let leaf = |EffectiveLeaf { path, value: text, layer, file, line }: &EffectiveLeaf| json!({"path": path, "value": value(text), "layer": layer, "file": file, "line": line});
    json!({
        "name": name, "version": version, "cluster": cluster, "effective": value(document),
        "leaves": leaves.iter().map(leaf).collect::<Vec<_>>(), "publishedBy": published_by,
        "publishedAt": published_at,
    })
}

#[cfg(test)]
mod tests;
