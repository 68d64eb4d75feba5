-- Certificates are renewed by their spokes: a cluster's key changes without an enrolment. The serial number of a spoke's
-- certificate says which life it is of: 8 bytes enrolment, 8 bytes number.
--
-- Rows that were there get an enrolment that no certificate names, and number 0: their spokes count by their key alone,
-- until they renew.

alter table cluster
    add column enrolment bigint not null
        default greatest(('x' || encode(substr(sha256(convert_to(gen_random_uuid()::text, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint & 9223372036854775807, 1)
        check (enrolment > 0),
    add column certificate_number bigint not null default 0 check (certificate_number >= 0);
comment on column cluster.enrolment is 'Drawn at random with each enrolment; the first 8 bytes of the serial numbers of the certificates that come of it. A certificate of another enrolment is never taken up again.';
comment on column cluster.certificate_number is 'Which certificate of the enrolment is the last one, from 1; the last 8 bytes of its serial number. 0 if it was issued before certificates were numbered. One with a higher number shows that this database is older than the certificate.';
comment on column cluster.public_key_hash is 'sha-256 of the SubjectPublicKeyInfo that it was certified for last, at its enrolment or a renewal; only that key is admitted, and a later one of the same enrolment, which is then taken up.';
