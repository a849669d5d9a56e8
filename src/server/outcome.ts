import type { Registry } from "prom-client";
import { Code, type Reason, type ServiceError } from "../errors.ts";
import { withoutSecrets } from "../ids.ts";
import type { App } from "../rpc/app.ts";
import type { Call } from "../rpc/call.ts";
import { asServiceError } from "../store/errors.ts";
import { CallMetrics } from "./call-metrics.ts";

const ordinaryEnds: ReadonlySet<Reason> = new Set([
  "CANCELLED",
  "DEADLINE_EXCEEDED",
  "SHUTTING_DOWN",
]);

/** How calls end: counted, and where they are refused, recorded and logged. */
export class Outcomes {
  readonly #app: App;
  readonly #metrics: CallMetrics;

  constructor(app: App, registry: Registry) {
    this.#app = app;
    this.#metrics = new CallMetrics(registry);
  }

  carriedOut(call: Call, server: string): void {
    this.#metrics.ended(server, call.method.action, "OK", secondsSince(call.startTime));
  }

  /** @returns what the caller is told */
  refused(call: Call, server: string, thrown: unknown): ServiceError {
    const error = asServiceError(thrown);
    this.#metrics.ended(server, call.method.action, error.reason, secondsSince(call.startTime));
    this.#log(call, error);
    this.#record(call, error);
    return error;
  }

  /**
   * Of a stream that was begun and ends before its handler ends it. It may be left by its caller and
   * ended with its server: that is counted, and is no refusal.
   * @returns what the caller is told
   */
  ended(call: Call, server: string, thrown: unknown): ServiceError {
    const error = asServiceError(thrown);
    if (!ordinaryEnds.has(error.reason)) return this.refused(call, server, error);
    this.#metrics.ended(server, call.method.action, error.reason, secondsSince(call.startTime));
    return error;
  }

  #log(call: Call, error: ServiceError): void {
    const isFault = error.code === Code.internal || error.code === Code.unavailable;
    this.#app.log[isFault ? "error" : "info"](
      {
        requestId: call.requestId,
        rpc: call.method.action,
        reason: error.trueReason,
        address: call.address,
        // The two halves of a key are easily mistaken for each other.
        accessKey: withoutSecrets(call.signed?.accessKey ?? ""),
        ...(isFault && { err: error.cause ?? error }),
      },
      "call refused",
    );
  }

  /** A stranger's refusal belongs to no organization: it is counted and logged only. */
  #record(call: Call, error: ServiceError): void {
    const principal = call.caller ?? call.claimant?.principal;
    const organizationId = principal?.organizationId ?? call.claimant?.organizationId;
    if (organizationId === undefined || error.reason === "AUDIT_UNAVAILABLE") return;
    const apiKeyId = call.claimant?.apiKeyId;
    this.#app.audit.recordRefusal(
      call.audited({ organizationId, principal, apiKeyId }),
      error.trueReason,
    );
  }
}

function secondsSince(startTime: number): number {
  return (performance.now() - startTime) / 1_000;
}
