//! What other parts of the server do with a pod before it is looked at: defaults, and the service account's token.

use crate::{
    pod::{Container, Pod},
    volume::{Source, Volume},
};

/// Where a container finds the token; who mounts something else there gets none.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How the names of the token's volumes begin.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// Makes of a submitted pod, or of one that a webhook changed, what is looked at.
pub(crate) fn arrive(pod: &mut Pod) {
    if pod.spec.host_network {
        let containers = pod.spec.init_containers.iter_mut().chain(&mut pod.spec.containers);
        containers.for_each(take_host_ports);
    }
    if pod.spec.automount_service_account_token != Some(false) {
        mount_token(pod);
    }
}

/// On the node's network every port of a container is one of the node's.
fn take_host_ports(container: &mut Container) {
    for port in container.ports.iter_mut().filter(|port| port.host_port == 0) {
        port.host_port = port.container_port;
    }
}

/// Adds the token's volume where a container has nothing mounted in its place. The service account is taken to allow it,
/// as accounts do that say nothing.
fn mount_token(pod: &mut Pod) {
    let spec = &mut pod.spec;
    let mounted =
        |container: &Container| container.volume_mounts.iter().any(|mount| mount.mount_path == TOKEN_PATH);
    let everywhere = spec.init_containers.iter().chain(&spec.containers).all(mounted);
    let there = spec.volumes.iter().any(|volume| volume.name.starts_with(TOKEN_VOLUME));
    if !everywhere && !there {
        let source = Source::Projected { like_token: true };
        spec.volumes.push(Volume { name: TOKEN_VOLUME.to_owned(), source, kinds: 1 });
    }
}
