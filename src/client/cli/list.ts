import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ListPanesResponse,
  type ListSessionsResponse,
  type ListWindowsResponse,
  SessionGrouping,
  StateService,
} from "../../../gen/agtmux/v1/state_pb.js";
import { usageError } from "../errors.js";
import type { Context } from "./context.js";
import { parseDuration } from "./durations.js";
import type { Io } from "./io.js";
import { type JsonObject, panesJson, sessionsJson, windowsJson } from "./json.js";
import { targetErrorLines } from "./notices.js";
import { comparePanes, compareSessions, compareWindows } from "./order.js";
import { paletteFor } from "./palette.js";
import { safeJson } from "./printable.js";
import { type FilterOptions, filterFrom, sortFrom } from "./read-options.js";
import { paneTable, sessionTable, type TableView, windowTable } from "./tables.js";
import { type Measure, measureFor } from "./text-width.js";

export interface ListOptions extends FilterOptions {
  readonly sort?: string | undefined;
  readonly json?: boolean | undefined;
}

export interface ListPanesOptions extends ListOptions {
  readonly ended?: string | undefined;
}

export interface ListSessionsOptions extends ListOptions {
  readonly groupBy?: string | undefined;
}

/** How tables look on this output, at this moment. */
export function viewWith(io: Io, measure: Measure): TableView {
  const { isTerminal } = io.stdout;
  return {
    palette: paletteFor(isTerminal, io.env),
    width: isTerminal ? io.stdout.size().columns : undefined,
    measure,
    nowMs: io.now().getTime(),
    home: io.env["HOME"],
  };
}

/** As viewWith, with what measures the texts within `data`. */
export async function tableView(io: Io, data: unknown): Promise<TableView> {
  return viewWith(io, await measureFor(data));
}

interface Rendering {
  readonly json: () => JsonObject;
  readonly table: (view: TableView) => string[];
  readonly rows: number;
  readonly what: string;
}

type Listing = ListPanesResponse | ListWindowsResponse | ListSessionsResponse;

async function print(
  context: Context,
  listing: Listing,
  rendering: Rendering,
  asJson: boolean | undefined,
): Promise<void> {
  const { io } = context;
  if (asJson) {
    io.stdout.write(`${safeJson(rendering.json(), 2)}\n`);
    return;
  }
  const view = await tableView(io, listing);
  const lines =
    rendering.rows > 0
      ? rendering.table(view)
      : await (await import("./empty.js")).explainEmpty(context, rendering.what, listing.filter);
  const notices = targetErrorLines(listing.targetErrors, view.nowMs, view.palette, {
    ...view,
    width: undefined,
  });
  io.stdout.write(`${[...lines, ...notices].join("\n")}\n`);
}

/** `agtmux list panes` */
export async function listPanes(context: Context, options: ListPanesOptions): Promise<void> {
  const sort = sortFrom(options.sort);
  const ended = options.ended === undefined ? undefined : parseDuration("--ended", options.ended);
  const listing = await context.client(StateService).listPanes({
    filter: filterFrom(options),
    ...(sort === undefined ? {} : { sort }),
    ...(ended === undefined ? {} : { endedWithin: durationFromMs(ended) }),
  });
  const inOrder = () => (sort === undefined ? listing.panes.toSorted(comparePanes) : listing.panes);
  const rendering = {
    json: () => panesJson(listing),
    table: (view: TableView) => paneTable(inOrder(), view),
    rows: listing.panes.length,
    what: "pane",
  };
  await print(context, listing, rendering, options.json);
}

/** `agtmux list windows` */
export async function listWindows(context: Context, options: ListOptions): Promise<void> {
  const sort = sortFrom(options.sort);
  const listing = await context.client(StateService).listWindows({
    filter: filterFrom(options),
    ...(sort === undefined ? {} : { sort }),
  });
  const inOrder = () => (sort === undefined ? listing.windows.toSorted(compareWindows) : listing.windows);
  const rendering = {
    json: () => windowsJson(listing),
    table: (view: TableView) => windowTable(inOrder(), view),
    rows: listing.windows.length,
    what: "window",
  };
  await print(context, listing, rendering, options.json);
}

function groupingFrom(text: string | undefined): SessionGrouping {
  if (text === undefined || text === "target-session") return SessionGrouping.TARGET_SESSION;
  if (text === "session-name") return SessionGrouping.SESSION_NAME;
  throw usageError("--group-by", `--group-by: "${text}" is neither target-session nor session-name`);
}

/** `agtmux list sessions` */
export async function listSessions(context: Context, options: ListSessionsOptions): Promise<void> {
  const sort = sortFrom(options.sort);
  const listing = await context.client(StateService).listSessions({
    filter: filterFrom(options),
    grouping: groupingFrom(options.groupBy),
    ...(sort === undefined ? {} : { sort }),
  });
  const inOrder = () => (sort === undefined ? listing.sessions.toSorted(compareSessions) : listing.sessions);
  const rendering = {
    json: () => sessionsJson(listing),
    table: (view: TableView) => sessionTable(inOrder(), view),
    rows: listing.sessions.length,
    what: "session",
  };
  await print(context, listing, rendering, options.json);
}
