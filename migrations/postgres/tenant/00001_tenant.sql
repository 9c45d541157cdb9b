-- One tenant's tables. Money is counted in nano-dollars; columns in dollars are derived.

-- Ids are UUIDv7, so they sort by time and need no index on created_at.
-- seq numbers the rows without gaps; hash is HMAC-SHA-256 over the hash before it and record.
CREATE TABLE {schema}.orchestration_requests (
    id TEXT COLLATE "C" PRIMARY KEY,
    seq BIGINT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    task_description TEXT NOT NULL,
    requested_model TEXT NOT NULL,
    selected_provider TEXT NOT NULL,
    selected_model TEXT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cost_nanousd BIGINT,
    cost_usd NUMERIC(20,9) GENERATED ALWAYS AS (cost_nanousd * 0.000000001) STORED,
    cost_status TEXT NOT NULL,
    baseline_nanousd BIGINT,
    baseline_usd NUMERIC(20,9) GENERATED ALWAYS AS (baseline_nanousd * 0.000000001) STORED,
    latency_ms BIGINT NOT NULL,
    status BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    test BOOLEAN NOT NULL,
    tags TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    hash BYTEA NOT NULL,
    record BYTEA NOT NULL
);

CREATE TABLE {schema}.request_attempts (
    request_id TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    status BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cost_nanousd BIGINT,
    cost_usd NUMERIC(20,9) GENERATED ALWAYS AS (cost_nanousd * 0.000000001) STORED,
    cost_status TEXT NOT NULL,
    latency_ms BIGINT NOT NULL,
    simulated BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (request_id, n)
);

-- The last link of the chain; its row is the lock of every writer.
CREATE TABLE {schema}.chain_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

INSERT INTO {schema}.chain_head (id, seq, hash) VALUES (1, 0, '');

-- Sums by quarter of an hour, UTC: tokens and money of attempts, the rest of requests.
CREATE TABLE {schema}.usage_15m (
    period_start TIMESTAMPTZ NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    test BOOLEAN NOT NULL,
    requests BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    unknown BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cost_nanousd BIGINT NOT NULL,
    cost_usd NUMERIC(20,9) GENERATED ALWAYS AS (cost_nanousd * 0.000000001) STORED,
    baselined_nanousd BIGINT NOT NULL,
    baselined_usd NUMERIC(20,9) GENERATED ALWAYS AS (baselined_nanousd * 0.000000001) STORED,
    baseline_nanousd BIGINT NOT NULL,
    baseline_usd NUMERIC(20,9) GENERATED ALWAYS AS (baseline_nanousd * 0.000000001) STORED,
    potential_nanousd BIGINT NOT NULL,
    potential_usd NUMERIC(20,9) GENERATED ALWAYS AS (potential_nanousd * 0.000000001) STORED,
    latency_ms BIGINT NOT NULL,
    PRIMARY KEY (period_start, provider, model, key_id, tags, simulated, test)
);

-- Quarters folded into UTC days.
CREATE TABLE {schema}.usage_daily (
    period_start TIMESTAMPTZ NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL,
    simulated BOOLEAN NOT NULL,
    test BOOLEAN NOT NULL,
    requests BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    unknown BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cost_nanousd BIGINT NOT NULL,
    cost_usd NUMERIC(20,9) GENERATED ALWAYS AS (cost_nanousd * 0.000000001) STORED,
    baselined_nanousd BIGINT NOT NULL,
    baselined_usd NUMERIC(20,9) GENERATED ALWAYS AS (baselined_nanousd * 0.000000001) STORED,
    baseline_nanousd BIGINT NOT NULL,
    baseline_usd NUMERIC(20,9) GENERATED ALWAYS AS (baseline_nanousd * 0.000000001) STORED,
    potential_nanousd BIGINT NOT NULL,
    potential_usd NUMERIC(20,9) GENERATED ALWAYS AS (potential_nanousd * 0.000000001) STORED,
    latency_ms BIGINT NOT NULL,
    PRIMARY KEY (period_start, provider, model, key_id, tags, simulated, test)
);

-- Rows of money never change: a correction is a row of its own.
CREATE TABLE {schema}.corrections (
    id TEXT COLLATE "C" PRIMARY KEY,
    request_id TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    delta_nanousd BIGINT NOT NULL,
    delta_usd NUMERIC(20,9) GENERATED ALWAYS AS (delta_nanousd * 0.000000001) STORED,
    reason TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX corrections_request ON {schema}.corrections (request_id);

CREATE TABLE {schema}.budget_scopes (
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    spent_nanousd BIGINT NOT NULL,
    spent_usd NUMERIC(20,9) GENERATED ALWAYS AS (spent_nanousd * 0.000000001) STORED,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, period)
);

-- What a replica may spend without asking, until its lease ends.
CREATE TABLE {schema}.budget_slices (
    replica TEXT NOT NULL,
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    granted_nanousd BIGINT NOT NULL,
    granted_usd NUMERIC(20,9) GENERATED ALWAYS AS (granted_nanousd * 0.000000001) STORED,
    lease_until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (replica, scope, period)
);

CREATE TABLE {schema}.cost_savings (
    id TEXT COLLATE "C" PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    period_start TIMESTAMPTZ NOT NULL,
    period_end TIMESTAMPTZ NOT NULL,
    baseline_cost_nanousd BIGINT,
    baseline_cost_usd NUMERIC(20,9) GENERATED ALWAYS AS (baseline_cost_nanousd * 0.000000001) STORED,
    actual_cost_nanousd BIGINT,
    actual_cost_usd NUMERIC(20,9) GENERATED ALWAYS AS (actual_cost_nanousd * 0.000000001) STORED,
    savings_nanousd BIGINT,
    savings_usd NUMERIC(20,9) GENERATED ALWAYS AS (savings_nanousd * 0.000000001) STORED,
    savings_percent NUMERIC(12,4) NULL,
    requests_optimized BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE {schema}.feedback (
    id TEXT COLLATE "C" PRIMARY KEY,
    request_id TEXT COLLATE "C" NOT NULL,
    key_id TEXT NOT NULL,
    score DOUBLE PRECISION NOT NULL CHECK (score BETWEEN 0 AND 1),
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX feedback_request ON {schema}.feedback (request_id);

-- What the tenant has decided, without the plan's defaults: one row.
CREATE TABLE {schema}.policies (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    document JSON NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
