import {
  type Candidate,
  type ChannelStatus,
  type Evidence,
  type ExplainPaneResponse,
  StateService,
} from "../../../gen/agtmux/v1/state_pb.js";
import type { Context } from "./context.js";
import { ageText } from "./durations.js";
import { fact, type JsonObject, paneJson, time } from "./json.js";
import { tableView } from "./list.js";
import { printable, safeJson } from "./printable.js";
import { resolveRef } from "./resolve-ref.js";
import { panePlace, type TableView } from "./tables.js";
import { type Column, textTable } from "./text-table.js";
import { channelWord, confidenceWord, rfc3339, sourceWord, stateWord } from "./words.js";

function candidateJson(candidate: Candidate): JsonObject {
  return {
    source: sourceWord(candidate.source),
    ...fact("channel", candidate.channel),
    state: stateWord(candidate.state),
    reason_code: candidate.reasonCode,
    confidence: confidenceWord(candidate.confidence),
    ...time("effective_at", candidate.effectiveAt),
    age_ms: Number(candidate.ageMs),
    ...fact("event_id", candidate.eventId),
    decisive: candidate.decisive,
    verdict: printable(candidate.verdict),
  };
}

function evidenceJson(evidence: Evidence): JsonObject {
  return {
    ...time("ingested_at", evidence.ingestedAt),
    ...time("effective_at", evidence.effectiveAt),
    source: sourceWord(evidence.source),
    ...fact("channel", evidence.channel),
    event_type: printable(evidence.eventType),
    ...fact("transition", printable(evidence.transition)),
    event_id: evidence.eventId,
  };
}

function channelJson(channel: ChannelStatus): JsonObject {
  return {
    source: sourceWord(channel.source),
    ...fact("channel", channel.channel),
    available: channel.available,
    ...fact("detail", printable(channel.detail)),
    signals: Number(channel.signals),
    unknown_signals: Number(channel.unknownSignals),
    ...time("last_at", channel.lastAt),
  };
}

export function explainJson(answer: ExplainPaneResponse): JsonObject {
  return {
    schema_version: answer.schemaVersion,
    ...time("generated_at", answer.generatedAt),
    ...(answer.pane === undefined ? {} : { item: paneJson(answer.pane, answer.generatedAt) }),
    candidates: answer.candidates.map(candidateJson),
    evidence: answer.evidence.map(evidenceJson),
    channels: answer.channels.map(channelJson),
    screen_evidence: answer.screenEvidence.map(printable),
    process_evidence: answer.processEvidence.map(printable),
    overrides: answer.overrides.map(printable),
  };
}

const CANDIDATE_COLUMNS: readonly Column[] = [
  { title: "", min: 1, shrink: 0 },
  { title: "SOURCE", min: 8, shrink: 2 },
  { title: "STATE", min: 16, shrink: 0 },
  { title: "WHY", min: 8, shrink: 3 },
  { title: "TRUST", min: 6, shrink: 0 },
  { title: "AGE", min: 5, shrink: 0 },
  { title: "VERDICT", min: 12, shrink: 5 },
];

const CHANNEL_COLUMNS: readonly Column[] = [
  { title: "CHANNEL", min: 8, shrink: 1 },
  { title: "IN USE", min: 6, shrink: 0 },
  { title: "SIGNALS", min: 7, shrink: 0 },
  { title: "UNKNOWN", min: 7, shrink: 0 },
  { title: "DETAIL", min: 12, shrink: 5 },
];

const EVIDENCE_COLUMNS: readonly Column[] = [
  { title: "TIME", min: 24, shrink: 0 },
  { title: "SOURCE", min: 8, shrink: 1 },
  { title: "EVENT", min: 8, shrink: 2 },
  { title: "MEANS", min: 8, shrink: 5 },
];

function headLines(answer: ExplainPaneResponse, view: TableView): string[] {
  const { pane } = answer;
  if (pane === undefined) return [];
  const { agent } = pane;
  if (agent === undefined) return [`${panePlace(pane)}  no agent`, `ref      ${printable(pane.ref)}`];
  const state = view.palette.state(agent.state)(stateWord(agent.state));
  const by = channelWord(agent.source, agent.channel);
  return [
    `${panePlace(pane)}  ${printable(agent.agentType)}  ${state}`,
    `why      ${printable(agent.reasonCode)}, ${confidenceWord(agent.confidence)} confidence, by ${printable(by)}`,
    ...(agent.since === undefined ? [] : [`since    ${rfc3339(agent.since)}`]),
    `ref      ${printable(pane.ref)}`,
    `runtime  ${printable(agent.runtimeId)}`,
  ];
}

function section(title: string, lines: readonly string[], view: TableView): string[] {
  return lines.length === 0 ? [] : ["", view.palette.strong(title), ...lines];
}

export function explainLines(answer: ExplainPaneResponse, view: TableView): string[] {
  const { header, strong, faint } = view.palette;
  const candidates = answer.candidates.map((candidate) => [
    { text: candidate.decisive ? "*" : "", style: strong },
    { text: printable(channelWord(candidate.source, candidate.channel)) },
    { text: stateWord(candidate.state), style: view.palette.state(candidate.state) },
    { text: printable(candidate.reasonCode) },
    { text: confidenceWord(candidate.confidence) },
    { text: ageText(Number(candidate.ageMs)) },
    { text: printable(candidate.verdict), style: candidate.decisive ? undefined : faint },
  ]);
  const channels = answer.channels.map((channel) => [
    { text: printable(channelWord(channel.source, channel.channel)) },
    { text: channel.available ? "yes" : "no" },
    { text: String(channel.signals) },
    { text: String(channel.unknownSignals) },
    { text: printable(channel.detail) },
  ]);
  const evidence = answer.evidence.map((each) => [
    { text: each.effectiveAt === undefined ? "" : rfc3339(each.effectiveAt) },
    { text: printable(channelWord(each.source, each.channel)) },
    { text: printable(each.eventType) },
    {
      text: printable(each.transition) || "changes nothing",
      style: each.transition === "" ? faint : undefined,
    },
  ]);
  const table = (columns: readonly Column[], rows: typeof candidates) =>
    rows.length === 0 ? [] : textTable(columns, rows, view, header);
  return [
    ...headLines(answer, view),
    ...section("Candidates", table(CANDIDATE_COLUMNS, candidates), view),
    ...section("Overrides", answer.overrides.map(printable), view),
    ...section("Screen", answer.screenEvidence.map(printable), view),
    ...section("Processes", answer.processEvidence.map(printable), view),
    ...section("Channels", table(CHANNEL_COLUMNS, channels), view),
    ...section("Signals, newest first", table(EVIDENCE_COLUMNS, evidence), view),
  ];
}

/** `agtmux explain REF` */
export async function explain(
  context: Context,
  ref: string,
  options: { readonly json?: boolean | undefined },
): Promise<void> {
  const answer = await context.client(StateService).explainPane({ ref: await resolveRef(context, ref) });
  const { io } = context;
  const text = options.json
    ? safeJson(explainJson(answer), 2)
    : explainLines(answer, await tableView(io, answer)).join("\n");
  io.stdout.write(`${text}\n`);
}
