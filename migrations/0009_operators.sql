-- Operators come and go: a name can be given again once its holder was revoked. The new one has an id and a key of his
-- own, and the audit goes on naming the former one.

alter table operator drop constraint operator_name_key;
create unique index operator_name on operator (name) where revoked_at is null;
