-- What a tenant's traffic teaches the router, and the holdout by which savings are measured.

-- One row for a request, whoever gave the feedback, and what it rests on. The model is the one that answered.
ALTER TABLE {schema}.feedback
    ADD COLUMN kind TEXT NOT NULL DEFAULT 'explicit', -- explicit, retry, schema, refusal
    ADD COLUMN model TEXT NOT NULL DEFAULT '',
    ADD COLUMN simulated BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN test BOOLEAN NOT NULL DEFAULT false;

DROP INDEX {schema}.feedback_request;

CREATE UNIQUE INDEX feedback_once ON {schema}.feedback (request_id, key_id, kind);

CREATE INDEX feedback_created ON {schema}.feedback (created_at);

-- Sums by UTC day and model. Tokens are those of calls: chats that were answered in full, with a usage that the provider reported.
CREATE TABLE {schema}.usage_models (
    period_start TIMESTAMPTZ NOT NULL,
    model TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    test BOOLEAN NOT NULL,
    named BIGINT NOT NULL, -- requests that named the model
    calls BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL, -- of the input
    output_tokens BIGINT NOT NULL,
    PRIMARY KEY (period_start, model, simulated, test)
);

-- Sums by quarter of an hour, UTC, of the requests for which a cheaper model stood ready.
CREATE TABLE {schema}.trials_15m (
    period_start TIMESTAMPTZ NOT NULL,
    held BOOLEAN NOT NULL, -- held out: decided for the model that was named
    simulated BOOLEAN NOT NULL,
    test BOOLEAN NOT NULL,
    requests BIGINT NOT NULL,
    cost_nanousd BIGINT NOT NULL,
    cost_usd NUMERIC(20,9) GENERATED ALWAYS AS (cost_nanousd * 0.000000001) STORED,
    cost_squares DOUBLE PRECISION NOT NULL, -- sum of squares, in nano-dollars squared
    PRIMARY KEY (period_start, held, simulated, test)
);
