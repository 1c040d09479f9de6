import { posix } from "node:path";
import type { HookFiles } from "../../ingest/hook-file.js";
import { ExecutorError } from "../executor.js";
import type { HostShell } from "../shell/command-channel.js";
import type { SshConnection } from "./connection.js";
import { type RemotePlaces, remotePlaces } from "./remote-state-dir.js";
import { sftpHookFiles } from "./sftp-hook-files.js";
import { shQuote } from "./sh-quote.js";

/** Where hooks are installed on another host. */
export interface HookPlace extends RemotePlaces {
  readonly files: HookFiles;
  /** Before the script is written: notes which folders are made for it. */
  installing(): Promise<void>;
  /** After a change: the reader begins or ends, and folders that were made for a script that is gone go too. */
  changed(): Promise<void>;
  close(): void;
}

/** Most folders above our own that are ever made. */
const MAX_MADE = 8;

/** Rejects with ExecutorError, or SshError if the host gives no sftp. */
export async function openRemoteHooks(
  shell: HostShell,
  connection: Pick<SshConnection, "sftp"> | undefined,
  reader: { lookNow(): Promise<void> },
): Promise<HookPlace> {
  if (connection === undefined) throw new ExecutorError("unreachable", "there is no connection to the host");
  const places = await remotePlaces(shell);
  const sftp = await connection.sftp();
  const note = posix.join(places.stateDir, "made-folders");
  return {
    ...places,
    files: sftpHookFiles(sftp),
    async installing() {
      // Only at the first installation: afterwards the folders are there.
      await shell.run(`( umask 077; s=${shQuote(places.stateDir)}; n=${shQuote(note)}; d=$s; m=0
while [ ! -d "$d" ] && [ ! -L "$d" ] && [ "$m" -lt ${MAX_MADE} ]; do m=$((m + 1)); d=\${d%/*}; [ -n "$d" ] || break; done
[ "$m" -gt 0 ] && mkdir -p "$s" && chmod 700 "$s" && echo "$m" >"$n" ) 2>/dev/null`);
    },
    async changed() {
      await reader.lookNow();
      await shell.run(`( s=${shQuote(places.stateDir)}; n=${shQuote(note)}; [ ! -e ${shQuote(places.scriptPath)} ] && [ -f "$n" ] && read -r m <"$n" || exit 0
case $m in [1-${MAX_MADE}]) ;; *) exit 0 ;; esac
[ "$(ls -A "$s")" = "\${n##*/}" ] || exit 0
rm -f "$n"; while [ "$m" -gt 0 ] && rmdir "$s"; do m=$((m - 1)); s=\${s%/*}; done ) 2>/dev/null`);
    },
    close() {
      try {
        sftp.end();
      } catch {
        // The connection has gone, and the channel with it.
      }
    },
  };
}
