-- What the definitions of custom resources in the fleet's clusters say, so that a plan is judged by them before it is sent.

create table definition_schema (
    digest bytea primary key check (length(digest) = 32),
    body bytea not null check (length(body) between 1 and 1048576),
    stored_at timestamptz not null
);
comment on table definition_schema is 'Schemas of custom resources that facts of clusters name by digest. One that many clusters have was asked of one of them.';
comment on column definition_schema.digest is 'sha-256 of the body.';
comment on column definition_schema.body is 'Canonical JSON of openAPIV3Schema, without what is for people only.';
comment on column definition_schema.stored_at is 'When a spoke told it.';
