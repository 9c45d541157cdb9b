-- What a tenant's traffic teaches the router, and the holdout by which savings are measured.

-- One row for a request, whoever gave the feedback, and what it rests on. The model is the one that answered.
ALTER TABLE feedback ADD COLUMN kind TEXT NOT NULL DEFAULT 'explicit'; -- explicit, retry, schema, refusal
ALTER TABLE feedback ADD COLUMN model TEXT NOT NULL DEFAULT '';
ALTER TABLE feedback ADD COLUMN simulated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE feedback ADD COLUMN test INTEGER NOT NULL DEFAULT 0;

DROP INDEX feedback_request;

CREATE UNIQUE INDEX feedback_once ON feedback (request_id, key_id, kind);

CREATE INDEX feedback_created ON feedback (created_at);

-- Sums by UTC day and model. Tokens are those of calls: chats that were answered in full, with a usage that the provider reported.
CREATE TABLE usage_models (
    period_start INTEGER NOT NULL,
    model TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    test INTEGER NOT NULL,
    named INTEGER NOT NULL, -- requests that named the model
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, -- of the input
    output_tokens INTEGER NOT NULL,
    PRIMARY KEY (period_start, model, simulated, test)
) STRICT, WITHOUT ROWID;

-- Sums by quarter of an hour, UTC, of the requests for which a cheaper model stood ready.
CREATE TABLE trials_15m (
    period_start INTEGER NOT NULL,
    held INTEGER NOT NULL, -- held out: decided for the model that was named
    simulated INTEGER NOT NULL,
    test INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    cost_nanousd INTEGER NOT NULL,
    cost_usd TEXT GENERATED ALWAYS AS (CASE WHEN cost_nanousd >= 0 THEN printf('%d.%09d', cost_nanousd / 1000000000, cost_nanousd % 1000000000) WHEN cost_nanousd < 0 THEN printf('-%d.%09d', -(cost_nanousd / 1000000000), -(cost_nanousd % 1000000000)) END) VIRTUAL,
    cost_squares REAL NOT NULL, -- sum of squares, in nano-dollars squared
    PRIMARY KEY (period_start, held, simulated, test)
) STRICT, WITHOUT ROWID;
