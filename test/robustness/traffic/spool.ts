import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, toJsonString } from "@bufbuild/protobuf";
import { IngestEventsRequestSchema } from "../../../src/client/index.js";
import type { History } from "../client/history.js";
import { asked, eventId, hookEvent } from "./hooks.js";
import type { Random } from "./random.js";

/** Hooks that found nobody listening: each leaves one file, as src/server/ingest/hook-script.ts does. */
export class Spool {
  readonly folder: string;
  #last = 0n;

  constructor(
    stateDir: string,
    private readonly agentPids: readonly number[],
    private readonly history: History,
    private readonly random: Random,
  ) {
    this.folder = join(stateDir, "spool.d", "local");
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  /** Leaves so many events, one file each, every one later than all before it. */
  leave(count: number): void {
    for (let index = 0; index < count; index += 1) {
      const now = BigInt(Date.now()) * 1_000_000n;
      this.#last = now > this.#last ? now : this.#last + 1n;
      const agent = this.random.pick(this.agentPids) ?? 0;
      const event = {
        ...hookEvent(agent, this.random),
        eventTimeUnixNs: this.#last,
        eventTimeResolutionNs: 1n,
      };
      const name = `${String(this.#last).padStart(20, "0")}-${event.eventId}.json`;
      const call = this.history.number();
      this.history.add({ kind: "ask", call, events: [asked(event)] });
      this.history.add({ kind: "spooled", name, eventId: event.eventId });
      this.#put(
        name,
        toJsonString(IngestEventsRequestSchema, create(IngestEventsRequestSchema, { events: [event] })),
      );
    }
  }

  /** Leaves what is no event: a torn file, foreign names, an empty one, one with a future of its own. */
  plant(): string[] {
    const time = String(this.#last).padStart(20, "0");
    const files: [string, string][] = [
      [`${time}-${eventId(this.random)}.json`, '{"events":[{"eventId":"'],
      [`${time}-${eventId(this.random)}.json`, ""],
      [`${time}-${eventId(this.random)}.json`, '{"events":[]}'],
      [`${time}-${eventId(this.random)}.json`, '{"events":[{"spooled":true}]}'],
      ["../escape\n.json".replaceAll("/", "_"), "x"],
      ["$(touch pwned).json", "x"],
    ];
    for (const [name, text] of files) {
      this.#put(name, text);
      this.history.add({ kind: "planted", name });
    }
    return files.map(([name]) => name);
  }

  #put(name: string, text: string): void {
    const temporary = join(this.folder, `.${name}.tmp`);
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, join(this.folder, name));
  }
}
