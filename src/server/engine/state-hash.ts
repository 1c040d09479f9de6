import { createHash } from "node:crypto";
import type { Status } from "./state.js";

/** hex sha256 of a set of runtimes and their states; equal event sets give equal hashes, whatever the delivery. */
export function stateHash(statuses: ReadonlyMap<string, Status>): string {
  const hash = createHash("sha256");
  for (const runtimeId of [...statuses.keys()].sort()) {
    hash.update(`${runtimeId}\n${canonical(statuses.get(runtimeId))}\n`);
  }
  return hash.digest("hex");
}

/** JSON with sorted keys and without absent ones. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}
