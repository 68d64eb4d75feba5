-- Targets that only their spokes know: a cluster that was ahead of a restored database keeps what it runs.

alter table target
    alter column bytes drop not null,
    alter column plan drop not null,
    drop constraint target_check,
    add constraint target_digest_check check (length(digest) = 32),
    add constraint target_content_check check ((bytes is null) = (plan is null)),
    add constraint target_bytes_digest_check check (bytes is null or digest = sha256(bytes));
comment on column target.bytes is 'The target document as it is sent; null if only its spoke knows it: a person let that stand until the next rollout.';
comment on column target.digest is 'Its sha-256.';
comment on column target.plan is 'The plan; null if only its spoke knows it.';
comment on column target.generation is 'Only rises, for ever: by one with every change, or above a spoke that was ahead.';
comment on column hub_state.epoch is 'Stands in every target; rises when the database server is another one than before and when a person says so, so that spokes can refuse a hub of a former life.';
comment on table target_history is 'Every target that a cluster was ever given by this database: from it follow the deletions of the next one.';
