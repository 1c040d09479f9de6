import { AdapterRegistry } from "../../../src/server/adapters/registry.js";
import type { BoundEvent } from "../../../src/server/engine/event.js";
import { emptyFold, refold } from "../../../src/server/engine/fold.js";
import { promptId } from "../../../src/server/engine/identity.js";
import type { Status } from "../../../src/server/engine/state.js";

/** What a runtime's fold begins with. */
export interface ModelRuntime {
  readonly runtimeId: string;
  readonly agentType: string;
  /** Microseconds since the epoch. */
  readonly startedAt: number;
}

/** A stored event, as far as it counts. */
export interface ModelEvent extends BoundEvent {
  readonly runtimeId: string;
  readonly late: boolean;
}

export interface ModelState {
  readonly status: Omit<Status, "dialog">;
  readonly promptId: string;
}

const registry = new AdapterRegistry();

/**
 * What each runtime's state must be: the fold of its events from the first to the last, by the engine and the adapter
 * alone, without checkpoints, memory or transactions. Knows nothing of events that retention has taken away.
 */
export function replay(
  runtimes: readonly ModelRuntime[],
  events: readonly ModelEvent[],
): Map<string, ModelState> {
  const byRuntime = Map.groupBy(
    events.filter(({ late }) => !late),
    ({ runtimeId }) => runtimeId,
  );
  return new Map(
    runtimes.map(({ runtimeId, agentType, startedAt }) => {
      const reducer = registry.find(agentType)?.reducer;
      if (reducer === undefined) throw new Error(`no adapter for ${agentType}`);
      const { status } = refold(emptyFold(reducer, startedAt), byRuntime.get(runtimeId) ?? [], reducer);
      const { dialog, ...rest } = status;
      const prompt = dialog === undefined ? undefined : promptId(runtimeId, dialog);
      return [runtimeId, { status: rest, promptId: prompt ?? "" }];
    }),
  );
}
