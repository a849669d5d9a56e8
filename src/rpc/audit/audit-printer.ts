import { once } from "node:events";
import type { Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { create, toJson } from "@bufbuild/protobuf";
import { AuditEventSchema } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { auditLogSize, listGrownLogs } from "../../store/audit-growth.ts";
import { auditEntriesAfter } from "../../store/audit-tail.ts";
import type { Database } from "../../store/database.ts";
import { toAuditEvent } from "./to-audit-event.ts";

const idleMs = 250;
const retryMs = 1_000;
const pageSize = 500;

export interface AuditPrinterOptions {
  db: Database;
  output: Writable;
  onError: (error: unknown) => void;
}

/**
 * Prints every event of all organizations that gets its number from the start of the process on, as a line
 * of JSON. Where it has come to is kept in memory alone: what others write while no process prints is not
 * printed later.
 */
export class AuditPrinter {
  readonly #options: AuditPrinterOptions;
  readonly #closing = new AbortController();
  /** By organization, the last event that was printed or was there before. */
  readonly #printed = new Map<string, number>();
  #size = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(options: AuditPrinterOptions) {
    this.#options = options;
  }

  /** Prints what is written from now on. */
  async start(): Promise<void> {
    const { db } = this.#options;
    this.#size = await auditLogSize(db);
    for (const { organizationId, sequence } of await listGrownLogs(db, 0)) {
      this.#printed.set(organizationId, sequence);
    }
    this.#running = this.#run();
  }

  /** Prints what there is. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let isLast = false; !isLast; ) {
      isLast = this.#closing.signal.aborted;
      try {
        await this.#printNew();
        await this.#pause(idleMs);
      } catch (error) {
        this.#options.onError(error);
        await this.#pause(retryMs);
      }
    }
  }

  async #printNew(): Promise<void> {
    const { db } = this.#options;
    const size = await auditLogSize(db);
    if (size === this.#size) return;
    for (const { organizationId, sequence } of await listGrownLogs(db, this.#size)) {
      await this.#printUpTo(organizationId, sequence);
    }
    this.#size = size;
  }

  async #printUpTo(organizationId: string, last: number): Promise<void> {
    for (let after = this.#printed.get(organizationId) ?? 0; after < last; ) {
      const page = { after, upTo: last, limit: pageSize };
      const rows = await auditEntriesAfter(this.#options.db, organizationId, {}, page);
      for (const row of rows) {
        const event = create(AuditEventSchema, toAuditEvent(row));
        const line = { organizationId, auditEvent: toJson(AuditEventSchema, event) };
        await this.#print(`${JSON.stringify(line)}\n`);
      }
      after = rows.length < pageSize ? last : (rows.at(-1)?.sequence ?? last);
      this.#printed.set(organizationId, after);
    }
  }

  async #print(line: string): Promise<void> {
    const { output } = this.#options;
    if (!output.write(line)) await once(output, "drain");
  }

  async #pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#closing.signal }).catch(() => {});
  }
}
