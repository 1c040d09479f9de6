import { toJson } from "@bufbuild/protobuf";
import { expect } from "vitest";
import { AgentState, WatchResponseSchema } from "../../src/client/index.js";
import { Watcher } from "../daemon/support/watcher.js";
import { eventually } from "../support/daemon.js";
import { type ForeignClient, type ForeignStream, type Message, RpcError } from "./foreign-client.js";
import { ODD_SESSION, type Stage, stateName, WALK } from "./stage.js";

const HEALTH = "agtmux.v1.DaemonService/GetHealth";
const LIST = "agtmux.v1.StateService/ListPanes";
const EXPLAIN = "agtmux.v1.StateService/ExplainPane";
const WATCH = "agtmux.v1.StateService/Watch";

/** Long enough for the first message on a loaded machine. */
const DEADLINE_MS = 1_000;
const WALKS = { filter: { sessions: [WALK] } };

/** What a client must be able to do, and what must come out; throws where it does not. */
export type Scenario = (client: ForeignClient, stage: Stage) => Promise<void>;

/** The parts of a message that the scenarios look at; absent where they are empty. */
interface WatchMessage {
  readonly type?: string;
  readonly sequence?: string;
  readonly cursor?: string;
  readonly resetReason?: string;
  readonly items?: readonly { readonly pane?: PaneRow }[];
  readonly changes?: readonly { readonly op?: string; readonly item?: { readonly pane?: PaneRow } }[];
}

interface PaneRow {
  readonly identity?: { readonly target?: string; readonly paneId?: string };
  readonly agent?: { readonly state?: string };
}

// Sound: the scenarios read optional parts only, and what a client gave wrongly does not match.
const watched = (stream: { readonly messages: readonly Message[] }): readonly WatchMessage[] =>
  stream.messages as readonly WatchMessage[];

async function until(stream: ForeignStream, what: string, fits: (message: WatchMessage) => boolean) {
  let failure: Error | undefined;
  void stream.over.then((error) => {
    failure = error;
  });
  return eventually(what, () => {
    const found = watched(stream).find(fits);
    if (found === undefined && failure !== undefined) throw failure;
    return found;
  });
}

const snapshot = (stream: ForeignStream): Promise<WatchMessage> =>
  until(stream, "the snapshot", ({ type }) => type === "WATCH_TYPE_SNAPSHOT");

const shows =
  (state: AgentState) =>
  ({ changes = [] }: WatchMessage): boolean =>
    changes.some(({ item }) => item?.pane?.agent?.state === stateName(state));

/** Every change of a stream, in order: sequence, what happened, to which pane, its state. */
function steps(messages: readonly WatchMessage[]): unknown[] {
  return messages.flatMap(({ sequence, changes = [] }) =>
    changes.map(({ op, item }) => [
      Number(sequence),
      op,
      item?.pane?.identity?.paneId,
      item?.pane?.agent?.state,
    ]),
  );
}

async function refused(call: Promise<unknown>): Promise<RpcError> {
  const thrown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof RpcError) return thrown;
  throw thrown ?? new Error("it was not refused");
}

async function ended(stream: ForeignStream): Promise<RpcError> {
  const error = await stream.over;
  if (error instanceof RpcError) return error;
  throw error ?? new Error(`it ended well, after ${stream.messages.length} messages`);
}

/** Opens a stream for the time of `look`. */
async function during(stream: ForeignStream, look: (stream: ForeignStream) => Promise<void>): Promise<void> {
  try {
    await look(stream);
  } finally {
    stream.cancel();
    await stream.over;
  }
}

/** A cursor of this daemon life that belongs to a stream of another scope. */
async function foreignCursor(client: ForeignClient): Promise<string> {
  let cursor = "";
  await during(client.open(WATCH, { scope: "WATCH_SCOPE_WINDOWS" }), async (stream) => {
    cursor = (await snapshot(stream)).cursor ?? "";
  });
  expect(cursor).toMatch(/^[0-9a-f]{32}:\d+$/u);
  return cursor;
}

export const SCENARIOS = {
  "reads the daemon's health": async (client, { scene }) => {
    expect(await client.call(HEALTH, {})).toMatchObject({
      schemaVersion: 1,
      pid: String(scene.daemon.child.pid),
      socketPath: scene.daemon.socketPath,
      targets: [{ name: "host" }, { name: "lab" }, { name: "other" }],
    });
  },

  "lists panes by every kind of filter": async (client, { busy, asking, odd }) => {
    const lists: [Message, string[]][] = [
      [{ needsAction: true }, [`lab ${asking.paneId}`]],
      [
        { states: ["AGENT_STATE_RUNNING", "AGENT_STATE_WAITING_APPROVAL"] },
        [`lab ${asking.paneId}`, `lab ${busy.paneId}`],
      ],
      [{ sessions: [ODD_SESSION] }, [`lab ${odd.paneId}`]],
      [{ targets: ["other"], includePlain: true }, ["other %0"]],
    ];
    for (const [filter, expected] of lists) {
      const { panes } = await client.call(LIST, { filter });
      // Sound: see `watched`.
      const ids = ((panes ?? []) as PaneRow[]).map(
        ({ identity }) => `${identity?.target} ${identity?.paneId}`,
      );
      expect([filter, ids.sort()]).toEqual([filter, expected.sort()]);
    }
  },

  "watches: the picture at once, then each change": async (client, stage) => {
    await during(client.open(WATCH, WALKS), async (stream) => {
      const { items } = await snapshot(stream);
      expect(items).toMatchObject([{ pane: { identity: { paneId: stage.walker.paneId } } }]);
      await stage.walk("busy");
      const delta = await until(stream, "the delta", shows(AgentState.RUNNING));
      expect(delta).toMatchObject({ type: "WATCH_TYPE_DELTA", changes: [{ op: "CHANGE_OP_UPSERT" }] });
    });
    await stage.walk("idle");
  },

  "resumes where it was cut off: nothing twice, nothing lost": async (client, stage) => {
    const truth = await Watcher.open(stage.scene.client, WALKS);
    const first = client.open(WATCH, WALKS);
    await during(first, async () => {
      await snapshot(first);
      await stage.walk("busy");
      await until(first, "the delta", shows(AgentState.RUNNING));
    });
    await stage.walk("permission prompt", "busy");
    const { cursor } = watched(first).at(-1) ?? {};
    const second = client.open(WATCH, { ...WALKS, cursor });
    await during(second, async () => {
      await stage.walk("idle");
      await until(second, "the last state", shows(AgentState.IDLE));
    });
    const told = [...watched(first), ...watched(second)];
    expect(new Set(watched(second).map(({ type }) => type))).toEqual(new Set(["WATCH_TYPE_DELTA"]));
    const began = Number(told[0]?.sequence);
    await truth.message("the end", ({ sequence }) => Number(sequence) >= Number(told.at(-1)?.sequence));
    await truth.close();
    // Sound: ProtoJSON of a WatchResponse has these parts.
    const all = truth.messages.map((message) => toJson(WatchResponseSchema, message) as WatchMessage);
    const missed = all.filter(({ sequence }) => Number(sequence) > began);
    expect(steps(told)).toEqual(steps(missed));
    expect(steps(told).length).toBeGreaterThanOrEqual(4);
  },

  "is told by a reset that its cursor is another stream's, and gets the picture anew": async (client) => {
    const cursor = await foreignCursor(client);
    await during(client.open(WATCH, { cursor }), async (stream) => {
      await snapshot(stream);
      expect(watched(stream).slice(0, 2)).toMatchObject([
        { type: "WATCH_TYPE_RESET", resetReason: "stream_changed" },
        { type: "WATCH_TYPE_SNAPSHOT" },
      ]);
    });
  },

  "with strict, is refused with another stream's cursor": async (client) => {
    const error = await ended(client.open(WATCH, { cursor: await foreignCursor(client), strict: true }));
    expect(error.status).toBe(11);
    expect(error.detail).toMatchObject({
      code: "E_CURSOR_EXPIRED",
      details: { reason: "stream_changed" },
      retryable: false,
    });
  },

  "reads the typed detail of an error": async (client) => {
    const error = await refused(client.call(LIST, { filter: { targets: [""] } }));
    expect(error.status).toBe(3);
    expect(error.detail).toMatchObject({
      code: "E_INVALID_ARGUMENT",
      message: error.message,
      details: { field: "filter.targets" },
      retryable: false,
    });
    expect(error.message).toContain("filter.targets");
    const missing = await refused(client.call(EXPLAIN, { ref: "pane:lab/none/@9/%99" }));
    expect([missing.status, missing.detail?.code]).toEqual([5, "E_REF_NOT_FOUND"]);
  },

  "is refused with more than 4 MiB, and may try again with less": async (client) => {
    const error = await refused(client.call(EXPLAIN, { ref: "x".repeat(5 * 1024 * 1024) }));
    expect(error.status).toBe(8);
    expect(error.detail).toMatchObject({ code: "E_RESOURCE_EXHAUSTED", retryable: true });
    expect(await client.call(HEALTH, {})).toMatchObject({ schemaVersion: 1 });
  },

  "is told that a method is not served": async (client) => {
    const error = await refused(client.call("none.v1.NoneService/Nothing", {}));
    expect(error.status).toBe(12);
    expect(error.detail).toMatchObject({ code: "E_UNIMPLEMENTED", retryable: false });
  },

  "frees its stream by going": async (client, stage) => {
    await during(client.open(WATCH, {}), async (stream) => {
      await snapshot(stream);
      await stage.watchers(1);
    });
    await stage.watchers(0);
  },

  "frees its stream when its deadline passes": async (client, stage) => {
    const stream = client.open(WATCH, {}, DEADLINE_MS);
    await snapshot(stream);
    expect((await ended(stream)).status).toBe(4);
    await stage.watchers(0);
  },

  "learns the services from the daemon": async (client) => {
    const services = await client.services();
    expect(services).toEqual(expect.arrayContaining(["agtmux.v1.StateService", "grpc.health.v1.Health"]));
    expect(services.filter((name) => name.startsWith("agtmux.v1."))).toHaveLength(8);
  },

  "asks grpc.health.v1": async (client) => {
    const check = (service: string) => client.call("grpc.health.v1.Health/Check", { service });
    expect(await check("")).toEqual({ status: "SERVING" });
    expect(await check("agtmux.v1.StateService")).toEqual({ status: "SERVING" });
    const error = await refused(check("no.Such"));
    expect([error.status, error.detail?.code]).toEqual([5, "E_REF_NOT_FOUND"]);
  },
} satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;
