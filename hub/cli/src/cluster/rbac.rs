//! `meshfleet cluster rbac`: rights for a cluster's spoke, for `kubectl apply -f -`.

use proto::v1::{ClusterRightsRequest, ClusterRightsResponse};
use serde_json::{Value, json};

use super::reference;
use crate::{
    args::Format,
    call::{Call, Outcome, write_out},
    failure::Failure,
    screen::{Screen, good, plain, strong, warning},
};

pub async fn print(call: &Call, name: String, all: bool) -> Result<Outcome, Failure> {
    let hub = call.hub().await?;
    let request = ClusterRightsRequest { name: name.clone(), all };
    let answer = hub.clusters().rights(request).await.map_err(|status| hub.refused(&status))?.into_inner();
    call.remark(|screen| draw(screen, &name, &answer));
    match call.format {
        Format::Table | Format::Wide | Format::Yaml => write_out(&text(&name, &answer))?,
        Format::Json | Format::Name => {
            call.answer(|_| {}, || to_json(&name, &answer), || answer.lacks.clone())?;
        }
    }
    Ok(Outcome::Done)
}

/// The manifest as it is: another program reads it. YAML without a document says why in a comment.
fn text(name: &str, answer: &ClusterRightsResponse) -> String {
    match answer.manifest.as_str() {
        "" => format!("# {}: nothing to give\n", reference(name)),
        manifest => manifest.to_owned(),
    }
}

fn draw(screen: &mut Screen, name: &str, answer: &ClusterRightsResponse) {
    let ClusterRightsResponse { manifest: _, lacks, unknown } = answer;
    for sentence in unknown {
        screen.line(2, &[strong(reference(name)), plain(" "), warning(sentence)]);
    }
    match (lacks.len(), unknown.as_slice()) {
        (0, []) => {
            screen
                .line(2, &[strong(reference(name)), plain(" "), good("has every right that its plan needs")]);
        }
        (0, _) => {}
        (count, _) => {
            let count = if count == 1 { "1 right".to_owned() } else { format!("{count} rights") };
            screen.line(2, &[strong(reference(name)), plain(" "), warning(format!("lacks {count}"))]);
            for sentence in lacks {
                screen.line(4, &[plain("  "), plain(sentence)]);
            }
        }
    }
}

fn to_json(name: &str, answer: &ClusterRightsResponse) -> Value {
    let ClusterRightsResponse { manifest, lacks, unknown } = answer;
    let manifest = Some(manifest).filter(|manifest| !manifest.is_empty());
    json!({"cluster": name, "lacks": lacks, "unknown": unknown, "manifest": manifest})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::golden;

    #[test]
    fn what_is_lacked_is_said_beside_the_manifest() {
        let mut answer = ClusterRightsResponse {
            manifest: "kind: ClusterRole\n".to_owned(),
            lacks: vec![
                "its spoke may not bind clusterroles.rbac.authorization.k8s.io x, which RoleBinding y needs"
                    .to_owned(),
            ],
            unknown: Vec::new(),
        };
        insta::assert_snapshot!("rights_lacked", golden(80, |screen| draw(screen, "eks-eu-1", &answer)));
        insta::assert_snapshot!("rights_json", format!("{:#}", to_json("eks-eu-1", &answer)));
        assert_eq!(text("eks-eu-1", &answer), answer.manifest);
        answer = ClusterRightsResponse::default();
        insta::assert_snapshot!("rights_all_there", golden(80, |screen| draw(screen, "eks-eu-1", &answer)));
        assert_eq!(text("eks-eu-1", &answer), "# cluster/eks-eu-1: nothing to give\n");
        answer.unknown = vec!["whether its spoke has the rights was not checked: it is busy".to_owned()];
        insta::assert_snapshot!("rights_unknown", golden(80, |screen| draw(screen, "eks-eu-1", &answer)));
    }
}
