import { describe, expect, it } from "vitest";
import { unwatchedServerLines } from "../../src/client/cli/unwatched.js";

const HOST = { tmuxSocket: "" };

describe("a terminal in a tmux server that no target watches", () => {
  it("is told how to watch it", () => {
    expect(unwatchedServerLines({ TMUX: "/run/t/work.sock,4242,0" }, 1000, [HOST])).toEqual([
      "This terminal is in a tmux server that is not watched: /run/t/work.sock. Watch it:",
      "  agtmux target add work.sock --kind local --tmux-socket /run/t/work.sock",
    ]);
  });

  it("with a socket path that a shell would not take as it is gets no line to copy, and nothing raw", () => {
    const [line, ...more] = unwatchedServerLines({ TMUX: "/tmp/a\u001b]2;x\u0007$(id),1,0" }, 1000, [HOST]);
    expect(more).toEqual([]);
    expect(line).not.toMatch(/[\u001b\u0007]/u);
  });

  it.each([
    ["outside tmux", {}, [HOST]],
    ["in the default server", { TMUX: "/tmp/tmux-1000/default,1,0" }, [HOST]],
    [
      "in the default server of another folder",
      { TMUX: "/x/tmux-1000/default,1,0", TMUX_TMPDIR: "/x" },
      [HOST],
    ],
    ["in a server watched by name", { TMUX: "/tmp/tmux-1000/two,1,0" }, [HOST, { tmuxSocket: "two" }]],
    ["in a server watched by path", { TMUX: "/x/y,1,0" }, [HOST, { tmuxSocket: "/x/y" }]],
  ])("%s hears nothing of it", (_where, env, targets) => {
    expect(unwatchedServerLines(env, 1000, targets)).toEqual([]);
  });
});
