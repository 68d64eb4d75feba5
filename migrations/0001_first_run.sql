-- First run: documents, clusters, plans, rollouts, targets, reports, drift and audit.
--
-- States are words with a check; what belongs to a state is in typed columns, and checks tie the two together.
-- Digests are 32 bytes. Generations begin at 1 and only rise: every change of a target is a compare-and-set.

create table hub_state (
    id boolean primary key default true check (id),
    epoch bigint not null check (epoch > 0),
    system_identifier bigint not null,
    ca_fingerprint bytea not null check (length(ca_fingerprint) = 32),
    created_at timestamptz not null
);
comment on table hub_state is 'What all hubs on this database share: exactly one row.';
comment on column hub_state.id is 'Always true: keeps the table at one row.';
comment on column hub_state.epoch is 'Stands in every target; rises when the database server is another one than before, so that spokes can refuse a hub of a former life.';
comment on column hub_state.system_identifier is 'PostgreSQL''s own identifier of the database cluster that the epoch was counted on.';
comment on column hub_state.ca_fingerprint is 'sha-256 of the SubjectPublicKeyInfo of the CA that signs spokes and operators: a hub with another CA must not start.';
comment on column hub_state.created_at is 'When the first hub started on this database.';

create table operator (
    id uuid primary key,
    name text not null unique check (length(name) between 1 and 63),
    role text not null check (role in ('Viewer', 'Author', 'Approver', 'Admin')),
    created_at timestamptz not null,
    revoked_at timestamptz
);
comment on table operator is 'People and programs that may use the operator API.';
comment on column operator.id is 'Stands in the URI of the operator''s certificate.';
comment on column operator.name is 'For people and audit.';
comment on column operator.role is 'What the operator may do.';
comment on column operator.created_at is 'When the operator was added.';
comment on column operator.revoked_at is 'From then on its certificate is refused.';

create table cluster (
    id uuid primary key,
    name text not null unique check (length(name) between 1 and 63),
    state text not null check (state in ('Invited', 'Active')),
    labels jsonb not null default '{}' check (jsonb_typeof(labels) = 'object'),
    declared_platform text,
    network text,
    document bytea,
    facts jsonb,
    kube_system_uid text,
    revision bigint not null default 1 check (revision > 0),
    public_key_hash bytea check (length(public_key_hash) = 32),
    created_at timestamptz not null,
    enrolled_at timestamptz,
    check ((state = 'Active') = (public_key_hash is not null)),
    check ((state = 'Active') = (enrolled_at is not null))
);
comment on table cluster is 'Clusters: one row for the Cluster document and the enrolment, whichever comes first.';
comment on column cluster.id is 'Identity; stands in the spoke''s certificate and in every target.';
comment on column cluster.name is 'Unique in the fleet, and the mesh''s cluster id.';
comment on column cluster.state is 'Invited before its spoke enrolled for the first time, then Active.';
comment on column cluster.labels is 'What selectors look at: an object of texts.';
comment on column cluster.declared_platform is 'The platform that the Cluster document declares; null means detect it.';
comment on column cluster.network is 'The mesh network; null means one of its own.';
comment on column cluster.document is 'Canonical JSON of the Cluster document: the same bytes again are unchanged. Null if it was only enrolled.';
comment on column cluster.facts is 'What its spoke saw last, unjudged; null before the first session.';
comment on column cluster.kube_system_uid is 'uid of the namespace kube-system as its spoke last said: tells a copied identity from a moved one.';
comment on column cluster.revision is 'Rises with every change of the document or of the facts: the plan is computed anew only then.';
comment on column cluster.public_key_hash is 'sha-256 of the SubjectPublicKeyInfo it enrolled with last; only that key is admitted.';
comment on column cluster.created_at is 'When it became known.';
comment on column cluster.enrolled_at is 'When its spoke enrolled last.';

create table enrolment_token (
    id uuid primary key,
    cluster_id uuid not null references cluster,
    secret_hash bytea not null check (length(secret_hash) = 32),
    state text not null check (state in ('Issued', 'Redeemed', 'Revoked')),
    issued_by uuid not null references operator,
    issued_at timestamptz not null,
    expires_at timestamptz not null check (expires_at > issued_at),
    redeemed_at timestamptz,
    public_key_hash bytea check (length(public_key_hash) = 32),
    check ((state = 'Redeemed') = (redeemed_at is not null)),
    check ((state = 'Redeemed') = (public_key_hash is not null))
);
create index enrolment_token_of_cluster on enrolment_token (cluster_id);
comment on table enrolment_token is 'Single-use tokens that let a spoke join. The secret itself is never stored.';
comment on column enrolment_token.id is 'A part of the token''s text.';
comment on column enrolment_token.cluster_id is 'The cluster that it is for.';
comment on column enrolment_token.secret_hash is 'sha-256 of the secret.';
comment on column enrolment_token.state is 'An issued token whose time is over is expired; that is read from expires_at and not written.';
comment on column enrolment_token.issued_by is 'Who asked for it.';
comment on column enrolment_token.issued_at is 'When.';
comment on column enrolment_token.expires_at is 'From then on it is refused.';
comment on column enrolment_token.redeemed_at is 'When a spoke used it.';
comment on column enrolment_token.public_key_hash is 'sha-256 of the public key it was used with: the same key again gets the same answer.';

create table spoke_session (
    cluster_id uuid primary key references cluster,
    session uuid not null unique,
    spoke_version text not null,
    attached_at timestamptz not null,
    seen_at timestamptz not null,
    detached_at timestamptz,
    check (seen_at >= attached_at)
);
comment on table spoke_session is 'The newest session of each spoke. Narrow, because heartbeats are written here, many in one statement.';
comment on column spoke_session.cluster_id is 'The cluster.';
comment on column spoke_session.session is 'A newer session of the same cluster replaces this one.';
comment on column spoke_session.spoke_version is 'Version of the spoke.';
comment on column spoke_session.attached_at is 'When the session began.';
comment on column spoke_session.seen_at is 'When the spoke was heard last, to the second.';
comment on column spoke_session.detached_at is 'When the session ended; null while it is open, and for ever if the hub that held it was killed: then seen_at tells.';

create table mesh_config (
    name text primary key check (length(name) between 1 and 63),
    newest bigint not null check (newest > 0)
);
comment on table mesh_config is 'Mesh configs by name: the counter of their versions.';
comment on column mesh_config.name is 'The name.';
comment on column mesh_config.newest is 'Number of the newest version; rises by compare-and-set.';

create table config_version (
    config text not null references mesh_config,
    number bigint not null check (number > 0),
    document bytea not null,
    published_by uuid not null references operator,
    published_at timestamptz not null,
    primary key (config, number)
);
comment on table config_version is 'Immutable versions of mesh configs.';
comment on column config_version.config is 'The config.';
comment on column config_version.number is 'From 1, without gaps.';
comment on column config_version.document is 'What it says: canonical JSON of the document with its defaults written out. The same bytes again make no new version.';
comment on column config_version.published_by is 'Who published it.';
comment on column config_version.published_at is 'When.';

create table rollout_strategy (
    name text primary key check (length(name) between 1 and 63),
    document bytea not null,
    changed_by uuid not null references operator,
    changed_at timestamptz not null
);
comment on table rollout_strategy is 'Strategies in their latest text; a rollout keeps a copy.';
comment on column rollout_strategy.name is 'The name.';
comment on column rollout_strategy.document is 'What it says: canonical JSON of the document with its defaults written out. The same bytes again are unchanged.';
comment on column rollout_strategy.changed_by is 'Who changed it last.';
comment on column rollout_strategy.changed_at is 'When.';

create table body (
    digest bytea primary key check (length(digest) = 32),
    bytes bytea not null check (octet_length(bytes) between 1 and 8388608),
    check (digest = sha256(bytes))
);
comment on table body is 'Plan documents and manifests by content. Never changed; the many that clusters share are stored once.';
comment on column body.digest is 'sha-256 of the bytes.';
comment on column body.bytes is 'As they are sent.';

create table plan (
    digest bytea primary key references body,
    created_at timestamptz not null
);
comment on table plan is 'Plans that a rollout pinned: their documents are bodies too.';
comment on column plan.digest is 'sha-256 of the plan document.';
comment on column plan.created_at is 'When a rollout pinned it for the first time.';

create table plan_body (
    plan bytea not null references plan,
    body bytea not null references body,
    primary key (plan, body)
);
comment on table plan_body is 'The manifests that a plan names: what a spoke may ask for.';
comment on column plan_body.plan is 'The plan.';
comment on column plan_body.body is 'A manifest of it.';

create table cluster_plan (
    cluster_id uuid primary key references cluster,
    inputs bytea not null check (length(inputs) = 32),
    outcome text not null check (outcome in ('Unassigned', 'TwoConfigs', 'NoFacts', 'Failed', 'Blocked', 'Plan')),
    config text,
    version bigint check (version > 0),
    other_config text,
    plan bytea check (length(plan) = 32),
    findings jsonb not null default '[]' check (jsonb_typeof(findings) = 'array'),
    message text not null default '',
    computed_at timestamptz not null,
    check ((outcome = 'TwoConfigs') = (other_config is not null)),
    check (outcome <> 'Plan' or (plan is not null and config is not null and version is not null))
);
comment on table cluster_plan is 'What the newest configs would make of each cluster; computed anew when inputs change. It changes nothing in a cluster.';
comment on column cluster_plan.cluster_id is 'The cluster.';
comment on column cluster_plan.inputs is 'Digest of the revisions that it was computed from: while that is the same, nothing is computed.';
comment on column cluster_plan.outcome is 'What came of it.';
comment on column cluster_plan.config is 'The config that selects the cluster.';
comment on column cluster_plan.version is 'The version that was taken: its newest.';
comment on column cluster_plan.other_config is 'A second config that selects it too, which must not be.';
comment on column cluster_plan.plan is 'Digest of the plan; its document is stored only once a rollout pins it.';
comment on column cluster_plan.findings is 'What the checks found.';
comment on column cluster_plan.message is 'Why there is no plan; else empty.';
comment on column cluster_plan.computed_at is 'When.';

create table target (
    cluster_id uuid primary key references cluster,
    epoch bigint not null check (epoch > 0),
    generation bigint not null check (generation > 0),
    bytes bytea not null,
    digest bytea not null check (digest = sha256(bytes)),
    plan bytea not null references plan,
    traceparent text not null default '',
    set_at timestamptz not null
);
comment on table target is 'What each cluster should run now. Written only by compare-and-set on the generation.';
comment on column target.cluster_id is 'The cluster.';
comment on column target.epoch is 'The hub''s epoch when it was set.';
comment on column target.generation is 'Rises by one with every change, for ever.';
comment on column target.bytes is 'The target document as it is sent.';
comment on column target.digest is 'Its sha-256.';
comment on column target.plan is 'The plan.';
comment on column target.traceparent is 'W3C trace context of the request that led to it; empty if none.';
comment on column target.set_at is 'When.';

create table target_history (
    cluster_id uuid not null references cluster,
    generation bigint not null check (generation > 0),
    digest bytea not null check (length(digest) = 32),
    plan bytea not null references plan,
    config text not null,
    version bigint not null,
    rollout bigint not null,
    set_at timestamptz not null,
    primary key (cluster_id, generation),
    foreign key (config, version) references config_version
);
comment on table target_history is 'Every target that a cluster was ever given: from it follow the deletions of the next one.';
comment on column target_history.cluster_id is 'The cluster.';
comment on column target_history.generation is 'The generation.';
comment on column target_history.digest is 'Digest of the target document.';
comment on column target_history.plan is 'The plan.';
comment on column target_history.config is 'The config that the plan was made from.';
comment on column target_history.version is 'The version of the config.';
comment on column target_history.rollout is 'The rollout that set it.';
comment on column target_history.set_at is 'When.';

create table acceptance (
    cluster_id uuid primary key references cluster,
    epoch bigint not null check (epoch >= 0),
    generation bigint not null check (generation > 0),
    target bytea not null check (length(target) = 32),
    completed bigint not null check (completed >= 0),
    seen_at timestamptz not null,
    check (completed <= generation)
);
comment on table acceptance is 'The fence of each spoke as it last said: what it accepted and persisted in its cluster.';
comment on column acceptance.cluster_id is 'The cluster.';
comment on column acceptance.epoch is 'Epoch of the accepted target.';
comment on column acceptance.generation is 'Its generation. May be higher than the target''s: then the database is older than the cluster.';
comment on column acceptance.target is 'Its digest.';
comment on column acceptance.completed is 'The last generation that was applied to its end; 0 if none.';
comment on column acceptance.seen_at is 'When the spoke said so.';

create table refusal (
    cluster_id uuid primary key references cluster,
    generation bigint not null check (generation >= 0),
    code text not null,
    message text not null,
    seen_at timestamptz not null
);
comment on table refusal is 'The last target that each spoke would not take.';
comment on column refusal.cluster_id is 'The cluster.';
comment on column refusal.generation is 'Generation of the refused target.';
comment on column refusal.code is 'Stable code of the reason.';
comment on column refusal.message is 'The reason for people.';
comment on column refusal.seen_at is 'When.';

create table report (
    cluster_id uuid primary key references cluster,
    generation bigint not null check (generation > 0),
    target bytea not null check (length(target) = 32),
    phase text not null check (phase in ('Applying', 'Converging', 'Healthy', 'Unhealthy', 'Failed')),
    message text not null,
    completed bigint not null check (completed >= 0),
    digest bytea not null check (length(digest) = 32),
    reported_at timestamptz not null,
    check (completed <= generation)
);
comment on table report is 'The newest report of each spoke on its target.';
comment on column report.cluster_id is 'The cluster.';
comment on column report.generation is 'Generation of the target.';
comment on column report.target is 'Digest of the target.';
comment on column report.phase is 'How far the target is.';
comment on column report.message is 'What is awaited or what failed; may be empty.';
comment on column report.completed is 'The last generation that was applied to its end; 0 if none.';
comment on column report.digest is 'Digest of everything that it says: the same again means that nothing has to be written.';
comment on column report.reported_at is 'When a report last said something new.';

create table object_state (
    cluster_id uuid not null references cluster,
    api_group text not null,
    kind text not null,
    namespace text not null,
    name text not null,
    version text not null,
    role text not null check (role in ('Created', 'Adopted', 'Expected')),
    uid text not null,
    body bytea check (length(body) = 32),
    outcome text not null check (outcome in ('Pending', 'Created', 'Changed', 'Unchanged', 'Deleted', 'Conflict',
        'AdoptionRequired', 'Rejected', 'Unreachable', 'Left', 'Unfulfilled', 'Fulfilled')),
    healthy boolean not null,
    message text not null,
    generation bigint not null check (generation >= 0),
    primary key (cluster_id, api_group, kind, namespace, name)
);
comment on table object_state is 'The objects that each spoke manages or expects, as it last reported them.';
comment on column object_state.cluster_id is 'The cluster.';
comment on column object_state.api_group is 'API group; empty for the core group.';
comment on column object_state.kind is 'Kind.';
comment on column object_state.namespace is 'Namespace; empty for cluster-scoped objects.';
comment on column object_state.name is 'Name.';
comment on column object_state.version is 'API version that it was written or looked at in.';
comment on column object_state.role is 'How it became known to the spoke.';
comment on column object_state.uid is 'Its uid; empty while it is absent.';
comment on column object_state.body is 'What was applied; null for expectations and for what was not applied yet.';
comment on column object_state.outcome is 'What became of it.';
comment on column object_state.healthy is 'Whether it meets what the plan asks of it.';
comment on column object_state.message is 'Why not, or who holds it.';
comment on column object_state.generation is 'The generation under which this came.';

create table drift_report (
    cluster_id uuid primary key references cluster,
    generation bigint not null check (generation >= 0),
    open_items bigint not null check (open_items >= 0),
    items_digest bytea not null check (length(items_digest) = 32),
    reported_at timestamptz not null
);
comment on table drift_report is 'That a spoke looked for drift, and how much is open: no row means that nobody knows.';
comment on column drift_report.cluster_id is 'The cluster.';
comment on column drift_report.generation is 'The generation under which it looked.';
comment on column drift_report.open_items is 'Number of open drift items, kept by the writer.';
comment on column drift_report.items_digest is 'Digest of all items: the same again means that nothing has to be written.';
comment on column drift_report.reported_at is 'When a report last said something new.';

create table drift_item (
    id bigint generated always as identity primary key,
    cluster_id uuid not null references cluster,
    api_group text not null,
    version text not null,
    kind text not null,
    namespace text not null,
    name text not null,
    uid text not null,
    path text not null,
    class text not null check (class in ('Overwritten', 'Removed', 'Deleted', 'Recreated', 'Unfulfilled')),
    baseline text,
    found text,
    found_digest bytea check (length(found_digest) = 32),
    actor jsonb,
    generation bigint not null check (generation >= 0),
    first_seen_at timestamptz not null,
    changed_at timestamptz not null,
    resolved_at timestamptz,
    check (resolved_at is null or resolved_at >= first_seen_at)
);
create unique index drift_item_open on drift_item (cluster_id, api_group, kind, namespace, name, path, class)
    where resolved_at is null;
comment on table drift_item is 'Differences between what was applied and what is there. A row is never reused: what differs again is a new one.';
comment on column drift_item.id is 'Its number.';
comment on column drift_item.cluster_id is 'The cluster.';
comment on column drift_item.api_group is 'API group of the object; empty for the core group.';
comment on column drift_item.version is 'API version.';
comment on column drift_item.kind is 'Kind.';
comment on column drift_item.namespace is 'Namespace; empty for cluster-scoped objects.';
comment on column drift_item.name is 'Name.';
comment on column drift_item.uid is 'uid of the object; empty if it is gone.';
comment on column drift_item.path is 'Path of the field; empty for the whole object.';
comment on column drift_item.class is 'What kind of difference.';
comment on column drift_item.baseline is 'JSON of the value that our apply left there. Never a Secret''s value.';
comment on column drift_item.found is 'JSON of the value there now. Never a Secret''s value.';
comment on column drift_item.found_digest is 'sha-256 of the canonical JSON of the value there now.';
comment on column drift_item.actor is 'Who wrote it, from managedFields; null where they do not tell.';
comment on column drift_item.generation is 'The generation under which it was seen last.';
comment on column drift_item.first_seen_at is 'When the hub stored it for the first time.';
comment on column drift_item.changed_at is 'When the value or its writer changed last.';
comment on column drift_item.resolved_at is 'When a report did not have it any more; null while it is open.';

create table rollout (
    number bigint generated always as identity primary key,
    config text not null,
    version bigint not null,
    strategy text,
    strategy_spec jsonb not null,
    overwrite_drift boolean not null,
    state text not null check (state in ('Running', 'Succeeded', 'Failed')),
    failed_wave bigint check (failed_wave > 0),
    started_by uuid not null references operator,
    started_at timestamptz not null,
    ended_at timestamptz,
    traceparent text not null default '',
    foreign key (config, version) references config_version,
    check ((state = 'Running') = (ended_at is null)),
    check ((state = 'Failed') = (failed_wave is not null))
);
create index rollout_live on rollout (number) where state = 'Running';
comment on table rollout is 'Rollouts. What a rollout set out to do never changes; only its state does.';
comment on column rollout.number is 'People name it by this.';
comment on column rollout.config is 'The config.';
comment on column rollout.version is 'Its version.';
comment on column rollout.strategy is 'Name of the strategy; null for one wave of all clusters.';
comment on column rollout.strategy_spec is 'The strategy as it was when the rollout started.';
comment on column rollout.overwrite_drift is 'Whether drift that was known at the start is put right by force.';
comment on column rollout.state is 'How far it is.';
comment on column rollout.failed_wave is 'The first wave, from 1, with a target that did not succeed.';
comment on column rollout.started_by is 'Who started it.';
comment on column rollout.started_at is 'When.';
comment on column rollout.ended_at is 'When it came to its end.';
comment on column rollout.traceparent is 'W3C trace context of the request; empty if none.';

alter table target_history add foreign key (rollout) references rollout;

create table rollout_target (
    rollout bigint not null references rollout,
    cluster_id uuid not null references cluster,
    inputs jsonb not null,
    wave bigint not null check (wave > 0),
    wave_name text not null,
    plan bytea not null references plan,
    overwrite jsonb check (jsonb_typeof(overwrite) = 'array'),
    state text not null check (state in ('Pending', 'Blocked', 'Sent', 'Accepted', 'Applying', 'Converging',
        'Succeeded', 'Failed', 'TimedOut', 'Refused')),
    blocked_by text check (blocked_by in ('PlanChanged', 'PlanBlocked', 'Offline', 'Held', 'SpokeAhead')),
    blocked_since timestamptz,
    generation bigint check (generation > 0),
    target bytea check (length(target) = 32),
    sent_at timestamptz,
    failure text check (failure in ('Object', 'Apply', 'Unhealthy')),
    failed_object jsonb,
    failed_outcome text,
    stage text check (stage in ('Blocked', 'Sent', 'Accepted', 'Applying', 'Converging')),
    refusal_code text,
    message text not null default '',
    ended_at timestamptz,
    primary key (rollout, cluster_id),
    check ((generation is null) = (target is null) and (generation is null) = (sent_at is null)),
    check ((state = 'Blocked') = (blocked_since is not null)),
    check (state <> 'Blocked' or blocked_by is not null),
    check (state not in ('Sent', 'Accepted', 'Applying', 'Converging', 'Failed', 'Refused') or generation is not null),
    check (state not in ('Pending', 'Blocked') or generation is null),
    check ((state in ('Succeeded', 'Failed', 'TimedOut', 'Refused')) = (ended_at is not null)),
    check ((state = 'Failed') = (failure is not null)),
    check (coalesce(failure = 'Object', false) = (failed_object is not null and failed_outcome is not null)),
    check ((state = 'TimedOut') = (stage is not null)),
    check ((state = 'Refused') = (refusal_code is not null))
);
comment on table rollout_target is 'A plan pinned to a cluster by a rollout, and how far it is.';
comment on column rollout_target.rollout is 'The rollout.';
comment on column rollout_target.cluster_id is 'The cluster.';
comment on column rollout_target.inputs is 'Name, labels, declared platform and network as they were when the rollout started.';
comment on column rollout_target.wave is 'Its wave, from 1.';
comment on column rollout_target.wave_name is 'Name of the wave.';
comment on column rollout_target.plan is 'The pinned plan.';
comment on column rollout_target.overwrite is 'Fields that others wrote, seen at the start and taken back by force: uid, path and digest of the value, each. Null if no drift is to be put right.';
comment on column rollout_target.state is 'How far it is.';
comment on column rollout_target.blocked_by is 'What keeps it from starting, or kept it when its deadline passed.';
comment on column rollout_target.blocked_since is 'Since when anything keeps it from starting.';
comment on column rollout_target.generation is 'Generation that it was sent with; null before.';
comment on column rollout_target.target is 'Digest of the target that was sent.';
comment on column rollout_target.sent_at is 'When the cluster was given its target.';
comment on column rollout_target.failure is 'What kind of failure.';
comment on column rollout_target.failed_object is 'The object that cannot come to be as planned.';
comment on column rollout_target.failed_outcome is 'What became of that object.';
comment on column rollout_target.stage is 'How far it had come when its deadline passed.';
comment on column rollout_target.refusal_code is 'Why the spoke would not take it.';
comment on column rollout_target.message is 'What the spoke said; may be empty.';
comment on column rollout_target.ended_at is 'When it came to its end.';

create table cluster_hold (
    cluster_id uuid primary key references cluster,
    rollout bigint not null references rollout,
    held_at timestamptz not null
);
create index cluster_hold_of_rollout on cluster_hold (rollout);
comment on table cluster_hold is 'One writer a cluster: the live rollout that may change its target.';
comment on column cluster_hold.cluster_id is 'The cluster.';
comment on column cluster_hold.rollout is 'The rollout that holds it.';
comment on column cluster_hold.held_at is 'Since when.';

create table audit_event (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    actor text not null check (actor in ('Operator', 'Spoke', 'Hub')),
    operator_id uuid references operator,
    action text not null,
    subject text not null,
    detail jsonb not null default '{}',
    check ((actor = 'Operator') = (operator_id is not null))
);
comment on table audit_event is 'What people did, and what changed in the fleet because of it; written in the same transaction as the change.';
comment on column audit_event.id is 'Order of writing.';
comment on column audit_event.at is 'When.';
comment on column audit_event.actor is 'Whether a person, a spoke or the hub itself did it.';
comment on column audit_event.operator_id is 'The person or program, if it was one.';
comment on column audit_event.action is 'Stable word, for example rollout.started.';
comment on column audit_event.subject is 'What it was done to, for example rollout/7 or cluster/eu-1.';
comment on column audit_event.detail is 'More, for machines. Never a secret.';
