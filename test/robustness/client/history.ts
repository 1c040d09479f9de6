/** Everything that clients asked and were answered, over several daemon lives. */
export interface Answer {
  readonly eventId: string;
  /** The daemon's life that answered. */
  readonly round: number;
  readonly status: "accepted" | "duplicate" | "pending" | "dropped" | "rejected";
}

export class History {
  readonly asked: string[] = [];
  readonly answers: Answer[] = [];

  /** Events that were answered as taken: they must be on disk from then on. */
  get taken(): ReadonlySet<string> {
    const taken = this.answers.filter(
      ({ status }) => status === "accepted" || status === "pending" || status === "dropped",
    );
    return new Set(taken.map(({ eventId }) => eventId));
  }
}
