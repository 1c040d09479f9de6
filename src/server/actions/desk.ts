import { createHash } from "node:crypto";
import type { ActionTarget } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import type { Pane } from "../../../gen/agtmux/v1/state_pb.js";
import type { AnyAdapter } from "../adapters/contract.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { Micros } from "../engine/state.js";
import type { Journal } from "../ingest/journal.js";
import type { LiveRuntime } from "../ingest/live-runtime.js";
import { cleanLine, redactText } from "../ingest/redact.js";
import type { ActionOutcome, ActionType } from "../store/action-store.js";
import type { Store } from "../store/store.js";
import type { TargetManager } from "../targets/manager.js";
import type { TargetMonitor } from "../targets/monitor.js";
import { paneRef } from "../watch/rows.js";
import type { View } from "../watch/view.js";
import type { CleanUp } from "./buffers.js";
import { type Expectation, expectation, mismatch } from "./expectation.js";
import { findPane } from "./find-pane.js";
import type { Finished, Ledger } from "./ledger.js";
import { PaneHand, type ProvenGuards } from "./pane-hand.js";
import { PaneTurns } from "./pane-turns.js";
import { parseRef } from "./ref.js";
import { type Deed, refusedByState } from "./state-table.js";

const MAX_REQUEST_REF = 255;
const MAX_CALLER = 128;
/** Longest line of an action's record, in characters. */
const MAX_STORED = 1_024;

/** What an action is asked to do, and how. */
export interface Request {
  readonly type: ActionType;
  readonly target: ActionTarget | undefined;
  /** Who asks, as far as they said. */
  readonly caller: string;
  /** Everything that makes it another request, but for the ref and the guards. */
  readonly payload: readonly string[];
  /** What the state table decides on. */
  readonly deed: Deed;
  /** Runs anew each time it is asked for; a replay is no answer to it. */
  readonly anew?: boolean | undefined;
  /** Works on a pane without an agent too. */
  readonly plainPanes?: boolean | undefined;
  /** The first thing it does is to look at the pane: the look is begun while the plan is written down. */
  readonly looks?: boolean | undefined;
  /** Does it. What it throws before `begin` is a refusal; it must not throw afterwards. */
  readonly act: (job: Job) => Promise<ActionOutcome>;
}

/** An action that was resolved to one pane and found to be allowed, on its way. */
export interface Job {
  readonly actionId: string;
  readonly pane: Pane;
  readonly monitor: TargetMonitor;
  readonly expected: Expectation;
  /** `<server pid>:<server start>` of the pane. */
  readonly bootId: string;
  readonly now: () => Micros;
  /** To be called right before the first thing is done. Throws StoreFault. */
  readonly begin: () => void;
  /** The agent. Throws ContractError E_PRECONDITION_FAILED (no_agent) for a pane without one. */
  agent(): Agent;
}

export interface Agent {
  readonly runtimeId: string;
  readonly adapter: AnyAdapter;
  readonly hand: PaneHand;
  /** As it is now; undefined once it has ended. */
  now(): LiveRuntime | undefined;
}

export type Performed =
  | { readonly kind: "finished"; readonly finished: Finished; readonly replayed: boolean }
  | { readonly kind: "in_progress"; readonly actionId: string };

export interface DeskParts {
  readonly store: Store;
  readonly journal: Journal;
  readonly view: View;
  readonly targets: TargetManager;
  readonly ledger: Ledger;
  readonly guards: ProvenGuards;
  readonly buffers: CleanUp;
  readonly adapter: (agentType: string) => AnyAdapter | undefined;
  /** What it means to a caller that the store refused; undefined for any other error. */
  readonly storeError: (error: unknown) => ContractError | undefined;
  readonly now: () => Micros;
  readonly settings: { readonly snapshotMs: number };
}

/** Takes requests for actions: each to exactly one pane, once, in turn, and written down. */
export class ActionDesk {
  readonly #turns = new PaneTurns();

  constructor(private readonly parts: DeskParts) {}

  /**
   * Performs an action. Throws ContractError: what makes a request invalid or its ref no pane's stores nothing; any later
   * refusal is stored, and carries the action's id.
   */
  async perform(request: Request): Promise<Performed> {
    const { ledger, store, view, now } = this.parts;
    const { type, target } = request;
    if (target === undefined) throw invalidArgument("target", "is required");
    const { ref, requestRef } = target;
    if (requestRef === "" || requestRef.length > MAX_REQUEST_REF)
      throw invalidArgument("target.request_ref", `is required, of at most ${MAX_REQUEST_REF} characters`);
    const expected = expectation(target, now());
    const hash = requestHash(request, target);
    const known = ledger.find(type, requestRef);
    if (known !== undefined && !(request.anew === true && known.requestHash === hash)) {
      const replay = await ledger.replay(known, hash);
      return replay.kind === "finished" ? { ...replay, replayed: true } : replay;
    }
    const pane = findPane(ref, view, store.runtimes);
    const { identity } = pane;
    const targetId = identity?.target ?? "";
    const paneId = identity?.paneId ?? "";
    const runtimeId = pane.agent?.runtimeId ?? "";
    const plan = {
      actionType: type,
      requestRef,
      requestHash: hash,
      ref: storedRef(ref),
      targetId,
      paneId,
      sessionName: redactText(identity?.sessionName ?? ""),
      windowId: identity?.windowId ?? "",
      runtimeId,
      caller: redactText(cleanLine(request.caller, MAX_CALLER)),
    };
    const turn = `${targetId} ${paneId}`;
    const early = request.looks === true && this.#turns.free(turn) ? this.#early(pane) : undefined;
    early?.hand.beginLook();
    // What is refused beyond this point is written down too.
    const actionId = known?.actionId ?? ledger.plan(plan, expected);
    const finished = await ledger.execute({ actionId, type, runtimeId }, () =>
      this.#outcome(() =>
        this.#turns.take(turn, async () =>
          request.act(this.#admit(request, actionId, pane, expected, early)),
        ),
      ),
    );
    return { kind: "finished", finished, replayed: false };
  }

  /** What an action came to, as it may be stored. Refusals are thrown before anything is done, and are what it came to as well. */
  async #outcome(work: () => Promise<ActionOutcome>): Promise<ActionOutcome> {
    try {
      const outcome = await work();
      return { ...outcome, message: storedText(outcome.message) };
    } catch (error) {
      const refusal = error instanceof ContractError ? error : this.parts.storeError(error);
      if (refusal === undefined) throw error;
      const facts = Object.entries(refusal.details).map(([name, fact]) => [name, storedText(fact)]);
      const told = { code: refusal.codeName, details: Object.fromEntries(facts) };
      return { code: "refused", message: storedText(refusal.message), error: told };
    }
  }

  /** Throws ContractError: the refusal. */
  #admit(request: Request, actionId: string, pane: Pane, expected: Expectation, early?: Agent): Job {
    const { targets, journal, ledger, now, settings } = this.parts;
    const targetId = pane.identity?.target ?? "";
    const paneId = pane.identity?.paneId ?? "";
    const monitor = targets.find(targetId);
    if (monitor === undefined) {
      throw new ContractError(ErrorCode.E_TARGET_NOT_FOUND, "the target was removed", { target: targetId });
    }
    if (monitor.fault !== undefined) {
      const { code, message } = monitor.fault;
      throw new ContractError(code, message, { target: targetId });
    }
    const runtimeId = pane.agent?.runtimeId ?? "";
    const runtime = journal.runtime(runtimeId);
    if (runtimeId !== "" && runtime === undefined)
      throw new ContractError(ErrorCode.E_RUNTIME_STALE, "the agent has ended");
    const bootId = pane.observation?.bootId ?? "";
    const found = { bootId, paneId, panePid: Number(pane.panePid), agent: runtime && agentFacts(runtime) };
    const wrong = mismatch(expected, found, now(), settings.snapshotMs);
    if (wrong !== undefined) throw wrong;
    if (runtime === undefined && request.plainPanes !== true) throw noAgent();
    if (runtime !== undefined) {
      const { state } = runtime.state.status;
      const message = refusedByState(request.deed, state, expected.ifState);
      if (message !== undefined)
        throw new ContractError(ErrorCode.E_PRECONDITION_FAILED, message, { reason: "state", state });
    }
    const { type } = request;
    return {
      actionId,
      pane,
      monitor,
      expected,
      bootId,
      now,
      begin: () => ledger.begin({ actionId, type, runtimeId }),
      agent: () => {
        if (runtime === undefined) throw noAgent();
        return early ?? this.#agent(runtime, monitor);
      },
    };
  }

  /** The agent of a pane, before anything was checked; undefined where there is nobody to look at. */
  #early({ identity, agent }: Pane): Agent | undefined {
    const { targets, journal, adapter } = this.parts;
    const monitor = targets.find(identity?.target ?? "");
    const runtime = journal.runtime(agent?.runtimeId ?? "");
    if (monitor === undefined || monitor.fault !== undefined || runtime === undefined) return undefined;
    return adapter(runtime.record.agentType) && this.#agent(runtime, monitor);
  }

  #agent({ record }: LiveRuntime, monitor: TargetMonitor): Agent {
    const { adapter: adapterOf, guards, buffers, journal } = this.parts;
    const { runtimeId, agentType, targetId, paneId, panePid, bootId, agentPid, agentStartRaw } = record;
    const adapter = adapterOf(agentType);
    if (adapter === undefined)
      throw new ContractError(ErrorCode.E_UNSUPPORTED, `there is no adapter for ${agentType}`);
    const process = { pid: agentPid, startRaw: agentStartRaw };
    const aim = { target: targetId, paneId, panePid, bootId, process };
    const hand = new PaneHand(monitor.executor, aim, guards, buffers);
    return { runtimeId, adapter, hand, now: () => journal.runtime(runtimeId) };
  }
}

function noAgent(): ContractError {
  return new ContractError(ErrorCode.E_PRECONDITION_FAILED, "no agent runs in that pane", {
    reason: "no_agent",
  });
}

function agentFacts({ record, state }: LiveRuntime) {
  const { stateVersion, updatedAt, status } = state;
  return { runtimeId: record.runtimeId, stateVersion, updatedAt, state: status.state };
}

/** A line as it may be stored: what hosts and tmux say stands in some. */
function storedText(text: string): string {
  return redactText(cleanLine(text, MAX_STORED));
}

/** The ref as given, but for a session's name that may not be stored. */
function storedRef(ref: string): string {
  const parsed = parseRef(ref);
  return parsed.kind === "runtime"
    ? ref
    : paneRef({ ...parsed, sessionName: redactText(parsed.sessionName) });
}

/** What was looked at is left out: who asks again after a crash has looked again. */
function requestHash({ type, payload }: Request, target: ActionTarget): string {
  const { ref, ifRuntime, ifState, ifUpdatedWithin, forceStale } = target;
  const within = ifUpdatedWithin === undefined ? "" : `${ifUpdatedWithin.seconds}.${ifUpdatedWithin.nanos}`;
  const words = [type, ref, ifRuntime, ifState.join(","), within, String(forceStale), ...payload];
  return createHash("sha256").update(JSON.stringify(words)).digest("hex");
}
