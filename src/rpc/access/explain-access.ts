import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type AccessCheck,
  AccessCheckSchema,
  type AccessService,
  type DecidingStatementSchema,
  type ExplainAccessRequest,
} from "../../../gen/pdaas/v1/access_service_pb.ts";
import { AuditOutcome } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { methods } from "../../contract.ts";
import { Code, notFound, ServiceError } from "../../errors.ts";
import { universeOf } from "../../iam/actions.ts";
import { forbids, type Statement } from "../../iam/statement.ts";
import { type AuditEventRow, findAuditEventOfRequest } from "../../store/audit-events.ts";
import { typeOf } from "../../store/entities.ts";
import type { App } from "../app.ts";
import type { Handler } from "../handler.ts";
import { findSchema } from "../policy/policy-schema.ts";
import { invalid } from "./application-entities.ts";
import { checkAccess, toDecision } from "./check.ts";
import { effectivePermissions } from "./effective-permissions.ts";
import { remediesOf } from "./remedies.ts";

export const explainAccess: Handler<typeof AccessService.method.explainAccess> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const { check, event } = await readQuestion(app, organizationId, request);
  const requestId = event?.request_id ?? call.requestId;
  const asking = { organizationId, requestId, time: event?.time.getTime() ?? call.time };
  const checked = await checkAccess(app.db, asking, check);
  const { application } = await findSchema(app.db, organizationId);
  return {
    decision: toDecision(checked),
    check,
    recordedReason: event?.outcome === AuditOutcome.REFUSED ? event.reason : "",
    permission: checked.permission,
    statements: checked.decision.statements.map(toDecidingStatement),
    remedies: remediesOf(check, checked),
    effectivePermissions: effectivePermissions(checked.principal, universeOf(application)),
  };
};

async function readQuestion(
  app: App,
  organizationId: string,
  { question }: ExplainAccessRequest,
): Promise<{ check: AccessCheck; event?: AuditEventRow }> {
  if (question.case === "check") return { check: question.value };
  if (question.case === undefined) throw invalid("request_id", "or check must be given");
  const event = await findAuditEventOfRequest(app.db, organizationId, question.value);
  if (event === undefined) throw notFound("recorded call", question.value);
  const check = checkOf(event, organizationId);
  if (check === undefined) throw notJudged(event);
  return { check, event };
}

/** The call that an event tells of, as a question; undefined where policies had no say in it. */
export function checkOf(event: AuditEventRow, organizationId: string): AccessCheck | undefined {
  const method = methods.values().find(({ action }) => action === event.action);
  if (event.principal_id === "" || !method?.access.permission) return undefined;
  const { judgedBy, resourceField } = method;
  const id = resourceField === undefined ? event.parent_id : event.resource_id;
  const isOfAll = judgedBy === undefined || (id === "" && judgedBy.isOptional);
  const type = judgedBy?.type === "Allowlist" ? typeOf(id) : (judgedBy?.type ?? "");
  return create(AccessCheckSchema, {
    principalId: event.principal_id,
    apiKeyId: event.api_key_id,
    action: event.action,
    resource: isOfAll ? { type: "Organization", id: organizationId } : { type, id },
    address: event.address,
  });
}

function notJudged(event: AuditEventRow): ServiceError {
  const reason = event.reason === "" ? "was not refused" : `was refused with ${event.reason}`;
  return new ServiceError(
    Code.failedPrecondition,
    "CALL_NOT_JUDGED",
    `The call ${event.action} ${reason}, and no policy was asked about it. The audit log has all that is known of it.`,
  );
}

function toDecidingStatement(
  statement: Statement,
): MessageInitShape<typeof DecidingStatementSchema> {
  const { policyId, policyName, targetId, text, line } = statement;
  return { policyId, policyName, targetId, forbids: forbids(statement), text, line };
}
