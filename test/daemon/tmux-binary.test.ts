import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ErrorCode, TargetHealth } from "../../src/client/index.js";
import { eventually, TestDaemon } from "../support/daemon.js";

/** The one place where a program stands in for tmux: no tmux as old as this can be had. */
const OLD_TMUX = `#!/bin/sh
for word; do [ "$word" = -V ] && { echo "tmux 3.2a"; exit 0; }; done
echo "usage: tmux [-2CDluvV] [-c shell-command] [-f file]" >&2
exit 1
`;

describe("TC-040 a tmux that cannot be used", () => {
  let path: string;
  let daemon: TestDaemon;

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), "agtmux-path-"));
  });

  afterEach(async () => {
    await daemon.close();
    rmSync(path, { recursive: true, force: true });
  });

  const host = async () => {
    const { targets } = await daemon.client.targets.listTargets({});
    return targets.find(({ name, health }) => name === "host" && health !== TargetHealth.CONNECTING);
  };

  it("older than 3.3 is refused with E_TMUX_UNSUPPORTED, naming the version", async () => {
    writeFileSync(join(path, "tmux"), OLD_TMUX);
    chmodSync(join(path, "tmux"), 0o755);
    daemon = await TestDaemon.start({ env: { PATH: path } });
    const target = await eventually("the target to be judged", host);
    expect([target.health, target.healthReason]).toEqual([TargetHealth.DEGRADED, "tmux_unsupported"]);
    const { partial, targetErrors, panes } = await daemon.client.state.listPanes({});
    expect(partial).toBe(true);
    expect(panes).toEqual([]);
    expect(targetErrors.map(({ code, message }) => [code, message])).toEqual([
      [ErrorCode.E_TMUX_UNSUPPORTED, expect.stringContaining("3.2a")],
    ]);
  });

  it("that is not there degrades the target and is no error of the daemon", async () => {
    daemon = await TestDaemon.start({ env: { PATH: path } });
    const target = await eventually("the target to be judged", host);
    expect([target.health, target.healthReason]).toEqual([TargetHealth.DEGRADED, "tmux_not_found"]);
    const { partial, targetErrors } = await daemon.client.state.listPanes({});
    expect([partial, targetErrors]).toEqual([false, []]);
  });
});
