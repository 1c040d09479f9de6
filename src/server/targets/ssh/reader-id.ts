import { createHash } from "node:crypto";

/**
 * Names a daemon to the hooks of one target's host: the same for one daemon and target, different for any others.
 * `[a-f0-9]{12}`. `key` is the daemon's own, random.
 */
export function readerId(key: string, targetId: string): string {
  return createHash("sha256").update(`${key}\0${targetId}`).digest("hex").slice(0, 12);
}
