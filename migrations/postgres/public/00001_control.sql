-- The control schema. Money is counted in nano-dollars; columns in dollars are derived.

CREATE TABLE {schema}.tenants (
    id                        TEXT PRIMARY KEY,
    slug                      TEXT NOT NULL UNIQUE, -- never reused
    schema_name               TEXT NOT NULL UNIQUE,
    status                    TEXT NOT NULL CHECK (status IN ('provisioning', 'active', 'suspended')),
    plan_tier                 TEXT NOT NULL,
    stripe_customer_id        TEXT NOT NULL DEFAULT '',
    admin_email               TEXT NOT NULL,
    max_monthly_spend_nanousd BIGINT,
    max_monthly_spend         NUMERIC(20,9) GENERATED ALWAYS AS (max_monthly_spend_nanousd * 0.000000001) STORED,
    idempotency_key           TEXT NOT NULL DEFAULT '', -- of the call that created the tenant
    first_key_id              TEXT NOT NULL DEFAULT '', -- the key that this call returned
    created_at                TIMESTAMPTZ NOT NULL
);

CREATE TABLE {schema}.api_keys (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES {schema}.tenants (id),
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    test       BOOLEAN NOT NULL,
    hash       BYTEA NOT NULL, -- HMAC-SHA-256 of the secret under the pepper
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ -- invalid from then on
);
CREATE INDEX api_keys_tenant ON {schema}.api_keys (tenant_id);

CREATE TABLE {schema}.audit_log (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     TIMESTAMPTZ NOT NULL,
    tenant TEXT NOT NULL, -- slug, or empty
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_log_tenant ON {schema}.audit_log (tenant, id);

CREATE TABLE {schema}.installation_secrets (
    name       TEXT PRIMARY KEY,
    value      BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- One row, polled by every replica: it grows with each change of a tenant, key or policy.
CREATE TABLE {schema}.epoch (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    value BIGINT NOT NULL
);
INSERT INTO {schema}.epoch (id, value) VALUES (1, 1);

-- Every price that was ever in force; unit prices in femto-dollars, as JSON by usage class.
CREATE TABLE {schema}.prices (
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    tier         TEXT NOT NULL,
    above_tokens BIGINT NOT NULL,
    valid_from   TIMESTAMPTZ NOT NULL,
    version      TEXT NOT NULL,
    rates        JSON NOT NULL,
    source       TEXT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, model, tier, above_tokens, valid_from, version)
);

CREATE TABLE {schema}.waitlist (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE,
    company    TEXT NOT NULL DEFAULT '',
    source     TEXT NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL
);
