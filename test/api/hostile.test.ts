import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { toJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  ExplainPaneResponseSchema,
  GetHealthResponseSchema,
  ListPanesResponseSchema,
  ListSessionsResponseSchema,
  ListWindowsResponseSchema,
  toAgtmuxError,
  WatchResponseSchema,
} from "../../src/client/index.js";
import { Scene } from "../daemon/support/scene.js";
import { Watcher } from "../daemon/support/watcher.js";

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start();
});
afterAll(async () => {
  await scene.close();
});

/** Every text of a message. */
function texts(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(texts);
  if (typeof value === "object" && value !== null)
    return Object.entries(value).flatMap(([key, inner]) => [key, ...texts(inner)]);
  return [];
}

// C0, DEL, C1; line breaks inside a dialog's text are the one exception, and there is no dialog here.
const RAW = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/u;

function clean(what: string, json: unknown): void {
  for (const text of texts(json)) {
    expect(RAW.test(text), `${what}: ${JSON.stringify(text)}`).toBe(false);
    expect(text.isWellFormed()).toBe(true);
  }
}

it("TC-068 titles, names, directories and commands that try to escape, format or execute do neither", async () => {
  const canaries = ["title", "session", "window", "ref", "filter"].map((name) =>
    join(scene.terminal.directory, `canary-${name}`),
  );
  const [title, session, window, ref, filter] = canaries;
  const evil = (canary: string | undefined): string =>
    `#(touch ${canary}) $(touch ${canary}) \`touch ${canary}\` #{pid} ;kill-server; %1 {}`;
  const folder = join(scene.terminal.directory, `d $(touch x) #{pid} \u001b[31m \n ü`);
  mkdirSync(folder);
  scene.terminal.start("new-session", "-d", "-s", "plain", "exec sleep 100000");
  // The pane's own program sets its title: escapes inside, and what tmux or a shell would expand.
  const osc = `\\033]2;${evil(title).replaceAll("%", "%%")} \\302\\240\\033\\\\`;
  scene.tmux(
    "new-session",
    "-d",
    "-s",
    "titled",
    "-c",
    folder,
    `printf '${osc.replaceAll("'", "")}'; exec sleep 100000`,
  );
  scene.tmux("set-option", "-g", "automatic-rename", "off");
  // tmux itself expands #( in names that it is given; doubled, the name is what we mean.
  scene.tmux("rename-session", "-t", "=plain", evil(session).replaceAll("#", "##"));
  scene.tmux("rename-window", "-t", "=titled:", `\u202e${evil(window).replaceAll("#", "##")}`);
  const agent = scene.agent("new-session", "-d", "-s", "agent %41/ü", "-c", folder);
  const watcher = await Watcher.open(scene.client, { filter: { includePlain: true } });
  await scene.untilPanes("everything", (panes) => {
    return (
      panes.length === 3 &&
      panes.some(({ agent: found }) => found !== undefined) &&
      panes.some(({ title: text }) => text.includes("touch"))
    );
  });
  agent.say("busy");

  const includePlain = { filter: { includePlain: true } };
  const panes = await scene.client.state.listPanes(includePlain);
  const names = panes.panes.map(({ identity }) => identity?.sessionName ?? "");
  // What is harmless text stays as it is; nothing of it was expanded.
  expect(
    names.some((name) => name.includes("#(touch") && name.includes("#{pid}") && name.includes("$(touch")),
  ).toBe(true);
  expect(panes.panes.some(({ windowName }) => windowName.includes("#{pid}"))).toBe(true);
  clean("panes", toJson(ListPanesResponseSchema, panes));
  clean("windows", toJson(ListWindowsResponseSchema, await scene.client.state.listWindows(includePlain)));
  clean("sessions", toJson(ListSessionsResponseSchema, await scene.client.state.listSessions(includePlain)));
  clean("health", toJson(GetHealthResponseSchema, await scene.client.daemon.getHealth({})));
  for (const pane of panes.panes) {
    const explained = await scene.client.state.explainPane({ ref: pane.ref });
    expect(explained.pane?.identity).toEqual(pane.identity);
    clean("explain", toJson(ExplainPaneResponseSchema, explained));
  }
  for (const name of names) {
    const { panes: found } = await scene.client.state.listPanes({
      filter: { includePlain: true, sessions: [name] },
    });
    expect(found.map(({ identity }) => identity?.sessionName)).toEqual([name]);
  }
  for (const message of watcher.messages) clean("watch", toJson(WatchResponseSchema, message));

  const calls: (() => Promise<unknown>)[] = [
    () => scene.client.state.explainPane({ ref: `pane:lab/${evil(ref)}/@0/%0` }),
    () =>
      scene.client.state.explainPane({
        ref: `pane:lab/${encodeURIComponent(`\u001b[2J${evil(ref)}`)}/@0/%0`,
      }),
    () => scene.client.targets.connectTarget({ name: `\u001b[2J${evil(filter)}` }),
    () => scene.client.targets.addTarget({ name: evil(filter), kind: 1 }),
    () => scene.client.hooks.getHookStatus({ scope: { target: `\u001b[2J${evil(filter)}` } }),
    () => scene.client.events.listEvents({ filter: { paneRef: `\u001b[2J${evil(filter)}` } }),
  ];
  for (const call of calls) {
    const error = await call().then(
      () => undefined,
      (thrown: unknown) => toAgtmuxError(thrown),
    );
    expect(error).toBeDefined();
    clean("an error's words", [error?.message, error?.details]);
  }
  expect(canaries.filter((canary) => existsSync(canary))).toEqual([]);
  expect(existsSync(join(scene.terminal.directory, "x"))).toBe(false);
  expect(existsSync(join(folder, "x"))).toBe(false);
  clean("the log", scene.daemon.log.split("\n"));
  await watcher.close();
});
