import { execFileSync } from "node:child_process";
import { homedir } from "node:os";
import { Client } from "ssh2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CIPHERS, HOST_KEYS, KEX, MACS } from "../../../src/server/targets/ssh/algorithms.js";
import { fillProxyCommand } from "../../../src/server/targets/ssh/path-tokens.js";
import { parseProxyJump } from "../../../src/server/targets/ssh/proxy.js";
import { type HostConfig, readOptions, resolveHost } from "../../../src/server/targets/ssh/ssh-config.js";
import {
  HONOURED,
  HOST_KEYS_NOT_HONOURED,
  IGNORABLE,
  LOGIN_NOT_HONOURED,
  REFUSED,
} from "../../../src/server/targets/ssh/ssh-options.js";
import { SshClientHome } from "./sshd.js";

let home: SshClientHome;
beforeAll(() => {
  home = new SshClientHome();
});
afterAll(() => home.close());

const never = new AbortController().signal;

function resolve(settings: string, alias = "vm1", env: NodeJS.ProcessEnv = {}): Promise<HostConfig> {
  home.write(settings);
  const options = { env: { PATH: process.env["PATH"], ...env }, configFile: home.configFile };
  return resolveHost(alias, undefined, options, never);
}

describe("TC-076 the settings of ssh", () => {
  it("are those that ssh -G prints, each honoured, refused or ignorable by name", () => {
    const printed = execFileSync("ssh", ["-G", "-F", "/dev/null", "--", "vm1"], {
      encoding: "utf8",
      stdio: "pipe",
    });
    const known = new Set([
      ...HONOURED,
      ...IGNORABLE,
      ...[...REFUSED, ...LOGIN_NOT_HONOURED, ...HOST_KEYS_NOT_HONOURED].map(({ option }) => option),
    ]);
    expect([...readOptions(printed).keys()].filter((option) => !known.has(option))).toEqual([]);
  });

  it("say where a host is, who logs in, and with what", async () => {
    const host = await resolve(
      `Host vm1
        HostName 10.1.2.3
        User %u.somebody
        Port 2222
        HostKeyAlias Farm
        AddressFamily inet
        BindAddress 127.0.0.2
        ConnectTimeout 7
        ServerAliveInterval 9
        ServerAliveCountMax 2
        TCPKeepAlive no
        HashKnownHosts yes
        IdentitiesOnly yes
        IdentityFile ~/.ssh/%n-%h-%p-%r-%k-%%
        IdentityFile "/keys/with space"
        IdentityFile \${MY_KEYS}/k
        UserKnownHostsFile /a/%h "/b/with space" /c
        GlobalKnownHostsFile none
        RevokedHostKeys /r/%h
        RequiredRSASize 3000
        PubkeyAcceptedAlgorithms ssh-ed25519`,
      "vm1",
      { MY_KEYS: "/mine" },
    );
    expect(host).toMatchObject({
      alias: "vm1",
      hostname: "10.1.2.3",
      port: 2222,
      hostKeyAlias: "farm",
      family: 4,
      bindAddress: "127.0.0.2",
      connectTimeoutMs: 7_000,
      aliveIntervalMs: 9_000,
      aliveCountMax: 2,
      tcpKeepAlive: false,
      hashKnownHosts: true,
      identitiesOnly: true,
      userKnownHosts: ["/a/10.1.2.3", "/b/with space", "/c"],
      globalKnownHosts: [],
      revokedHostKeys: "/r/10.1.2.3",
      requiredRsaBits: 3000,
      userKeyAlgorithms: new Set(["ssh-ed25519"]),
    });
    expect(host.identityFiles.slice(0, 3)).toEqual([
      `${homedir()}/.ssh/vm1-10.1.2.3-2222-${host.user}-farm-%`,
      "/keys/with space",
      "/mine/k",
    ]);
  });

  it.each<[string, string, NodeJS.ProcessEnv, string | undefined]>([
    ["the daemon's own without a word", "", { SSH_AUTH_SOCK: "/own" }, "/own"],
    ["none when the daemon has none", "", {}, undefined],
    ["the named one", "IdentityAgent /named", { SSH_AUTH_SOCK: "/own" }, "/named"],
    [
      "the one of a variable",
      "IdentityAgent $THEIRS",
      { SSH_AUTH_SOCK: "/own", THEIRS: "/theirs" },
      "/theirs",
    ],
    ["the daemon's own by name", "IdentityAgent SSH_AUTH_SOCK", { SSH_AUTH_SOCK: "/own" }, "/own"],
    ["none by name", "IdentityAgent none", { SSH_AUTH_SOCK: "/own" }, undefined],
  ])("name the agent: %s", async (_title, setting, env, socket) => {
    // What comes first wins, and the home's own section says IdentityAgent none.
    const host = await resolve(`Host vm1\n  ${setting || "IdentityAgent SSH_AUTH_SOCK"}\n`, "vm1", env);
    expect(host.agentSocket).toBe(socket);
  });

  it("cut the algorithms down to those that are spoken, in the user's order", async () => {
    const host = await resolve(`Host vm1
      KexAlgorithms ecdh-sha2-nistp521,sntrup761x25519-sha512@openssh.com,curve25519-sha256
      Ciphers aes256-ctr,aes128-gcm@openssh.com
      MACs umac-64@openssh.com,hmac-sha2-512
      HostKeyAlgorithms rsa-sha2-512,ssh-ed25519-cert-v01@openssh.com`);
    expect(host.algorithms).toEqual({
      kex: ["ecdh-sha2-nistp521", "curve25519-sha256"],
      cipher: ["aes128-gcm@openssh.com", "aes256-ctr"],
      hmac: ["hmac-sha2-512"],
      serverHostKey: ["rsa-sha2-512"],
    });
  });

  it("offer only algorithms that the library takes", () => {
    const client = new Client().on("error", () => undefined);
    const algorithms = {
      kex: [...KEX],
      cipher: [...CIPHERS],
      hmac: [...MACS],
      serverHostKey: [...HOST_KEYS],
    };
    expect(() => client.connect({ host: "127.0.0.1", port: 1, username: "x", algorithms })).not.toThrow();
    client.destroy();
  });

  it.each<[string, string, RegExp, RegExp]>([
    ["ProxyUseFdpass", "ProxyUseFdpass yes", /ProxyUseFdpass/, /nc %h %p/],
    ["BindInterface", "BindInterface lo", /BindInterface/, /BindAddress/],
    ["a login without keys", "PubkeyAuthentication no", /PubkeyAuthentication no/, /authorized_keys/],
    [
      "no cipher in common",
      "Ciphers 3des-cbc\n  KexAlgorithms sntrup761x25519-sha512@openssh.com",
      /KexAlgorithms/,
      /\+curve25519/,
    ],
    ["a token that is not filled", "IdentityFile /k/%C", /%C/, /write the value out/],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: ssh fills it
    ["a variable that is not there", "IdentityFile ${NO_SUCH}/k", /NO_SUCH/, /write the path out/],
    ["what ssh itself refuses", "NoSuchOption yes", /NoSuchOption|nosuchoption/i, /ssh -G vm1/],
  ])("that cannot be honoured are named with a way round: %s", async (_title, setting, message, advice) => {
    const attempt = resolve(`Host vm1\n  ${setting}\n`);
    await expect(attempt).rejects.toMatchObject({
      kind: "config",
      retryable: false,
      message: expect.stringMatching(message),
      advice: expect.stringMatching(advice),
    });
  });

  it("are not asked for what cannot be a host", async () => {
    for (const alias of [
      "-oProxyCommand=id",
      "",
      "a b",
      "a;b",
      "$(id)",
      "a\nb",
      "x".repeat(300),
      "a'b",
      "ä",
    ]) {
      await expect(resolve("", alias)).rejects.toMatchObject({
        kind: "config",
        advice: expect.stringContaining("Host"),
      });
    }
  });

  it("that take longer than allowed are given up, with what they started", async () => {
    const stop = new AbortController();
    home.write(`Match exec "sleep 30"\n  User x\n`);
    const options = { env: process.env, configFile: home.configFile };
    const attempt = resolveHost("vm1", undefined, options, stop.signal);
    stop.abort();
    await expect(attempt).rejects.toMatchObject({ kind: "failed", message: "the attempt was given up" });
  });

  it("need ssh: without it, that is what is said", async () => {
    await expect(resolve("", "vm1", { PATH: "/nowhere" })).rejects.toMatchObject({
      kind: "config",
      advice: expect.stringContaining("OpenSSH client"),
    });
  });
});

describe("TC-076 a ProxyCommand", () => {
  const values = { alias: "vm1", hostname: "10.0.0.1", hostKeyAlias: undefined, port: 2222, user: "me" };

  it("gets ssh's own values for its tokens", () => {
    expect(fillProxyCommand("nc -x 'a b' %h %p # %r@%n 100%%", values)).toBe(
      "nc -x 'a b' 10.0.0.1 2222 # me@vm1 100%",
    );
  });

  it.each<[string, string, Partial<typeof values>]>([
    ["a host that a shell would read", "nc %h", { hostname: "a;id" }],
    ["a host that looks like an option", "nc %h", { hostname: "-oProxyCommand=id" }],
    ["a user that a shell would read", "nc %r", { user: "$(id)" }],
    ["an empty user", "nc %r", { user: "" }],
    ["a token that is unknown", "nc %z", {}],
    ["a token that is cut off", "nc %", {}],
  ])("is refused with %s", (_title, text, odd) => {
    expect(() => fillProxyCommand(text, { ...values, ...odd })).toThrow(
      expect.objectContaining({ kind: "config" }),
    );
  });

  it("may have odd values that it does not use", () => {
    expect(fillProxyCommand("nc %h", { ...values, user: "DOM\\me" })).toBe("nc 10.0.0.1");
  });
});

describe("TC-076 a ProxyJump list", () => {
  it.each<[string, ReturnType<typeof parseProxyJump>]>([
    ["b", [{ name: "b", user: undefined, port: undefined }]],
    [
      "u@b:33,[::1]:44,ssh://x@c:55",
      [
        { name: "b", user: "u", port: 33 },
        { name: "::1", user: undefined, port: 44 },
        { name: "c", user: "x", port: 55 },
      ],
    ],
    ["a@corp@b", [{ name: "b", user: "a@corp", port: undefined }]],
  ])("%s is read as ssh reads it", (list, hops) => {
    expect(parseProxyJump(list)).toEqual(hops);
  });

  it.each(["", "a,,b", "-oX", "a b", "u;v@b", "b:0", "b:99999", "b:x", "-l@b"])("%j is refused", (list) => {
    expect(() => parseProxyJump(list)).toThrow(expect.objectContaining({ kind: "config" }));
  });
});
