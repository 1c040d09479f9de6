import { constants } from "node:fs";
import { open } from "node:fs/promises";
import ssh2, { type ParsedKey } from "ssh2";
import { field } from "./key-blob.js";
import { errorCode, reasonOf } from "./ssh-error.js";

/** Most bytes of a key file. */
const MAX_KEY_BYTES = 64 * 1024;

/** An identity file of the user's settings, as far as it can be used. */
export interface Identity {
  readonly path: string;
  /** What can be offered to a host; undefined if only the passphrase would tell. */
  readonly publicKey: ParsedKey | undefined;
  /** What can sign; undefined if the file holds no private key, or `trouble` says why not. */
  readonly privateKey: ParsedKey | undefined;
  readonly trouble:
    | { readonly kind: "encrypted" | "permissions" | "unusable"; readonly why: string }
    | undefined;
}

/** Reads an identity file and the .pub beside it; undefined if there is neither. Never rejects. */
export async function readIdentity(path: string): Promise<Identity | undefined> {
  const [file, beside] = await Promise.all([readKeyFile(path), readKeyFile(`${path}.pub`)]);
  const hint = beside.text === undefined ? undefined : parse(beside.text);
  const publicHint = hint instanceof Error ? undefined : hint;
  const identity = (parts: Partial<Identity>): Identity => ({
    path,
    publicKey: publicHint,
    privateKey: undefined,
    trouble: undefined,
    ...parts,
  });
  if (file.problem === "absent") return publicHint === undefined ? undefined : identity({});
  if (file.text === undefined) {
    return identity({ trouble: { kind: "unusable", why: `${path} cannot be read: ${file.problem}` } });
  }
  const key = parse(file.text);
  if (!(key instanceof Error) && !key.isPrivateKey()) return identity({ publicKey: key });
  // A key that others may read is not used, as ssh does not use it; its public half still names it to the agent.
  const readable = file.othersMayRead;
  const why = `${path} may be read by others`;
  const exposed = readable ? ({ kind: "permissions", why } as const) : undefined;
  if (!(key instanceof Error)) {
    return identity({ publicKey: key, privateKey: readable ? undefined : key, trouble: exposed });
  }
  if (isEncrypted(file.text)) {
    const publicKey = publicPartOf(file.text) ?? publicHint;
    return identity({ publicKey, trouble: exposed ?? { kind: "encrypted", why: `${path} is encrypted` } });
  }
  return identity({
    publicKey: undefined,
    trouble: { kind: "unusable", why: `${path} holds a key of a kind that cannot be used: ${key.message}` },
  });
}

async function readKeyFile(
  path: string,
): Promise<{ readonly text?: string; readonly problem?: string; readonly othersMayRead: boolean }> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) return { problem: "it is no file", othersMayRead: false };
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_KEY_BYTES), 0, MAX_KEY_BYTES, 0);
      return {
        text: buffer.toString("latin1", 0, bytesRead),
        // What ssh asks of a private key's file.
        othersMayRead: stat.uid === process.getuid?.() && (stat.mode & 0o077) !== 0,
      };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = errorCode(error);
    return {
      problem: code === "ENOENT" || code === "ENOTDIR" ? "absent" : reasonOf(error),
      othersMayRead: false,
    };
  }
}

function parse(text: string): ParsedKey | Error {
  try {
    return ssh2.utils.parseKey(text);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const OPENSSH_KEY = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----/;
const MAGIC = "openssh-key-v1\0";

function isEncrypted(text: string): boolean {
  const cipher = opensshFields(text)?.[0]?.toString("latin1");
  if (cipher !== undefined) return cipher !== "none";
  return /^Proc-Type: 4,ENCRYPTED/m.test(text) || text.includes("-----BEGIN ENCRYPTED PRIVATE KEY-----");
}

/** The public key that OpenSSH's format keeps in the open beside the encrypted one. */
function publicPartOf(text: string): ParsedKey | undefined {
  const blob = opensshFields(text)?.[3];
  if (blob === undefined) return undefined;
  const type = field(blob, 0)?.bytes.toString("latin1");
  const key = parse(`${type} ${blob.toString("base64")}`);
  return key instanceof Error ? undefined : key;
}

/** Cipher, key derivation, its options, and the public key. */
function opensshFields(text: string): (Buffer | undefined)[] | undefined {
  const base64 = OPENSSH_KEY.exec(text)?.[1];
  if (base64 === undefined) return undefined;
  const data = Buffer.from(base64, "base64");
  if (data.toString("latin1", 0, MAGIC.length) !== MAGIC) return undefined;
  const cipher = field(data, MAGIC.length);
  const kdf = cipher && field(data, cipher.next);
  const kdfOptions = kdf && field(data, kdf.next);
  // The number of keys, always one, stands before them.
  const publicKey = kdfOptions && field(data, kdfOptions.next + 4);
  return [cipher?.bytes, kdf?.bytes, kdfOptions?.bytes, publicKey?.bytes];
}
