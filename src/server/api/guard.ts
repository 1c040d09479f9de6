import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** Hosts that a client of the Unix socket may name. C-core gRPC clients send the socket's path, encoded. */
const HOSTS = new Set(["", "localhost", "agtmux", "agtmuxd", "unix", "127.0.0.1", "[::1]"]);

/** Hosts by which a client of the TCP port may name this machine. */
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** What the guard makes of a request's head. */
export type Admission =
  | { readonly kind: "admitted" }
  | { readonly kind: "refused"; readonly message: string };

function hostName(host: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]*\]|[^:\s[\]]*)(?::\d{1,5})?$/u.exec(host);
  return match?.[1]?.toLowerCase();
}

/**
 * Checks Host, Origin and Referer before anything else sees a request: a page in a browser must not reach the daemon by
 * any trick of names, and connect-node 2.2 throws out of its event handler on a host that makes no URL. `socketPath` may
 * be named as the host, percent-encoded, as gRPC libraries do for Unix sockets.
 */
export function admit(headers: IncomingHttpHeaders, socketPath: string): Admission {
  if (fromPage(headers)) return { kind: "refused", message: "requests from web pages are not served" };
  const host = namedHost(headers);
  if (host.length > 1_024) return { kind: "refused", message: "the host is too long" };
  const named = hostName(host);
  if (named !== undefined && HOSTS.has(named)) return { kind: "admitted" };
  if (host === encodeURIComponent(socketPath) || host === socketPath) return { kind: "admitted" };
  return { kind: "refused", message: "the host is not this daemon's" };
}

/** The same for the TCP port, where the host must be this machine with that port, and the bearer token must be ours. */
export function admitTcp(headers: IncomingHttpHeaders, port: number, token: string): Admission {
  if (fromPage(headers)) return { kind: "refused", message: "requests from web pages are not served" };
  const host = namedHost(headers).toLowerCase();
  const suffix = `:${port}`;
  if (!host.endsWith(suffix) || !LOOPBACK.has(host.slice(0, -suffix.length))) {
    return { kind: "refused", message: "the host is not this daemon's" };
  }
  const given = /^Bearer ([!-~]{1,256})$/iu.exec(headers.authorization ?? "")?.[1] ?? "";
  if (timingSafeEqual(digest(given), digest(token))) return { kind: "admitted" };
  return { kind: "refused", message: "the bearer token is missing or not this daemon's" };
}

function fromPage(headers: IncomingHttpHeaders): boolean {
  return headers.origin !== undefined || headers.referer !== undefined;
}

function namedHost(headers: IncomingHttpHeaders): string {
  return String(headers[":authority"] ?? headers.host ?? "");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
