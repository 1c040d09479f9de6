import { StateService, type WatchResponse, WatchScope, WatchType } from "../../../gen/agtmux/v1/state_pb.js";
import { usageError } from "../errors.js";
import { watchStream } from "../watch-stream.js";
import type { Context } from "./context.js";
import { parseDuration } from "./durations.js";
import { explainEmpty } from "./empty.js";
import { tableView } from "./list.js";
import { LiveTable } from "./live-table.js";
import { printable, safeJson } from "./printable.js";
import { type FilterOptions, filterFrom } from "./read-options.js";
import { type Scope, tableLines } from "./watch-frame.js";
import { watchMessageJson } from "./watch-json.js";
import { WatchLog } from "./watch-log.js";
import { WatchFold } from "./watch-view.js";

export interface WatchCommandOptions extends FilterOptions {
  readonly scope?: string | undefined;
  readonly format?: string | undefined;
  readonly cursor?: string | undefined;
  readonly once?: boolean | undefined;
  readonly interval?: string | undefined;
}

const DEFAULT_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 2_000;

const SCOPES: Readonly<Record<Scope, WatchScope>> = {
  panes: WatchScope.PANES,
  windows: WatchScope.WINDOWS,
  sessions: WatchScope.SESSIONS,
};

function scopeFrom(text: string): Scope {
  if (text === "panes" || text === "windows" || text === "sessions") return text;
  throw usageError("--scope", `--scope: "${text}" is not panes, windows or sessions`);
}

function formatFrom(text: string): "table" | "jsonl" {
  if (text === "table" || text === "jsonl") return text;
  throw usageError("--format", `--format: "${text}" is neither table nor jsonl`);
}

function intervalFrom(text: string | undefined): number {
  if (text === undefined) return DEFAULT_INTERVAL_MS;
  const ms = parseDuration("--interval", text);
  if (ms > MAX_INTERVAL_MS)
    throw usageError("--interval", `--interval: "${text}" is longer than 2s, the most`);
  return ms;
}

/** What becomes of a stream: something that takes its events and, at the end, gives back what it holds. */
export interface WatchSink {
  message(message: WatchResponse): Promise<void>;
  disconnected(why: string): void;
  close(): void;
}

function jsonlSink(context: Context): WatchSink {
  const { stdout, stderr } = context.io;
  return {
    async message(message) {
      stdout.write(`${safeJson(watchMessageJson(message))}\n`);
      await stdout.drained();
    },
    disconnected: (why) => stderr.write(`reconnecting: ${printable(why)}\n`),
    close: () => undefined,
  };
}

function onceTableSink(context: Context, scope: Scope): WatchSink {
  const fold = new WatchFold();
  return {
    async message(message) {
      fold.apply(message);
      if (message.type !== WatchType.SNAPSHOT) return;
      const lines = tableLines(scope, fold.view(), await tableView(context.io, message));
      const shown =
        lines.length > 0 ? lines : await explainEmpty(context, scope.slice(0, -1), message.filter);
      context.io.stdout.write(`${shown.join("\n")}\n`);
    },
    disconnected: (why) => context.io.stderr.write(`reconnecting: ${printable(why)}\n`),
    close: () => undefined,
  };
}

/** `agtmux watch`. Resolves when the user ends it, or with `--once` after the first picture. */
export async function watch(context: Context, options: WatchCommandOptions): Promise<void> {
  const { io } = context;
  const scope = scopeFrom(options.scope ?? "panes");
  const format = formatFrom(options.format ?? "table");
  const intervalMs = intervalFrom(options.interval);
  const cursor = options.cursor ?? "";
  if (cursor !== "" && format === "table") {
    throw usageError("--cursor", "--cursor needs --format jsonl: a table cannot begin in the middle");
  }
  const once = options.once ?? false;
  const sink =
    format === "jsonl"
      ? jsonlSink(context)
      : once
        ? onceTableSink(context, scope)
        : io.stdout.isTerminal
          ? new LiveTable(context, scope, intervalMs)
          : new WatchLog(context, scope);
  const request = { scope: SCOPES[scope], filter: filterFrom(options), cursor };
  try {
    for await (const event of watchStream(context.client(StateService), request, { signal: io.signal })) {
      if (event.kind === "disconnected") {
        sink.disconnected(event.error.message);
        continue;
      }
      await sink.message(event.message);
      // A reset is only the announcement of the picture that follows.
      if (once && event.message.type !== WatchType.RESET) return;
    }
  } finally {
    sink.close();
  }
}
