-- Runs that other tools recorded, each once.
CREATE TABLE imports (
    origin TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
