-- What was decided of each job and when, kept as long as the forecasts behind it: a decision that is made again from the
-- journal can be compared with what was in force. `record` is the plan, or null where the job had none from then on.
CREATE TABLE decisions (
    id     INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL,
    at_ms  INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_of_jobs ON decisions (job, at_ms);
