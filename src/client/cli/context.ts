import type { DescService } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { ErrorCode } from "../../../gen/agtmux/v1/common_pb.js";
import { AgtmuxError } from "../errors.js";
import { socketCandidates } from "../paths.js";
import { createUnixTransport } from "../unix-transport.js";
import { VERSION } from "../version.js";
import type { Io } from "./io.js";
import { printable } from "./printable.js";

/** What every command is given. */
export interface Context {
  readonly io: Io;
  /** A client of one of the daemon's services. Its first call starts the daemon if none runs, unless told not to. */
  client<S extends DescService>(service: S): Client<S>;
  /** Has the program end with this status, for a command that has told its result and not failed by an error. */
  endWith(status: number): void;
}

export interface ContextOptions {
  /** Whether a call may start the daemon. AGTMUX_NO_START turns it off too. */
  readonly start: boolean;
  /** Takes the status that a command wants the program to end with. */
  readonly endWith: (status: number) => void;
}

/** Negative if version `a` is older than `b`; only the numbers before a suffix count. */
function compareVersions(a: string, b: string): number {
  const numbers = (version: string) => version.split(/[.-]/, 3).map((part) => Number.parseInt(part, 10) || 0);
  const other = numbers(b);
  for (const [index, number] of numbers(a).entries()) {
    const difference = number - (other[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Says once, on stderr, that the running daemon is older than this program. */
function versionWatcher(io: Io): (version: string) => void {
  let told = false;
  return (version) => {
    if (told || compareVersions(version, VERSION) >= 0) return;
    told = true;
    const line = `the running daemon is older (${printable(version)}) than this program (${VERSION}): agtmux daemon restart\n`;
    io.stderr.write(line);
  };
}

function daemonStarter(io: Io): (error: AgtmuxError) => Promise<void> {
  let tried = false;
  return async (error) => {
    // Once per process: a daemon that someone stops while this command runs stays stopped.
    if (tried) throw error;
    tried = true;
    if (io.daemonPath === undefined) throw error;
    const { startDaemon } = await import("../spawn.js");
    await startDaemon({ env: io.env, daemonPath: io.daemonPath });
  };
}

/** Ends every unary call when the user interrupts this process; streams see to that themselves. */
function interruptible(transport: Transport, interrupt: AbortSignal): Transport {
  return {
    unary: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.unary(method, signal ?? interrupt, timeoutMs, header, input, contextValues),
    stream: transport.stream,
  };
}

export function createContext(io: Io, options: ContextOptions): Context {
  let transport: Transport | undefined;
  const mayStart = options.start && !io.env["AGTMUX_NO_START"];
  return {
    io,
    endWith: options.endWith,
    client: (service) => {
      transport ??= interruptible(
        createUnixTransport({
          sockets: () => socketCandidates(io.env),
          onNotRunning: mayStart ? daemonStarter(io) : undefined,
          onVersion: versionWatcher(io),
        }),
        io.signal,
      );
      return createClient(service, transport);
    },
  };
}

/** A short way to say that a person must confirm, and how to do without. */
export function confirmationRequired(message: string): AgtmuxError {
  return new AgtmuxError(ErrorCode.E_CONFIRMATION_REQUIRED, message);
}
