/** Keys that scroll or redraw and can answer nothing, by tmux's names. */
const HARMLESS = new Set(["PPage", "PageUp", "NPage", "PageDown", "C-l"]);

const NAMED = new Set([
  "Enter",
  "Escape",
  "Tab",
  "BTab",
  "Space",
  "BSpace",
  "Up",
  "Down",
  "Left",
  "Right",
  "Home",
  "End",
  "IC",
  "Insert",
  "DC",
  "Delete",
]);

/**
 * Keys that end or stop a program, or that tmux's own terminal takes for a signal: `interrupt` and `kill` are for those,
 * and check what they do.
 */
const REFUSED = new Set(["C-c", "C-d", "C-z", "C-\\", "C-s", "C-q"]);

export type KeyKind = "answering" | "harmless";

/** What a key of that tmux name can do; undefined if it may not be sent. */
export function keyKind(name: string): KeyKind | undefined {
  if (HARMLESS.has(name)) return "harmless";
  if (REFUSED.has(name)) return undefined;
  const allowed =
    NAMED.has(name) ||
    /^F(?:[1-9]|1[0-2])$/u.test(name) ||
    /^[A-Za-z0-9]$/u.test(name) ||
    /^(?:C|M)-[a-z]$/u.test(name) ||
    /^(?:S|C|M)-(?:Up|Down|Left|Right|Home|End)$/u.test(name) ||
    name === "M-Enter" ||
    name === "S-Tab";
  return allowed ? "answering" : undefined;
}
