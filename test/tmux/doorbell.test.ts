import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createBellParser, startDoorbell } from "../../src/server/tmux/doorbell.js";
import { createPrivateServer, type PrivateServer, until } from "./private-server.js";

function parse(chunks: readonly Uint8Array[]) {
  const heard: string[] = [];
  const push = createBellParser({
    ready: () => heard.push("ready"),
    ring: (line) => heard.push(`ring ${line}`),
    exit: (reason) => heard.push(`exit ${reason}`),
  });
  for (const chunk of chunks) push(chunk);
  return heard;
}

describe("the doorbell's parser", () => {
  const spoken = Buffer.from(
    "%begin 1795407893 474 0\n%end 1795407893 474 0\n%session-window-changed $0 @3\nnoise\n%session-renamed $0 é漢\n\n%exit too far behind\n",
  );

  it("tells the greeting, notifications and the farewell apart", () => {
    expect(parse([spoken])).toEqual([
      "ready",
      "ring %session-window-changed $0 @3",
      "ring %session-renamed $0 é漢",
      "exit too far behind",
    ]);
    expect(parse([Buffer.from("%exit\n")])).toEqual(["exit "]);
  });

  it("hears the same however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: spoken.length }), { maxLength: 12 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), spoken.length];
        const chunks = edges.slice(1).map((edge, index) => spoken.subarray(edges[index], edge));
        expect(parse(chunks)).toEqual(parse([spoken]));
      }),
    );
  });

  it("keeps a line of any length bounded, and rings for it all the same", () => {
    const heard = parse([
      Buffer.from("%session-renamed $0 "),
      Buffer.alloc(3_000_000, "x"),
      Buffer.from("\n%window-pane-changed @0 %1\n"),
    ]);
    expect(heard).toHaveLength(2);
    expect(heard[0]).toHaveLength(256 + "ring ".length);
    expect(heard[1]).toBe("ring %window-pane-changed @0 %1");
  });

  it("takes any bytes without failing, and rings only with clean text", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 })), (chunks) => {
        for (const line of parse([...chunks, Buffer.from("\n%a"), ...chunks, Buffer.from("\n")])) {
          expect(line.isWellFormed()).toBe(true);
          expect(line).not.toMatch(/[\0-\x1f\x7f-\x9f]/);
        }
      }),
    );
  });
});

describe("the doorbell's process", () => {
  let server: PrivateServer;
  beforeEach(() => {
    server = createPrivateServer();
  });
  afterEach(() => server.dispose());

  const fake = (script: string): string => {
    const path = join(server.directory, "fake-tmux");
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const run = (file: string) => {
    const rings: string[] = [];
    const ends: string[] = [];
    const bell = startDoorbell(
      { file, argv: [], env: process.env },
      (line) => rings.push(line),
      (reason) => ends.push(reason),
    );
    return { rings, ends, bell };
  };

  it("that cannot be started ends the doorbell with the reason", async () => {
    const { ends, bell } = run(join(server.directory, "none"));
    expect(await bell.ready).toBe(false);
    await until("the end", () => ends.length === 1);
    expect(ends[0]).toContain("ENOENT");
  });

  it("is fed nothing, not even an empty line, and ends when its stdin does", async () => {
    const fed = join(server.directory, "fed");
    const { bell } = run(fake(`echo '%begin 1 1 0'; cat > ${fed}; echo end > ${fed}.end`));
    expect(await bell.ready).toBe(true);
    bell.close();
    await until("the process has ended", () => existsSync(fed));
    expect(readFileSync(fed, "utf8")).toBe("");
  });

  it("is killed when it does not go by itself", async () => {
    const pidFile = join(server.directory, "pid");
    const { bell, ends } = run(
      fake(`trap '' TERM; echo $$ > ${pidFile}; echo '%begin 1 1 0'; while :; do sleep 0.05; done`),
    );
    expect(await bell.ready).toBe(true);
    bell.close();
    const pid = Number(readFileSync(pidFile, "utf8"));
    await until("the process is gone", () => !existsSync(`/proc/${pid}`));
    expect(ends).toEqual([]);
  });

  it("ends the doorbell once, with its complaint, when it dies", async () => {
    const { ends } = run(
      fake("echo '%begin 1 1 0'; echo '%sessions-changed'; echo 'lost server' >&2; exit 1"),
    );
    await until("the end", () => ends.length > 0);
    expect(ends).toEqual(["lost server"]);
  });
});
