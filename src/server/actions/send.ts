import { setTimeout as delay } from "node:timers/promises";
import type { SendRequest } from "../../../gen/agtmux/v1/action_pb.js";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { pattern } from "../adapters/screen-patterns.js";
import { ContractError, invalidArgument } from "../contract-error.js";
import type { ActionOutcome } from "../store/action-store.js";
import type { Agent, Job, Request } from "./desk.js";
import { keyKind } from "./keys.js";
import type { ExtraPins } from "./pane-hand.js";
import { refused } from "./refusal.js";
import { dialogPins, inputPins, noDialogPins, type Seen, seen } from "./screen-state.js";
import { Stepper } from "./stepper.js";
import { checkedBytes, checkedText } from "./text.js";
import { lookUntil } from "./watching.js";

/** Between text and Enter: what follows typed text faster than this, Codex takes for part of it. */
const AFTER_TYPED_MS = 150;
/** A paste that is marked has an end of its own. */
const AFTER_PASTED_MS = 40;
/** Longest text that is typed, in bytes. A program may take longer ones for a paste that nobody has marked. */
const MAX_TYPED_BYTES = 500;
/** Longest wait for text to show in the input box. */
const SHOWN_MS = 1_500;
/** Longest wait for a submission to show. */
const EFFECT_MS = 2_000;
type Payload =
  | { readonly kind: "key"; readonly key: string; readonly harmless: boolean }
  | { readonly kind: "text"; readonly text: Buffer; readonly bracketed: boolean };

/** Reads what is to be sent. Throws ContractError E_INVALID_ARGUMENT. */
function payloadOf({ text, stdin, key, enter, paste }: SendRequest): Payload {
  const given = [text !== "", stdin.length > 0, key !== ""].filter(Boolean).length;
  if (given !== 1) throw invalidArgument("text, stdin, key", "exactly one of them is to be given");
  if (key !== "") {
    const kind = keyKind(key);
    if (kind === undefined)
      throw invalidArgument("key", `${key.slice(0, 32)} is not among the keys that may be sent`);
    if (enter || paste) throw invalidArgument("key", "goes without enter and paste");
    return { kind: "key", key, harmless: kind === "harmless" };
  }
  const bytes = text === "" ? checkedBytes("stdin", stdin) : checkedText("text", text);
  // A newline that is not marked as pasted would submit what stands before it.
  const bracketed = paste || bytes.includes("\n") || bytes.length > MAX_TYPED_BYTES;
  return { kind: "text", text: bytes, bracketed };
}

/** The request of a send, checked. Throws ContractError E_INVALID_ARGUMENT. */
export function sendRequest(request: SendRequest, caller: string): Request {
  const payload = payloadOf(request);
  const { target, enter, overDraft, paste } = request;
  const words = payload.kind === "key" ? ["key", payload.key] : ["text", payload.text.toString("base64")];
  return {
    type: "send",
    target,
    caller,
    payload: [...words, String(enter), String(paste), String(overDraft)],
    deed: payload.kind === "key" && payload.harmless ? "send_harmless_key" : "send",
    looks: true,
    act: (job) => new Sending(job, job.agent(), overDraft).run(payload, enter),
  };
}

/** One send on its way. */
class Sending {
  readonly #steps: Stepper;

  constructor(
    private readonly job: Job,
    private readonly agent: Agent,
    private readonly overDraft: boolean,
  ) {
    this.#steps = new Stepper(job, agent);
  }

  async run(payload: Payload, enter: boolean): Promise<ActionOutcome> {
    const { hand } = this.agent;
    const sent = await this.#steps.step((now) => {
      if (payload.kind === "key") {
        const pins = this.#pins(now, payload.harmless);
        return () => hand.press(now.look, [payload.key], pins);
      }
      const pins = this.#textPins(now);
      return () => hand.insert(now.look, payload.text, payload.bracketed, pins);
    });
    if (sent.kind === "unknown") return { code: "result_unknown", message: sent.message, effect: "unknown" };
    if (payload.kind === "key" || !enter) return { code: "ok", message: "sent" };
    await delay(payload.bracketed ? AFTER_PASTED_MS : AFTER_TYPED_MS);
    try {
      return await this.#submit(payload.text);
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      if (error.code === ErrorCode.E_RUNTIME_STALE)
        return {
          code: "result_unknown",
          message: `the text was sent, and then ${error.message}`,
          effect: "no",
        };
      // The text is there; what refused the Enter says why it is not submitted.
      return { code: "ok", message: `the text was sent and not submitted: ${error.message}`, effect: "no" };
    }
  }

  /** Throws the refusal. */
  #textPins(now: Seen): ExtraPins {
    if (now.dialog) return this.#pins(now, false);
    if (now.box === undefined)
      throw refused("no_input_box", "the agent shows no input box that would take the text");
    if (now.box.draft !== "" && !this.overDraft)
      throw refused("draft_present", "a draft stands in the input box; over_draft sends all the same");
    return inputPins(now, this.agent.adapter);
  }

  /** Throws the refusal. */
  #pins(now: Seen, harmless: boolean): ExtraPins {
    if (harmless) return {};
    if (!now.dialog)
      return now.box === undefined
        ? noDialogPins(now, this.agent.adapter)
        : inputPins(now, this.agent.adapter);
    const { ifState } = this.job.expected;
    const { rule, dialogText = "" } = now.reading ?? {};
    if (ifState.length !== 1 || ifState[0] !== rule?.state)
      throw refused(
        "dialog_open",
        "a dialog is open, which this might answer; name its state as if_state to send",
      );
    return dialogPins(dialogText);
  }

  /** Presses Enter once the text shows, and finds out whether that submitted it. Throws what refused the Enter. */
  async #submit(text: Uint8Array): Promise<ActionOutcome> {
    const { hand } = this.agent;
    const blank = Buffer.from(text).toString("utf8").trim() === "";
    await lookUntil(this.agent, SHOWN_MS, (now) => now.box === undefined || now.box.draft !== "" || blank);
    await this.#closeMenu(text);
    let before = "";
    let inDialog = false;
    const entered = await this.#steps.step((now) => {
      const { box, look } = now;
      if (!now.dialog && box === undefined) throw refused("no_input_box", "the input box has gone");
      if (!now.dialog && box?.draft === "" && !blank)
        throw refused("text_gone", "the text does not show in the input box");
      if (!this.overDraft && typedBeside(now, text))
        throw refused("draft_changed", "something else was typed beside the text");
      before = box?.draft ?? "";
      inDialog = now.dialog;
      const line = box === undefined ? [] : [look.lines[box.row]?.text ?? ""];
      const pins = this.#pins(now, false);
      return () => hand.press(look, ["Enter"], { ...pins, lines: [...(pins.lines ?? []), ...line] });
    });
    if (entered.kind === "unknown")
      return { code: "result_unknown", message: entered.message, effect: "unknown" };
    // A quick agent asks something at once: its dialog has taken the place of the input box.
    const taken = ({ box, dialog }: Seen): boolean => box?.draft === "" || (dialog && !inDialog);
    const after = await lookUntil(this.agent, EFFECT_MS, taken);
    const draft = after?.box?.draft;
    if (after !== undefined && taken(after))
      return { code: "ok", message: "sent and submitted", effect: "yes" };
    if (draft === before)
      return {
        code: "ok",
        message: "sent; Enter did not submit it: it stands in the input box",
        effect: "no",
      };
    return { code: "ok", message: "sent; whether Enter submitted it does not show", effect: "unknown" };
  }

  /** Where a menu would take the Enter for itself, closes it. A command's own menu is what the command is chosen by. */
  async #closeMenu(text: Uint8Array): Promise<void> {
    const { menu } = this.agent.adapter.screen.inputBox;
    if (menu === undefined || text[0] === SLASH) return;
    const { look, dialog } = seen(await this.agent.hand.look(), this.agent.adapter);
    const line = look.lines.findLast(({ text: shown }) => pattern(menu.line).test(shown));
    if (line === undefined || dialog) return;
    await this.agent.hand.press(look, [menu.close], { lines: [line.text], cursor: look.cursor });
    await lookUntil(
      this.agent,
      SHOWN_MS,
      (now) => !now.look.lines.some(({ text: shown }) => pattern(menu.line).test(shown)),
    );
  }
}

/** Whether the input box's first line shows the whole text and something else. What shows otherwise than it was sent tells nothing. */
function typedBeside({ box, look }: Seen, text: Uint8Array): boolean {
  if (box === undefined) return false;
  const shown = (look.lines[box.row]?.vivid ?? "").replace(/^\s*\S/u, "").replace(/\s+/gu, "");
  const own = Buffer.from(text).toString("utf8").replace(/\s+/gu, "");
  return own !== "" && shown !== own && shown.includes(own);
}

const SLASH = "/".charCodeAt(0);
