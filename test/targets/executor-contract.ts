import { existsSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Executor, ExecutorError, type ExecutorFailure } from "../../src/server/targets/executor.js";
import { NEXT_COMMAND, sequence } from "../../src/server/tmux/argv.js";
import { createPrivateServer, type PrivateServer, signal, until } from "../tmux/private-server.js";

/** What an executor is made for in these tests: a socket that may or may not have a server behind it. */
export interface ContractTarget {
  readonly socketPath: string;
  readonly tmuxBinary?: string;
}

/** Runs the promises of the executor contract against any executor. */
export function executorContract(name: string, connect: (target: ContractTarget) => Executor): void {
  describe(`the executor contract: ${name}`, () => {
    let server: PrivateServer;
    let executor: Executor;

    beforeEach(() => {
      server = createPrivateServer();
      server.start("new-session", "-d", "-s", "work", "-x", "80", "-y", "24", "sleep 600");
      executor = connect({ socketPath: server.socketPath });
    });
    afterEach(async () => {
      await executor.close();
      server.dispose();
    });

    const failure = (run: Promise<unknown>): Promise<ExecutorFailure | unknown> =>
      run.then(
        () => "no failure",
        (error) => (error instanceof ExecutorError ? error.kind : error),
      );

    describe("running a command", () => {
      it("gives status 0 and what tmux printed", async () => {
        expect(await executor.run(["display-message", "-p", "#{session_name}"])).toEqual({
          status: 0,
          stdout: "work\n",
          stderr: "",
        });
      });

      it("gives tmux's own refusal as a status, not as a failure", async () => {
        const result = await executor.run(["select-pane", "-t", "%99"]);
        expect(result.status).toBe(1);
        expect(result.stderr).toBe("can't find pane: %99\n");
      });

      it("runs joined commands in order and stops at the first refusal", async () => {
        const result = await executor.run(
          sequence([
            ["display-message", "-p", "one"],
            ["select-pane", "-t", "%99"],
            ["display-message", "-p", "two"],
          ]),
        );
        expect(result).toMatchObject({ status: 1, stdout: "one\n" });
      });

      it("feeds stdin byte by byte and gives back the same text", async () => {
        const text = `a;b\n"'\\$(x)\`#{pid} é 漢 🙂\t;`;
        await executor.run(["load-buffer", "-b", "t", "-"], { stdin: Buffer.from(text) });
        expect((await executor.run(["show-buffer", "-b", "t"])).stdout).toBe(text);
      });

      it("feeds half a megabyte of stdin whole", async () => {
        const text = "0123456789abcdef".repeat(32_768);
        await executor.run(["load-buffer", "-b", "t", "-"], { stdin: Buffer.from(text) });
        expect((await executor.run(["show-buffer", "-b", "t"])).stdout).toBe(text);
      });

      it("gives an empty stdin to a command that is fed nothing", async () => {
        expect((await executor.run(["load-buffer", "-b", "e", "-"])).status).toBe(0);
      });

      it("repairs output that is no UTF-8", async () => {
        const stdin = Buffer.from([0x61, 0xff, 0xc3, 0x62, 0xed, 0xa0, 0x80]);
        await executor.run(["load-buffer", "-b", "t", "-"], { stdin });
        const { stdout } = await executor.run(["show-buffer", "-b", "t"]);
        expect(stdout.isWellFormed()).toBe(true);
        expect(stdout).toMatch(/^a\ufffd+b\ufffd+$/);
      });

      it("speaks UTF-8 whatever the locale", async () => {
        await executor.run(["rename-window", "-t", "@0", "é漢🙂"]);
        expect((await executor.run(["display-message", "-p", "#{window_name}"])).stdout).toBe("é漢🙂\n");
      });

      it("runs many commands at once without mixing their answers", async () => {
        const words = Array.from({ length: 30 }, (_, index) => `answer-${index}`);
        const results = await Promise.all(words.map((word) => executor.run(["display-message", "-p", word])));
        expect(results.map((result) => result.stdout)).toEqual(words.map((word) => `${word}\n`));
      });
    });

    describe("words", () => {
      it("reach tmux exactly as given, whatever they hold and whatever they end in", async () => {
        const hostile = fc.oneof(
          fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
          fc.array(
            fc.constantFrom(";", "\\", "'", '"', "$(touch x)", "`", "#{pid}", " ", "\n", "~", "-", "é"),
            {
              minLength: 1,
              maxLength: 8,
            },
          ),
        );
        await fc.assert(
          fc.asyncProperty(hostile, async (given) => {
            const word = (typeof given === "string" ? given : given.join(""))
              .replaceAll("\0", "")
              .toWellFormed();
            fc.pre(word !== "");
            await executor.run(["set-buffer", "-b", "w", "--", word]);
            expect((await executor.run(["show-buffer", "-b", "w"])).stdout).toBe(word);
          }),
          { numRuns: 60 },
        );
      });

      it("that are or end in a semicolon start no command of their own", async () => {
        const canary = join(server.directory, "canary");
        for (const word of ["x;", ";", "x\\;", ";;"]) {
          await executor.run(["set-buffer", "-b", "w", word, "run-shell", `touch ${canary}`]);
        }
        await executor.run(["run-shell", "true"]);
        expect(existsSync(canary)).toBe(false);
      });

      it("with a NUL are refused, alone or in what looks like a separator", async () => {
        expect(await failure(executor.run(["set-buffer", `a${NEXT_COMMAND}`]))).toBe("failed");
        expect(await failure(executor.run(["set-buffer", "a\0b"]))).toBe("failed");
      });

      it("that are too many for tmux are refused before tmux sees them", async () => {
        expect(await failure(executor.run(["set-buffer", "x".repeat(16_000)]))).toBe("too_large");
      });
    });

    describe("bounds", () => {
      it("refuses output beyond maxBytes", async () => {
        await executor.run(["load-buffer", "-b", "t", "-"], { stdin: Buffer.alloc(200_000, "x") });
        expect(await failure(executor.run(["show-buffer", "-b", "t"], { maxBytes: 100_000 }))).toBe(
          "too_large",
        );
        expect(await failure(executor.run(["show-buffer", "-b", "t"], { maxBytes: 200_000 }))).toBe(
          "no failure",
        );
      });

      it("gives up on a stopped server at the deadline, and works again once it goes on", async () => {
        signal(server.pid(), "SIGSTOP");
        const begun = performance.now();
        expect(await failure(executor.run(["display-message", "-p", "x"], { timeoutMs: 300 }))).toBe(
          "timeout",
        );
        expect(performance.now() - begun).toBeLessThan(2_000);
        signal(server.pid(), "SIGCONT");
        expect((await executor.run(["display-message", "-p", "x"])).stdout).toBe("x\n");
      });

      it("tells a command that outlives its deadline from one that tmux refused", async () => {
        expect(await failure(executor.run(["wait-for", "never"], { timeoutMs: 200 }))).toBe("timeout");
      });
    });

    describe("without a server", () => {
      it("says no_server where no socket is", async () => {
        const lonely = connect({ socketPath: join(server.directory, "none") });
        expect(await failure(lonely.run(["list-sessions"]))).toBe("no_server");
        await lonely.close();
      });

      it("says no_server where the server left its socket behind", async () => {
        signal(server.pid(), "SIGKILL");
        await until(
          "the server is gone",
          async () => (await failure(executor.run(["list-sessions"]))) === "no_server",
        );
        expect(existsSync(server.socketPath)).toBe(true);
      });

      it("says no_server to a command in flight when the server dies", async () => {
        const waiting = failure(executor.run(["wait-for", "never"]));
        await executor.run(["display-message", "-p", "the server has taken both"]);
        signal(server.pid(), "SIGKILL");
        expect(await waiting).toBe("no_server");
      });

      it("never starts one", async () => {
        const lonely = connect({ socketPath: join(server.directory, "none") });
        expect(await failure(lonely.run(["new-session", "-d", "sleep 600"]))).toBe("no_server");
        expect(existsSync(join(server.directory, "none"))).toBe(false);
        await lonely.close();
      });

      it("says tmux_not_found where no tmux is", async () => {
        const bare = connect({
          socketPath: server.socketPath,
          tmuxBinary: join(server.directory, "no-tmux"),
        });
        expect(await failure(bare.run(["list-sessions"]))).toBe("tmux_not_found");
        await bare.close();
      });
    });

    describe("the doorbell", () => {
      const listen = () => {
        const rings: string[] = [];
        const ends: string[] = [];
        const bell = executor.doorbell(
          (line) => rings.push(line),
          (reason) => ends.push(reason),
        );
        return { rings, ends, bell };
      };
      const heard = (rings: string[], what: RegExp) =>
        until(`a ring like ${what}`, () => rings.some((line) => what.test(line)));

      it("rings for a new window, a split, a new session and a rename, in any session", async () => {
        const { rings, bell } = listen();
        expect(await bell.ready).toBe(true);
        server.tmux("new-window", "-t", "work", "sleep 600");
        await heard(rings, /^%session-window-changed \$0 @1$/);
        server.tmux("split-window", "-t", "@1", "sleep 600");
        await heard(rings, /^%window-pane-changed @1 %\d+$/);
        server.tmux("new-session", "-d", "-s", "other", "sleep 600");
        await heard(rings, /^%sessions-changed$/);
        server.tmux("rename-session", "-t", "=other", "renamed");
        await heard(rings, /^%session-renamed \$1 renamed$/);
        bell.close();
      });

      it("is no client that a user could see", async () => {
        const { bell } = listen();
        expect(await bell.ready).toBe(true);
        expect(server.tmux("list-clients")).toBe("");
        expect(server.tmux("display-message", "-p", "-t", "work", "#{session_attached}")).toBe("0");
        bell.close();
      });

      it("ends once when the server ends, and does not ring after", async () => {
        const { rings, ends, bell } = listen();
        expect(await bell.ready).toBe(true);
        server.tmux("kill-server");
        await until("the end", () => ends.length > 0);
        const before = rings.length;
        await executor.run(["list-sessions"]).catch(() => undefined);
        expect(ends).toHaveLength(1);
        expect(rings).toHaveLength(before);
      });

      it("ends when the server is killed", async () => {
        const { ends, bell } = listen();
        expect(await bell.ready).toBe(true);
        signal(server.pid(), "SIGKILL");
        await until("the end", () => ends.length === 1);
      });

      it("ends at once, and never was ready, where no server is", async () => {
        server.tmux("kill-server");
        const { ends, bell } = listen();
        await until("the end", () => ends.length === 1);
        expect(ends[0]).toMatch(/no server running|error connecting|server exited/);
        expect(await bell.ready).toBe(false);
      });

      it("calls back no more once it is closed", async () => {
        const { rings, ends, bell } = listen();
        await bell.ready;
        bell.close();
        const before = rings.length;
        server.tmux("new-window", "-t", "work", "sleep 600");
        server.tmux("kill-server");
        await until(
          "the server is gone",
          async () => (await failure(executor.run(["list-sessions"]))) === "no_server",
        );
        expect(rings).toHaveLength(before);
        expect(ends).toEqual([]);
      });

      it("goes on ringing through a burst of changes", async () => {
        const { rings, ends, bell } = listen();
        await bell.ready;
        for (let index = 0; index < 40; index += 1)
          server.tmux("rename-session", "-t", "$0", `name-${index}`);
        await heard(rings, /name-39$/);
        expect(ends).toEqual([]);
        bell.close();
      });
    });

    describe("closing", () => {
      it("ends what is in flight as failed and refuses what comes after", async () => {
        const waiting = failure(executor.run(["wait-for", "never"]));
        await executor.run(["display-message", "-p", "x"]);
        await executor.close();
        expect(await waiting).toBe("failed");
        expect(await failure(executor.run(["display-message", "-p", "x"]))).toBe("failed");
      });

      it("ends a doorbell without calling it an end, and may come twice", async () => {
        const ends: string[] = [];
        const bell = executor.doorbell(
          () => undefined,
          (reason) => ends.push(reason),
        );
        await bell.ready;
        await executor.close();
        await executor.close();
        expect(ends).toEqual([]);
      });
    });
  });
}
