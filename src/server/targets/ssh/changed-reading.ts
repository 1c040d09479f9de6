import { ExecutorError } from "../executor.js";
import type { HostShell } from "../shell/command-channel.js";

/** Variables of each remote shell: what it answered last, and the number that answer was given. */
const NAME = /^[a-z]+$/u;

/**
 * Something that is read over and over and seldom changes: the remote shell remembers what it answered, and says only
 * that nothing changed. An answer that never arrived is not taken for one: each has a number, which is asked by.
 */
export class ChangedReading {
  #number = 0;
  #script = "";
  #text = "";

  /** `name` tells readings of one host apart; `[a-z]+`. */
  constructor(private readonly name: string) {
    if (!NAME.test(name)) throw new RangeError("the name of a reading is [a-z]+");
  }

  /**
   * What `script` prints, without newlines at the end, as latin1; `changed` is false when it is what it printed last
   * time. One reading at a time. Rejects with ExecutorError.
   */
  async read(
    shell: HostShell,
    script: string,
    maxBytes: number,
  ): Promise<{ readonly text: string; readonly changed: boolean }> {
    const value = `agtmux_v_${this.name}`;
    const number = `agtmux_n_${this.name}`;
    // A number that no shell has: another question is answered in full.
    const held = script === this.#script ? this.#number : -1;
    const next = this.#number + 1;
    const { stdout } = await shell.run(
      `agtmux_now=$({ ${script}
} 2>/dev/null)
if [ "$${number}" = ${held} ] && [ "$${value}" = "$agtmux_now" ]; then agtmux_out==; else ${value}=$agtmux_now; ${number}=${next}; agtmux_out=+$agtmux_now; fi`,
      { maxBytes, gathered: true },
    );
    const text = stdout.toString("latin1");
    if (text === "=") return { text: this.#text, changed: false };
    if (!text.startsWith("+")) throw new ExecutorError("protocol", "the remote shell answers something else");
    this.#number = next;
    this.#script = script;
    this.#text = text.slice(1);
    return { text: this.#text, changed: true };
  }
}
