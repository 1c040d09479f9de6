import { randomBytes } from "node:crypto";
import { bootId } from "../engine/identity.js";
import { type Executor, ExecutorError } from "../targets/executor.js";
import { sequence } from "./argv.js";
import { cleanText } from "./text.js";
import {
  type LinkRow,
  linkFields,
  parseLink,
  parseSession,
  type SessionRow,
  sessionFields,
} from "./topology-row.js";

/** One pane instance, however many sessions show it. Of its links, the one in the session with the lowest id. */
export interface PaneRow extends LinkRow {
  /** Names of the other sessions that show it, by ascending session id. */
  readonly alsoIn: readonly string[];
}

/** A tmux server at one moment: everything here is of one and the same turn of the server. */
export interface Topology {
  /** Identity of the server's life (engine/identity.ts); undefined: no server runs. */
  readonly bootId: string | undefined;
  readonly serverPid: number | undefined;
  /** Whole seconds since the epoch, of the server's clock. */
  readonly startTime: number | undefined;
  /** The running server's version, which may differ from the tmux binary's; for parseTmuxVersion. */
  readonly version: string | undefined;
  /** By ascending id. */
  readonly sessions: readonly SessionRow[];
  /** One row for each pane and each link of its window into a session. */
  readonly rows: readonly LinkRow[];
  /** Distinct pane instances, in tmux's order. */
  readonly panes: readonly PaneRow[];
  /** Rows that tmux gave in another form than asked for, and that were left out. */
  readonly malformed: number;
}

/** What tmux answered, without the nonce that makes each answer another text, and what was read in it. */
export interface AnsweredTopology {
  readonly text: string;
  readonly topology: Topology;
}

/** What is read where no server runs. */
export const NO_SERVER: Topology = {
  bootId: undefined,
  serverPid: undefined,
  startTime: undefined,
  version: undefined,
  sessions: [],
  rows: [],
  panes: [],
  malformed: 0,
};

/**
 * Reads all sessions and panes in one tmux command. `cheap` leaves out `currentCommand` and `currentPath`, for
 * which tmux reads /proc once per pane; an answer that equals `last` is that one. No server is an empty topology;
 * everything else that fails rejects with the executor's error, and `protocol` when the answer is not one.
 */
export async function askTopology(
  executor: Executor,
  cheap: boolean,
  last?: AnsweredTopology,
): Promise<AnsweredTopology> {
  const nonce = randomBytes(8).toString("hex");
  const ask = topologyQuestion(nonce, cheap);
  try {
    const { status, stdout, stderr } = await executor.run(ask.argv, { gathered: true });
    // No text of tmux holds a NUL.
    const text = `${status} ${stdout.replaceAll(nonce, "\0")}`;
    if (text === last?.text) return last;
    const topology = ask.read(stdout);
    // A server without sessions refuses list-panes; any other refusal is a tmux that does not know the question.
    if (status !== 0 && topology.sessions.length > 0) {
      throw new ExecutorError("protocol", `tmux: ${cleanText(stderr, 200)}`);
    }
    return { text, topology };
  } catch (error) {
    if (error instanceof ExecutorError && error.kind === "no_server")
      return { text: "", topology: NO_SERVER };
    throw error;
  }
}

/**
 * The argument list that asks for a topology, and the reader of its answer. `nonce` must be new and random for
 * each call: titles, names and directories may hold anything else, newlines included.
 */
export function topologyQuestion(
  nonce: string,
  cheap: boolean,
): { argv: string[]; read: (stdout: string) => Topology } {
  const row = `R${nonce}`;
  const field = `F${nonce}`;
  const format = (kind: string, variables: readonly string[]): string =>
    [row + kind, ...variables.map((variable) => `#{${variable}}`), ""].join(field);
  const argv = sequence([
    ["display-message", "-p", format("d", ["pid", "start_time", "version"])],
    ["list-sessions", "-F", format("s", sessionFields)],
    ["list-panes", "-a", "-F", format("p", linkFields(cheap))],
  ]);

  const read = (stdout: string): Topology => {
    const sessions: SessionRow[] = [];
    const rows: LinkRow[] = [];
    let server: { pid: number; startTime: number; version: string } | undefined;
    const [before, ...records] = stdout.split(row);
    let malformed = before === "" ? 0 : 1;
    for (const record of records) {
      const [kind, ...fields] = record.split(field);
      // The format ends in a separator: without it the row was cut.
      const end = fields.pop();
      const whole = end === "\n" || end === "";
      const session = whole && kind === "s" ? parseSession(fields) : undefined;
      const link = whole && kind === "p" ? parseLink(fields, cheap) : undefined;
      if (session !== undefined) sessions.push(session);
      else if (link !== undefined) rows.push(link);
      else if (whole && kind === "d" && server === undefined) server = parseServer(fields);
      else malformed += 1;
    }
    if (server === undefined) throw new ExecutorError("protocol", "tmux did not say which server it is");
    return {
      bootId: bootId(server.pid, server.startTime),
      serverPid: server.pid,
      startTime: server.startTime,
      version: server.version,
      sessions: sessions.sort((a, b) => idNumber(a.sessionId) - idNumber(b.sessionId)),
      rows,
      panes: distinctPanes(rows),
      malformed,
    };
  };
  return { argv, read };
}

/** Joins the links of each pane: one row per pane instance, named by its lowest session id (docs/spec.md 3). */
export function distinctPanes(rows: readonly LinkRow[]): PaneRow[] {
  return [...Map.groupBy(rows, (row) => row.paneId).values()].flatMap((group) => {
    const links = [...group].sort(
      (a, b) => idNumber(a.sessionId) - idNumber(b.sessionId) || a.windowIndex - b.windowIndex,
    );
    const [home] = links;
    if (home === undefined) return [];
    const others = links.filter((link) => link.sessionId !== home.sessionId).map((link) => link.sessionName);
    return [{ ...home, alsoIn: [...new Set(others)] }];
  });
}

/** The number in `$3`, `@3` or `%3`. */
function idNumber(id: string): number {
  return Number(id.slice(1));
}

function parseServer(
  fields: readonly string[],
): { pid: number; startTime: number; version: string } | undefined {
  const [pid = "", startTime = "", version = ""] = fields;
  if (fields.length !== 3 || !/^\d{1,10}$/.test(pid) || !/^\d{1,12}$/.test(startTime)) return undefined;
  return { pid: Number(pid), startTime: Number(startTime), version: cleanText(version, 64) };
}
