//! What may be spent on what: the one table, and how a measurement is held against it.

use std::{collections::BTreeMap, fmt::Write};

use super::{SIZES, meter::Counts};

/// A bound on one figure of one operation.
struct Bound {
    of: &'static str,
    figure: Figure,
    /// At most so many, and so many more for each cluster.
    most: (u64, u64),
    /// How it may grow between the two sizes: the exponent of the fleet's size.
    exponent: f64,
    why: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Figure {
    Queries,
    Commits,
    RowsRead,
    RowsWritten,
    LogBytes,
    Wakes,
    Offers,
    Received,
}

impl Figure {
    fn of(self, counts: &Counts) -> u64 {
        match self {
            Self::Queries => counts.queries(),
            Self::Commits => counts.commits(),
            Self::RowsRead => counts.rows_read(),
            Self::RowsWritten => counts.rows_written(),
            Self::LogBytes => counts.log_bytes(),
            Self::Wakes => counts.wakes,
            Self::Offers => counts.crossed.offers,
            Self::Received => counts.crossed.received_bytes,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Queries => "queries",
            Self::Commits => "commits",
            Self::RowsRead => "rows read",
            Self::RowsWritten => "rows written",
            Self::LogBytes => "bytes of log",
            Self::Wakes => "sessions woken",
            Self::Offers => "targets offered",
            Self::Received => "bytes to spokes",
        }
    }
}

/// Does not grow with the fleet.
const FLAT: f64 = 0.05;

/// Grows no faster than the fleet.
const LINEAR: f64 = 1.05;

/// Is not held by its growth: it may be nothing at the smaller size.
const ANY: f64 = f64::INFINITY;

const fn bound(
    of: &'static str,
    figure: Figure,
    most: (u64, u64),
    exponent: f64,
    why: &'static str,
) -> Bound {
    Bound { of, figure, most, exponent, why }
}

use Figure::{Commits, LogBytes, Offers, Queries, Received, RowsRead, RowsWritten, Wakes};

#[rustfmt::skip]
const BOUNDS: &[Bound] = &[
    bound("one cluster changed", Queries, (98, 0), FLAT, "apply, plan, preview, rollout to its end: none for another cluster"),
    bound("one cluster changed", Commits, (9, 0), FLAT, "the document, its plan, what its spoke is asked, the rollout and its steps, acceptance, report"),
    bound("one cluster changed", RowsWritten, (30, 0), FLAT, "only rows of this cluster and of its rollout"),
    bound("one cluster changed", LogBytes, (16_000, 0), 0.15, "what is written is small; larger trees have pages to split"),
    bound("one cluster changed", RowsRead, (80, 2), LINEAR, "the plan task's look: two narrow rows of each cluster"),
    bound("one cluster changed", Wakes, (2, 0), FLAT, "its session and no other: asked for its rights by the preview, then given its target"),
    bound("one cluster changed", Offers, (1, 0), FLAT, "its target and no other"),
    bound("one cluster changed", Received, (3_000, 0), FLAT, "a header with the bodies that changed"),

    bound("one document changed", Queries, (12, 0), FLAT, "apply and plan one cluster, whatever its neighbours are"),
    bound("one document changed", RowsWritten, (5, 0), FLAT, "document, plan, audit"),
    bound("one document changed", Wakes, (0, 0), ANY, "a plan is no target"),

    bound("one of all changed", Queries, (85, 0), FLAT, "a config of all with a layer for one: the clusters are looked at together"),
    bound("one of all changed", Wakes, (1, 0), FLAT, "the others run their plan already"),
    bound("one of all changed", Offers, (1, 0), FLAT, "the others run their plan already"),
    bound("one of all changed", Received, (3_000, 0), FLAT, "bytes follow the change"),
    bound("one of all changed", RowsWritten, (50, 8), LINEAR, "each is a target of the rollout, with its audit event and its hold"),

    bound("rollout of all", Queries, (90, 14), LINEAR, "six to offer, three for the acceptance, five for the report; none for start and steps"),
    bound("rollout of all", Commits, (6, 2), LINEAR, "acceptance and report"),
    bound("rollout of all", RowsWritten, (60, 16), LINEAR, "target, history, origin, states, audit, acceptance, report, its objects"),
    bound("rollout of all", Wakes, (0, 1), LINEAR, "each session once"),
    bound("rollout of all", Offers, (0, 1), LINEAR, "each target once"),
    bound("rollout of all", Received, (0, 2_000), LINEAR, "header and bodies"),

    bound("plan of all", Queries, (6, 0), FLAT, "all clusters together"),
    bound("plan of all", RowsWritten, (0, 1), LINEAR, "what was planned"),
    bound("preview of all", Queries, (60, 5), LINEAR, "each spoke is asked what exists: question, levels, answer"),

    bound("attach", Queries, (10, 9), LINEAR, "gate, session, uid, facts, fence, target, what it is asked"),
    bound("reconnect of all", Queries, (40, 9), LINEAR, "gate, session, fence, target, what it is asked, acceptance; 40 for the start of the hub"),
    bound("reconnect of all", RowsWritten, (5, 2), LINEAR, "session and fence"),
    bound("reconnect of all", Offers, (0, 0), ANY, "no plan is sent again"),
    bound("reconnect of all", Received, (0, 20), LINEAR, "a welcome"),
    bound("reconnect of all", Wakes, (0, 0), ANY, "a session that read its target is not told to read it again"),

    bound("nothing changed", Queries, (5, 0), FLAT, "the document is the same, the inputs of all plans are the same"),
    bound("nothing changed", RowsWritten, (0, 0), ANY, "0 writes"),
    bound("nothing changed", Wakes, (0, 0), ANY, "0 pushes"),
    bound("nothing changed", Received, (0, 0), ANY, "0 pushes"),

    bound("idle", Queries, (9, 0), FLAT, "one look of each task"),
    bound("idle", Commits, (1, 0), FLAT, "heartbeats, all together"),
    bound("idle", RowsWritten, (0, 1), LINEAR, "when each spoke was heard"),
    bound("idle", Received, (0, 0), ANY, "nobody is told anything"),
];

/// Statements that are told of an operation that costs too much.
const TOLD: usize = 8;

/// The table with what was measured, and everything that is over its bound.
pub fn judge(small: &BTreeMap<&str, Counts>, large: &BTreeMap<&str, Counts>) -> (String, String) {
    let [n_small, n_large] = SIZES.map(|size| size as u64);
    let mut table = format!(
        "{:<21} {:<16} {:>9} {:>9} {:>9} {:>9} {:>9}  why\n",
        "operation",
        "figure",
        format!("at {n_small}"),
        format!("at {n_large}"),
        "exponent",
        "most",
        "grows by",
    );
    let mut over = String::new();
    for Bound { of, figure, most: (fixed, each), exponent: grows, why } in BOUNDS {
        let (Some(at_small), Some(at_large)) = (small.get(of), large.get(of)) else {
            let _ = writeln!(over, "{of} was not measured");
            continue;
        };
        let (a, b) = (figure.of(at_small), figure.of(at_large));
        let exponent = exponent(a, b);
        let most = |n: u64| fixed + each * n;
        let name = figure.words();
        let limit = if grows.is_finite() { format!("{grows}") } else { "-".to_owned() };
        let _ = writeln!(
            table,
            "{of:<21} {name:<16} {a:>9} {b:>9} {exponent:>9.3} {:>9} {limit:>9}  {why}",
            most(n_large)
        );
        let mut say = |n: u64, measured: u64, counts: &Counts| {
            let statements = counts.told(TOLD);
            let _ = writeln!(
                over,
                "{of}, {name}: {measured} with {n} clusters, at most {} ({why})\n{statements}",
                most(n)
            );
        };
        if a > most(n_small) {
            say(n_small, a, at_small);
        }
        if b > most(n_large) {
            say(n_large, b, at_large);
        }
        if exponent > *grows {
            let statements = at_large.told(TOLD);
            let _ = writeln!(
                over,
                "{of}, {name}: {a} with {n_small} clusters and {b} with {n_large}, which grows by {exponent:.2}, at most \
                 {grows} ({why})\n{statements}"
            );
        }
    }
    (table, over)
}

/// How a figure grows with the size of the fleet. Nothing counts as one.
fn exponent(small: u64, large: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let of = |count: u64| count.max(1) as f64;
    let sizes = SIZES.map(|size| of(size as u64));
    (of(large) / of(small)).ln() / (sizes[1] / sizes[0]).ln()
}
