//! The referee on what no plan may write, wherever it is for.

use super::{Finding, Seen, blocks};

/// Namespaces of Kubernetes itself.
const SYSTEM: &str = "kube-";

pub(super) fn judge(plan: &Seen<'_>) -> Vec<Finding> {
    let objects = plan.written().map(|(id, _)| id).filter(|id| id.namespace.starts_with(SYSTEM));
    let named: Vec<String> = objects.map(ToString::to_string).collect();
    let made = plan.document.namespaces.iter().filter(|name| name.as_str().starts_with(SYSTEM));
    let found: Vec<String> = named.into_iter().chain(made.map(|name| format!("Namespace {name}"))).collect();
    let mut findings = Vec::new();
    if !found.is_empty() {
        findings.push(blocks(
            "plan.system-namespace",
            format!("these are Kubernetes' own to write: {}", found.join(", ")),
            "choose another istio.namespace".to_owned(),
        ));
    }
    let wide = plan.templates.iter().filter(|(template, _)| template.namespaces.iter().any(Vec::is_empty));
    let wide: Vec<String> = wide.map(|(template, _)| template.template.clone()).collect();
    if !wide.is_empty() {
        findings.push(blocks(
            "plan.template-everywhere",
            format!("these templates select every namespace: {}", wide.join(", ")),
            "select by the labels of the mesh: this is a mistake in meshfleet, report it".to_owned(),
        ));
    }
    findings
}
