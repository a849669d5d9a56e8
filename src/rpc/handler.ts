import type {
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { App } from "./app.ts";
import type { Call } from "./call.ts";

/** What serves one RPC: called with an authorised caller and a valid request. */
export type Handler<M extends DescMethodUnary> = (
  app: App,
  call: Call,
  request: MessageShape<M["input"]>,
) => Promise<MessageInitShape<M["output"]>>;

/**
 * What serves one RPC that answers with a stream. It makes the next message when that is asked for, and
 * waits for nothing longer than `call.signal` lets it: who may call is looked at as long as it lasts.
 */
export type StreamHandler<M extends DescMethodServerStreaming> = (
  app: App,
  call: Call,
  request: MessageShape<M["input"]>,
) => AsyncIterable<MessageInitShape<M["output"]>>;
