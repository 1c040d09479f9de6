import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type EventEnvelope, EventEnvelopeSchema, SignalSource } from "../../../src/client/index.js";
import type { FakeAgent } from "../../daemon/support/scene.js";

/** One turn of Claude Code, as its hooks tell it. */
const TURN = [
  "UserPromptSubmit",
  "PreToolUse",
  "PostToolUse",
  "PreToolUse",
  "PermissionRequest",
  "PostToolUse",
  "Stop",
] as const;

/** The hooks of one agent: turn after turn, each event at its own millisecond, in the order in which it is made. */
export class HookVoice {
  readonly #session = randomUUID();
  #at = 0;
  #turn = randomUUID();
  #said = 0;

  constructor(
    readonly agent: FakeAgent,
    private readonly server: { readonly socketPath: string; readonly pid: number },
  ) {}

  /** The next `count` events; the last of them happened just now. */
  next(count = 1): EventEnvelope[] {
    this.#at = Math.max(this.#at, Date.now() - count);
    return Array.from({ length: count }, () => {
      const kind = TURN[this.#said % TURN.length] ?? "Stop";
      this.#said += 1;
      return this.#event(kind);
    });
  }

  /** An event that changes the state, in turn: a prompt (running), a turn's end (completed). */
  flip(): { readonly event: EventEnvelope; readonly kind: "UserPromptSubmit" | "Stop" } {
    this.#at = Math.max(this.#at, Date.now() - 1);
    const kind = this.#said % 2 === 0 ? "UserPromptSubmit" : "Stop";
    this.#said += 1;
    return { event: this.#event(kind), kind };
  }

  #event(kind: string): EventEnvelope {
    this.#at += 1;
    if (kind === "UserPromptSubmit") this.#turn = randomUUID();
    const tool = kind.endsWith("ToolUse") || kind === "PermissionRequest";
    return create(EventEnvelopeSchema, {
      eventId: randomUUID(),
      eventType: kind,
      agentType: "claude",
      source: SignalSource.HOOK,
      eventTimeUnixNs: BigInt(this.#at) * 1_000_000n,
      eventTimeResolutionNs: 1_000_000n,
      tmux: { socketPath: this.server.socketPath, serverPid: BigInt(this.server.pid) },
      paneId: this.agent.paneId,
      pid: BigInt(this.agent.pid),
      parentPids: [BigInt(this.agent.pid)],
      rawPayload: Buffer.from(JSON.stringify(this.#payload(kind, tool))),
    });
  }

  #payload(kind: string, tool: boolean): Record<string, unknown> {
    return {
      session_id: this.#session,
      prompt_id: this.#turn,
      hook_event_name: kind,
      permission_mode: "default",
      ...(tool ? { tool_name: "Bash", tool_input: { command: "npm test" } } : {}),
    };
  }
}
