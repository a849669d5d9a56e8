import { create, toBinary } from "@bufbuild/protobuf";
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { App } from "../rpc/app.ts";
import type { Call } from "../rpc/call.ts";
import type { StreamRoute } from "../rpc/routes.ts";
import { abandoned } from "./abandoned.ts";
import { decode } from "./decode.ts";
import { idMetadata, toStatus, wireBytes } from "./grpc-call.ts";
import { explainEnd, reset } from "./grpc-streams.ts";
import { admit, checkBody, serveStream } from "./interceptors.ts";
import type { OpenStreams } from "./open-streams.ts";
import type { Outcomes } from "./outcome.ts";
import { untilAborted } from "./until-aborted.ts";

export type StreamCall = ServerWritableStream<Buffer, Buffer>;

/** Serves a call that is answered with a stream, as fast as its caller reads. */
export async function handleStream(
  app: App,
  outcomes: Outcomes,
  open: OpenStreams,
  call: Call,
  route: StreamRoute,
  raw: StreamCall,
): Promise<void> {
  raw.once("cancelled", () => call.abort(abandoned(call)));
  explainEnd(raw, call.requestId);
  try {
    await admit(app, call);
    checkBody(call, wireBytes(raw.request));
    const { input, output } = route.method.desc;
    const request = decode(input, raw.request, "binary");
    const watch = () => open.open(call, () => reset(raw));
    for await (const message of serveStream(app, call, route, request, watch)) {
      raw.sendMetadata(idMetadata(call));
      await send(raw, toBinary(output, create(output, message)), call.signal);
    }
    raw.end();
    outcomes.carriedOut(call, "grpc");
  } catch (error) {
    raw.emit("error", toStatus(outcomes.ended(call, "grpc", error), call));
  }
}

/** Sends a message, and waits while the caller has not read those before it. */
async function send(raw: StreamCall, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  if (raw.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))) return;
  const drained = new Promise<void>((resolve) => raw.once("drain", resolve));
  await untilAborted(signal, drained);
}
