-- How a model's token counts relate to the estimate, learned from reported usage:
-- llm.CalibrationRow.
CREATE TABLE calibrations (
    model      TEXT NOT NULL,
    kind       TEXT NOT NULL, -- of prompt
    bias       REAL NOT NULL, -- both in log space
    spread     REAL NOT NULL,
    samples    INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (model, kind)
) STRICT;
