import { Counter, Histogram, type Registry } from "prom-client";
import type { ServiceError } from "../errors.ts";
import { Code } from "../errors.ts";
import type { App } from "../rpc/app.ts";
import type { Call } from "../rpc/call.ts";
import { audited } from "../rpc/change.ts";
import { asServiceError } from "../store/errors.ts";

/** How calls end: counted, and where they are refused, recorded and logged. */
export class Outcomes {
  readonly #app: App;
  readonly #calls: Counter<"rpc" | "server" | "reason">;
  readonly #seconds: Histogram<"rpc" | "server">;
  /** Metrics of one RPC on one server, looked up once and not for every call. */
  readonly #series = new Map<
    string,
    { ok: { inc(): void }; seconds: { observe(s: number): void } }
  >();

  constructor(app: App, registry: Registry) {
    this.#app = app;
    this.#calls = new Counter({
      name: "pdaas_calls_total",
      help: "Calls that ended, by RPC, server and reason (OK where they were carried out).",
      labelNames: ["rpc", "server", "reason"],
      registers: [registry],
    });
    this.#seconds = new Histogram({
      name: "pdaas_call_seconds",
      help: "Time from the head of a request to its answer.",
      labelNames: ["rpc", "server"],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 5],
      registers: [registry],
    });
  }

  carriedOut(call: Call, server: string): void {
    const series = this.#seriesOf(call.method.action, server);
    series.ok.inc();
    series.seconds.observe((performance.now() - call.startTime) / 1000);
  }

  /** @returns what the caller is told */
  refused(call: Call, server: string, thrown: unknown): ServiceError {
    const error = asServiceError(thrown);
    this.#calls.labels(call.method.action, server, error.reason).inc();
    this.#seriesOf(call.method.action, server).seconds.observe(
      (performance.now() - call.startTime) / 1000,
    );
    this.#log(call, error);
    this.#record(call, error);
    return error;
  }

  #seriesOf(rpc: string, server: string) {
    const key = `${server} ${rpc}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = {
        ok: this.#calls.labels(rpc, server, "OK"),
        seconds: this.#seconds.labels(rpc, server),
      };
      this.#series.set(key, series);
    }
    return series;
  }

  #log(call: Call, error: ServiceError): void {
    const fault = error.code === Code.internal || error.code === Code.unavailable;
    this.#app.log[fault ? "error" : "info"](
      {
        requestId: call.requestId,
        rpc: call.method.action,
        reason: error.trueReason,
        address: call.address,
        accessKey: call.signed?.accessKey,
        ...(fault && { err: error.cause ?? error }),
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
      audited(call, { organizationId, principal, apiKeyId }),
      error.trueReason,
    );
  }
}
