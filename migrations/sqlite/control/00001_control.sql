-- The control database. Money is counted in nano-dollars; columns in dollars are derived.
-- Times are microseconds since 1970 UTC, truth values 0 and 1.

CREATE TABLE tenants (
    id                        TEXT NOT NULL PRIMARY KEY,
    slug                      TEXT NOT NULL UNIQUE, -- never reused
    schema_name               TEXT NOT NULL UNIQUE,
    status                    TEXT NOT NULL CHECK (status IN ('provisioning', 'active', 'suspended')),
    plan_tier                 TEXT NOT NULL,
    stripe_customer_id        TEXT NOT NULL DEFAULT '',
    admin_email               TEXT NOT NULL,
    max_monthly_spend_nanousd INTEGER,
    max_monthly_spend         TEXT GENERATED ALWAYS AS (CASE WHEN max_monthly_spend_nanousd >= 0 THEN printf('%d.%09d', max_monthly_spend_nanousd / 1000000000, max_monthly_spend_nanousd % 1000000000) WHEN max_monthly_spend_nanousd < 0 THEN printf('-%d.%09d', -(max_monthly_spend_nanousd / 1000000000), -(max_monthly_spend_nanousd % 1000000000)) END) VIRTUAL,
    idempotency_key           TEXT NOT NULL DEFAULT '', -- of the call that created the tenant
    first_key_id              TEXT NOT NULL DEFAULT '', -- the key that this call returned
    created_at                INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id         TEXT NOT NULL PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    test       INTEGER NOT NULL,
    hash       BLOB NOT NULL, -- HMAC-SHA-256 of the secret under the pepper
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER -- invalid from then on
) STRICT;
CREATE INDEX api_keys_tenant ON api_keys (tenant_id);

CREATE TABLE audit_log (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    tenant TEXT NOT NULL, -- slug, or empty
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_log_tenant ON audit_log (tenant, id);

CREATE TABLE installation_secrets (
    name       TEXT NOT NULL PRIMARY KEY,
    value      BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- One row, polled by every replica: it grows with each change of a tenant, key or policy.
CREATE TABLE epoch (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO epoch (id, value) VALUES (1, 1);

-- Every price that was ever in force; unit prices in femto-dollars, as JSON by usage class.
CREATE TABLE prices (
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    tier         TEXT NOT NULL,
    above_tokens INTEGER NOT NULL,
    valid_from   INTEGER NOT NULL,
    version      TEXT NOT NULL,
    rates        TEXT NOT NULL,
    source       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (provider, model, tier, above_tokens, valid_from, version)
) STRICT;

CREATE TABLE waitlist (
    id         INTEGER PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE,
    company    TEXT NOT NULL DEFAULT '',
    source     TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL
) STRICT;
