-- The resource manager's part of the world. Kubernetes tables are defined by the Kubernetes part.

-- Every ARM resource. `body` is what a GET answers but for what follows from the columns and from time.
CREATE TABLE IF NOT EXISTS arm_resources (
    id_lower     TEXT PRIMARY KEY NOT NULL,
    id           TEXT NOT NULL,
    type         TEXT NOT NULL,              -- lower case, e.g. microsoft.compute/disks
    subscription TEXT NOT NULL,              -- lower case
    grp          TEXT NOT NULL DEFAULT '',   -- lower-case group name; '' above groups
    parent       TEXT NOT NULL DEFAULT '',   -- id_lower of the parent or of the scope of an extension resource
    body         TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS arm_resources_by_type ON arm_resources (subscription, type, grp, id_lower);
CREATE INDEX IF NOT EXISTS arm_resources_by_group ON arm_resources (subscription, grp, type);
CREATE INDEX IF NOT EXISTS arm_resources_by_parent ON arm_resources (parent, type, id_lower);

-- How often a resource was made under an id: one that was deleted and made again is another one, with other identifiers.
CREATE TABLE IF NOT EXISTS arm_incarnations (
    id_lower     TEXT PRIMARY KEY NOT NULL,
    count        INTEGER NOT NULL
) WITHOUT ROWID;

-- Long-running operations. Whether one is done follows from `due_ms` and the clock; `settled` only says that its effect took place.
CREATE TABLE IF NOT EXISTS arm_operations (
    id           TEXT PRIMARY KEY NOT NULL,
    target       TEXT NOT NULL,              -- id_lower of the resource
    kind         TEXT NOT NULL,              -- put | patch | delete
    started_ms   INTEGER NOT NULL,
    due_ms       INTEGER NOT NULL,
    error        TEXT,                       -- error code it ends with; NULL = it succeeds
    settled      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS arm_operations_open ON arm_operations (target) WHERE settled = 0;
CREATE INDEX IF NOT EXISTS arm_operations_due ON arm_operations (due_ms) WHERE settled = 0;

-- Every request that reached the sandbox.
CREATE TABLE IF NOT EXISTS request_log (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms        INTEGER NOT NULL,
    method       TEXT NOT NULL,
    target       TEXT NOT NULL,              -- path and query
    status       INTEGER,                    -- NULL while it runs, or when the connection was reset
    effect       INTEGER NOT NULL DEFAULT 0  -- 1 = the world changed
);
