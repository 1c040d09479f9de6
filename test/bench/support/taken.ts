import { type Agtmux, type EventEnvelope, IngestStatus } from "../../../src/client/index.js";

/** Sends events and throws unless every one was bound and applied: a figure over refused events means nothing. */
export async function send(client: Agtmux, events: readonly EventEnvelope[]): Promise<void> {
  const { results } = await client.ingest.ingestEvents({ events: [...events] });
  const other = results.find(({ status }) => status !== IngestStatus.ACCEPTED);
  if (results.length !== events.length || other !== undefined) {
    const said = other === undefined ? "nothing" : `${IngestStatus[other.status]} ${other.reason}`;
    throw new Error(`${results.length} of ${events.length} events answered; one with ${said}`);
  }
}
