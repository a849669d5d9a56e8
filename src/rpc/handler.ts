import type { DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { App } from "./app.ts";
import type { Call } from "./call.ts";

/** What serves one RPC: called with an authorised caller and a valid request. */
export type Handler<M extends DescMethodUnary> = (
  app: App,
  call: Call,
  request: MessageShape<M["input"]>,
) => Promise<MessageInitShape<M["output"]>>;
