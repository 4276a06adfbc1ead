-- Forecasts get compact, get a role (what decides, and what is looked at beside it), and stand once: the journal refers to
-- them. Rows of the first form are taken over as they are; both forms are read.
CREATE TABLE archive (
    id         INTEGER PRIMARY KEY,
    zone       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    signal     TEXT    NOT NULL,
    basis      TEXT    NOT NULL,
    accounting TEXT    NOT NULL,
    source     TEXT    NOT NULL,
    issued_ms  INTEGER NOT NULL,
    fetched_ms INTEGER NOT NULL,
    -- JSON text of the first form, or the compact bytes.
    record     ANY     NOT NULL,
    UNIQUE (zone, role, signal, basis, accounting, source, issued_ms, fetched_ms)
) STRICT;

INSERT INTO archive (id, zone, role, signal, basis, accounting, source, issued_ms, fetched_ms, record)
    SELECT id, zone, 'main', signal, basis, accounting, source, issued_ms, fetched_ms, record FROM forecasts;

DROP TABLE forecasts;

CREATE INDEX archive_by_time ON archive (zone, fetched_ms);

ALTER TABLE journal ADD COLUMN forecast INTEGER;
CREATE INDEX journal_forecast ON journal (forecast) WHERE forecast IS NOT NULL;
