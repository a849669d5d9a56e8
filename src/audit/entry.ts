import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { commitment, saltLength } from "pdaas/audit";
import {
  AuditEntrySchema,
  type AuditFieldCommitment,
  AuditFieldCommitmentSchema,
} from "../../gen/pdaas/v1/audit_entry_pb.ts";
import type { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { type Principal, PrincipalType } from "../iam/principal.ts";
import { newId, withoutSecrets } from "../ids.ts";
import type { NewAuditEvent } from "../store/audit-pending.ts";
import type { PersonalValues } from "../store/schema.ts";
import type { FieldChange } from "./field-changes.ts";

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
  /** The account that the resource is in, where that is known. */
  accountId?: string;
  requestId: string;
  /** The trace that the call is part of, where its caller named one. */
  traceId?: string;
  address: string;
  userAgent: string;
  /** The policies that decided. */
  policyIds?: readonly string[];
  changes?: readonly FieldChange[];
}

/** How a call came out, or several that are alike. */
export interface Outcome {
  outcome: AuditOutcome;
  /** Why it was refused, or would have been. */
  reason: string;
  /** Of several, the first. */
  time: Date;
  count: number;
  /** Of several, the last. */
  lastTime?: Date;
}

export function newAuditEventId(): string {
  return newId("evt");
}

/**
 * Makes the entry of the log: its bytes, and the columns that it is found by.
 * @param id that of an event that may be made more than once
 */
export function toEvent(
  call: AuditedCall,
  result: Outcome,
  id: string = newAuditEventId(),
): NewAuditEvent {
  const columns = columnsOf(call, result, id);
  const personal = new Personal();
  const entry = create(AuditEntrySchema, {
    id: columns.id,
    time: timestampFromDate(result.time),
    organizationId: columns.organization_id,
    principalType: call.principal?.type ?? PrincipalType.UNSPECIFIED,
    principalId: columns.principal_id,
    apiKeyId: columns.api_key_id,
    sessionId: columns.session_id,
    action: columns.action,
    resourceType: columns.resource_type,
    resourceId: columns.resource_id,
    parentId: columns.parent_id,
    accountId: columns.account_id,
    outcome: result.outcome,
    reason: columns.reason,
    requestId: columns.request_id,
    traceId: call.traceId ?? "",
    addressCommitment: personal.commitTo("address", columns.address),
    userAgentCommitment: personal.commitTo("user_agent", storable(call.userAgent)),
    changes: (call.changes ?? []).map((change) => toCommitment(change, personal)),
    policyIds: [...(call.policyIds ?? [])],
    count: BigInt(result.count),
    ...(result.lastTime && { lastTime: timestampFromDate(result.lastTime) }),
  });
  return {
    ...columns,
    entry: Buffer.from(toBinary(AuditEntrySchema, entry)),
    personal: JSON.stringify(personal.values),
  };
}

function columnsOf(
  call: AuditedCall,
  { outcome, reason, time }: Outcome,
  id: string,
): Omit<NewAuditEvent, "entry" | "personal"> {
  const { principal } = call;
  return {
    id,
    organization_id: call.organizationId,
    time,
    principal_type: principal?.type ?? PrincipalType.UNSPECIFIED,
    principal_id: principal?.id ?? "",
    api_key_id: principal?.apiKeyId ?? call.apiKeyId ?? "",
    session_id: principal?.sessionId ?? "",
    action: call.action,
    resource_type: call.resourceType,
    resource_id: indexable(call.resourceId),
    parent_id: indexable(call.parentId ?? ""),
    account_id: indexable(call.accountId ?? ""),
    outcome,
    reason,
    request_id: call.requestId,
    address: indexable(call.address),
  };
}

function toCommitment(change: FieldChange, personal: Personal): AuditFieldCommitment {
  const { field, isPersonal } = change;
  const [before, after] = [storable(change.before), storable(change.after)];
  if (!isPersonal) return create(AuditFieldCommitmentSchema, { field, before, after });
  return create(AuditFieldCommitmentSchema, {
    field,
    beforeCommitment: personal.commitTo(`before.${field}`, before),
    afterCommitment: personal.commitTo(`after.${field}`, after),
  });
}

/** What an entry commits to, and does not have in itself. */
class Personal {
  readonly values: PersonalValues = {};

  /** @returns nothing where there is no value */
  commitTo(name: string, value: string): Uint8Array {
    if (value === "") return new Uint8Array();
    const salt = newSalt();
    this.values[name] = { salt: salt.toString("base64"), value };
    return commitment(salt, value);
  }
}

/** Salts are drawn many at a time: a draw costs more than its bytes. */
const saltsAtOnce = 64;
let salts = Buffer.alloc(0);

function newSalt(): Buffer {
  if (salts.length === 0) salts = randomBytes(saltsAtOnce * saltLength);
  const salt = salts.subarray(0, saltLength);
  salts = salts.subarray(saltLength);
  return salt;
}

/** No index has room for much more: one entry that is too long would keep all others out of the log. */
const maxIndexed = 200;

function indexable(text: string): string {
  return storable(text).slice(0, maxIndexed).toWellFormed();
}

/** Postgres has no NUL in text, and what a caller has put into the wrong place may be a secret. */
function storable(text: string): string {
  return withoutSecrets(text.replaceAll("\0", "").toWellFormed());
}
