import { create } from "@bufbuild/protobuf";
import {
  type Candidate,
  CandidateSchema,
  type ChannelStatus,
  ChannelStatusSchema,
  type Evidence,
  EvidenceSchema,
  type ExplainPaneResponse,
  ExplainPaneResponseSchema,
} from "../../../gen/agtmux/v1/state_pb.js";
import { findPane } from "../actions/find-pane.js";
import type { AnyAdapter } from "../adapters/contract.js";
import { judge } from "../engine/fold.js";
import type { Micros } from "../engine/state.js";
import type { Journal } from "../ingest/journal.js";
import type { LiveRuntime } from "../ingest/live-runtime.js";
import type { EventRecord } from "../store/event-store.js";
import type { Store } from "../store/store.js";
import type { TargetManager } from "../targets/manager.js";
import { CONFIDENCE_TO_WIRE, SOURCE_TO_WIRE, STATE_TO_WIRE, timestamp } from "../watch/rows.js";
import { observed } from "../watch/scope.js";
import type { View } from "../watch/view.js";

const EVIDENCE_LIMIT = 30;

/** Tells why a pane has the state it has. */
export class Explainer {
  constructor(
    private readonly view: View,
    private readonly journal: Journal,
    private readonly store: Store,
    private readonly targets: TargetManager,
    private readonly adapterOf: (agentType: string) => AnyAdapter | undefined,
    private readonly now: () => Micros,
  ) {}

  /** Throws ContractError E_REF_INVALID, E_REF_INVALID_ENCODING, E_REF_NOT_FOUND or E_RUNTIME_STALE. */
  explain(ref: string): ExplainPaneResponse {
    const pane = findPane(ref, this.view, this.store.runtimes);
    const generatedAt = timestamp(this.now());
    const runtimeId = pane.agent?.runtimeId ?? "";
    const runtime = this.journal.runtime(runtimeId);
    const head = { schemaVersion: 1, generatedAt, pane: observed(pane, generatedAt) };
    if (runtime === undefined) return create(ExplainPaneResponseSchema, head);
    const events = this.store.events.list({ runtimeId, limit: EVIDENCE_LIMIT });
    const { record } = runtime;
    const looker = this.targets.find(record.targetId)?.looker;
    return create(ExplainPaneResponseSchema, {
      ...head,
      candidates: this.#candidates(runtime),
      evidence: events.map(evidence),
      channels: channels(this.store.events.list({ runtimeId, limit: 1_000 })),
      screenEvidence: looker?.evidence(runtimeId) ?? [],
      processEvidence: [
        `${record.agentType} is process ${record.agentPid}, start ${record.agentStartRaw}, in pane ${record.paneId} (pane process ${record.panePid})`,
        ...(runtime.pids.length > 1 ? [`its processes: ${runtime.pids.join(", ")}`] : []),
      ],
      overrides: overrides(runtime),
    });
  }

  #candidates(runtime: LiveRuntime): Candidate[] {
    const adapter = this.adapterOf(runtime.record.agentType);
    if (adapter === undefined) return [];
    const overridden = overrides(runtime).length > 0;
    return judge(runtime.fold, adapter.reducer).map(({ candidate, decisive, verdict }) =>
      create(CandidateSchema, {
        source: SOURCE_TO_WIRE[candidate.source],
        channel: candidate.channel,
        state: STATE_TO_WIRE[candidate.state],
        reasonCode: candidate.reason,
        confidence: CONFIDENCE_TO_WIRE[candidate.confidence],
        effectiveAt: timestamp(candidate.at),
        ageMs: BigInt(Math.round((this.now() - candidate.at) / 1_000)),
        eventId: candidate.eventId,
        decisive,
        verdict: decisive && overridden ? `${verdict}, but overridden` : verdict,
      }),
    );
  }
}

function overrides(runtime: LiveRuntime): string[] {
  const { fold } = runtime;
  const said: string[] = [];
  if (fold.targetDown !== undefined)
    said.push("target_unreachable: the target is down, its states are not known");
  if (fold.suspended !== undefined) said.push("suspended: the agent's process is stopped (Ctrl-Z)");
  if (fold.status.reason === "stale_signal") said.push("stale_signal: no sign of life for the running TTL");
  if (fold.status.reason === "demoted") said.push("demoted: the turn ended longer ago than completed lasts");
  return said;
}

function evidence(event: EventRecord): Evidence {
  const { transition } = event;
  const attributes = Object.entries(transition?.attributes ?? {}).map(([name, value]) => `${name}=${value}`);
  return create(EvidenceSchema, {
    ingestedAt: timestamp(event.ingestedAt),
    effectiveAt: timestamp(event.effectiveTime),
    source: SOURCE_TO_WIRE[event.source],
    channel: event.channel,
    eventType: event.eventType,
    transition: transition === undefined ? "" : [transition.kind, ...attributes].join(" "),
    eventId: event.eventId,
  });
}

/** One row per channel that had a signal; `events` newest first. */
function channels(events: readonly EventRecord[]): ChannelStatus[] {
  const grouped = Map.groupBy(events, (event) => `${event.source}/${event.channel}`);
  return [...grouped]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, group]) => {
      const [newest] = group;
      if (newest === undefined) return [];
      return [
        create(ChannelStatusSchema, {
          source: SOURCE_TO_WIRE[newest.source],
          channel: newest.channel,
          available: true,
          signals: BigInt(group.length),
          unknownSignals: BigInt(group.filter((event) => event.transition === undefined).length),
          lastAt: timestamp(newest.ingestedAt),
        }),
      ];
    });
}
