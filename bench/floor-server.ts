// The floor: what grpc-js itself costs, with handlers that do nothing.

import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { answer } from "./process.ts";

const identity = (bytes: Buffer) => bytes;
let calls = 0;
const server = new Server();
server.register(
  "/bench.Echo/Echo",
  (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>) => {
    calls++;
    respond(null, call.request);
  },
  identity,
  identity,
  "unary",
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  answer({ origin: `http://127.0.0.1:${port}` }, { carriedOut: () => ({ floor: calls }) });
});
process.on("SIGTERM", () => process.exit(0));
