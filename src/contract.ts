import {
  type DescField,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  getOption,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Ignore, field as rules } from "../gen/buf/validate/validate_pb.ts";
import { type Access, access, type Caller } from "../gen/pdaas/v1/access_pb.ts";
import { AccessService } from "../gen/pdaas/v1/access_service_pb.ts";
import { AccountService } from "../gen/pdaas/v1/account_service_pb.ts";
import { AllowlistService } from "../gen/pdaas/v1/allowlist_service_pb.ts";
import { ApiKeyService } from "../gen/pdaas/v1/api_key_service_pb.ts";
import { AuditService } from "../gen/pdaas/v1/audit_service_pb.ts";
import { AuditSinkService } from "../gen/pdaas/v1/audit_sink_service_pb.ts";
import { AuthService } from "../gen/pdaas/v1/auth_service_pb.ts";
import { GroupService } from "../gen/pdaas/v1/group_service_pb.ts";
import { OrganizationService } from "../gen/pdaas/v1/organization_service_pb.ts";
import { PolicyService } from "../gen/pdaas/v1/policy_service_pb.ts";
import { ServiceAccountService } from "../gen/pdaas/v1/service_account_service_pb.ts";
import { UserService } from "../gen/pdaas/v1/user_service_pb.ts";

/** Every service of the contract. */
export const services = [
  AuthService,
  OrganizationService,
  AccountService,
  UserService,
  GroupService,
  PolicyService,
  AccessService,
  ServiceAccountService,
  ApiKeyService,
  AllowlistService,
  AuditService,
  AuditSinkService,
] as const;

/** One RPC and what its contract says of it. */
export interface Method {
  /** The RPC's name, which is also the name of the action in policies and in the audit log. */
  readonly action: string;
  /** `/pdaas.v1.ServiceAccountService/CreateServiceAccount` */
  readonly path: string;
  /** It takes one message, and answers with one or with a stream of them. */
  readonly desc: DescMethodUnary | DescMethodServerStreaming;
  readonly access: Access;
  readonly callers: ReadonlySet<Caller>;
  /** Local name of the request field that names the resource. */
  readonly resourceField: string | undefined;
  /** What policies judge the call by, where that is not always the organization. */
  readonly judgedBy: JudgedBy | undefined;
  /** Whether the call changes nothing, so that only its refusal is recorded. */
  readonly isRead: boolean;
}

/** A request field that names what policies judge a call by: its resource, or what that is to be in. */
export interface JudgedBy {
  /** Such as `ServiceAccount`. */
  readonly type: string;
  /** The local name of the field. */
  readonly field: string;
  /** Whether it may be empty, for the whole organization. */
  readonly isOptional: boolean;
}

/** Every RPC of the contract by its path. */
export const methods: ReadonlyMap<string, Method> = new Map(
  services
    .flatMap((service) => service.methods.map((desc) => describe(desc)))
    .map((m) => [m.path, m]),
);

/** Every permission that an RPC takes, and `*` for all of them. */
export const permissions: ReadonlySet<string> = new Set([
  "*",
  ...[...methods.values()].map((m) => m.access.permission).filter((p) => p !== ""),
]);

/** What the contract says of an RPC. */
export function methodOf(desc: DescMethod): Method {
  const method = methods.get(`/${desc.parent.typeName}/${desc.name}`);
  if (method === undefined) throw new Error(`${desc.name} is of no service in the contract's list`);
  return method;
}

function describe(desc: DescMethod): Method {
  if (desc.methodKind !== "unary" && desc.methodKind !== "server_streaming") {
    throw new Error(`${desc.name} is ${desc.methodKind}: a signature cannot cover its request`);
  }
  const rule = getOption(desc, access);
  const fieldOf = (name: string) => desc.input.fields.find((f) => f.name === name);
  const resourceField = fieldOf(rule.resourceField);
  const type = resourceField === undefined ? rule.parentType : rule.resourceType;
  const judging = resourceField ?? fieldOf(rule.parentField);
  return {
    action: desc.name,
    path: `/${desc.parent.typeName}/${desc.name}`,
    desc: desc as Method["desc"],
    access: rule,
    callers: new Set(rule.callers),
    resourceField: resourceField?.localName,
    judgedBy: judging && {
      type,
      field: judging.localName,
      isOptional: isOptional(judging),
    },
    isRead: desc.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS,
  };
}

/** Whether the contract lets an identifier be empty. */
function isOptional(field: DescField): boolean {
  const { ignore, type } = getOption(field, rules);
  const string = type.case === "string" ? type.value : undefined;
  return ignore === Ignore.IF_ZERO_VALUE || !(string?.pattern || string?.minLen);
}
