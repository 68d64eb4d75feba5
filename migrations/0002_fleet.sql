-- A fleet: rollouts that are held, ended or remove a mesh, the version that each cluster runs, and documents that are
-- printed and forgotten.

alter table rollout
    add column kind text not null default 'Assign' check (kind in ('Assign', 'Unassign')),
    alter column config drop not null,
    alter column version drop not null,
    drop constraint rollout_state_check,
    drop constraint rollout_check,
    add constraint rollout_state_check check (state in ('Running', 'Paused', 'Succeeded', 'Failed', 'Aborted')),
    add constraint rollout_ended_check check ((state in ('Running', 'Paused')) = (ended_at is null)),
    add constraint rollout_kind_config_check check ((kind = 'Assign') = (config is not null)),
    add constraint rollout_kind_version_check check ((kind = 'Assign') = (version is not null));
comment on column rollout.kind is 'Assign gives clusters what a mesh config says; Unassign removes the mesh from clusters that no config selects.';
comment on column rollout.config is 'The config; null where the mesh is removed.';
comment on column rollout.version is 'Its version; null where the mesh is removed.';
comment on column rollout.state is 'How far it is. Paused is held by a person: nothing is started. Aborted was ended by one.';

drop index rollout_live;
create index rollout_live on rollout (number) where state in ('Running', 'Paused');

alter table rollout_target
    add column deletions bigint not null default 0 check (deletions >= 0),
    add column skipped_because text check (skipped_because in ('Operator', 'Failure')),
    -- A rollout is told for ever, also of clusters that were forgotten: their names are in the inputs.
    drop constraint rollout_target_cluster_id_fkey,
    drop constraint rollout_target_blocked_by_check,
    drop constraint rollout_target_state_check,
    drop constraint rollout_target_check3,
    drop constraint rollout_target_check4,
    drop constraint rollout_target_check5,
    drop constraint rollout_target_check8,
    add constraint rollout_target_blocked_by_check check (blocked_by in ('PlanChanged', 'PlanBlocked', 'Offline',
        'Held', 'SpokeAhead', 'Deletions', 'Selected')),
    add constraint rollout_target_state_check check (state in ('Pending', 'Blocked', 'Sent', 'Accepted', 'Applying',
        'Converging', 'Succeeded', 'Failed', 'TimedOut', 'Refused', 'Skipped', 'Left')),
    add constraint rollout_target_started_check check (state not in ('Sent', 'Accepted', 'Applying', 'Converging',
        'Failed', 'Refused', 'Left') or generation is not null),
    add constraint rollout_target_not_started_check check (state not in ('Pending', 'Blocked', 'Skipped')
        or generation is null),
    add constraint rollout_target_ended_check check ((state in ('Succeeded', 'Failed', 'TimedOut', 'Refused', 'Skipped',
        'Left')) = (ended_at is not null)),
    add constraint rollout_target_stage_given_check check ((state in ('TimedOut', 'Left')) = (stage is not null)),
    add constraint rollout_target_skipped_check check ((state = 'Skipped') = (skipped_because is not null));
comment on column rollout_target.cluster_id is 'The cluster; it may have been forgotten since.';
comment on column rollout_target.state is 'How far it is. Skipped was never started; Left was in flight when a person ended the rollout.';
comment on column rollout_target.deletions is 'How many objects it was to delete when the rollout started: as many were seen, and confirmed where that was asked for.';
comment on column rollout_target.skipped_because is 'Why it was never started: the rollout was aborted, or another target did not succeed.';
comment on column rollout_target.stage is 'How far it had come when its deadline passed or the rollout was aborted.';

alter table target_history
    alter column config drop not null,
    alter column version drop not null,
    drop constraint target_history_cluster_id_fkey,
    add constraint target_history_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade,
    add constraint target_history_config_check check ((config is null) = (version is null));
comment on column target_history.config is 'The config that the plan was made from; null for the plan of nothing.';
comment on column target_history.version is 'The version of the config; null for the plan of nothing.';

create table target_origin (
    cluster_id uuid primary key references target on delete cascade,
    config text,
    version bigint,
    rollout bigint not null references rollout,
    since timestamptz not null,
    foreign key (config, version) references config_version,
    check ((config is null) = (version is null))
);
create index target_origin_of_config on target_origin (config, version);
comment on table target_origin is 'Which config version the target of each cluster stands for. A later version may make the same plan: then this changes and the target does not.';
comment on column target_origin.cluster_id is 'The cluster.';
comment on column target_origin.config is 'The config; null once the mesh was removed.';
comment on column target_origin.version is 'Its version; null once the mesh was removed.';
comment on column target_origin.rollout is 'The rollout that set the target, or that found it to be what it wanted.';
comment on column target_origin.since is 'When.';
insert into target_origin (cluster_id, config, version, rollout, since)
    select t.cluster_id, h.config, h.version, h.rollout, h.set_at
    from target t join target_history h on h.cluster_id = t.cluster_id and h.generation = t.generation;

alter table mesh_config add column deleted_at timestamptz;
comment on column mesh_config.deleted_at is 'When it was deleted: from then on nobody sees it. Its versions stay, because rollouts refer to them, and its numbers go on if it comes back.';

alter table config_version add column source jsonb not null default '{}' check (jsonb_typeof(source) = 'object');
comment on column config_version.source is 'The file as its author named it, and the line of each path; {} where that is not known.';

alter table cluster
    add column document_by uuid references operator,
    add column document_at timestamptz,
    add constraint cluster_document_author_check check ((document_by is null) = (document_at is null));
comment on column cluster.document_by is 'Who changed the Cluster document last; null if there is none, or if that was before this was noted.';
comment on column cluster.document_at is 'When.';

-- What is known of a cluster goes with it when a person deletes it. cluster_hold stays as it is: a cluster that a
-- rollout holds cannot be deleted.
alter table enrolment_token
    drop constraint enrolment_token_cluster_id_fkey,
    add constraint enrolment_token_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
alter table spoke_session
    drop constraint spoke_session_cluster_id_fkey,
    add constraint spoke_session_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
alter table cluster_plan
    drop constraint cluster_plan_cluster_id_fkey,
    add constraint cluster_plan_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
alter table target
    drop constraint target_cluster_id_fkey,
    add constraint target_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
alter table acceptance
    drop constraint acceptance_cluster_id_fkey,
    add constraint acceptance_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
alter table refusal
    drop constraint refusal_cluster_id_fkey,
    add constraint refusal_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
alter table report
    drop constraint report_cluster_id_fkey,
    add constraint report_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
alter table object_state
    drop constraint object_state_cluster_id_fkey,
    add constraint object_state_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
alter table drift_report
    drop constraint drift_report_cluster_id_fkey,
    add constraint drift_report_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
alter table drift_item
    drop constraint drift_item_cluster_id_fkey,
    add constraint drift_item_cluster_id_fkey foreign key (cluster_id) references cluster on delete cascade;
