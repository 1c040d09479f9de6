import type { Micros } from "../engine/state.js";
import { cleanText } from "../tmux/text.js";
import {
  type Failure,
  failed,
  type Health,
  type HealthSettings,
  INITIAL_HEALTH,
  succeeded,
} from "./health.js";

/** A message may quote a remote host. */
const MAX_MESSAGE = 1_000;

/** Keeps one target's health, and tells when what is said of it changes. */
export class HealthKeeper {
  #health: Health = INITIAL_HEALTH;

  constructor(
    private readonly now: () => Micros,
    private readonly settings: HealthSettings,
    private readonly onChange: (health: Health) => void,
  ) {}

  get health(): Health {
    return this.#health;
  }

  /** Why the target is not well, in one line; something even before it has answered. */
  get why(): string {
    const { message, reason } = this.#health;
    return message || reason || "not answered yet";
  }

  succeeded(reason: string, message = ""): void {
    this.#set(succeeded(this.#health, reason, this.now(), this.settings, message));
  }

  failed(reason: string, { message = "", final }: Failure): void {
    const line = cleanText(message, MAX_MESSAGE);
    this.#set(failed(this.#health, reason, this.now(), this.settings, { message: line, final }));
  }

  #set(health: Health): void {
    const { state, reason, message } = this.#health;
    this.#health = health;
    if (health.state !== state || health.reason !== reason || health.message !== message) {
      this.onChange(health);
    }
  }
}
