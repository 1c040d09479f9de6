import { createHash } from "node:crypto";

/** The type that a public key in ssh's wire form names itself by; undefined if it is none. */
export function keyType(blob: Buffer): string | undefined {
  return field(blob, 0)?.bytes.toString("latin1");
}

/** As ssh shows it: `SHA256:` and base64 without padding. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** ED25519, ECDSA, RSA: as ssh names a key's type to people. */
export function keyTypeName(type: string): string {
  return type.replace(/^ssh-/, "").replace(/-.*$/, "").toUpperCase();
}

/** Length of an RSA key's modulus in bits; undefined for keys of other types. */
export function rsaBits(blob: Buffer): number | undefined {
  if (keyType(blob) !== "ssh-rsa") return undefined;
  const type = field(blob, 0);
  const exponent = type && field(blob, type.next);
  const modulus = exponent && field(blob, exponent.next)?.bytes;
  if (modulus === undefined) return 0;
  const first = modulus.findIndex((byte) => byte !== 0);
  if (first < 0) return 0;
  return (modulus.length - first - 1) * 8 + (32 - Math.clz32(modulus[first] ?? 0));
}

/** One length-prefixed field of ssh's wire form. */
export function field(
  blob: Buffer,
  at: number,
): { readonly bytes: Buffer; readonly next: number } | undefined {
  if (at + 4 > blob.length) return undefined;
  const next = at + 4 + blob.readUInt32BE(at);
  return next > blob.length ? undefined : { bytes: blob.subarray(at + 4, next), next };
}
