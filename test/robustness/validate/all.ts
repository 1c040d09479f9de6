import type { History } from "../client/history.js";
import type { Stored } from "../report/stored.js";
import { validateExactlyOnce } from "./exactly-once.js";
import { validateHandover } from "./handover.js";
import { validateSpool } from "./spool.js";
import { validateStates } from "./states.js";
import { validateVisible } from "./visible.js";
import { validateWatch } from "./watch.js";

/** Every promise that a history and a store can break. `before` is what the store held earlier, if anybody looked. */
export function validateAll(
  history: History,
  stored: Stored,
  options: { readonly spool?: ReadonlySet<string>; readonly before?: Stored | undefined } = {},
): string[] {
  return [
    ...validateExactlyOnce(history, stored, options.spool),
    ...validateSpool(history, stored),
    ...validateStates(stored, options.before),
    ...validateVisible(history, stored),
    ...validateWatch(history),
    ...validateHandover(history),
  ];
}
