import type { Duplex } from "node:stream";
import { Authentication } from "./authentication.js";
import type { OpenOptions, SshConnection, SshOpener } from "./connection.js";
import { startDeadline, unlessStopped } from "./deadline.js";
import { address, dial } from "./dial.js";
import { shakeHands } from "./handshake.js";
import { loadHostKeys } from "./host-keys.js";
import { Link } from "./link.js";
import { liveConnection } from "./live-connection.js";
import { fillProxyCommand } from "./path-tokens.js";
import { type JumpHost, parseProxyJump, throughJump } from "./proxy.js";
import { type HopOverride, type HostConfig, resolveHost, type SshConfigOptions } from "./ssh-config.js";
import { reasonOf, SshError } from "./ssh-error.js";
import { ProxyProgram } from "./ssh-process.js";

/** Longest way from the first packet to being logged in, for each hop, in milliseconds. */
const HANDSHAKE_MS = 15_000;
/** How often a host is asked for a sign of life, in milliseconds, if the user's ServerAliveInterval says nothing. */
const ALIVE_INTERVAL_MS = 5_000;
/** Most hosts on the way. */
const MAX_JUMPS = 8;

export interface SshOpenerOptions extends SshConfigOptions {
  /** Replaces the time for each hop's handshake. */
  readonly handshakeMs?: number | undefined;
}

interface Reached {
  readonly link: Link;
  readonly host: HostConfig;
}

interface Hop {
  readonly name: string;
  readonly override: HopOverride | undefined;
  /** The hosts on the way, the nearest first; undefined leaves it to the settings. */
  readonly via: readonly JumpHost[] | undefined;
  readonly depth: number;
  readonly acceptNew: boolean;
}

/** Opens connections to the hosts of the user's ssh settings, in the way the user's ssh would. */
export class UserSshOpener implements SshOpener {
  readonly #options: SshOpenerOptions;

  constructor(options: SshOpenerOptions) {
    this.#options = options;
  }

  /** Rejects with SshError; what was begun is undone by then. `signal` gives up. */
  async open(alias: string, signal: AbortSignal, options: OpenOptions = {}): Promise<SshConnection> {
    const acceptNew = options.acceptNewHostKey ?? false;
    const target: Hop = { name: alias, override: undefined, via: undefined, depth: 0, acceptNew };
    const { link, host } = await this.#reach(target, signal);
    return liveConnection(link, {
      intervalMs: host.aliveIntervalMs ?? ALIVE_INTERVAL_MS,
      countMax: host.aliveCountMax,
    });
  }

  async #reach(hop: Hop, signal: AbortSignal): Promise<Reached> {
    const host = await resolveHost(hop.name, hop.override, this.#options, signal);
    const jumps = hop.via ?? jumpsOf(host);
    const last = jumps.at(-1);
    if (last === undefined) return this.#connect(host, hop.acceptNew, undefined, signal);
    if (hop.depth >= MAX_JUMPS) throw tooFar(host);
    const before = jumps.slice(0, -1);
    const under = await this.#reachJump(last, before, hop.depth + 1, signal);
    try {
      return await this.#connect(host, hop.acceptNew, { link: under, name: last.name }, signal);
    } catch (error) {
      under.close();
      throw error;
    }
  }

  async #reachJump(
    jump: JumpHost,
    before: readonly JumpHost[],
    depth: number,
    signal: AbortSignal,
  ): Promise<Link> {
    try {
      const via = before.length > 0 ? before : undefined;
      const hop: Hop = { name: jump.name, override: jump, via, depth, acceptNew: false };
      return (await this.#reach(hop, signal)).link;
    } catch (error) {
      if (!(error instanceof SshError) || signal.aborted) throw error;
      throw new SshError(error.kind, `jump host ${jump.name}: ${error.message}`, error.advice, {
        cause: error,
      });
    }
  }

  async #connect(
    host: HostConfig,
    acceptNew: boolean,
    jump: { readonly link: Link; readonly name: string } | undefined,
    signal: AbortSignal,
  ): Promise<Reached> {
    const ms = this.#options.handshakeMs ?? HANDSHAKE_MS;
    let stage = "the connection";
    let authentication: Authentication | undefined;
    let stream: Duplex | undefined;
    const deadline = startDeadline(
      ms,
      () => authentication?.agentTooSlow ?? tooSlow(host, stage, ms),
      signal,
    );
    try {
      const hostKeys = await loadHostKeys(host, acceptNew);
      authentication = await unlessStopped(Authentication.prepare(host), deadline.signal);
      stream = await this.#transport(host, jump, deadline.signal);
      const client = await shakeHands({
        host,
        stream,
        hostKeys,
        authentication,
        aliveIntervalMs: host.aliveIntervalMs ?? ALIVE_INTERVAL_MS,
        onStage: (now) => {
          stage = now;
        },
        signal: deadline.signal,
      });
      return { link: new Link({ client, stream, address: address(host), below: jump?.link }), host };
    } catch (error) {
      authentication?.close();
      const failure = explained(error, host, stream);
      stream?.destroy();
      throw failure;
    } finally {
      deadline.end();
    }
  }

  async #transport(
    host: HostConfig,
    jump: { readonly link: Link; readonly name: string } | undefined,
    signal: AbortSignal,
  ): Promise<Duplex> {
    if (jump !== undefined) return throughJump(jump.link.client, jump.name, host, signal);
    if (host.proxyCommand === undefined) return dial(host, signal);
    const stream = new ProxyProgram(fillProxyCommand(host.proxyCommand, host), this.#options.env);
    stream.on("error", () => undefined);
    return stream;
  }
}

function jumpsOf(host: HostConfig): JumpHost[] {
  return host.proxyJump === undefined ? [] : parseProxyJump(host.proxyJump);
}

function explained(error: unknown, host: HostConfig, stream: Duplex | undefined): SshError {
  if (stream instanceof ProxyProgram && stream.ended !== undefined) {
    return new SshError(
      "proxy",
      `the ProxyCommand of ${host.alias} did not lead to it: ${stream.ended}`,
      `run the ProxyCommand of ~/.ssh/config by hand; the daemon runs it without a terminal`,
      { cause: error },
    );
  }
  if (error instanceof SshError) return error;
  return new SshError(
    "failed",
    `${address(host)} could not be reached: ${reasonOf(error)}`,
    `try "ssh ${host.alias}" by hand`,
    { cause: error },
  );
}

function tooSlow(host: HostConfig, stage: string, ms: number): SshError {
  return new SshError(
    "timeout",
    `${address(host)} was not done with ${stage} within ${ms / 1_000} s`,
    "see whether the host is overloaded, or something on the way drops packets",
  );
}

function tooFar(host: HostConfig): SshError {
  return new SshError(
    "config",
    `the way to ${host.alias} has more than ${MAX_JUMPS} jump hosts, or leads in a circle`,
    "mend ProxyJump in ~/.ssh/config; a jump host may need ProxyJump none",
  );
}
