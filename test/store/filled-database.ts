import type { Database } from "better-sqlite3";

const RUNTIMES = 200;
const START = 1_700_000_000_000_000;
/** Actions of each runtime; of its newest one an earlier daemon left no result. */
const ACTIONS = 20;

/**
 * Fills an empty database of the newest schema with runtimes, of which one in ten is active, and `events` events
 * spread over them, a state each, an inbox, checkpoints and actions.
 */
export function fill(db: Database, events: number): void {
  const runtime = db.prepare(
    `INSERT INTO runtimes (runtime_id, target_id, boot_id, pane_id, pane_epoch, agent_type, agent_pid, agent_start_raw,
       started_at_ns, pane_pid, created_at, ended_at, end_reason) VALUES (?, 'host', 'b', ?, ?, 'claude', 1, '1', 1, 1, 1, ?, ?)`,
  );
  const event = db.prepare(
    `INSERT INTO events (event_id, runtime_id, event_type, agent_type, source, channel, dedupe_key, event_time,
       effective_time, ingested_at, transition, action_id) VALUES (?, ?, 'Stop', 'claude', ?, '', ?, ?, ?, ?, '{"kind":"stop"}', ?)`,
  );
  const state = db.prepare(
    `INSERT INTO states (runtime_id, state, reason_code, confidence, source, decided_at, since, updated_at, state_version)
     VALUES (?, 'idle', 'x', 'low', 'hook', 1, 1, ?, 1)`,
  );
  const inbox = db.prepare(
    `INSERT INTO event_inbox (event_id, source, dedupe_key, status, event, ingested_at) VALUES (?, 'hook', ?, ?, '', ?)`,
  );
  const checkpoint = db.prepare(
    "INSERT INTO checkpoints (runtime_id, order_time, order_key, reducer, fold) VALUES (?, ?, 'k', 'claude/1', '{}')",
  );
  const action = db.prepare(
    `INSERT INTO actions (action_id, action_type, request_ref, request_hash, ref, target_id, pane_id, runtime_id, status,
       created_at) VALUES (?, 'send', ?, '', '', 'host', ?, ?, ?, ?)`,
  );
  const sources = ["hook", "native", "poller", "reconciler"];
  db.transaction(() => {
    db.exec("INSERT INTO targets (target_id, kind, created_at) VALUES ('host', 'local', 1)");
    for (let index = 0; index < RUNTIMES; index += 1) {
      const active = index % 10 === 0;
      const id = `r${index}`;
      runtime.run(id, `%${index % 50}`, index + 1, active ? null : START + index, active ? null : "exited");
      if (active) db.prepare("UPDATE runtimes SET pane_id = ? WHERE runtime_id = ?").run(`%a${index}`, id);
      state.run(id, START + index);
      checkpoint.run(id, START + index);
      for (let count = 0; count < ACTIONS; count += 1) {
        const name = `a${index + count * RUNTIMES}`;
        const status = active && count === ACTIONS - 1 ? "started" : "done";
        action.run(name, name, `%${index % 50}`, id, status, START + index + count);
      }
      inbox.run(`i${index}`, `i${index}`, active ? "pending_bind" : "bound", START + index);
    }
    for (let index = 0; index < events; index += 1) {
      const at = START + index * 1_000;
      const id = `e${index}`;
      const source = sources[index % sources.length] ?? "hook";
      const named = index % 1_000 === 0 ? `a${index % RUNTIMES}` : null;
      event.run(id, `r${(index * 7) % RUNTIMES}`, source, id, at, at, at, named);
    }
  })();
}
