// What the daemon's figures stand beside: a server of nothing but node:http, in a process of its own.
import { createServer, type ServerResponse } from "node:http";

const [socket = ""] = process.argv.slice(2);
const readers = new Set<ServerResponse>();

const server = createServer((request, response) => {
  if (request.url === "/stream") {
    request.resume();
    response.writeHead(200, { "content-type": "application/octet-stream" });
    response.flushHeaders();
    readers.add(response);
    response.on("close", () => readers.delete(response));
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    response.setHeader("content-type", "application/json");
    if (request.url === "/publish") {
      for (const reader of readers) reader.write(body);
      response.end("{}");
    } else {
      // Parsed and written anew: the least that a JSON service does.
      response.end(JSON.stringify(JSON.parse(body.toString())));
    }
  });
});
server.listen(socket, () => process.stdout.write("ready\n"));
// Whoever started it is gone.
process.stdin.on("end", () => process.exit(0)).resume();
