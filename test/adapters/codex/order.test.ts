import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codexAdapter } from "../../../src/server/adapters/codex/index.js";
import type { BoundEvent, Transition } from "../../../src/server/engine/event.js";
import { emptyFold, refold } from "../../../src/server/engine/fold.js";
import type { Source } from "../../../src/server/engine/state.js";
import { extend, timelineFrom } from "../../../src/server/engine/timeline.js";
import { holds } from "../../support/property.js";

const { reducer } = codexAdapter;
const EPOCH = 1_795_300_000_000_000;

type Said = readonly [Source, string, Transition];

const turn = fc.constantFrom("", "t1", "t2");
const subject = fc.constantFrom("", "a", "b");
const hook = fc
  .tuple(
    fc.constantFrom(
      ...["prompt", "model_request", "model_failed", "tool_start", "tool_end", "activity", "permission"],
      ...["stop", "interrupt", "session_start", "noted", "no_such_kind"],
    ),
    turn,
    subject,
    fc.constantFrom("tool", "question"),
    fc.constantFrom("startup", "clear", "compact"),
  )
  .map(([kind, id, about, dialog, source]): Said => {
    return ["hook", "", { kind, attributes: { turn: id, subject: about, dialog, source } }];
  });
const server = fc
  .tuple(
    fc.constantFrom("active", "waiting_approval", "waiting_input", "idle", "system_error", "gone", "odd"),
    fc.constantFrom("", "completed", "interrupted", "failed", "none"),
  )
  .map(
    ([status, end]): Said => ["native", "app_server", { kind: "thread_status", attributes: { status, end } }],
  );
const title = fc
  .tuple(fc.constantFrom("plain", "turn", "dialog", "odd"), fc.boolean())
  .map(([word, moving]): Said => ["native", "title", { kind: "title", attributes: { word, moving } }]);
const screen = fc
  .tuple(
    fc.constantFrom("running", "waiting_approval", "waiting_input", "completed", "idle", "error", "odd"),
    fc.boolean(),
    fc.constantFrom("", "d1", "d2"),
  )
  .map(([state, confirmed, digest]): Said => {
    return ["poller", "screen", { kind: "screen", attributes: { state, reason: "seen", confirmed, digest } }];
  });

const events = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 8_000 }), fc.oneof(hook, server, title, screen)), {
    maxLength: 24,
  })
  .map((told) =>
    told.map(([ms, [source, channel, transition]], index): BoundEvent => {
      const time = EPOCH + ms * 1_000;
      const times = { eventTime: time, ingestedAt: time, effectiveTime: time };
      return { eventId: `event-${String(index).padStart(3, "0")}`, source, channel, ...times, transition };
    }),
  );

describe("whatever Codex's channels say", () => {
  it("ends in one state, in whatever order it comes in", () => {
    holds(
      fc.property(
        events.chain((told) =>
          fc.tuple(
            fc.constant(told),
            fc.shuffledSubarray(told, { minLength: told.length, maxLength: told.length }),
          ),
        ),
        ([told, shuffled]) => {
          const start = emptyFold(reducer, EPOCH);
          const whole = refold(start, told, reducer);
          // As the daemon does it: on top where it extends the order, anew where it is late.
          let live = timelineFrom(start, [], reducer);
          const seen: BoundEvent[] = [];
          for (const event of shuffled) {
            seen.push(event);
            live = extend(live, [event], reducer)?.timeline ?? timelineFrom(start, seen, reducer);
          }
          expect(live.fold).toEqual(whole);
        },
      ),
      400,
    );
  });

  it("gives candidates that can be stored and shown: JSON, bounded, with a reason, dialogs only while waiting", () => {
    holds(
      fc.property(events, (told) => {
        const { memory, status } = refold(emptyFold(reducer, EPOCH), told, reducer);
        expect(JSON.parse(JSON.stringify(memory))).toEqual(memory);
        expect(status.reason).not.toBe("");
        for (const candidate of reducer.candidates(memory)) {
          const waiting = candidate.state === "waiting_approval" || candidate.state === "waiting_input";
          expect(candidate.dialog !== undefined).toBe(waiting);
          if (waiting) expect(candidate.dialog?.episode).toBeGreaterThan(0);
        }
      }),
      400,
    );
  });

  it("is overruled by the newest word of the app-server", () => {
    const last: Record<string, readonly string[]> = {
      active: ["running"],
      waiting_approval: ["waiting_approval"],
      waiting_input: ["waiting_input"],
      system_error: ["error"],
    };
    holds(
      fc.property(events, fc.constantFrom(...Object.keys(last)), (told, status) => {
        const before = told.filter(({ channel }) => channel !== "app_server");
        const time = EPOCH + 9_000_000;
        const times = { eventTime: time, ingestedAt: time, effectiveTime: time };
        const transition = { kind: "thread_status", attributes: { status, end: "" } };
        const word = {
          eventId: "word",
          source: "native" as const,
          channel: "app_server",
          ...times,
          transition,
        };
        const fold = refold(emptyFold(reducer, EPOCH), [...before, word], reducer);
        expect(last[status]).toContain(fold.status.state);
        expect(fold.status.channel).toBe("app_server");
      }),
      300,
    );
  });
});
