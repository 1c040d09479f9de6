import type { Duplex } from "node:stream";
import { loopbackListeners } from "../linux-loopback-ports.js";
import { type AgentFiles, pickVariables } from "../local-agent-files.js";
import { dialRemoteSocket } from "./remote-dial.js";
import { RemoteDirectories } from "./remote-directories.js";
import type { RemoteHost } from "./remote-host.js";
import { RemoteReads } from "./remote-reads.js";

const MAX_ENVIRON_BYTES = 64 * 1024;
const MAX_SOCKETS_BYTES = 1024 * 1024;
const NAME = /^[A-Z_][A-Z0-9_]*$/u;

export interface RemoteAgentFiles extends AgentFiles {
  /** Something else is about to be asked of the host: what is nearly due goes with it. */
  roundBegins(): void;
  close(): void;
}

/** Files and processes of a host, as its agents' adapters ask for them; over its shell. */
export function createRemoteAgentFiles(
  host: RemoteHost,
  dial: (path: string) => Promise<Duplex>,
): RemoteAgentFiles {
  const shell = async () => (await host.reached()).shell;
  const reads = new RemoteReads(shell);
  const directories = new RemoteDirectories(host);
  return {
    home: async () => (await host.reached()).facts.home,
    readFile: (path, maxBytes) => reads.read("head", path, maxBytes),
    readTail: (path, maxBytes) => reads.read("tail", path, maxBytes),
    watchDirectory: (path, onChange) => directories.watch(path, onChange),
    async environment(pid, names) {
      const wanted = names.filter((name) => NAME.test(name));
      if (!Number.isSafeInteger(pid) || wanted.length === 0) return undefined;
      // Only what is asked for leaves the host. A newline within a value is out of sed's way, as \001.
      const file = `/proc/${pid}/environ`;
      const sift = `tr '\\n\\000' '\\001\\n' <${file} | grep -E '^(${wanted.join("|")})=' | head -c ${MAX_ENVIRON_BYTES}`;
      const { stdout } = await (await shell()).run(
        `if [ -r ${file} ]; then printf +; ${sift}; fi 2>/dev/null`,
        {
          maxBytes: 2 * MAX_ENVIRON_BYTES,
        },
      );
      const text = stdout.toString("utf8");
      if (!text.startsWith("+")) return undefined;
      return pickVariables(text.slice(1).replaceAll("\n", "\0").replaceAll("\u0001", "\n"), names);
    },
    async loopbackPorts(pid) {
      if (!Number.isSafeInteger(pid)) return [];
      const proc = `/proc/${pid}`;
      const script = `ls -l ${proc}/fd 2>/dev/null | sed -n 's/.*socket:\\[\\([0-9]*\\)\\]$/s \\1/p'; cat ${proc}/net/tcp ${proc}/net/tcp6 2>/dev/null | grep ' 0A '`;
      const { stdout } = await (await shell()).run(script, { maxBytes: MAX_SOCKETS_BYTES });
      const lines = stdout.toString("latin1").split("\n");
      const inodes = lines.flatMap((line) => (line.startsWith("s ") ? [line.slice(2)] : []));
      return loopbackListeners(lines.join("\n"), new Set(inodes));
    },
    dial: async (path) => dialRemoteSocket(path, { shell: await shell(), dial }),
    roundBegins: () => directories.roundBegins(),
    close: () => directories.close(),
  };
}
