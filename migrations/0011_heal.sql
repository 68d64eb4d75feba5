-- Heal: which classes of drift a spoke puts right by itself, what it put right, what people ask it to, and clusters that
-- somebody froze.

create table drift_policy (
    name text primary key check (length(name) between 1 and 63),
    document bytea not null,
    changed_by uuid not null references operator,
    changed_at timestamptz not null
);
comment on table drift_policy is 'Drift policies in their latest text; a rollout keeps what they say of each of its clusters.';
comment on column drift_policy.name is 'The name.';
comment on column drift_policy.document is 'What it says: canonical JSON of the document with its defaults written out. The same bytes again are unchanged.';
comment on column drift_policy.changed_by is 'Who changed it last.';
comment on column drift_policy.changed_at is 'When.';

alter table target add column heal text[] not null default '{}'
    check (heal <@ array['Deleted', 'Overwritten', 'Removed']);
comment on column target.heal is 'Classes of drift that the target lets its spoke put right by itself, sorted. Empty where only the spoke knows what the target says.';

alter table rollout_target add column heal text[] not null default '{}'
    check (heal <@ array['Deleted', 'Overwritten', 'Removed']);
comment on column rollout_target.heal is 'Classes of drift that the spoke is to put right by itself, by the policies at the start of the rollout; sorted.';

alter table report add column frozen text check (frozen <> '');
comment on column report.frozen is 'Why somebody in the cluster stopped all writes of the plan; null if nobody did.';

alter table drift_item
    add column state text not null default 'Seen' check (state in ('Seen', 'Healing', 'Fighting')),
    add column heals bigint not null default 0 check (heals >= 0);
comment on column drift_item.state is 'What becomes of it while it lasts. Healing is put right by the spoke; Fighting came back after each heal, and no more are tried.';
comment on column drift_item.heals is 'How often the spoke healed it by policy within the window in which it counts.';

alter table drift_report
    add column healing_items bigint not null default 0 check (healing_items >= 0),
    add column fighting_items bigint not null default 0 check (fighting_items >= 0),
    add constraint drift_report_states_check check (healing_items + fighting_items <= open_items);
comment on column drift_report.healing_items is 'Number of open items that the spoke is about to put right, kept by the writer.';
comment on column drift_report.fighting_items is 'Number of open items that came back after each heal, kept by the writer.';

create table drift_heal (
    id bigint generated always as identity primary key,
    cluster_id uuid not null references cluster on delete cascade,
    number bigint not null check (number > 0),
    api_group text not null,
    version text not null,
    kind text not null,
    namespace text not null,
    name text not null,
    uid text not null,
    path text not null,
    class text not null check (class in ('Deleted', 'Overwritten', 'Removed')),
    baseline text,
    found text,
    manager text not null,
    operation text not null,
    asked_by uuid,
    at timestamptz not null,
    result text not null check (result in ('Begun', 'Healed', 'Moved', 'Failed', 'WouldHeal', 'Held')),
    message text not null,
    stored_at timestamptz not null,
    -- A journal that was lost begins to count anew: its entries have another time.
    unique (cluster_id, number, at)
);
create index drift_heal_lately on drift_heal (cluster_id, at);
comment on table drift_heal is 'Heals, as the journals of spokes have them. A row comes with the heal that is about to be done and changes once, to what came of it.';
comment on column drift_heal.id is 'Order of storing.';
comment on column drift_heal.cluster_id is 'The cluster.';
comment on column drift_heal.number is 'Its number in the journal of the cluster.';
comment on column drift_heal.api_group is 'API group of the object; empty for the core group.';
comment on column drift_heal.version is 'API version.';
comment on column drift_heal.kind is 'Kind.';
comment on column drift_heal.namespace is 'Namespace; empty for cluster-scoped objects.';
comment on column drift_heal.name is 'Name.';
comment on column drift_heal.uid is 'uid of the object; empty if it was gone.';
comment on column drift_heal.path is 'Path of the field; empty for the whole object.';
comment on column drift_heal.class is 'What kind of difference was put right.';
comment on column drift_heal.baseline is 'JSON of the value that it was given back. Never a Secret''s value.';
comment on column drift_heal.found is 'JSON of the value that was there. Never a Secret''s value.';
comment on column drift_heal.manager is 'Who had written what was found; empty where managedFields did not tell.';
comment on column drift_heal.operation is 'How: Apply or Update; empty where that is not known.';
comment on column drift_heal.asked_by is 'The heal_request that asked for it; null if the target''s policy did. A spoke may name one that was never made.';
comment on column drift_heal.at is 'When the spoke wrote it down, by its own clock.';
comment on column drift_heal.result is 'What came of it. Begun means that this is not known yet.';
comment on column drift_heal.message is 'Why it was not done; else empty.';
comment on column drift_heal.stored_at is 'When the hub stored what it says now.';

create table heal_request (
    id uuid primary key,
    cluster_id uuid not null references cluster on delete cascade,
    item bigint not null references drift_item on delete cascade,
    question jsonb not null check (jsonb_typeof(question) = 'object'),
    dry_run boolean not null,
    reason text not null,
    asked_by uuid not null references operator,
    asked_at timestamptz not null,
    withdrawn_at timestamptz,
    result text check (result in ('Begun', 'Healed', 'Moved', 'Failed', 'WouldHeal', 'Held')),
    answer jsonb check (jsonb_typeof(answer) = 'object'),
    answered_at timestamptz,
    check ((answer is null) = (answered_at is null) and (answer is null) = (result is null))
);
create index heal_request_open on heal_request (cluster_id, asked_at) where answered_at is null and withdrawn_at is null;
comment on table heal_request is 'Wishes of people that one difference be put right. One is sent only while it is young: what was not asked at once is never done later.';
comment on column heal_request.id is 'Names the wish to the spoke, and in the spoke''s journal.';
comment on column heal_request.cluster_id is 'The cluster.';
comment on column heal_request.item is 'The difference.';
comment on column heal_request.question is 'The difference as the person saw it, as it is sent: another one is not touched.';
comment on column heal_request.dry_run is 'Whether only what would be done is asked.';
comment on column heal_request.reason is 'Why, in the person''s words; may be empty.';
comment on column heal_request.asked_by is 'Who.';
comment on column heal_request.asked_at is 'When.';
comment on column heal_request.withdrawn_at is 'When whoever asked stopped waiting; from then on it is not sent. Null if nobody stopped.';
comment on column heal_request.result is 'What came of it; null while the spoke has not answered.';
comment on column heal_request.answer is 'What the spoke said: result, message, and the values before and after. Never a Secret''s.';
comment on column heal_request.answered_at is 'When.';
