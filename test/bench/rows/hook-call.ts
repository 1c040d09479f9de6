import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, toJsonString } from "@bufbuild/protobuf";
import { IngestEventsRequestSchema } from "../../../src/client/index.js";
import { hookScript } from "../../../src/server/ingest/hook-script.js";
import { openCrowd } from "../support/crowd.js";
import { timed } from "../support/pacing.js";
import type { Row } from "../support/row.js";
import { median, rounded, summarize } from "../support/statistics.js";

const RUNS = 31;
const PAYLOAD = JSON.stringify({
  session_id: "00000000-0000-4000-8000-000000000001",
  hook_event_name: "PreToolUse",
  tool_name: "Bash",
  tool_input: { command: "npm test" },
});

/** The hook script as an agent runs it, against one curl with the same event to the same socket. */
export const hookCall: Row = {
  name: "hook-call",
  deadlineMs: () => 90_000,
  async run(context) {
    const { scene, voices } = await openCrowd(context);
    const [voice] = voices;
    if (voice === undefined) throw new Error("no agents");
    const { stateDir } = scene.daemon;
    const script = join(stateDir, "hooks", "agtmux-hook");
    mkdirSync(join(stateDir, "hooks"), { recursive: true, mode: 0o700 });
    writeFileSync(script, hookScript(stateDir), { mode: 0o700 });
    const name = readdirSync(join(stateDir, "ingest.d")).find((file) => file.endsWith(".sock"));
    if (name === undefined) throw new Error("the daemon has no socket for hooks");
    const socket = join(stateDir, "ingest.d", name);
    const env = {
      PATH: process.env["PATH"],
      HOME: scene.daemon.root,
      TMUX: `${scene.terminal.socketPath},${scene.terminal.pid()},0`,
      TMUX_PANE: voice.agent.paneId,
      CLAUDE_PID: String(voice.agent.pid),
    };
    const run = (command: string, words: readonly string[], input: string) =>
      timed(() => {
        const { status, error } = spawnSync(command, words, { env, input, encoding: "utf8" });
        if (error !== undefined) throw error;
        if (status !== 0) throw new Error(`${command} ended with ${status}`);
      });
    const curl = ["-q", "-s", "-f", "--noproxy", "*", "--unix-socket", socket];
    const json = ["-H", "Content-Type: application/json", "--data-binary", "@-"];
    const url = "http://localhost/agtmux.v1.IngestService/IngestEvents";

    const before = await accepted();
    const hooks: number[] = [];
    const bare: number[] = [];
    for (let at = 0; at < RUNS; at++) {
      hooks.push(await run(script, ["claude", "PreToolUse"], PAYLOAD));
      const request = create(IngestEventsRequestSchema, { events: voice.next() });
      const body = toJsonString(IngestEventsRequestSchema, request);
      bare.push(await run("curl", [...curl, "-o", "/dev/null", ...json, url], body));
    }
    const taken = (await accepted()) - before;
    if (taken < 2 * RUNS) throw new Error(`${taken} of ${2 * RUNS} events were accepted`);

    async function accepted(): Promise<number> {
      const { channels } = await scene.client.daemon.getHealth({});
      return channels.reduce((sum, channel) => sum + Number(channel.accepted), 0);
    }
    return [
      {
        name: "one hook call, of a bare curl",
        value: median(hooks) / median(bare),
        unit: "×",
        budget: { kind: "at most", value: 3 },
        baseline: { what: "curl to the socket", value: median(bare), unit: "ms" },
        samples: summarize(hooks),
        facts: { "samples are": "ms a call", "median ms": rounded(median(hooks)) },
      },
    ];
  },
};
