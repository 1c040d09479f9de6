import { ExecutorError } from "../executor.js";
import type { ProcessProof } from "../process-proof.js";
import type { HostShell } from "../shell/command-channel.js";
import type { ProcessSignal } from "../target-host.js";
import { NOT_IN_FRONT } from "./remote-shells.js";
import { shWords } from "./sh-quote.js";

/**
 * Signals a process of another host if it is the one named; look and signal are one line of its shell. False: it is gone,
 * or the pid is another's. Rejects with ExecutorError.
 */
export async function signalRemote(
  shell: HostShell,
  { pid, startRaw }: ProcessProof,
  signal: ProcessSignal,
): Promise<boolean> {
  const look = shWords(["alive", String(pid), startRaw]);
  const { status, stderr } = await shell.run(
    Buffer.concat([look, Buffer.from(" && "), shWords(["kill", `-${signal}`, String(pid)])]),
  );
  if (status === 0) return true;
  if (status === NOT_IN_FRONT) return false;
  throw new ExecutorError("failed", `the signal could not be sent: ${stderr.toString("utf8").slice(0, 200)}`);
}
