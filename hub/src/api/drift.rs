//! The drift report, and healing one difference.

use hub_core::drift::{HealAnswer, HealEntry, HealResult};
use proto::v1::{self, drift_server};
use tonic::{Request, Response, Status};

use super::convert;
use crate::{
    app::{
        App,
        drift::{self as use_case, DriftReport, NumberedItem, OpenItem, StoredHeal},
        heals::{self, Granted, Wish},
    },
    identity::problem,
};

/// Longest reason of a person, in bytes: it is shown in a line or two.
const LONGEST_REASON: usize = 1_000;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Drift(App);

impl Drift {
    /// The service for the server.
    #[must_use]
    pub fn server(app: App) -> drift_server::DriftServer<Self> {
        drift_server::DriftServer::new(Self(app)).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }
}

#[tonic::async_trait]
impl drift_server::Drift for Drift {
    async fn report(
        &self,
        request: Request<v1::ReportDriftRequest>,
    ) -> Result<Response<v1::ReportDriftResponse>, Status> {
        super::calling_operator(&request)?;
        let v1::ReportDriftRequest { cluster } = request.into_inner();
        let cluster = super::optional_name("cluster", &cluster)?;
        let report =
            use_case::report(&self.0, cluster.as_ref()).await.map_err(|error| problem::of(&error))?;
        let DriftReport { items, heals } = report;
        Ok(Response::new(v1::ReportDriftResponse {
            items: items.into_iter().map(open_item).collect(),
            heals: heals.into_iter().map(heal).collect(),
        }))
    }

    async fn heal(
        &self,
        request: Request<v1::HealDriftRequest>,
    ) -> Result<Response<v1::HealDriftResponse>, Status> {
        let operator = super::calling_operator(&request)?;
        let v1::HealDriftRequest { cluster, item, dry_run, reason } = request.into_inner();
        let cluster = super::name("cluster", &cluster)?;
        if reason.len() > LONGEST_REASON {
            let why = format!("has {} bytes, at most {LONGEST_REASON} are taken", reason.len());
            return Err(problem::bad_field("reason", why));
        }
        let wish = Wish { cluster, item, dry_run, reason };
        let granted = heals::heal(&self.0, &operator, &wish).await.map_err(|error| problem::of(&error))?;
        let Granted { item, answer: HealAnswer { result, message, before, after } } = granted;
        Ok(Response::new(v1::HealDriftResponse {
            item: Some(convert::drift_item(item)),
            result: heal_result(result).into(),
            message,
            before: before.unwrap_or_default(),
            after: after.unwrap_or_default(),
        }))
    }
}

fn heal(heal: StoredHeal) -> v1::ClusterHeal {
    let StoredHeal { cluster, entry, wished } = heal;
    let HealEntry {
        number,
        id,
        uid,
        path,
        class,
        baseline,
        found,
        manager,
        operation,
        asked_by,
        at,
        result,
        message,
    } = entry;
    let entry = v1::HealEntry {
        number,
        id: Some(convert::object_id(id)),
        uid,
        path,
        class: convert::drift_class(class.drift()).into(),
        baseline: baseline.unwrap_or_default(),
        found: found.unwrap_or_default(),
        manager,
        operation,
        asked_by: asked_by.map(|id| id.to_string()).unwrap_or_default(),
        at: convert::time(Some(at)),
        result: heal_result(result).into(),
        message,
    };
    let (operator, reason) = wished.map(|wished| (wished.by, wished.reason)).unwrap_or_default();
    v1::ClusterHeal { cluster: cluster.to_string(), entry: Some(entry), operator, reason }
}

fn heal_result(result: HealResult) -> v1::HealResult {
    match result {
        HealResult::Begun => v1::HealResult::Begun,
        HealResult::Healed => v1::HealResult::Healed,
        HealResult::Moved => v1::HealResult::Moved,
        HealResult::Failed => v1::HealResult::Failed,
        HealResult::WouldHeal => v1::HealResult::WouldHeal,
        HealResult::Held => v1::HealResult::Held,
    }
}

fn open_item(numbered: NumberedItem) -> v1::ClusterDriftItem {
    let NumberedItem { row, open: OpenItem { cluster, item, first_seen_at } } = numbered;
    v1::ClusterDriftItem {
        cluster: cluster.to_string(),
        item: Some(convert::drift_item(item)),
        first_seen_at: convert::time(Some(first_seen_at)),
        number: u64::try_from(row).unwrap_or_default(),
    }
}
