import { mkdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { type WebSocket, WebSocketServer } from "ws";

interface FakeThread {
  readonly id: string;
  port: number;
  status: object;
  name?: string;
  preview?: string;
  hidden?: boolean;
  /** Status of the newest turn; none without one. */
  turn?: string;
  /** Seconds since the epoch. */
  completedAt?: number;
}

/** What an app-server answers and announces, as measured with 0.169.0, on a Unix socket. */
export class FakeAppServer {
  readonly threads = new Map<string, FakeThread>();
  readonly asked: string[] = [];
  userAgent = "codex-tui/0.169.0 (Debian 12.0.0; x86_64) tmux-256color (agtmux; 1)";
  /** Answers instead of the usual ones: by method. */
  readonly answers = new Map<string, (params: unknown) => unknown>();
  connections = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<WebSocket>();

  constructor(readonly codexHome: string) {}

  get #path(): string {
    return join(this.codexHome, "app-server-control", "app-server-control.sock");
  }

  async start(): Promise<void> {
    mkdirSync(join(this.codexHome, "app-server-control"), { recursive: true });
    rmSync(this.#path, { force: true });
    const server = createServer();
    this.#server = server;
    const sockets = new WebSocketServer({ server, perMessageDeflate: false });
    sockets.on("connection", (socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("message", (data) => this.#answer(socket, JSON.parse(String(data))));
    });
    await new Promise<void>((resolve) => {
      server.listen(this.#path, resolve);
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    rmSync(this.#path, { force: true });
  }

  /** Adds a thread and announces it. */
  begin(thread: FakeThread): void {
    this.threads.set(thread.id, thread);
    this.notify("thread/started", { thread: this.#thread(thread) });
  }

  /** Changes a thread's status and announces it. */
  change(id: string, status: object, turn?: string): void {
    const thread = this.threads.get(id);
    if (thread === undefined) throw new Error(`no thread ${id}`);
    thread.status = status;
    if (turn !== undefined) {
      thread.turn = turn;
      thread.completedAt = Date.now() / 1_000;
    }
    this.notify("thread/status/changed", { threadId: id, status });
  }

  notify(method: string, params: unknown): void {
    this.raw(JSON.stringify({ method, params, emittedAtMs: Date.now() }));
  }

  raw(text: string): void {
    for (const socket of this.#sockets) socket.send(text);
  }

  #thread(thread: FakeThread): object {
    const { id, status, name = null, preview = "", hidden = false } = thread;
    const now = Math.floor(Date.now() / 1_000);
    const times = { createdAt: now, updatedAt: now, recencyAt: now };
    const kind = { ephemeral: hidden, threadSource: hidden ? "thread_title" : "user", parentThreadId: null };
    return { id, sessionId: id, preview, name, status, ...times, ...kind, cwd: "/work", turns: [] };
  }

  #answer(socket: WebSocket, message: { id?: number; method: string; params?: { threadId?: string } }): void {
    this.asked.push(message.method);
    if (message.id === undefined) return;
    const special = this.answers.get(message.method);
    const result = special === undefined ? this.#usual(message) : special(message.params);
    if (result === "silence") return;
    socket.send(JSON.stringify({ id: message.id, ...(result === undefined ? REFUSED : { result }) }));
  }

  #usual({ method, params }: { method: string; params?: { threadId?: string } }): unknown {
    const thread = this.threads.get(params?.threadId ?? "");
    switch (method) {
      case "initialize":
        return { userAgent: this.userAgent, codexHome: this.codexHome };
      case "thread/loaded/list":
        return { data: [...this.threads.keys()], nextCursor: null };
      case "thread/read":
        return thread === undefined ? undefined : { thread: this.#thread(thread) };
      case "mcpServerStatus/list": {
        if (thread === undefined || thread.hidden === true) return { data: [] };
        const terminal = { name: "codex_tui", httpOrigin: `http://127.0.0.1:${thread.port}` };
        return { data: [{ ...terminal, runtimeStatus: "connected", tools: {} }], nextCursor: null };
      }
      case "thread/turns/list": {
        if (thread?.turn === undefined) return undefined;
        const { turn: status, completedAt = null } = thread;
        return { data: [{ id: "turn", items: [], status, completedAt }], nextCursor: null };
      }
      default:
        return undefined;
    }
  }
}

const REFUSED = { error: { code: -32600, message: "not that" } };
