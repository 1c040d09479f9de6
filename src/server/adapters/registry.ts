import { claudeAdapter } from "./claude/index.js";
import { codexAdapter } from "./codex/index.js";
import { type AnyAdapter, registered } from "./contract.js";

/** Every adapter there is. Adding one touches its own folder and this list. */
export const ADAPTERS: readonly AnyAdapter[] = [registered(claudeAdapter), registered(codexAdapter)];

/** Looks adapters up by agent type. */
export class AdapterRegistry {
  readonly #byType: ReadonlyMap<string, AnyAdapter>;

  constructor(readonly adapters: readonly AnyAdapter[] = ADAPTERS) {
    this.#byType = new Map(adapters.map((adapter) => [adapter.agentType, adapter]));
  }

  find(agentType: string): AnyAdapter | undefined {
    return this.#byType.get(agentType);
  }
}
