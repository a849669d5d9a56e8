import { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { type Principal, PrincipalType } from "../iam/principal.ts";
import { newId } from "../ids.ts";
import { insertAuditEvents, type NewAuditEvent } from "../store/audit-events.ts";
import type { Database, Transaction } from "../store/database.ts";
import { Refusals } from "./refusals.ts";

/** What the audit log says of a call. */
export interface AuditedCall {
  organizationId: string;
  principal: Principal | undefined;
  /** The key that a signature named, when its holder is not proven to be the principal. */
  apiKeyId?: string | undefined;
  action: string;
  resourceType: string;
  resourceId: string;
  requestId: string;
  address: string;
  userAgent: string;
}

/** The only writer of audit events. */
export class AuditLog {
  readonly #refusals: Refusals;

  constructor(db: Database, onError: (error: unknown) => void) {
    this.#refusals = new Refusals((events) => insertAuditEvents(db, events), onError);
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
    this.#refusals.add(event(call, AuditOutcome.REFUSED, trueReason));
  }

  /** @throws ServiceError AUDIT_UNAVAILABLE while refusals could not be recorded */
  ensureCanRecord(): void {
    this.#refusals.ensureRoom();
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    await this.#refusals.close();
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
    resource_id: call.resourceId,
    outcome,
    reason,
    request_id: call.requestId,
    address: call.address,
    user_agent: storable(call.userAgent),
  };
}

/** Postgres has no NUL in text, and a caller chooses its user agent. */
function storable(text: string): string {
  return text.replaceAll("\0", "");
}
