import { LRUCache } from "lru-cache";
import { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { type Principal, PrincipalType } from "../iam/principal.ts";
import { newId, withoutSecrets } from "../ids.ts";
import { insertAuditEvents, type NewAuditEvent } from "../store/audit-events.ts";
import type { Database, Transaction } from "../store/database.ts";
import { BackgroundEvents } from "./background-events.ts";

/** What the audit log says of a call. */
export interface AuditedCall {
  organizationId: string;
  principal: Principal | undefined;
  /** The key that a signature named, when its holder is not proven to be the principal. */
  apiKeyId?: string | undefined;
  action: string;
  resourceType: string;
  resourceId: string;
  /** What the resource was to be created in or listed of; absent where the call names no such thing. */
  parentId?: string;
  requestId: string;
  address: string;
  userAgent: string;
}

/** The only writer of audit events. */
export class AuditLog {
  readonly #background: BackgroundEvents;
  readonly #reported = new LRUCache<string, true>({ max: 10_000, ttl: 3_600_000 });

  constructor(db: Database, onError: (error: unknown) => void) {
    this.#background = new BackgroundEvents((events) => insertAuditEvents(db, events), onError);
  }

  /** Records a change in its own transaction: neither is ever there without the other. */
  async recordChange(tx: Transaction, call: AuditedCall): Promise<void> {
    await insertAuditEvents(tx, [event(call, AuditOutcome.OK, "")]);
  }

  /**
   * Records a refusal, in the background, with many others at once.
   * @param trueReason what the caller may not have been told
   */
  recordRefusal(call: AuditedCall, trueReason: string): void {
    this.#background.add(event(call, AuditOutcome.REFUSED, trueReason));
  }

  /**
   * Records what an allowlist that only reports would have refused: once an hour of each caller and
   * address, since the calls go on.
   */
  recordReport(call: AuditedCall, reason: string): void {
    const { principal, address, resourceId } = call;
    const what = [principal?.id, principal?.apiKeyId, address, resourceId].join(" ");
    if (this.#reported.has(what)) return;
    this.#reported.set(what, true);
    this.#background.add(event(call, AuditOutcome.REPORTED, reason));
  }

  /** @throws ServiceError AUDIT_UNAVAILABLE while refusals could not be recorded */
  ensureCanRecord(): void {
    this.#background.ensureRoom();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.#background.close();
  }
}

function event(call: AuditedCall, outcome: AuditOutcome, reason: string): NewAuditEvent {
  return {
    id: newId("evt"),
    organization_id: call.organizationId,
    time: new Date(),
    principal_type: call.principal?.type ?? PrincipalType.UNSPECIFIED,
    principal_id: call.principal?.id ?? "",
    api_key_id: call.principal?.apiKeyId ?? call.apiKeyId ?? "",
    session_id: call.principal?.sessionId ?? "",
    action: call.action,
    resource_type: call.resourceType,
    resource_id: storable(call.resourceId),
    outcome,
    reason,
    request_id: call.requestId,
    address: call.address,
    user_agent: storable(call.userAgent),
    parent_id: storable(call.parentId ?? ""),
  };
}

/** Postgres has no NUL in text, and what a caller has put into the wrong place may be a secret. */
function storable(text: string): string {
  return withoutSecrets(text.replaceAll("\0", ""));
}
