import type { Migration } from "../migrate.js";

/**
 * The schema of docs/spec.md section 7. Times are microseconds since the epoch unless the name says otherwise.
 * Columns in keys are NOT NULL; an absent channel, pane or boot id is ''.
 */
export const initial: Migration = {
  version: 1,
  name: "initial",
  up: `
    CREATE TABLE targets (
      target_id   TEXT PRIMARY KEY,
      kind        TEXT NOT NULL CHECK (kind IN ('local', 'ssh')),
      ssh_target  TEXT NOT NULL DEFAULT '',
      tmux_socket TEXT NOT NULL DEFAULT '',
      created_at  INTEGER NOT NULL,
      removed_at  INTEGER
    ) STRICT;

    CREATE TABLE panes (
      target_id  TEXT NOT NULL REFERENCES targets (target_id),
      pane_id    TEXT NOT NULL,
      boot_id    TEXT NOT NULL DEFAULT '',
      pane_pid   INTEGER NOT NULL,
      epoch      INTEGER NOT NULL CHECK (epoch >= 0),
      updated_at INTEGER NOT NULL,
      PRIMARY KEY (target_id, pane_id)
    ) STRICT;

    CREATE TABLE runtimes (
      runtime_id       TEXT PRIMARY KEY,
      target_id        TEXT NOT NULL REFERENCES targets (target_id),
      boot_id          TEXT NOT NULL,
      pane_id          TEXT NOT NULL,
      pane_epoch       INTEGER NOT NULL CHECK (pane_epoch > 0),
      agent_type       TEXT NOT NULL,
      host_boot_id     TEXT NOT NULL DEFAULT '',
      agent_pid        INTEGER NOT NULL,
      agent_start_raw  TEXT NOT NULL,
      started_at_ns    INTEGER NOT NULL,
      agent_session_id TEXT NOT NULL DEFAULT '',
      pane_pid         INTEGER NOT NULL,
      last_session     TEXT NOT NULL DEFAULT '',
      last_window_id   TEXT NOT NULL DEFAULT '',
      last_cwd         TEXT NOT NULL DEFAULT '',
      created_at       INTEGER NOT NULL,
      ended_at         INTEGER,
      end_reason       TEXT,
      exit_status      INTEGER,
      UNIQUE (target_id, boot_id, pane_id, pane_epoch),
      CHECK ((ended_at IS NULL) = (end_reason IS NULL))
    ) STRICT;
    CREATE UNIQUE INDEX runtimes_one_active ON runtimes (target_id, pane_id) WHERE ended_at IS NULL;
    CREATE INDEX runtimes_by_end ON runtimes (ended_at);

    CREATE TABLE actions (
      action_id    TEXT PRIMARY KEY,
      action_type  TEXT NOT NULL,
      request_ref  TEXT NOT NULL,
      request_hash TEXT NOT NULL,
      ref          TEXT NOT NULL,
      target_id    TEXT NOT NULL DEFAULT '',
      pane_id      TEXT NOT NULL DEFAULT '',
      runtime_id   TEXT REFERENCES runtimes (runtime_id),
      status       TEXT NOT NULL,
      result_code  TEXT NOT NULL DEFAULT '',
      error_code   TEXT NOT NULL DEFAULT '',
      result       TEXT NOT NULL DEFAULT '',
      caller       TEXT NOT NULL DEFAULT '',
      created_at   INTEGER NOT NULL,
      completed_at INTEGER,
      UNIQUE (action_type, request_ref)
    ) STRICT;
    CREATE INDEX actions_by_time ON actions (created_at DESC);
    CREATE INDEX actions_by_runtime ON actions (runtime_id, created_at DESC);

    CREATE TABLE action_snapshots (
      action_id     TEXT PRIMARY KEY REFERENCES actions (action_id) ON DELETE CASCADE,
      target_id     TEXT NOT NULL,
      boot_id       TEXT NOT NULL DEFAULT '',
      pane_id       TEXT NOT NULL,
      pane_pid      INTEGER NOT NULL,
      runtime_id    TEXT NOT NULL DEFAULT '',
      state_version INTEGER NOT NULL,
      observed_at   INTEGER NOT NULL,
      expires_at    INTEGER NOT NULL,
      nonce         TEXT NOT NULL
    ) STRICT;

    CREATE TABLE events (
      event_id        TEXT PRIMARY KEY,
      runtime_id      TEXT NOT NULL REFERENCES runtimes (runtime_id),
      event_type      TEXT NOT NULL,
      agent_type      TEXT NOT NULL,
      source          TEXT NOT NULL CHECK (source IN ('hook', 'notify', 'wrapper', 'native', 'poller', 'reconciler', 'action')),
      channel         TEXT NOT NULL DEFAULT '',
      dedupe_key      TEXT NOT NULL CHECK (dedupe_key <> ''),
      source_event_id TEXT NOT NULL DEFAULT '',
      source_seq      INTEGER,
      event_time      INTEGER NOT NULL,
      effective_time  INTEGER NOT NULL,
      ingested_at     INTEGER NOT NULL,
      spooled         INTEGER NOT NULL DEFAULT 0 CHECK (spooled IN (0, 1)),
      late            INTEGER NOT NULL DEFAULT 0 CHECK (late IN (0, 1)),
      transition      TEXT,
      action_id       TEXT REFERENCES actions (action_id),
      UNIQUE (runtime_id, source, channel, dedupe_key)
    ) STRICT;
    CREATE INDEX events_by_runtime_source ON events (runtime_id, source, ingested_at DESC);
    CREATE INDEX events_by_ingestion ON events (ingested_at DESC);
    CREATE INDEX events_by_order ON events (runtime_id, effective_time);
    CREATE INDEX events_by_action ON events (action_id) WHERE action_id IS NOT NULL;

    CREATE TABLE event_inbox (
      event_id    TEXT PRIMARY KEY,
      target_id   TEXT NOT NULL DEFAULT '',
      pane_id     TEXT NOT NULL DEFAULT '',
      source      TEXT NOT NULL,
      channel     TEXT NOT NULL DEFAULT '',
      dedupe_key  TEXT NOT NULL CHECK (dedupe_key <> ''),
      status      TEXT NOT NULL CHECK (status IN ('pending_bind', 'bound', 'dropped_unbound')),
      reason      TEXT NOT NULL DEFAULT '',
      event       TEXT NOT NULL,
      ingested_at INTEGER NOT NULL,
      UNIQUE (target_id, pane_id, source, channel, dedupe_key)
    ) STRICT;
    CREATE INDEX inbox_by_status ON event_inbox (status, ingested_at);

    CREATE TABLE runtime_source_cursors (
      runtime_id     TEXT NOT NULL REFERENCES runtimes (runtime_id) ON DELETE CASCADE,
      source         TEXT NOT NULL,
      channel        TEXT NOT NULL DEFAULT '',
      last_seq       INTEGER,
      last_time      INTEGER NOT NULL,
      last_event_id  TEXT NOT NULL,
      applied        INTEGER NOT NULL DEFAULT 0,
      unknown        INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (runtime_id, source, channel)
    ) STRICT;

    CREATE TABLE states (
      runtime_id    TEXT PRIMARY KEY REFERENCES runtimes (runtime_id) ON DELETE CASCADE,
      state         TEXT NOT NULL CHECK (state IN ('running', 'waiting_approval', 'waiting_input', 'completed', 'idle', 'error', 'unknown')),
      reason_code   TEXT NOT NULL,
      confidence    TEXT NOT NULL CHECK (confidence IN ('high', 'medium', 'low')),
      source        TEXT NOT NULL,
      channel       TEXT NOT NULL DEFAULT '',
      event_id      TEXT NOT NULL DEFAULT '',
      decided_at    INTEGER NOT NULL,
      since         INTEGER NOT NULL,
      updated_at    INTEGER NOT NULL,
      state_version INTEGER NOT NULL CHECK (state_version > 0),
      prompt_id     TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX states_by_update ON states (updated_at DESC);
    CREATE INDEX states_by_state ON states (state, updated_at DESC);

    CREATE TABLE adapters (
      agent_type       TEXT PRIMARY KEY,
      contract_version TEXT NOT NULL,
      capabilities     TEXT NOT NULL,
      updated_at       INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE checkpoints (
      runtime_id TEXT NOT NULL REFERENCES runtimes (runtime_id) ON DELETE CASCADE,
      order_time INTEGER NOT NULL,
      order_key  TEXT NOT NULL,
      reducer    TEXT NOT NULL,
      fold       TEXT NOT NULL,
      PRIMARY KEY (runtime_id, order_time, order_key)
    ) STRICT;
  `,
  down: `
    DROP TABLE checkpoints;
    DROP TABLE adapters;
    DROP TABLE states;
    DROP TABLE runtime_source_cursors;
    DROP TABLE event_inbox;
    DROP TABLE events;
    DROP TABLE action_snapshots;
    DROP TABLE actions;
    DROP TABLE runtimes;
    DROP TABLE panes;
    DROP TABLE targets;
  `,
};
