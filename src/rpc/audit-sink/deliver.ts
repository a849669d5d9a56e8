import { create, toJsonString } from "@bufbuild/protobuf";
import { signRequest } from "pdaas/signing";
import { AuditDeliverySchema } from "../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import type { HeldSink } from "../../store/audit-deliveries.ts";
import type { AuditEventRow } from "../../store/audit-events.ts";
import type { App } from "../app.ts";
import { toAuditEvent } from "../audit/to-audit-event.ts";
import { AddressRefusedError, post } from "./post.ts";
import { openSinkSecret } from "./sink-secret.ts";
import { mayDeliverTo } from "./sink-url.ts";

/** A receiver has so long to answer. */
const timeoutMs = 10_000;
const contentType = "application/json";

/**
 * Delivers events to a sink, signed as a request to this service is.
 * @param signal ends it when the service stops
 * @returns why it was in vain; undefined when the receiver has taken them
 * @throws what the signal is aborted with
 */
export async function deliver(
  app: App,
  sink: HeldSink,
  events: readonly AuditEventRow[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const url = new URL(sink.url);
  const body = bodyOf(sink, events);
  const key = { accessKey: sink.id, secretKey: secretOf(app, sink) };
  const headers = { "content-type": contentType, "user-agent": "pdaas-audit" };
  const signature = signRequest({ ...key, method: "POST", url, contentType, body });
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const status = await post({
      url,
      headers: { ...headers, ...signature },
      body,
      allows: (address) => mayDeliverTo(url, address, app.isProduction),
      signal: AbortSignal.any([signal, timeout]),
    });
    return refusalOf(status);
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return `There was no answer within ${timeoutMs / 1_000} seconds.`;
    return failureOf(error);
  }
}

function bodyOf(sink: HeldSink, events: readonly AuditEventRow[]): Buffer {
  const delivery = create(AuditDeliverySchema, {
    auditSinkId: sink.id,
    organizationId: sink.organization_id,
    auditEvents: events.map(toAuditEvent),
  });
  return Buffer.from(toJsonString(AuditDeliverySchema, delivery));
}

function secretOf(app: App, sink: HeldSink): string {
  const { organization_id: id, sealed_data_key } = sink;
  return openSinkSecret(app, { id, sealed_data_key }, sink);
}

function refusalOf(status: number): string | undefined {
  if (status >= 200 && status < 300) return undefined;
  const isRedirect = status >= 300 && status < 400;
  const more = isRedirect ? ", a redirect, which is not followed" : "";
  return `The answer had the status ${status}${more}.`;
}

/** Nothing of what the other side has sent: whoever may read the sink may not read that. */
function failureOf(error: unknown): string {
  if (error instanceof AddressRefusedError) return `It was not sent: ${error.message}.`;
  return `There was no answer: ${(error as NodeJS.ErrnoException).code ?? "the connection broke"}.`;
}
