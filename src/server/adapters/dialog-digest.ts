import { createHash } from "node:crypto";
import { normalizeDialog, type ScreenPatterns, type ScreenReading } from "./screen-patterns.js";

/** Names an open dialog by what it says; undefined without one. */
export function dialogDigest(
  { rule, dialogText }: ScreenReading,
  patterns: Pick<ScreenPatterns, "dialogHint">,
): string | undefined {
  if (dialogText === undefined) return undefined;
  return createHash("sha256")
    .update(`${rule.id}\n${normalizeDialog(dialogText, patterns)}`)
    .digest("hex");
}
