-- Probes, variables of clusters, detached clusters, and what spokes report since templates and additions.

create table probe (
    cluster_id uuid primary key references cluster on delete cascade,
    id uuid not null unique,
    question bytea not null,
    question_digest bytea not null check (question_digest = sha256(question)),
    asked_at timestamptz not null,
    answer jsonb check (jsonb_typeof(answer) = 'object'),
    answered_at timestamptz,
    check ((answer is null) = (answered_at is null))
);
comment on table probe is 'The last question to each spoke about what exists in its cluster, with the answer. Never waited for longer than seconds; a row that is lost costs a preview one line.';
comment on column probe.cluster_id is 'The cluster.';
comment on column probe.id is 'Names the question to the spoke; new with each question, and once an answer is too old.';
comment on column probe.question is 'What is asked: canonical JSON of the plan''s digest and the objects with their manifests.';
comment on column probe.question_digest is 'Its sha-256: the same question is not asked again while its answer is fresh.';
comment on column probe.asked_at is 'When.';
comment on column probe.answer is 'What the spoke found; null while it has not answered.';
comment on column probe.answered_at is 'When it answered.';

alter table cluster add column variables jsonb not null default '{}' check (jsonb_typeof(variables) = 'object');
comment on column cluster.variables is 'Values of the Cluster document that stand in for ${name} in a mesh config: an object of texts.';

alter table cluster add column detached_at timestamptz;
comment on column cluster.detached_at is 'When its membership was ended; null unless it is Detached.';

alter table cluster
    drop constraint cluster_state_check,
    drop constraint cluster_check1,
    add constraint cluster_state_check check (state in ('Invited', 'Active', 'Detached')),
    add constraint cluster_enrolled_at_check check (case state
        when 'Invited' then enrolled_at is null when 'Active' then enrolled_at is not null else true end),
    add constraint cluster_detached_at_check check ((state = 'Detached') = (detached_at is not null));
comment on column cluster.state is 'Invited before its spoke enrolled for the first time, then Active; Detached once its membership was ended, until it is enrolled anew.';

alter table object_state
    drop constraint object_state_role_check,
    drop constraint object_state_outcome_check,
    add constraint object_state_role_check check (role in ('Created', 'Adopted', 'Expected', 'Addition', 'Instance')),
    add constraint object_state_outcome_check check (outcome in ('Pending', 'Created', 'Changed', 'Unchanged', 'Deleted',
        'Conflict', 'AdoptionRequired', 'Rejected', 'Unreachable', 'Left', 'Unfulfilled', 'Fulfilled', 'InUse'));
