-- Jobs: what is queried by, beside the whole record as JSON.
CREATE TABLE jobs (
    id           INTEGER PRIMARY KEY,
    name         TEXT    NOT NULL,
    project      TEXT,
    user         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    submitted_ms INTEGER NOT NULL,
    -- When it came to its end; NULL while it has not.
    final_ms     INTEGER,
    record       TEXT    NOT NULL
) STRICT;

CREATE INDEX jobs_open ON jobs (id) WHERE final_ms IS NULL;
CREATE INDEX jobs_final ON jobs (final_ms) WHERE final_ms IS NOT NULL;

-- Everything that ever happened, in order: the state is what it adds up to.
CREATE TABLE journal (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    job     INTEGER,
    payload TEXT    NOT NULL
) STRICT;

CREATE INDEX journal_job ON journal (job, seq) WHERE job IS NOT NULL;

-- What was intended; kept until it was done or looked into.
CREATE TABLE effects (
    id      INTEGER PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    job     INTEGER NOT NULL REFERENCES jobs (id),
    kind    TEXT    NOT NULL,
    payload TEXT    NOT NULL
) STRICT;

-- Highest numbers ever given, so that none is given twice after its row is gone.
CREATE TABLE counters (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys by which clients make a submission repeatable.
CREATE TABLE submissions (
    key TEXT    PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES jobs (id)
) STRICT, WITHOUT ROWID;

-- Forecasts as issued, never overwritten: a decision can be looked at with what was known then.
CREATE TABLE forecasts (
    id         INTEGER PRIMARY KEY,
    zone       TEXT    NOT NULL,
    signal     TEXT    NOT NULL,
    basis      TEXT    NOT NULL,
    accounting TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    issued_ms  INTEGER NOT NULL,
    fetched_ms INTEGER NOT NULL,
    record     TEXT    NOT NULL,
    UNIQUE (zone, signal, basis, accounting, source, issued_ms, fetched_ms)
) STRICT;

CREATE INDEX forecasts_latest ON forecasts (zone, fetched_ms);
