import { timestampMs } from "@bufbuild/protobuf/wkt";
import { type AuditEvent, AuditOutcome } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { PrincipalType } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { classify } from "./ocsf-classes.ts";

// Events of the Open Cybersecurity Schema Framework: https://schema.ocsf.io/1.3.0

const version = "1.3.0";
const product = { name: "PDaaS Service Accounts", vendor_name: "PDaaS" };
/** An endpoint or a user must be named. */
const unknown = { name: "unknown" };

/** An event as an object of the schema, in a line of JSON. */
export function toOcsf(organizationId: string, event: AuditEvent): string {
  const { time, lastTime, count } = event;
  const ms = time ? timestampMs(time) : 0;
  const isRefused = event.outcome === AuditOutcome.REFUSED;
  const isOrdinary = event.outcome === AuditOutcome.OK;
  const kind = classify(event.action, event.resourceType);
  return `${JSON.stringify({
    ...kind,
    time: ms,
    severity_id: isOrdinary ? 1 : 2,
    severity: isOrdinary ? "Informational" : "Low",
    status_id: isRefused ? 2 : 1,
    status: isRefused ? "Failure" : "Success",
    ...given({ status_code: event.reason }),
    count: Number(count),
    ...(lastTime && { start_time: ms, end_time: timestampMs(lastTime) }),
    metadata: {
      version,
      product,
      uid: event.id,
      event_code: event.action,
      log_name: "audit",
      sequence: Number(event.sequence),
      tenant_uid: organizationId,
      ...given({ correlation_uid: event.requestId }),
    },
    actor: actorOf(event),
    src_endpoint: event.address === "" ? unknown : { ip: event.address },
    ...subjectOf(kind.class_uid, event),
    unmapped: unmapped(event),
  })}\n`;
}

function actorOf(event: AuditEvent) {
  const session = event.sessionId === "" ? undefined : { uid: event.sessionId };
  const user = event.principalId === "" ? undefined : principalOf(event);
  const name = event.userAgent === "" ? unknown.name : event.userAgent;
  return { ...(user && { user }), ...(session && { session }), app_name: name };
}

function principalOf({ principalId, principalType, apiKeyId }: AuditEvent) {
  const isUser = principalType === PrincipalType.USER;
  return { uid: principalId, ...userType(isUser), ...given({ credential_uid: apiKeyId }) };
}

function userType(isUser: boolean) {
  return isUser ? { type_id: 1, type: "User" } : { type_id: 4, type: "Service" };
}

/** What the event is about, where its class has it. */
function subjectOf(classUid: number, event: AuditEvent) {
  const { action, resourceType, resourceId, principalId, sessionId } = event;
  const named = resourceId === "" ? unknown : { uid: resourceId };
  if (classUid === 3001) return { user: { ...named, ...userType(resourceType === "User") } };
  if (classUid === 3004) return { entity: { ...named, type: resourceType } };
  if (classUid === 3002) {
    return {
      user: principalId === "" ? unknown : principalOf(event),
      service: { name: product.name },
      ...(sessionId !== "" && { session: { uid: sessionId } }),
    };
  }
  return {
    api: { operation: action, service: { name: product.name } },
    ...(resourceId !== "" && { resources: [{ ...named, type: resourceType }] }),
  };
}

function unmapped(event: AuditEvent) {
  const { changes, policyIds } = event;
  return {
    ...given({
      parent_id: event.parentId,
      account_id: event.accountId,
      trace_id: event.traceId,
    }),
    ...(policyIds.length > 0 && { policy_ids: policyIds }),
    ...(changes.length > 0 && {
      changes: changes.map(({ field, before, after }) => ({ field, before, after })),
    }),
  };
}

/** Those that are not empty. */
function given(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== ""));
}
