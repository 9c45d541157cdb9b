-- How a model's token counts relate to the estimate, learned from reported usage:
-- llm.CalibrationRow.
CREATE TABLE {schema}.calibrations (
    model      TEXT NOT NULL,
    kind       TEXT NOT NULL, -- of prompt
    bias       DOUBLE PRECISION NOT NULL, -- both in log space
    spread     DOUBLE PRECISION NOT NULL,
    samples    BIGINT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (model, kind)
);
