//! What the demo prints: steps with their time, commands with their real output, claims that were checked.

use std::{path::Path, time::Duration};

use anstream::{eprintln, println};
use owo_colors::OwoColorize;

/// Begins a step.
pub fn step(number: usize, title: &str) {
    println!("\n{} {}", format!("[{number}]").cyan().bold(), title.bold());
}

/// One thing that was done, and how long it took.
pub fn done(what: &str, took: Duration) {
    println!("    {what} {}", format!("({:.1} s)", took.as_secs_f32()).dimmed());
}

/// A remark.
pub fn note(text: &str) {
    println!("    {}", text.dimmed());
}

/// A document, as it is applied.
pub fn document(name: &str, text: &str) {
    println!("    {}", name.dimmed());
    for line in text.lines() {
        println!("      {line}");
    }
}

/// A command and what it printed.
pub fn command(arguments: &[&str], output: &str) {
    println!("    {} {}", "$".green(), format!("meshfleet {}", arguments.join(" ")).green());
    for line in output.lines() {
        println!("      {line}");
    }
}

/// A claim that was checked.
pub fn claim(holds: bool, text: &str) {
    if holds {
        println!("    {} {text}", "✓".green().bold());
    } else {
        println!("    {} {text}", "✗".red().bold());
    }
}

/// How it all ended.
pub fn conclusion(text: &str) {
    println!("\n{}", text.green().bold());
}

/// What went wrong.
pub fn problem(text: &str) {
    eprintln!("\n{} {text}", "demo failed:".red().bold());
}

/// What a person can do while everything is up.
pub fn what_to_try(shown: &Path) {
    let folder = shown.display();
    let program =
        shown.parent().map(|target| target.join("debug/meshfleet").display().to_string()).unwrap_or_default();
    println!("\n{}", "Everything stays up. In another terminal:".bold());
    println!("    export MESHFLEET_CONTEXT={folder}/admin.context.json");
    println!("    {program} status rosa-eu-1");
    println!("    {program} plan payments --cluster rosa-eu-1 --show-manifests");
    println!("    kubectl --kubeconfig {folder}/rosa-eu-1.kubeconfig get istiocontrolplanes -A");
    println!(
        "    kubectl --kubeconfig {folder}/rosa-eu-1.kubeconfig -n istio-system edit istiocontrolplane payments"
    );
    println!("    {program} drift report");
    println!("{}", "Ctrl-C ends it and cleans up.".bold());
}
