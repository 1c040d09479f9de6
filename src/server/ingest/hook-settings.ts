import { isDeepStrictEqual } from "node:util";
import { getNodeValue, type Node } from "jsonc-parser";
import type { HookPlan } from "../adapters/contract.js";
import { hookCommand, isOurCommand } from "./hook-layout.js";
import {
  appendChild,
  isBare,
  JsonTextError,
  jsonDocument,
  parseJsonText,
  property,
  propertyValue,
  removeChild,
  replaceNode,
} from "./json-text.js";

const BOM = "\uFEFF";

/** One of our groups, as it stands in the file: `hooks.<event>[]`. */
interface HookGroup {
  readonly matcher?: string;
  readonly hooks: readonly { readonly type: "command"; readonly command: string; readonly timeout: number }[];
}

/** Our groups by event, in the plan's order. */
export type WantedHooks = ReadonlyMap<string, HookGroup>;

export function wantedHooks(plan: HookPlan, agentType: string, scriptPath: string): WantedHooks {
  return new Map(
    plan.entries.map(({ event, matcher, timeoutSeconds }) => [
      event,
      {
        ...(matcher === undefined ? {} : { matcher }),
        hooks: [
          { type: "command", command: hookCommand(scriptPath, agentType, event), timeout: timeoutSeconds },
        ],
      },
    ]),
  );
}

/** Where a handler of ours stands; the positions are what Codex' trust records name. */
export interface OurHook {
  readonly event: string;
  readonly group: number;
  readonly handler: number;
  /** Nothing else is in its group. */
  readonly alone: boolean;
  /** Others' groups come after it for this event. */
  readonly followed: boolean;
}

/** A hooks file that was read. The bytes are the user's; every edit gives a new one. */
export class HookSettings {
  private constructor(
    private readonly text: string,
    private readonly bom: boolean,
    private readonly root: Node,
    private readonly scriptPath: string,
  ) {}

  /** Throws JsonTextError, for a person, if the file is nothing that entries can be put into. */
  static parse(bytes: Uint8Array, scriptPath: string): HookSettings {
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new JsonTextError("not UTF-8");
    }
    const bom = text.startsWith(BOM);
    const body = bom ? text.slice(1) : text;
    return HookSettings.of(body.trim() === "" ? jsonDocument({}) : body, bom, scriptPath);
  }

  /** A file that does not exist yet. */
  static empty(scriptPath: string): HookSettings {
    return HookSettings.of(jsonDocument({}), false, scriptPath);
  }

  private static of(text: string, bom: boolean, scriptPath: string): HookSettings {
    const root = parseJsonText(text);
    if (root.type !== "object") throw new JsonTextError(`is a JSON ${root.type}, not an object`);
    const hooks = propertyValue(root, "hooks");
    if (hooks !== undefined && hooks.type !== "object") throw new JsonTextError(`"hooks" is no object`);
    return new HookSettings(text, bom, root, scriptPath);
  }

  bytes(): Uint8Array {
    return new TextEncoder().encode((this.bom ? BOM : "") + this.text);
  }

  /** The value of a top-level property. */
  top(name: string): unknown {
    const node = propertyValue(this.root, name);
    return node === undefined ? undefined : getNodeValue(node);
  }

  /** Nothing at all is in the file, comments included. */
  get isBare(): boolean {
    return isBare(this.text, this.root);
  }

  /** Every handler that runs our script. */
  ours(): readonly OurHook[] {
    return this.select((command) => isOurCommand(this.scriptPath, command));
  }

  /** Script paths of other AGTMUX state directories that hooks of this file run. */
  strangers(): readonly string[] {
    const paths = new Set<string>();
    this.select((command) => {
      const path = /^'((?:[^']|'\\'')*\/hooks\/agtmux-hook)' /u.exec(command)?.[1]?.replaceAll("'\\''", "'");
      if (path !== undefined && path !== this.scriptPath) paths.add(path);
      return false;
    });
    return [...paths].sort();
  }

  private select(wanted: (command: string) => boolean): readonly OurHook[] {
    const found: OurHook[] = [];
    for (const event of this.hooks?.children ?? []) {
      const [name, list] = event.children ?? [];
      if (list?.type !== "array") continue;
      const groups = (list.children ?? []).map(handlers);
      const foreign = groups.map(
        (commands) => !commands.some((command) => isOurCommand(this.scriptPath, command)),
      );
      groups.forEach((commands, group) => {
        commands.forEach((command, handler) => {
          if (!wanted(command)) return;
          const followed = foreign.indexOf(true, group) > -1;
          found.push({ event: String(name?.value), group, handler, alone: commands.length === 1, followed });
        });
      });
    }
    return found;
  }

  /** Whether our entries are exactly the wanted ones. */
  matches(wanted: WantedHooks): boolean {
    const ours = this.ours();
    return ours.length === wanted.size && ours.every((hook) => this.isAsWanted(hook, wanted));
  }

  private isAsWanted(hook: OurHook, wanted: WantedHooks): boolean {
    const group = this.groupNode(hook);
    if (group === undefined) return false;
    // Cloned, because the parser's objects have no prototype and so would equal none of ours.
    return isDeepStrictEqual(structuredClone(getNodeValue(group)), wanted.get(hook.event));
  }

  /**
   * With exactly the wanted entries of ours: new ones behind the user's, changed ones in their place. The same
   * object if nothing is to be done. Throws JsonTextError if an event's value is no list.
   */
  withHooks(wanted: WantedHooks): HookSettings {
    if (this.matches(wanted)) return this;
    let next: HookSettings = this;
    const ours = this.ours();
    const kept = new Map<string, OurHook>();
    for (const hook of ours) {
      if (hook.alone && wanted.has(hook.event) && !kept.has(hook.event)) kept.set(hook.event, hook);
    }
    // From the end, so that the positions of those still to be looked at stay what they are.
    for (const hook of ours.toReversed()) {
      if (kept.get(hook.event) !== hook) next = next.withoutHandler(hook);
    }
    for (const hook of next.ours()) next = next.updated(hook, wanted);
    for (const [event, group] of wanted) {
      if (!next.ours().some((hook) => hook.event === event)) next = next.appended(event, group);
    }
    return next;
  }

  /**
   * Without our entries, and without the lists and the `hooks` object that this leaves empty, unless `original`
   * (what was there before our first install, if known) had them.
   */
  withoutHooks(original: HookSettings | undefined): HookSettings {
    let next: HookSettings = this;
    const events = new Set(this.ours().map(({ event }) => event));
    for (const hook of this.ours().toReversed()) next = next.withoutHandler(hook);
    for (const event of events) {
      if (original?.eventList(event) === undefined) next = next.withoutBare(next.hooks, event);
    }
    return events.size > 0 && original?.hooks === undefined ? next.withoutBare(next.root, "hooks") : next;
  }

  private get hooks(): Node | undefined {
    return propertyValue(this.root, "hooks");
  }

  private eventList(event: string): Node | undefined {
    const list = this.hooks === undefined ? undefined : propertyValue(this.hooks, event);
    if (list !== undefined && list.type !== "array") throw new JsonTextError(`"hooks.${event}" is no list`);
    return list;
  }

  private groupNode(hook: OurHook): Node | undefined {
    return this.eventList(hook.event)?.children?.[hook.group];
  }

  private edited(text: string): HookSettings {
    return HookSettings.of(text, this.bom, this.scriptPath);
  }

  private updated(hook: OurHook, wanted: WantedHooks): HookSettings {
    const group = this.groupNode(hook);
    if (group === undefined || this.isAsWanted(hook, wanted)) return this;
    return this.edited(replaceNode(this.text, group, wanted.get(hook.event)));
  }

  private appended(event: string, group: HookGroup): HookSettings {
    const { hooks } = this;
    if (hooks === undefined) {
      return this.edited(appendChild(this.text, this.root, "hooks", { [event]: [group] }));
    }
    const list = this.eventList(event);
    return this.edited(
      list === undefined
        ? appendChild(this.text, hooks, event, [group])
        : appendChild(this.text, list, undefined, group),
    );
  }

  private withoutHandler(hook: OurHook): HookSettings {
    const list = this.eventList(hook.event);
    const group = list?.children?.[hook.group];
    if (list === undefined || group === undefined) return this;
    if (handlers(group).length === 1) return this.edited(removeChild(this.text, list, group));
    const inside = propertyValue(group, "hooks");
    const handler = inside?.children?.[hook.handler];
    if (inside === undefined || handler === undefined) return this;
    return this.edited(removeChild(this.text, inside, handler));
  }

  private withoutBare(parent: Node | undefined, name: string): HookSettings {
    const entry = parent === undefined ? undefined : property(parent, name);
    const value = entry?.children?.[1];
    if (parent === undefined || entry === undefined || value === undefined || !isBare(this.text, value))
      return this;
    return this.edited(removeChild(this.text, parent, entry));
  }
}

/** Commands of a group's handlers, by position; "" for a handler that runs none. */
function handlers(group: Node): readonly string[] {
  const list = group.type === "object" ? propertyValue(group, "hooks") : undefined;
  if (list?.type !== "array") return [];
  return (list.children ?? []).map((handler) => {
    const command = handler.type === "object" ? propertyValue(handler, "command")?.value : undefined;
    return typeof command === "string" ? command : "";
  });
}
