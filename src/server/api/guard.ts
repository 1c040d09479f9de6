import type { IncomingHttpHeaders } from "node:http";

/** Hosts that a client of the Unix socket may name. C-core gRPC clients send the socket's path, encoded. */
const HOSTS = new Set(["", "localhost", "agtmux", "agtmuxd", "unix", "127.0.0.1", "[::1]"]);

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
  if (headers.origin !== undefined || headers.referer !== undefined) {
    return { kind: "refused", message: "requests from web pages are not served" };
  }
  const given = headers[":authority"] ?? headers.host ?? "";
  const host = String(given);
  if (host.length > 1_024) return { kind: "refused", message: "the host is too long" };
  const named = hostName(host);
  if (named !== undefined && HOSTS.has(named)) return { kind: "admitted" };
  if (host === encodeURIComponent(socketPath) || host === socketPath) return { kind: "admitted" };
  return { kind: "refused", message: "the host is not this daemon's" };
}
