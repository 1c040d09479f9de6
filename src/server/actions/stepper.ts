import type { Agent, Job } from "./desk.js";
import type { Pressed } from "./pane-hand.js";
import { refused } from "./refusal.js";
import { type Seen, seen } from "./screen-state.js";

/** A screen that is redrawn as it is pinned is looked at again this often. */
const ATTEMPTS = 5;

/** The steps of one action: each looks, decides, and sends if the pane is still as it was seen. */
export class Stepper {
  #begun = false;

  constructor(
    private readonly job: Job,
    private readonly agent: Agent,
  ) {}

  /**
   * `prepare` throws the refusal, or says what to send; a screen that moves in between is looked at again. Throws
   * ContractError; then this step has sent nothing.
   */
  async step(prepare: (now: Seen) => () => Promise<Pressed>): Promise<Exclude<Pressed, { kind: "refused" }>> {
    const { hand, adapter } = this.agent;
    for (let attempt = 1; ; attempt++) {
      const send = prepare(seen(await hand.look(), adapter));
      if (!this.#begun) this.job.begin();
      this.#begun = true;
      const pressed = await send();
      if (pressed.kind !== "refused") return pressed;
      if (attempt >= ATTEMPTS)
        throw refused("screen_changes", "the pane's screen changed each time it was about to be sent to");
    }
  }
}
