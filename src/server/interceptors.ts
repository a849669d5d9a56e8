import type { DescMessage, Message, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { digestHolds } from "../auth/signature.ts";
import { Code, cancelled, ServiceError } from "../errors.ts";
import type { App } from "../rpc/app.ts";
import { authorizeCall } from "../rpc/authorize-call.ts";
import { type Call, recordable } from "../rpc/call.ts";
import type { StreamRoute, UnaryRoute } from "../rpc/routes.ts";
import { authenticate } from "./authenticate.ts";
import type { WatchedCall } from "./open-streams.ts";
import { spendNonce } from "./spend-nonce.ts";
import { untilAborted } from "./until-aborted.ts";
import { validate } from "./validate.ts";

// What every call goes through on both servers, in this order:
//
//   admit       before the body is read, so that a stranger's body costs nothing
//     can record   a refusal that could not be recorded must not be given
//     authenticate who is calling; nothing is stored for a caller who is not known. Its address too, by
//       the allowlists, and only then: they are no business of whoever has not proven who he is
//     spend nonce  only after the HMAC held: else anybody could use up the nonces of others; its round
//       trip also tells a change of access, after which the caller is admitted anew, and a rate limit
//     (authenticate again, on the HTTP server, when the body took its time: a revocation may have been
//     answered meanwhile; a change holds this once more, in its transaction)
//   check body  before anything parses it: what was not signed is not looked at
//   serve
//     authorise    before validation: what a request should look like is no stranger's business
//     validate     the rules of the contract
//     handler      which records its change in its own transaction
//     (a stream authenticates and authorises again for as long as it lasts: open-streams.ts)

/** Admits the caller by the headers alone. Refusals are thrown or come as a rejected promise. */
export function admit(app: App, call: Call): Promise<void> {
  app.audit.ensureCanRecord();
  const asking = authenticate(app, call);
  return asking === undefined ? spendNonce(app, call) : asking.then(() => spendNonce(app, call));
}

/** Holds that the body is the one that was signed. */
export function checkBody(call: Call, body: Uint8Array): void {
  if (call.signed === undefined || digestHolds(call.signed, body)) return;
  throw new ServiceError(
    Code.unauthenticated,
    "DIGEST_MISMATCH",
    "The body is not the one that was signed. Compute content-digest over the bytes that are sent, after serialisation and with any envelope.",
  );
}

/** Carries an admitted call out. Refusals are thrown or come as a rejected promise. */
export function serve(
  app: App,
  call: Call,
  route: UnaryRoute,
  request: MessageShape<DescMessage>,
): Promise<MessageInitShape<DescMessage>> {
  const handle = () => {
    validate(call.method.desc.input, request);
    return route.handler(app, call, request);
  };
  const asking = authorise(app, call, request);
  return asking === undefined ? handle() : asking.then(handle);
}

/**
 * Carries an admitted call out that is answered with a stream. It is under watch until it ends, and what
 * ends it early is thrown. Where nobody takes more of it, its handler is ended too.
 * @param watch puts it under watch
 */
export async function* serveStream(
  app: App,
  call: Call,
  route: StreamRoute,
  request: MessageShape<DescMessage>,
  watch: () => WatchedCall,
): AsyncGenerator<MessageInitShape<DescMessage>, void> {
  await authorise(app, call, request);
  validate(call.method.desc.input, request);
  using watched = watch();
  const messages = route.handler(app, call, request)[Symbol.asyncIterator]();
  let isDone = false;
  try {
    for (;;) {
      const next = await untilAborted(call.signal, messages.next());
      if (next.done === true) {
        isDone = true;
        return;
      }
      watched.sent();
      yield* delivered(call, next.value);
    }
  } finally {
    if (!isDone) endHandler(call, messages);
  }
}

/** A message that cannot be delivered ends the stream, and that is no fault of ours. */
function* delivered<T>(call: Call, message: T): Generator<T, void> {
  try {
    yield message;
  } catch {
    throw whyLeft(call);
  }
}

/** Why nobody takes any more of a stream. */
export function whyLeft({ signal }: Call): unknown {
  return signal.aborted ? signal.reason : cancelled();
}

/** The handler may still wait for something: it is told by the signal not to, and to end then. */
function endHandler(call: Call, messages: AsyncIterator<unknown>): void {
  call.abort(cancelled());
  messages.return?.().catch(() => {});
}

function authorise(
  app: App,
  call: Call,
  request: MessageShape<DescMessage>,
): Promise<void> | undefined {
  const { resourceField, judgedBy } = call.method;
  // Not validated yet, and bound for the audit log.
  call.resourceId = recordable(idIn(request, resourceField));
  call.judgedId = idIn(request, judgedBy?.field);
  return call.caller === undefined ? undefined : authorizeCall(call, app.db);
}

function idIn(request: Message, field: string | undefined): string {
  if (field === undefined) return "";
  const id = (request as unknown as Record<string, unknown>)[field];
  return typeof id === "string" ? id : "";
}
