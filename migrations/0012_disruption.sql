-- What a rollout does to the running mesh of each of its clusters.

alter table rollout_target add column disruption text not null default 'none' check (disruption in ('none', 'config-push',
    'istiod-restart', 'gateway-restart', 'workload-restart', 'node-cni', 'trust', 'irreversible'));
comment on column rollout_target.disruption is 'The worst that the change does to the running mesh, against the plan that the cluster had when the rollout started; none for rollouts of before this was kept.';
