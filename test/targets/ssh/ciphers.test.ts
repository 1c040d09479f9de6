import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { userInfo } from "node:os";
import { Client } from "ssh2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keepKeys } from "../../../src/server/targets/ssh/kept-keys.js";
import { UserSshOpener } from "../../../src/server/targets/ssh/opener.js";
import { SshClientHome, TestSshd } from "./sshd.js";

/** Each way in which OpenSSH and the library protect their packets. */
const WAYS = [
  ["aes128-gcm@openssh.com", "hmac-sha2-256"],
  ["aes256-gcm@openssh.com", "hmac-sha2-256"],
  ["chacha20-poly1305@openssh.com", "hmac-sha2-256"],
  ["aes128-ctr", "hmac-sha2-256-etm@openssh.com"],
  ["aes256-ctr", "hmac-sha2-512"],
] as const;
/** The library's own compiled part keeps the keys itself; it is not there for every Node. */
const compiled: unknown = createRequire(import.meta.url)("ssh2/lib/protocol/crypto.js").bindingAvailable;

let home: SshClientHome;
let sshd: TestSshd;

beforeAll(async () => {
  home = new SshClientHome();
  // Keys are exchanged anew after each 64 kB.
  sshd = await TestSshd.start({ authorized: [home.key], settings: ["RekeyLimit 64K"] });
});
afterAll(async () => {
  await sshd.close();
  home.close();
});

describe("TC-076 a connection over each cipher", () => {
  it.each(WAYS)(
    "carries what is sent and what comes back, over several exchanges of keys: %s %s",
    async (cipher, mac) => {
      const settings = `  Ciphers ${cipher}\n  MACs ${mac}\n  KexAlgorithms curve25519-sha256\n`;
      home.write(`Host vm1\n  HostName ${sshd.address}\n  Port ${sshd.port}\n${settings}`);
      home.know([sshd]);
      const opener = new UserSshOpener({ env: process.env, configFile: home.configFile });
      const connection = await opener.open("vm1", new AbortController().signal);
      const sent = Buffer.alloc(300_000, "0123456789abcdef");
      const channel = await connection.exec("cat");
      channel.write(sent);
      channel.end();
      const pieces: Buffer[] = [];
      for await (const piece of channel.stdout) pieces.push(Buffer.from(piece));
      connection.close();
      expect(Buffer.concat(pieces).equals(sent)).toBe(true);
    },
  );

  it.skipIf(compiled === true)("has its keys found where the library keeps them", async () => {
    const kept = (cipher: (typeof WAYS)[number][0]) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const client = new Client();
      client.on("handshake", () => resolve(keepKeys(client)));
      client.on("error", reject);
      const { address: host, port } = sshd;
      const privateKey = readFileSync(home.key.path);
      client.connect({
        host,
        port,
        username: userInfo().username,
        privateKey,
        algorithms: { cipher: [cipher] },
      });
      return promise.finally(() => client.destroy());
    };
    // One for each direction; of the third, two each; of the last, that of the MAC.
    expect([await kept(WAYS[0][0]), await kept(WAYS[2][0]), await kept(WAYS[3][0])]).toEqual([2, 4, 2]);
  });
});
