import { ExecutorError } from "../executor.js";
import type { HostShell } from "../shell/command-channel.js";
import type { RemotePlaces } from "./remote-state-dir.js";
import { shQuote } from "./sh-quote.js";

/** Whole days that a reader may be away, less one: find counts the days that are full. */
const DAYS_AWAY = 6;

/**
 * Makes a reader's folders, for the user alone, by which hooks know of it; says that it was seen, and takes away its
 * sockets of before. Folders of readers that nobody has seen for 7 days go. Rejects with ExecutorError.
 */
export async function openReader(shell: HostShell, places: RemotePlaces, id: string): Promise<void> {
  const { status, stderr } = await shell.run(`( umask 077; s=${shQuote(places.stateDir)}; r=${id}
for d in "$s/ingest.d" "$s/spool.d" "$s/spool.d/$r"; do
[ ! -L "$d" ] || { echo "$d is a symbolic link" >&2; exit 3; }
mkdir -p "$d" && chmod 700 "$d" || exit 4; done
rm -f "$s/ingest.d/$r".*.sock "$s/ingest.d/$r.slow"
: >"$s/spool.d/$r/.seen" || exit 4
find "$s/spool.d/$r/rejected" -type f -mtime +0 -exec rm -f {} + 2>/dev/null
for d in "$s"/spool.d/*; do
[ -d "$d" ] && [ ! -L "$d" ] && [ -f "$d/.seen" ] && [ -n "$(find "$d/.seen" -mtime +${DAYS_AWAY})" ] || continue
rm -rf "$d"; rm -f "$s/ingest.d/\${d##*/}".*.sock "$s/ingest.d/\${d##*/}.slow"
done; exit 0 )`);
  if (status !== 0) {
    throw new ExecutorError(
      "failed",
      `the folders for hook events cannot be made: ${stderr.toString("utf8").slice(0, 300)}`,
    );
  }
}

/** Takes away all that `openReader` made and a reader left; folders that others use stay. Rejects with ExecutorError. */
export async function closeReader(shell: HostShell, places: RemotePlaces, id: string): Promise<void> {
  await shell.run(`( s=${shQuote(places.stateDir)}; r=${id}
[ -L "$s/spool.d" ] || [ -L "$s/ingest.d" ] || { rm -rf "$s/spool.d/$r"; rm -f "$s/ingest.d/$r".*.sock "$s/ingest.d/$r.slow"; }
rmdir "$s/spool.d" "$s/ingest.d" ) 2>/dev/null`);
}
