-- One tenant's tables. Money is counted in nano-dollars; columns in dollars are derived.
-- Times are microseconds since 1970 UTC, truth values 0 and 1.

-- Ids are UUIDv7, so they sort by time and need no index on created_at.
-- seq numbers the rows without gaps; hash is HMAC-SHA-256 over the hash before it and record.
-- seq is the rowid: a row with its record is too wide for WITHOUT ROWID, and the chain is read in this order.
CREATE TABLE orchestration_requests (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    task_description TEXT NOT NULL,
    requested_model TEXT NOT NULL,
    selected_provider TEXT NOT NULL,
    selected_model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_nanousd INTEGER,
    cost_usd TEXT GENERATED ALWAYS AS (CASE WHEN cost_nanousd >= 0 THEN printf('%d.%09d', cost_nanousd / 1000000000, cost_nanousd % 1000000000) WHEN cost_nanousd < 0 THEN printf('-%d.%09d', -(cost_nanousd / 1000000000), -(cost_nanousd % 1000000000)) END) VIRTUAL,
    cost_status TEXT NOT NULL,
    baseline_nanousd INTEGER,
    baseline_usd TEXT GENERATED ALWAYS AS (CASE WHEN baseline_nanousd >= 0 THEN printf('%d.%09d', baseline_nanousd / 1000000000, baseline_nanousd % 1000000000) WHEN baseline_nanousd < 0 THEN printf('-%d.%09d', -(baseline_nanousd / 1000000000), -(baseline_nanousd % 1000000000)) END) VIRTUAL,
    latency_ms INTEGER NOT NULL,
    status INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    test INTEGER NOT NULL,
    tags TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    hash BLOB NOT NULL,
    record BLOB NOT NULL
) STRICT;

CREATE TABLE request_attempts (
    request_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    status INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_nanousd INTEGER,
    cost_usd TEXT GENERATED ALWAYS AS (CASE WHEN cost_nanousd >= 0 THEN printf('%d.%09d', cost_nanousd / 1000000000, cost_nanousd % 1000000000) WHEN cost_nanousd < 0 THEN printf('-%d.%09d', -(cost_nanousd / 1000000000), -(cost_nanousd % 1000000000)) END) VIRTUAL,
    cost_status TEXT NOT NULL,
    latency_ms INTEGER NOT NULL,
    simulated INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (request_id, n)
) STRICT, WITHOUT ROWID;

-- The last link of the chain; its row is the lock of every writer.
CREATE TABLE chain_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

INSERT INTO chain_head (id, seq, hash) VALUES (1, 0, x'');

-- Sums by quarter of an hour, UTC: tokens and money of attempts, the rest of requests.
CREATE TABLE usage_15m (
    period_start INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    key_id TEXT NOT NULL,
    tags TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    test INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_nanousd INTEGER NOT NULL,
    cost_usd TEXT GENERATED ALWAYS AS (CASE WHEN cost_nanousd >= 0 THEN printf('%d.%09d', cost_nanousd / 1000000000, cost_nanousd % 1000000000) WHEN cost_nanousd < 0 THEN printf('-%d.%09d', -(cost_nanousd / 1000000000), -(cost_nanousd % 1000000000)) END) VIRTUAL,
    baselined_nanousd INTEGER NOT NULL,
    baselined_usd TEXT GENERATED ALWAYS AS (CASE WHEN baselined_nanousd >= 0 THEN printf('%d.%09d', baselined_nanousd / 1000000000, baselined_nanousd % 1000000000) WHEN baselined_nanousd < 0 THEN printf('-%d.%09d', -(baselined_nanousd / 1000000000), -(baselined_nanousd % 1000000000)) END) VIRTUAL,
    baseline_nanousd INTEGER NOT NULL,
    baseline_usd TEXT GENERATED ALWAYS AS (CASE WHEN baseline_nanousd >= 0 THEN printf('%d.%09d', baseline_nanousd / 1000000000, baseline_nanousd % 1000000000) WHEN baseline_nanousd < 0 THEN printf('-%d.%09d', -(baseline_nanousd / 1000000000), -(baseline_nanousd % 1000000000)) END) VIRTUAL,
    potential_nanousd INTEGER NOT NULL,
    potential_usd TEXT GENERATED ALWAYS AS (CASE WHEN potential_nanousd >= 0 THEN printf('%d.%09d', potential_nanousd / 1000000000, potential_nanousd % 1000000000) WHEN potential_nanousd < 0 THEN printf('-%d.%09d', -(potential_nanousd / 1000000000), -(potential_nanousd % 1000000000)) END) VIRTUAL,
    latency_ms INTEGER NOT NULL,
    PRIMARY KEY (period_start, provider, model, key_id, tags, simulated, test)
) STRICT, WITHOUT ROWID;

-- Quarters folded into UTC days.
CREATE TABLE usage_daily (
    period_start INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    key_id TEXT NOT NULL,
    tags TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    test INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_nanousd INTEGER NOT NULL,
    cost_usd TEXT GENERATED ALWAYS AS (CASE WHEN cost_nanousd >= 0 THEN printf('%d.%09d', cost_nanousd / 1000000000, cost_nanousd % 1000000000) WHEN cost_nanousd < 0 THEN printf('-%d.%09d', -(cost_nanousd / 1000000000), -(cost_nanousd % 1000000000)) END) VIRTUAL,
    baselined_nanousd INTEGER NOT NULL,
    baselined_usd TEXT GENERATED ALWAYS AS (CASE WHEN baselined_nanousd >= 0 THEN printf('%d.%09d', baselined_nanousd / 1000000000, baselined_nanousd % 1000000000) WHEN baselined_nanousd < 0 THEN printf('-%d.%09d', -(baselined_nanousd / 1000000000), -(baselined_nanousd % 1000000000)) END) VIRTUAL,
    baseline_nanousd INTEGER NOT NULL,
    baseline_usd TEXT GENERATED ALWAYS AS (CASE WHEN baseline_nanousd >= 0 THEN printf('%d.%09d', baseline_nanousd / 1000000000, baseline_nanousd % 1000000000) WHEN baseline_nanousd < 0 THEN printf('-%d.%09d', -(baseline_nanousd / 1000000000), -(baseline_nanousd % 1000000000)) END) VIRTUAL,
    potential_nanousd INTEGER NOT NULL,
    potential_usd TEXT GENERATED ALWAYS AS (CASE WHEN potential_nanousd >= 0 THEN printf('%d.%09d', potential_nanousd / 1000000000, potential_nanousd % 1000000000) WHEN potential_nanousd < 0 THEN printf('-%d.%09d', -(potential_nanousd / 1000000000), -(potential_nanousd % 1000000000)) END) VIRTUAL,
    latency_ms INTEGER NOT NULL,
    PRIMARY KEY (period_start, provider, model, key_id, tags, simulated, test)
) STRICT, WITHOUT ROWID;

-- Rows of money never change: a correction is a row of its own.
CREATE TABLE corrections (
    id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    delta_nanousd INTEGER NOT NULL,
    delta_usd TEXT GENERATED ALWAYS AS (CASE WHEN delta_nanousd >= 0 THEN printf('%d.%09d', delta_nanousd / 1000000000, delta_nanousd % 1000000000) WHEN delta_nanousd < 0 THEN printf('-%d.%09d', -(delta_nanousd / 1000000000), -(delta_nanousd % 1000000000)) END) VIRTUAL,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX corrections_request ON corrections (request_id);

CREATE TABLE budget_scopes (
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    spent_nanousd INTEGER NOT NULL,
    spent_usd TEXT GENERATED ALWAYS AS (CASE WHEN spent_nanousd >= 0 THEN printf('%d.%09d', spent_nanousd / 1000000000, spent_nanousd % 1000000000) WHEN spent_nanousd < 0 THEN printf('-%d.%09d', -(spent_nanousd / 1000000000), -(spent_nanousd % 1000000000)) END) VIRTUAL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (scope, period)
) STRICT, WITHOUT ROWID;

-- What a replica may spend without asking, until its lease ends.
CREATE TABLE budget_slices (
    replica TEXT NOT NULL,
    scope TEXT NOT NULL,
    period TEXT NOT NULL,
    granted_nanousd INTEGER NOT NULL,
    granted_usd TEXT GENERATED ALWAYS AS (CASE WHEN granted_nanousd >= 0 THEN printf('%d.%09d', granted_nanousd / 1000000000, granted_nanousd % 1000000000) WHEN granted_nanousd < 0 THEN printf('-%d.%09d', -(granted_nanousd / 1000000000), -(granted_nanousd % 1000000000)) END) VIRTUAL,
    lease_until INTEGER NOT NULL,
    PRIMARY KEY (replica, scope, period)
) STRICT, WITHOUT ROWID;

CREATE TABLE cost_savings (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    period_start INTEGER NOT NULL,
    period_end INTEGER NOT NULL,
    baseline_cost_nanousd INTEGER,
    baseline_cost_usd TEXT GENERATED ALWAYS AS (CASE WHEN baseline_cost_nanousd >= 0 THEN printf('%d.%09d', baseline_cost_nanousd / 1000000000, baseline_cost_nanousd % 1000000000) WHEN baseline_cost_nanousd < 0 THEN printf('-%d.%09d', -(baseline_cost_nanousd / 1000000000), -(baseline_cost_nanousd % 1000000000)) END) VIRTUAL,
    actual_cost_nanousd INTEGER,
    actual_cost_usd TEXT GENERATED ALWAYS AS (CASE WHEN actual_cost_nanousd >= 0 THEN printf('%d.%09d', actual_cost_nanousd / 1000000000, actual_cost_nanousd % 1000000000) WHEN actual_cost_nanousd < 0 THEN printf('-%d.%09d', -(actual_cost_nanousd / 1000000000), -(actual_cost_nanousd % 1000000000)) END) VIRTUAL,
    savings_nanousd INTEGER,
    savings_usd TEXT GENERATED ALWAYS AS (CASE WHEN savings_nanousd >= 0 THEN printf('%d.%09d', savings_nanousd / 1000000000, savings_nanousd % 1000000000) WHEN savings_nanousd < 0 THEN printf('-%d.%09d', -(savings_nanousd / 1000000000), -(savings_nanousd % 1000000000)) END) VIRTUAL,
    savings_percent TEXT,
    requests_optimized INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE feedback (
    id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    score REAL NOT NULL CHECK (score BETWEEN 0 AND 1),
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX feedback_request ON feedback (request_id);

-- What the tenant has decided, without the plan's defaults: one row.
CREATE TABLE policies (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    document TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
