import { cliStart } from "./rows/cli-start.js";
import { eventToWatcher } from "./rows/event-to-watcher.js";
import { hookCall } from "./rows/hook-call.js";
import { idle } from "./rows/idle.js";
import { idleWatchers } from "./rows/idle-watchers.js";
import { ingestBatches } from "./rows/ingest-batches.js";
import { ingestCalls } from "./rows/ingest-calls.js";
import { ingestMemory } from "./rows/ingest-memory.js";
import { manyWatchers } from "./rows/many-watchers.js";
import { resume } from "./rows/resume.js";
import { tmuxToWatcher } from "./rows/tmux-to-watcher.js";
import type { Row } from "./support/row.js";

/** Every row, in the order in which they run. */
export const ROWS: readonly Row[] = [
  idle,
  cliStart,
  hookCall,
  tmuxToWatcher,
  eventToWatcher,
  manyWatchers,
  idleWatchers,
  resume,
  ingestCalls,
  ingestBatches,
  ingestMemory,
];
