import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ErrorCode, Outcome } from "../../src/client/index.js";
import { ActionScene, type BoxAgent, refusal } from "../actions/support/actor.js";
import { agentIn, PERMISSION_DIALOG } from "../actions/support/states.js";
import { eventually, TestDaemon } from "../support/daemon.js";
import { Canaries, Needles } from "./canaries.js";
import { stateFiles } from "./state-files.js";

/** Shapes of secrets that a session's name, a caller's name and a request may have. */
const SECRET = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
const SECRETS = new Needles([SECRET]);

let lab: ActionScene;
let agent: BoxAgent;
const canaries = new Canaries();
beforeAll(async () => {
  lab = await ActionScene.start({ logLevel: "trace" });
  agent = await lab.agent();
});
afterAll(() => lab.close());

/** What of all that was planted stands in the state directory now. */
function onDisk(): string[] {
  const found = stateFiles(lab.scene.daemon.stateDir).flatMap(({ name, bytes }) => [
    ...canaries.foundIn(bytes).map((what) => `${what} in ${name}`),
    ...[...SECRETS.foundIn(bytes)].map((what) => `${what} in ${name}`),
  ]);
  return found.sort();
}

describe("TC-050 the state directory of a daemon that logs all it can holds, of actions,", () => {
  it("no text that was sent, as text, as bytes or as a paste, submitted or not", async () => {
    const word = (): string => canaries.plant("sent");
    await lab.send(agent, { text: word(), enter: true });
    await lab.send(agent, { text: `${word()}\n${SECRET}`, enter: true });
    await lab.send(agent, { stdin: Buffer.from(`${word()}\n${word()}`), enter: true });
    await lab.send(agent, { text: word(), paste: true, enter: true });
    expect(agent.submitted).toHaveLength(4);
    await agent.show({ holdsEnter: true });
    const held = await lab.send(agent, { text: word(), enter: true });
    expect(held.submitted).toBe(Outcome.NO);
    await agent.show({ draft: "" });
    expect(canaries.foundIn(Buffer.from(agent.received))).toEqual(["sent"]);
    expect(onDisk()).toEqual([]);
  });

  it("no text that was refused, nor the draft that stood in its way, nor what is not text at all", async () => {
    const word = (): string => canaries.plant("refused");
    await agent.show({ draft: word() });
    expect((await refusal(lab.send(agent, { text: word(), enter: true }))).details["reason"]).toBe(
      "draft_present",
    );
    await agent.show({ draft: "" });
    const bad = [
      { text: `${word()}\u001b[201~` },
      { stdin: Buffer.concat([Buffer.from(word()), Buffer.from([0xff])]) },
      { key: word() },
      { text: word(), key: "Enter" },
    ];
    for (const request of bad)
      expect((await refusal(lab.send(agent, request))).code).toBe(ErrorCode.E_INVALID_ARGUMENT);
    for (const ref of [`pane:lab/${word()}/@99/%99`, word(), `runtime:${word()}`])
      await refusal(lab.send(agent, { text: word() }, { ref }));
    expect(onDisk()).toEqual([]);
  });

  it("no text of a dialog that was answered, and none of a screen that was looked at", async () => {
    const asking = await agentIn(lab, "WAITING_APPROVAL");
    const dialog = PERMISSION_DIALOG.map((line) => {
      return line.includes("touch made-by-agent.txt") ? `   touch ${canaries.plant("dialog")}` : line;
    });
    const before = (await lab.pane(asking.paneId)).agent?.promptId;
    await asking.show({ dialog });
    const { promptId = "", promptText = "" } = await eventually("the dialog to be read", async () => {
      const { agent: status } = await lab.pane(asking.paneId);
      return status?.promptId !== "" && status?.promptId !== before ? status : undefined;
    });
    expect(canaries.foundIn(Buffer.from(promptText))).toEqual(["dialog"]);
    const { closed } = await lab.client.actions.approve({ target: await lab.target(asking), promptId });
    expect([closed, asking.answered]).toEqual([Outcome.YES, "1"]);
    await asking.show({ above: [canaries.plant("screen"), SECRET] });
    const { lines } = await lab.client.actions.viewOutput({ target: await lab.target(asking) });
    expect(canaries.foundIn(Buffer.from(lines.join("\n")))).toContain("screen");
    expect(onDisk()).toEqual([]);
  });

  it("no secret in a session's name, a caller's name or an attach's environment", async () => {
    const secret = await lab.agent("new-session", "-d", "-s", SECRET);
    const headers = { "agtmux-caller": `tool ${SECRET}` };
    const target = await lab.target(secret);
    expect(target.ref).toContain(SECRET);
    const { result } = await lab.client.actions.send({ target, text: "x", enter: true }, { headers });
    const { action } = await lab.client.actions.getAction({ actionId: result?.actionId ?? "" });
    expect(action).toMatchObject({
      ref: `pane:lab/%5Bredacted%5D/${action?.pane?.windowId}/${secret.paneId}`,
      caller: "[redacted]",
      pane: { sessionName: "[redacted]" },
    });
    const clientTmux = `/tmp/${canaries.plant("client_tmux")},1,0`;
    await lab.client.actions.attach({ target: await lab.target(secret), clientTmux });
    expect(onDisk()).toEqual([]);
  });

  it("nothing more when the daemon is killed in the middle of a send, begins anew and ends", async () => {
    await agent.show({ mute: true });
    const text = canaries.plant("cut off");
    const call = refusal(lab.send(agent, { text, enter: true }));
    await eventually("it to arrive", () => agent.times(text) === 1);
    const { root } = lab.scene.daemon;
    await lab.scene.daemon.end("SIGKILL");
    expect((await call).codeName).toBe("E_DAEMON_UNAVAILABLE");
    expect(onDisk()).toEqual([]);
    Object.assign(lab.scene, { daemon: await TestDaemon.start({ stateDir: root, logLevel: "trace" }) });
    expect(lab.scene.daemon.log).toContain("were cut off");
    await lab.scene.daemon.end();
    expect(onDisk()).toEqual([]);
  });
});
