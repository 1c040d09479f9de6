import { join } from "node:path";
import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentState, ErrorCode, ErrorDetailSchema } from "../../gen/agtmux/v1/common_pb.js";
import {
  ChangeOp,
  type Pane,
  StateService,
  type WatchRequest,
  WatchResponseSchema,
  WatchScope,
  WatchType,
} from "../../gen/agtmux/v1/state_pb.js";
import { runCli } from "../../src/client/cli/run.js";
import { AgtmuxError } from "../../src/client/errors.js";
import { connect, type WatchEvent } from "../../src/client/index.js";
import { DaemonDouble } from "./support/daemon-double.js";
import { eventually, type FakeIo, type FakeIoOptions, fakeIo, NOW } from "./support/fake-io.js";
import { agentPane } from "./support/samples.js";

const GOLDEN = join(import.meta.dirname, "golden");

type Init = Omit<Exclude<MessageInitShape<typeof WatchResponseSchema>, Message>, "$typeName" | "$unknown">;

function message(type: WatchType, sequence: number, more: Init = {}) {
  return create(WatchResponseSchema, {
    schemaVersion: 1,
    generatedAt: timestampFromDate(NOW),
    emittedAt: timestampFromDate(new Date(NOW.getTime() + 5)),
    streamId: "s1",
    cursor: `s1:${sequence}`,
    scope: WatchScope.PANES,
    sequence: BigInt(sequence),
    summary: {
      total: 2,
      byState: { running: 1, waiting_approval: 1 },
      byAgent: { claude: 2 },
      byTarget: { host: 2 },
    },
    requestedTargets: ["host"],
    respondedTargets: ["host"],
    ...more,
    type,
  });
}

function snapshot(sequence: number, panes: readonly Pane[]) {
  return message(WatchType.SNAPSHOT, sequence, {
    items: panes.map((value) => ({ item: { case: "pane", value } })),
  });
}

function upsert(sequence: number, pane: Pane) {
  const identity = pane.identity;
  if (identity === undefined) throw new Error("a pane has an identity");
  return message(WatchType.DELTA, sequence, {
    changes: [
      {
        op: ChangeOp.UPSERT,
        identity: { case: "pane", value: identity },
        item: { item: { case: "pane", value: pane } },
      },
    ],
  });
}

function gone(sequence: number, pane: Pane) {
  const identity = pane.identity;
  if (identity === undefined) throw new Error("a pane has an identity");
  return message(WatchType.DELTA, sequence, {
    changes: [{ op: ChangeOp.DELETE, identity: { case: "pane", value: identity } }],
  });
}

/** A stream that a test feeds by hand; it stays open until `end`. */
class Feed {
  readonly requests: WatchRequest[] = [];
  readonly #queue: ReturnType<typeof message>[] = [];
  #wake: () => void = () => undefined;
  #ended = false;

  push(...messages: ReturnType<typeof message>[]): void {
    this.#queue.push(...messages);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *serve(request: WatchRequest, signal: AbortSignal) {
    this.requests.push(request);
    this.#ended = false;
    signal.addEventListener("abort", () => this.#wake());
    while (!signal.aborted) {
      const next = this.#queue.shift();
      if (next !== undefined) {
        yield next;
        continue;
      }
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const RUNNING = agentPane(1, AgentState.RUNNING);
const WAITING = agentPane(2, AgentState.WAITING_APPROVAL, { reasonCode: "permission_request" });

let daemon: DaemonDouble;
let feed: Feed;
beforeEach(async () => {
  daemon = new DaemonDouble();
  feed = new Feed();
});
afterEach(() => daemon.remove());

async function serveFeed(): Promise<void> {
  await daemon.listen((router) =>
    router.service(StateService, { watch: (request, context) => feed.serve(request, context.signal) }),
  );
}

function begin(line: string, options: FakeIoOptions = {}): { io: FakeIo; ended: Promise<number> } {
  const io = fakeIo({ ...options, env: { AGTMUX_SOCKET: daemon.socket, NO_COLOR: "1", ...options.env } });
  return { io, ended: runCli(line.split(" "), io) };
}

describe("agtmux watch --format jsonl", () => {
  it("writes every message as one line in the style of the listings", async () => {
    await serveFeed();
    feed.push(
      snapshot(7, [RUNNING, WAITING]),
      upsert(8, agentPane(1, AgentState.COMPLETED)),
      gone(9, WAITING),
      message(WatchType.BOOKMARK, 9),
      message(WatchType.RESET, 12, { resetReason: "too_slow" }),
    );
    const { io, ended } = begin("watch --format jsonl");
    await eventually(() => io.stdout.text().split("\n").length === 6);
    io.interrupt();
    expect(await ended).toBe(0);
    await expect(io.stdout.text()).toMatchFileSnapshot(join(GOLDEN, "watch.jsonl"));
  });

  it("passes cursor, scope and filter on", async () => {
    await serveFeed();
    feed.push(message(WatchType.BOOKMARK, 40));
    const { ended } = begin("watch --format jsonl --scope sessions --state running --cursor s1:39 --once");
    expect(await ended).toBe(0);
    expect(feed.requests[0]).toMatchObject({
      cursor: "s1:39",
      scope: WatchScope.SESSIONS,
      filter: { states: [AgentState.RUNNING] },
    });
  });

  it("with --once goes on from a reset to the picture that follows", async () => {
    await serveFeed();
    feed.push(message(WatchType.RESET, 3, { resetReason: "cursor_expired" }), snapshot(3, [RUNNING]));
    const { io, ended } = begin("watch --format jsonl --cursor s0:1 --once");
    expect(await ended).toBe(0);
    const types = io.stdout
      .text()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).type);
    expect(types).toEqual(["reset", "snapshot"]);
  });

  it("tells a bad cursor with its code and exit status 2", async () => {
    await daemon.listen((router) =>
      router.service(StateService, {
        // biome-ignore lint/correctness/useYield: it fails before the first message
        async *watch() {
          const detail = { code: ErrorCode.E_CURSOR_INVALID, message: "the cursor cannot be parsed" };
          throw new ConnectError("bad", Code.InvalidArgument, undefined, [
            { desc: ErrorDetailSchema, value: detail },
          ]);
        },
      }),
    );
    const { io, ended } = begin("watch --format jsonl --cursor ?");
    expect(await ended).toBe(2);
    expect(io.stderr.text()).toBe("agtmux: the cursor cannot be parsed (E_CURSOR_INVALID)\n");
  });
});

describe("agtmux watch --format table", () => {
  it("with --once prints one table and ends", async () => {
    await serveFeed();
    feed.push(snapshot(1, [RUNNING, WAITING]));
    const { io, ended } = begin("watch --once");
    expect(await ended).toBe(0);
    await expect(io.stdout.text()).toMatchFileSnapshot(join(GOLDEN, "watch-once.txt"));
  });

  it("into a pipe prints the table, then a line per change, and no control sequence", async () => {
    await serveFeed();
    feed.push(
      snapshot(1, [RUNNING, WAITING]),
      upsert(2, agentPane(1, AgentState.COMPLETED)),
      gone(3, WAITING),
    );
    const { io, ended } = begin("watch");
    await eventually(() => io.stdout.text().includes("gone"));
    io.interrupt();
    expect(await ended).toBe(0);
    await expect(io.stdout.text()).toMatchFileSnapshot(join(GOLDEN, "watch-pipe.txt"));
  });

  it("on a terminal redraws in place, counts by state, and gives the terminal back on Ctrl-C", async () => {
    await serveFeed();
    feed.push(snapshot(1, [RUNNING, WAITING]));
    const { io, ended } = begin("watch --interval 10ms", { columns: 100, rows: 10 });
    await eventually(() => io.stdout.text().includes("waiting_approval  claude"));
    feed.push(gone(2, WAITING));
    await eventually(() => !(io.stdout.text().split("\u001b[H").at(-1) ?? "").includes("%2"));
    io.interrupt();
    expect(await ended).toBe(0);
    const text = io.stdout.text();
    expect(text.startsWith("\u001b[?1049h\u001b[?25l")).toBe(true);
    expect(text.endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
    expect(text).toContain("agtmux  2 agents  1 waiting_approval, 1 running  on host");
    // Nothing is cleared before it is drawn again: that is what flickers.
    expect(text.split("\u001b[2J")).toHaveLength(2);
  });

  it("never draws more lines than the terminal has, and says how many are missing", async () => {
    await serveFeed();
    feed.push(
      snapshot(
        1,
        Array.from({ length: 40 }, (_, index) => agentPane(index + 1, AgentState.RUNNING)),
      ),
    );
    const { io, ended } = begin("watch", { columns: 80, rows: 12 });
    const frame = await eventually(() => io.stdout.text().split("\u001b[H")[1]);
    io.interrupt();
    await ended;
    expect(frame.split("\r\n")).toHaveLength(12);
    expect(frame).toContain("… and 32 more");
  });

  it("repaints a burst of changes at most once per interval, and ends with the last of them", async () => {
    await serveFeed();
    feed.push(snapshot(1, [RUNNING]));
    const { io, ended } = begin("watch --interval 200ms", { columns: 100 });
    await eventually(() => io.stdout.text().includes("%1"));
    for (let sequence = 2; sequence < 200; sequence += 1) {
      feed.push(upsert(sequence, agentPane(1, AgentState.RUNNING, { reasonCode: `step${sequence}.` })));
    }
    await eventually(() => io.stdout.text().includes("step199."));
    io.interrupt();
    await ended;
    expect(io.stdout.text().split("\u001b[H").length).toBeLessThan(8);
  });

  it("adapts to a new size of the terminal at once", async () => {
    await serveFeed();
    feed.push(snapshot(1, [RUNNING]));
    const { io, ended } = begin("watch", { columns: 140 });
    await eventually(() => io.stdout.text().includes("CWD"));
    io.stdout.resize(60, 10);
    const frame = io.stdout.text().split("\u001b[H").at(-1) ?? "";
    io.interrupt();
    await ended;
    expect(frame).toContain("TITLE/CWD");
    const plain = frame.replace(/\u001b\[[?0-9]*[A-Za-z]/g, "").split("\r\n");
    expect(Math.max(...plain.map((line) => line.length))).toBeLessThanOrEqual(65);
  });

  it("says that it is reconnecting when the daemon goes, and goes on when it is back", async () => {
    await serveFeed();
    feed.push(snapshot(1, [RUNNING]));
    const { io, ended } = begin("watch --interval 10ms", { columns: 100 });
    await eventually(() => io.stdout.text().includes("%1"));
    await daemon.crash();
    await eventually(() => io.stdout.text().includes("reconnecting: "));
    feed.push(message(WatchType.RESET, 1, { resetReason: "stream_changed" }), snapshot(1, [WAITING]));
    await serveFeed();
    await eventually(() => (io.stdout.text().split("\u001b[H").at(-1) ?? "").includes("%2"));
    io.interrupt();
    expect(await ended).toBe(0);
    expect(feed.requests[1]?.cursor).toBe("s1:1");
  });
});

describe("the SDK's watch", () => {
  const open = (options = {}) =>
    connect({ socket: daemon.socket }).watch({}, { backoffMs: () => 1, ...options });

  it("resumes after the last message when a stream breaks, so none comes twice", async () => {
    await serveFeed();
    feed.push(snapshot(1, [RUNNING]), upsert(2, WAITING));
    const seen: string[] = [];
    const controller = new AbortController();
    for await (const event of open({ signal: controller.signal })) {
      if (event.kind === "disconnected") {
        seen.push("disconnected");
        feed.push(upsert(3, RUNNING));
        continue;
      }
      seen.push(event.message.cursor);
      if (event.message.cursor === "s1:2") feed.end();
      if (event.message.cursor === "s1:3") break;
    }
    expect(seen).toEqual(["s1:1", "s1:2", "disconnected", "s1:3"]);
    expect(feed.requests.map((request) => request.cursor)).toEqual(["", "s1:2"]);
  });

  it("takes a stream that has fallen silent for broken", async () => {
    await serveFeed();
    feed.push(snapshot(1, [RUNNING]));
    const events: WatchEvent[] = [];
    for await (const event of open({ silenceMs: 500 })) {
      events.push(event);
      if (event.kind === "disconnected") break;
    }
    expect(events.map((event) => event.kind)).toEqual(["message", "disconnected"]);
  });

  it("lets go of the connection when the loop is left", async () => {
    let signal: AbortSignal | undefined;
    await daemon.listen((router) =>
      router.service(StateService, {
        watch: (request, context) => {
          signal = context.signal;
          return feed.serve(request, context.signal);
        },
      }),
    );
    feed.push(snapshot(1, [RUNNING]));
    for await (const event of open()) if (event.kind === "message") break;
    await eventually(() => signal?.aborted);
  });

  it("fails at once when the first connection does", async () => {
    const first = open().next();
    await expect(first).rejects.toBeInstanceOf(AgtmuxError);
    await expect(first).rejects.toMatchObject({ code: ErrorCode.E_DAEMON_UNAVAILABLE });
  });
});
