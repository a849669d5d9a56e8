import { Gauge, type Registry } from "prom-client";
import type { App } from "../rpc/app.ts";
import { auditLagSeconds } from "../store/audit-pending.ts";

/** Tells how far the audit log is behind, when somebody asks. */
export function addAuditMetrics({ db }: App, registry: Registry): void {
  new Gauge({
    name: "pdaas_audit_lag_seconds",
    help: "Age of the oldest event that has no place in the audit log yet; NaN when it is not known.",
    registers: [registry],
    async collect() {
      this.set(await auditLagSeconds(db).catch(() => Number.NaN));
    },
  });
}
