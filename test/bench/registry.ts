import { cliStart } from "./rows/cli-start.js";
import { eventToWatcher } from "./rows/event-to-watcher.js";
import { hookCall } from "./rows/hook-call.js";
import { idle } from "./rows/idle.js";
import { idleWatchers } from "./rows/idle-watchers.js";
import { ingestBatches } from "./rows/ingest-batches.js";
import { ingestCalls } from "./rows/ingest-calls.js";
import { ingestMemory } from "./rows/ingest-memory.js";
import { manyWatchers } from "./rows/many-watchers.js";
import { reconnect } from "./rows/reconnect.js";
import { remoteToWatcher } from "./rows/remote-to-watcher.js";
import { resume } from "./rows/resume.js";
import { scale } from "./rows/scale.js";
import { send } from "./rows/send.js";
import { tmuxToWatcher } from "./rows/tmux-to-watcher.js";
import type { Row } from "./support/row.js";

/** Every row, in the order in which they run. */
export const ROWS: readonly Row[] = [
  idle,
  cliStart,
  hookCall,
  send,
  tmuxToWatcher,
  remoteToWatcher,
  reconnect,
  eventToWatcher,
  manyWatchers,
  idleWatchers,
  resume,
  ingestCalls,
  ingestBatches,
  ingestMemory,
  scale,
];
