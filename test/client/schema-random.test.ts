import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ActionSchema,
  AttachResponseSchema,
  KillResponseSchema,
  ListActionsResponseSchema,
  ViewOutputResponseSchema,
} from "../../gen/agtmux/v1/action_pb.js";
import {
  ObservationSchema,
  PaneIdentitySchema,
  SessionIdentitySchema,
  WindowIdentitySchema,
} from "../../gen/agtmux/v1/common_pb.js";
import { ListEventsResponseSchema } from "../../gen/agtmux/v1/event_pb.js";
import {
  AgentStatusSchema,
  ChangeOp,
  ExplainPaneResponseSchema,
  ListPanesResponseSchema,
  ListSessionsResponseSchema,
  ListWindowsResponseSchema,
  PaneSchema,
  RollupSchema,
  SessionSchema,
  WatchChangeSchema,
  WatchItemSchema,
  WatchResponseSchema,
  WatchScope,
  WindowSchema,
} from "../../gen/agtmux/v1/state_pb.js";
import { TargetSchema } from "../../gen/agtmux/v1/target_pb.js";
import { actionResultJson } from "../../src/client/cli/action-result.js";
import { actionsJson } from "../../src/client/cli/actions.js";
import { eventsJson } from "../../src/client/cli/events.js";
import { explainJson } from "../../src/client/cli/explain.js";
import { type JsonObject, panesJson, sessionsJson, windowsJson } from "../../src/client/cli/json.js";
import { colored, safeJson } from "../../src/client/cli/printable.js";
import { targetJson } from "../../src/client/cli/target-json.js";
import { viewOutputJson } from "../../src/client/cli/view-output.js";
import { watchMessageJson } from "../../src/client/cli/watch-json.js";
import { STATE_WORDS } from "../../src/client/cli/words.js";
import { holds } from "../support/property.js";
import { anyMessage, type Fields } from "./support/any-message.js";
import { strictComplaints } from "./support/schemas.js";

const numbered = (sign: string) => fc.nat().map((number) => `${sign}${number}`);
const stateCounts = fc.dictionary(
  fc.constantFrom(...Object.values(STATE_WORDS).filter((word) => word !== "")),
  fc.nat(),
);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const WORDS: Fields = {
  schema_version: fc.constant(1),
  window_id: numbered("@"),
  pane_id: numbered("%"),
  runtime_id: fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 }),
  by_state: stateCounts,
  "SessionPart.session_id": numbered("$"),
};

// Times that a daemon may not have.
const anyTime = anyMessage(TargetSchema, WORDS).map(({ createdAt }) => createdAt);
const TIMES: Fields = {
  ...WORDS,
  last_ok_at: maybe(anyTime),
  last_at: maybe(anyTime),
  ended_at: fc.constant(undefined),
};

const anyObservation = anyMessage(ObservationSchema, TIMES).chain((observation) =>
  fc.constantFrom(observation, { ...observation, runtimeId: "" }, { ...observation, observedAt: undefined }),
);
const anyStatus = anyMessage(AgentStatusSchema, TIMES);
// What has ended says so; a text has an id.
const anyAgent = fc
  .tuple(anyStatus, maybe(anyTime), maybe(fc.integer()))
  .map(([status, endedAt, exitStatus]) => ({
    ...status,
    ...(status.promptId === "" ? { promptText: "" } : {}),
    ...(endedAt === undefined ? { endReason: "", exitStatus: undefined } : { endedAt, exitStatus }),
  }));
const anyRollup = anyMessage(RollupSchema, WORDS).map((rollup) =>
  rollup.agents === 0 ? { ...rollup, state: 0 } : rollup,
);

const FIELDS: Fields = {
  ...TIMES,
  "Pane.agent": maybe(anyAgent),
  "Pane.observation": anyObservation,
  rollup: fc.oneof(anyRollup, fc.constant(undefined)),
};

const anyAction = anyMessage(ActionSchema, {
  ...FIELDS,
  completed_at: maybe(anyTime),
  "Action.runtime_id": fc.oneof(fc.constant(""), fc.constant("ab".repeat(32))),
});

const target = fc.string({ minLength: 1 });
const anyRow = anyMessage(SessionSchema, {
  ...FIELDS,
  "Session.session_id": numbered("$"),
  "SessionIdentity.target": target,
  "Session.parts": fc.constant([]),
});
const anyMerged = anyMessage(SessionSchema, {
  ...FIELDS,
  "Session.session_id": fc.constant(""),
  "SessionIdentity.target": fc.constant(""),
}).filter(({ parts }) => parts.length > 0);

/** Items and identities of a scope, as the contract's `oneof` holds them. */
const SCOPES = [
  {
    scope: WatchScope.PANES,
    case: "pane",
    item: anyMessage(PaneSchema, FIELDS),
    identity: PaneIdentitySchema,
  },
  {
    scope: WatchScope.WINDOWS,
    case: "window",
    item: anyMessage(WindowSchema, FIELDS),
    identity: WindowIdentitySchema,
  },
  { scope: WatchScope.SESSIONS, case: "session", item: anyRow, identity: SessionIdentitySchema },
] as const;

const anyWatchMessage = fc.oneof(
  ...SCOPES.map(({ scope, case: name, item, identity }) => {
    const items = anyMessage(WatchItemSchema, {
      "WatchItem.item": item.map((value) => ({ case: name, value })),
    });
    const which = { ...FIELDS, "SessionIdentity.target": target };
    const changes = anyMessage(WatchChangeSchema, {
      "WatchChange.identity": anyMessage(identity, which).map((value) => ({ case: name, value })),
      "WatchChange.item": items,
      "WatchChange.op": fc.constantFrom(ChangeOp.UPSERT, ChangeOp.DELETE),
    });
    return anyMessage(WatchResponseSchema, {
      ...FIELDS,
      "WatchResponse.scope": fc.constant(scope),
      "WatchResponse.items": fc.array(items, { maxLength: 2 }),
      "WatchResponse.changes": fc.array(changes, { maxLength: 2 }),
    });
  }),
);

const CASES: readonly (readonly [string, fc.Arbitrary<JsonObject>, string])[] = [
  ["panes", anyMessage(ListPanesResponseSchema, FIELDS).map(panesJson), "list-panes"],
  ["windows", anyMessage(ListWindowsResponseSchema, FIELDS).map(windowsJson), "list-windows"],
  [
    "sessions",
    anyMessage(ListSessionsResponseSchema, {
      ...FIELDS,
      "ListSessionsResponse.sessions": fc.array(fc.oneof(anyRow, anyMerged), { maxLength: 3 }),
    }).map(sessionsJson),
    "list-sessions",
  ],
  ["a stream", anyWatchMessage.map(watchMessageJson), "watch"],
  ["an explanation", anyMessage(ExplainPaneResponseSchema, FIELDS).map(explainJson), "explain"],
  ["events", anyMessage(ListEventsResponseSchema, FIELDS).map(eventsJson), "events"],
  [
    "actions",
    anyMessage(ListActionsResponseSchema, {
      ...FIELDS,
      "ListActionsResponse.actions": fc.array(anyAction, { maxLength: 3 }),
    }).map(actionsJson),
    "actions",
  ],
  [
    "an attach",
    anyMessage(AttachResponseSchema, { ...FIELDS, argv: fc.array(fc.string(), { minLength: 1 }) }).map(
      (answer) => actionResultJson(answer, undefined, { argv: answer.argv }),
    ),
    "action-result",
  ],
  [
    "a kill",
    anyMessage(KillResponseSchema, FIELDS).map((answer) =>
      actionResultJson(answer, { name: "ended", outcome: answer.ended, wanted: false }),
    ),
    "action-result",
  ],
  [
    "a look at a pane's output",
    anyMessage(ViewOutputResponseSchema, FIELDS).map((answer) => viewOutputJson(answer, colored)),
    "action-result",
  ],
  [
    "a target",
    anyMessage(TargetSchema, FIELDS).map((value) => ({ schema_version: 1, target: targetJson(value) })),
    "target",
  ],
];

describe("TC-021 TC-035 TC-045 whatever the API says", () => {
  it.each(CASES)("of %s, its JSON is all that the schema knows", (_what, output, schema) => {
    const property = fc.property(output, (json) => {
      expect(strictComplaints(schema, JSON.parse(safeJson(json)))).toEqual([]);
    });
    holds(property, 300);
  });
});
