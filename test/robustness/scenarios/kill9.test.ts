import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { EventEnvelope } from "../../../src/client/index.js";
import { Scene } from "../../daemon/support/scene.js";
import { TestDaemon } from "../../support/daemon.js";
import { SEED } from "../../support/property.js";
import { History } from "../client/history.js";
import { sendHooks } from "../traffic/hooks.js";
import { type Stored, validateExactlyOnce } from "../validate/exactly-once.js";

const ROUNDS = Number(process.env["AGTMUX_TEST_KILLS"] ?? "25");
const CLIENTS = 3;
/** Longest life of a daemon before it is killed, in milliseconds. */
const LONGEST_LIFE_MS = 400;

/** A small generator of its own, so that a run can be replayed by its seed. */
function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function read(path: string): Stored {
  const db = new SqliteDatabase(path, { readonly: true });
  try {
    const events = new Map<string, number>();
    const hooks = db
      .prepare<[], { event_id: string }>("SELECT event_id FROM events WHERE source = 'hook'")
      .all();
    for (const { event_id } of hooks) events.set(event_id, (events.get(event_id) ?? 0) + 1);
    const inbox = db.prepare<[], { event_id: string }>("SELECT event_id FROM event_inbox").all();
    return {
      events,
      inbox: new Set(inbox.map(({ event_id }) => event_id)),
      integrity: String(db.pragma("integrity_check(1)", { simple: true })),
      foreignKeyFaults: db.prepare("PRAGMA foreign_key_check").all().length,
    };
  } finally {
    db.close();
  }
}

describe("TC-060 kill -9 at random points", () => {
  it("loses nothing that was answered OK and applies nothing twice", async () => {
    const root = mkdtempSync(join(tmpdir(), "agtmux-kill9-"));
    const next = random(SEED);
    console.info(`kill -9, ${ROUNDS} rounds, seed ${SEED}`);
    const history = new History();
    const unanswered: EventEnvelope[][] = [];
    const scene = await Scene.start({ stateDir: root });
    try {
      const agent = await scene.agentIn("idle", "new-session", "-d", "-s", "work");
      let daemon = scene.daemon;
      for (let round = 0; round < ROUNDS; round += 1) {
        const clients = Array.from({ length: CLIENTS }, () =>
          sendHooks(daemon.client, agent.pid, history, round, unanswered),
        );
        await new Promise((resolve) => setTimeout(resolve, next() * LONGEST_LIFE_MS));
        await daemon.end("SIGKILL");
        await Promise.all(clients);
        daemon = await TestDaemon.start({ stateDir: root });
      }
      await daemon.end();
      const breaches = validateExactlyOnce(history, read(join(root, "state", "agtmux.db")));
      console.info(
        `${history.taken.size} events taken over ${ROUNDS} kills, ${unanswered.length} batches unanswered`,
      );
      expect(breaches).toEqual([]);
      expect(history.taken.size).toBeGreaterThan(ROUNDS);
    } finally {
      await scene.close();
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    }
  }, 180_000);
});
