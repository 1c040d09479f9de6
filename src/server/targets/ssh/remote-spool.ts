import { randomBytes } from "node:crypto";
import { posix } from "node:path";
import type { EventEnvelope } from "../../../../gen/agtmux/v1/ingest_pb.js";
import type { Micros } from "../../engine/state.js";
import { parseSpooled } from "../../ingest/spool-reader.js";
import { ExecutorError } from "../executor.js";
import type { HostShell } from "../shell/command-channel.js";
import type { RemotePlaces } from "./remote-state-dir.js";
import { shQuote } from "./sh-quote.js";

/** Most files of one look; fewer after one that took too long. */
const MAX_FILES = 16;
const MAX_FILE_BYTES = 1024 * 1024;
/** 16 files on a line of 64 kbit/s take their time. */
const LOOK_MS = 30_000;
/** As in `spool-reader.ts`: the names' byte order is the order of the events' times. */
const NAME = /^[0-9]{20}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json$/u;
const NAME_LENGTH = 62;
/** A file of which less came than it has is read again this often, then set aside. */
const PATIENCE = 5;
/** Of a file that is set aside, and files that are kept. */
const REJECTED = { bytes: 16 * 1024, files: 50 };

/** What a look found. */
export interface SpoolLook {
  /** The hook script is there. */
  readonly installed: boolean;
  /** The reader's folder is there. */
  readonly folder: boolean;
  /** The socket that was asked for is there. */
  readonly socket: boolean;
  /** In order. */
  readonly files: readonly RemoteSpooled[];
  /** There may be more. */
  readonly more: boolean;
}

export interface RemoteSpooled {
  readonly name: string;
  /** When it was written, in whole seconds of the host's clock as microseconds; 0 if the host does not tell. */
  readonly mtimeMicros: Micros;
  readonly envelopes: readonly EventEnvelope[];
  /** Why it is no spooled event. */
  readonly error?: string | undefined;
}

/** One reader's spool folder on a host, read over the host's shell. */
export class RemoteSpool {
  #count = MAX_FILES;
  /** Looks in a row in which a file came short. */
  #short = 0;

  constructor(
    private readonly places: Pick<RemotePlaces, "stateDir" | "scriptPath">,
    /** `[a-z0-9]{8,16}` */
    private readonly reader: string,
  ) {}

  get folder(): string {
    return posix.join(this.places.stateDir, "spool.d", this.reader);
  }

  /** Looks at what is there, in one round trip. Rejects with ExecutorError. */
  async look(shell: HostShell, socket: string): Promise<SpoolLook> {
    const separator = randomBytes(8).toString("hex");
    const count = this.#count;
    const script = `agtmux_d=${shQuote(this.folder)}; if [ -f ${shQuote(this.places.scriptPath)} ]; then printf i; else printf -; fi
if [ -d "$agtmux_d" ] && [ ! -L "$agtmux_d" ]; then printf d; else printf -; fi
if [ -S ${shQuote(socket || "/")} ]; then printf s; else printf -; fi
agtmux_n=0; for agtmux_f in "$agtmux_d"/[0-9]*.json; do
agtmux_b=\${agtmux_f##*/}; [ "\${#agtmux_b}" = ${NAME_LENGTH} ] || continue
case \${agtmux_b%.json} in *[!0-9a-f-]*) continue ;; esac
[ "$agtmux_n" -lt ${count} ] || break; agtmux_n=$((agtmux_n + 1))
printf '%s' "${separator}$agtmux_b "
if [ -L "$agtmux_f" ] || [ ! -f "$agtmux_f" ] || [ ! -r "$agtmux_f" ]; then printf 'x x\\n'; continue; fi
printf '%s %s\\n' "$(stat -c %Y "$agtmux_f")" "$(wc -c <"$agtmux_f")"; lim 20 head -c ${MAX_FILE_BYTES + 1} "$agtmux_f"; done 2>/dev/null`;
    let stdout: Buffer;
    try {
      const maxBytes = count * (MAX_FILE_BYTES + 256);
      ({ stdout } = await shell.run(script, { maxBytes, timeoutMs: LOOK_MS }));
    } catch (error) {
      if (error instanceof ExecutorError && error.kind === "timeout") this.#count = Math.ceil(count / 4);
      throw error;
    }
    this.#count = Math.min(MAX_FILES, 2 * count);
    const [head, ...pieces] = split(stdout, Buffer.from(separator));
    const flags = head?.toString("latin1") ?? "";
    if (!/^[i-][d-][s-]$/u.test(flags))
      throw new ExecutorError("protocol", "the spool of the host cannot be read");
    const files = pieces.map((piece) => this.#file(piece));
    this.#short = 0;
    return {
      installed: flags[0] === "i",
      folder: flags[1] === "d",
      socket: flags[2] === "s",
      files,
      more: files.length === count,
    };
  }

  /** Removes files whose events are committed. Rejects with ExecutorError. */
  async remove(shell: HostShell, names: readonly string[]): Promise<void> {
    const paths = names.map((name) => shQuote(posix.join(this.folder, name)).toString("utf8"));
    if (paths.length > 0) await shell.run(`rm -f ${paths.join(" ")}`);
  }

  /** Takes a file that is no event out of the way; its beginning is kept beside the reason, if not too many are. */
  async setAside(shell: HostShell, name: string, reason: string): Promise<void> {
    const [file, folder] = [
      shQuote(posix.join(this.folder, name)),
      shQuote(posix.join(this.folder, "rejected")),
    ];
    await shell.run(`( umask 077; f=${file}; d=${folder}; [ ! -L "$d" ] || rm -f "$d"; mkdir -p "$d"; set -- "$d"/*.reason
if [ $# -lt ${REJECTED.files} ]; then n=$d/\${f##*/}; rm -f "$n"; [ ! -f "$f" ] || [ -L "$f" ] || lim 5 head -c ${REJECTED.bytes} "$f" >"$n"; printf '%s\\n' ${shQuote(reason)} >"$n.reason"; fi
rm -rf "$f" ) 2>/dev/null`);
  }

  #file(piece: Buffer): RemoteSpooled {
    const end = piece.indexOf(0x0a);
    const [name = "", seconds = "", size = ""] = piece
      .toString("latin1", 0, Math.max(end, 0))
      .trim()
      .split(/ +/u);
    if (end < 0 || name.length !== NAME_LENGTH || name.includes("/")) {
      throw new ExecutorError("protocol", "the spool of the host came mixed up");
    }
    const mtimeMicros = /^\d{1,11}$/u.test(seconds) ? Number(seconds) * 1_000_000 : 0;
    const file = { name, mtimeMicros, envelopes: [] };
    if (size === "x" || seconds === "x") return { ...file, error: "not a regular file that can be read" };
    if (!NAME.test(name)) return { ...file, error: "not the name of a spooled event" };
    const bytes = piece.subarray(end + 1);
    if (bytes.length > MAX_FILE_BYTES) return { ...file, error: `larger than ${MAX_FILE_BYTES} bytes` };
    if (bytes.length !== Number(size) && this.#short++ < PATIENCE) {
      throw new ExecutorError("failed", "a spool file of the host came short");
    }
    return { ...file, ...parseSpooled(bytes) };
  }
}

function split(bytes: Buffer, separator: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let at = bytes.indexOf(separator); at >= 0; at = bytes.indexOf(separator, from)) {
    pieces.push(bytes.subarray(from, at));
    from = at + separator.length;
  }
  return [...pieces, bytes.subarray(from)];
}
