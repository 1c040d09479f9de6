import { processIo } from "./process-io.js";
import { runCli } from "./run.js";

/** Runs the command line of this process. `daemonPath` is where agtmuxd would be. */
export async function start(daemonPath: string): Promise<void> {
  process.exitCode = await runCli(process.argv.slice(2), processIo(daemonPath));
}
