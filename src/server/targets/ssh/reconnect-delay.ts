export interface ReconnectSettings {
  readonly reconnectFirstMs: number;
  /** Longest wait while the outage is young. */
  readonly reconnectMostMs: number;
  /** The outage is young for so long. */
  readonly reconnectEagerMs: number;
  /** Longest wait later. */
  readonly reconnectLaterMs: number;
}

/** Up to so much more or less, so that a host that comes back is not asked by everybody at once. */
const JITTER = 0.2;

/** How long to wait before each attempt to reconnect: doubling, with a lower bound on it while the outage is young. */
export class ReconnectDelay {
  #next: number;

  constructor(
    private readonly settings: ReconnectSettings,
    private readonly random: () => number = Math.random,
  ) {
    this.#next = settings.reconnectFirstMs;
  }

  /** The next wait, in milliseconds, of an outage that has lasted `outageMs`. */
  next(outageMs: number): number {
    const { reconnectEagerMs, reconnectMostMs, reconnectLaterMs } = this.settings;
    const most = outageMs < reconnectEagerMs ? reconnectMostMs : reconnectLaterMs;
    const wait = Math.min(this.#next, most);
    this.#next = wait * 2;
    return wait * (1 + JITTER * (2 * this.random() - 1));
  }

  reset(): void {
    this.#next = this.settings.reconnectFirstMs;
  }
}
