import type { Migration } from "../migrate.js";

/** Where an action's pane was, for lists of actions; and what finds those of a pane, and those that were cut off. */
export const actions: Migration = {
  version: 3,
  name: "actions",
  up: `
    ALTER TABLE actions ADD COLUMN session_name TEXT NOT NULL DEFAULT '';
    ALTER TABLE actions ADD COLUMN window_id TEXT NOT NULL DEFAULT '';
    DROP INDEX actions_by_time;
    DROP INDEX actions_by_runtime;
    CREATE INDEX actions_by_time ON actions (created_at DESC, action_id DESC);
    CREATE INDEX actions_by_runtime ON actions (runtime_id, created_at DESC, action_id DESC);
    CREATE INDEX actions_by_pane ON actions (target_id, pane_id, created_at DESC, action_id DESC);
    CREATE INDEX actions_unfinished ON actions (created_at) WHERE status <> 'done';
  `,
  down: `
    DROP INDEX actions_unfinished;
    DROP INDEX actions_by_pane;
    DROP INDEX actions_by_runtime;
    DROP INDEX actions_by_time;
    CREATE INDEX actions_by_time ON actions (created_at DESC);
    CREATE INDEX actions_by_runtime ON actions (runtime_id, created_at DESC);
    ALTER TABLE actions DROP COLUMN window_id;
    ALTER TABLE actions DROP COLUMN session_name;
  `,
};
