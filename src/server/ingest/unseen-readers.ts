import { lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

const UNSEEN_MS = 7 * 24 * 3_600_000;
/** A daemon on another machine touches it in its folder, while it is connected. */
const SIGN_OF_LIFE = ".seen";

/** Removes the spool folders of other machines' daemons that were not here for 7 days; `now` in milliseconds. */
export async function removeUnseenReaders(spoolDir: string, now: number): Promise<void> {
  for (const entry of await readdir(spoolDir, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const folder = join(spoolDir, entry.name);
    const seen = await lstat(join(folder, SIGN_OF_LIFE)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (seen !== undefined && now - seen.mtimeMs > UNSEEN_MS)
      await rm(folder, { recursive: true, force: true });
  }
}
