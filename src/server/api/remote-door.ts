import type { Duplex } from "node:stream";
import type { EventEnvelope } from "../../../gen/agtmux/v1/ingest_pb.js";
import type { Adapter, Process } from "../adapters/contract.js";
import { trustedAncestors } from "../ingest/ancestry.js";
import type { Intake } from "../ingest/envelope.js";
import type { Logger } from "../log.js";
import type { ReaderDoor } from "../targets/ssh/remote-reader.js";
import type { DoorOrigin } from "../targets/ssh/ssh-target.js";
import { dualServer } from "./dual-server.js";
import { admit } from "./guard.js";
import { Ingestor, type IngestorParts } from "./ingest-service.js";
import { requestHandler } from "./routes.js";
import { ingestOnly } from "./services.js";

/** A hook's connection lasts 1 s at most. */
const CONNECTION_MS = 60_000;

export interface RemoteDoorParts extends Omit<IngestorParts, "intake"> {
  readonly intake: Pick<Intake, "adapter" | "maxPayloadBytes">;
  readonly maxRequestBytes: number;
  readonly log: Logger;
}

/** The way in for the hooks of one ssh target: IngestService, for that target, and nothing else. */
export function remoteDoor(parts: RemoteDoorParts, origin: DoorOrigin): ReaderDoor {
  const { maxRequestBytes, log, intake } = parts;
  const ingestor = new Ingestor({ ...parts, intake: (envelopes) => intakeOf(intake, origin, envelopes) });
  const onError = (error: unknown): void => {
    log.debug({ target: origin.targetId, error: String(error) }, "a hook's connection failed");
  };
  const handler = requestHandler({ maxRequestBytes, log, routes: ingestOnly(ingestor) });
  const server = dualServer((headers) => admit(headers, ""), handler, onError);
  return {
    accept: (stream: Duplex) => {
      const late = setTimeout(() => stream.destroy(), CONNECTION_MS);
      late.unref();
      stream.once("close", () => clearTimeout(late));
      // Sound: both of Node's servers take any duplex stream for a socket, and nothing here asks for more.
      server.accept(stream as Parameters<typeof server.accept>[0]);
    },
    ingest: (envelopes, spooledAt) => ingestor.ingest(envelopes, spooledAt),
    close: () => void server.close(0),
  };
}

/** Where ancestors must be proven, they are looked at on their host, as they are now. */
async function intakeOf(
  intake: RemoteDoorParts["intake"],
  origin: DoorOrigin,
  envelopes: readonly EventEnvelope[],
): Promise<Intake> {
  const pids = envelopes
    .filter(({ agentType }) => intake.adapter(agentType)?.paneIdUnreliable === true)
    .flatMap(({ parentPids }) => parentPids.map(Number));
  let table: ReadonlyMap<number, Process> = new Map();
  // A host that cannot be asked proves nothing.
  if (pids.length > 0) table = await origin.processes(pids).catch(() => table);
  const find = (pid: number): Process | undefined => table.get(pid);
  return {
    ...intake,
    ancestors: (adapter: Adapter, parents) => trustedAncestors(adapter, parents, { find }),
    origin: { targetId: origin.targetId, clockOffset: origin.clockOffset() },
  };
}
