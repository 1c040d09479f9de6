import {
  ChangeOp,
  type WatchChange,
  type WatchResponse,
  WatchType,
} from "../../../gen/agtmux/v1/state_pb.js";
import type { Context } from "./context.js";
import { explainEmpty } from "./empty.js";
import { tableView } from "./list.js";
import { printable } from "./printable.js";
import { countsText, panePlace } from "./tables.js";
import type { WatchSink } from "./watch.js";
import { type Scope, tableLines } from "./watch-frame.js";
import { WatchFold } from "./watch-view.js";
import { stateWord } from "./words.js";

function identityText({ identity }: WatchChange): string {
  const { value } = identity;
  if (value === undefined) return "";
  const parts = [`${value.target}/${value.sessionName}`];
  if ("windowId" in value) parts.push(value.windowId);
  if ("paneId" in value) parts.push(value.paneId);
  return printable(parts.join(" "));
}

function changeText(change: WatchChange): string {
  if (change.op === ChangeOp.DELETE) return `gone  ${identityText(change)}`;
  const item = change.item?.item;
  if (item?.case === "pane") {
    const { agent } = item.value;
    if (agent === undefined) return `-  ${panePlace(item.value)}`;
    const words = [stateWord(agent.state), agent.agentType, panePlace(item.value), agent.reasonCode];
    return words.map(printable).join("  ");
  }
  const rollup = item?.value?.rollup;
  const state = rollup === undefined ? "" : stateWord(rollup.state);
  return `${state || "-"}  ${identityText(change)}  ${countsText(rollup?.byState ?? {})}`;
}

/** Watching into a pipe or a file: the table once, then one line per change, each with its time. */
export class WatchLog implements WatchSink {
  readonly #fold = new WatchFold();

  constructor(
    readonly context: Context,
    readonly scope: Scope,
  ) {}

  async message(message: WatchResponse): Promise<void> {
    const { io } = this.context;
    this.#fold.apply(message);
    if (message.type === WatchType.SNAPSHOT) {
      const lines = tableLines(this.scope, this.#fold.view(), await tableView(io, message));
      const shown =
        lines.length > 0 ? lines : await explainEmpty(this.context, this.scope.slice(0, -1), message.filter);
      io.stdout.write(`${shown.join("\n")}\n`);
    } else if (message.type === WatchType.DELTA) {
      const time = io.now().toISOString();
      for (const change of message.changes) io.stdout.write(`${time}  ${changeText(change)}\n`);
    }
    await io.stdout.drained();
  }

  disconnected(why: string): void {
    this.context.io.stderr.write(`reconnecting: ${printable(why)}\n`);
  }

  close(): void {
    // Nothing is held.
  }
}
