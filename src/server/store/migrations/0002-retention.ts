import type { Migration } from "../migrate.js";

/**
 * A base stands for the events of a living runtime that retention has taken away: unlike other checkpoints it decides.
 * The index finds events of a sequenced channel by their place in it.
 */
export const retention: Migration = {
  version: 2,
  name: "retention",
  up: `
    ALTER TABLE checkpoints ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX runtimes_by_session ON runtimes (agent_session_id, created_at DESC) WHERE agent_session_id <> '';
    CREATE UNIQUE INDEX checkpoints_one_base ON checkpoints (runtime_id) WHERE base = 1;
    CREATE INDEX events_by_sequence ON events (runtime_id, source, channel, source_seq) WHERE source_seq IS NOT NULL;
  `,
  down: `
    DROP INDEX events_by_sequence;
    DROP INDEX checkpoints_one_base;
    DROP INDEX runtimes_by_session;
    ALTER TABLE checkpoints DROP COLUMN base;
  `,
};
