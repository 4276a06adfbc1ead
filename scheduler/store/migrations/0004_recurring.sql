-- Jobs that recur, each as it is now.
CREATE TABLE recurring (
    id     INTEGER PRIMARY KEY,
    record TEXT NOT NULL
) STRICT;
